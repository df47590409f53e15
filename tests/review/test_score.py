"""Quality from a random sample: the numbers, the intervals, and what is left out."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Span, SpanGroup

from spacy_xproj.errors import XprojError
from spacy_xproj.review.answers import Answer, char_span, questions
from spacy_xproj.review.cases import cases
from spacy_xproj.review.choose import at_random, by_worth, counted
from spacy_xproj.review.score import quality, share
from tests.conftest import payload_doc

NLP = spacy.blank("es")


def projected(k, score=0.9):
    doc = payload_doc(NLP, f"Ana visita Roma {k}", f"Ana visits Rome {k}", [(0, 1, "PER"), (2, 3, "LOC")])
    found = [Span(doc, 2, 3, label="LOC", span_id="s1")]
    doc.spans["xproj"] = SpanGroup(doc, name="xproj", spans=found, attrs={"scores": np.array([score], "f4")})
    return doc


def answers(docs, names, kinds, asked="random"):
    out = {}
    for doc, name, kind in zip(docs, names, kinds):
        per, loc = questions(doc, name, asked)
        target = char_span(doc[2:3])
        missed = ("span", (char_span(doc[0:1]),)) if kind == "missed" else ("absent", ())
        there = ("absent", ()) if kind == "absent" else ("accept", (target,))
        out[per.key] = Answer(per, *missed, "PER", "person")
        out[loc.key] = Answer(loc, *there, "LOC", "person")
    return out


def told(kinds, **options):
    docs = [projected(k) for k in range(len(kinds))]
    names = [case.question.doc for case in cases(docs)][::2]
    return quality(docs, answers(docs, names, kinds, **options))


def test_precision_and_recall():
    found = told(["right"] * 7 + ["absent"] * 2 + ["missed"])
    assert (found.precision.right, found.precision.of) == (8, 10)
    assert (found.recall.right, found.recall.of) == (8, 9)
    assert found.labels["LOC"][0].of == 10 and found.labels["PER"][1] == share(0, 1)
    assert found.sample == found.spans == 20 and found.others == 0


def test_intervals_are_wilson_s():
    """The values of Newcombe (1998), Statistics in Medicine 17, table I."""
    rows = (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)
    for right, of, low, high in rows:
        found = share(right, of)
        assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert share(0, 0)[2:] == (0.0, 0.0, 1.0)


def test_answers_by_doubt_are_no_sample():
    with pytest.raises(XprojError, match="drawn at random"):
        told(["right"], asked="doubt")
    docs = [projected(k) for k in range(2)]
    names = [case.question.doc for case in cases(docs)][::2]
    some = {**answers(docs[:1], names[:1], ["right"]), **answers(docs[1:], names[1:], ["absent"], asked="doubt")}
    found = quality(docs, some)
    assert (found.sample, found.others, found.precision.value) == (2, 2, 1.0)


def test_a_sample_has_all_strata():
    docs = [projected(k, score) for k, score in enumerate(np.linspace(0.1, 1, 50))]
    found = counted(cases(docs))
    drawn = at_random(found, 20)
    assert sum(case.question.label == "LOC" for case in drawn) == 10
    doubts = sorted(case.doubt for case in drawn if case.projected)
    assert all(k / 10 - 0.03 <= doubt / 0.9 <= (k + 1) / 10 + 0.03 for k, doubt in enumerate(doubts))
    assert {case.question.asked for case in drawn} == {"random"}
    assert at_random(found, 20) == drawn != at_random(found, 20, seed=1)
    assert len({case.question.key for case in at_random(found, 100)}) == 100


def test_each_case_is_drawn_as_often():
    found = counted(cases([projected(k) for k in range(5)]))
    drawn = [case.question.key for seed in range(400) for case in at_random(found, 3, seed)]
    many = [drawn.count(case.question.key) for case in found]
    assert all(95 <= n <= 145 for n in many), many  # 120 in the mean


def test_the_most_doubtful_come_first_and_of_equals_those_with_like_cases():
    docs = [projected(0, 0.9), projected(1, 0.2), projected(2, 0.903)]
    found = by_worth(counted(cases(docs)))
    assert [case.doubt for case in found] == sorted((case.doubt for case in found), key=lambda d: -round(d, 2))
    assert found[0].doubt == pytest.approx(0.8, abs=1e-3) and found[0].like == 3
    assert by_worth(found, 2) == found[:2]
