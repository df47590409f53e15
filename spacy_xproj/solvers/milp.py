"""Integer programming with HiGHS, for the parts that are too large for dynamic programming."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

import numpy as np

from .dynamic import Part

CHUNK = 16  # 2**16 times the tolerance of HiGHS for integers, 1e-6, is far below 1
UNIT = 1e-3  # what HiGHS sees of a unit: far above its tolerances of 1e-6, and totals stay far below 2**53


def solve_milp(part: Part, max_nodes: int) -> Optional[list[int]]:
    """Find the first optimum by integer programming.

    There is a 0/1 variable a cell, one constraint a span, and one a place where a cell starts: intervals that
    share a word also share the first word of one of them. After the optimal total, the cells are decided in
    chunks, in their order: each chunk is maximized as a binary number, with the total as a constraint. All
    totals are checked as integers.

    part (Part): The problem.
    max_nodes (int): Most branch-and-bound nodes, of all programs together. Beyond 1000 cells the time of a
        node grows, and it counts (cells / 1000)² times.
    RETURNS (Optional[list of int]): The chosen cells. None if the limit was reached or the solver failed.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    size = len(part.span)
    span, start, end = (np.array(column) for column in part[:3])
    weight = np.array(part.weight, "f8") * UNIT
    places = sorted(set(part.start))
    most = {tuple(np.flatnonzero(span == s).tolist()): part.n for s in range(part.n_spans)}
    most.update({tuple(np.flatnonzero((start <= p) & (p < end)).tolist()): 1 for p in places})
    most = {row: limit for row, limit in most.items() if len(row) > limit}
    columns = np.array([k for row in most for k in row], "i8")
    breaks = np.cumsum([0, *map(len, most)])
    matrix = csr_array((np.ones(len(columns)), columns, breaks), shape=(len(most), size))
    rules = [LinearConstraint(matrix, -np.inf, np.array([*most.values()], "f8"))] if most else []

    cost = max(1.0, size / 1000) ** 2
    left = float(max_nodes)
    low, high = np.zeros(size), np.ones(size)

    def solve(gain: np.ndarray, *more: LinearConstraint) -> Optional[np.ndarray]:
        nonlocal left
        if left < cost:
            return None
        with nothing_printed():
            result = milp(
                -gain,
                integrality=np.ones(size),
                bounds=Bounds(low, high),
                constraints=[*rules, *more],
                options={"mip_rel_gap": 0, "node_limit": int(left / cost)},
            )
        left -= cost * max(1, result.mip_node_count or 0)
        return np.rint(result.x).astype(bool) if result.status == 0 else None

    def total(x: np.ndarray) -> int:
        return sum(part.weight[k] for k in np.flatnonzero(x))

    x = solve(weight)
    if x is None:
        return None
    best = total(x)
    at_best = LinearConstraint(weight[None], (best - 0.5) * UNIT, np.inf)
    for begin in range(0, size, CHUNK):
        chunk = np.arange(begin, min(begin + CHUNK, size))
        free = chunk[high[chunk] > 0]
        if not x[free].all():
            gain = np.zeros(size)
            gain[free] = 2.0 ** np.arange(len(free) - 1, -1, -1)
            x = solve(gain, at_best)
            if x is None or total(x) != best:
                return None
        low[free] = high[free] = x[free]
        for k in free[x[free]]:  # what cannot stand beside it is decided, too
            high[(start < end[k]) & (start[k] < end) & (np.arange(size) != k)] = 0
            if low[span == span[k]].sum() >= part.n:
                high[(span == span[k]) & (low == 0)] = 0
    return np.flatnonzero(x).tolist()


@contextmanager
def nothing_printed() -> Iterator[None]:
    """Keep the C library from writing to stdout.

    Where HiGHS repairs a solution it prints a line with `printf` ("transformNewIntegerFeasibleSolution"), which none of
    its options turns off.
    """
    libc = ctypes.CDLL(None if os.name == "posix" else "msvcrt")
    libc.fflush(None)  # what others have written
    try:
        stdout = os.dup(1)
    except OSError:  # it is closed
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
        libc.fflush(None)
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
