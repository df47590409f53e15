"""What is known of one sentence pair before its candidates are looked at, as arrays over source spans and words."""

from typing import NamedTuple, Optional

import numpy as np

from ..bitext import SentencePair
from .corpus_stats import LENGTHS, USUAL, CorpusStats, pair_key
from .forms import WordForms, affixed, similar

SAME, LIKE, ELSEWHERE, PART = 0.85, 0.7, 0.92, 0.9  # similarities of form; see the features that are named so


class Candidates(NamedTuple):
    """The cells of a sentence pair, in order of source span, start, end, and what `PairSignals` knows of them.

    span, start, end (int arrays (n,)): The cells.
    """

    span: np.ndarray
    start: np.ndarray
    end: np.ndarray


class PairSignals:
    """What is known of one sentence pair: arrays over source spans k and target words j.

    pair (SentencePair): The sentence pair, with at least one span and one target word.
    stats (Optional[CorpusStats]): Of the corpus; None: its features are 0.
    """

    def __init__(self, pair: SentencePair, stats: Optional[CorpusStats] = None):
        self.pair, self.stats = pair, stats
        self.source, self.target = WordForms(pair.source), WordForms(pair.target)
        self.own = stats is not None and pair_key(pair) in stats.seen
        self.bounds = np.array([s[:2] for s in pair.spans], "i8").reshape(-1, 2)
        m, n, spans = len(pair.source), len(pair.target), len(pair.spans)
        grid = np.zeros((m, n))
        np.maximum.at(grid, (pair.links[:, 0], pair.links[:, 1]), np.maximum(pair.scores, 1e-6))
        self.grid = grid
        highest = [grid == grid.max(axis, initial=0, keepdims=True) for axis in (0, 1)]
        self.certain = (grid > 0) & highest[0] & highest[1]
        self.certain &= (highest[0].sum(0) == 1) & (highest[1].sum(1) == 1)[:, None]
        self.forms = similar(self.source, self.target)
        place = np.arange(m)
        self.inside = (place >= self.bounds[:, :1]) & (place < self.bounds[:, 1:])  # (spans, m)
        self.parts = affixed(self.source, self.target, np.asarray(self.inside.any(0)))
        self.other = self.inside.any(0) & ~self.inside
        free = ~self.inside.any(0)
        hit = grid > 0
        self.best = np.stack([grid[a:b].max(0) for a, b in self.bounds]) if spans else np.zeros((0, n))
        self.linked = self.best > 0
        self.sure = self.inside @ self.certain > 0
        self.to_other = self.other @ hit > 0
        self.to_free = np.tile(hit[free].any(0), (spans, 1))
        self.to_free_sure = np.tile(self.certain[free].any(0), (spans, 1))
        self.mine = np.stack([self.forms[a:b].max(0) for a, b in self.bounds])
        self.part = np.stack([self.parts[a:b].max(0) for a, b in self.bounds]) >= PART
        self.rest = np.stack([np.max(self.forms, 0, where=~row[:, None], initial=0) for row in self.inside])
        edges = self.source.upper[self.bounds[:, 0]], self.source.upper[self.bounds[:, 1] - 1]
        self.first_upper, self.last_upper = edges
        self.named = edges[0] | edges[1]
        if stats is not None:
            self.target_ids = stats.target.ids(self.target.forms)
            share = stats.lexical(pair, stats.source.ids(self.source.forms), self.target_ids, self.own)
            share_in = np.stack([share[a:b].max(0) for a, b in self.bounds])
            share_out = np.stack([np.max(share, 0, where=~row[:, None], initial=0) for row in self.inside])
            self.share_in = share_in
            self.lexical = np.log((share_in + 0.01) / (share_out + 0.01))
            self.rarity = stats.rarity(self.target_ids)
            self.stretch, self.more_chars = stats.stretch, stats.chars
            self.quality = max(stats.quality - USUAL, -0.3) * 5
        else:
            self.share_in = self.lexical = np.zeros((spans, n))
            self.rarity = np.zeros(n)
            self.stretch, self.more_chars = np.zeros(LENGTHS), 0.0
            self.quality = 0.0

    def candidates(self, max_length: int) -> Candidates:
        """The target spans up to a length, or longer between linked words, that hold a word with evidence and do not
        begin or end in punctuation (but for a full stop)."""
        n = len(self.pair.target)
        sizes = np.arange(1, min(max_length, n) + 1)
        a = np.repeat(np.arange(n), len(sizes))
        b = a + np.tile(sizes, n)
        stop = self.target.punct & np.array([w != "." for w in self.pair.target], bool)
        ok = (b <= n) & ~self.target.punct[a]
        a, b = a[ok], b[ok]
        ok = ~stop[b - 1]
        a, b = a[ok], b[ok]
        span, a, b = self.holding(a, b)
        if n > max_length:
            k, i, j = np.nonzero(self.linked[:, :, None] & self.linked[:, None, :])
            long = j - i >= max_length
            if long.any():
                span, a, b = (np.concatenate(x) for x in ((span, k[long]), (a, i[long]), (b, j[long] + 1)))
                order = np.lexsort((b, a, span))
                span, a, b = span[order], a[order], b[order]
        return Candidates(span, a, b)

    def given(self, spans: np.ndarray) -> Candidates:
        """All cells of the given target spans that hold a word with evidence."""
        return self.holding(*np.unique(np.asarray(spans, "i8").reshape(-1, 2), axis=0).T)

    def holding(self, a: np.ndarray, b: np.ndarray) -> Candidates:
        """The cells of the target spans [a, b) that hold a word with evidence for the source span."""
        hold = np.zeros((len(self.bounds), len(self.pair.target) + 1), "i8")
        np.cumsum(self.linked | (self.mine > SAME) | self.part, axis=1, out=hold[:, 1:])
        span, cell = np.nonzero(hold[:, b] > hold[:, a])
        return Candidates(span, a[cell], b[cell])

    def coverage(self, cells: Candidates) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """For each cell, of its source words: the share linked into it; the share linked into it or like a word of it;
        the same by characters; how many of the first and the last are not linked into it."""
        k, a, b = cells
        m, n = self.grid.shape
        sums = np.zeros((2, m, n + 1), "i4")
        np.cumsum(self.grid > 0, axis=1, out=sums[0, :, 1:])
        np.cumsum((self.grid > 0) | (self.forms > SAME) | (self.parts >= PART), axis=1, out=sums[1, :, 1:])
        start, end = self.bounds[k].T
        linked, known, chars, total = (np.zeros(len(k)) for _ in range(4))
        edges = np.zeros(len(k))
        weight = self.source.chars + 1
        for step in range(int((end - start).max(initial=0))):  # over the words of a span, never over candidates
            word = np.minimum(start + step, end - 1)
            there = start + step < end
            is_linked = there & (sums[0, word, b] > sums[0, word, a])
            is_known = there & (sums[1, word, b] > sums[1, word, a])
            linked += is_linked
            known += is_known
            chars += is_known * weight[word]
            total += there * weight[word]
            edges += ((word == start) * 1 + (word == end - 1)) * (there & ~is_linked)
        size = end - start
        return linked / size, known / size, chars / np.maximum(total, 1), edges

    def key(self, span: int) -> str:
        """The form of a source span in the lexicon."""
        a, b = self.bounds[span]
        return " ".join(self.source.forms[a:b])
