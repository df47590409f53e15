"""Adapting the matcher to answers: what it learns, and when that is taken."""

import pytest
import spacy

from spacy_xproj.corpus.formats.payload_meta import PairIds
from spacy_xproj.errors import XprojError
from spacy_xproj.fitting import fit
from spacy_xproj.review import adapt as adapt_module
from spacy_xproj.review.adapt import adapt, cross_validated, projected_again, right, trainable_matcher
from spacy_xproj.review.answers import Answer, char_span, questions
from spacy_xproj.review.apply import example, reviewed
from spacy_xproj.review.page.readings import find_readings
from tests.conftest import payload_doc

NAMES = ["Ana", "Leo", "Eva", "Max", "Ida", "Noa", "Tom", "Uma", "Lia", "Jon"]


def corpus(n=40):
    """Names that a convention of the gold takes with the word before them: "don Leo"."""
    nlp = spacy.blank("es")
    similarity = {"@xproj_similarities": "spacy_xproj.Ranker.v1", "prior": 1.0}  # few answers that are to count
    nlp.add_pipe("xproj_matcher", config={"similarity": similarity})
    docs = [
        payload_doc(nlp, f"Ayer don {name} {k} vino", f"{name} {k} came yesterday", [(0, 1, "PER")], "0-2 1-3 2-4 3-0")
        for k, name in ((k, NAMES[k % 10]) for k in range(n))
    ]
    fit(nlp, docs)
    return nlp, list(nlp.pipe(docs))


def answers(docs, wanted):
    out = []
    for doc in docs:
        (question,) = questions(doc, PairIds()(doc))
        span = char_span(doc[1:3] if wanted == "convention" else doc[2:3])
        given = {question.key: Answer(question, "span", (span,), "PER", "person")}
        out += [example(found) for found in reviewed([doc], given, [])]
    return out


def likelihood(nlp, docs, wanted):
    """The mean probability of the answers."""
    found = find_readings(docs, trainable_matcher(nlp))
    return sum(
        one.probability
        for mine in found
        for one in mine[0]
        if (one.start, one.end) == ((1, 3) if wanted == "convention" else (2, 3))
    ) / len(docs)


@pytest.mark.slow
def test_a_convention_is_learnt():
    nlp, docs = corpus()
    assert [doc.ents[0].text for doc in docs[:3]] == ["Ana", "Leo", "Eva"]
    learnable = answers(docs, "convention")
    assert right(docs, learnable) == [False] * 40
    before = likelihood(nlp, docs[30:], "convention")
    adapt(trainable_matcher(nlp), learnable[:30])
    assert likelihood(nlp, docs[30:], "convention") > 2 * before
    assert [doc._.xproj for doc in projected_again(nlp, docs[:2])] == [doc._.xproj for doc in docs[:2]]


@pytest.mark.parametrize(
    "gained, lost, better", [(10, 0, True), (3, 0, True), (2, 0, False), (12, 8, False), (0, 5, False)]
)
def test_what_is_taken_is_better_beyond_chance(monkeypatch, gained, lost, better):
    nlp, docs = corpus(10)
    state = trainable_matcher(nlp).to_bytes()
    told = iter([[False] * gained + [True] * lost + [True] * 9, [True] * gained + [False] * lost + [True] * 9])
    monkeypatch.setattr(adapt_module, "FOLDS", 1)
    monkeypatch.setattr(adapt_module, "EPOCHS", 1)
    monkeypatch.setattr(adapt_module, "right", lambda found, gold: next(told))
    found = cross_validated(nlp, answers(docs, "convention"))
    assert found == (gained + lost + 9, lost + 9, gained + 9, better)
    assert trainable_matcher(nlp).to_bytes() == state  # it was only tried


def test_what_changes_nothing_is_not_taken():
    nlp, docs = corpus(10)
    found = cross_validated(nlp, answers(docs, "as it is"))
    assert (found.before, found.after, found.better) == (10, 10, False)


def test_a_pipeline_that_learns_nothing_is_refused():
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_projector")
    with pytest.raises(XprojError, match="learns from answers"):
        trainable_matcher(nlp)
