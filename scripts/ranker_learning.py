"""Learning the weights of `spacy_xproj.Ranker.v1` from nothing, within bounds, and writing them to a file."""

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Optional, Union

import numpy as np

from spacy_xproj.files import replacing
from spacy_xproj.similarities.feature_names import PLACE, STAGES, lowest, with_parts
from spacy_xproj.similarities.learning import CONSTANT, Group, loss, stack

# fmt: off
# Evidence that can only speak for a candidate, and only against one. Without these bounds features that say nearly the
# same get weights of opposite signs, which hold for the links and languages that were learnt from, and no others.
FOR = (
    "certain", "uncertain", "same_form", "like_form", "part_form", "capital", "between", "lexical", "dice",
    "share_linked", "share_certain", "covered", "covered_any", "covered_chars", "first_form", "last_form",
    "first_to_first", "last_to_last", "first_lexical", "last_lexical", "before_neighbor", "after_neighbor",
    "source_edge", "pair_share", "pair_count", "pair_known", "first_edge", "last_edge", "first_inside",
    "last_inside", "mean_inside",
)
AGAINST = (
    "doubt", "to_other_span", "to_outside", "to_outside_certain", "form_elsewhere", "lower", "near", "apart",
    "far", "uncovered_edges", "length_ratio", "longer", "chars_ratio", "chars_longer", "mean_to_outside",
    "mean_form_elsewhere", "first_lower", "last_lower", "first_outside", "last_outside", "first_unlinked",
    "last_unlinked", "before_linked", "after_linked", "before_lexical", "after_lexical", "neighbor_first",
    "neighbor_last", "before_edge", "after_edge", "before_inside", "after_inside",
)
# fmt: on


def bounds(parts: Iterable[str] = ()) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest weight that each feature may have: float arrays (features,).

    parts (iterable of str): As in `with_parts`.
    """
    low = lowest(parts)
    high = np.full(len(low), np.inf)
    low[[PLACE[name] for name in FOR]] = 0
    high[[PLACE[name] for name in AGAINST]] = 0
    return low, high


def zero_weights(parts: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Weights of all stages, all 0.

    parts (iterable of str): As in `with_parts`.
    """
    return {stage: np.zeros(len(with_parts(parts))) for stage in STAGES}


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


def write_weights(
    path: Union[str, Path], weights: dict[str, np.ndarray], about: dict[str, object], parts: Collection[str] = ()
) -> None:
    """Write weights to a JSON file; those that are 0 are left out.

    about (dict): What they were learnt from.
    parts (collection of str): As in `with_parts`.
    """
    rounded = {
        stage: {name: round(float(w), 5) for name, w in zip(with_parts(parts), weights[stage]) if round(float(w), 5)}
        for stage in STAGES
    }
    evidence = {"evidence": sorted(parts)} if parts else {}
    with replacing(path) as beside:
        text = json.dumps({**about, **evidence, "weights": rounded}, indent=1, ensure_ascii=False)
        beside.write_text(text + "\n", encoding="utf-8")
