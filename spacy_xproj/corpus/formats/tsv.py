"""A bitext in two columns split by TAB: source, target."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from spacy.tokens import Doc

from ...errors import XprojError
from . import NO, POSSIBLE, Format, Record, Report, Source
from .base import has_payload, is_labeled


class Tsv(Format):
    """`source<TAB>target` a line. Fields are quoted by the rules of CSV where the whole file shows that they are."""

    name = "tsv"
    suffixes = (".tsv", ".tab")
    lax = bitext = True
    about = "a bitext, source<TAB>target a line"

    def detect(self, source: Source) -> int:
        lines = [line for line in source.head if line.strip()]
        tabs = [line for line in lines if "\t" in line.strip()]
        if source.records or not tabs or len(tabs) * 2 < len(lines):
            return NO
        # Words in both columns with blank lines in between: tokens, and something else than texts.
        words = sum(" " not in line.strip() for line in tabs)
        return NO if words * 20 > len(tabs) * 19 and len(lines) < len(source.head) - 1 else POSSIBLE

    def read(self, source: Source, report: Report) -> Iterator[Record]:
        for number, fields in rows(source, report):
            if len(fields) != 2 or not all(field.strip() for field in fields):
                report.problem(number, f"Expected source<TAB>target with text on both sides, got {fields}.")
            else:
                yield Record(number, fields[1], source=fields[0])

    def pieces(self, docs: Iterable[Doc], report: Report) -> Iterator[str]:
        for doc in docs:
            if not has_payload(doc):
                raise XprojError(f"TSV cannot write a Doc without a source side: {doc.text[:50]!r}.")
            if is_labeled(doc) or doc._.xproj.spans:
                report.note("labels_left_out")
            sides = [doc._.xproj.text, doc.text]
            flat = [" ".join(side.split()) if any(c in side for c in "\t\r\n") else side for side in sides]
            if flat != sides:
                report.note("line_ends_left_out")
            yield "\t".join(flat) + "\n"


def rows(source: Source, report: Report) -> Iterator[tuple[int, list[str]]]:
    """The fields of the lines of a file in columns split by TAB. Blank lines are passed over and counted.

    source (Source): The file.
    report (Report): Is told of blank lines.
    YIELDS (tuple of int and list of str): The number of the line, and its fields.
    """
    quoted = is_quoted([line for line in source.head if line.strip()])
    if quoted:
        report.counts["quoted_fields"] = 1
    numbers = [0]

    def lines() -> Iterator[str]:
        for number, line in source.lines(report):
            numbers[0] = number
            if line.strip():
                yield line + "\n"
            else:
                report.note("blank_lines", number)

    if not quoted:
        for line in lines():
            yield numbers[0], line[:-1].split("\t")
        return
    for fields in csv.reader(lines(), "excel-tab"):
        yield numbers[0], fields


def is_quoted(lines: Sequence[str]) -> bool:
    """Whether quotes around the fields of a file are those of CSV, and not of its text: every field has them, or
    exactly those that could not be written without.

    lines (sequence of str): The first lines of the file.
    RETURNS (bool): Whether the fields are quoted.
    """
    fields = [field for line in lines for field in line.split("\t")]
    if len(lines) > 1 and all(len(field) > 1 and field[0] == field[-1] == '"' for field in fields):
        return True
    if not any(field.startswith('"') for field in fields):
        return False
    text, again = "".join(line + "\n" for line in lines), io.StringIO()
    try:
        found = csv.reader(io.StringIO(text), "excel-tab", strict=True)
        csv.writer(again, "excel-tab", lineterminator="\n").writerows(found)
    except csv.Error:
        return False
    return again.getvalue() == text
