"""Links of many sentence pairs at once, on the device where the vectors are.

SimAlign (Jalili Sabet et al. 2020) takes similarities in [0, 1], (1 + cosine) / 2, and AWESoME (Dou and Neubig 2021)
dot products. Rows are the source's sub-words (or words), columns the target's; neither side is empty. Of equal values
the first counts. `tests/aligners/extraction_oracle.py` does the same for one pair, in numpy.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..models.encoder import Side, mean_of_words

if TYPE_CHECKING:
    from torch import Tensor

METHODS = ("inter", "itermax", "mwmf", "softmax", "entmax")
BY_SIMILARITY = ("inter", "itermax", "mwmf")  # SimAlign's
POOLINGS = ("any", "mean", "max")
ALPHA = 0.9  # what a similarity counts, in the second round of "itermax", if one of its two sides is linked


class Found(NamedTuple):
    """Links of several pairs, sorted by pair, source and target word.

    pair, source, target (int arrays (n,)): The index of the pair, and the words.
    score, forward, reverse, similarity (float32 arrays (n,)): Figures of the link, in [0, 1].
    """

    pair: np.ndarray
    source: np.ndarray
    target: np.ndarray
    score: np.ndarray
    forward: np.ndarray
    reverse: np.ndarray
    similarity: np.ndarray


def extract(sources: Sequence[Side], targets: Sequence[Side], method: str, pooling: str, threshold: float) -> Found:
    """The word links of sentence pairs.

    sources, targets (sequences of Side): The two sides of each pair.
    method (str): One of METHODS.
    pooling (str): One of POOLINGS.
    threshold (float): Of "softmax".
    RETURNS (Found): The links. Each figure of one is the highest of those of its linked sub-word pairs.
    """
    import torch

    if pooling == "mean":
        sources, targets = [mean_of_words(x) for x in sources], [mean_of_words(x) for x in targets]
    (x, m), (y, n) = _stack([side.vectors for side in sources]), _stack([side.vectors for side in targets])
    if x.device.type != "mps":  # which has no such numbers
        x, y = x.double(), y.double()  # cosines near 1 are too close to each other for float32
    dot = x @ y.transpose(1, 2)
    lengths = x.norm(dim=2)[:, :, None] * y.norm(dim=2)[:, None, :]
    sim, dot = (dot / lengths.clamp(min=1e-30) + 1) / 2, dot.float()
    words = [[side.words for side in sources], [side.words for side in targets]]
    if pooling == "max":
        (dot, sim), words, (m, n) = _best_of_words([dot, sim], words, [m, n])
    rows = (torch.arange(dot.shape[1], device=dot.device) < m[:, None])[:, :, None]
    columns = (torch.arange(dot.shape[2], device=dot.device) < n[:, None])[:, None, :]
    linked = _linked(method, dot, sim, rows, columns, threshold)
    forward = _softmax(dot / n[:, None, None].sqrt(), columns, 2)
    reverse = _softmax(dot / m[:, None, None].sqrt(), rows, 1)
    both = 2 * forward * reverse / (forward + reverse + 1e-9)
    score = sim if method in BY_SIMILARITY else both
    cells = linked.nonzero(as_tuple=True)
    figures = [figure[cells].float() for figure in (score, forward, reverse, sim)]
    values = torch.stack(figures).clamp(0, 1).cpu().numpy()
    pair, i, j = (index.cpu().numpy() for index in cells)
    source, target = _look_up(words[0], pair, i), _look_up(words[1], pair, j)
    order = np.lexsort((target, source, pair))
    pair, source, target, values = pair[order], source[order], target[order], values[:, order]
    new = np.ones(len(pair), bool)
    new[1:] = (np.diff(pair) != 0) | (np.diff(source) != 0) | (np.diff(target) != 0)
    starts = np.flatnonzero(new)
    best = np.maximum.reduceat(values, starts, axis=1) if len(starts) else values
    return Found(pair[starts], source[starts], target[starts], *best)


def _linked(method: str, dot: "Tensor", sim: "Tensor", rows: "Tensor", columns: "Tensor", threshold: float) -> "Tensor":
    """Return the links (bool tensor (pairs, rows, columns)); `rows` and `columns` tell the cells from padding.

    "softmax" and "entmax": links with a probability above the threshold, or above 0, in both directions.
    "mwmf" ("Match"): the one-to-one links with the largest sum of similarities.
    "inter" ("Argmax"): links between sub-words that are each other's most similar one.
    "itermax": "inter" and one more round of it. Cells whose sub-words are both linked are out, those with one linked
    sub-word count `ALPHA` times. There is no second round if a side has two sub-words at most, or all of them linked.
    """
    import torch

    inside = rows & columns
    if method == "softmax":
        return (_softmax(dot, columns, 2) > threshold) & (_softmax(dot, rows, 1) > threshold) & inside
    if method == "entmax":
        return (_entmax15(dot, columns, 2) > 0) & (_entmax15(dot, rows, 1) > 0) & inside
    if method == "mwmf":
        from scipy.optimize import linear_sum_assignment

        found = torch.zeros_like(inside)
        sizes = zip(rows.sum((1, 2)).tolist(), columns.sum((1, 2)).tolist())
        for k, ((a, b), values) in enumerate(zip(sizes, sim.cpu().numpy())):
            found[k][linear_sum_assignment(values[:a, :b], maximize=True)] = True
        return found
    first = _inter(sim, inside)
    if method == "inter":
        return first
    free_rows = rows & ~first.any(2, keepdim=True)
    free_columns = columns & ~first.any(1, keepdim=True)
    more = free_rows.any(1, keepdim=True) & free_columns.any(2, keepdim=True)
    more &= (rows.sum(1, keepdim=True) > 2) & (columns.sum(2, keepdim=True) > 2)
    one = free_rows | free_columns
    weight = torch.where(free_rows & free_columns, 1.0, ALPHA * one)
    return first | (_inter(sim * weight, inside) & one & more)


def _inter(sim: "Tensor", inside: "Tensor") -> "Tensor":
    import torch

    sim = sim.masked_fill(~inside, -1)
    best = torch.zeros_like(inside).scatter_(2, sim.argmax(2, keepdim=True), True)
    back = torch.zeros_like(inside).scatter_(1, sim.argmax(1, keepdim=True), True)
    return best & back & inside


def _softmax(scores: "Tensor", inside: "Tensor", dim: int) -> "Tensor":
    return scores.masked_fill(~inside, float("-inf")).softmax(dim)


def _entmax15(scores: "Tensor", inside: "Tensor", dim: int) -> "Tensor":
    """1.5-entmax: a distribution like softmax, in which low scores get exactly 0. The algorithm by sorting of Peters et
    al. (2019, algorithm 2). Padding counts as a score that gets 0."""
    import torch

    x = scores.masked_fill(~inside, float("-inf")).transpose(dim, -1)
    x = ((x - x.amax(-1, keepdim=True)) / 2).clamp(min=-2)  # below -1 all get 0, and large squares cost precision
    ordered = x.sort(-1, descending=True).values
    rho = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
    mean = ordered.cumsum(-1) / rho
    spread = rho * ((ordered**2).cumsum(-1) / rho - mean**2)
    tau = mean - ((1 - spread) / rho).clamp(min=0).sqrt()
    support = (tau <= ordered).sum(-1, keepdim=True)
    return ((x - tau.gather(-1, support - 1)).clamp(min=0) ** 2).transpose(dim, -1)


def _best_of_words(
    scores: list["Tensor"], words: list[list[np.ndarray]], sizes: list["Tensor"]
) -> tuple[list["Tensor"], list[list[np.ndarray]], list["Tensor"]]:
    """Cells of words instead of sub-words, each with its highest score. Words are those with a sub-word."""
    import torch

    found, counts = [], []
    for dim, (side, size) in enumerate(zip(words, sizes), 1):
        distinct = [np.unique(row, return_inverse=True) for row in side]
        found.append([row for row, _ in distinct])
        counts.append(torch.tensor([len(row) for row in found[-1]], device=size.device))
        places, _ = _stack([_tensor(place, size) for _, place in distinct])
        padding = torch.arange(places.shape[1], device=size.device) >= size[:, None]
        places, padding = (t[:, :, None] if dim == 1 else t[:, None, :] for t in (places, padding))
        scores = [
            values.new_full(
                [*values.shape[:dim], int(counts[-1].max()), *values.shape[dim + 1 :]], float("-inf")
            ).scatter_reduce(dim, places.expand_as(values), values.masked_fill(padding, float("-inf")), "amax")
            for values in scores
        ]
    return [values.masked_fill(values.isinf(), 0) for values in scores], found, counts  # what is left is padding


def _stack(rows: Sequence["Tensor"]) -> tuple["Tensor", "Tensor"]:
    """Rows (n, ...) as one tensor (rows, longest, ...), and how long each is."""
    import torch

    lengths = torch.tensor([len(row) for row in rows], device=rows[0].device)
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True), lengths


def _tensor(values: np.ndarray, like: "Tensor") -> "Tensor":
    import torch

    return torch.from_numpy(values.astype("i8")).to(like.device)


def _look_up(words: Sequence[np.ndarray], pair: np.ndarray, place: np.ndarray) -> np.ndarray:
    starts = np.cumsum([0, *map(len, words)])
    return np.concatenate(words)[starts[pair] + place]
