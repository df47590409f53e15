"""Scores that cost much are computed only for the cells that the choice depends on."""

from typing import Any, Optional, Protocol, runtime_checkable

import numpy as np

from ..bitext import SentencePair
from ..ty import Cells, Solution, Solver


@runtime_checkable
class Costly(Protocol):
    """A similarity that is worth asking for as few cells as possible."""

    def score_cells(self, pair: SentencePair, span: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Score some cells of a sentence pair.

        span, start, end (int arrays (n,)): The cells.
        RETURNS (float64 array (n,)): In [0, 1].
        """
        ...


@runtime_checkable
class Lazy(Protocol):
    """A similarity that may have costly parts."""

    def open(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> Cells:
        """The cells of a sentence pair, without asking the costly parts.

        candidates (Optional[int array (k, 2)]): As for `Similarity`.
        RETURNS (Cells): In order of source span, start, end. The score of an open one is what is known of it.
        """
        ...

    def settle(self, pair: SentencePair, cells: Cells, which: np.ndarray) -> Cells:
        """Compute the scores of some cells.

        which (int array (k,)): Their indices.
        RETURNS (Cells): With these closed.
        """
        ...


def choose(similarity: Any, pair: SentencePair, cells: Cells, solver: Solver, n: int = 1) -> tuple[Cells, Solution]:
    """Solve. Open cells take part with their upper bounds: compute the scores of those that are chosen and solve again,
    until all chosen ones are known.

    The choice is what the solver makes of the scores of all cells, ties included: no other choice reaches more by its
    scores than by its bounds, and by those it has lost. It holds for every solver that chooses the same when a cell
    that it did not choose scores less, as `Exact.v1` and `Greedy.v1` do.

    similarity (Similarity): Where cells are open, a `Lazy` one, which computes their scores.
    pair (SentencePair): The sentence pair.
    cells (Cells): Its cells.
    solver (Solver), n (int): As in `Solver`.
    RETURNS (Cells, Solution): The cells with what was computed, and the choice.
    """
    size = 1
    while True:
        solution = solver(Cells(*cells[:3], cells.worth), n)
        if cells.open is None or not cells.open[solution.chosen].any():
            return cells, solution
        wanted = solution.chosen[cells.open[solution.chosen]]
        cells = similarity.settle(pair, cells, with_next(cells, wanted, size))
        size *= 2  # few rounds, as models like large batches


def with_next(cells: Cells, wanted: np.ndarray, size: int) -> np.ndarray:
    """The wanted cells, and of each of their spans up to `size` open ones that the solver may ask for next: those with
    the highest bounds, if these are not under the highest score of the span that is known.

    wanted (int array (k,)): Indices of open cells.
    RETURNS (int array (m,)): Indices of open cells, ascending.
    """
    which, still = set(wanted.tolist()), np.zeros(len(cells.span), bool) if cells.open is None else cells.open
    for span in set(cells.span[wanted].tolist()):
        mine = cells.span == span
        floor = cells.worth[mine & ~still].max(initial=0)
        more = np.flatnonzero(mine & still & (cells.worth >= floor))
        which.update(more[np.argsort(-cells.worth[more], kind="stable")[:size]].tolist())
    return np.array(sorted(which), "i8")
