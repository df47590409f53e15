"""Parts with the same model load it once in a process."""

import gc
import pickle
import shutil

import pytest

from spacy_xproj.aligners.embedding import EmbeddingAligner
from spacy_xproj.models.encoder import Encoder
from spacy_xproj.models.folder import SHARED
from spacy_xproj.similarities.context import ContextSimilarity
from tests.aligners.tiny_encoders import make_encoder

SETTINGS = {"layer": 2, "device": "cpu"}


@pytest.fixture
def folders(tmp_path):
    """Two copies of a model, as a pipeline with two parts has after it was saved, and another one."""
    make_encoder(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    make_encoder(tmp_path / "other", seed=1)
    return tmp_path


def test_one_model_for_all(folders, monkeypatch):
    made = []
    original = Encoder.make
    monkeypatch.setattr(Encoder, "make", lambda self, *args: made.append(self) or original(self, *args))
    aligner = EmbeddingAligner(folders / "one", **SETTINGS)
    context = ContextSimilarity(str(folders / "copy"), **SETTINGS)
    assert aligner.load() is context.load() and len(made) == 1
    for model, settings in (("other", SETTINGS), ("one", {**SETTINGS, "layer": 1})):
        assert EmbeddingAligner(folders / model, **settings).load() is not aligner.load()
    again = pickle.loads(pickle.dumps(aligner))
    assert again.load() is aligner.load() and len(made) == 3


def test_it_goes_with_the_last_part(folders):
    gc.collect()  # what other tests left
    before = len(SHARED)
    aligner = EmbeddingAligner(folders / "one", **SETTINGS)
    aligner.load()
    assert len(SHARED) == before + 1
    del aligner
    gc.collect()
    assert len(SHARED) == before
