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
