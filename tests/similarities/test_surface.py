import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_xproj.errors import XprojError
from spacy_xproj.registry import registry
from spacy_xproj.similarities.forms import WordForms
from spacy_xproj.similarities.surface import SurfaceSimilarity, part_of, range_max, range_sum, word_pairs
from spacy_xproj.ty import Similarity
from tests.conftest import bitext, ents, payload_doc

WORDS = (
    "Roma",
    "Rome",
    "de",
    "of",
    "EU",
    "EU-Politik",
    "Politik",
    "policy",
    "Regionalpolitik",
    "regional",
    "kwaRoma",
    ".",
)


def one_pair(source, spans, target):
    (pair,) = bitext(source, [(*span, "X") for span in spans]).pairs(tuple(target.split()))
    return pair


def best(source, span, target, **settings):
    """The best candidate of one source span as text, and its score; longer ones first."""
    pair = one_pair(source, [span], target)
    cells = SurfaceSimilarity(**settings)(pair)
    if not len(cells.span):
        return None, 0.0
    k = np.lexsort((cells.start - cells.end, -cells.score))[0]
    return " ".join(pair.target[cells.start[k] : cells.end[k]]), float(cells.score[k])


def whole(source, target, **settings):
    """The score of all of the target for all of the source."""
    pair = one_pair(source, [(0, len(source.split()))], target)
    cells = SurfaceSimilarity(**{"threshold": 0.0, **settings})(pair, np.array([(0, len(pair.target))]))
    return float(cells.score.sum())


def table(cells):
    keys = list(zip(cells.span.tolist(), cells.start.tolist(), cells.end.tolist()))
    assert keys == sorted(set(keys))
    return dict(zip(keys, cells.score.tolist()))


@st.composite
def pairs(draw):
    source = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5))
    target = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=7))
    starts = draw(st.lists(st.integers(0, len(source) - 1), min_size=1, max_size=3))
    spans = [(a, draw(st.integers(a + 1, len(source)))) for a in starts]
    return one_pair(" ".join(source), spans, " ".join(target))


def reference(pair, span, a, b, agglutinative):
    """The score of one cell, and whether its ends are like a word of the span, from the definition."""
    source, target = WordForms(pair.source), WordForms(pair.target)
    words = word_pairs(source, target, agglutinative)
    mine, theirs = range(span[0], span[1]), range(a, b)
    share = lambda chars, n: min(chars / n, 1) if n else 0  # noqa: E731

    def of_target(j):
        alike = max(words.target[i, j] for i in mine)
        return alike, share(sum(words.shared[i, j] for i in mine), target.chars[j])

    found = hits = explained = alike = 0
    for i in mine:
        parts = share(sum(words.shared[i, j] for j in theirs), source.chars[i])
        most = max(parts, *(words.source[i, j] for j in theirs))
        found += most * source.chars[i]
        hits += most > 0
    for j in theirs:
        one, parts = of_target(j)
        explained += max(one, parts) * target.chars[j]
        alike += one > 0 and one >= parts
    explained *= min(1, hits / max(alike, 1))
    total = sum(source.chars[i] for i in mine) + sum(target.chars[j] for j in theirs)
    return (found + explained) / max(total, 1), max(of_target(a)) > 0 and max(of_target(b - 1)) > 0


@pytest.mark.parametrize("agglutinative", [False, True])
@given(pair=pairs(), threshold=st.sampled_from([0.0, 0.5, 0.9]), max_length=st.integers(0, 4))
def test_against_the_definition(pair, agglutinative, threshold, max_length):
    n = len(pair.target)
    spans = [(a, b) for a in range(n) for b in range(a + 1, n + 1)]
    proposed, every = {}, {}
    for k, span in enumerate(pair.spans):
        for a, b in spans:
            score, ends = reference(pair, span, a, b, agglutinative)
            if score > 0 and score >= threshold:
                every[k, a, b] = score
                if ends and (not max_length or b - a <= max_length):
                    proposed[k, a, b] = score
    similarity = SurfaceSimilarity(agglutinative, threshold, max_length)
    given_ = table(similarity(pair, np.array(spans[::-1] + spans[:1])))
    assert given_ == pytest.approx(every)
    assert table(similarity(pair)) == pytest.approx(proposed)
    assert all(0 < score <= 1 for score in given_.values())


@given(st.permutations(["Corte", "Suprema", "de", "Brasil"]))
def test_word_order_does_not_matter(words):
    assert whole("Supreme Court of Brazil", " ".join(words)) == pytest.approx(
        whole("Supreme Court of Brazil", "Corte Suprema de Brasil")
    )


@pytest.mark.parametrize(
    "source, span, target, want",
    [
        ("the Supreme Court of Brazil said", (1, 5), "la Corte Suprema de Brasil dijo", "Corte Suprema de Brasil"),
        ("EU regional policy is", (0, 3), "die EU-Regionalpolitik ist", "EU-Regionalpolitik"),
        ("the Parliament votes", (1, 2), "das Votum des Parlaments", "Parlaments"),
        ("Istanbul is big", (0, 1), "ben İstanbul'da oturuyorum", "İstanbul'da"),
        ("в Москве живёт", (1, 2), "w Moskwie mieszka", "Moskwie"),
        ("Αθήνα είναι", (0, 1), "in Athina tonight", "Athina"),
        ("U.N. meets", (0, 1), "la UN se reúne", None),  # short forms are alike only if equal
        ("yes or no", (1, 2), "o no", None),
        ("nothing here", (0, 1), "del todo", None),
        ("a , b", (1, 2), "x , y", None),  # punctuation is like nothing
    ],
)
def test_names(source, span, target, want):
    assert best(source, span, target)[0] == want


def test_an_exact_copy_scores_1():
    assert best("in New York today", (1, 3), "hoy en New York") == ("New York", 1.0)


def test_a_word_said_twice_accounts_for_one():
    assert best("Brazil won", (0, 1), "Brasil Brasil ganó")[0] == "Brasil"
    assert whole("Brazil", "Brasil Brasil") < whole("Brazil", "Brasil")
    assert best("New York and York", (0, 2), "New York York")[0] == "New York"


def test_agglutinative():
    plain = best("in Durban today", (1, 2), "abantu kweDurbanini namhlanje")
    found = best("in Durban today", (1, 2), "abantu kweDurbanini namhlanje", agglutinative=True)
    assert plain == (None, 0.0)
    assert found[0] == "kweDurbanini" and 0.8 < found[1] < 1
    # the form alone is better than the form inside another word
    assert best("Durban", (0, 1), "kweDurbanini Durban", agglutinative=True) == ("Durban", 1.0)
    # a part of three letters is none
    assert best("Ana left", (0, 1), "kweBananini", agglutinative=True)[0] is None


def test_agglutinative_checks_every_word():
    """The published flag starts its inner loop at the wrong index, so that it hardly checks words after the first."""
    settings = {"agglutinative": True, "threshold": 0.0}
    name = "Durban Pretoria"
    both = whole(name, "kweDurbanini kwePretoriani", **settings)
    first, second = whole(name, "kweDurbanini nabantu", **settings), whole(name, "nabantu kwePretoriani", **settings)
    assert both > 0.8 > 0.6 > max(first, second) and min(first, second) > 0
    found = best(name, (0, 2), "abantu kweDurbanini kwePretoriani namhlanje", agglutinative=True)
    assert found[0] == "kweDurbanini kwePretoriani"


@pytest.mark.parametrize(
    "short, long, least",
    [
        ("regional", "regionalpolitik", 8),
        ("politik", "eu-regionalpolitik", 7),
        ("policy", "regionalpolitik", 5),
        ("eu", "eu-regionalpolitik", 2),
        ("eu", "europa", 0),
        ("durban", "kwedurbanini", 0),
        ("same", "same", 0),
        ("longer", "long", 0),
    ],
)
def test_part_of(short, long, least):
    found = part_of(short, long)
    assert (least <= found <= len(short)) if least else found == 0


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.data())
def test_ranges(values, data):
    a = data.draw(st.integers(0, len(values) - 1))
    b = data.draw(st.integers(a + 1, len(values)))
    args = np.array([values, values[::-1]], "f8"), np.array([0, 1]), np.array([a, a]), np.array([b, b])
    parts = values[a:b], values[::-1][a:b]
    assert range_max(*args).tolist() == [max(part) for part in parts]
    assert range_sum(*args).tolist() == [sum(part) for part in parts]


@pytest.mark.parametrize("candidates", [None, [], [(0, 1)]])
def test_no_spans_no_cells(candidates):
    given_ = None if candidates is None else np.array(candidates, "i8").reshape(-1, 2)
    for pair in (one_pair("Roma", [], "Roma"), one_pair("Roma", [(0, 1)], "otra"), one_pair("Roma", [(0, 1)], "")):
        if pair.target or candidates is None:
            assert [len(field) for field in SurfaceSimilarity()(pair, given_)[:4]] == [0, 0, 0, 0]


def test_long_sentences_are_not_gone_through_span_by_span():
    pair = one_pair("Ana Ruiz", [(0, 2)], " ".join(["palabra"] * 2000 + ["Ana", "Ruiz"] + ["otra"] * 2000))
    assert table(SurfaceSimilarity()(pair)) == pytest.approx(
        {(0, 2000, 2002): 1, (0, 2001, 2002): 8 / 11, (0, 2000, 2001): 0.6}
    )


@pytest.mark.parametrize("settings", [{"threshold": 1.5}, {"threshold": -0.1}, {"max_length": -1}])
def test_bad_settings(settings):
    with pytest.raises(XprojError, match=next(iter(settings))):
        SurfaceSimilarity(**settings)


def test_in_the_matcher(tmp_path):
    assert registry.xproj_similarities.get("spacy_xproj.Surface.v1") is SurfaceSimilarity
    assert isinstance(SurfaceSimilarity(), Similarity) and not SurfaceSimilarity().fittable
    nlp = spacy.blank("es")
    settings = {"@xproj_similarities": "spacy_xproj.Surface.v1", "agglutinative": True}
    nlp.add_pipe("xproj_matcher", config={"similarity": settings})
    nlp.to_disk(tmp_path / "model")
    args = ("Abantu kweDurbanini .", "people in Durban", [(2, 3, "LOC")])
    for pipeline in (nlp, spacy.load(tmp_path / "model"), spacy.blank("es").from_config(nlp.config)):
        assert ents(pipeline(payload_doc(pipeline, *args))) == [(1, 2, "LOC")]
