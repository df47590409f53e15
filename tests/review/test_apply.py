"""Answers in Docs: what wins, what stays, what is masked, and what the matcher and the lexicon learn from them."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Span, SpanGroup

from spacy_xproj.corpus.formats.payload_meta import PairIds
from spacy_xproj.review.answers import Answer, CharSpan, questions
from spacy_xproj.review.apply import correct, example, lexicon, reviewed
from tests.conftest import ents, missed, payload_doc

NLP = spacy.blank("es")
TARGET, SOURCE = "Ana visita Roma y Lima", "Ana visits Rome and Lima"
SPANS = [(0, 1, "PER"), (2, 3, "LOC"), (4, 5, "LOC")]


def projected(found, spans=SPANS, others=(), unknown=()):
    """found: (start, end, score) by the number of the source span."""
    doc = payload_doc(NLP, TARGET, SOURCE, spans)
    marked = [Span(doc, a, b, label=spans[k][2], span_id=f"s{k}") for k, (a, b, _) in found.items()]
    scores = np.array([score for *_, score in found.values()], "f4")
    doc.spans["xproj"] = SpanGroup(doc, name="xproj", spans=marked, attrs={"scores": scores})
    missing = [Span(doc, i, i + 1) for i in unknown]
    doc.set_ents(
        spacy.util.filter_spans(marked) + [Span(doc, *other) for other in others], missing=missing, default="outside"
    )
    doc._.xproj_report = {"source_spans": len(spans), "projected": 0, "missing": [], "doubtful": {}, "notes": []}
    return doc


def say(doc, place, *words, label="", kind=""):
    question = questions(doc, PairIds()(doc))[place]
    spans = tuple(CharSpan(doc.text.index(w), doc.text.index(w) + len(w), w) for w in words)
    return Answer(question, kind or ("span" if spans else "absent"), spans, label or question.label, "person")


def review(doc, *answers):
    problems = []
    (found,) = reviewed([doc], {answer.question.key: answer for answer in answers}, problems)
    return found, problems


ALL = {0: (0, 1, 0.9), 1: (2, 3, 0.4), 2: (4, 5, 0.8)}


def corrected(doc, *answers, **options):
    found, problems = review(doc, *answers)
    assert problems == []
    return correct(found, **options)


def test_an_answer_wins_over_what_was_projected():
    doc = projected(ALL)
    new = corrected(doc, say(doc, 1, "Roma y"), say(doc, 0), say(doc, 2, "Lima", label="ORG"))
    assert ents(new) == [(2, 4, "LOC"), (4, 5, "ORG")]
    assert missed(new) == {"s0": "answered_absent"}
    group = new.spans["xproj"]
    assert [(s.text, s.id_) for s in group] == [("Roma y", "s1"), ("Lima", "s2")]
    assert group.attrs["scores"].tolist() == [1.0, 1.0]
    assert new._.xproj_report["projected"] == 2 and new._.xproj.provenance["review"] == "person: 3"


def test_what_takes_the_words_of_an_answer_goes():
    doc = projected(ALL)
    assert ents(corrected(doc, say(doc, 0, "Roma"))) == [(2, 3, "PER"), (4, 5, "LOC")]
    assert missed(doc) == {"s1": "conflict"}


def test_entities_of_others_stay():
    doc = projected({0: (0, 1, 0.9)}, others=[(4, 5, "GPE")])
    assert ents(corrected(doc, say(doc, 1, "Roma"))) == [(0, 1, "PER"), (2, 3, "LOC"), (4, 5, "GPE")]


def test_nested_source_spans():
    """The outer one is an entity, whatever the order of the answers."""
    doc = projected({}, spans=[(2, 5, "ORG"), (2, 3, "LOC")])
    new = corrected(doc, say(doc, 1, "Roma"), say(doc, 0, "Roma y Lima"))
    assert ents(new) == [(2, 5, "ORG")] and len(new.spans["xproj"]) == 2
    assert missed(new) == {"s1": "conflict"}


def test_several_spans_of_one_answer():
    doc = projected(ALL)
    assert ents(corrected(doc, say(doc, 0, "Ana", "visita"), say(doc, 1))) == [
        (0, 1, "PER"),
        (1, 2, "PER"),
        (4, 5, "LOC"),
    ]


def test_the_doubtful_rest_is_masked():
    doc = projected(ALL)
    new = corrected(doc, say(doc, 0, "Ana"), mask_below=0.5)
    assert ents(new) == [(0, 1, "PER"), (4, 5, "LOC")]
    assert [t.ent_iob for t in new] == [3, 2, 0, 2, 3]


def test_what_is_unknown_stays_so_until_all_is_answered():
    doc = projected({0: (0, 1, 0.9)}, unknown=[2, 4])
    assert [t.ent_iob for t in corrected(doc, say(doc, 1, "Roma"))] == [3, 2, 3, 2, 0]
    doc = projected({0: (0, 1, 0.9)}, unknown=[2, 4])
    new = corrected(doc, say(doc, 0, "Ana"), say(doc, 1, "Roma"), say(doc, 2))
    assert [t.ent_iob for t in new] == [3, 2, 3, 2, 2]


def test_a_doc_without_answers_stays_as_it_is():
    doc = projected(ALL)
    before = doc.to_bytes()
    corrected(doc)
    assert doc.to_bytes() == before


def test_answers_that_cannot_be_used_are_named():
    doc = projected(ALL)
    cut = Answer(questions(doc, PairIds()(doc))[0], "span", (CharSpan(0, 2, "An"),), "PER", "person")
    other = Answer(questions(doc, "unknown")[1], "absent", (), "LOC", "person")
    found, problems = review(doc, cut, other)
    assert found.answers == {}
    assert "token" in problems[0] and "unknown: no Doc has this id" in problems[1]


def test_the_matcher_learns_from_what_is_answered_alone():
    doc = projected(ALL)
    made = example(review(doc, say(doc, 1, "Lima"), say(doc, 0))[0])
    assert [(s.start, s.label) for s in made._.xproj.spans] == [(0, "PER"), (2, "LOC")]
    assert ents(made) == [(4, 5, "LOC")] and not made._.xproj.unknown
    assert example(review(doc)[0]) is None
    assert example(review(doc, say(doc, 1, "Lima", label="ORG"))[0]) is None  # no projection gives another label


def test_the_lexicon_says_what_is_right_and_what_never():
    docs = [projected(ALL), projected(ALL)]
    found = [
        review(docs[0], say(docs[0], 1, "Roma y"))[0],
        review(docs[1], say(docs[1], 2, "Lima"), say(docs[1], 0))[0],
    ]
    table = lexicon(found)
    rows = {(s, t): entry.times for s, row in table.rows.items() for t, entry in row.items()}
    assert rows == {("rome", "roma y"): 1, ("rome", "roma"): 0, ("lima", "lima"): 1, ("ana", "ana"): 0}


@pytest.mark.parametrize("answers", [2, 3])
def test_a_later_round_keeps_earlier_answers(answers):
    doc = projected(ALL)
    corrected(doc, say(doc, 0))
    corrected(doc, say(doc, 1, "Roma y"))
    assert ents(doc) == [(2, 4, "LOC"), (4, 5, "LOC")] and missed(doc) == {"s0": "answered_absent"}
    assert doc._.xproj_report["answered"] == {"s0": "person", "s1": "person"}
    if answers == 3:  # and one can be taken back
        assert ents(corrected(doc, say(doc, 0, "Ana")))[0] == (0, 1, "PER")
