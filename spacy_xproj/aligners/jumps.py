"""A hidden Markov model on top of a lexical one: the words of one side as a walk over the words of the other.

A word's counterpart tends to stand right behind the counterpart of the word before it (Vogel, Ney and Tillmann 1996).
With e(i, j) what the lexical model says for source word i as the counterpart of target word j,

    P(i_1 .. i_n) ~ prod_j jump(i_j - i_(j-1)) e(i_j, j) / sum_k jump(k - i_(j-1))

A word without a counterpart leaves the walk where it is. Jumps wider than WIDTH share one value. What is learnt is
flattened by a square root, as the walk counts each link twice: a name can stand anywhere. The other direction is the
same with the sides exchanged.

Sentence pairs are worked on in groups, word by word: the states of all pairs that have such a word lie one after the
other in one array, with zeros between the pairs for the jumps to end in. The sums of a pair do not depend on what lies
beside it, so that it gets the same numbers in any group.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, Optional

import numpy as np

WIDTH = 6
GROUP = 1 << 18  # cells of a group: few calls, and all within some 10 MB
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
    usable = np.flatnonzero((width == n) & (np.minimum(m, n) > 0) & (np.maximum(m, n) <= LONGEST))
    ones = np.ones_like(n)
    directions = (m, n, n, ones, word_n), (n, m, ones, n, word_m)  # states, steps, cells from one to the next, word
    for k, (states, steps, to_state, to_step, word) in enumerate(directions):
        weight, posterior = np.append(weights[k], 0), np.append(posteriors[k], 0)  # the last is for all gaps
        for pairs in _groups(states, steps, usable):
            layout = _layout(cell[pairs], states[pairs], to_state[pairs], to_step[pairs], len(weight) - 1)
            found = _forward_backward(layout, weight, nulls[k], word[pairs], steps[pairs], jumps[k], posterior)
            if counts is not None:
                counts[k] += _expected(found, layout, states[pairs])
        posteriors[k][:] = posterior[:-1]


def _groups(states: np.ndarray, steps: np.ndarray, pairs: np.ndarray) -> Iterator[np.ndarray]:
    """Some pairs at once, the longest first, so that those with a step are always the first ones."""
    pairs = pairs[np.argsort(-steps[pairs], kind="stable")]
    start = total = 0
    for k, size in enumerate((steps[pairs] * (states[pairs] + WIDTH)).tolist()):
        if total + size > GROUP and k > start:
            yield pairs[start:k]
            start, total = k, 0
        total += size
    if start < len(pairs):
        yield pairs[start:]


class Layout(NamedTuple):
    """Where the states of a group of pairs lie. After those of a pair come WIDTH gaps.

    pair (int array (s,)): The pair of each state and gap.
    start (int array (b,)): The first state of each pair.
    inside (float array (s,)): 1 for a state, 0 for a gap.
    cell, to_step (int arrays (s,)): Its cell at the first step, and how far from there to that of the next one.
    """

    pair: np.ndarray
    start: np.ndarray
    inside: np.ndarray
    cell: np.ndarray
    to_step: np.ndarray

    def part(self, n_pairs: int) -> "Layout":
        """That of the first pairs only."""
        if n_pairs == len(self.start):
            return self
        end = self.start[n_pairs]
        return Layout(self.pair[:end], self.start[:n_pairs], *(x[:end] for x in self[2:]))

    def total(self, x: np.ndarray) -> np.ndarray:
        """The sum over the states of each pair."""
        return np.add.reduceat(x, self.start)


def _layout(cell: np.ndarray, states: np.ndarray, to_state: np.ndarray, to_step: np.ndarray, gap: int) -> Layout:
    width = states + WIDTH
    pair, start = np.repeat(np.arange(len(states)), width), np.cumsum(width) - width
    state = np.arange(len(pair)) - start[pair]
    inside = state < states[pair]
    at = np.where(inside, cell[pair] + state * to_state[pair], gap)
    return Layout(pair, start, inside.astype(float), at, np.where(inside, to_step[pair], 0))


def _move(x: np.ndarray, jump: np.ndarray, layout: Layout) -> np.ndarray:
    """sum_k jump(i - k) x_k for each state i. What it gives for gaps means nothing."""
    near = (jump[:-1] - jump[-1])[::-1]
    padded = np.zeros(len(x) + 2 * WIDTH)
    padded[WIDTH:-WIDTH] = x
    # numpy is fast with kernels of up to 11
    out = np.correlate(padded[:-WIDTH], near[: WIDTH + 1]) + np.correlate(padded[WIDTH + 1 :], near[WIDTH + 1 :])
    out += (layout.total(x) * jump[-1])[layout.pair]
    return np.maximum(out, 0, out=out)


def _forward_backward(
    whole: Layout,
    weight: np.ndarray,
    null: np.ndarray,
    word: np.ndarray,
    steps: np.ndarray,
    jump: np.ndarray,
    posterior: np.ndarray,
) -> list[np.ndarray]:
    """Posteriors of the states at each step, which are also put into their cells. Each step is scaled by itself."""
    back = np.append(jump[-2::-1], jump[-1])
    share = whole.inside / np.maximum(_move(whole.inside, back, whole), SMALL)  # of one state's jumps, which end inside
    layouts = [whole.part(n) for n in np.searchsorted(-steps, -np.arange(steps[0])).tolist()]  # pairs with a step
    cells, emissions, left = [], [], []
    arrived: list[np.ndarray] = []
    place: list[np.ndarray] = []
    for j, layout in enumerate(layouts):
        pair, size = layout.pair, len(layout.pair)
        cells.append(layout.cell + j * layout.to_step)
        emissions.append(weight[cells[j]])
        left.append(null[word[: len(layout.start)] + j][pair])
        if j:
            here = place[j - 1][:size]
            before = _move(here * share[:size], jump, layout)
        else:
            here = before = layout.inside / layout.total(layout.inside)[pair]
        alpha = before * emissions[j]
        stayed = here * left[j]
        stayed += alpha
        scale = (1 / np.maximum(layout.total(stayed), SMALL))[pair]
        arrived.append(alpha * scale)
        place.append(stayed * scale)
    ahead = whole.inside.copy()
    for j in reversed(range(len(layouts))):
        layout, size = layouts[j], len(layouts[j].pair)
        beta = ahead[:size]
        beta = beta / np.maximum(layout.total(place[j] * beta), SMALL)[layout.pair]
        arrived[j] = np.minimum(arrived[j] * beta, 1)
        posterior[cells[j]] = arrived[j]
        ahead[:size] = _move(emissions[j] * beta, back, layout) * share[:size] + left[j] * beta
    return arrived


def _expected(posterior: list[np.ndarray], layout: Layout, states: np.ndarray) -> np.ndarray:
    """Expected jumps from each word to the next, as if their counterparts were independent given both sentences."""
    out = np.zeros(2 * WIDTH + 3)
    padded = np.zeros(len(layout.pair) + 2 * WIDTH)
    for here, there in pairwise(posterior):
        size = len(there)
        padded[WIDTH : WIDTH + size], padded[WIDTH + size :] = there, 0
        for d in range(2 * WIDTH + 1):
            out[d] += np.einsum("i,i", here[:size], padded[d : d + size])
        now = layout.part(int(layout.pair[size - 1]) + 1)
        jumps = now.total(here[:size]) * now.total(there)
        out[-2] += jumps.sum()
        out[-1] += (jumps * np.maximum(0, states[: len(jumps)] - 2 * WIDTH - 1)).sum()
    out[-2] = max(0, out[-2] - out[:-2].sum())
    return out
