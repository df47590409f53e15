import numpy as np
import pytest
import spacy
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_xproj.corpus.pairing import gold_doc, pair_docs
from spacy_xproj.errors import XprojError
from spacy_xproj.evaluate import score
from tests.conftest import ents


def plain(nlp, words, *spans, missing=()):
    doc = Doc(nlp.vocab, words=words.split())
    doc.set_ents(
        [Span(doc, a, b, label=label) for a, b, label in spans],
        missing=[doc[a:b] for a, b in missing],
        default="outside",
    )
    return doc


@pytest.fixture
def sides():
    en, es = spacy.blank("en"), spacy.blank("es")
    source = [
        plain(en, "Ana met Bob in Rome", (0, 1, "PER"), (2, 3, "PER"), (4, 5, "LOC")),
        plain(en, "The UN slept", (1, 2, "ORG")),
        plain(en, "Nothing"),
    ]
    target = [
        plain(es, "Ana vio a Bob en Roma", (0, 1, "PER"), (3, 4, "PER"), (5, 6, "LOC")),
        plain(es, "La ONU durmió", (0, 2, "ORG")),
        plain(es, "Nada", (0, 1, "LOC")),
    ]
    links = [np.array([(0, 0), (2, 3)]), np.array([(1, 1)]), np.zeros((0, 2), "i4")]
    return source, target, links


def examples(nlp, sides, labels=()):
    source, target, links = sides
    nlp.add_pipe("xproj_matcher", config={"similarity": {"@xproj_similarities": "spacy_xproj.Links.v1"}})
    docs = nlp.pipe(pair_docs(source, target, nlp, labels=labels, links=links))
    return [Example(doc, gold_doc(ref, nlp, labels)) for doc, ref in zip(docs, target)]


def test_pair_docs(nlp, sides):
    source, target, links = sides
    docs = list(pair_docs(source, target, nlp, links=links))
    assert [doc.text for doc in docs] == [doc.text for doc in target]
    assert all(doc.vocab is nlp.vocab and not doc.ents for doc in docs)
    first = docs[0]._.xproj
    assert (first.lang, first.text) == ("en", source[0].text)
    assert [s[:3] for s in first.spans] == [(0, 1, "PER"), (2, 3, "PER"), (4, 5, "LOC")]
    assert first.links.tolist() == [[0, 0], [2, 3]] and first.provenance == {"aligner": "given"}
    assert len(next(pair_docs(source, target, nlp))._.xproj.links) == 0
    only = next(pair_docs(source, target, nlp, labels=["LOC"]))._.xproj
    assert [s.label for s in only.spans] == ["LOC"]


@pytest.mark.parametrize("which, name", [(0, "source sentences"), (1, "target sentences"), (2, "lines of links")])
def test_sides_that_differ_in_number(nlp, sides, which, name):
    short = list(sides)
    short[which] = short[which][:2]
    with pytest.raises(XprojError, match=f"only 2 {name}"):
        list(pair_docs(short[0], short[1], nlp, links=short[2]))


def test_links_out_of_range(nlp, sides):
    source, target, links = sides
    for link, message in (((0, 3), "target word 3"), ((3, 0), "3 source words")):
        links[1] = np.array([link])
        with pytest.raises(XprojError, match=f"Sentence pair 2: .*{message}"):
            list(pair_docs(source, target, nlp, links=links))


def test_gold(nlp, sides):
    doc = plain(spacy.blank("en"), "a b c d", (0, 1, "X"), (2, 3, "Y"), missing=[(3, 4)])
    gold = gold_doc(doc, nlp)
    assert gold.vocab is nlp.vocab and [t.ent_iob for t in gold] == [3, 2, 3, 0]
    assert ents(gold_doc(doc, nlp, ["Y"])) == [(2, 3, "Y")]
    unlabeled = gold_doc(Doc(nlp.vocab, words=["a"]), nlp)
    assert not unlabeled.has_annotation("ENT_IOB")


def test_scores_by_hand(nlp, sides):
    got = score(examples(nlp, sides))
    # predicted: Ana, Bob (right), "ONU" for "La ONU"; gold: 5
    assert (got["ents_p"], got["ents_r"]) == (pytest.approx(2 / 3), pytest.approx(2 / 5))
    assert got["ents_f"] == pytest.approx(2 * 2 / (3 + 5))
    assert got["ents_per_type"]["PER"] == {"p": 1.0, "r": 1.0, "f": 1.0}
    assert list(got["ents_per_type"]) == ["LOC", "ORG", "PER"]
    assert got["boundary_f"] == pytest.approx(got["ents_f"])
    assert got["projection_ratio"] == pytest.approx(3 / 5)
    assert got["ceiling_f"] == pytest.approx(2 * 4 / (4 + 5))  # the second LOC has no partner
    assert got["ceiling_drop_f"] == pytest.approx(2 * 4 / (4 + 5))
    assert got["not_projected"] == {"no_links": 1} and got["notes"] == {}
    assert got["projection_rate"] == pytest.approx(3 / 4)
    assert got["label_match"] == pytest.approx(2 / 3)  # the first Doc lacks its LOC; the third has none on either side
    assert got["errors"] == {"missed": 1, "more of the type than in the source": 1, "too short": 1}
    assert got["causes"] == {"boundary": 1, "not projected, no_links": 1, "source: lacks the span": 1}
    assert got["calibration_error"] is not None
    assert [got[k] for k in ("n_docs", "n_source", "n_gold", "n_projected")] == [3, 4, 5, 3]


def test_labels(nlp, sides):
    got = score(examples(nlp, sides, ["PER"]))
    assert (got["ents_f"], got["n_source"], got["n_gold"], list(got["ents_per_type"])) == (1.0, 2, 2, ["PER"])


def test_agrees_with_spacys_scorer(nlp, sides):
    rows = examples(nlp, sides)
    want = Scorer(nlp).score(rows)
    got = score(rows)
    assert nlp.evaluate(rows)["ents_f"] == want["ents_f"]
    assert all(got[key] == want[key] for key in ("ents_p", "ents_r", "ents_f", "ents_per_type"))


def test_boundaries_without_labels(nlp):
    en = spacy.blank("en")
    rows = [Example(plain(nlp, "a b", (0, 1, "X")), plain(nlp, "a b", (0, 1, "Y")))]
    assert (score(rows)["ents_f"], score(rows)["boundary_f"]) == (0, 1)
    assert en.vocab is not nlp.vocab


def test_ceilings(nlp):
    source = [plain(nlp, "a b c d", (0, 1, "X"), (1, 2, "X"), (2, 3, "X"), (3, 4, "Z"))]
    target = [plain(nlp, "a b c", (0, 1, "X"), (1, 2, "X"), (2, 3, "Y"))]
    links = [np.zeros((0, 2), "i4")]
    got = score(examples(nlp, (source, target, links)))
    assert got["ceiling_f"] == pytest.approx(2 * 2 / (4 + 3))
    assert got["ceiling_drop_f"] == pytest.approx(2 * 2 / (2 + 3))


def test_nothing_to_score(nlp):
    got = score([])
    assert (got["ents_f"], got["ents_per_type"], got["projection_ratio"], got["ceiling_f"]) == (0, {}, 0, 0)
    assert (got["projection_rate"], got["label_match"], got["char_f"], got["calibration_error"]) == (0, 0, 0, None)
    assert score([Example(plain(nlp, "a"), plain(nlp, "a"))])["ents_f"] == 0
