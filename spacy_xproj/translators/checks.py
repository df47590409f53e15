"""What is seen to of the output of translators: their number, loops, and the warnings about them."""

import warnings
from collections.abc import Callable, Sequence

from ..errors import XprojError
from ..part import as_part
from ..ty import Translation

NGRAM = 4  # words
REPEATS = 6


def one_each(translations: list[Translation], texts: Sequence[str], translator: Callable) -> list[Translation]:
    """The translations, if there is one a text.

    translations (list of Translation): What a translator gave.
    texts (sequence of str): What it was asked for.
    translator (Translator): The translator, for the error.
    RETURNS (list of Translation): The translations.
    RAISES (XprojError): If their number is another.
    """
    if len(translations) != len(texts):
        name = as_part(translator).key
        raise XprojError(f"The translator {name!r} gave {len(translations)} translations of {len(texts)} texts.")
    return translations


def looping(text: str) -> bool:
    """Whether a translation got caught in a loop: it ends in the same 1 to 4 words at least 6 times in a row. The very
    last word may be cut. In a text without white space the letters count as words.

    text (str): The translation.
    RETURNS (bool): Whether it does.
    """
    units: Sequence[str] = text.split()
    if len(units) == 1:
        units = units[0] if units[0][-1].isalpha() else ""
    return any(_periodic(part, n) for n in range(1, NGRAM + 1) for part in (units, units[:-1]))


def _periodic(units: Sequence[str], n: int) -> bool:
    """Whether the last `REPEATS` times n units are n units over and over."""
    length = REPEATS * n
    return len(units) >= length and all(units[-i] == units[-i - n] for i in range(1, length - n + 1))


def warn_about(texts: Sequence[str], total: int, what: str) -> None:
    """Warn of what happened to some texts, once for all of them.

    texts (sequence of str): The source texts that it happened to. None, no warning.
    total (int): Of how many.
    what (str): What happened, after "3 of 200 texts".
    """
    if texts:
        warnings.warn(f"{len(texts)} of {total} texts {what}; first: {texts[0][:100]!r}", stacklevel=4)
