"""`spacy_xproj.Eflomal.v1`: word links by eflomal, whose links and priors are kept."""

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Optional

import numpy as np

from ..bitext import Links, SentencePair
from ..compat import require
from ..errors import NotFittedError, XprojError
from ..state import State
from ..ty import Aligner
from . import eflomal_run
from .eflomal_run import LIMIT, Directed, Priors, Settings, Side
from .statistical import _root
from .symmetrize import SYMMETRIZATIONS

NAME = "spacy_xproj.Eflomal.v1"
DTYPES = ("<i8", "<f4", "<i4", "<i4", "<i4", "<i4", "<u8", "<i2", "<i2", "<i2")  # of the fields of Priors and Known


class Known(NamedTuple):
    """The links of the corpus, sentence pair by sentence pair.

    keys (uint64 array (k,)): A hash of each sentence pair, ascending.
    source, target (int16 arrays (k,)): Its numbers of words.
    links (int16 array): One after the other, the source word of each target word, then the target word of each source
        word; -1 for none.
    """

    keys: np.ndarray
    source: np.ndarray
    target: np.ndarray
    links: np.ndarray


def make_eflomal(
    symmetrization: str = "grow-diag-final-and",
    model: int = 3,
    length: float = 1.0,
    samplers: int = 3,
    stem: int = 5,
    cognate: float = 0.3,
) -> Aligner:
    """Make an aligner that runs eflomal (Östling and Tiedemann 2016), which must be installed.

    symmetrization (str): How links of the two directions are combined: "intersection", "union" or
        "grow-diag-final-and".
    model (int): 1: IBM model 1, 2: and an HMM, 3: and fertility.
    length (float): How long eflomal samples when it is fitted, relative to its default.
    samplers (int): Independent samplers then, whose probabilities are averaged.
    stem (int): Words are lower-cased and cut to so many characters; 0 leaves them whole, as eflomal itself does.
    cognate (float): What it speaks for a link that its words begin alike (three letters, or the whole stem where it is
        shorter or begins with a digit or sign), in links; 0: nothing, as in eflomal itself.
    RETURNS (Aligner): The aligner. It must be fitted.
    RAISES (XprojError): If a setting is out of its range, or eflomal is not installed.
    """
    if symmetrization not in SYMMETRIZATIONS:
        known = ", ".join(SYMMETRIZATIONS)
        raise XprojError(f"{NAME}: symmetrization must be one of {known}, not {symmetrization!r}.")
    for name, value, ok, expected in (
        ("model", model, model in (1, 2, 3), "1, 2 or 3"),
        ("length", length, 0 < length < float("inf"), "above 0"),
        ("samplers", samplers, samplers >= 1, "at least 1"),
        ("stem", stem, stem >= 0, "0 (whole words) or more"),
        ("cognate", cognate, 0 <= cognate < float("inf"), "0 or more"),
    ):
        if not ok:
            raise XprojError(f"{NAME}: {name} must be {expected}, not {value}.")
    require("eflomal", NAME, "spacy-xproj[eflomal]")
    return EflomalAligner(symmetrization, Settings(model, length, samplers, cognate), stem=stem)


class EflomalAligner(State):
    """See `make_eflomal`.

    `fit` aligns the whole corpus at once, keeps the links, and takes priors from them. A sentence pair of the corpus
    gets its links from there, any other is aligned by the priors, by itself. eflomal cannot be seeded: another `fit`,
    and aligning a pair that was not in the corpus again, can give somewhat different links. Sentences of more than
    1,023 words are beyond eflomal and get none.
    """

    state_name = NAME

    def __init__(self, symmetrization: str, settings: Settings, *, stem: int):
        self.symmetrization, self.settings, self.stem = symmetrization, settings, stem
        self._set_state([], [], None, None)

    def _set_state(
        self, source: Iterable[str], target: Iterable[str], priors: Optional[Priors], known: Optional[Known]
    ) -> None:
        self.stems = tuple({stem: k for k, stem in enumerate(stems)} for stems in (source, target))
        self.priors, self.known = priors, known
        if known is not None:
            self._ends = np.r_[0, np.cumsum(known.source.astype("i8") + known.target)]
        self.__dict__.pop("provenance", None)

    @property
    def fitted(self) -> bool:
        """Whether `fit` has run, or a fitted state has been loaded."""
        return self.priors is not None

    @cached_property
    def provenance(self) -> str:
        """What made the links: the settings, and a hash of what was learnt."""
        model, cognate = self.settings.model, self.settings.cognate
        return f"{NAME} ({self.symmetrization}, model={model}, cognate={cognate}, fitted={self.state_hash()})"

    def fit(self, pairs: Iterable[SentencePair]) -> None:
        """Align the corpus, and keep its links and priors. What was learnt before is forgotten.

        pairs (iterable of SentencePair): The corpus, read once. Pairs with an empty side say nothing.
        RAISES (XprojError): If no sentence pair has words on both sides, or eflomal fails.
        """
        stems: tuple[dict[str, int], dict[str, int]] = {}, {}
        ids, lengths, keys = (array("i"), array("i")), (array("q"), array("q")), array("Q")
        for pair in pairs:
            if _alignable(pair):
                text = self._stemmed(pair)
                keys.append(_key(text))
                for words, index, numbers, length in zip(text, stems, ids, lengths):
                    numbers.extend(index.setdefault(word, len(index)) for word in words)
                    length.append(len(words))
        if not keys:
            raise XprojError(f"{NAME} was given no sentence pair with words on both sides to fit on.")
        roots: dict[str, int] = {}
        sides = []
        for index, numbers, length in zip(stems, ids, lengths):
            of_stem = np.array([roots.setdefault(_root(stem), len(roots)) for stem in index], "i4")
            flat = np.frombuffer(numbers, "i4")
            sides.append(Side(flat, of_stem[flat], np.frombuffer(length, "i8")))
        source, target = sides
        (forward, reverse), priors = eflomal_run.learn(source, target, self.settings)
        different, first = np.unique(np.frombuffer(keys, "u8"), return_index=True)
        per_pair = list(zip(_split(forward, target.length), _split(reverse, source.length)))
        links = np.concatenate([direction for k in first.tolist() for direction in per_pair[k]])
        m, n = (side.length[first].astype("i2") for side in sides)
        self._set_state(*stems, priors, Known(different, m, n, links))

    def __call__(self, pairs: Sequence[SentencePair]) -> list[Links]:
        """Link the words of each sentence pair.

        pairs (sequence of SentencePair): The sentence pairs.
        RETURNS (list of Links): One a pair, sorted by source, then target word. The evidence of a link: `forward` and
            `reverse`, 1 where that direction has it, else 0. Its score is 1 where both have it, else 0.5.
        RAISES (NotFittedError): If it was not fitted.
        RAISES (XprojError): If eflomal fails.
        """
        if self.priors is None:
            raise NotFittedError(NAME)
        sides = [self._stemmed(pair) if _alignable(pair) else None for pair in pairs]
        keys = [_key(words) if words is not None else None for words in sides]
        found: dict[Optional[int], Directed] = {}
        new = {}
        for key, words in zip(keys, sides):
            if key is not None and words is not None and key not in found and key not in new:
                links = self._remembered(key, *map(len, words))
                if links is None:
                    new[key] = words
                else:
                    found[key] = links
        if new:
            found.update(zip(new, self._align(list(new.values()), self.priors)))
        none = np.zeros(0, "i2"), np.zeros(0, "i2")
        return [self._links(*found.get(key, none)) for key in keys]

    def _remembered(self, key: int, m: int, n: int) -> Optional[Directed]:
        assert self.known is not None
        k = int(np.searchsorted(self.known.keys, np.uint64(key)))
        if k == len(self.known.keys) or (self.known.keys[k], self.known.source[k], self.known.target[k]) != (key, m, n):
            return None
        a, b = self._ends[k : k + 2]
        return self.known.links[a : a + n], self.known.links[a + n : b]

    def _align(self, texts: list[tuple[list[str], list[str]]], priors: Priors) -> Iterable[Directed]:
        sides = []
        roots: dict[str, int] = {}
        for rows, index in zip(zip(*texts), self.stems):
            words = [word for row in rows for word in row]
            ids = np.array([index.get(word, -1) for word in words], "i4")
            root = np.array([roots.setdefault(_root(word), len(roots)) for word in words], "i4")
            sides.append(Side(ids, root, np.array([len(row) for row in rows], "i8")))
        forward, reverse = eflomal_run.align(sides[0], sides[1], priors, self.settings)
        return zip(_split(forward, sides[1].length), _split(reverse, sides[0].length))

    def _links(self, forward: np.ndarray, reverse: np.ndarray) -> Links:
        i, j = np.flatnonzero(reverse >= 0), np.flatnonzero(forward >= 0)
        links = SYMMETRIZATIONS[self.symmetrization](
            np.stack([forward[j], j], axis=1), np.stack([i, reverse[i]], axis=1)
        )
        views = (forward[links[:, 1]] == links[:, 0], reverse[links[:, 0]] == links[:, 1])
        evidence = {name: view.astype("f4") for name, view in zip(("forward", "reverse"), views)}
        return Links(links, (evidence["forward"] + evidence["reverse"]) / 2, evidence)

    def _stemmed(self, pair: SentencePair) -> tuple[list[str], list[str]]:
        source, target = ([word.lower()[: self.stem or None] for word in side] for side in (pair.source, pair.target))
        return source, target

    # Serialization

    def state(self) -> dict[str, Any]:
        """The stems, the priors, and the links of the corpus."""
        state: dict[str, Any] = {"stem": self.stem}
        if self.priors is not None and self.known is not None:
            state["stems"] = [list(stems) for stems in self.stems]
            arrays = (*self.priors, *self.known)
            state["arrays"] = [x.astype(dtype).tobytes() for x, dtype in zip(arrays, DTYPES, strict=True)]
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what was learnt. RAISES (XprojError): If it was learnt on stems of another length."""
        priors = known = None
        stem = state["stem"]
        source, target = state.get("stems", ([], []))
        if "arrays" in state:
            arrays = [np.frombuffer(x, dtype) for x, dtype in zip(state["arrays"], DTYPES, strict=True)]
            n_priors = len(Priors._fields)
            priors, known = Priors(*arrays[:n_priors]), Known(*arrays[n_priors:])
        if stem != self.stem:
            raise XprojError(
                f"{NAME} was fitted with stem = {stem}, but the config has stem = {self.stem}. Set it back, or fit "
                "again."
            )
        self._set_state(source, target, priors, known)


def _alignable(pair: SentencePair) -> bool:
    return 0 < len(pair.source) <= LIMIT and 0 < len(pair.target) <= LIMIT


def _key(sides: tuple[list[str], list[str]]) -> int:
    text = "\n".join("\t".join(words) for words in sides)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _split(links: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    ends = np.r_[0, np.cumsum(lengths)].tolist()
    return [links[a:b] for a, b in pairwise(ends)]
