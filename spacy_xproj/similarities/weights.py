"""The weights of `spacy_xproj.Ranker.v1` by name: those in JSON files, and between features of other evidence."""

import json
from collections.abc import Collection, Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Optional

import numpy as np

from ..errors import InputError
from .feature_names import STAGES, with_parts

NAME = "spacy_xproj.Ranker.v1"
SHIPPED = "ranker_weights.json"


def by_name(weights: Mapping[str, float], parts: Iterable[str]) -> np.ndarray:
    """Weights in the order of the features. Those of features that there are not are left aside.

    weights (mapping of str to float): By feature; 0 where there is none.
    parts (iterable of str): As in `with_parts`.
    RETURNS (float array (features,)): The weights.
    """
    return np.array([float(weights.get(name, 0.0)) for name in with_parts(parts)])


def read_weights(path: Optional[str] = None, parts: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Weights from a JSON file: for each of `STAGES` an object of feature names and weights, and in `evidence` the
    names of the parts of further evidence that some of these are of.

    path (Optional[str]): The file; None: the shipped one.
    parts (collection of str): Those that there are, see `with_parts`. What the file has of others is left aside, and
        the weights of those that it does not have are 0.
    RAISES (InputError): If it is no such file.
    """
    source = files(__package__).joinpath(SHIPPED) if path is None else Path(path)
    try:
        found = json.loads(source.read_text(encoding="utf-8"))
        data, known = found["weights"], with_parts({*parts, *found.get("evidence", ())})
        unknown = {name for stage in STAGES for name in data[stage] if name not in known}
        if unknown:
            raise ValueError(f"no feature is called {', '.join(sorted(unknown))}")
        return {stage: by_name(data[stage], parts) for stage in STAGES}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise InputError(str(source), None, f"Expected weights for {NAME} in JSON ({err!r}).") from err
