"""Texts with spans in Apertium's stream format, and back.

Spans travel as word-bound blanks (Khanna et al. 2021): "[[1]]red[[/]] cars" comes out as "coches [[1]]rojos[[/]]", for
the blank stays with its word when a transfer rule moves it. Inline tags of a document stay where they are instead.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from ..ty import CharSpan

Piece = tuple[int, int, frozenset[int]]  # half-open offsets into the translation, and the spans that its words are from

# A full stop of its own before and after makes a sentence of any text, as Apertium's own readers of formats do.
HEAD, TAIL = ".[]", "[].[]"
SPECIAL = re.compile(r"[][\\^$/@{}<>]")
REFUSED = re.compile("[\0\ud800-\udfff\ufffe\uffff]")  # read as the end of a text, or no characters at all
TOKEN = re.compile(r"\\(?P<escaped>.)|\[\[(?P<bound>[^][]*)\]\]|\[(?P<free>[^][]*)\]|(?P<plain>[^][\\]+|.)", re.S)
LAST = re.compile(r"\.(\[\[/\]\])?(\[\])?$")  # the full stop of the tail, which may have got into the blank before it
OUTSIDE = 0  # marks the words that are in no span: without it they could not be told from words the rules put in
FOREIGN = 1  # words from outside of a span that may come to stand within it


def squeezed(text: str) -> str:
    """The text as it is translated: white space as single blanks, none at the ends; U+FFFD for what no text may hold.

    text (str): Any text.
    RETURNS (str): The text.
    """
    return REFUSED.sub("\ufffd", " ".join(text.split()))


def write(text: str, spans: Sequence[CharSpan] = ()) -> tuple[str, list[str]]:
    """A text in stream format.

    text (str): The text.
    spans (sequence of (start, end, id)): Its spans, which may nest. White space at their ends does not count.
    RETURNS (tuple): The stream; and the ids of the spans, by their numbers in it less one.
    """
    plain = squeezed(text)
    ids: dict[str, int] = {}
    placed = []
    for start, end, name in spans:
        if plain != text:
            start, end = len(squeezed(text[:start] + "x")) - 1, len(squeezed(text[:end]))
        end = len(plain[:end].rstrip())
        start += len(plain[start:end]) - len(plain[start:end].lstrip())
        if start < end:
            placed.append((start, end, ids.setdefault(name, len(ids) + 1)))
    if not placed:
        return HEAD + escape(plain) + TAIL, []
    stream = [HEAD]
    for a, b in pairwise(sorted({0, len(plain), *(cut for start, end, _ in placed for cut in (start, end))})):
        part = plain[a:b]
        core = part.strip()
        if core:
            numbers = dict.fromkeys(k for start, end, k in placed if start <= a and b <= end) or [OUTSIDE]
            core = f"[[{';'.join(map(str, numbers))}]]{escape(core)}[[/]]"
        stream.append(f"{' ' * part.startswith(' ')}{core}{' ' * (part.endswith(' ') and bool(core))}")
    return "".join(stream) + TAIL, list(ids)


def escape(text: str) -> str:
    # "~" tells the post-generator to look at a word, and is taken away: in a blank it is left alone.
    return SPECIAL.sub(r"\\\g<0>", text).replace("~", "[~]")


def read(stream: str, ids: Sequence[str] = ()) -> tuple[str, list[CharSpan]]:
    """A translation out of stream format.

    stream (str): What Apertium wrote.
    ids (sequence of str): What `write` gave.
    RETURNS (tuple): The translation, with single blanks; and the spans that came through, in text order. A span in
        several pieces goes from the first to the last of them, over words that the rules put in and over at most one
        word from elsewhere that is in no other span; with more between them it is the longest piece.
    """
    text, pieces = parse(stream)
    places = [(run, name) for number, name in enumerate(ids, 1) for run in longest(number, pieces, text)]
    spans = [(start, end, name) for (start, end), name in places]
    return text, sorted(spans, key=lambda span: (span[0], -span[1]))


def parse(stream: str) -> tuple[str, list[Piece]]:
    """The translation, and its words that come from marked ones, in text order."""
    text, start = "", 0
    pieces: list[Piece] = []
    words: list[tuple[frozenset[int], str]] = []
    for token in TOKEN.finditer(LAST.sub(r"\1", stream.removeprefix(HEAD))):
        bound = token["bound"]
        if bound is None:
            chunk = re.sub(r"\s+", " ", token["escaped"] or token["free"] or token["plain"] or "")
            text += chunk.lstrip(" ") if not text or text.endswith(" ") else chunk
        elif bound == "/":
            pieces += pieces_of(text, start, words)
        else:
            start, words = len(text), words_of(bound)
    return text.rstrip(), pieces


def words_of(bound: str) -> list[tuple[frozenset[int], str]]:
    """The words of a blank such as "1=de; 1; 2=Albert": the spans of each, and its form before post-generation."""
    words = []
    numbers: set[int] = set()
    for part in bound.split(";"):
        number, _, form = part.strip().partition("=")
        numbers |= {int(number)} if number.isdecimal() else set()
        if form:
            words.append((frozenset(numbers), form.replace("~", "")))
            numbers = set()
    return [*words, (frozenset(numbers), "")] if numbers else words


def pieces_of(text: str, start: int, words: list[tuple[frozenset[int], str]]) -> list[Piece]:
    """The pieces of what lies in one blank, in text order.

    The post-generator makes one blank of all words that it looked at, the unmarked ones before a word included
    ("d'[[1]]Albert"), so the words are looked for again, from the last to the first. What has changed its form stays
    one piece.
    """
    pieces: list[Piece] = []
    end = len(text.rstrip())
    for k in reversed(range(len(words))):
        numbers, form = words[k]
        at = end - len(form)
        if not form or at < start or text[at:end].lower() != form.lower() or (at > start and text[at - 1].isalnum()):
            pieces.append((start, end, frozenset().union(*(n for n, _ in words[: k + 1]))))
            break
        pieces.append((at, end, numbers))
        end = len(text[:at].rstrip())
    return [piece for piece in reversed(pieces) if piece[0] < piece[1]]


def longest(number: int, pieces: Sequence[Piece], text: str) -> list[tuple[int, int]]:
    """The offsets of one span, its pieces put together as far as may be; none if it is lost."""
    runs: list[tuple[int, int]] = []
    foreign = 0
    for start, end, numbers in pieces:
        if number in numbers:
            joined = bool(runs) and foreign <= FOREIGN
            runs = [*runs[:-1], (runs[-1][0], end)] if joined else [*runs, (start, end)]
            foreign = 0
        elif any(c.isalnum() for c in text[start:end]):
            foreign += 1 if numbers == {OUTSIDE} else FOREIGN + 1
    return [max(runs, key=lambda run: run[1] - run[0])] if runs else []
