import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_xproj.errors import XprojError
from spacy_xproj.registry import registry
from spacy_xproj.similarities.fused import Fused
from spacy_xproj.ty import Cells, Solution
from tests.conftest import ents, missed, payload_doc

NGRAMS = {"@misc": "spacy.ngram_range_suggester.v1", "min_size": 1, "max_size": 8}
LINKED = {"@misc": "spacy_xproj.linked_suggester.v1"}
ENTS = {"@misc": "spacy_xproj.ents_suggester.v1"}
LINKS = {"@xproj_similarities": "spacy_xproj.Links.v1"}
GREEDY = {"@xproj_solvers": "spacy_xproj.Greedy.v1"}
SENTS = [((0, 3), (0, 4)), ((3, 5), (4, 7))]


LINKS = {"@xproj_similarities": "spacy_xproj.Links.v1"}


def made(**settings):
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config={"similarity": LINKS, **settings})
    return nlp


def sentences_doc(nlp):
    return payload_doc(
        nlp,
        "p q r s t u v",
        "a b c d e",
        [(0, 2, "X"), (3, 4, "Y"), (4, 5, "Z")],
        "0-0 1-2 3-4 4-6 0-5 3-1",
        sents=SENTS,
    )


@pytest.mark.parametrize("suggester", [None, NGRAMS, LINKED])
@pytest.mark.parametrize("gap", [0.0, 0.5, 1.0])
def test_suggesters_of_spans_agree(suggester, gap):
    nlp = made(suggester=suggester, similarity={**LINKS, "gap": gap})
    doc = nlp(sentences_doc(nlp))
    want = [(0, 3, "X"), (4, 5, "Y"), (6, 7, "Z")]
    assert ents(doc) == want
    assert missed(doc) == {}


def test_suggesters_are_called_once_a_sentence_pair():
    nlp = made()
    pipe = nlp.get_pipe("xproj_matcher")
    ngrams = registry.misc.get("spacy.ngram_range_suggester.v1")(1, 2)
    seen = []

    def suggester(docs, *, ops=None):
        seen.append([doc.text for doc in docs])
        return ngrams(docs, ops=ops)

    pipe.suggester = suggester
    nlp(sentences_doc(nlp))
    assert seen == [["p q r s "], ["t u v "]] or seen == [["p q r s"], ["t u v"]]


def test_entities_of_an_earlier_pipe_as_candidates():
    nlp = made(suggester=ENTS)
    doc = sentences_doc(nlp)
    doc.ents = [Span(doc, 0, 2, label="A"), Span(doc, 3, 4, label="B"), Span(doc, 4, 6, label="C")]
    nlp(doc)
    # labels of the source; the span on word 3 is linked to none; no candidate is left for the last
    assert ents(doc) == [(0, 2, "X"), (4, 6, "Y")]
    assert missed(doc) == {"s2": "no_candidate"}


def test_span_groups_of_an_earlier_pipe_as_candidates():
    nlp = made(suggester={**ENTS, "spans_key": "sc"})
    doc = sentences_doc(nlp)
    doc.spans["sc"] = [Span(doc, 0, 3), Span(doc, 0, 2), Span(doc, 2, 6), Span(doc, 5, 7)]  # one crosses
    nlp(doc)
    assert ents(doc) == [(0, 3, "X"), (5, 7, "Z")]


def test_suggester_without_candidates():
    nlp = made(suggester=ENTS)
    doc = nlp(sentences_doc(nlp))
    assert ents(doc) == []
    assert missed(doc) == {"s0": "no_candidate", "s1": "no_candidate", "s2": "no_candidate"}


def test_reasons():
    nlp = made()
    doc = payload_doc(nlp, "p q", "a b c", [(0, 1, "X"), (1, 2, "Y"), (2, 3, "Z")], "0-0 1-0")
    assert missed(nlp(doc)) == {"s1": "conflict", "s2": "no_links"}
    strict = made(min_score=0.9, doubtful="drop")
    assert missed(strict(doc)) == {"s1": "conflict", "s2": "no_links"}
    long = payload_doc(nlp, "p q", "a b c", [(0, 3, "X")], "0-0")
    assert missed(strict(long)) == {"s0": "low_score"}
    assert missed(made(min_score=0.9, doubtful="mask")(long)) == {"s0": "masked"}


def test_two_projections():
    doc_of = lambda nlp: payload_doc(nlp, "p q r s", "a", [(0, 1, "X", "x")], "0-0 0-3")  # noqa: E731
    links = {**LINKS, "gap": 1.0}
    one, two = made(similarity=links), made(similarity=links, n_projections=2)
    # one candidate over all of it would score 3/5; a word alone scores 2/2
    assert ents(one(doc_of(one))) == [(0, 1, "X")]
    doc = two(doc_of(two))
    assert ents(doc) == [(0, 1, "X"), (3, 4, "X")]
    assert [s.id_ for s in doc.spans["xproj"]] == ["x", "x"]
    assert (doc._.xproj_report["projected"], missed(doc)) == (1, {})
    half = made(similarity=links, n_projections=2, min_score=0.7, doubtful="drop")
    doc = half(payload_doc(half, "p q r s", "a b", [(0, 2, "X", "x")], "0-0 1-0 0-3"))
    assert len(doc.spans["xproj"]) == 2 and ents(doc) == [(0, 1, "X")]
    assert missed(doc) == {}  # one of its two projections was kept


@pytest.mark.parametrize("solver", [GREEDY, {"@xproj_solvers": "spacy_xproj.Exact.v1"}])
@pytest.mark.parametrize("order, want", [("first", (0, 1)), ("shortest", (0, 1)), ("longest", (0, 2))])
def test_orders(order, want, solver):
    # words 0 and 1 are linked to one of the three source words each: 2/4 for one word, 3/5 for both with pairs
    nlp = made(order=order, solver=solver, similarity=Flat.config)
    doc = nlp(payload_doc(nlp, "p q", "a b", [(0, 2, "X")], "0-0 1-1"))
    assert ents(doc) == [(*want, "X")]


def test_order_first_goes_by_source_span_then_start():
    nlp = made(order="first", solver=GREEDY, similarity=Flat.config)
    doc = nlp(payload_doc(nlp, "p q", "a b", [(1, 2, "Y"), (0, 1, "X")], "0-0 0-1 1-0 1-1"))
    assert ents(doc) == [(0, 1, "Y"), (1, 2, "X")]
    nlp = made(order="longest", solver=GREEDY, similarity=Flat.config)
    doc = nlp(payload_doc(nlp, "p q", "a b", [(1, 2, "Y"), (0, 1, "X")], "0-0 0-1 1-0 1-1"))
    assert ents(doc) == [(0, 2, "Y")]


class Flat:
    """Links.v1 with all scores equal, to see the order alone."""

    config = {"@xproj_similarities": "test.Flat.v1"}  # noqa: RUF012

    def __init__(self):
        self.links = registry.xproj_similarities.get("spacy_xproj.Links.v1")()

    def __call__(self, pair, candidates=None):
        cells = self.links(pair, candidates)
        return cells._replace(score=np.ones(len(cells.score)))


registry.xproj_similarities.register("test.Flat.v1", func=Flat)


def test_stop_words():
    links = "0-0 1-2"
    args = ("p ! q", "a b", [(0, 2, "X")], links)
    nlp = made(similarity={**LINKS, "gap": 0.0})
    assert ents(nlp(payload_doc(nlp, *args))) == [(0, 3, "X")]
    nlp = made(similarity={**LINKS, "gap": 0.0}, stop_words=["!", "?"])
    assert ents(nlp(payload_doc(nlp, *args))) == [(0, 1, "X")]
    only = nlp(payload_doc(nlp, "!", "a", [(0, 1, "X")], "0-0"))
    assert missed(only) == {"s0": "no_candidate"}
    assert ents(nlp(payload_doc(nlp, "p q", "a b", [(0, 2, "X")], "0-0 1-1"))) == [(0, 2, "X")]


@pytest.mark.parametrize("suggester", [None, {**NGRAMS, "max_size": 40}])
def test_candidates_of_forty_words(suggester):
    nlp = made(suggester=suggester)
    words = [f"w{k}" for k in range(60)]
    links = [(k, k + 10) for k in range(40)]
    doc = nlp(payload_doc(nlp, words, words, [(0, 40, "X"), (45, 46, "Y")], [*links, (45, 0)]))
    assert ents(doc) == [(0, 1, "Y"), (10, 50, "X")]
    assert doc.spans["xproj"].attrs["scores"].tolist() == [1, 1]


def test_solvers_differ_where_greedy_is_short_sighted():
    # greedy takes the best cell (span 0 on both words) and leaves nothing to span 1
    args = ("p q", "a b c", [(0, 2, "X"), (2, 3, "Y")], "0-0 1-1 2-1")
    exact, greedy = made(), made(solver=GREEDY)
    assert ents(greedy(payload_doc(greedy, *args))) == [(0, 2, "X")]
    assert ents(exact(payload_doc(exact, *args))) == [(0, 1, "X"), (1, 2, "Y")]


def test_notes_of_the_solver():
    nlp = made()
    nlp.get_pipe("xproj_matcher").solver = lambda cells, n: Solution(np.arange(0), "state_limit")
    doc = nlp(sentences_doc(nlp))
    assert doc._.xproj_report["notes"] == ["state_limit", "state_limit"]
    assert set(missed(doc).values()) == {"conflict"}


def test_partial_sentences_of_docs_with_annotation():
    nlp = made(suggester=NGRAMS)
    doc = sentences_doc(nlp)
    doc.ents = [Span(doc, 3, 5, label="OLD")]  # over the border of two sentence pairs
    for token in doc:
        token.is_sent_start = token.i in (0, 3)
    assert ents(nlp(doc)) == [(0, 3, "X"), (4, 5, "Y"), (6, 7, "Z")]


@pytest.mark.parametrize(
    "settings, message",
    [({"order": "last"}, "order must be one of first, shortest, longest"), ({"n_projections": 0}, "at least 1")],
)
def test_bad_settings(settings, message):
    with pytest.raises(XprojError, match=message):
        made(**settings)


def test_payload_of_no_words(nlp):
    nlp.add_pipe("xproj_matcher", config={"suggester": NGRAMS})
    doc = Doc(nlp.vocab, words=["a"])
    doc._.xproj = payload_doc(nlp, "a", "")._.xproj
    assert nlp(doc)._.xproj_report["source_spans"] == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["alone", "objective", "part", "costly part"])
def test_scores_that_are_no_numbers_are_an_error(value, where):
    def similarity(pair, candidates=None):
        one = np.zeros(1, "i8")
        bad = np.array([value])
        return Cells(one, one, one + 1, one + 0.5, bad) if where == "objective" else Cells(one, one, one + 1, bad)

    nlp = spacy.blank("es")
    pipe = nlp.add_pipe("xproj_matcher", config={"similarity": {"@xproj_similarities": "spacy_xproj.Links.v1"}})
    if where == "part":
        pipe.similarity = Fused({"mine": similarity, "links": pipe.similarity})
    elif where == "costly part":
        similarity.score_cells = lambda pair, span, start, end: np.full(len(span), value)
        pipe.similarity = Fused({"mine": similarity, "links": pipe.similarity})
    else:
        pipe.similarity = similarity
    what = "its part 'mine'" if "part" in where else "the similarity function"
    with pytest.raises(XprojError, match=f"{what} gave {value} as a score"):
        nlp(payload_doc(nlp, "a b", "v w", [(0, 1, "X")], "0-0"))
