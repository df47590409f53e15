"""What a format is: how it is recognized, read and written."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Union

from spacy.tokens import Doc

from ...errors import XprojError
from ...files import replacing
from .record import Record
from .report import Report
from .source import Source

# How sure a format is that a file is its own.
NO, POSSIBLE, LIKELY, CERTAIN = range(4)


class Format:
    """A file format. A subclass is registered under its name in `xproj_formats`.

    name (str): As given to --format and --to.
    suffixes (tuple of str): Endings of file names that belong to it.
    about (str): What it is, in a few words, for messages.
    folder (bool): Whether it is a folder of files.
    bitext (bool): Whether its Docs have a source side.
    lax (bool): Whether its reader takes almost anything, so that the ending of a name is not enough.
    """

    name: ClassVar[str] = ""
    suffixes: ClassVar[tuple[str, ...]] = ()
    about: ClassVar[str] = ""
    folder: ClassVar[bool] = False
    lax: ClassVar[bool] = False
    bitext: ClassVar[bool] = False

    def detect(self, source: Source) -> int:
        """Say how sure it is that a file is of this format: NO, POSSIBLE, LIKELY or CERTAIN.

        source (Source): The file. Its beginning is judged as a whole.
        RETURNS (int): The verdict. CERTAIN: the content alone leaves no doubt.
        """
        raise NotImplementedError

    def __call__(self, source: Source, report: Report) -> Iterator[Union[Record, Doc]]:
        """Read a file, see `read`: what is registered makes something to call, as in all registries."""
        return self.read(source, report)

    def read(self, source: Source, report: Report) -> Iterator[Union[Record, Doc]]:
        """Read a file.

        source (Source): The file, and what the user says of it.
        report (Report): Is told of repairs and problems.
        YIELDS (Record or Doc): One after the other.
        RAISES (InputError): If the file cannot be read.
        """
        raise NotImplementedError

    def pieces(self, docs: Iterable[Doc], report: Report) -> Iterator[str]:
        """Yield the text of a file that holds the Docs, piece by piece.

        docs (iterable of Doc): The Docs.
        report (Report): Is told what the format cannot hold.
        """
        raise XprojError(f"Files of the format {self.name!r} ({self.about}) can be read, but not written.")
        yield ""

    def write(self, docs: Iterable[Doc], path: Union[str, Path], report: Report) -> int:
        """Write Docs to a file, which is put in its place once it is whole.

        docs (iterable of Doc): The Docs.
        path (str or Path): The file.
        report (Report): Is told what the format cannot hold.
        RETURNS (int): How many Docs came.
        RAISES (XprojError): If the format cannot hold a Doc, or its meta data.
        """
        seen: Counter = Counter()

        def counted() -> Iterator[Doc]:
            for doc in docs:
                seen["docs"] += 1
                yield doc

        try:
            with replacing(path) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
                file.writelines(self.pieces(counted(), report))
        except (UnicodeEncodeError, TypeError) as err:  # of user data: the text of a Doc is Unicode
            raise XprojError(f"Doc {seen['docs']} holds meta data that no file can hold. {err}") from err
        return seen["docs"]


def to_json(value: Mapping[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(value, ensure_ascii=False) + "\n"


def meta_of(doc: Doc) -> dict[str, Any]:
    """The meta data of a Doc, for formats that can hold it. RAISES (XprojError): If it is no dict."""
    if not isinstance(meta := doc.user_data.get("meta", {}), dict):
        raise XprojError(f"Expected the meta data of a Doc to be a dict, got {type(meta).__name__}.")
    return {"meta": meta} if "meta" in doc.user_data else {}


def has_payload(doc: Doc) -> bool:
    """Whether a Doc has a source side in `doc._.xproj`."""
    return Doc.has_extension("xproj") and doc._.xproj is not None


def is_labeled(doc: Doc) -> bool:
    """Whether the label of any token of a Doc is known."""
    return any(token.ent_iob for token in doc)
