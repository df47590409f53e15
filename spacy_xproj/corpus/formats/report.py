"""What a reader has to say about a file: repairs with their lines, and problems."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Optional, Union

from ...errors import InputError

SHOWN = 3  # lines that a table gives as examples


class Note(NamedTuple):
    """One remark on a file.

    kind (str): Its name, such as `orphan_i`; "problem" for what makes a record unusable.
    """

    path: str
    line: Optional[int]
    kind: str
    message: str


class Report:
    """Count and list what a reader repairs, and collect or raise what it cannot read.

    counts (Optional[Counter]): Is added to, one count a kind.
    lenient (bool): Go on after a problem, leaving its record out. False: raise it.
    sink (Optional[Callable[[Note], None]]): Is called with each note.
    """

    def __init__(
        self, counts: Optional[Counter] = None, *, lenient: bool = False, sink: Optional[Callable[[Note], None]] = None
    ):
        self.counts = Counter() if counts is None else counts
        self.lenient, self.sink = lenient, sink
        self.path: Union[str, Path] = ""
        self.format = ""  # what the file was taken for
        self.problems = 0
        self.examples: dict[str, list[int]] = {}  # the first lines of each kind

    def note(self, kind: str, line: Optional[int] = None, message: str = "", n: int = 1) -> None:
        """Count a repair and list it.

        kind (str): Its name.
        line (Optional[int]): The line, counted from 1.
        message (str): What was found, for the list.
        n (int): How many.
        """
        self.counts[kind] += n
        shown = self.examples.setdefault(kind, [])
        if line is not None and len(shown) < SHOWN and line not in shown:
            shown.append(line)
        if self.sink is not None:
            self.sink(Note(str(self.path), line, kind, message))

    def problem(self, line: Optional[int], message: str) -> None:
        """Raise what cannot be read, or list it where the report is lenient.

        line (Optional[int]): The line, counted from 1.
        message (str): What was expected, what came, and what to do.
        RAISES (InputError): Unless the report is lenient.
        """
        if not self.lenient:
            raise InputError(self.path, message, line)
        self.problems += 1
        if self.sink is not None:
            self.sink(Note(str(self.path), line, "problem", message))
