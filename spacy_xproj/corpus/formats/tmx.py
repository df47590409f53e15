"""TMX 1.4, the exchange format of translation memories: read as a stream, written, and as a bitext."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Optional
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from spacy.tokens import Doc

from ... import __version__
from ...codes import match_level
from ...errors import InputError, XprojError
from ...languages import is_unspaced
from . import CERTAIN, NO, Format, Record, Report, Source
from .base import has_payload

CHUNK = 1 << 16
# These hold code of the document that was translated, or a text of its own (a footnote, an index entry).
CODES = {"bpt", "ept", "it", "ph", "ut", "sub"}
# Those that stand alone, often for a line break or an image: two words beside one must not grow together.
ALONE = {"it", "ph", "ut", "x", "bx", "ex"}
TOOL = "spacy-xproj"
PLACE = "\ufffc"  # OBJECT REPLACEMENT CHARACTER, where such a code stands in a text
OMEGAT = re.compile(r"<(/?)[a-z]{1,3}[0-9]+(/?)>")  # OmegaT writes codes as text: <g1>, </g1>, <x2/>
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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


def read_tmx(
    file: Path, source_lang: str, target_lang: str, seen: Optional[set[str]] = None
) -> Iterator[tuple[int, Optional[tuple[str, str]]]]:
    """Read the translation units of a TMX file, a piece at a time.

    Inline codes (`bpt`, `ept`, `it`, `ph`, `ut` and the `sub` texts in them) are left out; the text in `hi` is kept.
    The tags that OmegaT writes into texts (`<g1>`, `<x2/>`) are left out as well. A code that stands alone between two
    words becomes a space. Every run of white space becomes one space, or nothing between two characters of a script
    without spaces; but what this package wrote is kept to the letter. Of several variants in one language the first is
    taken, an exact language code before a narrower one. A document type is allowed and never fetched; entities of its
    own are refused.

    file (Path): The file, in an encoding that expat knows or that its XML declaration names.
    source_lang, target_lang (str): The languages, see `match_level`.
    seen (Optional[set[str]]): The language codes of the file are added to it.
    YIELDS ((int, Optional[(str, str)])): The line of the unit, and its two texts; None for a unit without
        both.
    RAISES (InputError): With the line.
    """
    reader = _Reader(file, source_lang, target_lang, set() if seen is None else seen)
    parser = reader.parser
    try:
        with file.open("rb") as f:
            while chunk := f.read(CHUNK):
                parser.Parse(chunk, False)
                yield from reader.take()
            parser.Parse(b"", True)
            yield from reader.take()
    except expat.ExpatError as err:
        raise InputError(file, f"Expected TMX, got XML that is not well formed ({err}).", err.lineno) from err
    except (LookupError, ValueError) as err:
        if isinstance(err, XprojError):
            raise
        raise InputError(file, f"The encoding cannot be read ({err}).", parser.CurrentLineNumber) from err
    except OSError as err:
        raise InputError(file, f"The file cannot be read ({err}).") from err


class _Reader:
    """The handlers of one parse. expat is used directly: its `ElementTree` front gives neither lines nor the
    declarations of entities."""

    def __init__(self, file: Path, source_lang: str, target_lang: str, seen: set[str]):
        self.file, self.langs, self.seen = file, (source_lang, target_lang), seen
        self.units: list[tuple[int, Optional[tuple[str, str]]]] = []
        self.path: list[str] = []
        self.own, self.line = False, 0
        self.lang = ""
        self.variants: list[tuple[str, str]] = []
        self.text: Optional[list[str]] = None  # the pieces of the open <seg>
        self.codes = 0  # how many inline codes are open in it
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.EntityDeclHandler = self.entity
        self.parser.SkippedEntityHandler = self.skipped

    def take(self) -> list[tuple[int, Optional[tuple[str, str]]]]:
        units, self.units = self.units, []
        return units

    def error(self, message: str) -> InputError:
        return InputError(self.file, message, self.parser.CurrentLineNumber)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.path and name != "tmx":
            raise self.error(f"Expected TMX (a root element <tmx>), got <{name}>.")
        if name == "header":  # what this package wrote is kept to the letter
            self.own = attributes.get("creationtool") == TOOL
        if self.text is not None:
            if name in ALONE and not self.codes:
                self.text.append(PLACE)
            self.codes += name in CODES
        elif name == "tu":
            self.line, self.variants = self.parser.CurrentLineNumber, []
        elif name == "tuv":
            self.lang = attributes.get("xml:lang") or attributes.get("lang") or ""
            if not self.lang:
                raise self.error("Expected a language in <tuv xml:lang=...>, got none.")
            self.seen.add(self.lang)
        elif name == "seg" and self.path[-1] == "tuv":
            self.text, self.codes = [], 0
        self.path.append(name)

    def end(self, name: str) -> None:
        self.path.pop()
        if name == "seg" and self.text is not None:
            self.variants.append((self.lang, "".join(self.text) if self.own else plain_text("".join(self.text))))
            self.text = None
        elif self.text is not None:
            self.codes -= name in CODES
        elif name == "tu":
            self.units.append((self.line, _pick(self.variants, *self.langs)))

    def characters(self, data: str) -> None:
        if self.text is not None and not self.codes:
            self.text.append(data)

    def entity(self, name: str, *_: object) -> None:
        raise self.error(f"The file declares an entity of its own ({name!r}), which is not read. Write its text out.")

    def skipped(self, name: str, *_: object) -> None:
        raise self.error(f"The entity {name!r} is not known. Write its text out.")


def plain_text(text: str) -> str:
    """The text of a segment without codes, and with simple white space (see `read_tmx`).

    text (str): The text, with `PLACE` where a code stood alone.
    RETURNS (str): The text.
    """
    text = OMEGAT.sub(lambda match: PLACE if match[2] else "", text)
    pieces = re.split(f"({PLACE})", text)
    out = ""
    for place, piece in enumerate(pieces):
        beside = out[-1:] + "".join(pieces[place + 1 : place + 3])[:1] if piece == PLACE else ""
        out += " " * (len(beside) == 2 and beside.isalnum()) if piece == PLACE else piece
    words = out.split()
    spaces = [not (is_unspaced(a[-1]) and is_unspaced(b[0])) for a, b in pairwise(words)]
    return "".join(word + " " * space for word, space in zip(words, [*spaces, False]))


def _pick(variants: list[tuple[str, str]], source_lang: str, target_lang: str) -> Optional[tuple[str, str]]:
    """The two variants that fit best, the first of equals; never one variant for both languages."""
    best, most = None, 0
    for i, (a, source) in enumerate(variants):
        for j, (b, target) in enumerate(variants):
            fits = match_level(a, source_lang), match_level(b, target_lang)
            if i != j and all(fits) and sum(fits) > most and source.strip() and target.strip():
                best, most = (source, target), sum(fits)
    return best


def tmx_lines(pairs: Iterable[tuple[str, str]], source_lang: str, target_lang: str) -> Iterator[str]:
    """The lines of a TMX 1.4 file.

    pairs (iterable of (str, str)): Source text and target text.
    source_lang, target_lang (str): Language codes.
    YIELDS (str): Lines.
    RAISES (XprojError): If a text holds a character that XML cannot hold.
    """
    source_attr, target_attr = quoteattr(source_lang), quoteattr(target_lang)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<tmx version="1.4">\n'
    yield (
        f'<header creationtool="{TOOL}" creationtoolversion="{__version__}" segtype="sentence" '
        f'o-tmf="spacy-xproj" adminlang="en" srclang={source_attr} datatype="plaintext"/>\n<body>\n'
    )
    for source, target in pairs:
        if bad := _NOT_XML.search(source + target):
            raise XprojError(
                f"The entry {source!r} holds the character {bad.group()!r}, which TMX cannot hold: export "
                "the memory as JSONL."
            )
        yield (
            f"<tu><tuv xml:lang={source_attr}><seg>{_escape(source)}</seg></tuv>"
            f"<tuv xml:lang={target_attr}><seg>{_escape(target)}</seg></tuv></tu>\n"
        )
    yield "</body>\n</tmx>\n"


def _escape(text: str) -> str:
    return escape(text, {"\r": "&#13;"})  # a bare one would be read back as a line feed
