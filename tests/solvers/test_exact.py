import random

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from solver_problems import make_cells, random_cells, sentence_cells

from spacy_xproj.registry import registry
from spacy_xproj.solvers import exact
from spacy_xproj.solvers.exact import SCALE, components, make_exact, undominated
from spacy_xproj.solvers.greedy import best_first, best_of_each
from spacy_xproj.ty import Cells


def brute_force(cells: Cells, n: int) -> list[int]:
    """Look at every choice: highest total, then the lexicographically greatest 0/1 vector."""
    weight = [int(w) for w in np.rint(cells.score * SCALE)]
    span, start, end = cells.span.tolist(), cells.start.tolist(), cells.end.tolist()
    best: tuple[int, list[int]] = (0, [])

    def extend(i: int, chosen: list[int], total: int) -> None:
        nonlocal best
        if i == len(weight):
            best = max(best, (total, [-j for j in chosen]))
            return
        if (
            weight[i] > 0
            and sum(span[j] == span[i] for j in chosen) < n
            and all(end[j] <= start[i] or end[i] <= start[j] for j in chosen)
        ):
            extend(i + 1, [*chosen, i], total + weight[i])
        extend(i + 1, chosen, total)

    extend(0, [], 0)
    return [-j for j in best[1]]


def best_total(cells: Cells, n: int) -> float:
    """The highest total by integer programming, another way to it."""
    spans = cells.span == np.unique(cells.span)[:, None]
    words = (cells.start <= np.unique(cells.start)[:, None]) & (np.unique(cells.start)[:, None] < cells.end)
    rules = LinearConstraint(np.concatenate([spans, words]), ub=np.r_[np.full(len(spans), n), np.ones(len(words))])
    ones = np.ones(len(cells.score))
    found = milp(-cells.score, integrality=ones, bounds=Bounds(0, 1), constraints=rules, options={"mip_rel_gap": 0})
    return -found.fun


@pytest.fixture(params=["as shipped", "prices"])
def solver(request, monkeypatch):
    """The ways to the optimum, each forced."""
    if request.param == "prices":
        monkeypatch.setattr(exact, "SMALL", 0)
    return make_exact()


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("ties", [True, False])
def test_exact_is_brute_force(solver, n, ties):
    rng = random.Random(10 * n + ties)
    for _ in range(600):
        cells = random_cells(rng, rng.randint(0, 12), ties=ties)
        solution = solver(cells, n)
        assert solution.chosen.tolist() == brute_force(cells, n), (cells, n)
        assert solution.note == ""


def test_exact_beats_greedy(solver):
    cells = make_cells([(0, 0, 1, 1.0), (0, 1, 2, 0.9), (1, 0, 1, 0.9)])
    assert solver(cells).chosen.tolist() == [1, 2]


def test_the_first_of_equal_totals(solver):
    assert solver(make_cells([(0, 0, 1, 1.0), (1, 0, 1, 1.0)])).chosen.tolist() == [0]
    assert solver(make_cells([(1, 0, 1, 1.0), (0, 0, 1, 1.0)])).chosen.tolist() == [0]
    # 1/6 + 1/6 and 1/3 are the same total
    assert solver(make_cells([(0, 0, 2, 1 / 3), (1, 0, 1, 1 / 6), (2, 1, 2, 1 / 6)])).chosen.tolist() == [0]
    assert solver(make_cells([(1, 0, 1, 1 / 6), (0, 0, 2, 1 / 3), (2, 1, 2, 1 / 6)])).chosen.tolist() == [0, 2]
    # so are 0.1 + 0.2 and 0.3, whatever their floats
    assert solver(make_cells([(0, 0, 2, 0.3), (1, 0, 1, 0.1), (2, 1, 2, 0.2)])).chosen.tolist() == [0]


def test_nothing_to_choose(solver):
    for n in (1, 2):
        assert solver(make_cells([]), n).chosen.tolist() == []
        assert solver(make_cells([(0, 0, 1, 0.0), (1, 0, 1, -1.0), (2, 0, 1, 1e-12)]), n).chosen.tolist() == []
        assert solver(make_cells([(4, 1000, 1002, 0.1)]), n).chosen.tolist() == [0]
    assert solver(make_cells([(0, 0, 1, 1.0)]), 0).chosen.tolist() == []
    assert solver(make_cells([])).chosen.dtype.kind == "i"


def test_large_n_is_no_limit(solver):
    cells = make_cells([(0, k, k + 1, 0.5) for k in range(70)])
    assert solver(cells, 1000).chosen.tolist() == list(range(70))


@pytest.mark.parametrize("n", [1, 2])
def test_parts_are_solved_alone(solver, n):
    rng = random.Random(3)
    parts = [random_cells(rng, 10, ties=True) for _ in range(8)]
    rows = []  # each part has its own spans and words
    for at, cells in enumerate(parts):
        rows += [
            (*row, at) for row in zip(cells.span + 10 * at, cells.start + 2000 * at, cells.end + 2000 * at, cells.score)
        ]
    expected = {
        tuple(row)
        for at, cells in enumerate(parts)
        for row in np.array(rows)[[r[4] == at for r in rows]][brute_force(cells, n)]
    }
    for _ in range(3):
        # In any order of the parts; the order within each is what breaks the ties.
        order = rng.sample(range(len(parts)), len(parts))
        mixed = [row for at in order for row in rows if row[4] == at]
        chosen = solver(make_cells([row[:4] for row in mixed]), n).chosen
        assert {tuple(map(float, mixed[i])) for i in chosen} == expected


def test_cells_that_cannot_do_better_than_greedy_are_left_out():
    """Of hundreds of cells a collision leaves a few, and no first optimum is lost: see `test_exact_is_brute_force`."""
    rng = random.Random(6)
    rows = [(s, a, a + 1, rng.random() / 4) for s in range(3) for a in range(100)]
    rows += [(0, 200, 201, 0.9), (1, 200, 201, 0.8), (1, 201, 202, 0.7), (0, 202, 203, 0.6), (2, 204, 205, 0.9)]
    cells = make_cells(rows)
    cost = np.rint(cells.score * -SCALE)
    order = best_first(cost)
    chosen, apart = best_of_each(cells, order)
    assert not apart
    assert sorted(exact.promising(cells, cost, order, chosen).tolist()) == [300, 301, 302, 304]


def test_components_share_neither_span_nor_word():
    cells = make_cells([(0, 0, 2, 1), (1, 1, 3, 1), (2, 3, 4, 1), (2, 9, 10, 1), (3, 8, 11, 1), (4, 4, 5, 1)])
    columns = [column.tolist() for column in cells[:3]]
    assert components(list(range(6)), *columns) == [[0, 1], [2, 3, 4], [5]]


def test_undominated_keeps_every_first_optimum():
    rng = random.Random(4)
    dropped = 0
    for _ in range(300):
        cells = random_cells(rng, 12, ties=True)
        span, start, end, score = (column.tolist() for column in cells[:4])
        best = sorted((i for i in range(12) if score[i] > 0), key=lambda i: (-score[i], i))
        naive = [
            i
            for at, i in enumerate(best)
            if not any(span[j] == span[i] and start[i] <= start[j] and end[j] <= end[i] for j in best[:at])
        ]
        assert undominated(best, span, start, end) == sorted(naive)
        dropped += len(best) - len(naive)
    assert dropped > 300


@pytest.mark.parametrize(
    "kind,n_spans,n", [("links", 26, 1), ("links", 12, 2), ("random", 12, 1), ("random", 8, 2), ("ties", 8, 1)]
)
def test_large_problems(kind, n_spans, n):
    rng = random.Random(5)
    cells = sentence_cells(rng, n_spans, 50, 10)
    if kind != "links":
        draw = rng.random if kind == "random" else lambda: rng.randint(1, 6) / 6
        cells = cells._replace(score=np.array([draw() for _ in cells.score]))
    assert len(cells.score) > 450 * n_spans
    chosen, note = make_exact()(cells, n)
    assert note == ""
    assert cells.score[chosen].sum() == pytest.approx(best_total(cells, n), abs=1e-7)


def test_greedy_stands_in_beyond_the_limit():
    hard = [(0, 0, 1, 1.0), (0, 1, 2, 0.9), (1, 0, 1, 0.9)]
    easy = [(5, 20, 21, 1.0), (6, 22, 23, 0.5)]
    solution = make_exact(max_states=0)(make_cells(hard + easy))
    assert solution.note == "state_limit"
    assert solution.chosen.tolist() == [0, 3, 4]
    assert make_exact(max_states=0)(make_cells(easy)).note == ""


def test_registered():
    assert registry.xproj_solvers.get("spacy_xproj.Exact.v1") is make_exact
