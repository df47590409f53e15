"""Docs made of what the formats read: one place for spaces, token borders, entities and what is unknown."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Optional

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ...bitext import Bitext
from ...errors import XprojError
from ...labels import GOLD
from ...languages import is_unspaced, lang_code
from ...limits import check_limit
from .offsets import resolve
from .record import Mark, Record
from .report import Report
from .spacing import guess_spaces, locate, spaces_between

Places = Sequence[tuple[int, int]]


class DocBuilder:
    """Make Docs of records.

    nlp (Language): Its vocab is that of the Docs, its tokenizer splits texts that come without words, and its
        language says where spaces go.
    report (Report): Is told of repairs.
    source_nlp (Optional[Language]): Its tokenizer splits the source side of a bitext.
    """

    def __init__(self, nlp: Language, report: Report, source_nlp: Optional[Language] = None):
        self.nlp, self.report, self.source_nlp = nlp, report, source_nlp
        self.lang = lang_code(nlp)

    def make(self, record: Record) -> Doc:
        """Make the Doc of a record.

        A word keeps its place: white space of the text beyond one space a word is left out and counted as
        `white_space_left_out`. Spans of characters that do not meet the borders of tokens split them between
        characters of scripts without spaces, and otherwise grow to the tokens that they touch, which is counted as
        `expanded_spans`. Of spans that overlap, the longest and then the first are in `doc.ents`, and the others are
        counted as `overlapping_spans`; spans of nothing but white space are left out and counted as `blank_spans`.

        record (Record): What a file says.
        RETURNS (Doc): The Doc.
        RAISES (XprojError): If the record cannot be read.
        """
        if record.words is None:
            doc, marks, places = self.from_text(record)
        else:
            doc, marks, places = self.from_words(record)
        if not doc.text.strip():
            raise XprojError("The text is empty. Remove the record.")
        check_limit("doc_tokens", len(doc), "The text has {n} tokens")
        if marks is not None:
            check_limit("doc_entities", len(marks), "The text has {n} entities")
            self.label(doc, record, marks, places)
        if record.meta:
            check_meta(record.meta)
            doc.user_data["meta"] = record.meta
        if record.source is not None:
            self.add_source(doc, record.source)
        return doc

    def from_text(self, record: Record) -> tuple[Doc, Optional[list[Mark]], Places]:
        """Split a text into tokens, also at the borders of its spans where its script has no spaces."""
        text = record.text or ""
        doc = self.nlp.make_doc(text)
        marks = None if record.marks is None else resolve(text, record.marks, self.report, record.line)
        places = [(token.idx, token.idx + len(token)) for token in doc]
        cuts = {at for mark in marks or () for at in (mark.start, mark.end) if _is_cut(text, at)}
        cuts -= {at for place in places for at in place}
        if cuts:
            parts = []
            for start, end in places:
                borders = [start, *sorted(at for at in cuts if start < at < end), end]
                parts += list(pairwise(borders))
            ends = {token.idx + len(token): bool(token.whitespace_) for token in doc}
            spaces = [ends.get(end, False) for _, end in parts]
            doc = Doc(self.nlp.vocab, words=[text[a:b] for a, b in parts], spaces=spaces)
            places = parts
            self.report.note("split_tokens", record.line, n=len(cuts))
        return doc, marks, places

    def from_words(self, record: Record) -> tuple[Doc, Optional[list[Mark]], Places]:
        """Put words together, with the spaces that the record, its text, or else the language says."""
        words, text = record.words or [], record.text
        if "" in words:
            raise XprojError(f"A token is empty: {words}.")
        places = None if text is None else locate(words, text)
        if text is not None and places is None:
            raise XprojError(f"The tokens {words} do not make up the text {text!r}.")
        if record.spaces is not None:
            spaces = record.spaces
        elif text is not None and places is not None:
            spaces = spaces_between(text, places)
            lost = sum(max(0, b[0] - a[1] - 1) for a, b in pairwise(places))
            if lost:
                self.report.note("white_space_left_out", record.line, n=lost)
        else:
            spaces = guess_spaces(words, self.lang)
            if not all(spaces[:-1]):
                self.report.note("spaces_guessed", record.line)
        doc = Doc(self.nlp.vocab, words=words, spaces=spaces)
        if places is None:
            text, places = doc.text, [(token.idx, token.idx + len(token)) for token in doc]
        if record.marks is None:
            return doc, None, places
        chars = resolve(text or "", [m for m in record.marks if not m.words], self.report, record.line)
        return doc, [m for m in record.marks if m.words] + chars, places

    def label(self, doc: Doc, record: Record, marks: Sequence[Mark], places: Places) -> None:
        """Set the entities, what is not known, and where spans may overlap the group of all of them."""
        found = [span for mark in marks if (span := self.span(doc, record, mark, places)) is not None]
        if record.nested:
            doc.spans[GOLD] = found
        kept = filter_spans(found)
        for span in found:
            if span not in kept:
                self.report.note("overlapping_spans", record.line, span.text)
        if len(record.missing) < len(doc):
            missing = [doc[i : i + 1] for i in record.missing]
            doc.set_ents(kept, missing=missing, default="outside")

    def span(self, doc: Doc, record: Record, mark: Mark, places: Places) -> Optional[Span]:
        """The tokens of a labeled span."""
        if not mark.label:
            raise XprojError(f"The label of the span {mark.start}-{mark.end} is empty.")
        if mark.words:
            if not 0 <= mark.start < mark.end <= len(doc):
                raise XprojError(f"The span {mark.start}-{mark.end} ({mark.label}) is beyond the {len(doc)} tokens.")
            return Span(doc, mark.start, mark.end, label=mark.label, span_id=mark.id)
        text = record.text if record.text is not None else doc.text
        inside = text[mark.start : mark.end]
        # A space belongs to the token before it: a span that begins with one must not grow over that token.
        start, end = mark.start + len(inside) - len(inside.lstrip()), mark.end - len(inside) + len(inside.rstrip())
        touched = [i for i, (a, b) in enumerate(places) if a < end and b > start]
        if not inside.strip() or not touched:
            self.report.note("blank_spans", record.line)
            return None
        if (places[touched[0]][0], places[touched[-1]][1]) != (mark.start, mark.end):
            grown = text[places[touched[0]][0] : places[touched[-1]][1]]
            self.report.note("expanded_spans", record.line, f"{inside!r} to {grown!r}")
        return Span(doc, touched[0], touched[-1] + 1, label=mark.label, span_id=mark.id)

    def add_source(self, doc: Doc, text: str) -> None:
        """Put the source side of a bitext on the Doc."""
        if self.source_nlp is None:
            raise XprojError("The source side of a bitext needs its language: give --source-lang.")
        source = self.source_nlp.make_doc(text)
        words, spaces = tuple(t.text for t in source), tuple(bool(t.whitespace_) for t in source)
        doc._.xproj = Bitext(lang_code(self.source_nlp), words, spaces, unknown=tuple(range(len(words))))


def check_meta(value: Any) -> None:
    """Make sure that meta data can be kept in a .spacy file.

    value (Any): As JSON has it.
    RAISES (XprojError): If a number in it has more than 64 bits.
    """
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            check_meta(item)
    elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        raise XprojError(
            f"The meta data hold the number {value}, which is too large for a .spacy file. Write it as text."
        )


def _is_cut(text: str, at: int) -> bool:
    """Whether a text may be split at a place: between two characters one of which is of a script without spaces."""
    return 0 < at < len(text) and (is_unspaced(text[at - 1]) or is_unspaced(text[at]))
