"""What is known of a batch of sentence pairs before their candidates are looked at, as arrays.

Shapes: B sentence pairs of at most M source and N target words, K source spans with W words in all. Arrays over the
words of a sentence are padded at the end. No value of one sentence pair depends on which others are in its batch.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import NamedTuple, Optional

import numpy as np
from rapidfuzz.distance import JaroWinkler
from rapidfuzz.fuzz import partial_ratio
from rapidfuzz.process import cdist

from ...bitext import SentencePair
from ..forms import AFFIX, SAME, SHORT
from .corpus import LENGTHS, CorpusStats, LinkCounts, pair_key
from .words import Vocabulary

LIKE, ELSEWHERE, PART = 0.7, 0.92, 0.9  # similarities of form; see the features that are named so
AREA = 240_000  # most entries of an array (B, M, N): few calls, and what a batch needs stays near the processor


class Candidates(NamedTuple):
    """The cells of a batch, in order of source span, start, end.

    span (int array (n,)): The source span, counted over the batch.
    start, end (int arrays (n,)): The candidate, counted from the first word of its sentence.
    """

    span: np.ndarray
    start: np.ndarray
    end: np.ndarray


def batches(pairs: Sequence[SentencePair]) -> Iterator[list[int]]:
    """Put sentence pairs of about the same length together.

    YIELDS (list of int): The places of those of one batch.
    """
    batch: list[int] = []
    rows = columns = 0
    for k in sorted(range(len(pairs)), key=lambda k: (len(pairs[k].target), len(pairs[k].source))):
        m, n = len(pairs[k].source), len(pairs[k].target)
        if batch and (len(batch) + 1) * max(rows, m) * max(columns, n) > AREA:
            yield batch
            batch, rows, columns = [], 0, 0
        batch.append(k)
        rows, columns = max(rows, m), max(columns, n)
    if batch:
        yield batch


class Batch:
    """What is known of a batch.

    pairs (sequence of SentencePair): The sentence pairs, each with at least one span and one target word.
    stats (Optional[CorpusStats]): Of the corpus; None: what comes from it is 0.
    words (Optional[Vocabulary]): The words of batches before, to which new ones are added.

    first (int array (B + 1,)): Where the spans of each sentence pair begin, counted over the batch.
    pair (int array (K,)): The sentence pair of each source span.
    bounds (int array (K, 2)): Its first word and the one after its last.
    """

    def __init__(
        self,
        pairs: Sequence[SentencePair],
        stats: Optional[CorpusStats] = None,
        words: Optional[Vocabulary] = None,
    ):
        self.pairs, self.stats, self.words = pairs, stats, Vocabulary() if words is None else words
        spans = [span for pair in pairs for span in pair.spans]
        self.first = np.cumsum([0, *(len(pair.spans) for pair in pairs)])
        self.pair = np.repeat(np.arange(len(pairs)), np.diff(self.first))
        self.bounds = np.array([span[:2] for span in spans], "i8").reshape(-1, 2)
        self.labels = np.array([span.label for span in spans])
        self.length = self.bounds[:, 1] - self.bounds[:, 0]
        self.begin = np.cumsum(self.length) - self.length  # of each span's words among those of all spans
        self.span_of_word = np.repeat(np.arange(len(spans)), self.length)
        self.word = np.arange(len(self.span_of_word)) - np.repeat(self.begin - self.bounds[:, 0], self.length)
        self.pair_of_word = self.pair[self.span_of_word]
        self.set_words()
        self.set_links()
        self.set_forms()
        self.set_counts()

    def of_spans(self, values: np.ndarray, how: np.ufunc = np.maximum) -> np.ndarray:
        """Reduce values of the words of the source spans to values of the spans: array (W, …) to array (K, …)."""
        return how.reduceat(values, self.begin, axis=0)

    def set_words(self) -> None:
        """Number the words.

        source, target (int arrays (B, M), (B, N)): Which word stands where.
        inside (int array (W,)): The words of the source spans.
        m, n (int arrays (B,)): How many there are.
        """
        self.m = np.array([len(pair.source) for pair in self.pairs])
        self.n = np.array([len(pair.target) for pair in self.pairs])
        source = self.words.numbers(chain.from_iterable([pair.source for pair in self.pairs]))
        target = self.words.numbers(chain.from_iterable([pair.target for pair in self.pairs]))
        self.source, self.target = pad(source, self.m), pad(target, self.n)
        self.punct, self.capital, self.upper, self.chars = (
            values[self.target] for values in (self.words.punct, self.words.capital, self.words.upper, self.words.chars)
        )
        self.inside = self.source[self.pair_of_word, self.word]
        self.first_upper = self.words.upper[self.inside[self.begin]]
        self.last_upper = self.words.upper[self.inside[self.begin + self.length - 1]]
        self.named = self.first_upper | self.last_upper
        self.source_chars = self.of_spans(self.words.chars[self.inside] + 1, np.add)

    def set_links(self) -> None:
        """Look at the word links.

        hit (bool array (B, M, N)), links (int array (links,)): Which words are linked, and their places in that array.
        best (float array (K, N)): The highest score of a link from the span.
        linked, sure (bool arrays (K, N)): Linked to the span; by a link that no other of either word equals.
        to_other, to_free, to_free_sure (bool arrays (K, N)): Linked to a word of another span, to one outside all
            spans, to such a one by a sure link.
        used (bool array (B, M)): Source words with a link.
        """
        shape = len(self.pairs), self.source.shape[1], self.target.shape[1]
        grid = np.zeros(shape)
        links = np.concatenate([pair.links for pair in self.pairs]).astype("i8")
        pair = np.repeat(np.arange(shape[0]), [len(pair.links) for pair in self.pairs])
        at = (pair * shape[1] + links[:, 0]) * shape[2] + links[:, 1]
        np.maximum.at(grid.reshape(-1), at, np.maximum(np.concatenate([pair.scores for pair in self.pairs]), 1e-6))
        at = self.links = np.flatnonzero(grid)
        score, row, column = (
            grid.reshape(-1)[at],
            at // shape[2],
            at // (shape[1] * shape[2]) * shape[2] + at % shape[2],
        )
        sure = best_of(row, score, shape[0] * shape[1]) & best_of(column, score, shape[0] * shape[2])
        self.hit = grid > 0
        certain = np.zeros(shape, bool)
        certain.reshape(-1)[at] = sure
        mine = grid[self.pair_of_word, self.word]
        self.mine_linked = mine > 0
        self.best = self.of_spans(mine)
        self.linked = self.best > 0
        self.sure = self.of_spans(certain[self.pair_of_word, self.word], np.logical_or)
        inside = np.zeros(shape[:2], bool)
        inside[self.pair_of_word, self.word] = True
        within = inside.reshape(-1)[row]

        def to(which: np.ndarray) -> np.ndarray:
            return np.bincount(column[which], minlength=shape[0] * shape[2]).reshape(shape[0], shape[2])[self.pair]

        self.to_other = to(within) > self.of_spans(self.mine_linked.astype("i4"), np.add)
        self.to_free, self.to_free_sure = to(~within) > 0, to(~within & sure) > 0
        self.used = np.bincount(row, minlength=shape[0] * shape[1]).reshape(shape[:2]) > 0

    def set_forms(self) -> None:
        """Compare the forms of source and target words: see `similar`.

        forms (float array (W, N)): How like each target word is to a word of a span.
        mine (float array (K, N)): How like it is to any word of the span.
        elsewhere (bool array (K, N)): It is like a source word outside the span.
        alike (bool array (W, N)): Like a word of a span, or one of the two a part of the other.
        part (bool array (K, N)): It is a part of a word of the span, or the reverse.
        """
        keys, affix, chars = self.words.keys, self.words.affixes, self.words.chars
        like = np.zeros(self.hit.shape)
        inside = np.zeros((len(self.word), self.target.shape[1]))
        ends = np.append(self.begin, len(self.word))[self.first].tolist()
        keyed = self.words.keyed
        for k, (i, j) in enumerate(pairwise(ends)):
            rows, columns = np.flatnonzero(keyed[self.source[k]]), np.flatnonzero(keyed[self.target[k]])
            target = self.target[k, columns].tolist()
            like[k, rows[:, None], columns] = cdist(
                [keys[w] for w in self.source[k, rows].tolist()],
                [keys[w] for w in target],
                scorer=JaroWinkler.similarity,
                dtype=np.float32,
            )
            mine = [affix[w] for w in self.inside[i:j].tolist()]
            found = cdist(mine, [affix[w] for w in target], scorer=partial_ratio, dtype=np.float32, score_cutoff=75)
            inside[i:j, columns] = found / 100
        short = chars <= SHORT
        source, target = self.inside, self.target[self.pair_of_word]
        forms = like[self.pair_of_word, self.word]
        forms[(short[source][:, None] | short[target]) & (forms < 1)] = 0
        self.forms = forms
        self.mine = self.of_spans(self.forms)
        pair, i, j = np.nonzero(like > ELSEWHERE)
        source, target = self.source[pair, i], self.target[pair, j]
        good = ~(short[source] | short[target]) | (like[pair, i, j] == 1)
        everywhere = np.zeros((len(self.pairs), self.target.shape[1]), "i4")
        np.add.at(everywhere, (pair[good], j[good]), 1)
        self.elsewhere = everywhere[self.pair] > self.of_spans((self.forms > ELSEWHERE).astype("i4"), np.add)
        enough = self.words.keyed & (chars >= AFFIX)
        parts = (inside >= PART) & enough[self.inside][:, None]
        parts &= enough[self.target[self.pair_of_word]]
        self.part = self.of_spans(parts, np.logical_or)
        self.alike = (self.forms > SAME) | parts

    def set_counts(self) -> None:
        """Look the words up in the corpus.

        own (bool array (B,)): The sentence pair is one of the corpus.
        share (float array (K, N)): The share of a span's links that lead to a target word's form.
        lexical, stem_lexical (float arrays (K, N)): Log ratios of that, of forms and of stems, to the rest of the
            sentence.
        seen (float array (B, N)): In how many sentence pairs a word's stem stands.
        rarity (float array (B, N)): Log document frequency.
        """
        stats, shape = self.stats, (len(self.pair), self.target.shape[1])
        self.own = np.zeros(len(self.pairs), bool)
        self.share = self.lexical = self.stem_lexical = np.zeros(shape)
        self.seen = np.ones(self.target.shape)
        self.rarity = np.zeros(self.target.shape)
        self.stretch, self.more_chars = np.zeros(LENGTHS), 0.0
        if stats is None:
            return
        self.own[:] = [pair_key(pair) in stats.seen for pair in self.pairs]
        target, self.share, self.lexical = self.looked_up(stats.forms)
        self.rarity = stats.rarity(target)
        target, _, self.stem_lexical = self.looked_up(stats.stems, stems=True)
        self.seen = stats.stems.target.values[target]
        self.stretch, self.more_chars = stats.stretch, stats.chars

    def looked_up(self, counts: LinkCounts, stems: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The places of the target words in some counts, and their `share` and `lexical`.

        stems (bool): The counts are those of stems.
        """
        source = self.words.places(counts.source.index, stems)[self.source]
        target = self.words.places(counts.target.index, stems)[self.target]
        share = counts.share(source, target, self.links, self.own)
        mine, others = self.parted(share)
        return target, mine, np.log((mine + 0.01) / (others + 0.01))

    def parted(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The highest values of the source words inside and outside each span.

        values (float array (B, M, N)): Of all source words, at least 0.
        RETURNS (float arrays (K, N), (K, N)): 0 where there is no such word.
        """
        m, n = values.shape[1:]
        room = np.zeros((len(values) * m + 1, n))
        room[:-1] = values.reshape(-1, n)
        edges = np.stack([np.zeros_like(self.pair), *self.bounds.T, np.full_like(self.pair, m)], axis=1)
        best = np.maximum.reduceat(room, (edges + self.pair[:, None] * m).reshape(-1), axis=0).reshape(-1, 4, n)
        best[edges[:, 1] == 0, 0] = 0  # for an empty range reduceat gives its first row
        best[edges[:, 2] == m, 2] = 0
        return best[:, 1], np.maximum(best[:, 0], best[:, 2])

    # Candidates

    def candidates(self, max_length: int, given: Optional[Sequence[Optional[np.ndarray]]] = None) -> Candidates:
        """The target spans up to a length, or longer between linked words, that hold a word with evidence and do not
        begin or end in punctuation (but for a full stop).

        given (Optional[sequence of int array (n, 2) or None]): For a sentence pair, all of these that hold a word with
            evidence, instead.
        """
        evidence = self.linked | (self.mine > SAME) | self.part
        before = np.zeros((len(evidence), evidence.shape[1] + 1), "i4")
        np.cumsum(evidence, axis=1, out=before[:, 1:])
        proposed = np.array([given is None or given[k] is None for k in range(len(self.pairs))])
        found = [self.short(before, proposed, max_length), self.long(proposed, max_length)]
        for k in np.flatnonzero(~proposed).tolist():
            a, b = np.unique(np.asarray(given[k], "i8").reshape(-1, 2), axis=0).T  # type: ignore[index]
            mine = before[self.first[k] : self.first[k + 1]]
            span, cell = np.nonzero(mine[:, b] > mine[:, a])
            found.append((span + self.first[k], a[cell], b[cell]))
        if sum(len(each[0]) > 0 for each in found) == 1:
            return Candidates(*next(each for each in found if len(each[0])))
        span, a, b = map(np.concatenate, zip(*found))
        order = np.lexsort((b, a, span))
        return Candidates(span[order], a[order], b[order])

    def short(self, before: np.ndarray, pairs: np.ndarray, max_length: int) -> tuple[np.ndarray, ...]:
        """The cells (span, start, end) of up to `max_length` words."""
        n = self.target.shape[1]
        sizes = np.arange(1, min(max_length, n) + 1)
        end = np.minimum(np.arange(n)[:, None] + sizes, n)  # (start, size)
        there = np.arange(n)[:, None] + sizes <= self.n[:, None, None]
        ok = there & (~self.punct & pairs[:, None])[:, :, None] & ~self.words.stop[self.target][:, end - 1]
        span, a, size = np.nonzero(ok[self.pair] & (before[:, end] > before[:, :-1, None]))
        return span, a, a + size + 1

    def long(self, pairs: np.ndarray, max_length: int) -> tuple[np.ndarray, ...]:
        """The longer cells between linked words."""
        span, word = np.nonzero(self.linked & (pairs & (self.n > max_length))[self.pair][:, None])
        wide = self.linked.shape[1] + max_length
        place = span * wide + word  # ascending, with a gap between spans
        begin = np.searchsorted(place, place + max_length)
        n = np.searchsorted(place, (span + 1) * wide) - begin
        first = np.repeat(np.arange(len(place)), n)
        last = np.arange(len(first)) + np.repeat(begin - np.cumsum(n) + n, n)
        return span[first], word[first], word[last] + 1

    def key(self, span: int) -> str:
        """The stems of a source span, by which the lexicon knows it."""
        a, b = self.bounds[span].tolist()
        return " ".join([self.words.stems[w] for w in self.source[self.pair[span], a:b].tolist()])


def pad(ids: Sequence[int], sizes: np.ndarray) -> np.ndarray:
    """Put sequences that stand one after the other into rows.

    ids (sequence of int), sizes (int array (B,)): What they hold, and how long each is.
    RETURNS (int array (B, longest)): The rows, filled up with 0 at their ends.
    """
    rows = np.zeros((len(sizes), max(int(sizes.max(initial=0)), 1)), "i8")
    rows[np.arange(rows.shape[1]) < sizes[:, None]] = ids
    return rows


def best_of(group: np.ndarray, score: np.ndarray, n: int) -> np.ndarray:
    """Which links have a higher score than all others of their group.

    group, score (arrays (links,)): The group, below n, and the score of each link.
    """
    highest = np.zeros(n)
    np.maximum.at(highest, group, score)
    best = score == highest[group]
    return best & (np.bincount(group[best], minlength=n)[group] == 1)
