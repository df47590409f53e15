import pytest
import spacy
from spacy.tokens import Span, SpanGroup

from spacy_xproj.errors import XprojError
from tests.conftest import ents, missed, payload_doc

NAME = "xproj_merger"


def made(**settings):
    nlp = spacy.blank("es")
    nlp.add_pipe(NAME, config=settings)
    return nlp


def doc_with(nlp, carried=None, linked=None, scores=None, ner=()):
    """Source spans "p" (PER) and "l" (LOC), and groups of (start, end, label, id)."""
    doc = payload_doc(nlp, "a b c d e f", "v w x y", [(0, 1, "PER", "p"), (1, 4, "LOC", "l")])
    for key, rows in (("xproj_carried", carried), ("xproj", linked)):
        if rows is not None:
            spans = [Span(doc, a, b, label=label, span_id=name) for a, b, label, name in rows]
            attrs = {"scores": scores} if key == "xproj" and scores else {}
            doc.spans[key] = SpanGroup(doc, name=key, spans=spans, attrs=attrs)
    doc.set_ents([Span(doc, a, b, label=label) for a, b, label in ner])
    return doc


P, L = (0, 1, "PER", "p"), (2, 4, "LOC", "l")


def merged(*groups, **settings):
    nlp = made(**{k: settings.pop(k) for k in ("keys", "min_score", "doubtful") if k in settings})
    return nlp(doc_with(nlp, *groups, **settings))


def test_union_fills_in_what_one_lacks():
    doc = merged([P], [L])
    assert ents(doc) == [(0, 1, "PER"), (2, 4, "LOC")] and [e.id_ for e in doc.ents] == ["p", "l"]
    assert doc.spans["xproj"].attrs["scores"].tolist() == [0.5, 0.5]
    assert doc._.xproj_report == {"source_spans": 2, "projected": 2, "missing": [], "doubtful": {}, "notes": []}


def test_scores_are_means_over_the_groups():
    doc = merged([P, L], [L, P], scores=[0.5, 0.75])
    assert doc.spans["xproj"].attrs["scores"].tolist() == [0.875, 0.75]  # in text order


def test_the_group_named_first_wins():
    other = (2, 5, "LOC", "l")
    assert ents(merged([L], [other])) == [(2, 4, "LOC")]
    assert ents(merged([other], [L])) == [(2, 5, "LOC")]
    assert ents(merged([L], [other], keys=["xproj", "xproj_carried"])) == [(2, 5, "LOC")]


def test_more_votes_beat_the_group_named_first():
    doc = merged([(2, 5, "LOC", "l")], [L], keys=["xproj_carried", "xproj", "ents"], ner=[(2, 4, "LOC")])
    assert ents(doc) == [(2, 4, "LOC")] and doc.ents[0].id_ == "l"
    assert doc.spans["xproj"].attrs["scores"].tolist() == pytest.approx([2 / 3])


def test_of_one_source_span_there_is_one_projection_unless_one_group_has_two():
    assert ents(merged([(0, 1, "LOC", "l")], [L])) == [(0, 1, "LOC")]
    assert ents(merged([(0, 1, "LOC", "l"), L], [])) == [(0, 1, "LOC"), (2, 4, "LOC")]


@pytest.mark.parametrize("doubtful, reason", [("drop", "low_score"), ("mask", "masked")])
def test_agreement(doubtful, reason):
    doc = merged([P, L], [P, (2, 5, "LOC", "l")], min_score=0.6, doubtful=doubtful)
    assert ents(doc) == [(0, 1, "PER")] and missed(doc) == {"l": reason}
    assert [t.ent_iob_ for t in doc][2:4] == (["", ""] if doubtful == "mask" else ["O", "O"])


def test_a_group_that_is_not_there_has_no_vote():
    doc = merged(None, [P], min_score=0.9, doubtful="drop")
    assert ents(doc) == [(0, 1, "PER")] and doc.spans["xproj"].attrs["scores"].tolist() == [1.0]
    assert missed(doc) == {"l": "not_carried"}


def test_an_ensemble_with_a_ner():
    doc = merged(None, [P], keys=["ents", "xproj"], ner=[(0, 1, "ORG"), (5, 6, "LOC")])
    assert ents(doc) == [(0, 1, "ORG"), (5, 6, "LOC")]
    assert doc._.xproj_report["projected"] == 0 and missed(doc) == {"p": "conflict", "l": "not_carried"}
    both = merged(None, [P], keys=["xproj", "ents"], ner=[(0, 1, "ORG"), (5, 6, "LOC")])
    assert ents(both) == [(0, 1, "PER"), (5, 6, "LOC")] and both._.xproj_report["projected"] == 1


def test_what_a_pipe_before_reported_stands():
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_projector", config={"annotate_ents": False, "spans_key": "links"})
    nlp.add_pipe(NAME, config={"keys": ["links"]})
    doc = payload_doc(nlp, "a b", "v w", [(0, 1, "PER", "p"), (1, 2, "LOC", "l")], "0-1")
    doc.set_ents([Span(doc, 0, 1, label="OLD")])
    nlp(doc)
    assert ents(doc) == [(1, 2, "PER")] and missed(doc) == {"l": "no_links"} and "links" in doc.spans


def test_annotate_ents_false_leaves_the_entities():
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_projector", config={"annotate_ents": False})
    doc = payload_doc(nlp, "a b", "v w", [(0, 1, "PER", "p")], "0-1")
    doc.set_ents([Span(doc, 0, 1, label="NER")])
    assert ents(nlp(doc)) == [(0, 1, "NER")] and [s.start for s in doc.spans["xproj"]] == [1]


@pytest.mark.parametrize("keys", [[], ["xproj", "xproj"]])
def test_keys_are_checked(keys):
    with pytest.raises(XprojError, match="keys must name"):
        made(keys=keys)


def test_nested_source_spans():
    nlp = made(keys=["xproj"])
    doc = payload_doc(nlp, "Banco de Roma", "Bank of Rome", [(0, 3, "ORG", "bank"), (2, 3, "LOC", "city")])
    spans = [Span(doc, 0, 3, label="ORG", span_id="bank"), Span(doc, 2, 3, label="LOC", span_id="city")]
    doc.spans["xproj"] = SpanGroup(doc, name="xproj", spans=spans)
    assert ents(nlp(doc)) == [(0, 3, "ORG")]
    assert [s.id_ for s in doc.spans["xproj"]] == ["bank", "city"] and missed(doc) == {"city": "conflict"}


def test_ids_of_a_ruler_are_not_those_of_source_spans():
    """The patterns of an entity ruler can be called as the spans of a payload are, such as "s0"."""
    nlp = spacy.blank("es")
    patterns = [{"label": "ORG", "pattern": "b", "id": "p"}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    nlp.add_pipe(NAME, config={"keys": ["ents", "xproj"]})
    doc = nlp(doc_with(nlp, linked=[P, L]))
    assert ents(doc) == [(0, 1, "PER"), (1, 2, "ORG"), (2, 4, "LOC")]
    assert [span.id_ for span in doc.spans["xproj"]] == ["p", "", "l"]
    assert doc._.xproj_report["projected"] == 2


def test_entities_of_a_projection_keep_their_source_span():
    nlp = made(keys=["ents", "other"])
    doc = doc_with(nlp, linked=[P], scores=[0.5])
    doc.set_ents(list(doc.spans["xproj"]))
    doc = nlp(doc)
    assert [e.id_ for e in doc.ents] == ["p"] and missed(doc) == {"l": "not_carried"}
