"""`spacy_xproj.Links.v1`: how much of a source span and of a candidate the word links account for."""

import warnings
from typing import Optional

import numpy as np

from ..bitext import SentencePair
from ..errors import check_at_least, check_one_of, check_share
from ..part import Part
from ..ty import Cells
from .surface import range_max

NAME = "spacy_xproj.Links.v1"
COUNTS = ("pairs", "words")


class LinkSimilarity(Part):
    """`spacy_xproj.Links.v1`: score cells by their word links, relative to the lengths of both spans.

    count (str): "words": (source words linked into t + target words linked into s) / (|s| + |t|), at most 1. "pairs":
        2 · linked pairs / (|s| + |t|), which many-to-many links can take above 1 (Politov et al. 2025).
    gap (float): What a target word without a link counts in |t| if it lies between two words that are linked to s. 1:
        as any other word (Politov et al. 2025). 0: nothing, so that a name closes over its unlinked function words.
    max_length (int): Longest candidate in words that is proposed; 0 is no limit.
    view (str): A further view of the links, such as "forward" or "reverse" of `Statistical.v1` and `Embedding.v1`, or
        the name of an aligner of `Ensemble.v1` (see `Links.evidence`). A link counts what it says, and a word as much
        as its best link does. Links without that view count nothing. "": every link counts 1.
    RAISES (XprojError): If a setting is unknown or negative.
    """

    def __init__(self, count: str = "words", gap: float = 0.0, max_length: int = 0, view: str = ""):
        check_one_of(NAME, COUNTS, count=count)
        check_at_least(NAME, 0, max_length=max_length)
        check_share(NAME, gap=gap)
        self.count, self.gap, self.max_length, self.view = count, gap, max_length, view
        self._warned = False

    def __call__(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> Cells:
        """Score the cells of one sentence pair, in order of source span, start, end.

        Without candidates these are the spans that begin and end in a word linked to the source span. Any other
        span scores less than the one inside it that does, so nothing is lost.

        pair (SentencePair): The sentence pair.
        candidates (Optional[int array (k, 2)]): Score these spans only.
        RETURNS (Cells): Those with a score above 0.
        """
        n_spans, n_target = len(pair.spans), len(pair.target)
        start, end = np.array([s[:2] for s in pair.spans], "i8").reshape(-1, 2).T
        i, j, value = self.links(pair)
        inside = (i >= start[:, None]) & (i < end[:, None])
        k, link = inside.nonzero()
        words = np.zeros((n_spans, n_target))
        (np.add if self.count == "pairs" else np.maximum).at(words, (k, j[link]), value[link])
        if candidates is None:
            span, word = words.nonzero()
            together = (span[:, None] == span) & (word[:, None] <= word)
            if self.max_length:
                together &= word - word[:, None] < self.max_length
            first, last = together.nonzero()
            span, a, b = span[first], word[first], word[last] + 1
        else:
            a, b = np.unique(np.asarray(candidates, "i8").reshape(-1, 2), axis=0).T
            span = np.repeat(np.arange(n_spans), len(a))
            a, b = np.tile(a, n_spans), np.tile(b, n_spans)
        length = (end - start)[span] + b - a
        if self.gap < 1:
            length = length - (1 - self.gap) * gap_words(words, j, span, a, b)
        if self.count == "pairs":
            score = 2 * within(words, span, a, b) / length
        else:
            grid = np.zeros((len(pair.source), n_target))
            grid[i, j] = value
            score = (within(words, span, a, b) + source_words(grid, start[span], end[span], a, b)) / length
        if candidates is None:
            return Cells(span, a, b, score)
        keep = score > 0
        return Cells(span[keep], a[keep], b[keep], score[keep])

    def links(self, pair: SentencePair) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The links (source word, target word), and what each counts. What counts nothing is no link."""
        i, j = pair.links[:, 0], pair.links[:, 1]
        if not self.view:
            return i, j, np.ones(len(i))
        if self.view in pair.evidence:
            value = pair.evidence[self.view].astype("f8")
            keep = value > 0
            return i[keep], j[keep], value[keep]
        if len(i) and not self._warned:
            self._warned = True
            warnings.warn(
                f"spacy_xproj.Links.v1: links without the view {self.view!r} count nothing. These have "
                f"{', '.join(map(repr, pair.evidence)) or 'no views'}.",
                stacklevel=3,
            )
        return i[:0], j[:0], np.zeros(0)


def source_words(grid: np.ndarray, start: np.ndarray, end: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """For each cell the words of its source span [start, end), each by its best link into the candidate [a, b).

    grid (float array (m, n)): What the links count.
    """
    total = np.zeros(len(a))
    for w in range(int((end - start).max(initial=0))):  # over the words of a span, never over candidates
        ok = start + w < end
        total[ok] += range_max(grid, (start + w)[ok], a[ok], b[ok])
    return total


def gap_words(counts: np.ndarray, linked: np.ndarray, row: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """For each cell the number of words without any link between the first and the last word of [a, b) that is linked
    to its source span."""
    n_target = counts.shape[1]
    free = np.ones(n_target, "i8")
    free[linked] = 0
    sums = np.concatenate([[0], np.cumsum(free)])
    place = np.arange(n_target)
    last = np.maximum.accumulate(np.where(counts > 0, place, -1), axis=1)[row, b - 1]
    first = np.minimum.accumulate(np.where(counts > 0, place, n_target)[:, ::-1], axis=1)[:, ::-1][row, a]
    return np.where(first < last, sums[last] - sums[np.minimum(first, last)], 0)


def within(counts: np.ndarray, row: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sums of counts[row, a:b], from prefix sums."""
    sums = np.zeros((counts.shape[0], counts.shape[1] + 1))
    np.cumsum(counts, axis=1, out=sums[:, 1:])
    return sums[row, b] - sums[row, a]
