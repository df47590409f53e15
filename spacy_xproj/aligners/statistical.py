"""`spacy_xproj.Statistical.v1`: word links learnt from the corpus itself, with no model and nothing to install."""

from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from copy import copy
from functools import cached_property
from itertools import chain, pairwise
from typing import Any, Optional

import numpy as np

from ..bitext import Links, SentencePair
from ..errors import (
    InputError,
    NotFittedError,
    XprojError,
    check_above_zero,
    check_at_least,
    check_below_one,
    check_one_of,
)
from ..state import State
from .lexical import Batch, LexicalModel, LinkCandidates, LinkCounts, Posteriors, StemmedWords, Table, chunks, counts_of
from .symmetrize import SYMMETRIZATIONS

NAME = "spacy_xproj.Statistical.v1"
ROOT = 3  # letters: words that begin with the same ones may be cognates
MOST_WORDS = 1 << 18  # of which the stem is kept in mind
DTYPES = ("<i8", "<f4", "<f4", "<f4", "<f4", "<f4", "<f4")  # of the fields of Table


class StatisticalAligner(State):
    """`spacy_xproj.Statistical.v1`: an aligner that learns from the sentence pairs that are to be aligned, or others
    like them. The model is that of `LexicalModel`. A sentence pair gets the same links in any batch.

    Of very long sentence pairs (above two million word pairs) only the part near the diagonal is looked at. Pairs with
    more than a thousand words on a side are linked without `jumps`.

    symmetrization (str): "posterior" takes the links on which both directions agree by probability; "intersection",
        "union" and "grow-diag-final-and" combine the best link of each target word and of each source word.
    threshold (float): With "posterior": a link scores above this. The score is the geometric mean of the probabilities
        of the link in the two directions, in [0, 1].
    iterations (int): Rounds of expectation maximization.
    jumps (int): Number of rounds, the last ones, that use the link of the word before: a hidden Markov model
        (Vogel et al. 1996), which also finds the links. At most all but one. 0: each word is linked by itself (IBM
        model 1), in about 0.6 of the time.
    stem (int): Lower-case words and cut them to this many characters. 0 leaves them whole.
    null (float): Prior probability that a word has no counterpart.
    diagonal (float): Strength of the preference for links near the diagonal. 0: none.
    alpha (float): Concentration of the Dirichlet prior. The smaller, the fewer translations a word has.
    cognate (float): Expected links that two words start with if they begin alike: with the same three letters, or with
        the same whole stem if it is shorter or begins with a digit or sign. 0: none.
    prior (Optional[str]): The state of another `Statistical.v1`, as its `to_disk` wrote it, fitted on other text. `fit`
        adds its expected links to those of the corpus. Afterwards the file is not needed.
    prior_weight (float): Weight of an expected link of the prior.
    RAISES (XprojError): If a setting is out of its range.
    """

    fittable = True
    state_name = NAME
    state_format = 2

    def __init__(
        self,
        symmetrization: str = "posterior",
        threshold: float = 0.3,
        iterations: int = 8,
        jumps: int = 2,
        stem: int = 5,
        null: float = 0.08,
        diagonal: float = 4.0,
        alpha: float = 0.001,
        cognate: float = 0.3,
        prior: Optional[str] = None,
        prior_weight: float = 1.0,
    ):
        check_one_of(NAME, ("posterior", *SYMMETRIZATIONS), symmetrization=symmetrization)
        check_below_one(NAME, threshold=threshold, null=null)
        check_at_least(NAME, 1, iterations=iterations)
        check_at_least(NAME, 0, jumps=jumps, stem=stem, diagonal=diagonal, cognate=cognate)
        check_above_zero(NAME, alpha=alpha, prior_weight=prior_weight)
        if diagonal > 100:
            raise XprojError(f"{NAME}: diagonal must be at most 100, not {diagonal}.")
        self.model = LexicalModel(null, diagonal, alpha, cognate)
        self.symmetrization, self.threshold, self.stem = symmetrization, threshold, stem
        self.iterations, self.jumps = iterations, min(jumps, iterations - 1)
        self.prior, self.prior_weight = prior, prior_weight
        self._prior: Optional[StatisticalAligner] = None  # one that was loaded with the state
        self._set_state([], None)

    def _set_state(self, stems: list[str], table: Optional[Table]) -> None:
        self.table = table
        self.stems = {stem: k for k, stem in enumerate(stems)}
        self.roots: dict[str, int] = {}
        self.root_of_stem = np.array([self.roots.setdefault(_root(s), len(self.roots)) for s in stems], "i4")
        self.__dict__.pop("provenance", None)
        self._forget_words()

    @property
    def fitted(self) -> bool:
        """Whether `fit` has run, or a fitted state has been loaded."""
        return self.table is not None

    @cached_property
    def provenance(self) -> str:
        """What made the links: the settings, and a hash of what was learnt."""
        how = self.symmetrization + (f" > {self.threshold}" if self.symmetrization == "posterior" else "")
        null, diagonal, cognate = self.model.null, self.model.diagonal, self.model.cognate
        return f"{NAME} ({how}, null={null}, diagonal={diagonal}, cognate={cognate}, fitted={self.state_hash()})"

    def fit(self, pairs: Iterable[SentencePair]) -> None:
        """Learn which words are translations of each other. What was learnt before is forgotten.

        pairs (iterable of SentencePair): The corpus, read once. Pairs with an empty side say nothing.
        RAISES (XprojError): If no sentence pair has words on both sides.
        RAISES (InputError): If there is a prior and it cannot be used.
        """
        stems: dict[str, int] = {}
        sides = array("i"), array("i")
        lengths = array("q"), array("q")
        number = WordValues(lambda word: stems.setdefault(self._stem(word), len(stems)))
        for pair in pairs:
            if pair.source and pair.target:
                for words, ids, length in zip((pair.source, pair.target), sides, lengths):
                    ids.extend(map(number.__getitem__, words))
                    length.append(len(words))
        del number
        if not stems:
            raise XprojError(f"{NAME} was given no sentence pair with words on both sides to fit on.")
        prior = self._prior_counts(stems)
        self._set_state(list(stems), None)
        source, target = (StemmedWords(ids, self.root_of_stem[ids]) for ids in (np.frombuffer(x, "i4") for x in sides))
        m, n = (np.frombuffer(x, "i8") for x in lengths)
        self.table = self.model.fit(Batch(m, n, source, target), len(stems), self.iterations, self.jumps, prior)

    def _prior_counts(self, stems: dict[str, int]) -> Optional[LinkCounts]:
        """The counts of the prior, by the numbers in `stems`, to which its own are added."""
        other = self.prior_aligner()
        if other is None or other.table is None:
            return None
        number = np.array([stems.setdefault(stem, len(stems)) for stem in other.stems], "i8")
        keys, links = counts_of(other.table)
        keys = (number[keys >> 32] << 32) | number[keys & 0xFFFFFFFF]
        order = np.argsort(keys)
        return LinkCounts(keys[order], self.prior_weight * links[order])

    def __call__(self, pairs: Sequence[SentencePair]) -> list[Links]:
        """Link the words of each sentence pair.

        pairs (sequence of SentencePair): The sentence pairs.
        RETURNS (list of Links): One a pair, sorted by source, then target word. The evidence of a link: `forward`
            P(source word | target word), `reverse` P(target word | source word), and their geometric mean `posterior`,
            which is also its score.
        RAISES (NotFittedError): If it was not fitted.
        """
        if self.table is None:
            raise NotFittedError(NAME)
        m = np.array([len(pair.source) for pair in pairs], "i8")
        n = np.array([len(pair.target) for pair in pairs], "i8")
        return [links for part in chunks(m, n) for links in self._align(pairs[part], m[part], n[part], self.table)]

    def _align(self, pairs: Sequence[SentencePair], m: np.ndarray, n: np.ndarray, table: Table) -> list[Links]:
        if len(self._numbers) > MOST_WORDS:
            self._forget_words()
        source, target = (self._words([getattr(pair, side) for pair in pairs]) for side in ("source", "target"))
        cells, posteriors = self.model.align(Batch(m, n, source, target), table)
        score = np.sqrt(posteriors.forward * posteriors.reverse)
        chosen, directed = self._choose(cells, posteriors, score, len(source.stem), len(target.stem))
        pair_of = np.repeat(np.arange(len(m)), m)[cells.source[chosen]]
        links = np.stack([cells.source[chosen], cells.target[chosen]], axis=1)
        links = (links - np.stack([np.cumsum(m) - m, np.cumsum(n) - n], axis=1)[pair_of]).astype("i4")
        views = [x[chosen].astype("f4") for x in (posteriors.forward, posteriors.reverse, score)]
        ends = np.searchsorted(pair_of, np.arange(len(m) + 1))
        out = []
        for a, b in pairwise(ends.tolist()):
            here, values = links[a:b], [x[a:b] for x in views]
            if directed is not None:
                both = SYMMETRIZATIONS[self.symmetrization](here[directed[0][a:b]], here[directed[1][a:b]])
                wanted = set(map(tuple, both.tolist()))
                keep = np.array([tuple(link) in wanted for link in here.tolist()], bool)
                here, values = here[keep], [x[keep] for x in values]
            out.append(Links(here, values[2], dict(zip(("forward", "reverse", "posterior"), values))))
        return out

    def _choose(
        self, cells: LinkCandidates, posteriors: Posteriors, score: np.ndarray, n_source: int, n_target: int
    ) -> tuple[np.ndarray, Optional[tuple[np.ndarray, np.ndarray]]]:
        """The cells in question, and which of them are links of either direction (None: all of them are links)."""
        if self.symmetrization == "posterior":
            return np.flatnonzero(score > self.threshold), None
        forward = _best(cells.target, posteriors.forward, n_target)
        reverse = _best(cells.source, posteriors.reverse, n_source)
        chosen = np.union1d(forward, reverse)
        return chosen, (np.isin(chosen, forward), np.isin(chosen, reverse))

    def _stem(self, word: str) -> str:
        return word.lower()[: self.stem or None]

    def _words(self, sides: list[tuple[str, ...]]) -> StemmedWords:
        numbers = np.array(list(map(self._numbers.__getitem__, chain.from_iterable(sides))), "i8")
        return StemmedWords(numbers & 0xFFFFFFFF, numbers >> 32)

    def _number(self, word: str) -> int:
        """Of a word: its root · 2^32 + its stem. A stem that was not seen has the number after the last."""
        stem = self._stem(word)
        number = self.stems.get(stem, len(self.stems))
        if number < len(self.stems):
            return (int(self.root_of_stem[number]) << 32) | number
        root = _root(stem)
        known = self.roots.get(root)
        if known is None:
            known = len(self.roots) + self._new_roots.setdefault(root, len(self._new_roots))
        return (known << 32) | number

    def _forget_words(self) -> None:
        self._numbers, self._new_roots = WordValues(self._number), dict[str, int]()

    def prior_aligner(self) -> Optional["StatisticalAligner"]:
        """The prior, read anew where it is in a file.

        RAISES (InputError): If the file cannot be used.
        """
        if not self.prior:
            return self._prior
        other = self._blank().from_disk(self.prior)
        if other.table is None:
            raise InputError(self.prior, f"A prior must be the state of a fitted {NAME}, but this one is not.")
        return other

    def _blank(self) -> "StatisticalAligner":
        other = copy(self)
        other.prior = other._prior = None
        other._set_state([], None)
        return other

    # Serialization

    def state(self) -> dict[str, Any]:
        """The stems, and the table of what was learnt."""
        state: dict[str, Any] = {"stem": self.stem, "stems": list(self.stems)}
        if self.table is not None:
            state["table"] = [x.astype(dtype).tobytes() for x, dtype in zip(self.table, DTYPES)]
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what was learnt. RAISES (XprojError): If it was learnt on stems of another length."""
        stems, stem, table = state["stems"], state["stem"], state.get("table")
        if table is not None:
            table = Table(*(np.frombuffer(x, dtype) for x, dtype in zip(table, DTYPES, strict=True)))
        if stem != self.stem:
            raise XprojError(
                f"{NAME} was fitted with stem = {stem}, but the config has stem = {self.stem}. Set it back, or fit "
                "again."
            )
        self._set_state(stems, table)

    def state_parts(self) -> dict[str, Any]:
        prior = self.prior_aligner()
        return {} if prior is None else {"prior": prior}

    def expected_parts(self, names: Collection[str]) -> dict[str, Any]:
        """A prior in the state takes the place of the one in the settings."""
        if "prior" not in names:
            return {}
        self.prior, self._prior = None, self._blank()
        return {"prior": self._prior}


class WordValues(dict[str, int]):
    """What a function gives for words, each of which it is asked for once."""

    def __init__(self, function: Callable[[str], int]):
        super().__init__()
        self.function = function

    def __missing__(self, word: str) -> int:
        value = self[word] = self.function(word)
        return value


def _root(stem: str) -> str:
    return stem[:ROOT] if stem[:ROOT].isalpha() else stem


def _best(word: np.ndarray, posterior: np.ndarray, n_words: int) -> np.ndarray:
    """For each word its most probable cell, the first of equals; none where the null word is more probable."""
    best = np.zeros(n_words)
    np.maximum.at(best, word, posterior)
    null = 1 - np.bincount(word, posterior, n_words)
    found = np.flatnonzero((posterior == best[word]) & (posterior > null[word]))
    return np.sort(found[np.unique(word[found], return_index=True)[1]])
