"""Texts as a translation memory compares them, and what makes two texts a usable pair."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from .languages import UNSPACED

IGNORED = ("spaces", "quotes", "case")
QUOTES = {ord(c): '"' for c in "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\uff02"}
QUOTES |= {ord(c): "'" for c in "`\u00b4\u2018\u2019\u201a\u201b\u2039\u203a\u2032\uff07"}
_BESIDE = re.compile(f"(?<=[^\\w ]) | (?=[^\\w ])|(?<=[{UNSPACED}]) | (?=[{UNSPACED}])")


def normalize(text: str) -> str:
    """Return the form in which texts are compared: Unicode NFC, every run of white space (NO-BREAK SPACE, ZERO WIDTH
    NO-BREAK SPACE and the other Unicode spaces included) one space, none at the ends. Case is kept.

    text (str): Any text.
    RETURNS (str): Its normal form, which is its own normal form.
    """
    return " ".join(unicodedata.normalize("NFC", text).replace("\ufeff", " ").split())


def tighten(text: str) -> str:
    """Return a text without the spaces beside punctuation and beside characters of scripts without spaces: the same for
    a text and for its tokens joined by blanks.

    text (str): A text in its normal form.
    RETURNS (str): The text with fewer spaces.
    """
    return _BESIDE.sub("", text)


def fold(text: str, ignore: Sequence[str] = IGNORED) -> str:
    """Return a text without the differences that a memory passes over.

    text (str): A text in its normal form.
    ignore (sequence of str): Out of "spaces" (see `tighten`), "quotes" (which kind) and "case".
    RETURNS (str): The same for all texts that differ in nothing else.
    """
    if "quotes" in ignore:
        text = text.replace("``", '"').replace("''", '"').translate(QUOTES)
    if "case" in ignore:
        text = text.casefold()
    return tighten(text) if "spaces" in ignore else text


def pair_problem(source: Any, target: Any) -> str:
    """Say why two values are not a text and its translation.

    source, target (Any): The values.
    RETURNS (str): A sentence, or "" if nothing is wrong.
    """
    for side, text in (("source", source), ("target", target)):
        if not isinstance(text, str):
            return f"Expected a {side} text, got {type(text).__name__}."
        if not normalize(text):
            return f"The {side} text is empty: give both texts, or leave the entry out."
        try:
            text.encode("utf8")
        except UnicodeEncodeError as err:
            return f"The {side} text is not valid Unicode ({err.reason}, at character {err.start})."
    return ""
