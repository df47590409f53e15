"""Training of given weights on gold: how far they have moved from where they were, and the gradient."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from thinc.api import Model, NumpyOps

from .learning import CONSTANT, Group, loss, stack


class Adaptation:
    """Steps from given weights, one array a stage, of features that are scaled by their standard deviation, so that one
    learn rate and one prior fit all.

    low (float array (features,)): The lowest weights, -inf where there is no such bound. A step that goes beyond one
        stops there.
    model (Model): Holds the steps as params, for the optimizer. It is never called.
    scale (dict[str, float array (features,)]): The standard deviations; 1 before `begin`.
    seen (dict[int, int]): Groups that a sentence pair gives, by its key, of all that came since training began.
    """

    def __init__(self, stages: Sequence[str], low: np.ndarray):
        self.low = low
        ops = NumpyOps()
        params = {stage: ops.alloc1f(len(low)) for stage in stages}
        self.model: Model = Model("xproj_ranker", forward, params=params, ops=ops)  # type: ignore[arg-type]
        self.scale = {stage: np.ones(len(low)) for stage in stages}
        self.seen: dict[int, int] = {}
        self.begun = False

    def begin(self, rows: Iterable[tuple[str, np.ndarray]]) -> None:
        """Measure the features. A feature that is constant keeps the scale 1.

        rows (iterable of (str, float array (n, features))): Stages and some of their rows.
        """
        moments: dict[str, list[Any]] = {}
        for stage, some in rows:
            sums = moments.setdefault(stage, [0, 0.0, 0.0])
            sums[0] += len(some)
            sums[1] += some.sum(axis=0, dtype="f8")
            sums[2] += np.square(some, dtype="f8").sum(axis=0)
        for stage, (n, first, second) in moments.items():
            deviation = np.sqrt(np.maximum(second / n - np.square(first / n), 0))
            self.scale[stage] = np.where(deviation > CONSTANT, deviation, 1.0)
            self.begun = True

    def weights(self, stage: str, given: np.ndarray) -> np.ndarray:
        """The weights now.

        given (float array (features,)): Where they were.
        """
        return np.maximum(given + self.model.get_param(stage) / self.scale[stage], self.low)

    def gradient(self, groups: Mapping[str, Sequence[Group]], given: Mapping[str, np.ndarray], prior: float) -> float:
        """Add the gradient of the mean loss of some groups, and that of the prior, to those of the model. The groups
        stand for all that were seen so far: their share of the prior is one in the number of those.

        groups (mapping of str to sequence of Group): By stage.
        given (mapping of str to float array (features,)): Where the weights were.
        prior (float): Precision of the Gaussian prior around these, against the sum of the loss over all groups.
        RETURNS (float): The loss of the last stage, summed over its groups, without the prior.
        """
        value, all_groups = 0.0, max(sum(self.seen.values()), 1)
        for stage, some in groups.items():
            if some:
                step, scale = self.model.get_param(stage), self.scale[stage]
                wanted, low = given[stage] * scale + step, self.low * scale
                value, gradient = loss(stack(some, scale), np.maximum(wanted, low))
                gradient[(wanted < low) & (gradient > 0)] = 0  # only the prior moves what is beyond its bound
                self.model.inc_grad(stage, (gradient / len(some) + prior / all_groups * step).astype("f4"))
        return value


def forward(model: Model, X: Any, is_train: bool) -> Any:
    raise NotImplementedError("This model holds params for an optimizer and computes nothing.")
