"""Raw text, one a line."""

from collections.abc import Iterable, Iterator

from spacy.tokens import Doc

from . import NO, POSSIBLE, Format, Record, Report, Source
from .base import is_labeled


def is_table(head: list[str]) -> bool:
    """Whether lines are those of a table: all of as many words, two or more, in blocks between blank lines."""
    sizes = [len(line.split()) for line in head if line.strip()]
    blank = len(head) - len(sizes) > 1
    return len(sizes) >= 20 and blank and 1 < sizes[0] < 9 and sizes.count(sizes[0]) * 50 >= len(sizes) * 49


class Text(Format):
    """A raw text a line. Blank lines are passed over and counted."""

    name = "txt"
    suffixes = (".txt", ".text")
    lax = True
    about = "raw text, one a line"

    def detect(self, source: Source) -> int:
        is_json = any(isinstance(value, (dict, list)) for value in source.records)
        lines = [line for line in source.head if line.strip()]
        columns = sum("\t" in line.strip() for line in lines) * 2 > len(lines) or is_table(source.head)
        return NO if is_json or columns or not lines else POSSIBLE

    def read(self, source: Source, report: Report) -> Iterator[Record]:
        for number, line in source.lines(report):
            if line.strip():
                yield Record(number, line)
            else:
                report.note("blank_lines", number)

    def pieces(self, docs: Iterable[Doc], report: Report) -> Iterator[str]:
        for doc in docs:
            if is_labeled(doc):
                report.note("labels_left_out")
            if len(lines := doc.text.split("\n")) > 1:
                report.note("line_ends_left_out", n=len(lines) - 1)
            yield " ".join(line.strip("\r") for line in lines) + "\n"
