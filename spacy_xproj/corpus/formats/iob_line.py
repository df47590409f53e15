"""A sentence a line, with items such as `Marta|NNP|B-PER`."""

from collections.abc import Iterable, Iterator

from spacy.tokens import Doc

from ...errors import XprojError
from . import CERTAIN, NO, Format, Record, Report, Source
from .columns import is_docstart
from .conll import tagged_tokens
from .tagging import TAG, TagReader


class IobLine(Format):
    """Items split by blanks, each a token, more columns if any, and a tag, split by `|`."""

    name = "iob-line"
    suffixes = (".iob",)
    about = "a sentence a line of token|tag items"

    def detect(self, source: Source) -> int:
        lines = [line for line in source.head if line.strip() and not is_docstart(line)]
        return CERTAIN if lines and all(_is_items(line) for line in lines) else NO

    def read(self, source: Source, report: Report) -> Iterator[Record]:
        # A token may hold a "|" of its own.
        n = min((item.count("|") for line in source.head for item in line.split() if "|" in item), default=1)
        tags = TagReader(report)
        for number, line in source.lines(report):
            if not line.strip() or is_docstart(line):
                continue
            items = [item.rsplit("|", n) for item in line.split(" ") if item.strip()]
            bad = [item for item in items if len(item) <= n or not item[0] or not TAG.fullmatch(item[-1])]
            if bad:
                wanted = "|".join(["token", *["..."] * (n - 1), "TAG"])
                report.problem(number, f"Expected items such as {wanted}, got {'|'.join(bad[0])!r}.")
                continue
            marks, missing = tags.spans([item[-1] for item in items], [number] * len(items))
            yield Record(number, None, [item[0] for item in items], None, marks, missing, nested=False)
        tags.close()

    def pieces(self, docs: Iterable[Doc], report: Report) -> Iterator[str]:
        for doc in docs:
            rows = []
            for token, tag in tagged_tokens(doc, report):
                if any(c.isspace() or c == "|" for c in token.text + tag):
                    if not token.is_space:
                        raise XprojError(f"{token.text}|{tag} holds white space or '|', which this format cannot hold.")
                    report.note("space_tokens_left_out")
                    continue
                rows.append(f"{token.text}|{tag}")
            if rows:
                yield " ".join(rows) + "\n"


def _is_items(line: str) -> bool:
    items = line.split()
    return all(item.count("|") >= 1 and TAG.fullmatch(item.rsplit("|", 1)[-1]) for item in items)
