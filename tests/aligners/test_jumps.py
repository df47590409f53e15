from itertools import product

import numpy as np
import pytest

from spacy_xproj.aligners import jumps, lexical
from spacy_xproj.aligners.jumps import WIDTH, first_jumps, learnt_jumps, walk
from spacy_xproj.aligners.statistical import StatisticalAligner
from spacy_xproj.bitext import Bitext


def pair(source, target):
    source, target = source.split(), target.split()
    return Bitext("en", tuple(source), (True,) * len(source)).pairs(tuple(target))[0]


def by_enumeration(emission, null, jump):
    """Posteriors (state, step) as sums over all walks; a step with state -1 has no counterpart."""
    states, steps = emission.shape
    at = lambda d: jump[d + WIDTH] if abs(d) <= WIDTH else jump[-1]  # noqa: E731
    total, found = 0.0, np.zeros(emission.shape)
    for path in product(range(-1, states), repeat=steps):
        # the first word's counterpart may stand anywhere; before a first word without one, so may the walk
        for start in range(states) if path[0] < 0 else [path[0]]:
            chance, place = 1 / states, start
            for j, i in enumerate(path):
                if i < 0:
                    chance *= null[j]
                else:
                    step = at(i - place) / sum(at(k - place) for k in range(states)) if j else 1.0
                    chance, place = chance * step * emission[i, j], i
            total += chance
            for j, i in enumerate(path):
                if i >= 0:
                    found[i, j] += chance
    return found / total


def walked(shapes, seed=0, jump=None, counts=None):
    rng = np.random.default_rng(seed)
    m, n = np.array(shapes).T
    weights = rng.random((m * n).sum()), rng.random((m * n).sum())
    nulls = rng.random(n.sum()) / 5, rng.random(m.sum()) / 5
    out = np.full((2, (m * n).sum()), -1.0)
    walk(m, n, n, weights, nulls, (out[0], out[1]), first_jumps() if jump is None else jump, counts)
    return weights, nulls, out


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (1, 4), (4, 1), (9, 2)])
def test_against_all_walks(shape):
    jump = np.random.default_rng(1).random((2, 2 * WIDTH + 2)) + 0.01
    weights, nulls, out = walked([shape], jump=jump)
    emissions = [w.reshape(shape) for w in weights]
    np.testing.assert_allclose(out[0].reshape(shape), by_enumeration(emissions[0], nulls[0], jump[0]))
    np.testing.assert_allclose(out[1].reshape(shape).T, by_enumeration(emissions[1].T, nulls[1], jump[1]))


def test_a_pair_gets_the_same_in_any_group(monkeypatch):
    rng = np.random.default_rng(2)
    shapes = [(5, 7), (30, 2), (1, 1), (8, 8), (12, 40), (6, 7), *map(tuple, rng.integers(1, 45, (60, 2)).tolist())]
    together = walked(shapes)
    monkeypatch.setattr(jumps, "GROUP", 1)
    assert np.array_equal(walked(shapes)[2], together[2])


def test_pairs_that_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(jumps, "LONGEST", 9)
    out = walked([(3, 3), (10, 2), (0, 4), (2, 10), (4, 0), (2, 2)])[2]
    assert (out[:, 9:49] == -1).all()
    assert (out[:, :9] >= 0).all() and (out[:, 49:] >= 0).all()


def test_learnt_jumps():
    # Both sides word for word in order, with a name at the end whose words are the other way round.
    counts = np.zeros((2, 2 * WIDTH + 3))
    size = 20
    weight = np.eye(size) + 1e-6
    weight[[-1, -2]] = weight[[-2, -1]]
    flat, null = weight.ravel(), np.full(size, 1e-6)
    shape = np.array([size])
    walk(shape, shape, shape, (flat, flat), (null, null), (flat.copy(), flat.copy()), first_jumps(), counts)
    learnt = learnt_jumps(counts) ** 2
    assert learnt.shape == first_jumps().shape
    np.testing.assert_allclose(learnt[0, [WIDTH - 1, WIDTH + 1, WIDTH + 2]], np.array([1, 17, 1]) / 19, atol=0.01)
    assert learnt[0, -1] < 0.01
    assert np.isfinite(learnt_jumps(np.zeros_like(counts))).all()


def test_a_word_that_comes_twice_goes_with_its_neighbor():
    plain = [pair("the dog the cat the bird", "lo hund lo micio lo uccello"), pair("the dog", "lo hund")] * 10
    turned = pair("the bird saw yesterday in town the dog", "lo hund saw yesterday in town lo uccello")
    links = {}
    for n in (0, 2):
        aligner = StatisticalAligner(jumps=n, diagonal=0.0, threshold=0.0)
        aligner.fit([*plain, turned])
        (found,) = aligner([turned])
        scores = dict(zip(map(tuple, found.links.tolist()), found.scores.tolist()))
        links[n] = scores[0, 6] - scores[0, 0]  # "the" of "the bird"
    assert links[2] > 0.2 > abs(links[0])


def test_setting():
    pairs = [pair("the dog sees the cat", "lo hund vede lo micio"), pair("the cat", "lo micio")]
    tables = []
    for settings in ({"jumps": 0}, {}, {"iterations": 1}, {"iterations": 1, "jumps": 0}):
        aligner = StatisticalAligner(**settings)
        aligner.fit(pairs)
        tables.append(aligner.table)
    assert [t.jumps.size for t in tables] == [0, 4 * WIDTH + 4, 0, 0]
    assert np.array_equal(tables[2].strength, tables[3].strength)


def test_long_pairs_do_not_depend_on_the_batch(monkeypatch):
    aligner = StatisticalAligner()
    short, long = pair("the dog sees", "lo hund vede"), pair("the dog " * 6, "lo hund " * 6)
    aligner.fit([short, long])
    monkeypatch.setattr(lexical, "MOST", 100)  # of the long pair only a part is looked at
    for together, alone in zip(aligner([short, long, short]), (short, long, short)):
        assert np.array_equal(together.scores, aligner([alone])[0].scores)
