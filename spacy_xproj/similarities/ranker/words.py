"""The words that a ranker has seen, numbered: a word is looked up once, and arrays do the rest."""

from collections.abc import Iterable, Mapping

import numpy as np

from ..forms import AFFIX, WordForms

MOST = 200_000  # words that are remembered


class Vocabulary:
    """Words by their numbers. What is known of each is an array or a list over them. Number 0 stands for no word.

    forms, stems, keys (list of str): See `WordForms`.
    affixes (list of str): The keys that are long enough to be a part of another, "" for others.
    stem (int array): The same number for the same stem.
    punct, capital, upper (bool arrays), chars (float array): See `WordForms`.
    stop, keyed (bool arrays): Punctuation, but for a full stop; words with a key.
    """

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self.forms, self.stems, self.keys, self.affixes = ([""] for _ in range(4))
        self.punct, self.capital, self.upper, self.stop, self.keyed = np.array(
            [[True], [False], [False], [True], [False]]
        )
        self.chars, self.stem = np.zeros(1), np.zeros(1, "i8")
        self._numbers = {"": 0}  # of stems
        self._places: dict[int, tuple[Mapping[str, int], np.ndarray]] = {}

    def numbers(self, words: Iterable[str]) -> list[int]:
        """The numbers of words, new ones included."""
        words = list(words)
        try:
            return list(map(self.index.__getitem__, words))
        except KeyError:
            self.add([word for word in dict.fromkeys(words) if word not in self.index])
            return list(map(self.index.__getitem__, words))

    def add(self, words: list[str]) -> None:
        """Number words that are new."""
        self.index.update(zip(words, range(len(self.forms), len(self.forms) + len(words))))
        new = WordForms(words)
        self.forms += new.forms
        self.stems += new.stems
        self.keys += new.keys
        self.affixes += [key if len(key) >= AFFIX else "" for key in new.keys]
        numbers = self._numbers
        self.stem = np.append(self.stem, [numbers.setdefault(stem, len(numbers)) for stem in new.stems])
        self.punct, self.capital = np.append(self.punct, new.punct), np.append(self.capital, new.capital)
        self.upper, self.chars = np.append(self.upper, new.upper), np.append(self.chars, new.chars)
        self.keyed = np.append(self.keyed, [bool(key) for key in new.keys])
        self.stop = np.append(self.stop, new.punct & np.array([word != "." for word in words]))

    def places(self, index: Mapping[str, int], stems: bool = False) -> np.ndarray:
        """The place of each form (int array) in an index that does not change. Of a form that is not there, and of no
        word, it is the length of the index.

        stems (bool): The index is one of stems.
        """
        known = self._places[id(index)][1] if id(index) in self._places else np.zeros(0, "i8")
        if len(known) < len(self.forms):
            none, forms = len(index), self.stems if stems else self.forms
            known = np.append(known, [index.get(form, none) for form in forms[len(known) :]])
            known[0] = none
            self._places[id(index)] = index, known  # the index, too, so that no other gets its id
        return known
