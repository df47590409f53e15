"""What is made of the distributions of several teachers, and of a projection beside them: plain numpy.

A row of zeros is a masked token: nothing is known of it, and nothing is learnt from it.
"""

from collections.abc import Sequence
from typing import Union

import numpy as np

UNKNOWN = -1  # in place of a tag: the projection says nothing of this token


def combine(distributions: Sequence[np.ndarray], weights: Union[Sequence[float], np.ndarray]) -> np.ndarray:
    """The weighted mean of the teachers' distributions (Wu et al. 2020, section 3.2).

    distributions (sequence of float array (tokens, tags)): One a teacher, over the same tags.
    weights (sequence of float): One a teacher; they sum to 1.
    RETURNS (float64 array (tokens, tags)): The mean.
    """
    return np.tensordot(np.asarray(weights, "f8"), np.asarray(distributions, "f8"), axes=1)


def agreed(distributions: Sequence[np.ndarray]) -> np.ndarray:
    """Whether all teachers find the same tag most probable.

    distributions (sequence of float array (tokens, tags)): One a teacher, over the same tags.
    RETURNS (bool array (tokens,)): For each token.
    """
    best = np.stack([rows.argmax(axis=1) for rows in distributions])
    return (best == best[0]).all(axis=0)


def mask(rows: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """The rows, with zeros where nothing is to be learnt.

    rows (float array (tokens, tags)): The distributions.
    keep (bool array (tokens,)): The tokens that stay.
    RETURNS (float array (tokens, tags)): A copy.
    """
    return np.where(keep[:, None], rows, 0)


def harden(rows: np.ndarray, best: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The rows, with all of the probability on one tag for some of the tokens.

    rows (float array (tokens, tags)): The distributions.
    best (int array (tokens,)): The tags to have it.
    where (bool array (tokens,)): The tokens to change.
    RETURNS (float array (tokens, tags)): A copy.
    """
    return np.where(where[:, None], np.eye(rows.shape[1])[best], rows)


def against_projection(
    rows: np.ndarray, best: np.ndarray, projected: np.ndarray, how: str, weight: float
) -> np.ndarray:
    """Hold the teachers against a projection.

    rows (float array (tokens, tags)): The distributions.
    best (int array (tokens,)): The teachers' tags.
    projected (int array (tokens,)): Those of the projection; `UNKNOWN` where it says nothing. Such tokens stay.
    how (str): "mask": tokens where the two differ are masked. "mix": the mean of the rows and of the projection, as
        one tag a token.
    weight (float): That of the projection in the mean.
    RETURNS (float array (tokens, tags)): A copy.
    """
    known = projected != UNKNOWN
    if how == "mask":
        return mask(rows, ~known | (best == projected))
    mixed = (1 - weight) * rows + weight * np.eye(rows.shape[1])[np.where(known, projected, 0)]
    return np.where(known[:, None], mixed, rows)
