"""CoNLL files in their dialects: a token a line, columns split by TAB or blanks, a blank line after each sentence."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import ClassVar, Optional

from spacy.tokens import Doc, Token

from ...errors import XprojError
from . import CERTAIN, LIKELY, NO, POSSIBLE, Format, Mark, Record, Report, Source
from .base import has_payload
from .columns import (
    BLANKS,
    HEADER,
    MULTIWORD,
    TEXT,
    Layout,
    Line,
    blocks,
    find_layout,
    has_brackets,
    has_ten_columns,
    is_comment,
)
from .spacing import locate
from .tagging import FEW, TAG, TagReader, is_tag

ENDINGS = "conll iob bio iob2 iobes bioes bilou ner conll02 conll03"
LINE_ENDS = re.compile(r"[\t\r\n]+")
EXPECTED = (
    "Expected a tag O, B-LABEL or I-LABEL (or L-, E-, U-, S-, M- of BILOU, BIOES and BMES, or '-' for a label that is "
    "not known)"
)


class Conll(Format):
    """The token is the first column and the tag the last; with an index column, the token is the second, and the tag
    is the first column after it that holds tags."""

    name = "conll"
    suffixes: ClassVar[tuple[str, ...]] = tuple(f".{name}" for name in ENDINGS.split())
    about = "a token and its tag a line"
    index: Optional[bool] = None

    def detect(self, source: Source) -> int:
        if has_ten_columns(source.head) or has_brackets(source.head):
            return NO
        lines = [line for block in islice(blocks(enumerate(source.head, 1)), 200) for _, line in block]
        layout = find_layout(source.head)
        if not lines:
            return POSSIBLE if any(line.strip() for line in source.head) else NO
        if layout.columns == 1 or layout.tag is None:
            # A word a line with blank lines in between is more than a list of words.
            sentences = len(lines) >= 2 * FEW and len(lines) < sum(1 for _ in source.head) - 1
            return NO if layout.share < 0.95 else LIKELY if sentences else POSSIBLE
        if layout.share < 0.95:
            return POSSIBLE if layout.share >= 0.5 else NO
        tags = [fields[layout.tag] for line in lines if len(fields := layout.fields(line)) > layout.tag]
        # A single line, or a few with nothing but O, are found in raw text as well.
        return CERTAIN if len(lines) > (1 if set(tags) - {"O", "o", "-"} else FEW) else LIKELY

    def read(self, source: Source, report: Report) -> Iterator[Record]:
        layout = find_layout(source.head, self.index)
        if layout.separator is None and layout.columns > 1:
            report.counts["blank_separated"] = 1
        sentences = SentenceReader(layout, report)
        for block in blocks(source.lines(report), report):
            yield from sentences.read(block)
        sentences.tags.close()

    def pieces(self, docs: Iterable[Doc], report: Report) -> Iterator[str]:
        for doc in docs:
            rows = [f"{token.text}\t{tag}\n" for token, tag in tagged_tokens(doc, report)]
            if rows:
                yield "".join(rows) + "\n"


class SentenceReader:
    """Make records of the lines of sentences.

    layout (Layout): The layout of the file.
    report (Report): Is told of repairs and problems.
    """

    def __init__(self, layout: Layout, report: Report):
        self.layout, self.report = layout, report
        self.tags = TagReader(report, layout.scheme)
        self.first_line = True

    def read(self, block: Sequence[Line]) -> Iterator[Record]:
        """Make the records of a block of lines: one, or several where the index column starts anew.

        block (sequence of (int, str)): The lines between two blank ones.
        YIELDS (Record): A sentence.
        """
        rows: list[tuple[int, list[str]]] = []
        multiwords: list[tuple[int, int, str]] = []
        text: Optional[str] = None
        good = True
        for number, line in block:
            fields = self.fields(line)
            if is_comment(line, fields, self.layout, not rows):
                match = TEXT.fullmatch(line)
                text = match[1] if match else text
                continue
            if self.layout.first is not None and MULTIWORD.fullmatch(fields[0]):
                self.report.note("multiword_lines", number, line)
                if "-" in fields[0] and len(fields) > 1:
                    start, end = (int(n) - self.layout.first for n in fields[0].split("-"))
                    multiwords.append((start, end + 1, fields[1]))
                continue
            if rows and fields[0] == str(self.layout.first) and self.layout.first in (0, 1):
                self.report.note("missing_blank_lines", number)
                if good:
                    yield from self.record(rows, multiwords, text)
                rows, multiwords, text, good = [], [], None, True
            if problem := self.check(fields, line, len(rows)):
                if self.first_line and "".join(fields[self.layout.token :][:1]).lower() in HEADER:
                    self.report.note("header_lines", number, line)
                else:
                    self.report.problem(number, problem)
                    good = False
                self.first_line = False
                # A sentence that has a problem is left out, but all its lines are looked at.
                rows += [(number, fields)] * (not good)
                continue
            self.first_line = False
            rows.append((number, fields))
        if good:
            yield from self.record(rows, multiwords, text)

    def fields(self, line: str) -> list[str]:
        """The columns of a line, also of one that has blanks in a file that has TABs."""
        fields = self.layout.fields(line)
        if self.layout.separator and "\t" not in line and self.layout.columns > 1 and not line.startswith("#"):
            others = BLANKS.split(line.strip(" "))
            if len(others) == self.layout.columns and not self.check(others, line, -1):
                return others
        return fields

    def check(self, fields: Sequence[str], line: str, position: int) -> str:
        """Say what is wrong with a line, or nothing."""
        layout, n = self.layout, len(fields)
        split = "TAB" if layout.separator else "blanks"
        if layout.first is not None:
            want = layout.first + position
            if n < 3 or (fields[0] != str(want) and layout.first >= 0 <= position):
                return f"Expected the index {want}, a token and a tag in columns split by {split}, got {line!r}."
            if n < layout.columns:
                return f"Expected at least {layout.columns} columns split by {split}, got {n}: {line!r}."
        elif n != layout.columns:
            return f"Expected {layout.columns} columns split by {split}, as most lines have, got {n}: {line!r}."
        token = fields[layout.token]
        if not token:
            return f"The token is empty: {line!r}."
        if layout.tag is None:
            if " " in token.strip() or ("|" in token and TAG.fullmatch(token.split("|")[-1])):
                return f"Expected one token a line, got {token!r}. If this is running text, give --format txt."
            return ""
        tag = fields[layout.tag]
        good = is_tag(tag, layout.scheme)
        hint = " If this is running text, give --format txt." if layout.share < 0.5 else ""
        return "" if good else f"{EXPECTED}, got {tag!r}.{hint}"

    def record(
        self, rows: Sequence[tuple[int, list[str]]], multiwords: Sequence[tuple[int, int, str]], text: Optional[str]
    ) -> Iterator[Record]:
        layout, lines = self.layout, [number for number, _ in rows]
        words = [fields[layout.token] for _, fields in rows]
        if not words or words == ["-DOCSTART-"]:
            return
        if layout.tag is None:
            marks: Optional[list[Mark]] = None
            missing: list[int] = []
        else:
            marks, missing = self.tags.spans([fields[layout.tag] for _, fields in rows], lines)
            if layout.nested is not None:
                inner = [fields[layout.nested] if len(fields) > layout.nested else "O" for _, fields in rows]
                found = self.tags.spans([tag if TAG.fullmatch(tag) else "O" for tag in inner], lines)[0]
                # A second column may also hold other opinions on the same words: those are not read.
                marks += [mark for mark in found if any(is_inside(mark, outer) for outer in marks)]
        yield sentence(lines[0], words, marks, missing, multiwords, text, self.report, layout.nested is not None)


def is_inside(mark: Mark, outer: Mark) -> bool:
    """Whether a span lies in another one that is longer."""
    return outer.start <= mark.start < mark.end <= outer.end and mark.end - mark.start < outer.end - outer.start


def sentence(
    line: int,
    words: list[str],
    marks: Optional[list[Mark]],
    missing: Sequence[int],
    multiwords: Sequence[tuple[int, int, str]],
    text: Optional[str],
    report: Report,
    nested: bool = False,
) -> Record:
    """Make the record of a sentence. Where the running text is known, the tokens are those of the text: words that it
    writes as one (German "zum" for "zu dem") are one token, which is in an entity if any of the words is.

    line (int): Where it starts.
    words (list of str): The words.
    marks (Optional[list[Mark]]): The spans of words.
    missing (sequence of int): Words whose label is not known.
    multiwords (sequence of (int, int, str)): First word, the one after the last, and how the text writes them.
    text (Optional[str]): The running text.
    report (Report): Is told where the text is another.
    nested (bool): Whether spans may overlap.
    RETURNS (Record): The record.
    """
    if text is None or not text.strip():
        return Record(line, None, words, None, marks, missing, nested)
    if multiwords:
        group: list[int] = []
        forms: list[str] = []
        starts = {start: (end, form) for start, end, form in multiwords if 0 <= start < end <= len(words)}
        while len(group) < len(words):
            end, form = starts.get(len(group), (len(group) + 1, words[len(group)]))
            group += [len(forms)] * (end - len(group))
            forms.append(form)
        if locate(forms, text) is not None:
            known = {group[i] for i in range(len(words)) if i not in set(missing)}
            missing = [i for i in range(len(forms)) if i not in known]
            for mark in marks or ():
                mark.start, mark.end = group[mark.start], group[mark.end - 1] + 1
            return Record(line, text, forms, None, marks, missing, nested)
    if locate(words, text) is None:
        report.note("other_text", line, f"The words {words} do not make up {text!r}")
        text = None
    return Record(line, text, words, None, marks, missing, nested)


def tagged_tokens(doc: Doc, report: Report) -> list[tuple[Token, str]]:
    """The tokens of a Doc with their IOB2 tags, for formats with a token a line; "-" where the label is not known.

    White space tokens that hold a TAB or a line end are left out and counted as `space_tokens_left_out`, Docs
    without other tokens as `empty_docs_left_out`, and payloads as `payloads_left_out`.

    doc (Doc): The Doc.
    report (Report): Is told what is left out.
    RETURNS (list of (Token, str)): The tokens and tags.
    RAISES (XprojError): If any other token holds a TAB or a line end.
    """
    rows = []
    begun = -1  # where the entity starts that has its B- already: white space before it may be left out
    starts = {i: ent.start for ent in doc.ents for i in range(ent.start, ent.end)}
    for token in doc:
        if any(c in token.text for c in "\t\r\n"):
            if not token.is_space:
                raise XprojError(f"The token {token.text!r} holds a TAB or a line end. CoNLL cannot hold it.")
            report.note("space_tokens_left_out")
            continue
        if token.i in starts:
            tag = f"{'I' if starts[token.i] == begun else 'B'}-{token.ent_type_}"
            begun = starts[token.i]
        else:
            tag = "O" if token.ent_iob else "-"
        rows.append((token, tag))
    if has_payload(doc):
        report.note("payloads_left_out")
    if not rows:
        report.note("empty_docs_left_out")
    return rows


class Iob2(Conll):
    """The format of Universal NER: index, token, tag, and columns for a second tag and the annotator."""

    name = "iob2"
    suffixes: ClassVar[tuple[str, ...]] = ()
    about = "index, token and tag a line, as in Universal NER"
    index = True

    def detect(self, source: Source) -> int:
        return NO  # `Conll` finds an index column by itself; this one is for those who say that there is one

    def pieces(self, docs: Iterable[Doc], report: Report) -> Iterator[str]:
        for doc in docs:
            rows = tagged_tokens(doc, report)
            if rows:
                text = LINE_ENDS.sub(" ", doc.text)
                lines = [f"{i}\t{token.text}\t{tag}\t-\t-\n" for i, (token, tag) in enumerate(rows, 1)]
                yield f"# text = {text}\n" + "".join(lines) + "\n"
