"""The extraction of links, by hand, against plain loops, and many pairs at once against one by one."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.aligners.extraction_oracle import directed, entmax, entmax15, inter, itermax, mwmf, softmax

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 10**6), st.booleans())


def matrix(m, n, seed, ties):
    """Similarities in [0, 1], of few different values if there are to be ties."""
    draw = np.random.default_rng(seed).random((m, n))
    return (np.round(draw * 3) / 3 if ties else draw).astype("f4")


def cells(found):
    return [tuple(cell) for cell in np.argwhere(found).tolist()]


def loop_inter(sim):
    m, n = sim.shape
    first = lambda values: max(range(len(values)), key=lambda k: (values[k], -k))  # noqa: E731
    return {(i, j) for i in range(m) for j in range(n) if first(sim[i]) == j and first(sim[:, j]) == i}


def loop_itermax(sim):
    found = loop_inter(sim)
    m, n = sim.shape
    rows, columns = {i for i, _ in found}, {j for _, j in found}
    if min(m, n) <= 2 or len(rows) == m or len(columns) == n:
        return found
    changed = sim.copy()
    for i in range(m):
        for j in range(n):
            changed[i, j] *= [1, np.float32(0.9), 0][(i in rows) + (j in columns)]
    return found | {(i, j) for i, j in loop_inter(changed) if not (i in rows and j in columns)}


def test_inter_by_hand():
    sim = np.array([[0.9, 0.5, 0.1], [0.8, 0.4, 0.3]])
    assert cells(inter(sim)) == [(0, 0)]
    assert cells(inter(np.array([[0.2]]))) == [(0, 0)]
    assert cells(inter(np.full((2, 3), 0.5))) == [(0, 0)]  # the first of equal ones


def test_itermax_by_hand():
    sim = np.array(
        [
            [0.90, 0.10, 0.10, 0.10],
            [0.80, 0.10, 0.30, 0.20],
            [0.10, 0.70, 0.20, 0.10],
        ]
    )
    assert cells(inter(sim)) == [(0, 0), (2, 1)]
    # Word 1 prefers (1, 0): 0.9 * 0.8 = 0.72, but 0 prefers its own row, which is out now, so that it is back's best.
    assert cells(itermax(sim)) == [(0, 0), (1, 0), (2, 1)]
    sim[1, 0] = 0.33  # 0.9 times that is below 0.30
    assert cells(itermax(sim)) == [(0, 0), (1, 2), (2, 1)]
    assert cells(itermax(sim[:, :2])) == cells(inter(sim[:, :2]))  # two words only
    assert cells(itermax(np.eye(4)[:3])) == [(0, 0), (1, 1), (2, 2)]  # all of one side is linked


def test_mwmf_by_hand():
    sim = np.array([[0.9, 0.8], [0.8, 0.1]])
    assert cells(inter(sim)) == [(0, 0)]
    assert cells(mwmf(sim)) == [(0, 1), (1, 0)]
    assert cells(mwmf(np.array([[0.1, 0.3, 0.2]]))) == [(0, 1)]


def test_softmax_and_entmax_by_hand():
    scores = np.array([[9.0, 0.0], [0.0, 1.0]])
    assert cells(softmax(scores)) == [(0, 0), (1, 1)]
    assert cells(softmax(scores, 0.0)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert cells(entmax(scores)) == [(0, 0), (1, 1)]
    assert entmax15(np.array([0.0, 0.0]), 0).tolist() == pytest.approx([0.5, 0.5])
    assert entmax15(np.array([2.0, -5.0, 0.0]), 0).tolist() == [1, 0, 0]  # at 2 apart the rest gets nothing
    assert (entmax15(np.array([1.9, 0.0]), 0) > 0).all()
    forward, reverse, both = directed(scores)
    np.testing.assert_allclose(forward[0, 0], 1 / (1 + np.exp(-9 / np.sqrt(2))))
    np.testing.assert_allclose(both, 2 / (1 / forward + 1 / reverse), rtol=1e-6)
    assert np.array_equal(forward, directed(scores.T)[1].T)


@given(SHAPES)
def test_inter_and_itermax_as_loops(shape):
    sim = matrix(*shape)
    assert set(cells(inter(sim))) == loop_inter(sim)
    assert set(cells(itermax(sim))) == loop_itermax(sim)


@given(SHAPES)
def test_mwmf_is_the_best(shape):
    sim = matrix(*shape)[:5, :5].astype("f8")
    found = mwmf(sim)
    assert found.sum() == min(sim.shape) and found.sum(0).max() == found.sum(1).max() == 1
    tall = sim if sim.shape[0] <= sim.shape[1] else sim.T
    best = max(
        sum(tall[i, j] for i, j in enumerate(chosen)) for chosen in permutations(range(tall.shape[1]), len(tall))
    )
    assert sim[found].sum() == pytest.approx(best)


@given(SHAPES)
def test_mwmf_as_a_matching_of_graphs(shape):
    nx = pytest.importorskip("networkx")
    sim = matrix(*shape).astype("f8")
    graph = nx.Graph()
    graph.add_weighted_edges_from((i, len(sim) + j, sim[i, j]) for i in range(len(sim)) for j in range(sim.shape[1]))
    matching = {(min(edge), max(edge) - len(sim)) for edge in nx.max_weight_matching(graph, maxcardinality=True)}
    found = mwmf(sim)
    assert sim[found].sum() == pytest.approx(sum(sim[cell] for cell in matching))
    if not shape[3]:
        assert set(cells(found)) == matching


@given(SHAPES, st.sampled_from([1.0, 10.0, 500.0]))
def test_entmax_as_by_bisection(shape, scale):
    scores = matrix(*shape).astype("f8") * scale
    found = entmax15(scores, 1)
    np.testing.assert_allclose(found.sum(1), 1)
    assert np.array_equal(found, entmax15(scores.T, 0).T)
    for row, values in zip(scores / 2, found):
        low, high = row.max() - 1, row.max()
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if (np.maximum(row - middle, 0) ** 2).sum() > 1 else (low, middle)
        np.testing.assert_allclose(values, np.maximum(row - low, 0) ** 2, atol=1e-7)
    single = entmax15(scores.astype("f4"), 1)
    np.testing.assert_allclose(single, found, atol=1e-4 * scale)


# Many pairs at once

METHODS = {"inter": inter, "itermax": itermax, "mwmf": mwmf, "softmax": softmax, "entmax": entmax}


def side(draw, ties):
    """Vectors of up to 12 sub-words of up to 8 words, some of which have none. With ties they are unit vectors, whose
    products are the same in any order of summation."""
    n = draw.integers(1, 12)
    vectors = np.eye(6)[draw.integers(0, 6, n)] if ties else draw.normal(size=(n, 6)) * 2
    return vectors.astype("f4"), np.sort(draw.integers(0, 8, n))


def one_by_one(source, target, method, pooling):
    """Links of one pair, and the highest of their figures: {(i, j): (score, forward, reverse, similarity)}."""
    (x, a), (y, b) = source, target
    if pooling == "mean":
        x, y = ([v[w == k].mean(0) for k in np.unique(w)] for v, w in (source, target))
        x, y, a, b = np.array(x), np.array(y), np.unique(a), np.unique(b)
    x, y = x.astype("f8"), y.astype("f8")
    dot = x @ y.T
    sim = (dot / (np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(y, axis=1)) + 1) / 2
    dot = dot.astype("f4")
    if pooling == "max":
        blocks = [[np.ix_(a == i, b == j) for j in np.unique(b)] for i in np.unique(a)]
        dot, sim = (np.array([[t[block].max() for block in row] for row in blocks]) for t in (dot, sim))
        a, b = np.unique(a), np.unique(b)
    found = METHODS[method](sim if method in ("inter", "itermax", "mwmf") else dot)
    forward, reverse, both = directed(dot)
    score = sim if method in ("inter", "itermax", "mwmf") else both
    out = {}
    for i, j in np.argwhere(found):
        figures = tuple(t[i, j] for t in (score, forward, reverse, sim))
        out[a[i], b[j]] = tuple(map(max, figures, out.get((a[i], b[j]), figures)))
    return out


@pytest.mark.parametrize("pooling", ["any", "mean", "max"])
@pytest.mark.parametrize("method", METHODS)
def test_many_at_once_as_one_by_one(method, pooling):
    torch = pytest.importorskip("torch")
    from spacy_xproj.aligners.embed_batch import METHODS as KNOWN
    from spacy_xproj.aligners.embed_batch import extract
    from spacy_xproj.models.encoder import Side

    assert set(KNOWN) == set(METHODS)
    n_links = 0
    for seed in range(30):
        draw = np.random.default_rng(seed)
        ties = seed % 3 == 0 and pooling != "mean" and method not in ("mwmf", "entmax")
        pairs = [(side(draw, ties), side(draw, ties)) for _ in range(draw.integers(1, 9))]
        sides = [[Side(torch.from_numpy(v), w) for v, w in both] for both in zip(*pairs)]
        found = extract(*sides, method, pooling, 0.001)
        rows = list(zip(found.pair.tolist(), found.source.tolist(), found.target.tolist()))
        assert rows == sorted(set(rows))
        for k, (source, target) in enumerate(pairs):
            want = one_by_one(source, target, method, pooling)
            mine = [r for r, row in enumerate(rows) if row[0] == k]
            assert [rows[r][1:] for r in mine] == sorted(want)
            got = np.stack(found[3:], axis=1)[mine]
            np.testing.assert_allclose(got, np.array([want[key] for key in sorted(want)]).reshape(-1, 4), atol=1e-4)
            assert ((got >= 0) & (got <= 1)).all()
            n_links += len(mine)
    assert n_links > 200
