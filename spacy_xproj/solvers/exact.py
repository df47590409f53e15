"""Exact assignment: the highest total score such that no two candidates overlap and no span has more than n (the
integer program that Politov et al., 2025, solve greedily), with a documented order among equal totals.

The ways to the optimum, cheapest first: the best cell of each span if these do not collide; dynamic programming over
the target words of each independent part, of which (with n = 1) the cells are left that could still do better than the
greedy choice; the same within bounds from Lagrangian prices.

Measured on 3,761 sentence pairs of four public sets, each matched by links and by the ranker: the best cells collide in
62 of 7,522, and one of these needs prices, six with n = 2. All take less than 3 ms. Documents of 1,000 words without
sentences need prices in one of three, and up to 500,000 states (0.4 s). Branch and bound for collisions and an integer
program for the largest parts saved no time and solved no more.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Optional

import numpy as np

from ..ty import Cells, Solution, Solver
from .dynamic import Part, make_part, mend, prices, solve_dynamic
from .greedy import best_first, best_of_each, take

SCALE = 8.0 * 232792560  # about 2**31, and a multiple of 1..22
SMALL = 250  # states of the first try, which does without prices


def make_exact(max_states: int = 500_000) -> Solver:
    """Choose the cells with the highest total score.

    Scores are rounded to whole units of 1 / (8 * 232792560), about 5e-10, and summed as integers. Scores that round to
    the same are equal; cells that round to 0 are never chosen. As 232792560 is the least common multiple of 1 to 22,
    link scores (fractions with the length of two spans below) are exact as a rule, so sums that are equal on paper, as
    1/6 + 1/6 and 1/3, are equal here. Of the choices with the highest total the one with the lower cell indices wins:
    the one whose 0/1 vector over the cells is lexicographically greatest. So the result is the same on every machine.

    max_states (int): Most states of the dynamic program over one independent part of the problem. Beyond, greedy stands
        in for it and the note of the solution is "state_limit".
    RETURNS (Solver): The solver.
    """

    def solve_exact(cells: Cells, n: int = 1) -> Solution:
        cost = np.rint(cells.score * -SCALE)
        order = best_first(cost)
        if n == 1:
            # No choice has a higher total than the best cell of each span, so if these are disjoint they are optimal.
            # They are the first optimum, too: any other one holds, for some spans, another cell of equal score and
            # higher index instead, so the lowest index at which the two differ is in this one.
            chosen, apart = best_of_each(cells, order)
            if apart:
                return Solution(chosen)
            order = promising(cells, cost, order, chosen)
        elif n < 1:
            return Solution(np.zeros(0, "i8"))
        kept = np.sort(order)
        span, start, end, weight = (x[kept].tolist() for x in (*cells[:3], -cost.astype("i8")))
        taken: list[int] = []
        note = ""
        for group in components(undominated(kept.searchsorted(order).tolist(), span, start, end), span, start, end):
            if len(group) == 1:
                taken += group
                continue
            part = make_part(group, (span, start, end, weight), n)
            inside = solve_part(part, max_states)
            if inside is None:
                inside, note = mend(part), "state_limit"
            taken += [group[k] for k in inside]
        return Solution(kept[sorted(taken)], note)

    return solve_exact


def promising(cells: Cells, cost: np.ndarray, order: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Leave out the cells that can be in no optimum: with one in the place of the best cell of its span, the total of
    the best cells of all spans is below that of the greedy choice.

    cells (Cells), cost (float array (k,)): The cells, and their scores in whole units with the opposite sign.
    order (int array (m,)): Cell indices, best first.
    chosen (int array (s,)): The best cell of each span.
    RETURNS (int array (n,)): The others, in the same order.
    """
    span, start, end = cells.span[order], cells.start[order], cells.end[order]
    known = take(range(len(order)), span.tolist(), start.tolist(), end.tolist(), 1)
    slack = cost[order[known]].sum() - cost[chosen].sum()
    best = np.zeros(span.max() + 1)
    best[cells.span[chosen]] = cost[chosen]
    return order[cost[order] <= best[span] + slack]


def undominated(best: Sequence[int], span: list[int], start: list[int], end: list[int]) -> list[int]:
    """Leave out the cells that have a better cell of the same span inside their candidate.

    No optimum is lost, nor the first of several: the better cell can stand in for the other one in every choice.

    best (sequence of int): Cell indices, best first.
    RETURNS (list of int): Indices of the cells that remain, ascending.
    """
    kept = []
    stairs: dict[int, tuple[list[int], list[int]]] = {}  # per span the innermost better candidates, left to right
    for i in best:
        starts, ends = stairs.setdefault(span[i], ([], []))
        at = bisect_left(starts, start[i])
        if at < len(ends) and ends[at] <= end[i]:
            continue
        kept.append(i)
        stop = at + (at < len(starts) and starts[at] == start[i])
        begin = bisect_left(ends, end[i], 0, at)
        starts[begin:stop], ends[begin:stop] = [start[i]], [end[i]]
    return sorted(kept)


def components(cells: list[int], span: list[int], start: list[int], end: list[int]) -> list[list[int]]:
    """Split the problem into parts that share neither a span nor a word.

    RETURNS (list of list of int): The cells of each part, ascending.
    """
    parent: dict[int, int] = {}  # spans that belong together, as a forest

    def root(s: int) -> int:
        while parent.setdefault(s, s) != s:
            parent[s] = s = parent[parent[s]]
        return s

    reach, last = None, 0
    for i in sorted(cells, key=start.__getitem__):
        s = root(span[i])
        if reach is not None and start[i] < reach:
            parent[s] = root(last)
            reach = max(reach, end[i])
        else:
            reach = end[i]
        last = s
    groups: dict[int, list[int]] = {}
    for i in cells:
        groups.setdefault(root(span[i]), []).append(i)
    return list(groups.values())


def solve_part(part: Part, max_states: int) -> Optional[list[int]]:
    """Solve an independent part of the problem.

    RETURNS (Optional[list of int]): The places of the chosen cells in the part. None if the limit was reached.
    """
    known = mend(part)
    found = solve_dynamic(part, [0] * part.n_spans, known, min(SMALL, max_states))
    if found is not None:
        return found
    price, known, keep = prices(part, known)
    place = {k: at for at, k in enumerate(keep)}
    part = part.subset(keep)
    found = solve_dynamic(part, price, [place[k] for k in known], max_states)
    return None if found is None else [keep[k] for k in found]
