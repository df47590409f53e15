"""The content key of a run: all that its result depends on, part by part. All verbs use this one."""

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Optional, Union

from spacy.util import get_package_path

from . import __version__
from .errors import InputError
from .files import check_replaceable, file_hash, is_intact, read_note, text_hash
from .limits import DEFAULTS, IN_RESULTS, limit
from .store import Store

Key = dict[str, str]
PACKAGE = "spacy-xproj"  # the part that holds the version of this package
LONG = 100  # longer values are hashed
FILLED = {"cache", "converted"}  # settings whose files a run fills by itself: they speed it up and do not change it
MODELS = {"source", "model", "models", "vectors", "init_tok2vec"}  # settings that can name an installed package
LEFT_OUT = {"paths", "corpora", "training", "pretraining"}  # `paths` are read where the other sections name them
OWNERS = {"config": "config's", "teachers": "teachers'"}


def run_key(
    inputs: Mapping[str, Optional[Union[str, Path]]],
    options: Optional[Mapping[str, Any]] = None,
    config: Optional[Mapping[str, Any]] = None,
) -> Key:
    """Make the key of a run.

    inputs (mapping of str to str or Path): Files and folders by what they are for; they count by their content. None is
        left out.
    options (Optional[mapping of str to Any]): Values by the names of the options. None, False, 0 and empty values are
        left out: the option was not given.
    config (Optional[mapping of str to Any]): The config of the pipeline, interpolated.
    RETURNS (dict[str, str]): The parts, each with a hash or a short value.
    RAISES (InputError): If an input is not there.
    """
    key = {PACKAGE: __version__}
    key.update({f"limit {name}": str(limit(name)) for name in IN_RESULTS if limit(name) != DEFAULTS[name]})
    key.update({name: file_hash(path) for name, path in inputs.items() if path is not None})
    key.update({name: _value(value) for name, value in (options or {}).items() if value})
    return {**key, **config_key("config", {k: v for k, v in (config or {}).items() if k not in LEFT_OUT})}


def config_key(owner: str, config: Mapping[str, Any]) -> Key:
    """Make the parts of a key that come from a config: its settings, and the files and folders that they name.

    owner (str): What the names of the parts begin with: "config" or "teachers".
    config (mapping of str to Any): The config, interpolated.
    RETURNS (dict[str, str]): A part for each setting, and one named "... file" for each that names something on disk.
    """
    key = {}
    for name, value in _settings(owner, config):
        key[name] = _value(value)
        if isinstance(value, str) and (found := _named(name, value)):
            key[f"{name} file"] = found
    return key


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Say part by part how two keys differ.

    old, new (mapping of str to str): The keys.
    RETURNS (list of str): One phrase for each part that is not the same.
    """
    names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    return [_change(name, old.get(name), new.get(name)) for name in names]


def warn_of_changes(path: Union[str, Path], old: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Warn that what is at `path` came from another key and is made anew, and name what changed."""
    found = changes(old, new)
    more = f" and {len(found) - 5} more changes" if len(found) > 5 else ""
    warnings.warn(f"{path} was made from something else: {', '.join(found[:5])}{more}. It is made anew.", stacklevel=3)


def finished(path: Union[str, Path], key: Mapping[str, str], *, warn: bool = True) -> Optional[dict[str, Any]]:
    """Find out whether a folder holds the result of a run.

    path (str or Path): The folder.
    key (mapping of str to str): The key of the run.
    warn (bool): If it holds the result of another run, warn of what changed.
    RETURNS (Optional[dict]): The note in the folder. None: the folder has to be made.
    RAISES (XprojError): If what is there may not be replaced.
    """
    check_replaceable(path)
    note = read_note(path)
    before = note.get("key", {}) if note else key
    if note and before == key and is_intact(path, note["hash"]):
        return note
    if before != key and warn:
        warn_of_changes(path, before, key)
    return None


def _settings(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The settings of a config and of all blocks and lists in it, by their dotted names."""
    if isinstance(value, (list, tuple)):
        value = {str(number): one for number, one in enumerate(value)} or []
    if not isinstance(value, Mapping) or not value:
        yield name, value
    else:
        for inner, one in value.items():
            yield from _settings(f"{name}.{inner}", one)


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= LONG else text_hash(text)


def _named(name: str, value: str) -> Optional[str]:
    """The hash of the file, folder or installed package that a setting names; None if it names none."""
    setting = set(name.split("."))
    if setting & FILLED:
        return None
    with suppress(OSError, ValueError):  # a text that is too long for a name, or has a NUL in it
        path = Path(value)
        if path.is_file():
            with path.open("rb") as file:
                is_memory = file.read(16) == b"SQLite format 3\0"
            return _people_hash(path) if is_memory else file_hash(path)
        # A word such as the name of a language can be the name of a folder by chance.
        path_like = path.name and ("/" in value or any((path / n).is_file() for n in ("meta.json", "config.json")))
        if path_like and path.is_dir():
            return file_hash(path)
    if setting & MODELS and value.isidentifier():
        with suppress(PackageNotFoundError, ImportError):
            return f"{version(value)} {file_hash(get_package_path(value))}"
    return None


def _people_hash(path: Path) -> Optional[str]:
    """The hash of what people put into a translation memory; None if they put nothing there. What translators put there
    they would give again: a run that was stopped finds more of it than before, and is still the same run. Other
    databases count by their bytes."""
    try:
        rows = sorted(row[:4] for row in Store(path, read_only=True).people())
    except InputError:
        return file_hash(path)
    return text_hash(json.dumps(rows)) if rows else None


def _change(name: str, old: Optional[str], new: Optional[str]) -> str:
    owner, _, setting = name.partition(".")
    label = f"{OWNERS[owner]} {setting}" if setting and owner in OWNERS else name
    is_short = old is not None and new is not None and max(len(old), len(new)) <= LONG - 40
    if name == PACKAGE:
        return f"{name} {old} → {new}"
    return f"the {label}: {old} → {new}" if is_short else f"the {label} changed"
