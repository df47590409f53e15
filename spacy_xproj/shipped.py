"""The configs that come with the package, by their names."""

import configparser
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Union

from confection import Config
from spacy.util import load_config

from .errors import InputError, XprojError
from .files import replacing

# What spaCy and confection raise where a config names what is not there, or has a value of the wrong kind.
CONFIG_ERRORS = (OSError, ValueError, ImportError, LookupError, TypeError, AttributeError, configparser.Error)


def shipped_configs() -> dict[str, Path]:
    """Return the files of the shipped configs by their names, in alphabetical order."""
    folder = Path(str(files("spacy_xproj.configs")))
    return {path.stem: path for path in sorted(folder.glob("*.cfg"))}


def describe(name: str) -> str:
    """Return what a shipped config is, in one line: the comment on its first line."""
    return shipped_configs()[name].read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")


def find_config(config: Union[str, Path]) -> Path:
    """Find a config or saved pipeline by its path, or a shipped config by its name. A path that exists comes first.

    config (str or Path): The path, or a name such as "project_ranker".
    RETURNS (Path): The file or folder.
    RAISES (InputError): If it is neither.
    """
    path, shipped = Path(config), shipped_configs()
    if path.exists():
        return path
    if str(config) in shipped:
        return shipped[str(config)]
    raise InputError(path, f"There is no such config or pipeline. Give a path, or one of {', '.join(shipped)}.")


def read_config(path: Path, overrides: Mapping[str, Any] = {}, *, interpolate: bool = False) -> Config:
    """Read a config.

    path (Path): The file.
    overrides (mapping of str to Any): Values by their dotted names.
    interpolate (bool): Fill its variables in.
    RETURNS (Config): The config.
    RAISES (InputError): If it is none, or its components are no sections.
    """
    try:
        config = load_config(path, overrides=dict(overrides), interpolate=interpolate)
    except (OSError, ValueError, configparser.Error) as err:  # also of text that is not UTF-8
        raise InputError(path, f"The config cannot be read. {err}") from err
    for name, block in config.get("components", {}).items():
        if not isinstance(block, dict):
            raise InputError(path, f"Expected sections of the form [components.NAME], got {name} = {block!r}.")
    return config


def write_config(name: str, path: Union[str, Path]) -> None:
    """Write a shipped config as a file, to change it or for `spacy train`, which knows paths only.

    name (str): The name, such as "ner_cpu".
    path (str or Path): Where to write it. What is there is never written over.
    RAISES (XprojError): If there is no such config, or something is at the path.
    """
    path, shipped = Path(path), shipped_configs()
    if name not in shipped:
        raise XprojError(
            f"Expected the name of a config that comes with the package, got {name!r}: {', '.join(shipped)}."
        )
    if path.exists():
        raise XprojError(f"{path} is there already. Remove it, or give another OUT.")
    with replacing(path) as beside:
        beside.write_bytes(shipped[name].read_bytes())
