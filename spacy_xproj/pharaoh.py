"""The Pharaoh format: one line a sentence pair, `source-target` word indices counted from 0, such as `0-0 1-2 2-1`."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Optional, Union

import numpy as np

from .errors import InputError, XprojError
from .files import read_lines, replacing

ITEM = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")


def parse_pharaoh(line: str, n_source: Optional[int] = None, n_target: Optional[int] = None) -> np.ndarray:
    """Read the links of one line.

    line (str): The line.
    n_source (Optional[int]): Number of source words. None: any index will do.
    n_target (Optional[int]): Number of target words. None: any index will do.
    RETURNS (int32 array (n, 2)): The links in the order of the line; one that comes again is left out.
    RAISES (XprojError): At the first item that is not `i-j` or is out of range.
    """
    links: dict[tuple[int, int], None] = {}
    for item in line.split():
        match = ITEM.fullmatch(item)
        if match is None:
            raise XprojError(
                f"Expected links such as 0-0 1-2 (source word, target word, counted from 0), but got {item!r}."
            )
        link = int(match[1]), int(match[2])
        for index, n, side in zip(link, (n_source, n_target), ("source", "target")):
            if n is not None and index >= n:
                raise XprojError(
                    f"The link {item!r} points at {side} word {index}, but there are {n} (counted from 0). Was the "
                    "text tokenized anew after it was aligned?"
                )
        links[link] = None
    return np.array(list(links), "i4").reshape(-1, 2)


def format_pharaoh(links: Iterable[Iterable[int]]) -> str:
    """Write links as one line.

    links (int array (n, 2) or iterable of pairs): The links.
    RETURNS (str): The line, without its end.
    """
    return " ".join(f"{int(i)}-{int(j)}" for i, j in links)


def read_pharaoh(path: Union[str, Path]) -> Iterator[np.ndarray]:
    """Read a file line by line. An empty line is a sentence pair without links.

    path (str or Path): The file, in UTF-8.
    YIELDS (int32 array (n, 2)): The links of one line, in its order; one that comes again is left out.
    RAISES (InputError): If there is no such file, and at the first line that is not in the format.
    """
    if not Path(path).is_file():
        raise InputError(path, "There is no such file of word alignments.")
    for number, line in read_lines(path):
        try:
            yield parse_pharaoh(line)
        except XprojError as err:
            raise InputError(path, str(err), number) from None


def write_pharaoh(path: Union[str, Path], rows: Iterable[Iterable[Iterable[int]]]) -> None:
    """Write a file, whole or not at all.

    path (str or Path): The file.
    rows (iterable of (int array (n, 2) or iterable of pairs)): The links of each sentence pair.
    """
    with replacing(path) as beside, open(beside, "w", encoding="utf-8", newline="\n") as file:
        for links in rows:
            file.write(format_pharaoh(links) + "\n")
