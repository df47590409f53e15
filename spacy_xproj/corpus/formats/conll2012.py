"""CoNLL-2012 (OntoNotes): twelve columns and more, with entities in brackets."""

import re
from collections.abc import Iterator, Sequence

from . import CERTAIN, NO, Format, Mark, Record, Report, Source
from .columns import PARSE, blank_rows, blocks, has_brackets

BRACKET = re.compile(r"(\((?P<label>[\w-]+))?\*?(?P<end>\))?")
WORD = 3


class Conll2012(Format):
    """Document, part, index, word, part of speech, parse, ..., entities such as `(PERSON*`, `*)`, ..."""

    name = "conll2012"
    suffixes = (".gold_conll", ".v4_gold_conll", ".auto_conll")
    about = "OntoNotes, with entities in brackets"

    def detect(self, source: Source) -> int:
        return CERTAIN if has_brackets(source.head) else NO

    def read(self, source: Source, report: Report) -> Iterator[Record]:
        column = _entity_column(source.head)
        for block in blocks(source.lines(report)):
            rows = [(number, line.split()) for number, line in block if not line.startswith("#")]
            bad = [(number, row) for number, row in rows if len(row) <= column or not BRACKET.fullmatch(row[column])]
            for number, row in bad:
                report.problem(number, f"Expected an entity in brackets in column {column + 1}, got {' '.join(row)!r}.")
            if rows and not bad:
                marks = list(_marks([row[column] for _, row in rows]))
                yield Record(rows[0][0], None, [row[WORD] for _, row in rows], None, marks, nested=False)


def _entity_column(head: Sequence[str]) -> int:
    """The first column after the parse that holds nothing but brackets and stars. Those of predicates follow it."""
    rows = blank_rows(head)
    for column in range(PARSE + 1, 12):
        if all(row[column : column + 1] and row[column][0] in "*(" for row in rows):
            return column
    return 10


def _marks(tags: Sequence[str]) -> Iterator[Mark]:
    start, label = 0, ""
    for i, tag in enumerate(tags):
        match = BRACKET.fullmatch(tag)
        assert match is not None  # checked before
        if match["label"]:
            start, label = i, match["label"]
        if match["end"] and label:
            yield Mark(start, i + 1, label, words=True)
            label = ""
