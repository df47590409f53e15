"""Import and export of translation memories: TSV, JSONL and TMX."""

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Optional, Union

from ..errors import InputError, XprojError
from ..languages import match_level
from .memory import Memory, problem
from .store import Store
from .tmx import read_tmx, tmx_lines

logger = logging.getLogger(__name__)
PathLike = Union[str, Path]
# The line of an entry and its two texts, or None if it is not in the wanted languages.
Rows = Iterator[tuple[int, Optional[tuple[str, str]]]]


def import_memory(
    memory: Union[Memory, Store, PathLike],
    file: PathLike,
    source_lang: str,
    target_lang: str,
    format: Optional[str] = None,
    overwrite: bool = False,
    both: bool = False,
) -> dict[str, int]:
    """Add the entries of a file to a translation memory: all of them, or none if the file is not in order.

    TSV: UTF-8, `source<TAB>target` a line, nothing is escaped. JSONL: UTF-8, `{"source": ..., "target": ...}`
    a line, optionally with "source_lang" and "target_lang". TMX: version 1.4, see `read_tmx`. Blank lines are
    skipped. Entries of other languages are left out; a narrower code in the file fits (see `match_level`).

    memory (Memory, Store, str or Path): The memory or its path; made if it is not there.
    file (str or Path): The file to import.
    source_lang, target_lang (str): The direction, as it will be looked up.
    format (Optional[str]): "tsv", "jsonl" or "tmx". None: by the ending of the file.
    overwrite, both (bool): As in `Memory.add`.
    RETURNS (dict[str, int]): The counts of `Memory.add`, and `skipped`: entries of other languages or, in
        TMX, without a text on one side. Conflicts are logged as well.
    RAISES (InputError): With file and line where there is one.
    """
    read = _FORMATS[_format(file, format)][0]
    counts = {"skipped": 0}

    def pairs() -> Iterator[tuple[str, str]]:
        counts["skipped"] = 0
        empty = True
        for line, pair in read(Path(file), source_lang, target_lang):
            if pair is None:
                counts["skipped"] += 1
            elif message := problem(*pair):
                raise InputError(file, line, message)
            else:
                empty = False
                yield pair
        if empty:
            raise InputError(
                file,
                None,
                f"Expected translations from {source_lang!r} to {target_lang!r}, got none "
                f"({counts['skipped']} entries were of other languages or had an empty side). Check the file "
                "and the language codes.",
            )

    store = _store(memory)
    if store.path and not os.path.exists(store.path):  # a bad file must not leave an empty memory behind
        for _ in pairs():
            pass
    counts.update(store.add(pairs(), source_lang, target_lang, Path(file).name, overwrite, both))
    if counts["conflicts"]:
        message = "%s: left %d entries out, for which the memory holds another target text."
        logger.warning(message, file, counts["conflicts"])
    return counts


def export_memory(
    memory: Union[Memory, Store, PathLike],
    file: PathLike,
    source_lang: str,
    target_lang: str,
    format: Optional[str] = None,
) -> int:
    """Write the entries of one direction to a file, in the order in which they came. Of several entries for a
    text the one given by people is written, or else the first one of a backend. Carried spans are not
    written, nor are entries with an empty side.

    memory (Memory, Store, str or Path): The memory or its path.
    file (str or Path): Written beside and renamed.
    source_lang, target_lang (str): The direction.
    format (Optional[str]): As in `import_memory`.
    RETURNS (int): The number of entries.
    RAISES (XprojError): If a text cannot be written in the format: tabs and line breaks in TSV, which has no
        way of escaping them; control characters in TMX.
    """
    write = _FORMATS[_format(file, format)][1]
    count = 0

    def pairs(store: Store) -> Iterator[tuple[str, str]]:
        nonlocal count
        for source, target in store.entries(source_lang, target_lang):
            if not problem(source, target):
                count += 1
                yield source, target

    new = Path(f"{file}.{os.getpid()}.new")
    try:
        store = _store(memory, read_only=True)
        with new.open("w", encoding="utf8", newline="\n") as f:
            f.writelines(write(pairs(store), source_lang, target_lang))
        os.replace(new, file)
    except OSError as err:
        raise InputError(file, None, f"The file cannot be written ({err}).") from err
    finally:
        new.unlink(missing_ok=True)
    return count


def _store(memory: Union[Memory, Store, PathLike], read_only: bool = False) -> Store:
    """The store of a memory, or that of a path."""
    if isinstance(memory, (Memory, Store)):
        return memory.store if isinstance(memory, Memory) else memory
    return Store(memory, read_only)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers. Lines end at line feeds and nowhere else."""
    try:
        with file.open("rb") as f:
            for number, raw in enumerate(f, 1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf8")
                except UnicodeDecodeError as err:
                    raise InputError(file, number, f"Expected UTF-8, got bytes that are not ({err.reason}).") from err
                line = line.removesuffix("\n").removesuffix("\r")
                if line.strip():
                    yield number, line
    except OSError as err:
        raise InputError(file, None, f"The file cannot be read ({err}).") from err


def _read_tsv(file: Path, source_lang: str, target_lang: str) -> Rows:
    for number, line in _lines(file):
        fields = line.split("\t")
        if len(fields) != 2:
            raise InputError(file, number, f"Expected source<TAB>target, got {len(fields)} fields.")
        yield number, (fields[0], fields[1])


def _write_tsv(pairs: Iterable[tuple[str, str]], source_lang: str, target_lang: str) -> Iterator[str]:
    for source, target in pairs:
        if any(c in target for c in "\t\n\r"):
            raise XprojError(
                f"The translation of {source!r} holds a tab or a line break, which TSV cannot hold: export "
                "the memory as JSONL or TMX."
            )
        yield f"{source}\t{target}\n"


def _read_jsonl(file: Path, source_lang: str, target_lang: str) -> Rows:
    for number, line in _lines(file):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as err:
            raise InputError(file, number, f"Expected a JSON object on one line, got something else ({err}).") from err
        if not isinstance(row, dict) or "source" not in row or "target" not in row:
            raise InputError(file, number, 'Expected a JSON object with "source" and "target".')
        langs = [row.get("source_lang", source_lang), row.get("target_lang", target_lang)]
        if not all(isinstance(lang, str) for lang in langs):
            raise InputError(file, number, 'Expected language codes in "source_lang" and "target_lang".')
        wanted = match_level(langs[0], source_lang) and match_level(langs[1], target_lang)
        yield number, ((row["source"], row["target"]) if wanted else None)


def _write_jsonl(pairs: Iterable[tuple[str, str]], source_lang: str, target_lang: str) -> Iterator[str]:
    for source, target in pairs:
        row = {"source": source, "target": target, "source_lang": source_lang, "target_lang": target_lang}
        yield json.dumps(row, ensure_ascii=False) + "\n"


_FORMATS: dict[str, tuple[Callable[..., Rows], Callable[..., Iterator[str]]]] = {
    "tsv": (_read_tsv, _write_tsv),
    "jsonl": (_read_jsonl, _write_jsonl),
    "tmx": (read_tmx, tmx_lines),
}


def _format(file: PathLike, format: Optional[str]) -> str:
    name = format if format is not None else Path(file).suffix.removeprefix(".").lower()
    if name not in _FORMATS:
        raise InputError(
            file,
            None,
            f"Expected one of the formats {', '.join(_FORMATS)}, got {name!r}: give it by name.",
        )
    return name
