"""Learning the weights of a conditional log-linear model: which of several rows of features is the right one."""

from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np


class Group(NamedTuple):
    """One source span with a known answer.

    rows (float array (n, features)): Row 0 is "not projected", the others are candidates.
    right (int): The right row.
    """

    rows: np.ndarray
    right: int


def learn(
    groups: Sequence[Group], prior: Optional[np.ndarray] = None, l2: float = 1e-4, max_iterations: int = 300
) -> np.ndarray:
    """Maximise the mean log probability of the right rows, under a Gaussian prior. The problem is convex.

    groups (sequence of Group): The data.
    prior (Optional[float array (features,)]): Weights to stay close to; None: 0.
    l2 (float): How close, on features scaled by their standard deviation. With few groups take more.
    max_iterations (int): Of L-BFGS.
    RETURNS (float array (features,)): The weights, of the features as they are.
    """
    from scipy.optimize import minimize

    rows = np.concatenate([g.rows for g in groups])
    starts = np.cumsum([0] + [len(g.rows) for g in groups])[:-1]
    sizes = np.array([len(g.rows) for g in groups])
    right = starts + np.array([g.right for g in groups])
    scale = rows.std(axis=0, dtype="f8")
    used = scale > 1e-9
    scale = np.where(used, scale, 1.0)
    rows = (rows / scale).astype("f4")
    centre = np.zeros(len(scale)) if prior is None else np.where(used, prior * scale, 0.0)
    right_sum = rows[right].sum(axis=0, dtype="f8")

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = rows @ w.astype("f4")
        z = z.astype("f8") - np.repeat(np.maximum.reduceat(z, starts), sizes)
        p = np.exp(z)
        sums = np.add.reduceat(p, starts)
        value = np.log(sums).sum() - z[right].sum()
        gradient = (p / np.repeat(sums, sizes)).astype("f4") @ rows - right_sum
        away = w - centre
        return value / len(groups) + l2 * (away @ away) / 2, gradient / len(groups) + l2 * away

    found = minimize(loss, centre, jac=True, method="L-BFGS-B", options={"maxiter": max_iterations, "ftol": 1e-8})
    learnt = found.x / scale
    return np.where(used, learnt, 0.0 if prior is None else prior)
