"""CoNLL-U: ten columns, with entities in the last one (MISC).

The library `conllu` reads the same columns, but its errors have no line, and what is done here with MISC, multiword
tokens and spaces comes after it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Optional

from spacy.tokens import Doc

from . import CERTAIN, NO, Format, Mark, Record, Report, Source
from .columns import MISC, MULTIWORD, TEXT, blocks, has_ten_columns
from .conll import EXPECTED, LINE_ENDS, sentence, tagged_tokens
from .tagging import TAG, TagReader

FORM = 1
KEYS = ("name", "NER", "NE", "ner", "ne", "Tag", "Name")
# An entity of GUM in brackets, such as `(12-person-giv:act-cf1-1-coref` or `(person`; `12)` and `)` end one.
OPENED = re.compile(r"\(([^()]*)")


class ConllU(Format):
    """The words of a treebank with entities in MISC: `name=B-PER`, `NER=`, `NE=`, a bare tag, or GUM's brackets."""

    name = "conllu"
    suffixes = (".conllu", ".conllup")
    about = "CoNLL-U, ten columns with entities in MISC"

    def detect(self, source: Source) -> int:
        return CERTAIN if has_ten_columns(source.head) else NO

    def read(self, source: Source, report: Report) -> Iterator[Record]:
        tags = TagReader(report)
        kind = _kind(source.head)
        for block in blocks(source.lines(report), report):
            rows: list[tuple[int, list[str]]] = []
            multiwords: list[tuple[int, int, str, str]] = []
            text, good = None, True
            for number, line in block:
                if line.startswith("#"):
                    match = TEXT.fullmatch(line)
                    text = match[1] if match else text
                    continue
                fields = line.rstrip("\r").split("\t")
                if len(fields) < MISC + 1 or not fields[FORM]:
                    report.problem(number, f"Expected the ten columns of CoNLL-U split by TAB, got {line!r}.")
                    good = False
                elif MULTIWORD.fullmatch(fields[0]):
                    report.note("multiword_lines", number, line)
                    if "-" in fields[0]:
                        start, end = map(int, fields[0].split("-"))
                        multiwords.append((start - 1, end, fields[FORM], fields[MISC]))
                elif fields[0] != str(len(rows) + 1):
                    report.problem(number, f"Expected the index {len(rows) + 1}, got {fields[0]!r}.")
                    good = False
                else:
                    rows.append((number, fields))
            if rows and good:
                yield from self.record(rows, multiwords, text, kind, tags, report)
        tags.close()

    def record(
        self,
        rows: Sequence[tuple[int, list[str]]],
        multiwords: Sequence[tuple[int, int, str, str]],
        text: Optional[str],
        kind: str,
        tags: TagReader,
        report: Report,
    ) -> Iterator[Record]:
        words, misc = [row[FORM] for _, row in rows], [row[MISC] for _, row in rows]
        lines = [number for number, _ in rows]
        marks: Optional[list[Mark]] = None
        missing: Sequence[int] = ()
        if kind == "Entity":
            marks = list(_bracketed(misc))
        elif kind:
            found = [_tag(value, kind) for value in misc]
            for number, tag in zip(lines, found):
                if not TAG.fullmatch(tag):
                    report.problem(number, f"{EXPECTED} in MISC, got {tag!r}.")
                    return
            marks, missing = tags.spans(found, lines)
        if text is None:
            text = _text(words, misc, multiwords)
        yield sentence(
            lines[0], words, marks, missing, [m[:3] for m in multiwords], text, report, nested=kind == "Entity"
        )

    def pieces(self, docs: Iterable[Doc], report: Report) -> Iterator[str]:
        for doc in docs:
            rows = tagged_tokens(doc, report)
            lines = []
            for i, (token, tag) in enumerate(rows, 1):
                space = "" if token.whitespace_ or i == len(rows) else "SpaceAfter=No|"
                head = f"{i}\t{token.text}\t_\t_\t_\t_"
                lines.append(f"{head}\t_\t_\t_\t{space}NER={tag}\n")
            if lines:
                yield f"# text = {LINE_ENDS.sub(' ', doc.text)}\n" + "".join(lines) + "\n"


def _kind(head: Sequence[str]) -> str:
    """The key in MISC that holds the entities, "-" for bare tags, or "" for none."""
    misc = [line.split("\t")[MISC] for line in head if line.count("\t") >= MISC and not line.startswith("#")]
    items = [item for value in misc if value != "_" for item in value.split("|")]
    for key in KEYS:
        if any(item.startswith(f"{key}=") and TAG.fullmatch(item[len(key) + 1 :]) for item in items):
            return key
    if any(item.startswith("Entity=") for item in items):
        return "Entity"
    return "-" if any(TAG.fullmatch(item) and item != "-" for item in items) else ""


def _tag(misc: str, kind: str) -> str:
    items = misc.split("|")
    if kind == "-":
        return next((item for item in items if TAG.fullmatch(item)), "O")
    return next((item[len(kind) + 1 :] for item in items if item.startswith(f"{kind}=")), "O")


def _bracketed(misc: Sequence[str]) -> Iterator[Mark]:
    """The entities of GUM, which may nest."""
    opened: list[tuple[int, str]] = []
    for i, value in enumerate(misc):
        items = next((item[7:] for item in value.split("|") if item.startswith("Entity=")), "")
        for part in re.findall(r"\([^()]*|[^()]*\)", items):
            if part.startswith("("):
                names = [name for name in part[1:].split("-") if not name.isdigit()]
                opened.append((i, names[0] if names else ""))
                # `(12-place)` is whole: its closing bracket comes as a part of its own.
            elif opened:
                start, label = opened.pop()
                if label:
                    yield Mark(start, i + 1, label, words=True)


def _text(words: Sequence[str], misc: Sequence[str], multiwords) -> Optional[str]:
    """The text that `SpaceAfter=No` makes of the words; None where no word has it."""
    if not any("SpaceAfter=No" in value for value in [*misc, *(m[3] for m in multiwords)]):
        return None
    starts = {start: (end, form, value) for start, end, form, value in multiwords}
    text, i = "", 0
    while i < len(words):
        end, form, value = starts.get(i, (i + 1, words[i], misc[i]))
        text += form + " " * ("SpaceAfter=No" not in value.split("|"))
        i = max(end, i + 1)
    return text.rstrip()
