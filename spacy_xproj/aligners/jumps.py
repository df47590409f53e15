"""A hidden Markov model on top of a lexical one: the words of one side as a walk over the words of the other.

A word's counterpart tends to stand right behind the counterpart of the word before it (Vogel, Ney and Tillmann 1996).
With e(i, j) what the lexical model says for source word i as the counterpart of target word j,

    P(i_1 .. i_n) ~ prod_j jump(i_j - i_(j-1)) e(i_j, j) / sum_k jump(k - i_(j-1))

A word without a counterpart leaves the walk where it is. Jumps wider than WIDTH share one value. What is learnt is
flattened by a square root, as the walk counts each link twice: a name can stand anywhere. The other direction is the
same with the sides exchanged.

Sentence pairs are worked on in padded groups. All sums run in the order of the words and padding adds zeros behind
them, so that a pair gets the same numbers in any group (a matrix product would not promise that).
"""

from collections.abc import Iterator
from typing import Optional

import numpy as np

WIDTH = 6
GROUP = 1 << 16  # padded cells of a group: small enough for the cache
LONGEST = 1000  # a pair with more words on a side keeps what the lexical model says
SMALL = 1e-300


def first_jumps() -> np.ndarray:
    """What to begin with, for both directions: float array (2, 2 WIDTH + 2). The last value is for all wider jumps."""
    one = np.exp(-np.abs(np.arange(-WIDTH, WIDTH + 1) - 1) / 2)
    return np.tile(np.append(one, one.min()), (2, 1))


def learnt_jumps(counts: np.ndarray) -> np.ndarray:
    """The M-step.

    counts (float array (2, 2 WIDTH + 3)): By direction: expected jumps by width, those that are wider, and how many
        words these could have gone to.
    RETURNS (float array (2, 2 WIDTH + 2)): Jumps, as in `first_jumps`. They need not sum to 1.
    """
    chance = (counts[:, :-1] + 0.01) / np.maximum(counts[:, :-1].sum(axis=1, keepdims=True), 1)
    chance[:, -1] /= np.maximum(1, counts[:, -1] / np.maximum(counts[:, :-1].sum(axis=1), 1))
    return np.sqrt(chance)


def walk(
    m: np.ndarray,
    n: np.ndarray,
    width: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray],
    nulls: tuple[np.ndarray, np.ndarray],
    posteriors: tuple[np.ndarray, np.ndarray],
    jumps: np.ndarray,
    counts: Optional[np.ndarray] = None,
) -> None:
    """The E-step: put the posteriors of the walks in the place of the lexical ones.

    m, n, width (int arrays (b,)): Numbers of source and target words of each pair, and of the cells of a row.
    weights (tuple of two float arrays): What speaks for each cell, forward and reverse, less the jumps.
    nulls (tuple of two float arrays): What speaks for no counterpart, of each target and of each source word.
    posteriors (tuple of two float arrays): Of each cell, forward and reverse, changed in place.
    jumps (float array (2, 2 WIDTH + 2)): Forward and reverse.
    counts (float array (2, 2 WIDTH + 3)): The expected jumps are added to it, as `learnt_jumps` takes them.
    """
    cell, word_m, word_n = (np.cumsum(x) - x for x in (m * width, m, n))
    usable = (width == n) & (np.minimum(m, n) > 0) & (np.maximum(m, n) <= LONGEST)
    for pairs in _groups(m, n, np.flatnonzero(usable)):
        rows, columns = (np.arange(x[pairs].max()) for x in (m, n))
        in_m, in_n = rows < m[pairs, None], columns < n[pairs, None]
        inside = in_m[:, :, None] & in_n[:, None, :]
        at = np.where(inside, cell[pairs, None, None] + rows[:, None] * n[pairs, None, None] + columns, 0)
        null_n = nulls[0][np.where(in_n, word_n[pairs, None] + columns, 0)]
        null_m = nulls[1][np.where(in_m, word_m[pairs, None] + rows, 0)]
        for k, null, axes in ((0, null_n, (2, 0, 1)), (1, null_m, (1, 0, 2))):
            emission = np.where(inside, weights[k][at], 0).transpose(axes)  # (step, pair, state)
            sizes = (m[pairs], n[pairs]) if k == 0 else (n[pairs], m[pairs])
            found = _forward_backward(np.ascontiguousarray(emission), null.T, *sizes, jumps[k])
            posteriors[k][at[inside]] = found.transpose(np.argsort(axes))[inside]
            if counts is not None:
                counts[k] += _expected(found, sizes[0])


def _groups(m: np.ndarray, n: np.ndarray, pairs: np.ndarray) -> Iterator[np.ndarray]:
    """Pairs of like size, so that there is little to pad."""
    pairs = pairs[np.lexsort((m[pairs], m[pairs] + n[pairs]))]
    start = rows = columns = 0
    for k, (a, b) in enumerate(zip(m[pairs].tolist(), n[pairs].tolist())):
        rows, columns = max(rows, a), max(columns, b)
        if k > start and rows * columns * (k + 1 - start) > GROUP:
            yield pairs[start:k]
            start, rows, columns = k, a, b
    if start < len(pairs):
        yield pairs[start:]


def _total(x: np.ndarray) -> np.ndarray:
    return np.cumsum(x, axis=-1)[..., -1:]  # np.sum would group the terms by how many there are, padding included


def _move(x: np.ndarray, jump: np.ndarray) -> np.ndarray:
    """sum_k jump(i - k) x_k for each state i."""
    size = x.shape[-1]
    out = np.repeat(_total(x) * jump[-1], size, axis=-1)
    for d in range(max(-WIDTH, 1 - size), min(WIDTH, size - 1) + 1):
        out[..., max(d, 0) : size + min(d, 0)] += (jump[d + WIDTH] - jump[-1]) * x[..., max(-d, 0) : size - max(d, 0)]
    return np.maximum(out, 0)


def _forward_backward(
    emission: np.ndarray, null: np.ndarray, states: np.ndarray, steps: np.ndarray, jump: np.ndarray
) -> np.ndarray:
    """Posteriors of the states (step, pair, state), each step scaled by itself."""
    inside = (np.arange(emission.shape[2]) < states[:, None]).astype(float)
    back = np.append(jump[-2::-1], jump[-1])
    share = 1 / np.maximum(_move(inside, back), SMALL)  # of one state's jumps, which end inside
    arrived, place = np.empty_like(emission), np.empty_like(emission)
    for j in range(len(emission)):
        before = _move(place[j - 1] * share, jump) if j else inside / states[:, None]
        stayed = (place[j - 1] if j else before) * null[j][:, None]
        alpha = before * emission[j]
        scale = 1 / np.maximum(_total(alpha + stayed), SMALL)
        arrived[j], place[j] = alpha * scale, (alpha + stayed) * scale
    beta = inside
    for j in reversed(range(len(emission))):
        beta = np.where((j < steps)[:, None], beta / np.maximum(_total(place[j] * beta), SMALL), inside)
        arrived[j] *= beta
        ahead = _move(emission[j] * beta, back) * share + null[j][:, None] * beta
        beta = np.where((j < steps)[:, None], ahead, inside)
    return np.minimum(arrived, 1)


def _expected(posterior: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Expected jumps from each word to the next, as if their counterparts were independent given both sentences."""
    here, there = posterior[:-1], posterior[1:]
    size = posterior.shape[2]
    out = np.zeros(2 * WIDTH + 3)
    for d in range(max(-WIDTH, 1 - size), min(WIDTH, size - 1) + 1):
        out[d + WIDTH] = (here[..., max(-d, 0) : size - max(d, 0)] * there[..., max(d, 0) : size + min(d, 0)]).sum()
    jumps = here.sum(axis=2) * there.sum(axis=2)
    out[-2] = max(0, jumps.sum() - out.sum())
    out[-1] = (jumps * np.maximum(0, states - 2 * WIDTH - 1)).sum()
    return out
