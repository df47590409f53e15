"""Where two files that should agree line by line part."""

from collections.abc import Iterable, Sequence
from itertools import islice

from .length_alignment import Moves, align_texts

MOST = 200_000  # lines of each side that are looked at
GAP = 20.0  # nats for a line without a partner: lines of a parallel text seldom differ so much
LINES: Moves = {(1, 1): 0.0, (1, 0): GAP, (0, 1): GAP}
SHOWN = 60  # characters of a line in a message


def find_partings(
    source: Iterable[Sequence[str]], target: Iterable[Sequence[str]], most: int = MOST
) -> list[tuple[int, int]]:
    """Find the lines that have no partner on the other side.

    source, target (iterable of sequence of str): The words of each line.
    most (int): Number of lines of each side to look at.
    RETURNS (list of (int, int)): For each such line the numbers of the lines, from 0, with which source and target go
        on from there. The first is that of the place where the sides part.
    """
    found = align_texts(list(islice(source, most)), list(islice(target, most)), LINES)
    return [(i, j) for (i, i_end), (j, j_end) in found if i_end - i != j_end - j]


def shortened(text: str) -> str:
    """The beginning of a text for a message."""
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN].rstrip()} …"
