"""A pipe that breaks its process on Docs with certain words, and the package by which other processes find it."""

import ctypes
import shutil
import time
from pathlib import Path

from spacy.language import Language

WORDS = ("SEGV", "HANG", "EAT", "RAISE")
CHUNK = 64_000_000


@Language.component("breaker")
def breaker(doc):
    words = {token.text for token in doc}
    if "SEGV" in words:
        ctypes.string_at(0)
    if "HANG" in words:
        time.sleep(3600)
    if "RAISE" in words:
        raise KeyError("told to fail")
    if "EAT" in words:
        eaten = []
        for _ in range(60):
            eaten.append(b"x" * CHUNK)
            time.sleep(0.05)
    return doc


def install(folder):
    """Make a package of this in a folder, with the entry point by which spaCy finds the pipe."""
    info = folder / "breaker-1.dist-info"
    info.mkdir(parents=True)
    shutil.copy(Path(__file__), folder / "breaker.py")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: breaker\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[spacy_factories]\nbreaker = breaker:breaker\n")
