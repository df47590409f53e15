"""Character offsets of labeled spans, checked against the text that the spans carry."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Literal, Optional

from ...errors import InputError, XprojError
from .record import Mark
from .report import Report


def _table(sizes: Sequence[int]) -> Callable[[int], Optional[int]]:
    """Turn offsets in units, of which each character has so many, into offsets of characters."""
    index = {at: i for i, at in enumerate([0, *accumulate(sizes)])}
    return index.get


# What tools count where they do not count characters.
UNITS: dict[str, Callable[[str], Callable[[int], Optional[int]]]] = {
    "utf16_offsets": lambda text: _table([1 + (c > "\uffff") for c in text]),
    "utf8_offsets": lambda text: _table([len(c.encode("utf-8")) for c in text]),
    "nfc_offsets": lambda text: _composed("NFC", text),
    "nfd_offsets": lambda text: _composed("NFD", text),
    "crlf_offsets": lambda text: _table([1 + (c == "\n") for c in text]),
}


def _composed(form: Literal["NFC", "NFD"], text: str) -> Callable[[int], Optional[int]]:
    index = {len(unicodedata.normalize(form, text[:i])): i for i in range(len(text), -1, -1)}
    return index.get


def resolve(text: str, marks: Sequence[Mark], report: Report, line: int) -> list[Mark]:
    """Check the character offsets of spans. Where they do not give the text that the spans carry, try what tools count
    instead of characters: UTF-16 units, bytes, composed or decomposed letters, line ends of two characters. Such a
    reading must hold for all spans of the record, and is counted by its name.

    text (str): The text.
    marks (sequence of Mark): Spans with character offsets.
    report (Report): Counts the records with other offsets.
    line (int): Where the record starts.
    RETURNS (list of Mark): The spans, with offsets of characters.
    RAISES (InputError): If offsets are out of range or give another text in any reading.
    """
    wrong = next((mark for mark in marks if not _fits(text, mark)), None)
    if wrong is None:
        _refuse_if_doubtful(text, marks)
        return list(marks)
    for unit, maker in UNITS.items():
        moved = _moved(marks, maker(text))
        # Offsets that are merely out of range are evidence of other units only where no span tells its text.
        if moved and all(_fits(text, mark) for mark in moved) and (wrong.text is not None or unit == "utf16_offsets"):
            report.note(unit, line, f"{text[moved[0].start : moved[0].end]!r} at {marks[0].start}-{marks[0].end}")
            return moved
    line = wrong.line or line
    _check_range(text, wrong, report, line)
    found = text[wrong.start : wrong.end]
    inclusive = text[wrong.start : wrong.end + 1] == wrong.text
    hint = " Its end seems to be the last character, not the one after it." * inclusive
    raise InputError(
        report.path,
        f"The span {wrong.start}-{wrong.end} ({wrong.label}) says that its text is {wrong.text!r}, but the text has "
        f"{found!r} there, counted in characters, UTF-16 units or bytes.{hint}",
        line,
    )


def _fits(text: str, mark: Mark) -> bool:
    if type(mark.start) is not int or type(mark.end) is not int or not 0 <= mark.start < mark.end <= len(text):
        return False
    return mark.text is None or _plain(text[mark.start : mark.end]) == _plain(mark.text)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text.replace("\\n", "\n")).split())


def _moved(marks: Sequence[Mark], place: Callable[[int], Optional[int]]) -> Optional[list[Mark]]:
    moved = []
    for mark in marks:
        if type(mark.start) is not int or type(mark.end) is not int:
            return None
        start, end = place(mark.start), place(mark.end)
        if start is None or end is None:
            return None
        moved.append(replace(mark, start=start, end=end))
    return moved


def _check_range(text: str, mark: Mark, report: Report, line: int) -> None:
    a, b = mark.start, mark.end
    if type(a) is not int or type(b) is not int or not 0 <= a < b <= len(text):
        raise InputError(
            report.path,
            f"Expected the 'start' and 'end' of a span to be offsets from 0 to {len(text)}, the end after the start, "
            f"got {a!r} and {b!r}.",
            line,
        )


def _refuse_if_doubtful(text: str, marks: Sequence[Mark]) -> None:
    """Stop where offsets without texts make sense as UTF-16 units only."""
    if not any(c > "\uffff" for c in text) or any(mark.text is not None for mark in marks):
        return
    moved = _moved(marks, UNITS["utf16_offsets"](text))
    if moved and moved != list(marks) and _on_words(text, moved) and not _on_words(text, marks):
        mark, other = next((a, b) for a, b in zip(marks, moved) if a != b)
        raise XprojError(
            f"The span {mark.start}-{mark.end} ({mark.label}) is {text[mark.start : mark.end]!r} counted in "
            f"characters, but {text[other.start : other.end]!r} counted in UTF-16 units, as tools in JavaScript do. "
            "Give the spans a 'text', so that the offsets can be checked."
        )


def _on_words(text: str, marks: Sequence[Mark]) -> bool:
    """Whether all spans start and end with a word, and cut none."""
    for mark in marks:
        inside, before, after = text[mark.start : mark.end], text[: mark.start][-1:], text[mark.end :][:1]
        cuts = [(before, inside[:1]), (inside[-1:], after)]
        if inside != inside.strip() or any(a.isalnum() and b.isalnum() for a, b in cuts):
            return False
    return True
