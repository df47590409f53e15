"""Counted pairs of entity forms, and the TSV file that a person can read, edit and give back."""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Union

from ..errors import InputError
from ..files import read_lines, replacing

HEADER = ("source", "target", "count", "label")


class Entry(NamedTuple):
    """A target form of a source form.

    times (float): How often it was found; 0: never to be found.
    label (str): The label that it had most often, for the reader of the file.
    """

    times: float
    label: str = ""


@lru_cache(maxsize=200_000)
def word_key(word: str) -> str:
    """What a word is compared by: compatibility forms and case folded, runs of white space as one space."""
    return " ".join(unicodedata.normalize("NFKC", word).casefold().split())


def form_key(words: Iterable[str]) -> str:
    """What an entity is compared by."""
    return " ".join(filter(None, map(word_key, words)))


def form_text(words: Iterable[str]) -> str:
    """An entity as it stands in the text, on one line."""
    return " ".join(" ".join(words).split())


class LexiconTable:
    """Entity pairs.

    rows (dict): Source key → target key → `Entry`.
    texts (two dicts): For each side, key → the form as it stands in the text.
    """

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Entry]] = {}
        self.texts: tuple[dict[str, str], dict[str, str]] = ({}, {})

    @classmethod
    def counted(cls, found: Iterable[tuple[str, str, str]]) -> "LexiconTable":
        """A table of what was found in a corpus.

        found (iterable of three str): Source form, target form, label.
        """
        self = cls()
        pairs: dict[tuple[str, str], Counter[str]] = {}
        casing: tuple[dict[str, Counter[str]], dict[str, Counter[str]]] = ({}, {})
        for source, target, label in found:
            keys = form_key(source.split()), form_key(target.split())
            for key, text, counts in zip(keys, (source, target), casing):
                counts.setdefault(key, Counter())[text] += 1
            pairs.setdefault(keys, Counter())[label] += 1
        for (source, target), labels in sorted(pairs.items()):
            self.rows.setdefault(source, {})[target] = Entry(float(labels.total()), most_common(labels))
        for texts, counts in zip(self.texts, casing):
            texts.update((key, most_common(counts[key])) for key in sorted(counts))
        return self

    def over(self, other: "LexiconTable") -> "LexiconTable":
        """A copy of this table, with the rows of another for the source forms that this one does not have."""
        out = LexiconTable()
        out.rows = {**other.rows, **self.rows}
        out.texts = tuple({**theirs, **ours} for theirs, ours in zip(other.texts, self.texts))  # type: ignore[assignment]
        return out

    # Files

    def write(self, path: Union[str, Path]) -> None:
        """Write a TSV file in UTF-8 with a header: by source form, the most frequent target first.

        path (str or Path): The file.
        """
        lines = ["\t".join(HEADER)]
        for source in sorted(self.rows):
            for target, (count, label) in sorted(self.rows[source].items(), key=lambda row: (-row[1].times, row[0])):
                number = str(int(count)) if count == int(count) else repr(count)
                lines.append("\t".join((self.texts[0][source], self.texts[1][target], number, form_text([label]))))
        with replacing(path) as beside:
            beside.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")

    @classmethod
    def read(cls, path: Union[str, Path], what: str) -> "LexiconTable":
        """Read a TSV file: source form, target form, count and, for the reader alone, a label. A header and empty lines
        may be there; rows of one pair are added up.

        path (str or Path): The file.
        what (str): Who asks, for the message.
        RAISES (InputError): With the line where it cannot be used.
        """
        self = cls()
        try:
            for number, line in read_lines(path):
                cells = [" ".join(cell.split()) for cell in line.split("\t")]
                if not any(cells) or (number == 1 and cells[2:3] == ["count"]):
                    continue
                self.add_row(cells, path, number)
        except OSError as err:
            raise InputError(path, f"{what} cannot read this file of entity pairs ({err.strerror}).") from err
        if not self.rows:
            raise InputError(path, f"{what} expects rows of {', '.join(HEADER)}, but the file has none.")
        return self

    def add_row(self, cells: list[str], path: Union[str, Path], line: int) -> None:
        if len(cells) not in (3, 4):
            raise InputError(
                path,
                f"Expected 3 or 4 columns (source form, target form, count, label), separated by tabs, but got "
                f"{len(cells)}.",
                line,
            )
        keys = [form_key(cell.split()) for cell in cells[:2]]
        if not all(keys):
            raise InputError(path, f"The {'target' if keys[0] else 'source'} form is empty. Fill it in.", line)
        try:
            count = float(cells[2])
        except ValueError:
            count = math.nan
        if not 0 <= count < math.inf:
            raise InputError(path, f"The count must be a number, 0 or more, not {cells[2]!r}.", line)
        row = self.rows.setdefault(keys[0], {})
        before = row.get(keys[1], Entry(0.0))
        row[keys[1]] = Entry(before.times + count, before.label or "".join(cells[3:]))
        for texts, key, text in zip(self.texts, keys, cells):
            texts.setdefault(key, text)

    # Plain data, equal for equal tables

    def state(self) -> dict[str, Any]:
        rows = [[s, [[t, *self.rows[s][t]] for t in sorted(self.rows[s])]] for s in sorted(self.rows)]
        return {"rows": rows, "texts": [[[key, texts[key]] for key in sorted(texts)] for texts in self.texts]}

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "LexiconTable":
        self = cls()
        self.rows = {
            source: {target: Entry(float(count), label) for target, count, label in row}
            for source, row in state["rows"]
        }
        source_texts, target_texts = (dict(map(tuple, texts)) for texts in state["texts"])
        self.texts = source_texts, target_texts
        return self


def most_common(counts: Counter[str]) -> str:
    """The most frequent, and of equally frequent ones the first in sorting order."""
    return min(counts, key=lambda text: (-counts[text], text))
