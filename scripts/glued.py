"""Agglutination made up: short words become suffixes, whose vowels agree with those of the word that they are put to.

What inflection does to projection can then be measured, and learnt, on languages that have little of it.
"""

from collections.abc import Sequence

import numpy as np

from spacy_xproj.bitext import SentencePair
from spacy_xproj.similarities.ranker.training import Gold

MOST = 3  # letters of a word that becomes a suffix
FRONT, BACK = "eiéèêíöüy", "aoáàâóuúıåä"
HARMONY = {True: str.maketrans("aáàâoóuú", "eeeeeeii"), False: str.maketrans("eéèêiíöü", "aaaauuou")}


def glue(words: Sequence[str]) -> tuple[list[str], list[int]]:
    """Put short words in small letters at the end of the next longer word.

    words (sequence of str): A sentence.
    RETURNS (list of str, list of int): The new words, and the place there of each old one.
    """
    out: list[str] = []
    places = [0] * len(words)
    waiting: list[int] = []
    for k, word in enumerate(words):
        if word.isalpha() and word.islower() and len(word) <= MOST:
            waiting.append(k)
            continue
        if not word[:1].isalnum():  # nothing to put them to
            for other in waiting:
                places[other] = len(out)
                out.append(words[other])
            waiting = []
        for other in (*waiting, k):
            places[other] = len(out)
        out.append(word + "".join(harmonized(words[other], word) for other in waiting))
        waiting = []
    for other in waiting:
        places[other] = len(out)
        out.append(words[other])
    return out, places


def harmonized(suffix: str, word: str) -> str:
    """A suffix with vowels like the last one of a word."""
    last = next((letter for letter in reversed(word.lower()) if letter in FRONT or letter in BACK), "a")
    return suffix.translate(HARMONY[last in FRONT])


def glued_pair(pair: SentencePair) -> SentencePair:
    """A sentence pair with its target glued. Links go where their words have gone, and have no scores."""
    words, places = glue(pair.target)
    links = pair.links.copy()
    links[:, 1] = np.array(places, links.dtype)[links[:, 1]]
    links = np.unique(links, axis=0)
    return pair._replace(target=tuple(words), links=links, scores=np.ones(len(links), "f4"), evidence={})


def glued_gold(target: Sequence[str], gold: Gold) -> Gold:
    """The gold spans of a target sentence that is glued."""
    places = glue(target)[1]
    return frozenset((places[start], places[end - 1] + 1, label) for start, end, label in gold)
