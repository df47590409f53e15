"""TMX, the exchange format of translation memories, as a bitext."""

from collections.abc import Iterable, Iterator

from spacy.tokens import Doc

from ...errors import XprojError
from ..tmx import read_tmx, tmx_lines
from .base import CERTAIN, NO, Format, has_payload
from .record import Record
from .report import Report
from .source import Source


class Tmx(Format):
    """The units of a TMX file that have both languages. Others are counted as `skipped`."""

    name = "tmx"
    suffixes = (".tmx",)
    bitext = True
    about = "a translation memory"

    def detect(self, source: Source) -> int:
        return CERTAIN if any("<tmx" in line for line in source.head[:50]) else NO

    def read(self, source: Source, report: Report) -> Iterator[Record]:
        options, seen, found = source.options, set[str](), False
        for line, pair in read_tmx(source.path, options.source_lang or "en", options.lang or "", seen):
            if pair is None:
                report.note("skipped", line)
            else:
                found = True
                yield Record(line, pair[1], source=pair[0])
        if not found:
            wanted = f"{options.source_lang} and {options.lang}"
            report.problem(None, f"Expected texts in {wanted}, got {', '.join(sorted(seen)) or 'none'}.")

    def pieces(self, docs: Iterable[Doc], report: Report) -> Iterator[str]:
        first = next(iter(docs := iter(docs)), None)
        if first is None:
            return

        def pairs() -> Iterator[tuple[str, str]]:
            for doc in [first, *docs]:
                if not has_payload(doc):
                    raise XprojError(f"TMX cannot write a Doc without a source side: {doc.text[:50]!r}.")
                if doc._.xproj.spans:
                    report.note("labels_left_out")
                yield doc._.xproj.text, doc.text

        yield from tmx_lines(pairs(), first._.xproj.lang if has_payload(first) else "", first.lang_)
