import random

import numpy as np
import pytest
from solver_problems import make_cells, random_cells

from spacy_xproj.registry import registry
from spacy_xproj.solvers.greedy import make_greedy
from spacy_xproj.ty import Cells


def naive(cells: Cells, n: int) -> list[int]:
    """The published loop: np.argmax gives the first of the highest."""
    score = cells.score.copy()
    chosen: list[int] = []
    while len(score) and score.max() > 0:
        i = int(np.argmax(score))
        chosen.append(i)
        score[i] = 0
        if (cells.span[chosen] == cells.span[i]).sum() >= n:
            score[cells.span == cells.span[i]] = 0
        score[(cells.start < cells.end[i]) & (cells.start[i] < cells.end)] = 0
    return sorted(chosen)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("ties", [True, False])
def test_greedy_is_the_naive_loop(n, ties):
    rng = random.Random(n)
    greedy = make_greedy()
    for _ in range(500):
        cells = random_cells(rng, rng.randint(0, 40), ties=ties)
        solution = greedy(cells, n)
        assert solution.chosen.tolist() == naive(cells, n)
        assert solution.note == ""


def test_ties_go_to_the_first_cell():
    cells = make_cells([(1, 3, 4, 0.5), (0, 3, 4, 0.5), (0, 8, 9, 0.25)])
    assert make_greedy()(cells).chosen.tolist() == [0, 2]


def test_greedy_is_not_exact():
    cells = make_cells([(0, 0, 1, 1.0), (0, 1, 2, 0.9), (1, 0, 1, 0.9)])
    assert make_greedy()(cells).chosen.tolist() == [0]


@pytest.mark.parametrize("n", [1, 2])
def test_nothing_to_choose(n):
    greedy = make_greedy()
    assert greedy(make_cells([]), n).chosen.tolist() == []
    assert greedy(make_cells([(0, 0, 1, 0.0), (1, 0, 1, -1.0)]), n).chosen.tolist() == []
    assert greedy(make_cells([(4, 1000, 1002, 0.1)]), n).chosen.tolist() == [0]
    assert greedy(make_cells([]), n).chosen.dtype.kind == "i"


def test_more_than_one_cell_a_span():
    cells = make_cells([(0, 0, 1, 0.9), (0, 2, 3, 0.8), (0, 4, 5, 0.7), (1, 2, 3, 0.75)])
    greedy = make_greedy()
    assert greedy(cells, 1).chosen.tolist() == [0, 3]
    assert greedy(cells, 2).chosen.tolist() == [0, 1]
    assert greedy(cells, 3).chosen.tolist() == [0, 1, 2]


def test_registered():
    assert registry.xproj_solvers.get("spacy_xproj.Greedy.v1") is make_greedy
