"""Word forms across scripts: what can be told about a word, and about two words, without knowing the language."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from string import punctuation
from typing import NamedTuple

import numpy as np
from anyascii import anyascii
from rapidfuzz.distance import JaroWinkler
from rapidfuzz.process import cdist

SHORT = 2  # characters: forms of this length or shorter are alike only if equal, and names
SAME = 0.85  # words that are more alike than this are taken for one name
STEM, LEAST = 5, 2  # letters of a stem in romanized script, and characters of the word that it has at least
AFFIX = 4  # characters that a form has at least which is a part of another


class Word(NamedTuple):
    """What is known of a word.

    form (str): Romanized, in lower case, without punctuation around it.
    stem (str): The beginning of the form: what inflection leaves as it is, as a rule. Without spaces.
    punct (bool): All of it is punctuation or symbols.
    capital (bool): It begins with an upper-case letter or a digit.
    upper (bool): It begins with an upper-case letter.
    """

    form: str
    stem: str
    punct: bool
    capital: bool
    upper: bool


@lru_cache(maxsize=200_000)
def describe(word: str) -> Word:
    """What is known of a word.

    word (str): As it stands in the text.
    RETURNS (Word): Its form and its kind.
    """
    punct = all(unicodedata.category(c)[0] in "PSZ" for c in word)
    upper = word[:1].isupper()
    form = anyascii(word).lower().strip(punctuation + " ")
    least = len(anyascii(word.strip(punctuation)[:LEAST]))  # one Chinese character is many letters
    return Word(form, form.replace(" ", "")[: max(STEM, least)], punct, upper or word[:1].isdigit(), upper)


class WordForms:
    """The words of one side of a sentence pair, as arrays over them.

    words (sequence of str): The words, n of them.
    """

    def __init__(self, words: Sequence[str]):
        known = [describe(word) for word in words]
        self.forms = [w.form for w in known]
        self.stems = [w.stem for w in known]
        self.punct = np.array([w.punct for w in known], bool)
        self.capital = np.array([w.capital for w in known], bool)
        self.upper = np.array([w.upper for w in known], bool)
        self.chars = np.array([len(f) for f in self.forms], "f8")
        self.keys = ["" if w.punct or (len(w.form) <= SHORT and not w.capital) else w.form for w in known]


def similar(source: WordForms, target: WordForms) -> np.ndarray:
    """Jaro-Winkler similarity of all forms of two sides (Winkler 1990). Punctuation is like nothing, and short
    forms are like equal ones only.

    RETURNS (float array (m, n)): In [0, 1].
    """
    found = cdist(source.keys, target.keys, scorer=JaroWinkler.similarity, dtype=np.float32)
    short = (source.chars <= SHORT)[:, None] | (target.chars <= SHORT)
    found[short & (found < 1)] = 0
    found[np.array([not k for k in source.keys], bool)] = 0
    found[:, np.array([not k for k in target.keys], bool)] = 0
    return found.astype("f8")
