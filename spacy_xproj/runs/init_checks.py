"""What `xproj init` makes sure of before it writes anything: the files go together and are labeled as they must be."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from spacy.util import is_package

from ..corpus import LINES, blank, read_docs
from ..errors import InputError, XprojError
from ..labels import LabelFilter
from .pipelines import PathLike
from .vectors import word_encoder

MEMORY_FILES = (".tsv", ".jsonl", ".tmx")  # others are the lines of one side


def check_files(
    given: dict[str, Optional[PathLike]],
    parallel: Sequence[PathLike],
    source_model: Optional[str],
    model_folder: Optional[str],
    sentences: bool,
) -> None:
    """RAISES (XprojError): If the files do not go together or are not there, or the model is none."""
    if bool(given["source"]) == bool(given["raw"]):
        raise XprojError(
            "Give --source, with its --target lines or with --parallel text to translate it by; or --raw target text "
            "and a --source-model that labels it."
        )
    if given["source"] and bool(given["target"]) == bool(parallel):
        raise XprojError(
            "The source needs its translation: give --target, its lines in the target language, or --parallel, a "
            "translation memory of other text; and not both."
        )
    lines = [path for path in parallel if Path(path).suffix.lower() not in MEMORY_FILES]
    if lines and not len(lines) == len(parallel) == 2:
        raise XprojError(
            f"--parallel takes {', '.join(MEMORY_FILES)}, or two files: the lines of the source, and of the target."
        )
    if given["raw"] and (given["target"] or parallel):
        raise XprojError("--target and --parallel go with --source. With --raw, a --source-model labels the text.")
    if given["raw"] and not source_model:
        raise XprojError("--raw is text without labels: give the --source-model that labels it.")
    if (given["alignments"] or sentences) and not given["target"]:
        raise XprojError("--alignments and --sentences go with --target.")
    for path in (*given.values(), *parallel):
        if path and not Path(path).exists():
            raise InputError(path, "There is no such file or folder.")
    if given["encoder"]:
        word_encoder(given["encoder"])
    if source_model and not model_folder and not is_package(source_model):
        raise XprojError(
            f"--source-model {source_model}: there is no such folder, and no pipeline of this name is installed."
        )
    if model_folder and not any(Path(model_folder, name).is_file() for name in ("meta.json", "config.json")):
        raise XprojError(
            f"--source-model {model_folder}: expected the folder of a spaCy pipeline, with its meta.json, or that of a "
            "token classifier, with its config.json."
        )


def check_labels(
    source: Optional[PathLike],
    gold: Optional[PathLike],
    source_model: Optional[str],
    source_lang: str,
    lang: str,
    labels: LabelFilter,
) -> None:
    """RAISES (InputError): If a file is not labeled as it must be, or a label that is named occurs nowhere in it."""
    found = _labels(source, source_lang, LINES if source_model else None) if source else set()
    there = _labels(gold, lang) if gold else set()
    if source and found and source_model:
        message = (
            "It is labeled, so that --source-model has nothing to label. Leave the option out, or give plain text."
        )
        raise InputError(source, message)
    if source and not found and not source_model:
        raise InputError(source, "No entity in it is labeled. Give labeled text, or a --source-model that labels it.")
    if gold and not there:
        raise InputError(gold, "No entity in it is labeled. Give labeled text.")
    if gold:
        _check_named(gold, LabelFilter(labels.labels), there)
    if source and found:
        _check_named(source, labels, found)
        new = sorted({name for label in found if (name := labels(label))})
        if not new:
            raise InputError(source, "--label-map leaves out all its labels.")
        if gold and not there.intersection(new):
            raise InputError(
                gold,
                f"It has the labels {', '.join(sorted(there))}, and the source {', '.join(new)}: no entity could be "
                "right. Name them alike by --label-map.",
            )


def _check_named(path: PathLike, labels: LabelFilter, found: set[str]) -> None:
    """Check labels (see `LabelFilter.check`), and name the file in the error."""
    try:
        labels.check(found)
    except XprojError as err:
        raise InputError(path, str(err)) from None


def _labels(path: PathLike, lang: str, default: Optional[str] = None) -> set[str]:
    return {ent.label_ for doc in read_docs(path, blank(lang), default=default, own_vocabs=True) for ent in doc.ents}


def map_pairs(labels: LabelFilter) -> str:
    """Return the label map as --label-map takes it."""
    return ",".join(f"{old}={name}" for old, name in sorted(labels.label_map.items()))


def check_names(labels: LabelFilter, license: Optional[str]) -> None:
    """RAISES (XprojError): If a label or the license cannot be written into the commands of project.yml."""
    for text in (*labels.labels, map_pairs(labels), license or ""):
        if found := re.search(r'["\\$\n]', text):
            raise XprojError(f"{text!r}: {found[0]!r} cannot stand in the commands of project.yml. Leave it out.")
    old, new = labels.label_map.keys(), labels.label_map.values()
    if any("," in label for label in (*old, *new)) or any("=" in label for label in old):
        raise XprojError("--label-map: a label with a comma or '=' cannot stand in project.yml. Give it another name.")
