"""Windows over a text that is too long for a model."""

import numpy as np


def windows(n: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Windows of equal size that cover n positions. The last one is moved back to end with the text.

    n (int): How many positions.
    size (int): Positions a window.
    overlap (int): Least number of positions that two neighboring windows share; at most half a window.
    RETURNS (list of (int, int)): Half-open ranges; a single one if all fits.
    """
    if n <= size:
        return [(0, n)]
    step = size - min(overlap, size // 2)
    return [(start, start + size) for start in (*range(0, n - size, step), n - size)]


def most_context(n: int, ranges: list[tuple[int, int]]) -> np.ndarray:
    """For each position the window where it is farthest from an edge; the first of equal ones. An edge of the text
    itself is no edge: nothing is cut off there.

    n (int): How many positions.
    ranges (list of (int, int)): Windows that cover them.
    RETURNS (int array (n,)): Indices of windows.
    """
    best, chosen = np.full(n, -1), np.zeros(n, "i8")
    for k, (start, end) in enumerate(ranges):
        inside = np.arange(start, end)
        before = inside - start if start else n
        after = end - 1 - inside if end < n else n
        context = np.broadcast_to(np.minimum(before, after), inside.shape)
        better = context > best[start:end]
        best[start:end][better] = context[better]
        chosen[start:end][better] = k
    return chosen
