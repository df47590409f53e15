"""A pipe that breaks its process on Docs with certain words, or takes its time, and the package by which other
processes find it."""

import ctypes
import errno
import os
import shutil
import time
from pathlib import Path

from spacy.language import Language

WORDS = ("SEGV", "HANG", "EAT", "RAISE")  # Docs with these are set aside
CHUNK = 64_000_000
CONFIG = """[nlp]
lang = "es"
pipeline = ["breaker","xproj_aligner","xproj_matcher"]

[components]

[components.breaker]
factory = "breaker"

[components.xproj_aligner]
factory = "xproj_aligner"

[components.xproj_aligner.aligner]
@xproj_aligners = "spacy_xproj.Statistical.v1"
iterations = 2

[components.xproj_matcher]
factory = "xproj_matcher"

[components.xproj_matcher.similarity]
@xproj_similarities = "spacy_xproj.Links.v1"
"""


def full(path, data):
    """Write half of a file, and be out of room."""
    with open(path, "wb") as file:
        file.write(data[: len(data) // 2])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@Language.component("breaker")
def breaker(doc):
    words = {token.text for token in doc}
    word, _, name = os.environ.get("BREAK", "").partition(" ")  # "SEGV n7": on Docs with n7, as if SEGV were in them
    if name in words:
        words.add(word)
    if "SEGV" in words:
        ctypes.string_at(0)
    if "HANG" in words:
        time.sleep(3600)
    if "NAP" in words:
        time.sleep(float(os.environ.get("NAP", 0)))
    if "RAISE" in words:
        raise KeyError("told to fail")
    if "FULL" in words and not (mark := Path("full")).exists():
        mark.touch()
        Path.write_bytes = full
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
