"""Links out of a matrix of similarities, for one sentence pair, in numpy: what `aligners/embed_batch.py` must find for
many pairs at once."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from spacy_xproj.aligners.embed_batch import ALPHA


def inter(sim: np.ndarray) -> np.ndarray:
    """Links between sub-words that are each other's most similar one ("Argmax").

    sim (float array (m, n)): Similarities.
    RETURNS (bool array (m, n)): The links.
    """
    found = np.zeros(sim.shape, bool)
    found[np.arange(len(sim)), sim.argmax(1)] = True
    back = np.zeros(sim.shape, bool)
    back[sim.argmax(0), np.arange(sim.shape[1])] = True
    return found & back


def itermax(sim: np.ndarray) -> np.ndarray:
    """`inter`, and one more round of it ("Itermax", with two rounds): cells whose sub-words are both linked are out,
    those with one linked sub-word count 0.9 times. There is no second round where all sub-words of a side are linked,
    or a side has two at most.

    sim (float array (m, n)): Similarities.
    RETURNS (bool array (m, n)): The links.
    """
    first = inter(sim)
    rows, columns = ~first.any(1, keepdims=True), ~first.any(0, keepdims=True)  # those without a link
    if min(sim.shape) <= 2 or not rows.any() or not columns.any():
        return first
    weight = np.where(rows & columns, 1, ALPHA * (rows | columns)).astype(sim.dtype)
    return first | (inter(sim * weight) & (rows | columns))


def mwmf(sim: np.ndarray) -> np.ndarray:
    """The one-to-one links with the largest sum of similarities ("Match"). Each sub-word of the shorter side gets one.

    sim (float array (m, n)): Similarities.
    RETURNS (bool array (m, n)): The links.
    """
    found = np.zeros(sim.shape, bool)
    found[linear_sum_assignment(sim, maximize=True)] = True
    return found


def softmax(scores: np.ndarray, threshold: float = 0.001) -> np.ndarray:
    """Links with a probability above the threshold in both directions.

    scores (float array (m, n)): Dot products.
    threshold (float): The threshold.
    RETURNS (bool array (m, n)): The links.
    """
    return (_softmax(scores, 1) > threshold) & (_softmax(scores, 0) > threshold)


def entmax(scores: np.ndarray) -> np.ndarray:
    """Links to which 1.5-entmax gives a probability above 0 in both directions.

    scores (float array (m, n)): Dot products.
    RETURNS (bool array (m, n)): The links.
    """
    return (entmax15(scores, 1) > 0) & (entmax15(scores, 0) > 0)


def directed(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The probabilities of links that awesome-align gives out: softmax in each direction, of the dot products divided
    by the square root of how many there are to choose from, and the harmonic mean of both.

    scores (float array (m, n)): Dot products.
    RETURNS (three float arrays (m, n)): Of a target sub-word given the source's, of a source sub-word given the
        target's, and the mean.
    """
    m, n = scores.shape
    forward, reverse = _softmax(scores / np.sqrt(n), 1), _softmax(scores / np.sqrt(m), 0)
    return forward, reverse, 2 * forward * reverse / (forward + reverse + 1e-9)


def entmax15(scores: np.ndarray, axis: int) -> np.ndarray:
    """1.5-entmax: a distribution like softmax, in which low scores get exactly 0. The algorithm by sorting of Peters
    et al. (2019, algorithm 2).

    scores (float array): Scores.
    axis (int): The axis along which to normalize.
    RETURNS (float array): Of the shape of `scores`.
    """
    x = np.moveaxis(scores, axis, -1)
    x = (x - x.max(-1, keepdims=True)) / 2
    x = np.maximum(x, -2)  # below -1 all get 0, and large squares would cost precision
    ordered = -np.sort(-x, axis=-1)
    rho = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    mean = ordered.cumsum(-1) / rho
    spread = rho * ((ordered**2).cumsum(-1) / rho - mean**2)
    tau = mean - np.sqrt(np.maximum((1 - spread) / rho, 0))
    support = (tau <= ordered).sum(-1, keepdims=True)
    tau = np.take_along_axis(tau, support - 1, -1)
    return np.moveaxis(np.maximum(x - tau, 0) ** 2, -1, axis)


def _softmax(scores: np.ndarray, axis: int) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)
