"""The settings of teachers that options of verbs stand in for."""

from collections.abc import Iterable, Sequence
from typing import Any

from spacy.language import Language
from spacy.util import load_config

from ..fitting import xproj_pipes
from ..labels import ALL, LabelFilter
from ..pipeline.teacher import SoftLabeler
from ..shipped import find_config
from .pipelines import PathLike


def teacher_settings(config: PathLike, only: Sequence[str] = (), labels: LabelFilter = ALL) -> dict[str, Any]:
    """Return the config values that make each `xproj_teacher` use some teachers and labels.

    config (str or Path): A config, or a saved pipeline.
    only (sequence of str): The teachers to use. Empty: as the config says.
    labels (LabelFilter): New names of labels, and those to keep. Empty: as the config says.
    RETURNS (dict[str, Any]): Values by their dotted names.
    """
    given = {"only": list(only), "labels": list(labels.labels), "label_map": dict(labels.label_map)}
    values = {setting: value for setting, value in given.items() if value}
    if not values:
        return {}
    path = find_config(config)
    path = path / "config.cfg" if path.is_dir() else path
    blocks = load_config(path, interpolate=False).get("components", {})
    names = [name for name, block in blocks.items() if block.get("factory") == "xproj_teacher"]
    return {f"components.{name}.{setting}": value for name in names for setting, value in values.items()}


def check_teacher_labels(nlp: Language, labels: LabelFilter, also: Iterable[str] = ()) -> None:
    """Make sure that teachers know the labels that a run names.

    nlp (Language): The pipeline of the teachers, made with `teacher_settings`.
    labels (LabelFilter): New names of labels, and those to keep.
    also (iterable of str): Labels that occur elsewhere in the input.
    RAISES (XprojError): If a label that is named occurs nowhere. See `LabelFilter.check`.
    """
    if not labels:
        return
    known = set(also)
    for _, pipe in xproj_pipes(nlp):
        if isinstance(pipe, SoftLabeler):
            types = {kind for name in pipe.used() for kind in pipe.scheme(name).types}
            # A map in the config renames the teachers' labels where there is none in the options.
            known |= types if labels.label_map else {pipe.label_map.get(kind, kind) for kind in types} - {""}
    labels.check(known)
