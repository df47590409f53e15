"""What the projector and the matcher share: what they write, and what becomes of the doubtful."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_xproj.bitext import depths
from spacy_xproj.errors import XprojError
from tests.conftest import ents, missed, payload_doc

BOTH = pytest.mark.parametrize("name", ["xproj_projector", "xproj_matcher"])


LINKS = {"xproj_matcher": {"similarity": {"@xproj_similarities": "spacy_xproj.Links.v1"}}}


def made(name, **settings):
    nlp = spacy.blank("es")
    nlp.add_pipe(name, config={**LINKS.get(name, {}), **settings})
    return nlp


def scored_doc(nlp):
    """One span that scores 1 and one that scores 1/2: two of its four words are linked."""
    return payload_doc(nlp, "a b c d e", "v w x y", [(0, 1, "PER", "p"), (1, 4, "LOC", "l")], "0-4 1-1")


@BOTH
def test_what_is_written(name):
    nlp = made(name)
    doc = nlp(scored_doc(nlp))
    assert ents(doc) == [(1, 2, "LOC"), (4, 5, "PER")]
    assert [e.id_ for e in doc.ents] == ["l", "p"]
    group = doc.spans["xproj"]
    assert [(s.start, s.end, s.label_, s.id_) for s in group] == [(1, 2, "LOC", "l"), (4, 5, "PER", "p")]
    assert np.allclose(group.attrs["scores"], [0.5, 1.0])
    assert doc._.xproj_report == {"source_spans": 2, "projected": 2, "missing": [], "doubtful": {}, "notes": []}
    assert [t.ent_iob_ for t in doc] == ["O", "B", "O", "O", "B"]


@BOTH
def test_earlier_entities_are_replaced(name):
    nlp = made(name)
    doc = scored_doc(nlp)
    doc.ents = [Span(doc, 0, 2, label="OLD")]
    assert ents(nlp(doc)) == [(1, 2, "LOC"), (4, 5, "PER")]
    empty = payload_doc(nlp, "a b", "v w")
    empty.ents = [Span(empty, 0, 1, label="OLD")]
    assert ents(nlp(empty)) == [] and [t.ent_iob_ for t in empty] == ["O", "O"]


@BOTH
@pytest.mark.parametrize("doubtful", ["keep", "drop", "mask"])
def test_policies(name, doubtful):
    nlp = made(name, min_score=0.6, doubtful=doubtful)
    doc = nlp(scored_doc(nlp))
    data = DocBin(docs=[doc], store_user_data=True).to_bytes()
    (again,) = DocBin().from_bytes(data).get_docs(spacy.blank("es").vocab)
    for each in (doc, again):
        assert len(each.spans["xproj"]) == 2  # every projected span, whatever became of it
        assert np.allclose(each.spans["xproj"].attrs["scores"], [0.5, 1.0])
        kept = [(1, 2, "LOC"), (4, 5, "PER")] if doubtful == "keep" else [(4, 5, "PER")]
        assert ents(each) == kept
        assert [t.ent_iob for t in each] == [2, {"keep": 3, "drop": 2, "mask": 0}[doubtful], 2, 2, 3]
        assert missed(each) == {"keep": {}, "drop": {"l": "low_score"}, "mask": {"l": "masked"}}[doubtful]
        assert each._.xproj_report["projected"] == len(kept)


@BOTH
def test_a_score_at_the_limit_is_kept(name):
    nlp = made(name, min_score=0.5, doubtful="drop")
    assert len(nlp(scored_doc(nlp)).ents) == 2


@BOTH
def test_masked_counts_as_not_predicted(name):
    nlp = made(name, min_score=0.6, doubtful="mask")
    doc = nlp(scored_doc(nlp))
    gold = Doc(nlp.vocab, words=[t.text for t in doc])
    gold.set_ents([Span(gold, 1, 2, label="LOC"), Span(gold, 4, 5, label="PER")], default="outside")
    scores = get_ner_prf([Example(doc, gold)])
    assert (scores["ents_p"], scores["ents_r"]) == (1.0, 0.5)


@BOTH
def test_sentence_pairs_are_respected(name):
    nlp = made(name)
    doc = payload_doc(
        nlp,
        "s t u v w",
        "a b c d e",
        [(0, 1, "X", "x"), (1, 3, "Y", "crosses"), (3, 4, "Z", "z"), (4, 5, "Q", "lost")],
        "0-1 0-4 2-2 1-1 3-0 3-3",
        sents=[((0, 2), (0, 3)), ((2, 4), (3, 5)), ((4, 5), (5, 5))],
    )
    nlp(doc)
    assert ents(doc) == [(1, 2, "X"), (3, 4, "Z")]
    assert missed(doc) == {"crosses": "crosses_sentences", "lost": "not_translated"}
    assert [s.id_ for s in doc.spans["xproj"]] == ["x", "z"]


@BOTH
def test_words_in_no_sentence_pair(name):
    nlp = made(name)
    doc = payload_doc(nlp, "s t", "a b", [(0, 1, "X"), (1, 2, "Y")], "0-0 1-1", sents=[((0, 1), (0, 1))])
    assert ents(nlp(doc)) == [(0, 1, "X")]
    assert missed(doc) == {"s1": "crosses_sentences"}


@BOTH
@pytest.mark.parametrize("order", [1, -1])
def test_nested_source_spans(name, order):
    """The whole outer name is the entity; the inner one stands beside in doc.spans."""
    spans = [(0, 3, "ORG", "bank"), (2, 3, "LOC", "city")][::order]
    for settings in ({}, {"doubtful": "mask", "min_score": 0.1}):
        nlp = made(name, **settings)
        doc = nlp(payload_doc(nlp, "Banco de Roma abre", "Bank of Rome opens", spans, "0-0 1-1 2-2"))
        assert ents(doc) == [(0, 3, "ORG")]
        group = [(s.start, s.end, s.label_) for s in doc.spans["xproj"]]
        assert group == [(0, 3, "ORG"), (2, 3, "LOC")] and len(doc.spans["xproj"].attrs["scores"]) == 2
        assert missed(doc) == {"city": "conflict"} and doc._.xproj_report["projected"] == 1


@BOTH
def test_two_labels_of_the_same_words(name):
    nlp = made(name)
    doc = nlp(payload_doc(nlp, "a b c", "s t u", [(0, 3, "ORG"), (0, 3, "LOC")], "0-0 1-1 2-2"))
    assert ents(doc) == [(0, 3, "ORG")] and missed(doc) == {"s1": "conflict"}
    assert [(s.start, s.end) for s in doc.spans["xproj"]] == [(0, 3), (0, 3)]


@BOTH
def test_nested_source_spans_that_land_apart(name):
    nlp = made(name)
    doc = nlp(payload_doc(nlp, "s t u v w", "a b c", [(0, 3, "ORG"), (1, 2, "LOC")], "0-0 1-4 2-1"))
    assert len(doc.spans["xproj"]) + sum(why != "conflict" for why in missed(doc).values()) == 2


def test_a_doubtful_outer_span_leaves_its_words_to_the_inner_one():
    nlp = made("xproj_projector", doubtful="mask", min_score=0.9)
    doc = nlp(payload_doc(nlp, "s t u", "a b c", [(0, 3, "ORG"), (2, 3, "LOC")], "0-0 2-2"))
    assert ents(doc) == [(2, 3, "LOC")] and [t.ent_iob for t in doc] == [0, 0, 3]
    assert missed(doc) == {"s0": "masked"}


@BOTH
def test_no_links(name):
    nlp = made(name)
    doc = nlp(payload_doc(nlp, "s t", "a b", [(0, 1, "X"), (1, 2, "Y")], "0-1"))
    assert missed(doc) == {"s1": "no_links"}


@BOTH
@pytest.mark.parametrize("doubtful", ["keep", "drop", "mask"])
@given(st.data())
def test_every_source_span_counts_once(name, doubtful, data):
    nlp = NLPS[name, doubtful]
    starts = data.draw(st.lists(st.integers(0, 6), max_size=4))
    spans = [(a, data.draw(st.integers(a + 1, 7)), data.draw(st.sampled_from("XY"))) for a in starts]
    links = data.draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 7)), max_size=14))
    doc = nlp(
        payload_doc(nlp, "h i j k l m n o", "a b c d e f g", spans, links, sents=[((0, 4), (0, 3)), ((4, 7), (3, 8))])
    )
    report = doc._.xproj_report
    kept = {e.id_ for e in doc.ents}
    assert report["source_spans"] == len(spans) == report["projected"] + len(report["missing"])
    assert {row["id"] for row in report["missing"]} == {f"s{k}" for k in range(len(spans))} - kept
    assert all((row["start"], row["end"], row["label"]) == spans[int(row["id"][1:])] for row in report["missing"])
    group = doc.spans["xproj"]
    assert len(group) == len(group.attrs["scores"])
    assert [s.start for s in group] == sorted(s.start for s in group)
    if not any(depths(doc._.xproj.spans)):
        assert all(a.end <= b.start for a, b in zip(group, list(group)[1:]))
    assert not any(s.start < 3 < s.end for s in group)
    min_score = 0.7 if doubtful != "keep" else 0
    conflicts = {row["id"] for row in report["missing"] if row["reason"] == "conflict"}
    sure = {s.id_ for s, x in zip(group, group.attrs["scores"]) if x >= np.float32(min_score)}
    assert kept == sure - conflicts


NLPS = {
    (name, doubtful): made(name, doubtful=doubtful, min_score=0.7, **settings)
    for name, settings in (("xproj_projector", {"max_runs": 0}), ("xproj_matcher", {"n_projections": 2}))
    for doubtful in ("keep", "drop", "mask")
}


@BOTH
def test_bad_settings(name):
    with pytest.raises(XprojError, match="doubtful must be one of keep, drop, mask, not 'hide'"):
        made(name, doubtful="hide")
