"""Translate-test as an ordinary pipeline: built from the shipped config, fitted on raw text, packaged, and loaded with
nothing of this machine left but the packages."""

import json
import shutil
import subprocess
import sys
import zipfile

import pytest
import spacy
from spacy.cli.package import package

from spacy_xproj.corpus import read_docs
from spacy_xproj.runs.project import fit
from tests.conftest import CONFIGS, ROOT

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # spacy package leaves files open
    pytest.mark.skipif(shutil.which("apertium") is None, reason="the program apertium is not installed"),
]
TEXT = "Ana Ruiz vive en Madrid. El Parlamento Europeo está en Bruselas."
PATTERNS = {"PER": ["Ana Ruiz"], "LOC": ["Madrid", "Brussels"], "ORG": ["European Parliament", "EU parliament"]}


def source_pipeline(folder):
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    for label, names in PATTERNS.items():
        ruler.add_patterns([{"label": label, "pattern": [{"ORTH": w} for w in name.split()]} for name in names])
    nlp.to_disk(folder)
    return str(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A fitted translate-test pipeline in `model`, and its wheel in `out`."""
    folder = tmp_path_factory.mktemp("translate_test")
    texts = [doc.text for doc in read_docs(ROOT / "assets" / "train.es.jsonl", spacy.blank("es"), limit=60)]
    (folder / "raw.txt").write_text("\n".join([*texts, *TEXT.split(". ")]) + "\n", encoding="utf-8")
    paths = {"paths.source": source_pipeline(folder / "source"), "paths.memory": str(folder / "memory.sqlite")}
    fitted = fit(folder / "raw.txt", folder / "model", CONFIGS / "translate_test.cfg", "es", overrides=paths)
    assert fitted.names == ["xproj_aligner", "xproj_matcher"]
    (folder / "out").mkdir()
    package(folder / "model", folder / "out", name="test_xproj", version="0.0.1", create_wheel=True, silent=True)
    return folder


def test_it_is_an_ordinary_pipeline(folder):
    nlp = spacy.load(folder / "model")
    assert nlp.pipe_names == ["xproj_translator", "xproj_aligner", "xproj_matcher"]
    nlp.add_pipe("sentencizer", first=True)
    doc = nlp(TEXT)
    assert [(e.text, e.label_) for e in doc.ents][:2] == [("Ana Ruiz", "PER"), ("Madrid", "LOC")]
    assert ("Bruselas", "LOC") in [(e.text, e.label_) for e in doc.ents]
    assert doc._.xproj.lang == "en" and "apertium" in doc._.xproj.provenance["translator"].lower()
    (again,) = nlp.pipe([TEXT], n_process=2)
    assert [(e.start, e.end, e.label_) for e in again.ents] == [(e.start, e.end, e.label_) for e in doc.ents]


def test_the_wheel_holds_no_path_and_loads_elsewhere(folder, tmp_path):
    (wheel,) = (folder / "out").rglob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    local = str(folder.parent).encode()
    with_path = [p for p in (tmp_path / "site").rglob("*") if p.is_file() and local in p.read_bytes()]
    assert with_path == []
    assert any(b"spacy-xproj" in p.read_bytes() for p in (tmp_path / "site").glob("*.dist-info/METADATA"))
    want = [(e.text, e.label_) for e in spacy.load(folder / "model")(TEXT).ents]
    gone = folder.with_name("gone")
    folder.rename(gone)
    try:
        script = (
            "import sys, json; sys.path.insert(0, sys.argv[1]); import spacy\n"
            "doc = spacy.load('es_test_xproj')(sys.argv[2])\n"
            "print(json.dumps([(e.text, e.label_) for e in doc.ents]))"
        )
        command = [sys.executable, "-c", script, str(tmp_path / "site"), TEXT]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    finally:
        gone.rename(folder)
    assert [tuple(row) for row in json.loads(done.stdout.splitlines()[-1])] == want != []
