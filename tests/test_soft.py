import numpy as np
import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin

from spacy_xproj.errors import XprojError
from spacy_xproj.soft import SoftLabels

TAGS = ("O", "B-PER", "I-PER")
SOFT = SoftLabels(TAGS, [[0.1, 0.9, 0], [0, 0, 0], [1, 0, 0]], {"teacher.english": "a pipeline", "weight.english": 1.0})


def test_half_precision_and_what_is_known():
    assert SOFT.probs.dtype == np.float16 and SOFT.known.tolist() == [True, False, True]
    assert SOFT[1:] == SoftLabels(TAGS, SOFT.probs[1:], SOFT.provenance) and SOFT[[2]].known.tolist() == [True]
    assert SoftLabels(TAGS, SOFT.probs) != SOFT and SOFT != "soft"


@pytest.mark.parametrize(
    "probs, labels, message",
    [
        ([[1, 0]], TAGS, "a row of 3 probabilities a token: got the shape .1, 2."),
        ([1, 0, 0], TAGS, "a row of 3"),
        ([[2, 0, 0]], TAGS, "between 0 and 1"),
        ([[-1, 0, 0]], TAGS, "between 0 and 1"),
        ([[np.nan, 0, 0]], TAGS, "between 0 and 1"),
        ([[1, 0]], ("O", "O"), "each of them once"),
        ([[]], (), "got none"),
    ],
)
def test_what_is_no_distribution(probs, labels, message):
    with pytest.raises(XprojError, match=message):
        SoftLabels(labels, probs)


def test_held_against_its_doc():
    SOFT.check(3)
    with pytest.raises(XprojError, match="3 rows, but the Doc has 4 tokens"):
        SOFT.check(4)


@pytest.mark.parametrize("settings", [{}, {"use_list": False}])
def test_msgpack(settings):
    assert srsly.msgpack_loads(srsly.msgpack_dumps({"a": [SOFT]}), **settings)["a"][0] == SOFT


def test_it_stays_on_a_doc():
    nlp = spacy.blank("es")
    doc = Doc(nlp.vocab, words=["Ana", "Ruiz", "vive"])
    doc._.xproj_soft = SOFT
    assert Doc(nlp.vocab).from_bytes(doc.to_bytes())._.xproj_soft == SOFT and doc.copy()._.xproj_soft == SOFT
    binned = DocBin(docs=[doc], store_user_data=True).to_bytes()
    assert next(DocBin().from_bytes(binned).get_docs(nlp.vocab))._.xproj_soft == SOFT
    empty = SoftLabels(TAGS, np.zeros((0, 3)))
    assert srsly.msgpack_loads(srsly.msgpack_dumps(empty)) == empty
