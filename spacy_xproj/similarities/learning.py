"""Learning the weights of a conditional log-linear model: which of several rows of features is the right one."""

from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np

CONSTANT = 1e-9  # a feature whose standard deviation is not above this tells nothing


class Group(NamedTuple):
    """One source span with a known answer.

    rows (float array (n, features)): Row 0 is "not projected", the others are candidates.
    right (int): The right row.
    """

    rows: np.ndarray
    right: int


class Stack(NamedTuple):
    """Groups one upon the other.

    rows (float32 array (n, features)): Those of all groups.
    starts, sizes (int arrays (groups,)): Where each group begins, and its number of rows.
    right (int array (groups,)): The place of each right row.
    """

    rows: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    right: np.ndarray


def stack(groups: Sequence[Group], scale: Optional[np.ndarray] = None) -> Stack:
    """Stack groups.

    groups (sequence of Group): At least one.
    scale (Optional[float array (features,)]): What to divide the features by.
    """
    rows = np.concatenate([g.rows for g in groups])
    sizes = np.array([len(g.rows) for g in groups])
    starts = np.cumsum(sizes) - sizes
    right = starts + np.array([g.right for g in groups])
    return Stack((rows if scale is None else rows / scale).astype("f4"), starts, sizes, right)


def loss(data: Stack, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Minus the sum of the log probabilities of the right rows.

    weights (float array (features,)): The weights, of features that are scaled as those of the data are.
    RETURNS (float, float array (features,)): The loss, and its gradient.
    """
    z = data.rows @ weights.astype("f4")
    z = z.astype("f8") - np.repeat(np.maximum.reduceat(z, data.starts), data.sizes)
    p = np.exp(z)
    sums = np.add.reduceat(p, data.starts)
    value = np.log(sums).sum() - z[data.right].sum()
    expected = (p / np.repeat(sums, data.sizes)).astype("f4") @ data.rows
    return float(value), expected - data.rows[data.right].sum(axis=0, dtype="f8")


def learn(
    groups: Sequence[Group],
    prior: Optional[np.ndarray] = None,
    l2: float = 1e-4,
    max_iterations: int = 300,
    bounds: Optional[tuple[np.ndarray, np.ndarray]] = None,
) -> np.ndarray:
    """Maximize the mean log probability of the right rows, under a Gaussian prior and within bounds. The problem is
    convex.

    groups (sequence of Group): The data.
    prior (Optional[float array (features,)]): Weights to stay close to; None: 0.
    l2 (float): How close, on features scaled by their standard deviation. With few groups take more.
    max_iterations (int): Of L-BFGS-B.
    bounds (Optional[pair of float arrays (features,)]): The lowest and the highest weights.
    RETURNS (float array (features,)): The weights, of the features as they are.
    """
    from scipy.optimize import Bounds, minimize

    scale = np.concatenate([g.rows for g in groups]).std(axis=0, dtype="f8")
    used = scale > CONSTANT
    scale = np.where(used, scale, 1.0)
    center = np.zeros(len(scale)) if prior is None else np.where(used, prior * scale, 0.0)
    data = stack(groups, scale)

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = loss(data, w)
        away = w - center
        return value / len(groups) + l2 * (away @ away) / 2, gradient / len(groups) + l2 * away

    within = None if bounds is None else Bounds(*(bound * scale for bound in bounds))
    options = {"maxiter": max_iterations, "ftol": 1e-8}
    found = minimize(objective, center, jac=True, method="L-BFGS-B", bounds=within, options=options)
    learnt = found.x / scale
    return np.where(used, learnt, 0.0 if prior is None else prior)
