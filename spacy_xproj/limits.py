"""Limits of what is read: a file that is damaged, hostile or of another kind must not take all memory or hang.

An environment variable changes a limit, for worker processes too: `XPROJ_MAX_DOC_TOKENS=5000000 xproj project …`.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, AnyStr, Union

from .errors import InputError, XprojError

# The largest value of each limit, by its name.
DEFAULTS = {
    "doc_tokens": 1_000_000,  # tokens of a document, on either side
    "doc_entities": 100_000,  # entities of a document, on either side
    "entity_depth": 100,  # source entities of a document that hold the same word
    "pair_cells": 1_000_000,  # source words times target words of a sentence pair. Longer ones count as `too_long`.
    "sentence_tokens": 5_000,  # words of a sentence, on either side. Pairs with longer ones count as `too_long`, too.
    "unpacked_bytes": 4 << 30,  # of a .spacy file
    "unpacked_ratio": 250,  # times the size of a .spacy file that it unpacks to, where that is more than 64 MiB
    "objects": 10_000_000,  # values of msgpack in a .spacy file, or in what it says of one Doc
    "file_docs": 100_000,  # Docs that are written to one .spacy file, which takes some 15 KB of memory each
    "line_bytes": 256 << 20,  # of a line of text, or a JSON value
    "json_depth": 100,  # lists and objects within each other
}
IN_RESULTS = ("pair_cells", "sentence_tokens")  # the limits that change a result
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def limit(name: str) -> int:
    """Return a limit.

    name (str): One of `DEFAULTS`.
    RAISES (XprojError): If its environment variable is no number above 0.
    """
    given = os.environ.get(variable(name), "")
    if not given:
        return DEFAULTS[name]
    if not given.isdecimal() or not int(given):
        raise XprojError(f"Expected {variable(name)} to be a whole number above 0, got {given!r}.")
    return int(given)


def variable(name: str) -> str:
    """Return the environment variable that changes a limit."""
    return f"XPROJ_MAX_{name.upper()}"


def check_limit(name: str, n: int, what: str) -> None:
    """Make sure that something is within a limit.

    name (str): The limit.
    n (int): How large the thing is.
    what (str): The thing, for the message: "Doc 3 has {n} tokens".
    RAISES (XprojError): If it is larger.
    """
    if n > limit(name):
        raise XprojError(f"{what.format(n=f'{n:,}')}, more than the limit of {limit(name):,}. {advice(name)}")


def advice(name: str) -> str:
    """Return the sentence that tells how to change a limit."""
    return f"If that is right, set the environment variable {variable(name)} to a larger number."


def bounded_lines(path: Union[str, Path], file: IO[AnyStr]) -> Iterator[tuple[int, AnyStr]]:
    """Read the lines of a file, but no more of one than the limit.

    path (str or Path), file (IO): The file, which ends its lines with LF.
    YIELDS (tuple of int and bytes or str): The number of the line, counted from 1, and the line with its end.
    RAISES (InputError): At a line that is longer.
    """
    most, number = limit("line_bytes"), 0
    while line := file.readline(most + 1):
        number += 1
        if len(line) > most:
            raise InputError(path, long_line(), number)
        yield number, line


def long_line() -> str:
    """Return the message for a line, or a value of JSON, that is too long."""
    return f"The line is longer than the limit of {limit('line_bytes'):,} bytes. {advice('line_bytes')}"


def parse_json(text: str, **options: Any) -> Any:
    """Parse JSON that can be kept: Unicode, and not nested deeply.

    text (str): The JSON.
    options: As of `json.loads`.
    RETURNS (Any): The value.
    RAISES (ValueError): If it is not JSON. XprojError: if it is nested too deeply, or holds half of a surrogate pair.
    """
    try:
        value = json.loads(text, **options)
    except RecursionError:
        raise XprojError(_too_deep()) from None
    check_json(text, value)
    return value


def check_json(text: str, value: Any) -> None:
    """Make sure that parsed JSON can be kept. Arguments and errors are those of `parse_json`."""
    deepest = limit("json_depth")
    if text.count("[") + text.count("{") > deepest and _depth(text) > deepest:
        raise XprojError(_too_deep())
    if "\\u" in text and _HALF.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as err:
            raise XprojError(f"It holds half of a surrogate pair, {err.object[err.start]!r}.") from None


def _depth(text: str) -> int:
    """How deep lists and objects are nested in valid JSON (int)."""
    depth = deepest = 0
    for found in re.finditer(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{\]}]', text, re.S):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _too_deep() -> str:
    return f"The JSON is nested more than {limit('json_depth')} levels deep. {advice('json_depth')}"
