"""`benchmarks.real.finetuning`, with a tiny encoder and a few sentences."""

import re

import pytest
import spacy

from benchmarks.real import finetuning
from spacy_xproj.corpus import read_docs
from tests.aligners.tiny_encoders import make_encoder
from tests.conftest import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("name", finetuning.CONFIGS)
def test_a_short_run(tmp_path, monkeypatch, capsys, name):
    docs = list(read_docs(ROOT / "assets/train.en.jsonl", spacy.blank("en")))[:60]
    monkeypatch.setattr(finetuning, "english", lambda text: docs)
    encoder = make_encoder(tmp_path / "encoder", "bert", positions=200, layers=5)
    finetuning.run(name, encoder, steps=4, every=2, limit=40)
    text = capsys.readouterr().out
    assert len(finetuning.STEPS) == 5 and sum(step.info is not None for step in finetuning.STEPS) == 3
    assert re.search(rf"{name}, encoder: peak \d\.\d\d GB; [+-]\d+\.\d MB a step .* after 5 steps", text)
    assert text.count("\n| ") == 2 + 3, "a row for each evaluation"
