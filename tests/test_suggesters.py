import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.util import registry
from thinc.api import NumpyOps

from spacy_xproj.suggesters import make_ents_suggester, make_linked_suggester
from tests.conftest import payload_doc

SENTS = [((0, 2), (0, 3)), ((2, 4), (3, 5))]


def rows(suggester, docs):
    found = suggester(docs)
    assert found.dataXd.dtype == "int32" and found.dataXd.shape[1] == 2
    ends = np.cumsum(found.lengths)
    return [found.dataXd[b - n : b].tolist() for b, n in zip(ends, found.lengths)]


def test_linked(nlp):
    doc = payload_doc(nlp, "a b c d", "s t u", [(0, 2, "X")], "0-1 1-3 2-0")
    assert rows(make_linked_suggester(), [doc]) == [[[1, 2], [1, 4], [3, 4]]]
    assert rows(make_linked_suggester(max_length=2), [doc]) == [[[1, 2], [3, 4]]]


def test_linked_takes_the_ends_of_different_spans(nlp):
    doc = payload_doc(nlp, "a b c", "s t u", [(0, 1, "X"), (2, 3, "Y")], "0-0 2-2")
    assert [0, 3] in rows(make_linked_suggester(), [doc])[0]


def test_linked_respects_sentence_pairs(nlp):
    doc = payload_doc(nlp, "a b c d e", "s t u v", [(0, 1, "X"), (2, 4, "Y")], "0-0 0-2 2-3 3-4 0-4", sents=SENTS)
    assert rows(make_linked_suggester(), [doc]) == [[[0, 1], [0, 3], [2, 3], [3, 4], [3, 5], [4, 5]]]


def test_several_docs(nlp):
    one = payload_doc(nlp, "a", "s", [(0, 1, "X")], "0-0")
    unlinked = payload_doc(nlp, "a", "s", [(0, 1, "X")])
    plain, empty = Doc(nlp.vocab, words=["a"]), Doc(nlp.vocab)
    assert rows(make_linked_suggester(), [plain, one, empty, unlinked, one]) == [[], [[0, 1]], [], [], [[0, 1]]]
    assert rows(make_linked_suggester(), []) == []


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), max_size=10), st.integers(0, 3))
def test_linked_against_brute_force(links, max_length):
    import spacy

    doc = payload_doc(spacy.blank("xx"), "a b c d e f g", "p q r s t", [(0, 2, "X"), (3, 4, "Y")], links)
    ends = {j for i, j in links if i in (0, 1, 3)}
    want = [
        [a, b + 1] for a in range(7) for b in range(a, 7) if {a, b} <= ends and (not max_length or b - a < max_length)
    ]
    assert rows(make_linked_suggester(max_length), [doc]) == [want]


def test_ents(nlp):
    doc = Doc(nlp.vocab, words=["a", "b", "c"])
    doc.ents = [Span(doc, 0, 2, label="X"), Span(doc, 2, 3, label="Y")]
    doc.spans["other"] = [Span(doc, 1, 3, label="Z"), Span(doc, 0, 3, label="Z")]
    assert rows(make_ents_suggester(), [doc, Doc(nlp.vocab)]) == [[[0, 2], [2, 3]], []]
    assert rows(make_ents_suggester("other"), [doc, Doc(nlp.vocab)]) == [[[1, 3], [0, 3]], []]


@pytest.mark.parametrize("name", ["linked", "ents"])
def test_in_the_registry(nlp, name):
    suggester = registry.misc.get(f"spacy_xproj.{name}_suggester.v1")()
    ops = NumpyOps()
    doc = payload_doc(nlp, "a", "s", [(0, 1, "X")], "0-0")
    doc.ents = [Span(doc, 0, 1, label="X")]
    found = suggester([doc], ops=ops)
    assert found.dataXd.tolist() == [[0, 1]] and found.lengths.tolist() == [1]
