import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span, SpanGroup

from spacy_xproj.evaluate.bootstrap import label_counts
from spacy_xproj.evaluate.calibration import calibration_error, precision_at, reliability, scored

SCORE = np.array([0.95, 0.91, 0.42, 0.48, 1.0, 0.0])
RIGHT = np.array([True, False, True, False, True, False])


def doc_of(nlp, spans, scores=None):
    doc = Doc(nlp.vocab, words=list("abcde"))
    doc.set_ents([Span(doc, *span) for span in spans])
    if scores is not None:
        attrs = {"scores": np.array(scores, "f4")}
        doc.spans["xproj"] = SpanGroup(doc, name="xproj", spans=list(doc.ents), attrs=attrs)
    return doc


def test_scored_and_label_counts(nlp):
    found = [doc_of(nlp, [(0, 2, "PER"), (3, 4, "LOC")], [0.5, 0.25]), doc_of(nlp, [])]
    gold = [doc_of(nlp, [(0, 2, "PER"), (3, 5, "LOC")]), doc_of(nlp, [(1, 2, "ORG")])]
    score, right = scored(found, gold)
    assert score.tolist() == [0.5, 0.25]
    assert right.tolist() == [True, False]
    assert label_counts(found, gold) == {"LOC": [0, 1, 1], "ORG": [0, 0, 1], "PER": [1, 1, 1]}


def test_a_span_with_the_wrong_label_is_not_right(nlp):
    assert scored([doc_of(nlp, [(0, 2, "PER")], [1])], [doc_of(nlp, [(0, 2, "ORG")])])[1].tolist() == [False]


def test_reliability_by_hand():
    bins = reliability(SCORE, RIGHT)
    assert [b.spans for b in bins] == [1, 0, 0, 0, 2, 0, 0, 0, 0, 3]  # a score of 1 is in the last step
    assert (bins[4].low, bins[4].high) == (0.4, 0.5)
    assert bins[4].score == pytest.approx(0.45)
    assert bins[4].precision == 0.5
    assert bins[9].precision == pytest.approx(2 / 3)
    assert (bins[1].score, bins[1].precision) == (0, 0)
    expected = (1 * 0 + 2 * 0.05 + 3 * abs((0.95 + 0.91 + 1) / 3 - 2 / 3)) / 6
    assert calibration_error(bins) == pytest.approx(expected)


def test_scores_that_tell_the_share_have_no_error():
    score = np.repeat([0.25, 0.75], 4)
    right = np.array([1, 0, 0, 0, 1, 1, 1, 0], bool)
    assert calibration_error(reliability(score, right)) == pytest.approx(0)
    assert calibration_error(reliability(score, ~right)) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30), st.integers(1, 12))
def test_each_span_is_in_one_step(rows, bins):
    score, right = np.array([s for s, _ in rows], float), np.array([r for _, r in rows], bool)
    found = reliability(score, right, bins)
    assert len(found) == bins
    assert sum(b.spans for b in found) == len(rows)
    assert sum(b.spans * b.precision for b in found) == pytest.approx(right.sum())
    assert 0 <= calibration_error(found) <= 1


def test_precision_at():
    # by score: 1.0 right, .95 right, .91 wrong, .48 wrong, .42 right, 0 wrong
    assert precision_at(SCORE, RIGHT, [1, 0.5, 0.34, 1 / 3, 0.01]) == pytest.approx([3 / 6, 2 / 3, 2 / 3, 1, 1])
    assert precision_at(SCORE, RIGHT, [0.7]) == pytest.approx([3 / 5])  # 4.2 spans: 5


def test_precision_at_keeps_the_earlier_of_equal_scores():
    assert precision_at(np.ones(4), np.array([True, False, False, False]), [0.25, 0.5]) == [1, 0.5]


def test_no_span_at_all():
    none = np.zeros(0), np.zeros(0, bool)
    assert precision_at(*none, [1, 0.5]) == [0, 0]
    assert calibration_error(reliability(*none)) == 0


def test_what_lies_on_unknown_tokens_is_left_out(nlp):
    doc, gold = doc_of(nlp, [(0, 2, "PER"), (3, 4, "LOC")], [0.5, 0.25]), Doc(nlp.vocab, words=list("abcde"))
    gold.set_ents([Span(gold, 3, 4, "LOC")], missing=[gold[1:2]], default="outside")
    score, right = scored([doc], [gold])
    assert score.tolist() == [0.25] and right.tolist() == [True]
