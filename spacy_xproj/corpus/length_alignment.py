"""Which texts of one side translate which of the other: a dynamic program over their lengths and what they share.

The costs are those of Gale and Church (1993), in nats, less the pointwise mutual information of what two texts share:
the roots of rare words, which names and numbers keep in translation, and word links where there are any.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Optional

import numpy as np
from anyascii import anyascii

# How many texts of each side are joined, and the cost of doing so (Gale and Church's priors, in nats).
Moves = Mapping[tuple[int, int], float]
SENTENCES: Moves = {(1, 1): 0.12, (1, 0): 5.3, (0, 1): 5.3, (2, 1): 3.1, (1, 2): 3.1, (2, 2): 4.5}
VARIANCE = 6.8  # of the target's length, per character of the source (Gale and Church)
USUAL = 300.0  # characters of equal length on both sides that are added: a few sentences say little of their ratio
WORST = 30.0  # a length that is this far from what is expected costs no more
ROOT = 5  # characters of a word that are compared
OFTEN = 16  # pairs of texts that share a root are not counted if there are more of them than this
MARGIN = 40  # texts that an alignment can stray from the diagonal, beyond the difference of the counts
MAX_CELLS = 200_000_000  # the margin shrinks where this is exceeded

Range = tuple[int, int]


class Evidence(NamedTuple):
    """What speaks for pairs of texts, beside their lengths, as columns: the two texts, and the evidence in nats."""

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray


def align_texts(
    source: Sequence[Sequence[str]],
    target: Sequence[Sequence[str]],
    moves: Moves = SENTENCES,
    links: Optional[Evidence] = None,
) -> list[tuple[Range, Range]]:
    """Align the texts of two sides in order. The cost is linear in their number.

    source, target (sequence of sequence of str): The words of each text.
    moves (Moves): How many texts can be joined on either side, and the cost of that in nats.
    links (Optional[Evidence]): Further evidence.
    RETURNS (list of ((int, int), (int, int))): Half-open ranges of source and target texts that belong together. One of
        the two can be empty.
    """
    evidence = shared_roots(source, target)
    if links is not None:
        evidence = Evidence(*(np.concatenate(columns) for columns in zip(evidence, links)))
    return _path(_lengths(source), _lengths(target), moves, evidence)


def _lengths(texts: Sequence[Sequence[str]]) -> np.ndarray:
    return np.array([sum(map(len, words)) for words in texts], "f8")


def shared_roots(source: Sequence[Sequence[str]], target: Sequence[Sequence[str]]) -> Evidence:
    """Find the roots of words that few texts share, romanized: they are mostly of names and numbers.

    source, target (sequence of sequence of str): The words of each text.
    RETURNS (Evidence): For each pair of texts and root that they share the pointwise mutual information.
    """
    places: tuple[dict[str, list[int]], dict[str, list[int]]] = (defaultdict(list), defaultdict(list))
    for side, found in zip((source, target), places):
        for number, words in enumerate(side):
            for root in sorted({anyascii(word).lower()[:ROOT] for word in words if word[:1].isalnum()}):
                found[root].append(number)
    total = max(len(source), len(target))
    rows = [
        (i, j, np.log(total / (len(at) * len(places[1][root]))))
        for root, at in places[0].items()
        if root in places[1] and len(at) * len(places[1][root]) <= min(OFTEN, total)
        for i in at
        for j in places[1][root]
    ]
    columns = np.array(rows, "f8").reshape(-1, 3)
    return Evidence(columns[:, 0].astype("i8"), columns[:, 1].astype("i8"), columns[:, 2])


class _Band:
    """The cells (i, j) of one diagonal i + j that are near the line from (0, 0) to (m, n)."""

    def __init__(self, diagonal: int, m: int, n: int, margin: int):
        middle = diagonal * m // max(1, m + n)
        low, high = max(0, diagonal - n, middle - margin), min(m, diagonal, middle + margin)
        self.low, self.i = low, np.arange(low, high + 1)
        self.j = diagonal - self.i
        self.cost = np.full(len(self.i), np.inf)
        self.move = np.zeros(len(self.i), "i1")
        self.evidence = np.zeros(len(self.i))  # for the pair of the texts before i and before j

    def at(self, i: np.ndarray, values: np.ndarray, outside: float) -> np.ndarray:
        """Values of this diagonal at some rows."""
        place = i - self.low
        ok = (place >= 0) & (place < len(values))
        return np.where(ok, values[np.where(ok, place, 0)], outside)


def _path(source: np.ndarray, target: np.ndarray, moves: Moves, evidence: Evidence) -> list[tuple[Range, Range]]:
    m, n = len(source), len(target)
    sums = [np.concatenate([[0.0], np.cumsum(side)]) for side in (source, target)]
    ratio = (sums[1][-1] + USUAL) / (sums[0][-1] + USUAL)
    margin = min(abs(m - n) + MARGIN, max(MARGIN, MAX_CELLS // max(1, m + n)))
    order = np.argsort(evidence.source + evidence.target, kind="stable")
    rows, columns, weight = (column[order] for column in evidence)
    starts = np.searchsorted(rows + columns, np.arange(-2, m + n))
    steps, lows = list(moves), []
    bands: list[_Band] = []
    chosen: list[np.ndarray] = []
    for diagonal in range(m + n + 1):
        band = _Band(diagonal, m, n, margin)
        here = slice(starts[diagonal], starts[diagonal + 1])  # evidence for (i - 1, j - 1)
        inside = (rows[here] + 1 >= band.low) & (rows[here] + 1 < band.low + len(band.i))
        np.add.at(band.evidence, rows[here][inside] + 1 - band.low, weight[here][inside])
        if diagonal == 0:
            band.cost[:] = 0
        bands.append(band)
        for number, (di, dj) in enumerate(steps):
            if di + dj > diagonal or not len(band.i):
                continue
            i, j = band.i - di, band.j - dj
            a = sums[0][band.i] - sums[0][np.maximum(i, 0)]
            b = sums[1][band.j] - sums[1][np.maximum(j, 0)]
            cost = bands[-1 - di - dj].at(i, bands[-1 - di - dj].cost, np.inf) + moves[di, dj]
            if di and dj:
                cost += np.minimum(WORST, (b - a * ratio) ** 2 / (VARIANCE * (a * ratio + b + 1)))
                for x in range(di):
                    for y in range(dj):
                        other = bands[-1 - x - y]
                        cost -= other.at(band.i - x, other.evidence, 0)
            better = (i >= 0) & (j >= 0) & (cost < band.cost)
            band.cost[better], band.move[better] = cost[better], number
        chosen.append(band.move)
        lows.append(band.low)
        del bands[: -1 - 4]
    found: list[tuple[Range, Range]] = []
    while m or n:
        di, dj = steps[chosen[m + n][m - lows[m + n]]]
        found.append(((m - di, m), (n - dj, n)))
        m, n = m - di, n - dj
    return found[::-1]
