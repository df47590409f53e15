import spacy
from spacy.tokens import Doc, Span

from spacy_xproj.bitext import Bitext, SourceSpan
from spacy_xproj.evaluate.errors import (
    CROSSES,
    MISSED,
    MORE,
    NOTHING,
    OTHER_LABEL,
    TOO_LONG,
    TOO_SHORT,
    TYPES,
    causes,
    error_types,
    errors,
)

NLP = spacy.blank("xx")
WORDS = 10


def doc(ents, source=None, missing=()):
    """A Doc of WORDS words with entities, and with source labels in its payload."""
    made = Doc(NLP.vocab, words=["w"] * WORDS)
    made.set_ents([Span(made, a, b, label=label) for a, b, label in ents], default="outside")
    if source is not None:
        spans = tuple(SourceSpan(k, k + 1, label, f"s{k}") for k, label in enumerate(source))
        made._.xproj = Bitext("en", ("w",) * WORDS, (True,) * WORDS, spans)
        rows = [{"id": "s", "label": label, "start": 0, "end": 1, "reason": reason} for label, reason in missing]
        made._.xproj_report = {"missing": rows}
    return made


def both(found, gold, source, missing=()):
    docs, refs = [doc(found, source, missing)], [doc(gold)]
    return dict(error_types(docs, refs)), dict(causes(docs, refs))


def test_what_is_right_is_no_error():
    ents = [(0, 2, "PER"), (3, 4, "LOC")]
    assert both(ents, ents, ["PER", "LOC"]) == ({}, {})
    assert both([], [], []) == ({}, {})


def test_boundaries():
    for found, kind in (((2, 3), TOO_SHORT), ((3, 5), TOO_SHORT), ((1, 6), TOO_LONG), ((2, 6), TOO_LONG)):
        assert both([(*found, "PER")], [(2, 5, "PER")], ["PER"]) == ({kind: 1}, {"boundary": 1})
    for found in ((1, 3), (4, 6)):
        assert both([(*found, "PER")], [(2, 5, "PER")], ["PER"]) == ({CROSSES: 1}, {"boundary": 1})


def test_other_label_whatever_the_boundaries():
    for found in ((2, 5), (2, 3), (1, 3)):
        wanted = {OTHER_LABEL: 1}, {"source: other label": 1}
        assert both([(*found, "LOC")], [(2, 5, "ORG")], ["LOC"]) == wanted


def test_a_span_of_the_own_label_counts_before_one_with_more_words_in_common():
    (error,) = errors(doc([(0, 5, "PER")], ["PER"]), doc([(0, 1, "PER"), (1, 5, "LOC")]))
    assert (error.type, error.found, error.gold) == (TOO_LONG, (0, 5, "PER"), (0, 1, "PER"))


def test_the_words_in_common_decide_between_spans_of_the_same_label():
    found = list(errors(doc([(0, 5, "PER")], ["PER"]), doc([(0, 1, "PER"), (1, 5, "PER")])))
    assert [(e.type, e.gold) for e in found] == [(TOO_LONG, (1, 5, "PER"))]


def test_nothing_there():
    assert both([(0, 1, "PER")], [], ["PER"]) == ({NOTHING: 1}, {"source: span too many": 1})


def test_an_entity_that_went_to_a_wrong_place_is_two_errors():
    wanted = {NOTHING: 1, MISSED: 1}, {"projected elsewhere": 2}
    assert both([(0, 1, "PER")], [(5, 6, "PER")], ["PER"]) == wanted


def test_missed_with_the_reason_of_the_report():
    wanted = {MISSED: 2}, {"not projected, no_links": 1, "not projected, conflict": 1}
    reasons = [("PER", "no_links"), ("PER", "conflict")]
    assert both([], [(5, 6, "PER"), (7, 8, "PER")], ["PER", "PER"], reasons) == wanted
    wanted = {MORE: 1}, {"source: lacks the span": 1}
    assert both([], [(5, 6, "PER")], ["LOC"], [("LOC", "no_links")]) == wanted


def test_more_of_the_type_than_in_the_source():
    gold = [(1, 2, "PER"), (3, 4, "PER"), (5, 6, "PER"), (7, 8, "LOC")]
    types, reasons = both([(1, 2, "PER")], gold, ["PER", "PER"], [("PER", "no_links")])
    assert types == {MORE: 2, MISSED: 1}
    assert reasons == {"source: lacks the span": 2, "not projected, no_links": 1}


def test_docs_are_summed_and_types_are_listed():
    docs = [doc([(0, 1, "PER")], ["PER"]), doc([(0, 2, "LOC")], ["LOC"]), doc([], ["LOC"])]
    gold = [doc([(0, 1, "PER")]), doc([(0, 1, "LOC")]), doc([(0, 1, "LOC"), (4, 5, "ORG")])]
    found = error_types(docs, gold)
    assert found == {TOO_LONG: 1, MISSED: 1, MORE: 1}
    assert set(found) <= set(TYPES) and len(TYPES) == 7
    assert causes(docs, gold).total() == found.total()


def test_without_report():
    bare = doc([(0, 1, "PER")], ["PER"])
    bare._.xproj_report = None
    assert error_types([bare], [doc([(4, 5, "PER")])]) == {NOTHING: 1, MISSED: 1}
