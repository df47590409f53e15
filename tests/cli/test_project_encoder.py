"""xproj project --config project_encoder: links of an encoder whose folder is named on the command line."""

import shutil

import pytest
import spacy
from typer.testing import CliRunner

from spacy_xproj.aligners.embedding import EmbeddingAligner
from spacy_xproj.bitext import Bitext
from spacy_xproj.cli import app
from spacy_xproj.corpus import read_docs
from tests.aligners.tiny_encoders import make_encoder
from tests.conftest import VERSES, said


def call(corpus, *args):
    command = ["project", "bitext.spacy", "out.spacy", "--config", "project_encoder", "--lang", "es"]
    command[1:3] = [str(corpus / name) for name in command[1:3]]
    result = CliRunner().invoke(app, [*command, *map(str, args)])
    return result.exit_code, said(result)


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "nllb"])
def test_links_of_the_folder(corpus, tmp_path, kind):
    """Those of layer 6 by itermax; and what is written needs the folder no more."""
    folder = make_encoder(tmp_path / "encoder", kind, layers=7)
    code, text = call(corpus, "--paths.encoder", folder)
    assert code == 0 and "Projected" in text, text
    aligner = EmbeddingAligner(str(folder), method="itermax", layer=6, device="cpu")
    docs = list(read_docs(corpus / "out.spacy", spacy.blank("es")))
    assert len(docs) == len(VERSES)
    for doc, (source, target) in zip(docs, VERSES):
        words = tuple(source.split())
        (want,) = aligner(Bitext("en", words, (True,) * len(words)).pairs(tuple(target.split())))
        assert doc._.xproj.links.tolist() == want.links.tolist()
        assert "layer 6, itermax" in doc._.xproj.provenance["aligner"]
    shutil.rmtree(folder)
    nlp = spacy.load(corpus / "out.spacy.fitted")
    again = list(nlp.pipe(read_docs(corpus / "bitext.spacy", nlp)))
    assert [doc._.xproj.links.tolist() for doc in again] == [doc._.xproj.links.tolist() for doc in docs]


def test_no_folder(corpus):
    code, text = call(corpus)
    assert code == 1 and "Embedding.v1" in text and "model" in text


def test_too_few_layers(corpus, tmp_path):
    code, text = call(corpus, "--paths.encoder", make_encoder(tmp_path / "encoder", layers=5))
    assert code == 1 and "the model has 5 layers, and layer is 6" in text
