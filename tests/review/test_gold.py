"""What gold answers, and a reviewer who is wrong at times."""

from collections import Counter

import spacy
from spacy.tokens import Span

from spacy_xproj.review.gold import gold_answers, mistaken
from tests.conftest import payload_doc

NLP = spacy.blank("es")


def doc(found, spans=((0, 1, "PER"), (2, 3, "LOC")), links="0-0 2-2", sents=()):
    made = payload_doc(NLP, "Ana visita Roma y Lima", "Ana visits Rome and Lima", spans, links, sents=sents)
    made.spans["xproj"] = [Span(made, a, b, label=label, span_id=name) for a, b, label, name in found]
    return made


def gold(*ents):
    made = NLP.make_doc("Ana visita Roma y Lima")
    made.set_ents([Span(made, *ent) for ent in ents])
    return made


def said(*args):
    found = gold_answers(*([one] for one in args))
    return [(answer.answer, [t.text for t in answer.targets], answer.label, wrong) for answer, wrong in found]


def test_gold_says_what_is_right():
    projected = doc([(0, 1, "PER", "s0"), (3, 5, "LOC", "s1")])
    assert said(projected, gold((0, 1, "PER"), (2, 3, "LOC"))) == [
        ("accept", ["Ana"], "PER", ""),
        ("span", ["Roma"], "LOC", "span"),
    ]


def test_what_is_not_there():
    projected = doc([(0, 1, "PER", "s0")])
    assert said(projected, gold()) == [("absent", [], "PER", "absent"), ("absent", [], "LOC", "")]


def test_a_gold_entity_goes_to_one_source_span():
    """The projection that it is, before the one that it only shares words or links with."""
    projected = doc([(2, 3, "LOC", "s1")], spans=((2, 3, "LOC"), (4, 5, "LOC")), links="2-2 4-2")
    assert said(projected, gold((2, 3, "LOC"))) == [("accept", ["Roma"], "LOC", ""), ("absent", [], "LOC", "")] or said(
        projected, gold((2, 3, "LOC"))
    ) == [("absent", [], "LOC", ""), ("accept", ["Roma"], "LOC", "")]


def test_another_label_is_no_error_that_an_answer_mends():
    projected = doc([(2, 3, "LOC", "s1")])
    assert said(projected, gold((2, 3, "ORG")))[1] == ("span", ["Roma"], "ORG", "other label")


def test_a_counterpart_is_in_the_sentence_pair():
    projected = doc([], spans=((2, 3, "LOC"),), links="", sents=[((0, 3), (0, 3)), ((3, 5), (3, 5))])
    assert said(projected, gold((4, 5, "LOC"))) == [("absent", [], "LOC", "")]


def test_a_reviewer_who_is_wrong_at_times():
    answers = [answer for answer, _ in gold_answers([doc([(0, 1, "PER", "s0")])] * 500, [gold((0, 1, "PER"))] * 500)]
    others = {answer.question.key: [answer.targets[0]] for answer in answers if answer.targets}
    found = mistaken(answers, 0.1, others)
    changed = Counter(a != b for a, b in zip(answers, found) if a.targets)
    assert 30 <= changed[True] <= 75
    assert mistaken(answers, 0.1, others) == found and mistaken(answers, 0.0, others) == answers
