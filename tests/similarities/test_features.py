import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xproj.similarities.forms import WordForms, describe, similar
from spacy_xproj.similarities.ranker.batch import Batch
from spacy_xproj.similarities.ranker.corpus import CorpusStats, pair_key
from spacy_xproj.similarities.ranker.features import features, rows
from spacy_xproj.similarities.ranker.names import FEATURES, PLACE
from tests.conftest import bitext

WORDS = ["Ana", "Roma", "lives", "in", "EU", ",", ".", "1999", "Regionalpolitik", "the"]


@st.composite
def pairs(draw):
    source = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=7))
    target = draw(st.lists(st.sampled_from([*WORDS, "EU-Regionalpolitik", "vive"]), min_size=1, max_size=9))
    n, m = len(source), len(target)
    starts = draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=3))
    spans = [(a, draw(st.integers(a + 1, n)), "X") for a in starts]
    links = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, m - 1)), max_size=14, unique=True))
    scores = draw(st.lists(st.sampled_from([0.4, 0.7, 1.0]), min_size=len(links), max_size=len(links)))
    (pair,) = bitext(source, spans, links, scores=scores).pairs(tuple(target))
    return pair


def reference(pair, span, a, b):
    """Some features of one cell, from their definitions, in plain loops."""
    s = pair.spans[span]
    mine, others = range(s.start, s.end), {i for t in pair.spans for i in range(t.start, t.end)}
    links = {tuple(link): float(np.float32(score)) for link, score in zip(pair.links.tolist(), pair.scores)}
    linked = {j for i, j in links if i in mine}

    def certain(i, j):
        rivals = [v for (x, y), v in links.items() if (x == i) != (y == j)]
        return all(v < links[i, j] for v in rivals)

    sure = {j for i, j in links if i in mine and certain(i, j)}
    inside = list(range(a, b))
    hits = [j for j in inside if j in linked]
    covered = [i for i in mine if any((i, j) in links for j in inside)]
    free = {j for i, j in links if i not in others}
    apart = {j for i, j in links if i in others and i not in mine}
    size, length = b - a, s.end - s.start
    gap = lambda j: min([abs(j - x) for x in linked], default=99)  # noqa: E731
    return {
        "certain": len(sure.intersection(inside)),
        "uncertain": len(linked.difference(sure).intersection(inside)),
        "doubt": sum(1 - max(v for (i, y), v in links.items() if i in mine and y == j) for j in hits),
        "to_other_span": len(apart.intersection(inside)),
        "to_outside": len(free.intersection(inside)),
        "not_linked": sum(j not in linked | apart | free for j in inside),
        "apart": sum(j not in linked and gap(j) > 1 for j in inside),
        "punct": sum(pair.target[j] in ".," for j in inside),
        "dice": 2 * len(hits) / (size + length),
        "share_linked": len(hits) / max(len(linked), 1),
        "covered": len(covered) / length,
        "uncovered_edges": (s.start not in covered) + (s.end - 1 not in covered),
        "length_ratio": abs(np.log(size / length)),
        "first_unlinked": a not in linked,
        "last_unlinked": b - 1 not in linked,
        "first_to_first": (s.start, a) in links,
        "last_to_last": (s.end - 1, b - 1) in links,
        "before_linked": a - 1 in linked,
        "after_linked": b in linked,
        "before_neighbor": (s.start - 1, a - 1) in links,
        "neighbor_last": (s.end, b - 1) in links,
        "last_rarity": 0.0,
    }


@given(pairs())
def test_against_plain_loops(pair):
    batch = Batch([pair])
    cells = batch.candidates(4)
    table = rows(batch, cells, features(batch, cells), PLACE)[0]
    for row, k, a, b in zip(table, *(x.tolist() for x in cells)):
        for name, value in reference(pair, k, a, b).items():
            assert row[PLACE[name]] == pytest.approx(float(value), abs=1e-6), name


@given(pairs())
def test_candidates(pair):
    batch = Batch([pair])
    cells = batch.candidates(3)
    found = list(zip(*(x.tolist() for x in cells)))
    assert found == sorted(set(found))
    some = batch.linked | (batch.mine > 0.85) | batch.part
    for k in range(len(pair.spans)):
        linked = np.flatnonzero(batch.linked[k])
        for a in range(len(pair.target)):
            for b in range(a + 1, len(pair.target) + 1):
                short = b - a <= 3 or (a in linked and b - 1 in linked)
                ends = not describe(pair.target[a]).punct and pair.target[b - 1] != ","
                long_ends = b - a > 3 and short
                assert ((k, a, b) in found) == bool(some[k, a:b].any() and short and (ends or long_ends))
    given_cells = batch.candidates(3, [np.array([[0, 1]])])
    assert given_cells.span.tolist() == np.flatnonzero(some[:, 0]).tolist()


def test_long_candidates_of_many_linked_words_take_little_memory():
    """A table of all linked words by all linked words took 75 GB for 100,000 words."""
    n = 400
    links = [(k // 10, k) for k in range(10 * n)]
    (pair,) = bitext(["w"] * n, [(k, k + 1, "X") for k in range(n)], links).pairs(("w",) * (10 * n))
    batch = Batch([pair])
    tracemalloc.start()
    span, a, b = batch.long(np.array([True]), 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(span) == n * 28 and (b - a > 3).all() and peak < 20 << 20


def test_forms():
    source, target = (
        WordForms(["Moscow", "EU", "policy", ",", "of"]),
        WordForms(["Москов", "EU-policy", "EU", "of", ","]),
    )
    like = similar(source, target)
    assert like[0, 0] > 0.8 and like[1, 2] == 1
    assert not like[3].any() and not like[:, 4].any()  # punctuation
    assert not like[4].any()  # a short common word
    whole = bitext("policy EU", [(0, 1, "X"), (1, 2, "X")], "").pairs(("EU-policy",))[0]
    assert Batch([whole]).part.tolist() == [[True], [False]]


def test_features_are_named_once_and_documented():
    assert len(PLACE) == len(FEATURES) and all(FEATURES.values())


def corpus():
    first = bitext("Ana in Rome", [(0, 1, "PER")], "0-0 1-1 2-2").pairs(("Ana", "en", "Roma"))
    second = bitext("in Rome", [(1, 2, "LOC")], "0-0 1-1").pairs(("en", "Roma"))
    return [*first, *second]


def test_statistics_and_own_votes():
    stats = CorpusStats(corpus())
    assert stats.size == 2 and pair_key(corpus()[0]) in stats.seen
    forms = stats.forms
    assert [forms.target.values[forms.target.index.get(form, -1)] for form in ("en", "ana", "nothing")] == [2, 1, 0]
    pair = corpus()[0]
    source, target = (
        np.array([side.index[form] for form in WordForms(words).forms])
        for side, words in ((forms.source, pair.source), (forms.target, pair.target))
    )
    hits = np.flatnonzero(np.eye(3))
    share = forms.share(source[None], target[None], hits, np.array([False]))[0]
    assert share[1, 1] == pytest.approx(2 / 3) and share[0, 0] == pytest.approx(1 / 2) and share[0, 1] == 0
    share = forms.share(source[None], target[None], hits, np.array([True]))[0]
    assert share[1, 1] == pytest.approx(1 / 2) and share[0, 0] == 0


def test_stems_count_what_forms_do_not():
    pairs = [
        *bitext("food", [(0, 1, "X")], "0-0").pairs(("yemekleriniz",)),
        *bitext("food", [(0, 1, "X")], "0-0").pairs(("yemekten",)),
    ]
    batch = Batch([pairs[0]], CorpusStats(pairs))
    assert batch.share.tolist() == [[0]]  # the form stands here alone, and its own link is taken out
    assert batch.stem_lexical[0, 0] > 0
    assert batch.seen.tolist() == [[2]]


def test_stems():
    assert WordForms(["Yemeklerden,", "ресторана", "北京市", "of"]).stems == ["yemek", "resto", "beijing", "of"]


def test_once_in_a_small_corpus_is_not_frequent():
    small, large = CorpusStats(corpus()), CorpusStats(corpus() * 1000)
    roma = small.forms.target.index["roma"]
    assert small.rarity(np.array([roma])) < large.rarity(np.array([roma]))


def test_statistics_survive():
    stats = CorpusStats(corpus())
    again = CorpusStats.load(stats.state())
    assert again.state() == stats.state()
