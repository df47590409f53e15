"""Scores that cost much are computed only for the cells that the choice depends on."""

from typing import NamedTuple, Optional, Protocol, runtime_checkable

import numpy as np

from ..bitext import SentencePair
from ..ty import Cells, Solution, Solver


class OpenCells(NamedTuple):
    """Cells whose scores are not all computed yet.

    span, start, end (int arrays (n,)): As in `Cells`.
    score (float64 array (n,)): Where `open`, an upper bound.
    cheap (float64 array (n,)): The part of the score that is known from the start.
    open (bool array (n,)): The rest is not computed yet.
    """

    span: np.ndarray
    start: np.ndarray
    end: np.ndarray
    score: np.ndarray
    cheap: np.ndarray
    open: np.ndarray


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

    def open(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> OpenCells:
        """The cells of a sentence pair, without asking the costly parts.

        candidates (Optional[int array (k, 2)]): As for `Similarity`.
        RETURNS (OpenCells): In order of source span, start, end.
        """
        ...

    def settle(self, pair: SentencePair, cells: OpenCells, which: np.ndarray) -> OpenCells:
        """Compute the scores of some cells.

        which (int array (k,)): Their indices.
        RETURNS (OpenCells): With these closed.
        """
        ...


def choose(
    similarity: Lazy, pair: SentencePair, cells: OpenCells, solver: Solver, n: int = 1
) -> tuple[OpenCells, Solution]:
    """Solve with upper bounds, compute the scores of the chosen cells, and again, until all chosen ones are known.

    The choice is what the solver makes of the scores of all cells, ties included: no other choice reaches more by its
    scores than by its bounds, and by those it has lost. It holds for every solver that chooses the same when a cell
    that it did not choose scores less, as `Exact.v1` and `Greedy.v1` do.

    similarity (Lazy): Computes scores.
    pair (SentencePair): The sentence pair.
    cells (OpenCells): Its cells.
    solver (Solver), n (int): As in `Solver`.
    RETURNS (OpenCells, Solution): The cells with what was computed, and the choice.
    """
    size = 1
    while True:
        solution = solver(Cells(*cells[:4]), n)
        wanted = solution.chosen[cells.open[solution.chosen]]
        if not len(wanted):
            return cells, solution
        cells = similarity.settle(pair, cells, with_next(cells, wanted, size))
        size *= 2  # few rounds, as models like large batches


def with_next(cells: OpenCells, wanted: np.ndarray, size: int) -> np.ndarray:
    """The wanted cells, and of each of their spans up to `size` open ones that the solver may ask for next: those with
    the highest bounds, if these are not under the highest score of the span that is known.

    wanted (int array (k,)): Indices of open cells.
    RETURNS (int array (m,)): Indices of open cells, ascending.
    """
    which = set(wanted.tolist())
    for span in set(cells.span[wanted].tolist()):
        mine = cells.span == span
        floor = cells.score[mine & ~cells.open].max(initial=0)
        more = np.flatnonzero(mine & cells.open & (cells.score >= floor))
        which.update(more[np.argsort(-cells.score[more], kind="stable")[:size]].tolist())
    return np.array(sorted(which), "i8")
