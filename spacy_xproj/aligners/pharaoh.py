"""`spacy_xproj.Pharaoh.v1`: links from a file, made by any aligner elsewhere."""

import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np

from ..bitext import Links, SentencePair
from ..errors import InputError, XprojError
from ..files import read_lines
from ..pharaoh import parse_pharaoh
from ..state import State


class PharaohAligner(State):
    """`spacy_xproj.Pharaoh.v1`: the links in a file, one line a sentence pair, in the order in which the pairs come.

    It keeps its place in the file from call to call; `restart` starts again, as `nlp.pipe` and fitting do.
    A Doc without sentence pairs counts as one, and an empty sentence pair has its line too. At an error the place stays
    where it was, and the line that is to blame stops every later call as well, because what comes after it would get
    the links of another pair. The place is not shared between processes, so workers (`n_process`) are refused.

    path (str): A file in the Pharaoh format. It may be empty until the aligner is first called.
    """

    positional = True
    state_name = "spacy_xproj.Pharaoh.v1"

    def __init__(self, path: str = ""):
        self.path = path
        self._saved: Optional[list[str]] = None  # the lines of a file that is elsewhere
        self.restart()

    @property
    def provenance(self) -> str:
        """What made the links."""
        return f"spacy_xproj.Pharaoh.v1 {Path(self.path).name}"

    def restart(self) -> None:
        """Start again at the first line of the file, which is read anew."""
        self._lines: Optional[list[str]] = None
        self._place = 0
        self._error: Optional[tuple[int, InputError]] = None

    def __call__(self, pairs: Sequence[SentencePair]) -> list[Links]:
        """Take the next lines of the file.

        pairs (sequence of SentencePair): The sentence pairs.
        RETURNS (list of Links): Their links, all with score 1, sorted by source, then target word.
        RAISES (InputError): If a line is not in the format, is out of range for its pair, or is not there.
        RAISES (XprojError): If no path was given, and in a worker process.
        """
        if not self.path:
            raise XprojError("spacy_xproj.Pharaoh.v1 has no file: give the path of a Pharaoh file in `path`.")
        if multiprocessing.parent_process() is not None:
            raise XprojError(
                "spacy_xproj.Pharaoh.v1 takes lines in order and cannot share its place with other processes: run it "
                "with n_process=1."
            )
        if self._lines is None:
            self._lines = self._read()
        out = [self._links(place, pair) for place, pair in enumerate(pairs, self._place)]
        self._place += len(pairs)
        return out

    def _read(self) -> list[str]:
        if self._saved is not None:
            return self._saved
        if not Path(self.path).is_file():
            raise InputError(self.path, "There is no such file of word alignments.")
        return [line for _, line in read_lines(self.path)]

    def state(self) -> dict[str, Any]:
        """The name of the file and its lines, but not the place in it."""
        return {"file": Path(self.path).name, "lines": self._read()} if self.path else {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over a file, in place of the one in the settings, and start at its first line."""
        self.path, self._saved = state.get("file", ""), state.get("lines")
        self.restart()

    def _links(self, place: int, pair: SentencePair) -> Links:
        if self._error is not None and self._error[0] == place:
            raise self._error[1]
        lines = self._lines or []
        try:
            if place >= len(lines):
                raise XprojError(f"The file has only {len(lines)} lines, but there are more sentence pairs.")
            links = parse_pharaoh(lines[place], len(pair.source), len(pair.target))
        except XprojError as err:
            self._error = place, InputError(self.path, str(err), place + 1)
            raise self._error[1] from None
        links = links[np.lexsort((links[:, 1], links[:, 0]))]
        return Links(links, np.ones(len(links), "f4"), {})
