"""A file that is to be read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Optional, Union

from spacy.vocab import Vocab

from .json_values import first_values
from .lines import CHUNK, decode_chunks, decode_lines, find_encoding
from .report import Report

SAMPLE_LINES = 2000


@dataclass(frozen=True)
class Options:
    """What a user says of a file.

    encoding (Optional[str]): Its encoding. None: UTF-8, or what the byte order mark says.
    spans_key (Optional[str]): The group of `doc.spans` that holds the entities.
    tag_names (sequence of str): The names of tags that are given as numbers.
    source_lang, lang (Optional[str]): The languages to take out of a file that has several.
    """

    encoding: Optional[str] = None
    spans_key: Optional[str] = None
    tag_names: Sequence[str] = ()
    source_lang: Optional[str] = None
    lang: Optional[str] = None


class Source:
    """A file that is to be read, and a look at its beginning.

    path (str or Path): The file or folder.
    options (Optional[Options]): What the user says of it.
    vocab (Optional[Vocab]): That of the Docs, for files that hold Docs.
    own_vocabs (bool): Give the Docs of each .spacy file an empty vocab like it instead.
    """

    def __init__(
        self,
        path: Union[str, Path],
        options: Optional[Options] = None,
        vocab: Optional[Vocab] = None,
        own_vocabs: bool = False,
    ):
        self.path, self.options = Path(path), options or Options()
        self.vocab, self.own_vocabs = vocab or Vocab(), own_vocabs

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()

    @cached_property
    def encoding(self) -> str:
        return find_encoding(self.path, self.options.encoding)

    @cached_property
    def head(self) -> list[str]:
        """The first lines, at most `SAMPLE_LINES` and about a megabyte. A last line that was cut is left out."""
        if self.path.is_dir():
            return []
        lines, size = [], 0
        for _, line in islice(decode_lines(self.path, self.encoding), SAMPLE_LINES):
            lines.append(line)
            size += len(line)
            if size > CHUNK:
                break
        return lines

    @cached_property
    def records(self) -> list[Any]:
        """The JSON values at the beginning of the file; none where it is not JSON."""
        return first_values(self.head)

    def lines(self, report: Report) -> Iterator[tuple[int, str]]:
        """Read the file line by line, with the numbers of the lines."""
        return decode_lines(self.path, self.encoding, report)

    def chunks(self, report: Report) -> Iterator[str]:
        """Read the file in pieces."""
        return decode_chunks(self.path, self.encoding, report)
