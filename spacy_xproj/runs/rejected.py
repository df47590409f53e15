"""What a run could not use: a line of JSON each, with the text, its id, the reason, the shard and the number of the Doc
in it."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from ..corpus.manifest import REJECTED, Manifest
from ..files import read_lines, replacing

SET_ASIDE = "docs_set_aside"  # counts the Docs that broke a step or a worker process


def rejected_file(out: Path) -> Path:
    """The file that lists what could not be used for an output."""
    return Path(f"{out}{REJECTED}")


def first_rejected(out: Path) -> str:
    """The first text that is listed for an output, or ""."""
    path = rejected_file(out)
    return next((json.loads(line)["text"] for _, line in read_lines(path)), "") if path.exists() else ""


def as_lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Rows as lines of JSON."""
    return (json.dumps(row, ensure_ascii=False) for row in rows)


def rejected_lines(made: Manifest) -> Iterator[str]:
    """The lines of all shards."""
    shards = (made.path(number).with_suffix(REJECTED) for number in range(len(made.shards)))
    return (line for shard in shards if shard.exists() for _, line in read_lines(shard))


def write_rejected(path: Path, lines: Iterable[str], *, stays: bool = False) -> None:
    """Write lines to a file. Without any there is none.

    path (Path), lines (iterable of str): The file, and its lines.
    stays (bool): Without any line, leave what is there: the output that it belongs to stays, too.
    """
    lines = iter(lines)
    first = next(lines, None)
    if first is not None:
        with replacing(path) as beside, open(beside, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in chain([first], lines))
    elif not stays:
        path.unlink(missing_ok=True)
