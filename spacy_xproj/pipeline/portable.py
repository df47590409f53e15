"""The config that spaCy saves with a pipeline, without the paths of what the pipes' states hold."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spacy.language import Language
from thinc.api import Config

from ..state import State, Stateful

# Settings of parts that are paths: what is there is in their states.
LOCAL = ("cache", "converted", "model", "models", "path", "prior", "sources", "weights")


def forget_paths(folder: Path, name: str, parts: dict[str, Stateful]) -> None:
    """Leave out of a pipeline's saved config the paths that a pipe has no need of any more: on another machine they
    lead nowhere. The other sections lose these paths, too, and `[paths]` all that it has.

    folder (Path): Where `nlp.to_disk` is saving the pipeline to. Otherwise nothing happens.
    name (str): The pipe.
    parts (dict): Those of its parts that were saved, by name.
    """
    path = folder / "config.cfg"
    if not is_being_saved(folder) or not path.is_file():
        return
    config = Config().from_disk(path, interpolate=False)
    if gone := set(emptied(config["components"].get(name, {}), parts)):
        for section in config.keys() - {"components"}:
            forget(config[section], {text for text in gone if "/" in text})
        config["paths"] = dict.fromkeys(config.get("paths", {}))
        config.to_disk(path)


def is_being_saved(folder: Path) -> bool:
    """Whether this is called by a `nlp.to_disk` that has written its config to the folder. spaCy asks pipes nothing
    about the config, and writes it before it saves them, to a place that they are not told of. A `config.cfg` beside a
    saved pipe can be a file of the user's, so that only who called can tell.

    folder (Path): The folder.
    """
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code is Language.to_disk.__code__:
            return Path(frame.f_locals["path"]) == folder and "config" not in frame.f_locals["exclude"]
        frame = frame.f_back
    return False


def emptied(block: dict[str, Any], parts: Mapping[str, Any]) -> Iterator[str]:
    """Make the paths in the settings of saved parts empty.

    block (dict): A block of a config, with the blocks in it.
    parts (mapping): The parts that were saved, by the names of their blocks.
    YIELDS (str): Each path that was there.
    """
    for key, value in block.items():
        part = parts.get(key)
        if is_maker(block) and key in LOCAL and (found := paths_in(value)):
            block[key] = type(value)()
            yield from found
        elif isinstance(value, dict) and (not is_maker(value) or isinstance(part, Stateful)):
            inner = part.state_parts() if isinstance(part, State) else {} if is_maker(value) else parts
            yield from emptied(value, inner)


def is_maker(block: dict[str, Any]) -> bool:
    """Whether a block of a config holds the settings of a registered function."""
    return any(key.startswith("@") for key in block)


def paths_in(value: Any) -> list[str]:
    """The texts that a setting is made of: one, a list of them, or one for each name. None if it is something else."""
    if isinstance(value, dict):
        found = [] if is_maker(value) else list(value.values())
    else:
        found = value if isinstance(value, list) else [value]
    return [text for text in found if text] if all(isinstance(text, str) for text in found) else []


def forget(block: Any, gone: set[str]) -> None:
    """Set to null what is one of these texts, in a block of a config and those within."""
    for key, value in block.items() if isinstance(block, dict) else ():
        if isinstance(value, str) and value in gone:
            block[key] = None
        else:
            forget(value, gone)
