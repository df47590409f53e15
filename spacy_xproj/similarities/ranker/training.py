"""Learning the weights: which of several rows of features is the right one (a conditional log-linear model).

Two ways lead to the optimum of one objective: `learn` takes all data at once, as for the shipped weights; `Adaptation`
gives gradients of batches to spaCy's optimizers.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np
from thinc.api import Model, NumpyOps

from ...ty import GoldPair
from .batch import Batch, Candidates
from .names import PLACE

Gold = frozenset[tuple[int, int, str]]
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
    start: Optional[np.ndarray] = None,
) -> np.ndarray:
    """Learn weights from all data at once, within bounds. The problem is convex.

    groups (sequence of Group): The data.
    prior (Optional[float array (features,)]): Weights to stay close to; None: 0.
    l2 (float): How close, on features scaled by their standard deviation. With few groups take more.
    max_iterations (int): Of L-BFGS-B.
    bounds (Optional[pair of float arrays (features,)]): The lowest and the highest weights.
    start (Optional[float array (features,)]): Weights to start from, which saves time; None: `prior`.
    RETURNS (float array (features,)): The weights, of the features as they are.
    """
    from scipy.optimize import Bounds, minimize

    scale = np.concatenate([g.rows for g in groups]).std(axis=0, dtype="f8")
    used = scale > CONSTANT
    scale = np.where(used, scale, 1.0)
    center = np.zeros(len(scale)) if prior is None else np.where(used, prior * scale, 0.0)
    first = center if start is None else np.where(used, start * scale, 0.0)
    data = stack(groups, scale)

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = loss(data, w)
        away = w - center
        return value / len(groups) + l2 * (away @ away) / 2, gradient / len(groups) + l2 * away

    within = None if bounds is None else Bounds(*(bound * scale for bound in bounds))
    options = {"maxiter": max_iterations, "ftol": 1e-8}
    found = minimize(objective, first, jac=True, method="L-BFGS-B", bounds=within, options=options)
    learnt = found.x / scale
    return np.where(used, learnt, 0.0 if prior is None else prior)


# From gold to groups


def gold_groups(
    batch: Batch, cells: Candidates, rows: np.ndarray, null: np.ndarray, examples: Sequence[GoldPair]
) -> list[list[Group]]:
    """For each sentence pair, one group for each source span with candidates whose answer is known.

    rows, null (float arrays (n, features), (K, features)): The features of cells and of "not projected".
    examples (sequence of GoldPair): The gold of the sentence pairs of the batch.
    """
    out: list[list[Group]] = [[] for _ in examples]
    ends = np.searchsorted(cells.span, np.arange(len(null) + 1)).tolist()
    for span, (k, label, i, j) in enumerate(zip(batch.pair.tolist(), batch.labels.tolist(), ends, ends[1:])):
        mine = rows[i:j]
        right = right_row(mine, cells.start[i:j], cells.end[i:j], label, examples[k].gold)
        if i < j and (right or examples[k].complete):
            out[k].append(Group(np.concatenate([null[span : span + 1], mine]).astype("f4"), right))
    return out


def right_row(rows: np.ndarray, start: np.ndarray, end: np.ndarray, label: str, gold: Gold) -> int:
    """The row of the gold answer to one source span.

    rows (float array (n, features)): Its candidates.
    start, end (int arrays (n,)): Where they are.
    label (str): Its label.
    gold (frozenset of (int, int, str)): The target's entities.
    RETURNS (int): 1 + the place of the gold candidate, of several of that label the one with most evidence; 0 (null)
        without one.
    """
    hits = [k for k, (i, j) in enumerate(zip(start.tolist(), end.tolist())) if (i, j, label) in gold]
    if not hits:
        return 0
    weight = 2 * rows[:, PLACE["certain"]] + rows[:, PLACE["uncertain"]] + 0.5 * rows[:, PLACE["same_form"]]
    return 1 + max(hits, key=lambda k: weight[k])


# Steps from given weights


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
