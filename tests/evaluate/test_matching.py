"""Scores by hand, and equal to those of spaCy, seqeval and nervaluate."""

import warnings
from collections import Counter

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2
from spacy.scorer import PRFScore, Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_xproj.corpus import blank, read_docs
from spacy_xproj.corpus.pairing import bare_copy, gold_doc
from spacy_xproj.evaluate import score
from spacy_xproj.evaluate.matching import MATCHES, character_overlap, match, match_scores
from spacy_xproj.tags import make_tags, spans_to_iob2
from tests.conftest import DATA

Evaluator = pytest.importorskip("nervaluate.evaluator", reason="nervaluate 1.2 needs Python 3.11").Evaluator
NLP = spacy.blank("xx")
TYPES = ("LOC", "ORG", "PER")
WORDS = 12


@st.composite
def spans(draw):
    """Disjoint entities in a text of WORDS words."""
    edges = draw(st.lists(st.integers(0, WORDS), max_size=8, unique=True))
    pairs = zip(sorted(edges)[::2], sorted(edges)[1::2])
    return [(start, end, draw(st.sampled_from(TYPES))) for start, end in pairs]


def doc_of(ents, missing=()):
    doc = Doc(NLP.vocab, words=["word"] * WORDS)
    doc.set_ents(
        [Span(doc, start, end, label) for start, end, label in ents],
        missing=[doc[i : i + 1] for i in missing],
        default="outside",
    )
    return doc


def entities(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def tags(doc, labels):
    return [labels[k] for k in spans_to_iob2(entities(doc), len(doc), labels)]


def by_seqeval(examples):
    labels = make_tags(sorted({label for eg in examples for doc in (eg.x, eg.y) for *_, label in entities(doc)}))
    sides = [tags(eg.y, labels) for eg in examples], [tags(eg.x, labels) for eg in examples]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns if nothing is predicted
        return [measure(*sides, mode="strict", scheme=IOB2) for measure in (precision_score, recall_score, f1_score)]


def by_nervaluate(examples):
    sides = [
        [[{"label": label, "start": start, "end": end - 1} for start, end, label in entities(doc)] for doc in docs]
        for docs in zip(*((eg.y, eg.x) for eg in examples))
    ]
    types = {row["label"] for docs in sides for rows in docs for row in rows}
    found = Evaluator(*sides, tags=sorted(types), loader="dict").evaluate()["overall"]
    return {"type" if name == "ent_type" else name: result for name, result in found.items()}


def check(examples):
    """Hold the scores against those of the three libraries."""
    got = score(examples)
    for ours, theirs in zip("prf", by_seqeval(examples)):
        assert got[f"ents_{ours}"] == pytest.approx(theirs)
    by_spacy = Scorer(default_lang="xx", default_pipeline=("ner",)).score(examples)
    assert all(got[f"ents_{key}"] == (by_spacy[f"ents_{key}"] or 0.0) for key in "prf")
    theirs = by_nervaluate(examples)
    assert set(got["ents_by_match"]) == set(theirs) == set(MATCHES)
    for name, result in theirs.items():
        ours = got["ents_by_match"][name]
        for key in ("correct", "incorrect", "partial", "missed", "spurious"):
            assert ours[key] == getattr(result, key), (name, key)
        assert [ours[key] for key in "prf"] == pytest.approx([result.precision, result.recall, result.f1])
    assert got["ents_by_match"]["strict"]["f"] == pytest.approx(got["ents_f"])
    boundary = PRFScore()
    for k, eg in enumerate(examples):
        boundary.score_set(*({(k, start, end) for start, end, _ in entities(doc)} for doc in (eg.x, eg.y)))
    assert got["boundary_f"] == pytest.approx(boundary.fscore)


@settings(max_examples=50)
@given(st.lists(st.tuples(spans(), spans()), min_size=1, max_size=4))
def test_equal_to_seqeval_nervaluate_and_spacy(pairs):
    check([Example(doc_of(found), doc_of(gold)) for found, gold in pairs])


@pytest.mark.parametrize("lang", ["de", "es"])
def test_equal_on_europarl(data, lang):
    """The entities of the source side, put where they stand in the source sentence, are wrong in every way."""
    nlp = blank(lang)
    sides = [list(read_docs(DATA / "europarl" / f"en-{lang}" / f"{side}.conll", nlp)) for side in ("src", "tgt")]
    examples = []
    for source, target in zip(*sides):
        made = bare_copy(target, nlp.vocab)
        inside = [ent for ent in source.ents if ent.end <= len(made)]
        made.set_ents([Span(made, ent.start, ent.end, ent.label_) for ent in inside], default="outside")
        examples.append(Example(made, gold_doc(target, nlp)))
    got = score(examples)
    assert 0 < got["ents_f"] < got["ents_by_match"]["partial"]["f"] < 1
    check(examples)


def test_matches_by_hand():
    gold = [(0, 2, "PER"), (3, 5, "LOC"), (6, 7, "ORG"), (8, 9, "PER")]
    found = [(0, 2, "PER"), (3, 4, "LOC"), (6, 7, "PER"), (10, 11, "LOC")]
    want = {"strict": (1, 2, 0), "exact": (2, 1, 0), "partial": (2, 0, 1), "type": (2, 1, 0)}
    for name, (correct, incorrect, partial) in want.items():
        counts = match(found, gold, name)
        assert [counts[key] for key in ("correct", "incorrect", "partial")] == [correct, incorrect, partial]
        assert (counts["spurious"], counts["missed"]) == (1, 1)
    assert match_scores(match(found, gold, "partial"))["f"] == pytest.approx(2.5 / 4)
    assert match_scores(Counter())["f"] == 0


def test_type_takes_the_closest():
    gold = [(0, 1, "X"), (1, 4, "X")]
    assert match([(0, 4, "X"), (4, 5, "X")], gold, "type") == {"correct": 1, "spurious": 1, "missed": 1}
    assert match([(0, 2, "Y"), (2, 4, "X")], gold, "type") == {"incorrect": 1, "correct": 1, "missed": 0}


def test_character_overlap_by_hand():
    gold, found = [(0, 10, "X"), (20, 30, "Y")], [(0, 5, "X"), (5, 10, "X"), (20, 30, "X")]
    assert character_overlap(found, gold) == pytest.approx([2 * 5 / 15, 2 * 5 / 15, 0])
    assert character_overlap(gold, found) == pytest.approx([2 * 5 / 15, 0])  # the Y has another label
    assert character_overlap(found, []) == [0, 0, 0] and character_overlap([], gold) == []


def test_character_overlap_of_texts():
    doc, gold = doc_of([(0, 1, "X")]), doc_of([(0, 2, "X"), (4, 5, "X")])
    got = score([Example(doc, gold), Example(doc_of([]), doc_of([]))])
    one = 2 * 4 / (4 + 9)  # "word" of "word word"
    assert [got["char_p"], got["char_r"]] == pytest.approx([one, one / 2])
    assert got["char_f"] == pytest.approx(2 * one * (one / 2) / (one + one / 2))


def test_masked_tokens_count_as_not_predicted():
    gold = doc_of([(0, 2, "PER"), (4, 6, "LOC")])
    masked, outside = doc_of([(0, 2, "PER")], missing=[4, 5]), doc_of([(0, 2, "PER")])
    assert score([Example(masked, gold)]) == score([Example(outside, gold)])
    check([Example(masked, gold)])


def test_what_lies_on_unknown_tokens_is_passed_over():
    found, gold = [(0, 2, "PER"), (4, 6, "LOC")], doc_of([(0, 2, "PER")], missing=[5])
    got = score([Example(doc_of(found), gold)])
    assert got["ents_f"] == got["boundary_f"] == got["char_f"] == 1
    assert all(row["f"] == 1 for row in got["ents_by_match"].values())
    unlabeled = Doc(NLP.vocab, words=["word"] * WORDS)
    assert score([Example(doc_of(found), unlabeled)])["ents_by_match"]["type"]["spurious"] == 0
