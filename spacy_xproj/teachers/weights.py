"""How much each of several teachers counts: the same, or as given."""

import math
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from ..errors import XprojError
from ..part import Part

AVERAGE, FIXED = "spacy_xproj.average_weights.v1", "spacy_xproj.fixed_weights.v1"


class AverageWeights(Part):
    """`spacy_xproj.average_weights.v1`: all teachers count the same ("avg" of Wu et al. 2020)."""

    provenance = "average"

    def __call__(self, docs: Sequence[Any], names: Sequence[str]) -> np.ndarray:
        """The weights.

        docs (sequence of Doc), names (sequence of str): The texts, and the names of the teachers.
        RETURNS (float64 array (docs, teachers)): Each row sums to 1.
        """
        return np.full((len(docs), len(names)), 1 / len(names))


class FixedWeights(Part):
    """`spacy_xproj.fixed_weights.v1`: the weights are given.

    weights (Optional[dict[str, float]]): By the teachers' names, 0 or more; they are divided by their sum. None: there
        are none yet, and no teachers that they would fit.
    RAISES (XprojError): If one is below 0 or no number, or all are 0.
    """

    provenance = "fixed"

    def __init__(self, weights: Optional[dict[str, float]] = None):
        weights = weights or {}
        total = math.fsum(weights.values())
        if weights and not (total > 0 and math.isfinite(total) and min(weights.values()) >= 0):
            raise XprojError(f"{FIXED}: expected weights of 0 or more, with one above 0 at least, got {weights}.")
        self.weights = {name: weight / total for name, weight in weights.items()}

    def __call__(self, docs: Sequence[Any], names: Sequence[str]) -> np.ndarray:
        """The weights.

        docs (sequence of Doc), names (sequence of str): The texts, and the names of the teachers.
        RETURNS (float64 array (docs, teachers)): Each row sums to 1.
        RAISES (XprojError): If these are not the teachers that have a weight.
        """
        if set(names) != set(self.weights):
            listed = [", ".join(sorted(x)) or "none" for x in (self.weights, names)]
            raise XprojError(f"{FIXED}: there are weights for {listed[0]}, but the teachers are {listed[1]}.")
        return np.tile([self.weights[name] for name in names], (len(docs), 1))
