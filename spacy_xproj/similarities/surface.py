"""`spacy_xproj.Surface.v1`: how alike the words of a source span and of a candidate are in form."""

import re
from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np
from rapidfuzz.distance import JaroWinkler
from rapidfuzz.fuzz import partial_ratio
from rapidfuzz.process import cdist

from ..bitext import SentencePair
from ..errors import check_at_least, check_share
from ..part import Part
from ..ty import Cells
from .forms import AFFIX, WordForms, similar

NAME = "spacy_xproj.Surface.v1"
ALIKE = 0.8  # words whose forms are less alike say nothing: unrelated ones reach .6 with ease
PART = 0.84  # the same for a form and the beginning, end or inside of another
LONGER = 0.6  # a word that is more than so much shorter than another is at best a part of it
PIECES = re.compile(r"[^\W_]+")


class WordPairs(NamedTuple):
    """What is alike between m source words and n target words.

    source, target (float arrays (m, n)): How far the one accounts for all of the source word, of the target word.
    shared (float array (m, n)): Characters of a part of the one that is like the other, or like a part of it.
    """

    source: np.ndarray
    target: np.ndarray
    shared: np.ndarray


class SurfaceSimilarity(Part):
    """`spacy_xproj.Surface.v1`: score cells by the form of their words: romanized, in any order, inflected or
    compounded.

    A source word is accounted for by the candidate's word that is most like it (Jaro-Winkler, Winkler 1990), or by the
    parts of it that are words of the candidate, whichever is more; and a target word in the same way by the source
    span. The score is the share of all characters of both that are accounted for.

    agglutinative (bool): A source form may stand anywhere in a target word ("kweDurbanini"), and the rest of that word
        is taken for affixes (the flag of that name in García-Ferrero et al. 2023, but every word is checked).
    threshold (float): Cells that score less are left out.
    max_length (int): Longest candidate in words that is proposed; 0 is no limit.
    RAISES (XprojError): If a setting is out of its range.
    """

    def __init__(self, agglutinative: bool = False, threshold: float = 0.5, max_length: int = 0):
        check_share(NAME, threshold=threshold)
        check_at_least(NAME, 0, max_length=max_length)
        self.agglutinative, self.threshold, self.max_length = agglutinative, threshold, max_length

    def __call__(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> Cells:
        """Score the cells of one sentence pair, in order of source span, start, end.

        Without candidates these are the spans that begin and end in a word that is like one of the source span.

        pair (SentencePair): The sentence pair.
        candidates (Optional[int array (k, 2)]): Score these spans only.
        RETURNS (Cells): Scores in [0, 1], from the threshold on.
        """
        n = len(pair.target)
        if not pair.spans or not n:
            none = np.zeros(0, "i8")
            return Cells(none, none, none, np.zeros(0))
        bounds = np.array([s[:2] for s in pair.spans], "i8")
        rows = np.unique(np.concatenate([np.arange(a, b) for a, b in bounds]))
        source, target = WordForms([pair.source[i] for i in rows]), WordForms(pair.target)
        bounds = np.searchsorted(rows, bounds)  # from here on only words in spans are counted
        words = word_pairs(source, target, self.agglutinative)

        whole = np.stack([words.target[i:j].max(0) for i, j in bounds])
        parts = np.stack([words.shared[i:j].sum(0) for i, j in bounds])
        parts = np.minimum(parts / np.maximum(target.chars, 1), 1)
        covered = np.maximum(whole, parts)
        if candidates is None:
            span, a, b = self.propose(covered > 0)
        else:
            a, b = np.unique(np.asarray(candidates, "i8").reshape(-1, 2), axis=0).T
            span = np.repeat(np.arange(len(bounds)), len(a))
            a, b = np.tile(a, len(bounds)), np.tile(b, len(bounds))
        if not len(span):
            return Cells(span, a, b, np.zeros(0))
        found, hits = self.source_chars(words, source, bounds, span, a, b)
        # a word that the candidate holds twice accounts for one
        alike = range_sum((whole > 0) & (whole >= parts), span, a, b)
        explained = range_sum(covered * target.chars, span, a, b) * np.minimum(hits / np.maximum(alike, 1), 1)
        total = range_sum(source.chars[None], np.zeros_like(span), *bounds[span].T)
        total = total + range_sum(target.chars[None], np.zeros_like(span), a, b)
        score = (found + explained) / np.maximum(total, 1)
        keep = (score >= self.threshold) & (score > 0)
        return Cells(span[keep], a[keep], b[keep], np.minimum(score[keep], 1.0))

    def propose(self, evidence: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The cells (span, start, end) that begin and end in a word with evidence (bool array (spans, n))."""
        span, word = evidence.nonzero()
        together = (span[:, None] == span) & (word[:, None] <= word)
        if self.max_length:
            together &= word - word[:, None] < self.max_length
        first, last = together.nonzero()
        return span[first], word[first], word[last] + 1

    @staticmethod
    def source_chars(words: WordPairs, source: WordForms, bounds, span, a, b) -> tuple[np.ndarray, np.ndarray]:
        """For each cell the source characters that its candidate accounts for, and the source words."""
        start, end = bounds[span].T
        chars, hits = np.zeros(len(span)), np.zeros(len(span))
        for step in range(int((end - start).max(initial=0))):  # over the words of a span, never over candidates
            ok = start + step < end
            word = start[ok] + step
            parts = range_sum(words.shared, word, a[ok], b[ok]) / np.maximum(source.chars[word], 1)
            share = np.maximum(range_max(words.source, word, a[ok], b[ok]), np.minimum(parts, 1))
            chars[ok] += share * source.chars[word]
            hits[ok] += share > 0
        return chars, hits


def word_pairs(source: WordForms, target: WordForms, agglutinative: bool) -> WordPairs:
    """Compare all source words with all target words.

    agglutinative (bool): A source form may stand anywhere in a target word.
    RETURNS (WordPairs): 0 where nothing is alike.
    """
    whole = similar(source, target)
    longer = np.maximum(source.chars[:, None], target.chars)
    whole[(whole < ALIKE) | (np.minimum(source.chars[:, None], target.chars) < LONGER * longer)] = 0
    by_source, by_target, shared = whole, whole.copy(), np.zeros_like(whole)
    inside = cdist(source.keys, target.keys, scorer=partial_ratio, dtype=np.float32, score_cutoff=65) / 100
    for i, j in zip(*np.nonzero((inside > 0) & (whole < 1))):
        one, other = source.keys[i], target.keys[j]
        if not one or not other:
            continue
        shared[i, j] = max(part_of(one, other), part_of(other, one))
        if agglutinative and AFFIX <= len(one) <= len(other) and inside[i, j] >= PART:
            by_source[i, j] = max(by_source[i, j], inside[i, j])
            by_target[i, j] = max(by_target[i, j], inside[i, j] * (1 + len(one) / len(other)) / 2)
    return WordPairs(by_source, by_target, shared)


def part_of(short: str, long: str) -> float:
    """How many characters of a form are a piece of another, or the beginning or end of one ("Regionalpolitik" in
    "EU-Regionalpolitik", "Regional" in "Regionalpolitik"); 0 if it is not a part of it."""
    if len(short) >= len(long):
        return 0.0
    pieces: Sequence[str] = PIECES.findall(long)
    if short in pieces:
        return float(len(short))
    n = len(short)
    if n < AFFIX:
        return 0.0
    edges = {edge for p in pieces if len(p) > n for edge in (p[:n], p[: n + 1], p[-n:], p[-n - 1 :])}
    best = max((JaroWinkler.similarity(short, edge) for edge in edges), default=0.0)
    return n * best if best >= PART else 0.0


def range_sum(values: np.ndarray, row: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sums of values[row, a:b], from prefix sums."""
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums[row, b] - sums[row, a]


def range_max(values: np.ndarray, row: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Maxima of values[row, a:b], from the maxima of all ranges whose length is a power of two."""
    level = np.frexp(b - a)[1] - 1
    levels = [values]
    for k in range(int(level.max(initial=0))):
        wider = levels[-1].copy()
        wider[:, : -(1 << k)] = np.maximum(wider[:, : -(1 << k)], wider[:, 1 << k :])
        levels.append(wider)
    table = np.stack(levels)
    return np.maximum(table[level, row, a], table[level, row, b - (1 << level)])
