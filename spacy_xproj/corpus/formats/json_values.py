"""JSON as people have it: one value a line, one array of all, or values over several lines."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from ...errors import InputError, XprojError
from ...limits import check_json, limit, long_line, parse_json
from .lines import CHUNK
from .report import Report

_DECODER = json.JSONDecoder()
_GAP = re.compile("[ \\t\\r\\n,\ufeff]*")
Found = Iterator[tuple[int, Any]]


def json_values(
    lines: Callable[[], Iterable[tuple[int, str]]], chunks: Callable[[], Iterable[str]], head: list[str], report: Report
) -> Found:
    """Read the records of a file: the values of its lines, or the items of its one array. An array is read in pieces
    and never as a whole.

    lines, chunks (Callable): Read the file line by line, or in pieces.
    head (list of str): Its first lines.
    report (Report): Is told of what is not JSON.
    YIELDS (tuple of int and Any): The line where the value starts, and the value.
    """
    if is_array(head):
        yield from _array(chunks(), report)
        return
    for number, line in lines():
        if line.strip():
            try:
                value = parse_json(line)
            except ValueError as err:
                report.problem(number, f"Expected a JSON object on one line: {err}.")
            else:
                yield number, value


def first_values(head: list[str]) -> list[Any]:
    """The JSON values at the beginning of a file; none where it is not JSON.

    head (list of str): Its first lines.
    RETURNS (list): The values; None for a line that holds none.
    """
    if next((line.lstrip("\ufeff \t")[:1] for line in head if line.strip()), "") not in ("{", "["):
        return []
    values: list[Any] = []
    if is_array(head):
        try:
            for _, value in _array(["\n".join(head)], Report()):
                values.append(value)
        except InputError:  # cut at the end of the sample, or broken further on
            pass
        return values
    for line in head:
        if line.strip():
            try:
                values.append(parse_json(line))
            except ValueError:
                values.append(None)
    return values


def is_array(head: list[str]) -> bool:
    """Whether a file is one array, or a value that takes several lines, and not one value a line.

    head (list of str): Its first lines.
    RETURNS (bool): Whether it must be read across lines.
    """
    lines = [line for line in head if line.strip()][:2]
    if not lines or lines[0].lstrip()[:1] not in ("[", "{"):
        return False
    try:
        first = parse_json(lines[0])
    except XprojError:
        return False
    except ValueError:
        # A broken first line of an object a line also comes here, where the next one would be whole.
        return lines[0].strip("\ufeff \t") in ("[", "{") or not _whole(lines[1:])
    # `["text", {...}]` is the record of a line, `[{...}, {...}]` an array of records.
    return isinstance(first, list) and len(lines) == 1 and not (first and isinstance(first[0], str))


def _whole(lines: list[str]) -> bool:
    try:
        return all(isinstance(parse_json(line), (dict, list)) for line in lines) and bool(lines)
    except ValueError:
        return False


def _array(chunks: Iterable[str], report: Report) -> Found:
    """The items of an array, or values one after the other."""
    text, at, line, counted, inside, wait = "", 0, 1, 0, False, 0
    for piece in chain(chunks, [""]):
        line += text.count("\n", counted, at)
        text, at, counted = text[at:] + piece, 0, 0
        if piece and len(text) < wait:
            continue
        if len(text) > limit("line_bytes") + CHUNK:
            report.problem(line, long_line())
            return
        while (at := _GAP.match(text, at).end()) < len(text):  # type: ignore[union-attr]
            line, counted = line + text.count("\n", counted, at), at
            if text[at] == ("]" if inside else "["):
                inside, at = not inside, at + 1
                continue
            try:
                value, end = _DECODER.raw_decode(text, at)
                check_json(text[at:end], value)
            except (ValueError, RecursionError) as err:
                if piece and type(err) is json.JSONDecodeError:  # the value may go on in the next pieces
                    wait = 2 * (len(text) - at)
                    break
                report.problem(line, f"Expected JSON: {err}.")
                return
            yield line, value
            at = end
