"""Marks around spans of a text: written before translation, read back and taken out after it."""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np
from rapidfuzz.fuzz import ratio

from ..texts import normalize
from ..ty import CharSpan


class Style(NamedTuple):
    """A kind of marks.

    opening, closing (str): The marks, as templates for the number of the span, counted from 1.
    exact (re.Pattern): Finds them as they are written. A closing mark has the group `close`, a numbered one `number`.
    like (re.Pattern): Finds them as translators alter them, too.
    """

    opening: str
    closing: str
    exact: re.Pattern
    like: re.Pattern


class Piece(NamedTuple):
    """What stood between two marks.

    start, end (int): Half-open character offsets into the text without marks.
    number (int): The number that the marks bear, or 0.
    """

    start: int
    end: int
    number: int


class Reading(NamedTuple):
    """A text without its marks.

    text (str): The text.
    pieces (list of Piece): What stood between the marks, in text order; none is empty, and none overlap.
    paired (bool): Whether every mark was part of a piece.
    """

    text: str
    pieces: list[Piece]
    paired: bool


def _brackets(opening: str, closing: str) -> re.Pattern:
    """Any of these characters; a run of them is one mark."""
    a, b = f"[{re.escape(opening)}]", f"[{re.escape(closing)}]"
    return re.compile(rf"{a}(?:\s*{a})*|(?P<close>{b}(?:\s*{b})*)")


def _tag(name: str) -> re.Pattern:
    return re.compile(rf"(?:[<＜‹〈《]|&lt;)\s*(?P<close>[/／\\]\s*)?{name}\s*(?:[>＞›〉》]|&gt;)", re.I)


STYLES = {
    "brackets": Style("[", "]", _brackets("[", "]"), _brackets("[［【〔〖「『《〚⟦", "]］】〕〗」』》〛⟧")),
    "xml": Style("<a>", "</a>", re.compile("<(?P<close>/)?a>"), _tag(r"[a\uff41\u0430]")),
    "numbered": Style(
        "<{0}>", "</{0}>", re.compile(r"<(?P<close>/)?(?P<number>[0-9]{1,9})>"), _tag(r"(?P<number>\d{1,9})\s*")
    ),
    "quotes": Style(
        '"', '"', re.compile('"'), re.compile("[\"＂“”„‟«»「」『』〝〞〟]|``|''|&quot;")
    ),
}  # fmt: skip


def free_style(text: str, preferred: str) -> Optional[str]:
    """The style to mark a text with: the preferred one, or else the first of `STYLES`, of which no mark, nor anything
    that could be read as one, stands in the text.

    text (str): Any text.
    preferred (str): A name from `STYLES`.
    RETURNS (Optional[str]): The name; None if there is none.
    """
    return next((name for name in (preferred, *STYLES) if not STYLES[name].like.search(text)), None)


def outermost(spans: Sequence[CharSpan]) -> list[CharSpan]:
    """Spans that do not overlap, in text order: of two that do, the one that starts first, then the longer one, then
    the one that was given first."""
    out: list[CharSpan] = []
    for span in sorted(spans, key=lambda s: (s[0], -s[1])):
        if not out or span[0] >= out[-1][1]:
            out.append(span)
    return out


def write(text: str, spans: Sequence[CharSpan], style: Style, spaced: bool = False) -> str:
    """A text with marks around spans.

    spans (sequence of (start, end, id)): Half-open character offsets, in text order, without overlap.
    spaced (bool): Put a space between the marks and what they enclose.
    """
    space = " " if spaced else ""
    out, done = [], 0
    for number, (start, end, _) in enumerate(spans, 1):
        marks = style.opening.format(number), style.closing.format(number)
        out += [text[done:start], marks[0], space, text[start:end], space, marks[1]]
        done = end
    return "".join([*out, text[done:]])


def read(text: str, style: Style, count: int) -> Reading:
    """Read the marks of a translation and take them out. What is only like a mark counts as one if fewer pairs are
    there than were written, so that otherwise quotation marks and brackets of the translation's own stay.

    count (int): How many pairs were written.
    RETURNS (Reading): The text without any mark, and what stood between them. White space inside a mark is gone; one
        space stays outside of it where there was one, or where two words would run into each other.
    """
    marks = list(style.exact.finditer(text))
    pairs = _pairs(marks)
    if len(pairs) < count:
        marks = list(style.like.finditer(text))
        pairs = _pairs(marks)
    opening, closing = {a for a, _ in pairs}, {b for _, b in pairs}
    out = text[: marks[0].start()].lstrip() if marks else text.strip()
    pieces = []
    start = 0
    for k, mark in enumerate(marks):
        following = text[mark.end() : marks[k + 1].start() if k + 1 < len(marks) else len(text)]
        before, after = out.rstrip(), following.lstrip()
        if k in closing and start < len(before):
            pieces.append(Piece(start, len(before), _number(mark)))
        spaced = len(out) > len(before), len(following) > len(after)
        out = before + _gap(before, after, *spaced, _closes(mark, k in closing))
        if k in opening:
            start = len(out)
        out += after
    return Reading(out.rstrip(), pieces, 2 * len(pieces) == len(marks))


def _closes(mark: re.Match, within: bool) -> bool:
    """Whether a mark closes; one that looks the same at both ends does so within a pair."""
    return mark["close"] is not None if mark.re.groups else within


def _number(mark: re.Match) -> int:
    return int(mark.groupdict().get("number") or 0)


def _pairs(marks: Sequence[re.Match]) -> list[tuple[int, int]]:
    """Indices of the opening and closing marks that belong together: neighbors with the same number."""
    pairs, last = [], None
    for k, mark in enumerate(marks):
        if not _closes(mark, last is not None):
            last = k
        elif last is not None:
            if _number(marks[last]) == _number(mark):
                pairs.append((last, k))
            last = None
    return pairs


def _gap(before: str, after: str, space_before: bool, space_after: bool, closes: bool) -> str:
    """What stands in the place of a mark, between texts without white space at this end."""
    outer, inner = (space_after, space_before) if closes else (space_before, space_after)
    neighbor = after[:1] if closes else before[-1:]
    if not before or (closes and neighbor and neighbor in ".,。、，"):
        return ""
    return " " if outer or (inner and neighbor and unicodedata.category(neighbor)[0] in "LMN") else ""


def comparable(text: str) -> str:
    """The form in which texts are compared: Unicode NFKC, case folded, without punctuation and symbols around it (if
    there is anything else in it)."""
    text = normalize(unicodedata.normalize("NFKC", text).casefold())
    kept = [k for k, c in enumerate(text) if unicodedata.category(c)[0] not in "PSZ"]
    return text[kept[0] : kept[-1] + 1] if kept else text


def likeness(a: str, b: str) -> float:
    """How alike two texts are, from 0 to 1: 2 · longest common subsequence / (len(a) + len(b)), of their comparable
    forms."""
    return ratio(comparable(a), comparable(b)) / 100


def match(scores: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Assign pieces to spans such that the sum of the scores is the highest. Of equal sums that one wins which keeps
    the order best. If then one span and one piece are left over, they belong together.

    scores (float array (n_spans, n_pieces)): From 0 to 1.
    threshold (float): What scores less is never assigned, but by being left over.
    RETURNS (list of (int, int)): Indices of spans and pieces, by span.
    """
    from scipy.optimize import linear_sum_assignment

    n, m = scores.shape
    allowed = scores >= threshold
    i, j = np.indices((n, m))
    # Convex in the distance, so that equal spans never cross; too small, all together, to outweigh a score.
    order = (i - j) ** 2 * (1e-6 / max(n, m) ** 3)
    rows, columns = linear_sum_assignment(np.where(allowed, scores - order, 0.0), maximize=True)
    found = [(int(a), int(b)) for a, b in zip(rows, columns) if allowed[a, b]]
    if n == m == len(found) + 1:
        (span,) = set(range(n)).difference(a for a, _ in found)
        (piece,) = set(range(n)).difference(b for _, b in found)
        found.append((span, piece))
    return sorted(found)
