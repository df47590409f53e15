import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xproj.errors import XprojError
from spacy_xproj.similarities.links import COUNTS, LinkSimilarity
from spacy_xproj.solvers.exact import make_exact
from tests.conftest import bitext

GAPS = (0.0, 0.5, 1.0)


@st.composite
def pairs(draw):
    n, m = draw(st.integers(1, 7)), draw(st.integers(1, 8))
    starts = draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=4))
    spans = [(a, draw(st.integers(a + 1, n)), "X") for a in starts]
    links = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, m - 1)), max_size=14, unique=True))
    (pair,) = bitext(["s"] * n, spans, links).pairs(("t",) * m)
    return pair


def everything(m, max_length=0):
    return [(a, b) for a in range(m) for b in range(a + 1, m + 1) if not max_length or b - a <= max_length]


def reference(pair, span, a, b, count, gap):
    """The score of one cell, from its definition."""
    start, end = span[:2]
    links = [(i, j) for i, j in pair.links.tolist() if start <= i < end and a <= j < b]
    if not links:
        return 0.0
    mine = [j for _, j in links]
    linked = set(pair.links[:, 1].tolist())
    between = sum(j not in linked for j in range(min(mine), max(mine)))
    length = end - start + b - a - (1 - gap) * between
    if count == "pairs":
        return 2 * len(links) / length
    return (len({i for i, _ in links}) + len(set(mine))) / length


def table(cells):
    keys = list(zip(cells.span.tolist(), cells.start.tolist(), cells.end.tolist()))
    assert keys == sorted(set(keys))
    return dict(zip(keys, cells.score.tolist()))


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("gap", GAPS)
@given(pair=pairs())
def test_given_candidates_against_brute_force(pair, count, gap):
    candidates = everything(len(pair.target))
    want = {
        (k, a, b): score
        for k, span in enumerate(pair.spans)
        for a, b in candidates
        if (score := reference(pair, span, a, b, count, gap))
    }
    shuffled = np.array(candidates[::-1] + candidates[:2])  # in any order, and more than once
    assert table(LinkSimilarity(count, gap)(pair, shuffled)) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("gap", GAPS)
@given(pair=pairs(), max_length=st.integers(0, 4))
def test_proposed_candidates(pair, count, gap, max_length):
    proposed = table(LinkSimilarity(count, gap, max_length)(pair))
    want = {}
    for k, (start, end, *_) in enumerate(pair.spans):
        linked = {j for i, j in pair.links.tolist() if start <= i < end}
        for a, b in everything(len(pair.target), max_length):
            if a in linked and b - 1 in linked:
                want[k, a, b] = reference(pair, (start, end), a, b, count, gap)
    assert proposed == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("gap", GAPS)
@given(pair=pairs())
def test_proposing_loses_nothing(pair, count, gap):
    similarity, solver = LinkSimilarity(count, gap), make_exact()
    proposed = similarity(pair)
    every = similarity(pair, np.array(everything(len(pair.target))))
    ours, theirs = table(proposed), table(every)
    for k in range(len(pair.spans)):
        best = max((s for key, s in theirs.items() if key[0] == k), default=0)
        assert max((s for key, s in ours.items() if key[0] == k), default=0) == pytest.approx(best, rel=1e-12)
    # the best assignment, too, also with two projections a span
    for n in (1, 2):
        total, best = (c.score[solver(c, n).chosen].sum() for c in (proposed, every))
        # a second projection can be a part of nothing linked at both ends only if it scores 0
        assert total == pytest.approx(best, abs=1e-6)


@given(pairs())
def test_words_never_count_more_than_there_are(pair):
    for gap in GAPS:
        assert LinkSimilarity("words", gap)(pair).score.max(initial=0) <= 1 + 1e-12


def test_by_hand():
    # New York -> Nueva York; the unlinked "de" between two linked words
    (pair,) = bitext("New York University", [(0, 3, "ORG")], "0-2 1-3 2-0").pairs(
        ("Universidad", "de", "Nueva", "York")
    )
    assert table(LinkSimilarity("words", 0)(pair))[0, 0, 4] == 1
    assert table(LinkSimilarity("words", 1)(pair))[0, 0, 4] == 6 / 7
    assert table(LinkSimilarity("words", 0.5)(pair))[0, 0, 4] == 6 / 6.5
    # many-to-many links: pairs can go above 1, words cannot
    (pair,) = bitext("a b", [(0, 2, "X")], "0-0 0-1 1-0 1-1").pairs(("x", "y"))
    assert table(LinkSimilarity("pairs", 1)(pair))[0, 0, 2] == 2
    assert table(LinkSimilarity("words", 1)(pair))[0, 0, 2] == 1


def test_a_gap_word_that_is_linked_elsewhere_counts():
    (pair,) = bitext("a b c", [(0, 2, "X")], "0-0 1-2 2-1").pairs(("x", "y", "z"))
    assert table(LinkSimilarity("words", 0)(pair))[0, 0, 3] == 4 / 5


@pytest.mark.parametrize("candidates", [None, [], [(0, 1)]])
def test_no_links_no_cells(candidates):
    (pair,) = bitext("a", [(0, 1, "X")]).pairs(("x",))
    given_ = None if candidates is None else np.array(candidates, "i8").reshape(-1, 2)
    cells = LinkSimilarity()(pair, given_)
    assert [len(field) for field in cells[:4]] == [0, 0, 0, 0]


def test_no_spans():
    (pair,) = bitext("a", [], "0-0").pairs(("x",))
    assert len(LinkSimilarity()(pair).score) == 0
    assert len(LinkSimilarity()(pair, np.array([(0, 1)])).score) == 0


@pytest.mark.parametrize(
    "settings, message",
    [
        (("each",), "count must be one of"),
        (("words", 1.5), "gap"),
        (("words", -0.1), "gap"),
        (("words", 0, -1), "max_length"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(XprojError, match=message):
        LinkSimilarity(*settings)
