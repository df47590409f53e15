"""brat: a text, and its annotations in a file of the same name that ends in `.ann`."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Union

from spacy.tokens import Doc

from ...errors import XprojError
from ...files import folder_beside
from . import CERTAIN, NO, Format, Mark, Record, Report, Source
from .prodigy import written_spans

SPAN = re.compile(r"(T\d+)\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t(.*))?")


class Brat(Format):
    """A `.txt` and its `.ann`, or a folder of them; one Doc a text. Entities (`T` lines) are read, and relations,
    events, attributes and notes counted as `other_annotations`."""

    name = "brat"
    suffixes = (".ann",)
    about = "brat, a .txt with its .ann"
    folder = True

    def detect(self, source: Source) -> int:
        path = source.path
        if path.is_dir():
            return CERTAIN if any(path.rglob("[!.]*.ann")) else NO
        if path.suffix == ".ann":
            return CERTAIN if path.with_suffix(".txt").exists() else NO
        return CERTAIN if path.suffix == ".txt" and path.with_suffix(".ann").exists() else NO

    def read(self, source: Source, report: Report) -> Iterator[Record]:
        path = source.path
        files = sorted(path.rglob("[!.]*.ann")) if path.is_dir() else [path.with_suffix(".ann")]
        for file in files:
            report.path = file
            if missing := [each.name for each in (file.with_suffix(".txt"), file) if not each.is_file()]:
                report.problem(
                    None, f"Expected a text and its annotations beside each other, but {missing[0]} is missing."
                )
                continue
            # The text as a whole: offsets count its line ends.
            text = "".join(Source(file.with_suffix(".txt"), source.options).chunks(report))
            if not text.strip():
                report.note("empty_texts")
                continue
            record = Record(1, text, marks=[], meta={"file": file.relative_to(path).stem} if path.is_dir() else {})
            for number, line in Source(file, source.options).lines(report):
                record.marks += self.marks(line, number, text, report)  # type: ignore[operator]
            yield record

    def marks(self, line: str, number: int, text: str, report: Report) -> list[Mark]:
        """The span of a line, if it is one."""
        if not line.startswith("T"):
            if line.strip():
                report.note("other_annotations", number, line)
            return []
        match = SPAN.fullmatch(line)
        if match is None:
            report.problem(number, f"Expected T1<TAB>LABEL START END<TAB>text, got {line!r}.")
            return []
        name, label, offsets, said = match.groups()
        pieces = [tuple(map(int, piece.split())) for piece in offsets.split(";")]
        start, end = pieces[0][0], pieces[-1][1]
        if len(pieces) > 1:
            report.note("joined_spans", number, f"{said!r} becomes {text[start:end]!r}")
            said = None
        return [Mark(start, end, label, name, said, line=number)]

    def write(self, docs: Iterable[Doc], path: Union[str, Path], report: Report) -> int:
        path = Path(path)
        if path.exists():
            raise XprojError(f"{path} exists. brat's files are written to a new folder.")
        n = 0
        with folder_beside(path) as beside:
            for n, doc in enumerate(docs, 1):
                (beside / f"{n:06d}.txt").write_text(doc.text, encoding="utf-8", newline="")
                lines = [_line(i, span) for i, span in enumerate(written_spans(doc, report) or (), 1)]
                (beside / f"{n:06d}.ann").write_text("".join(lines), encoding="utf-8", newline="")
            made = beside.rename(path)
            made.with_name(beside.name).mkdir()  # `folder_beside` removes it
        return n


def _line(number: int, span) -> str:
    if any(c.isspace() for c in span.label_):
        raise XprojError(f"The label {span.label_!r} holds white space, which brat cannot hold.")
    said = span.text.replace("\n", " ").replace("\r", " ").replace("\t", " ")
    return f"T{number}\t{span.label_} {span.start_char} {span.end_char}\t{said}\n"
