"""Where two files that should agree line by line part."""

from collections.abc import Iterable, Sequence
from itertools import islice

from ..errors import InputError
from .length_alignment import Moves, align_texts

MOST = 200_000  # lines of each side that are looked at
GAP = 20.0  # nats for a line without a partner: lines of a parallel text seldom differ so much
LINES: Moves = {(1, 1): 0.0, (1, 0): GAP, (0, 1): GAP}
SHOWN = 60  # characters of a line in a message


def find_partings(
    source: Iterable[Sequence[str]], target: Iterable[Sequence[str]], most: int = MOST
) -> list[tuple[int, int]]:
    """Find the places where lines have no partner on the other side.

    source, target (iterable of sequence of str): The words of each line.
    most (int): Number of lines of each side to look at.
    RETURNS (list of (int, int)): For each place the numbers, from 0, of the source and the target line where it begins.
    """
    found = align_texts(list(islice(source, most)), list(islice(target, most)), LINES)
    alone = [i_end - i != j_end - j for (i, i_end), (j, j_end) in found]
    return [(i, j) for ((i, _), (j, _)), here, before in zip(found, alone, [False, *alone]) if here and not before]


def disagreement(files: str, source: Sequence[str], target: Sequence[str], left_out: str = "") -> InputError:
    """Make the error for two sides whose numbers of lines differ. It names the first places where they part.

    files (str): The two files.
    source, target (sequence of str): The lines.
    left_out (str): What was left out of the files, if anything.
    RETURNS (InputError): The error.
    """
    found = find_partings(map(str.split, source), map(str.split, target))
    message = f"{len(source):,} source and {len(target):,} target lines, where each should have a partner"
    message += f" ({left_out} were left out); " if left_out else "; "
    if found:
        i, j = found[0]
        texts = [side[at] if at < len(side) else "" for side, at in ((source, i), (target, j))]
        message += f"they seem to part at {place(i, j, *texts)}"
        if len(found) > 1:
            more = ", ".join(f"{min(pair) + 1:,}" for pair in found[1:4])
            message += f", and again at {more}{', …' if len(found) > 4 else ''}"
    else:
        message += f"the first {MOST:,} agree"
    return InputError(files, f"{message}. Mend the files and run it once more.")


def place(i: int, j: int, source: str, target: str) -> str:
    """Name a place in two sides for a message.

    i, j (int): The lines of source and target, from 0.
    source, target (str): Their texts; "" at the end.
    """
    where = f"line {i + 1:,}" if i == j else f"line {i + 1:,} of the source and {j + 1:,} of the target"
    shown = [repr(shortened(text)) if text.strip() else "the end" for text in (source, target)]
    return f"{where}: {shown[0]} and {shown[1]}"


def shortened(text: str) -> str:
    """The beginning of a text for a message."""
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN].rstrip()} …"
