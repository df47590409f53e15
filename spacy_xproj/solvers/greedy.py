"""Greedy assignment (Politov et al., 2025), and the first steps that it shares with the exact solver."""

from collections.abc import Iterable, Sequence
from operator import le

import numpy as np

from ..ty import Cells, Solution, Solver


def make_greedy() -> Solver:
    """Take the cell with the highest score again and again, of equal ones the first, as long as it fits: its span has
    fewer than n cells and its words are free (greedy projection, Politov et al., 2025).

    RETURNS (Solver): The solver. Cells with a score of 0 or less are never chosen.
    """
    return solve_greedy


def solve_greedy(cells: Cells, n: int = 1) -> Solution:
    order = best_first(-cells.score)
    if n == 1:
        chosen, apart = best_of_each(cells, order)
        if apart:  # nothing that greedy takes bars the best cell of another span
            return Solution(chosen)
    taken = take(order.tolist(), cells.span.tolist(), cells.start.tolist(), cells.end.tolist(), n)
    return Solution(np.array(sorted(taken), "i8"))


def best_first(cost: np.ndarray) -> np.ndarray:
    """Order the cells that score above 0.

    cost (float64 array (n,)): The scores with the opposite sign.
    RETURNS (int array (k,)): Their indices, highest score first, of equal scores the lower index first.
    """
    order = cost.argsort(kind="stable")
    if len(order) and not cost[order[-1]] < 0:
        order = order[: np.count_nonzero(cost < 0)]
    return order


def best_of_each(cells: Cells, order: np.ndarray) -> tuple[np.ndarray, bool]:
    """Find the first cell in the order of each span.

    cells (Cells): The cells.
    order (int array (k,)): Cell indices, best first.
    RETURNS (int array (s,), bool): The cells, ascending, and whether no two of them share a word.
    """
    back = order[::-1]  # the last entry of a key stays in the dict
    chosen = np.array(sorted(dict(zip(cells.span[back].tolist(), back.tolist())).values()), "i8")
    if len(chosen) < 2:
        return chosen, True
    return chosen, disjoint(cells.start[chosen].tolist(), cells.end[chosen].tolist())


def disjoint(start: Iterable[int], end: Iterable[int]) -> bool:
    """Whether no word is in two of the intervals: never do two of them begin before one ends."""
    return all(map(le, sorted(end), sorted(start)[1:]))


def take(order: Iterable[int], span: Sequence[int], start: Sequence[int], end: Sequence[int], n: int) -> list[int]:
    """Go through the cells in an order and take those that fit.

    order (iterable of int): Cell indices.
    span, start, end (sequence of int): Span and candidate of each cell.
    n (int): Most cells a span.
    RETURNS (list of int): The cells taken, in that order.
    """
    room = dict.fromkeys(span, n)
    full = len(room)
    base = min(start, default=0)
    used = bytearray(max(end, default=0) - base)
    taken = []
    for i in order:
        s = span[i]
        if room[s] > 0:
            a, b = start[i] - base, end[i] - base
            if used.find(1, a, b) < 0:
                used[a:b] = b"\1" * (b - a)
                taken.append(i)
                room[s] -= 1
                if not room[s]:
                    full -= 1
                    if not full:
                        break
    return taken
