"""The weights of `spacy_xproj.Ranker.v1` by name: JSON files of them, and what they may be."""

import json
from collections.abc import Collection, Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Optional, Union

import numpy as np

from ...errors import InputError
from ...files import replacing
from ...limits import parse_json
from .names import FEATURES, PART, PIECES, PLACE, STAGES, with_parts

NAME = "spacy_xproj.Ranker.v1"
SHIPPED = "weights.json"

# fmt: off
# Evidence that can only speak for a candidate, and only against one. Without these bounds features that say nearly the
# same get weights of opposite signs, which hold for the links and languages that were learnt from, and no others.
FOR = (
    "certain", "uncertain", "same_form", "like_form", "part_form", "capital", "between", "lexical", "dice",
    "stem_lexical", "share_linked", "share_certain", "covered", "covered_any", "covered_chars", "first_form",
    "last_form", "first_to_first", "last_to_last", "first_lexical", "last_lexical", "first_stem_lexical",
    "last_stem_lexical", "before_neighbor", "after_neighbor", "source_edge", "pair_share", "pair_of_form",
    "null_pair_share", "first_edge", "last_edge", "first_inside", "last_inside", "mean_inside",
)
AGAINST = (
    "doubt", "to_other_span", "to_outside", "to_outside_certain", "form_elsewhere", "lower", "near", "apart",
    "far", "uncovered_edges", "length_ratio", "longer", "chars_ratio", "chars_longer", "mean_to_outside",
    "mean_form_elsewhere", "first_lower", "last_lower", "first_outside", "last_outside", "first_unlinked",
    "last_unlinked", "before_linked", "after_linked", "before_lexical", "after_lexical", "before_stem_lexical",
    "after_stem_lexical", "neighbor_first", "neighbor_last", "before_edge", "after_edge", "before_inside",
    "after_inside",
)
# fmt: on


def by_name(weights: Mapping[str, float], parts: Iterable[str]) -> np.ndarray:
    """Weights in the order of the features. Those of features that there are not are left aside.

    weights (mapping of str to float): By feature; 0 where there is none.
    parts (iterable of str): As in `with_parts`.
    RETURNS (float array (features,)): The weights.
    """
    return np.array([float(weights.get(name, 0.0)) for name in with_parts(parts)])


def read_weights(path: Optional[str] = None, parts: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Weights from a JSON file: for each of `STAGES`, and of `PIECES` where it has them, an object of feature names and
    weights, and in `evidence` the names of the parts of further evidence that some of these are of.

    path (Optional[str]): The file; None: the shipped one.
    parts (collection of str): Those that there are, see `with_parts`. What the file has of others is left aside, and
        the weights of those that it does not have are 0.
    RAISES (InputError): If it is no such file.
    """
    source = files(__package__).joinpath(SHIPPED) if path is None else Path(path)
    try:
        found = parse_json(source.read_text(encoding="utf-8"))
        data, known = found["weights"], with_parts({*parts, *found.get("evidence", ())})
        stages = (*STAGES, *(stage for stage in PIECES.values() if stage in data))
        unknown = {name for stage in stages for name in data[stage] if name not in known}
        if unknown:
            raise ValueError(f"no feature is called {', '.join(sorted(unknown))}")
        return {stage: by_name(data[stage], parts) for stage in stages}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise InputError(str(source), f"Expected weights for {NAME} in JSON ({err!r}).") from err


def write_weights(
    path: Union[str, Path], weights: Mapping[str, np.ndarray], about: Mapping[str, object], parts: Collection[str] = ()
) -> None:
    """Write weights to a JSON file; those that are 0 are left out.

    about (mapping): What they were learnt from.
    parts (collection of str): As in `with_parts`.
    """
    rounded = {
        stage: {name: round(float(w), 5) for name, w in zip(with_parts(parts), found) if round(float(w), 5)}
        for stage, found in weights.items()
    }
    evidence = {"evidence": sorted(parts)} if parts else {}
    with replacing(path) as beside:
        text = json.dumps({**about, **evidence, "weights": rounded}, indent=1, ensure_ascii=False)
        beside.write_text(text + "\n", encoding="utf-8")


def zero_weights(parts: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Weights of all stages, all 0.

    parts (iterable of str): As in `with_parts`.
    """
    return {stage: np.zeros(len(with_parts(parts))) for stage in STAGES}


def bounds(parts: Iterable[str] = ()) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest weight that each feature may have when weights are learnt from nothing.

    parts (iterable of str): As in `with_parts`.
    RETURNS (float arrays (features,)): The bounds.
    """
    low = lowest(parts)
    high = np.full(len(low), np.inf)
    low[[PLACE[name] for name in FOR]] = 0
    high[[PLACE[name] for name in AGAINST]] = 0
    return low, high


def lowest(parts: Iterable[str] = ()) -> np.ndarray:
    """The lowest weight that each feature may have when given weights are trained: float array (features,). What a part
    of further evidence says of a candidate speaks for it. There is no bound for the fixed features.

    parts (iterable of str): As in `with_parts`.
    """
    low = np.full(len(with_parts(parts)), -np.inf)
    for k in range(len(FEATURES), len(low), len(PART)):
        low[k : k + 2] = 0
    return low
