"""Licenses follow the data into what is trained on them."""

import json

import pytest
import spacy
from spacy.cli.package import package
from spacy.cli.train import train
from spacy.tokens import DocBin

from spacy_xproj.corpus.licenses import DataLicenses
from spacy_xproj.runs.convert import convert
from spacy_xproj.runs.split import split
from tests.conftest import CONFIGS, ROOT


@pytest.fixture
def data(tmp_path):
    """Gold under a license, as `xproj convert --license` and the split leave it."""

    def made(name):
        convert(ROOT / "assets" / "train.es.jsonl", tmp_path / "all.spacy", lang="es", license=name)
        split(tmp_path / "all.spacy", tmp_path / "train.spacy", tmp_path / "dev.spacy")
        return tmp_path

    return made


def test_the_split_keeps_the_license_and_no_payload(data):
    folder = data("CC BY 4.0")
    docs = list(DocBin().from_disk(folder / "dev.spacy").get_docs(spacy.blank("es").vocab))
    assert docs and all(doc.user_data == {"meta": {"license": "CC BY 4.0"}} for doc in docs)


def test_a_license_becomes_a_source(data, no_warnings):
    nlp, note = spacy.blank("es"), DataLicenses(str(data("CC BY 4.0") / "train.spacy"))
    for _ in range(2):  # each checkpoint
        assert note(nlp) is nlp
    assert nlp.meta["sources"] == [{"name": "Training data", "license": "CC BY 4.0"}]
    assert not nlp.meta["license"] and "notes" not in nlp.meta


@pytest.mark.parametrize("name", ["CC BY-NC 4.0", "for non-commercial use", "Research only"])
def test_one_that_forbids_commercial_use_is_said(data, name):
    nlp, note = spacy.blank("es"), DataLicenses(str(data(name) / "train.spacy"))
    with pytest.warns(UserWarning, match=f"{name!r}, which does not allow commercial use"):
        note(nlp)
    note(nlp)  # one warning, and one note
    assert nlp.meta["license"] == name and nlp.meta["notes"].count("does not allow") == 1


def test_data_without_a_license_change_nothing(tmp_path, no_warnings):
    convert(ROOT / "assets" / "test.es.jsonl", tmp_path / "all.spacy", lang="es")
    nlp = spacy.blank("es")
    before = json.dumps(nlp.meta)
    DataLicenses(str(tmp_path / "all.spacy"))(DataLicenses()(nlp))
    assert json.dumps(nlp.meta) == before


# spaCy leaves files open that it writes for the package
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_is_said_in_the_package(data):
    folder = data("CC BY-NC-SA 4.0")
    paths = {f"paths.{name}": str(folder / f"{name}.spacy") for name in ("train", "dev")}
    with pytest.warns(UserWarning, match="does not allow commercial use"):
        train(CONFIGS / "ner_cpu.cfg", folder / "out", overrides={**paths, "nlp.lang": "es", "training.max_steps": 1})
    (folder / "packages").mkdir()
    package(folder / "out" / "model-last", folder / "packages", create_sdist=False, silent=True)
    (card,) = (folder / "packages").glob("*/README.md")
    text = card.read_text(encoding="utf-8")
    assert "CC BY-NC-SA 4.0" in text and "does not allow commercial use" in text
