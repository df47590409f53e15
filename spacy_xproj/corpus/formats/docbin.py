""".spacy files, and folders of them."""

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Union

from spacy.tokens import Doc
from spacy.util import filter_spans

from ...errors import InputError
from ...zones import empty_vocab
from ..shards import doc_files, read_file, write_file
from . import CERTAIN, NO, Format, Report, Source
from .base import is_labeled
from .build import GOLD


class DocBinFormat(Format):
    """spaCy's DocBin, with user data. With `--spans-key`, the entities are those of a group of `doc.spans`."""

    name = "spacy"
    suffixes = (".spacy",)
    about = "spaCy's DocBin, or a folder of shards"
    folder = True

    def detect(self, source: Source) -> int:
        path = source.path
        if path.is_dir():
            return CERTAIN if (path / "manifest.json").exists() or any(path.glob("[!.]*.spacy")) else NO
        with open(path, "rb") as file:
            return CERTAIN if file.read(1) == b"\x78" and source.suffix in self.suffixes else NO

    def read(self, source: Source, report: Report) -> Iterator[Doc]:
        key = source.options.spans_key
        for file in doc_files(source.path):
            vocab = empty_vocab(source.vocab) if source.own_vocabs else source.vocab
            for number, doc in enumerate(read_file(file, vocab), 1):
                if key is not None:
                    take_spans(doc, key, file, number, report)
                elif not doc.ents and (groups := other_groups(doc)):
                    named = ", ".join(groups)
                    if not report.counts["docs_with_spans_but_no_entities"]:
                        where = f"{file}: Doc {number} has no entities in doc.ents, but spans under {named}."
                        warnings.warn(f"{where} Give --spans-key.", stacklevel=2)
                    report.note("docs_with_spans_but_no_entities", None, f"Doc {number}: {named}")
                yield doc

    def write(self, docs: Iterable[Doc], path: Union[str, Path], report: Report) -> int:
        return write_file(docs, path)


def other_groups(doc: Doc) -> list[str]:
    """The names of groups of `doc.spans` that are not of this package and hold spans."""
    return [name for name, group in doc.spans.items() if len(group) and name not in (GOLD, "xproj")]


def take_spans(doc: Doc, key: str, file: Path, number: int, report: Report) -> None:
    """Take a group of spans for the entities of a Doc: all of them as `doc.spans["gold"]`, those that do not overlap as
    `doc.ents`.

    doc (Doc): The Doc.
    key (str): The name of the group.
    file (Path), number (int): Where the Doc stands, for messages.
    report (Report): Is told of spans that overlap, and of Docs without the group.
    RAISES (InputError): If the Doc has other groups only.
    """
    if key not in doc.spans:
        if others := other_groups(doc):
            raise InputError(file, f"Doc {number} has no spans under {key!r}, but under {', '.join(others)}.")
        if not is_labeled(doc):
            report.note("docs_without_spans", None, f"Doc {number}")
        return
    spans = list(doc.spans[key])
    kept = filter_spans(spans)
    if len(kept) < len(spans):
        report.note("overlapping_spans", None, f"Doc {number}", n=len(spans) - len(kept))
    doc.spans[GOLD] = spans
    doc.set_ents(kept, default="outside")
