"""Entities under distributions over tags: by hand, and the same ones wherever the package looks for them."""

from collections import Counter

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_xproj.corpus.gazetteers import entities
from spacy_xproj.runs.rounds import hard_doc
from spacy_xproj.runs.teach import with_state
from spacy_xproj.soft import SoftLabels, find_entities
from spacy_xproj.tags import TagScheme

TAGS = ("O", "B-X", "I-X")
ROWS = {"O": (1, 0, 0), "B-X": (0, 1, 0), "I-X": (0, 0.25, 0.75), "?": (0, 0, 0)}
NLP = spacy.blank("xx")


def doc_of(words, tags, starts=None):
    """A Doc with soft labels that prefer these tags; "?" is an unknown token."""
    doc = Doc(NLP.vocab, words=words, sent_starts=starts)
    doc._.xproj_soft = SoftLabels(TAGS, np.array([ROWS[tag] for tag in tags]))
    return doc


class Teacher:
    """Says the same of any Doc."""

    labels = TAGS

    def __init__(self, rows):
        self.rows = rows

    def __call__(self, docs):
        return [self.rows for _ in docs]


def by_gazetteer(doc):
    return entities(doc)


def by_held_out(doc):
    return hard_doc(doc).ents


def by_teacher(doc):
    pipe = NLP.create_pipe("xproj_teacher", config={"annotate_ents": True, "overwrite": True})
    pipe.teachers = {"one": Teacher(doc._.xproj_soft.probs.astype("f4"))}
    return pipe(doc.copy()).ents


def by_token_classifier(doc):
    pipe = NLP.create_pipe("xproj_token_classifier")
    pipe.teacher = Teacher(doc._.xproj_soft.probs.astype("f4"))
    return pipe(doc.copy()).ents


def by_student(doc):
    pipe, copy = NLP.create_pipe("xproj_student"), doc.copy()
    pipe.add_label("X")
    pipe.set_annotations([copy], [doc._.xproj_soft.probs.astype("f4")])
    return copy.ents


WAYS = [by_gazetteer, by_held_out, by_teacher, by_token_classifier, by_student]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "words, tags, starts, want",
    [
        ("a b c", "B-X I-X O", None, [(0, 2)]),
        ("a b c", "B-X I-X I-X", [True, False, True], [(0, 2), (2, 3)]),  # no entity crosses sentences
        ("a _ b", "B-X O I-X", None, [(0, 3)]),  # white space is passed over
        ("a _ b", "B-X I-X B-X", None, [(0, 1), (2, 3)]),  # and is not at an edge
        ("_ a _", "B-X I-X I-X", None, [(1, 2)]),
        ("a _ b", "B-X ? I-X", None, [(0, 3)]),
        ("a b c", "B-X ? I-X", None, [(0, 1), (2, 3)]),  # what is unknown is outside
        ("a b c", "? I-X ?", None, [(1, 2)]),
        ("a b", "? ?", None, []),
    ],
)
def test_by_hand(way, words, tags, starts, want):
    doc = doc_of([word.replace("_", " ") for word in words.split()], tags.split(), starts)
    assert [(span.start, span.end) for span in way(doc)] == want
    counts = Counter()
    list(with_state([doc], "", counts))
    assert counts["entity:X"] == len(want)


@given(st.data())
def test_all_ways_agree(data):
    n = data.draw(st.integers(1, 8))
    weights = np.array(data.draw(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=n, max_size=n)), "f4")
    words = [data.draw(st.sampled_from("ab ")) for _ in range(n)]
    doc = Doc(NLP.vocab, words=words, sent_starts=[i == 0 or data.draw(st.booleans()) for i in range(n)])
    total = weights.sum(1, keepdims=True)
    doc._.xproj_soft = SoftLabels(TAGS, np.divide(weights, total, out=np.zeros_like(weights), where=total > 0))
    found = [[(span.start, span.end, span.label_) for span in way(doc)] for way in WAYS]
    assert found == found[:1] * len(WAYS)


def test_the_score_is_that_of_the_weakest_word():
    doc = Doc(NLP.vocab, words=["a", " ", "b", "c"])
    probs = np.array([[0.25, 0.75, 0], [1, 0, 0], [0.25, 0.25, 0.5], [1, 0, 0]])
    assert find_entities(doc, probs, TagScheme(TAGS)) == [(0, 3, "X", 0.5)]
    assert doc._.xproj_soft is None and not doc.ents


def test_empty():
    assert find_entities(Doc(NLP.vocab), np.zeros((0, 3)), TagScheme(TAGS)) == []
