"""Files of translations: pairs of a source text and a target text, in TSV, JSONL and TMX."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Optional, Union

from ...codes import match_level
from ...errors import InputError, XprojError
from ...files import replacing
from ...limits import parse_json
from ...texts import pair_problem
from . import Options, Report, Source
from .tmx import read_tmx, tmx_lines
from .tsv import rows

PathLike = Union[str, Path]
Pair = tuple[str, str]
Rows = Iterator[tuple[int, Optional[Pair]]]  # the line of an entry, and its texts; None if it is of other languages


def read_pairs(
    path: PathLike,
    source_lang: str,
    target_lang: str,
    *,
    format: Optional[str] = None,
    counts: Optional[Counter] = None,
    encoding: Optional[str] = None,
) -> Iterator[Pair]:
    """Read translations.

    `tsv`: `source<TAB>target` a line, quoted by the rules of CSV where the whole file shows it. `jsonl`:
    `{"source": ..., "target": ...}` a line, optionally with "source_lang" and "target_lang". `tmx`: version 1.4, see
    `read_tmx`. Blank lines are passed over.

    path (str or Path): The file.
    source_lang, target_lang (str): The direction. Entries of other languages are left out; a narrower code in the file
        fits (see `match_level`).
    format (Optional[str]): "tsv", "jsonl" or "tmx". None: by the ending of the file's name.
    counts (Optional[Counter]): Entries of other languages and, in TMX, those without a text on one side are added as
        `skipped`.
    encoding (Optional[str]): That of TSV and JSONL. None: UTF-8, or what the byte order mark says.
    YIELDS ((str, str)): Source text and target text.
    RAISES (InputError): With file and line where there is one: if the file is not in the format, a text is empty or not
        valid Unicode, or no entry is left.
    """
    read = FORMATS[_format(path, format)][0]
    skipped, empty = 0, True
    seen: set[str] = set()
    source = Source(path, Options(encoding))
    try:
        for line, pair in read(source, source_lang, target_lang, seen):
            if pair is None:
                skipped += 1
            elif message := pair_problem(*pair):
                raise InputError(path, message, line)
            else:
                empty = False
                yield pair
    except OSError as err:
        raise InputError(path, f"The file cannot be read ({err}).") from err
    finally:
        if counts is not None:
            counts["skipped"] += skipped
    if empty:
        codes = f" It has the languages {', '.join(sorted(seen))}." if seen else ""
        message = (
            f"Expected translations from {source_lang!r} to {target_lang!r}, got none ({skipped} entries were of other "
            f"languages or had an empty side).{codes} Check the file and the language codes."
        )
        raise InputError(path, message)


def read_parallel(
    source: PathLike, target: PathLike, *, counts: Optional[Counter] = None, encoding: Optional[str] = None
) -> Iterator[Pair]:
    """Read translations from two files, whose lines are translations of each other.

    source, target (str or Path): The files. They have the same number of lines.
    counts (Optional[Counter]): Lines that are blank on a side are added as `skipped`.
    encoding (Optional[str]): That of both. None: UTF-8, or what their byte order marks say.
    YIELDS ((str, str)): Source text and target text.
    RAISES (InputError): If a file cannot be read, one has more lines, or no line has text on both sides.
    """
    files = [Source(path, Options(encoding)) for path in (source, target)]
    sides = zip_longest(*(file.lines(_report(file)) for file in files))
    found = False
    for a, b in sides:
        if a is None or b is None:
            longer, shorter = (target, source) if a is None else (source, target)
            number = (a or b)[0]
            raise InputError(
                longer, f"{shorter} ends at line {number - 1}: both files must have the same number of lines.", number
            )
        if not a[1].strip() or not b[1].strip():
            if counts is not None:
                counts["skipped"] += 1
            continue
        if message := pair_problem(a[1], b[1]):
            raise InputError(target, message, b[0])
        found = True
        yield a[1].strip(), b[1].strip()
    if not found:
        raise InputError(source, f"Expected lines with text here and in {target}, got none.")


def write_pairs(
    path: PathLike, pairs: Iterable[Pair], source_lang: str, target_lang: str, *, format: Optional[str] = None
) -> int:
    """Write translations, whole or not at all.

    path (str or Path): The file. Missing parent folders are made.
    pairs (iterable of (str, str)): Source texts and target texts.
    source_lang, target_lang (str): The direction.
    format (Optional[str]): As in `read_pairs`.
    RETURNS (int): The number of pairs.
    RAISES (XprojError): If a text cannot be written in the format: tabs and line breaks in TSV, which has no way of
        escaping them; control characters in TMX.
    """
    write = FORMATS[_format(path, format)][1]
    count = 0

    def counted() -> Iterator[Pair]:
        nonlocal count
        for pair in pairs:
            count += 1
            yield pair

    try:
        with replacing(path) as beside, beside.open("w", encoding="utf8", newline="\n") as file:
            file.writelines(write(counted(), source_lang, target_lang))
    except OSError as err:
        raise InputError(path, f"The file cannot be written ({err}).") from err
    return count


def _read_tsv(source: Source, source_lang: str, target_lang: str, seen: set[str]) -> Rows:
    for number, sides in rows(source, _report(source)):
        if len(sides) != 2:
            raise InputError(source.path, f"Expected source<TAB>target, got {len(sides)} fields.", number)
        yield number, (sides[0], sides[1])


def _tsv_lines(pairs: Iterable[Pair], source_lang: str, target_lang: str) -> Iterator[str]:
    for source, target in pairs:
        if any(c in source + target for c in "\t\n\r"):
            raise XprojError(
                f"The translation of {source!r} holds a tab or a line break, which TSV cannot hold: write JSONL or TMX."
            )
        yield f"{source}\t{target}\n"


def _read_jsonl(source: Source, source_lang: str, target_lang: str, seen: set[str]) -> Rows:
    path = source.path
    for number, line in source.lines(_report(source)):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as err:
            raise InputError(path, f"Expected a JSON object on one line, got something else ({err}).", number) from err
        if not isinstance(row, dict) or "source" not in row or "target" not in row:
            raise InputError(path, 'Expected a JSON object with "source" and "target".', number)
        langs = [row.get("source_lang", source_lang), row.get("target_lang", target_lang)]
        if not all(isinstance(lang, str) for lang in langs):
            raise InputError(path, 'Expected language codes in "source_lang" and "target_lang".', number)
        seen.update(langs)
        wanted = match_level(langs[0], source_lang) and match_level(langs[1], target_lang)
        yield number, ((row["source"], row["target"]) if wanted else None)


def _jsonl_lines(pairs: Iterable[Pair], source_lang: str, target_lang: str) -> Iterator[str]:
    for source, target in pairs:
        row = {"source": source, "target": target, "source_lang": source_lang, "target_lang": target_lang}
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _read_tmx(source: Source, source_lang: str, target_lang: str, seen: set[str]) -> Rows:
    return read_tmx(source.path, source_lang, target_lang, seen)


def _report(source: Source) -> Report:
    report = Report()
    report.path = source.path
    return report


FORMATS: dict[str, tuple[Callable[..., Rows], Callable[..., Iterator[str]]]] = {
    "tsv": (_read_tsv, _tsv_lines),
    "jsonl": (_read_jsonl, _jsonl_lines),
    "tmx": (_read_tmx, tmx_lines),
}


def _format(path: PathLike, format: Optional[str]) -> str:
    name = format if format is not None else Path(path).suffix.removeprefix(".").lower()
    if name not in FORMATS:
        raise InputError(path, f"Expected one of the formats {', '.join(FORMATS)}, got {name!r}: give it by name.")
    return name
