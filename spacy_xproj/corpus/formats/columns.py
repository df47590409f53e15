"""The layout of files with a token a line: what separates the columns, and what they hold."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Optional

from .report import Report
from .tagging import TAG, scheme_of

DOCSTART = "-DOCSTART-"
BLANKS = re.compile(r"[ \t]+")  # a no-break space is part of a token
INDEX = re.compile(r"[0-9]+")
MULTIWORD = re.compile(r"[0-9]+[-.][0-9]+")
TEXT = re.compile(r"#\s*text\s*=\s?(.*)", re.DOTALL)
MISC = 9  # of CoNLL-U
HEAD = re.compile(r"[0-9]+|_")
PARSE = 5  # of CoNLL-2012
HEADER = {"token", "tokens", "word", "words", "form", "text"}
Line = tuple[int, str]


@dataclass(frozen=True)
class Layout:
    """What the columns hold.

    separator (Optional[str]): What splits columns. None: runs of blanks.
    columns (int): How many a line has; with an index, how many it has at least.
    token (int), tag (Optional[int]): The columns. No tag column: the file is not labeled.
    nested (Optional[int]): A second column of tags, of the entities inside others.
    first (Optional[int]): The index of the first token of a sentence, where the first column counts them.
    scheme (str): See `scheme_of`.
    share (float): How many of the lines at the beginning of the file are like this.
    """

    separator: Optional[str] = "\t"
    columns: int = 1
    token: int = 0
    tag: Optional[int] = None
    nested: Optional[int] = None
    first: Optional[int] = None
    scheme: str = "prefixed"
    share: float = 0.0

    def fields(self, line: str) -> list[str]:
        """Split a line. Empty fields at its end are left out."""
        if self.separator:
            return line.rstrip("\t ").split("\t")
        return BLANKS.split(line.strip("\t "))


def is_docstart(line: str) -> bool:
    """Whether a line only says that a document starts."""
    return line.lstrip().startswith(DOCSTART)


def blocks(lines: Iterable[Line], report: Optional[Report] = None) -> Iterator[list[Line]]:
    """Split lines into sentences, which end at lines of nothing but white space and at `-DOCSTART-` lines. The latter
    are left out and counted as `docstart_lines`.

    lines (iterable of (int, str)): The lines with their numbers.
    report (Optional[Report]): Is told of lines that are left out.
    YIELDS (list of (int, str)): The lines of a sentence.
    """
    block: list[Line] = []
    for number, line in lines:
        docstart = is_docstart(line)
        if docstart and report is not None:
            report.note("docstart_lines", number)
        if line.strip(" \t\r\ufeff") and not docstart:
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def find_layout(head: Sequence[str], index: Optional[bool] = None) -> Layout:
    """Find the layout of a file by its first lines as a whole.

    head (sequence of str): The lines.
    index (Optional[bool]): Whether the first column counts the tokens. None: see.
    RETURNS (Layout): The layout that most lines have.
    """
    # A '#' line is a comment unless it has the columns of the others: find out without these lines first.
    sentences = list(blocks(enumerate(head, 1)))
    lines = [line for block in sentences for _, line in block if not line.startswith("#")]
    lines = lines or [line for block in sentences for _, line in block]
    tabs = sum("\t" in line.rstrip("\t ") for line in lines)
    separator = "\t" if tabs and tabs * 2 >= len(lines) else None
    plain = Layout(separator)
    rows = [[plain.fields(line) for _, line in block if not line.startswith("#")] for block in sentences]
    rows = [block for block in rows if block]
    flat = [row for block in rows for row in block]
    if flat and flat[0][0].lower() in HEADER:
        del flat[0]
    sizes = Counter(map(len, flat))
    columns = max(sizes, key=sizes.__getitem__, default=2)  # the first of equals
    first = _first_index(rows) if index is not False and (columns >= 3 or index) else None
    if index and first is None:
        first = 1
    if first is not None:
        return _indexed(separator, flat, first)
    flat = [row for row in flat if len(row) == columns]
    share = len(flat) / max(1, sum(sizes.values()))
    if columns == 1:
        # Words of one column hold no blanks: lines that do are something else.
        words = [line for line in lines if " " not in line.strip()]
        return Layout("\t", 1, share=len(words) / max(1, len(lines)))
    values = [Counter(row[i] for row in flat) for i in range(columns)]
    found = [scheme_of(column) for column in values]
    # Tags are in the last column, or in the only one that holds nothing else. A column of "-" alone tells nothing.
    good = [i for i, (_, fits) in enumerate(found) if fits >= 0.95 and set(values[i]) != {"-"}]
    tag = columns - 1 if columns - 1 in good or len(good) != 1 else good[0]
    scheme, fits = found[tag]
    token = 0 if tag else 1
    return Layout(separator, columns, token, tag, None, None, scheme, share * fits)


def _indexed(separator: Optional[str], flat: list[list[str]], first: int) -> Layout:
    flat = [row for row in flat if not MULTIWORD.fullmatch(row[0])]
    least = min((len(row) for row in flat), default=3)
    whole = [row for row in flat if len(row) >= 3]
    found = [scheme_of(Counter(row[i] for row in whole)) for i in range(2, max(3, least))]
    # The tag is the first column that holds tags. An annotator or a second level of entities may follow.
    good = [i for i, (_, share) in enumerate(found, 2) if share >= 0.5]
    tag = good[0] if good else 2
    inner = Counter(row[tag + 1] for row in whole) if tag + 1 in good else Counter()
    nested = tag + 1 if any(len(value) > 1 for value in inner) else None
    scheme, share = found[tag - 2]
    return Layout(separator, tag + 1, 1, tag, nested, first, scheme, share * len(whole) / max(1, len(flat)))


def _first_index(rows: list[list[list[str]]]) -> Optional[int]:
    """The number at which the first column starts to count the tokens of each sentence, if it does."""
    counted: list[list[int]] = []
    for block in rows:
        index = [row[0] for row in block if len(row) >= 3 and not MULTIWORD.fullmatch(row[0])]
        if not all(map(INDEX.fullmatch, index)):
            return None
        if index:
            counted.append([int(number) for number in index])
    firsts = {block[0] for block in counted}
    # A blank line may be missing where the count starts anew, and a number here and there may be wrong.
    steps = [b == a + 1 or b in firsts for block in counted for a, b in pairwise(block)]
    if firsts and firsts <= {0, 1} and sum(steps) * 2 >= len(steps):
        return min(firsts)
    flat = [number for block in counted for number in block]
    # A spreadsheet counts the lines of the whole file.
    return -1 if len(flat) > 2 and flat == list(range(flat[0], flat[0] + len(flat))) else None


def is_comment(line: str, fields: Sequence[str], layout: Layout, at_start: bool) -> bool:
    """Whether a line is a comment: it begins with '#', and does not have the columns of the others.

    line (str): The line.
    fields (sequence of str): Its columns.
    layout (Layout): The layout of the file.
    at_start (bool): Whether no token of the sentence came before it.
    RETURNS (bool): Whether to leave it out.
    """
    if not line.startswith("#") or layout.columns == 1:
        return False
    if layout.first is not None:
        return True
    if len(fields) == layout.columns and layout.tag is not None and TAG.fullmatch(fields[layout.tag]):
        return False
    return at_start or line.startswith(("# ", "#\t")) or line == "#"


def has_ten_columns(head: Sequence[str]) -> bool:
    """Whether the first lines of a file are those of CoNLL-U."""
    rows = [line.split("\t") for line in head if line.strip() and not line.startswith("#")]
    if not rows:
        return False
    good = [
        len(row) >= MISC + 1 and (row[0].isdigit() or bool(MULTIWORD.fullmatch(row[0]))) and HEAD.fullmatch(row[6])
        for row in rows
    ]
    return sum(map(bool, good)) * 100 >= 98 * len(rows)


def has_brackets(head: Sequence[str]) -> bool:
    """Whether the first lines of a file are those of CoNLL-2012."""
    rows = blank_rows(head)
    return bool(rows) and all(len(row) >= 11 and row[2].isdigit() and "*" in row[PARSE] for row in rows)


def blank_rows(head: Sequence[str]) -> list[list[str]]:
    """The fields of lines that are split by blanks, without comments."""
    return [line.split() for block in blocks(enumerate(head, 1)) for _, line in block if not line.startswith("#")]
