"""Words cut into pieces, as characters are in scripts without spaces where there is no better tokenizer.

What that does to projection can then be measured, and learnt, on languages with spaces.
"""

from collections.abc import Sequence

import numpy as np

from spacy_xproj.bitext import SentencePair
from spacy_xproj.similarities.ranker.training import Gold

PIECE = 3  # letters


def cut(words: Sequence[str]) -> tuple[list[str], list[int]]:
    """Cut words into pieces.

    words (sequence of str): A sentence.
    RETURNS (list of str, list of int): The pieces, and where each word begins among them; at last, how many there are.
    """
    out: list[str] = []
    begins = [0]
    for word in words:
        out += [word[at : at + PIECE] for at in range(0, len(word), PIECE)]
        begins.append(len(out))
    return out, begins


def cut_pair(pair: SentencePair) -> SentencePair:
    """A sentence pair with its target cut. A link to a word is one to each of its pieces, and has no score."""
    pieces, begins = cut(pair.target)
    links = [(i, piece) for i, j in pair.links.tolist() for piece in range(begins[j], begins[j + 1])]
    return pair._replace(
        target=tuple(pieces),
        links=np.array(sorted(links), pair.links.dtype).reshape(-1, 2),
        scores=np.ones(len(links), "f4"),
        evidence={},
    )


def cut_gold(target: Sequence[str], gold: Gold) -> Gold:
    """The gold spans of a target sentence that is cut."""
    begins = cut(target)[1]
    return frozenset((begins[start], begins[end], label) for start, end, label in gold)
