"""Where the spaces of a text are, for files that tell its words."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Optional

from ...codes import parse
from ...languages import UNSPACED_LANGUAGES, is_unspaced

WINDOW = 500  # words; the detokenizer takes the square of the time
# Marks of the Penn Treebank, by what they stand for in plain text.
TREEBANK = {"``": '"', "''": '"', "n't": "'t", "n\u2019t": "'t", "N'T": "'T", "\u2019": "'"}


def locate(words: Sequence[str], text: str) -> Optional[list[tuple[int, int]]]:
    """Find each word in a text, with nothing but white space between two words.

    words (sequence of str): The words, in order.
    text (str): The text.
    RETURNS (Optional[list[tuple[int, int]]]): Half-open character offsets of each word; None if they do not make
        up the text.
    """
    found, at = [], 0
    for word in words:
        while at < len(text) and not text.startswith(word, at) and text[at].isspace():
            at += 1
        if not text.startswith(word, at):
            return _locate_composed(words, text)
        found.append((at, at + len(word)))
        at += len(word)
    return found if not text[at:].strip() else _locate_composed(words, text)


def _locate_composed(words: Sequence[str], text: str) -> Optional[list[tuple[int, int]]]:
    """Find words in a text that writes its letters with combining marks and they do not, or the reverse."""
    if unicodedata.is_normalized("NFC", text) and all(unicodedata.is_normalized("NFC", word) for word in words):
        return None
    found, at = [], 0
    for word in words:
        want = unicodedata.normalize("NFC", word)
        while at < len(text) and text[at].isspace() and not word[0].isspace():
            at += 1
        # A letter has few marks: longer stretches than this cannot be the word.
        ends = range(at + 1, min(len(text), at + 4 * len(word)) + 1)
        fits = [end for end in ends if unicodedata.normalize("NFC", text[at:end]) == want]
        if not fits:
            return None
        found.append((at, fits[-1]))
        at = fits[-1]
    return found if not text[at:].strip() else None


def spaces_between(text: str, found: Sequence[tuple[int, int]]) -> list[bool]:
    """Whether white space follows each located word."""
    starts = [start for start, _ in found[1:]] + [len(text)]
    return [end < start for (_, end), start in zip(found, starts)]


def guess_spaces(words: Sequence[str], lang: str) -> list[bool]:
    """Guess where the spaces of a text were, by the rules of Moses for the language, and none between characters of
    scripts that are written without.

    words (sequence of str): The words.
    lang (str): Language code, in its normal form. The rules for punctuation hold for any language.
    RETURNS (list of bool): Whether a space follows each word. None follows the last.
    """
    code = parse(lang).language
    plain = [TREEBANK.get(w, w) if code in ("en", "xx") else w for w in words]
    # The detokenizer splits at white space and reads entities: such words must not change its count.
    plain = ["x" if not w or any(c.isspace() for c in w) else w for w in plain]
    spaces: list[bool] = []
    for start in range(0, len(plain), WINDOW):
        window = plain[start : start + WINDOW]
        joined = _detokenizer(code).detokenize(window, unescape=False)
        found = locate(window, joined)
        spaces += [True] * len(window) if found is None else [*spaces_between(joined, found)[:-1], True]
    for i, (a, b) in enumerate(pairwise(words)):
        beside = [is_unspaced(c) for c in (a[-1:], b[:1]) if c]
        if all(beside) or (code in UNSPACED_LANGUAGES and any(beside)):
            spaces[i] = False
    return [*spaces[:-1], False] if words else []


@lru_cache(maxsize=8)
def _detokenizer(lang: str) -> Any:
    from sacremoses import MosesDetokenizer  # here, as it compiles large tables

    return MosesDetokenizer(lang)
