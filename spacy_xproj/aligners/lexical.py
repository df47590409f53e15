"""A lexical translation model in both directions at once, fitted by expectation maximization on whole arrays.

It is IBM model 1 with a null word (Brown et al. 1993), a prior for the diagonal (Dyer et al. 2013), the digamma of
variational Bayes on its counts (Riley and Gildea 2012), and training by agreement (Liang et al. 2006): both directions
share one table of expected counts c(s, t), each link weighted with the geometric mean of its two posteriors. For stems
s and t,

    strength(s, t) = max(exp(digamma(c(s, t) + alpha)), cognate if both begin alike, else FAINT)
    theta(t | s) = strength(s, t) / (c(s) + 1)        theta(s | t) = strength(s, t) / (c(t) + 1)
    P(i | j) ~ (1 - null) theta(t_j | s_i) exp(-diagonal |(i + 1/2) / m - (j + 1/2) / n|),  null theta(t_j | null)

and likewise P(j | i). A stem that was never seen has c = 0. So it is drawn to a word that begins alike, and, faintly,
to a word near the diagonal that nothing else explains.

In the last rounds, and for the links, the weights above (before they are made to sum to 1) are the emissions of the
hidden Markov model of `jumps`.
"""

from collections.abc import Iterator
from typing import NamedTuple, Optional

import numpy as np

from ..progress import steps
from .jumps import first_jumps, learnt_jumps, walk

FAINT = 0.001  # strength of a pair that nothing speaks for; from 0.0003 to 0.01 makes little difference
CHUNK = 1 << 19  # cells in memory at once, about 50 MB
MOST = 1 << 21  # cells of one sentence pair that are looked at


class StemmedWords(NamedTuple):
    """One side of some sentence pairs, one value a word.

    stem (int array): Index into the vocabulary; its length for a stem that is not in it.
    root (int array): Equal for words that begin alike, on either side.
    """

    stem: np.ndarray
    root: np.ndarray


class Batch(NamedTuple):
    """Some sentence pairs.

    m, n (int arrays): Numbers of source and target words of each.
    source, target (StemmedWords): All their words, one after the other.
    """

    m: np.ndarray
    n: np.ndarray
    source: StemmedWords
    target: StemmedWords


class LinkCandidates(NamedTuple):
    """The word pairs of a batch, row by row: by source, then target word.

    source, target (int arrays (n,)): Indices into the words of the batch.
    near (float array (n,)): The prior for the diagonal.
    """

    source: np.ndarray
    target: np.ndarray
    near: np.ndarray


class Table(NamedTuple):
    """What is learnt. Arrays over stems have a last value for all that were not seen.

    keys (int64 array (p,)): source stem · 2^32 + target stem, ascending.
    strength (float32 array (p,)): Above FAINT; pairs that are not listed are not.
    source_total, target_total (float32 arrays (v + 1,)): c(s) + 1 and c(t) + 1.
    source_null, target_null (float32 arrays (v + 1,)): theta(s | null) and theta(t | null).
    jumps (float32 array): As in `first_jumps`, or empty: without jumps.
    """

    keys: np.ndarray
    strength: np.ndarray
    source_total: np.ndarray
    target_total: np.ndarray
    source_null: np.ndarray
    target_null: np.ndarray
    jumps: np.ndarray


class LinkCounts(NamedTuple):
    """Links that are known before.

    keys (int64 array (p,)): source stem · 2^32 + target stem, ascending.
    links (float array (p,)): c(s, t).
    """

    keys: np.ndarray
    links: np.ndarray


class Posteriors(NamedTuple):
    """forward (float array (n,)): P(i | j) of each cell. reverse: P(j | i)."""

    forward: np.ndarray
    reverse: np.ndarray


def row_widths(m: np.ndarray, n: np.ndarray) -> np.ndarray:
    """How many target words each source word of a sentence pair is held against: all of them, or, where that would make
    more than MOST cells, those nearest to the diagonal."""
    return np.minimum(n, np.maximum(1, MOST // np.maximum(m, 1)))


def chunks(m: np.ndarray, n: np.ndarray) -> Iterator[slice]:
    """Runs of sentence pairs with at most CHUNK cells, or of a single one.

    m, n (int arrays): Numbers of source and target words of each sentence pair.
    YIELDS (slice): Of the sentence pairs.
    """
    start = total = 0
    for k, size in enumerate((m * row_widths(m, n)).tolist()):
        if total + size > CHUNK and k > start:
            yield slice(start, k)
            start, total = k, 0
        total += size
    if start < len(m):
        yield slice(start, len(m))


def split(batch: Batch) -> Iterator[Batch]:
    """The batch in `chunks`."""
    ends_m, ends_n = np.r_[0, np.cumsum(batch.m)], np.r_[0, np.cumsum(batch.n)]
    (stem_s, root_s), (stem_t, root_t) = batch.source, batch.target
    for part in chunks(batch.m, batch.n):
        s = slice(ends_m[part.start], ends_m[part.stop])
        t = slice(ends_n[part.start], ends_n[part.stop])
        yield Batch(
            batch.m[part], batch.n[part], StemmedWords(stem_s[s], root_s[s]), StemmedWords(stem_t[t], root_t[t])
        )


def cells_of(batch: Batch, diagonal: float) -> LinkCandidates:
    """All cells of a batch.

    batch (Batch): The sentence pairs.
    diagonal (float): How steeply the prior falls off.
    RETURNS (LinkCandidates): Those of their `row_widths`.
    """
    m, n = batch.m, batch.n
    rows_m, rows_n = np.repeat(m, m), np.repeat(n, m)
    place = (np.arange(len(rows_m)) - np.repeat(np.cumsum(m) - m, m) + 0.5) / rows_m
    width = np.repeat(row_widths(m, n), m)
    first = np.clip((place * rows_n - width / 2).astype("i8"), 0, rows_n - width)
    j = np.arange(width.sum()) - np.repeat(np.cumsum(width) - width - first, width)
    distance = np.abs(np.repeat(place, width) - (j + 0.5) / np.repeat(rows_n, width))
    target = j + np.repeat(np.repeat(np.cumsum(n) - n, m), width)
    return LinkCandidates(np.repeat(np.arange(len(rows_m)), width), target, np.exp(-diagonal * distance))


class LexicalModel:
    """See the top of the module.

    null (float): Prior probability that a word has no counterpart.
    diagonal (float): How much links near the diagonal are preferred.
    alpha (float): Concentration of the Dirichlet prior. The smaller, the fewer translations a stem has.
    cognate (float): Strength of a pair of stems that begin alike, in expected links.
    """

    def __init__(self, null: float, diagonal: float, alpha: float, cognate: float):
        self.null, self.diagonal, self.alpha, self.cognate = null, diagonal, alpha, cognate

    def posteriors(
        self,
        cells: LinkCandidates,
        batch: Batch,
        strength: np.ndarray,
        table: Table,
        counts: Optional[np.ndarray] = None,
    ) -> Posteriors:
        """The E-step.

        cells (LinkCandidates): The cells of the batch.
        batch (Batch): The sentence pairs.
        strength (float array (n,)): Of the cells, as far as learnt: 0 where nothing was.
        table (Table): Its totals, null probabilities and jumps are used.
        counts (float array): The expected jumps are added to it.
        RETURNS (Posteriors): Of the cells.
        """
        i, j, near = cells
        source, target = batch.source, batch.target
        least = np.where(source.root[i] == target.root[j], max(self.cognate, FAINT), FAINT)
        weight = np.maximum(strength, least) * near * (1 - self.null)
        forward = weight / table.source_total[source.stem][i]
        reverse = weight / table.target_total[target.stem][j]
        null_target = self.null * table.target_null[target.stem]
        null_source = self.null * table.source_null[source.stem]
        found = Posteriors(
            forward / (np.bincount(j, forward, len(null_target)) + null_target)[j],
            reverse / (np.bincount(i, reverse, len(null_source)) + null_source)[i],
        )
        if len(table.jumps):
            width = row_widths(batch.m, batch.n)
            nulls = null_target, null_source
            walk(batch.m, batch.n, width, (forward, reverse), nulls, found, table.jumps.reshape(2, -1), counts)
        return found

    def align(self, batch: Batch, table: Table) -> tuple[LinkCandidates, Posteriors]:
        """The cells of a batch and their posteriors under what was learnt.

        batch (Batch): Sentence pairs, with at most CHUNK cells or a single one.
        table (Table): What `fit` returned.
        RETURNS (tuple of LinkCandidates and Posteriors): Both.
        """
        cells = cells_of(batch, self.diagonal)
        wanted = batch_keys(batch, cells)
        strength = np.zeros(len(wanted), "f4")
        if len(table.keys):
            place = np.minimum(np.searchsorted(table.keys, wanted), len(table.keys) - 1)
            strength = np.where(table.keys[place] == wanted, table.strength[place], strength)
        return cells, self.posteriors(cells, batch, strength, table)

    def fit(
        self, corpus: Batch, n_stems: int, iterations: int, walks: int = 0, prior: Optional[LinkCounts] = None
    ) -> Table:
        """Learn the table. Memory goes by the number of different stem pairs (some 50 bytes each), plus four bytes a
        cell: some 0.5 GB for 30,000 sentence pairs of 25 words.

        corpus (Batch): The sentence pairs.
        n_stems (int): Size of the vocabulary.
        iterations (int): Rounds of expectation maximization.
        walks (int): How many of them, the last ones, are with jumps.
        prior (Optional[LinkCounts]): Added to the counts of every round, and where the first one starts from.
        RETURNS (Table): What was learnt.
        """
        from scipy.special import digamma

        places = []  # of each cell in the keys; at first those in the keys of its own chunk
        found = [prior.keys] if prior else []
        for batch in split(corpus):
            present, place = np.unique(batch_keys(batch, cells_of(batch, self.diagonal)), return_inverse=True)
            found.append(present)
            places.append(place.astype("i4"))
        keys = np.concatenate(found)
        keys.sort()
        keys = keys[np.append(True, keys[1:] != keys[:-1])]  # np.unique takes ten times as long
        for k, present in enumerate(found[bool(prior) :]):
            places[k] = np.searchsorted(keys, present).astype("i4")[places[k]]
        del found
        known = np.zeros(len(keys))
        if prior:
            known[np.searchsorted(keys, prior.keys)] = prior.links

        def expected(counts: np.ndarray) -> np.ndarray:
            out = counts + self.alpha
            return np.exp(digamma(out, out=out), out=out)

        def given_null(counts: np.ndarray) -> np.ndarray:
            return np.maximum(expected(counts), FAINT) / (counts.sum() + 1)

        size = n_stems + 1
        nothing = np.zeros(size)
        null = given_null(nothing)
        strength = np.where(known > 0, expected(known), 0) if prior else known
        source_total, target_total = (np.bincount(x, known, size) + 1 for x in (keys >> 32, keys & 0xFFFFFFFF))
        table = Table(keys, strength, source_total, target_total, null, null, np.zeros(0))
        for k in steps(range(iterations), "rounds", iterations):
            if walks and k == iterations - walks:
                table = table._replace(jumps=first_jumps())
            jumped = np.zeros((2, table.jumps.shape[-1] + 1))
            counts, left_source, left_target = known.copy(), np.zeros(size), np.zeros(size)
            for batch, place in zip(split(corpus), places):
                cells = cells_of(batch, self.diagonal)
                forward, reverse = self.posteriors(cells, batch, table.strength[place], table, jumped)
                agreed = np.sqrt(forward * reverse)
                np.add.at(counts, place, agreed)
                left_source += unexplained(batch.source.stem, cells.source, agreed, size)
                left_target += unexplained(batch.target.stem, cells.target, agreed, size)
            table = Table(
                keys,
                expected(counts),
                np.bincount(keys >> 32, counts, size) + 1,
                np.bincount(keys & 0xFFFFFFFF, counts, size) + 1,
                given_null(left_source),
                given_null(left_target),
                learnt_jumps(jumped) if len(table.jumps) else table.jumps,
            )
        keep = table.strength > FAINT
        rest = [x.astype("f4") for x in table[2:]]
        return Table(keys[keep], table.strength[keep].astype("f4"), *rest)


def counts_of(table: Table) -> LinkCounts:
    """The counts that a table was made from, plus alpha, by Newton's method (Minka 2000, Estimating a Dirichlet
    distribution, appendix C). Those of FAINT pairs are not in it."""
    from scipy.special import digamma, polygamma

    log = np.log(table.strength.astype("f8"))
    links = np.where(log >= -2.22, np.exp(log) + 0.5, -1 / (log - digamma(1)))
    for _ in range(5):
        links -= (digamma(links) - log) / polygamma(1, links)
    return LinkCounts(table.keys, links)


def batch_keys(batch: Batch, cells: LinkCandidates) -> np.ndarray:
    """The stem pair of each cell as one int64."""
    return (batch.source.stem[cells.source].astype("i8") << 32) | batch.target.stem[cells.target]


def unexplained(stem: np.ndarray, word: np.ndarray, agreed: np.ndarray, size: int) -> np.ndarray:
    """Expected number of links to the null word, by stem."""
    left = np.maximum(0, 1 - np.bincount(word, agreed, len(stem)))
    return np.bincount(stem, left, size)
