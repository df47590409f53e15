"""`spacy_xproj.Eflomal.v1`: word links by eflomal, whose links and priors are kept."""

import hashlib
import subprocess
from collections.abc import Iterable, Sequence
from functools import cached_property
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Optional

from ..bitext import Links, SentencePair
from ..compat import require
from ..errors import NotFittedError, XprojError, check_above_zero, check_at_least, check_one_of
from ..pharaoh import parse_pharaoh
from ..progress import tell
from ..state import State
from .statistical import _root
from .symmetrize import SYMMETRIZATIONS

NAME = "spacy_xproj.Eflomal.v1"
MAX_WORDS = 1023  # of the longest sentence that eflomal aligns

Text = tuple[str, str]  # the two sentences of a pair as eflomal reads them
Directed = tuple[str, str]  # the links of a pair in the Pharaoh format: forward, reverse


class EflomalAligner(State):
    """`spacy_xproj.Eflomal.v1`: an aligner that runs eflomal (Östling and Tiedemann 2016), which must be installed.

    `fit` aligns the whole corpus at once, keeps the links, and has eflomal count its priors from them. A sentence pair
    of the corpus gets its links from there. Other pairs are aligned with the priors, all pairs of one call together.
    eflomal takes no seed: fitting again, and aligning a pair that was not in the corpus again, can give somewhat
    different links. Pairs with a sentence of no words or of more than 1,023 get no links.

    symmetrization (str): How links of the two directions are combined: "intersection", "union" or
        "grow-diag-final-and".
    model (int): 1: IBM model 1, 2: and an HMM, 3: and fertility.
    length (float): Number of iterations, relative to eflomal's default.
    samplers (int): Number of independent samplers, whose probabilities are averaged.
    stem (int): Number of letters that are left of each word, which is lower-cased. 0 leaves words whole.
    cognate (float): Prior count of a link between two words that begin alike (three letters, or the whole stem where
        it is shorter or begins with a digit or sign). 0: none, as in eflomal itself.
    RAISES (XprojError): If a setting is out of its range, or eflomal is not installed.
    """

    fittable = True
    state_name = NAME
    state_format = 2

    def __init__(
        self,
        symmetrization: str = "grow-diag-final-and",
        model: int = 3,
        length: float = 1.0,
        samplers: int = 3,
        stem: int = 5,
        cognate: float = 0.3,
    ):
        check_one_of(NAME, SYMMETRIZATIONS, symmetrization=symmetrization)
        if model not in (1, 2, 3):
            raise XprojError(f"{NAME}: model must be 1, 2 or 3, not {model}.")
        check_above_zero(NAME, length=length)
        check_at_least(NAME, 1, samplers=samplers)
        check_at_least(NAME, 0, stem=stem, cognate=cognate)
        require("eflomal", NAME, "spacy-xproj[eflomal]")
        self.symmetrization, self.stem, self.cognate = symmetrization, stem, cognate
        self.model, self.length, self.samplers = model, length, samplers
        self.priors: list[str] = []  # lines in eflomal's format
        self.links: dict[str, Directed] = {}  # of the corpus, by the hash of a pair

    @property
    def fitted(self) -> bool:
        """Whether `fit` has run, or a fitted state has been loaded."""
        return bool(self.links)

    @cached_property
    def provenance(self) -> str:
        """What made the links: the settings, and a hash of what was learnt."""
        return f"{NAME} ({self.symmetrization}, model={self.model}, cognate={self.cognate}, fitted={self.state_hash()})"

    def fit(self, pairs: Iterable[SentencePair]) -> None:
        """Align the corpus, and keep its links and priors. What was learnt before is forgotten.

        pairs (iterable of SentencePair): The corpus, read once. Pairs with an empty side say nothing.
        RAISES (XprojError): If no sentence pair has words on both sides, or eflomal fails.
        """
        texts = [text for text in map(self._text, pairs) if text]
        if not texts:
            raise XprojError(f"{NAME} was given no sentence pair with words on both sides to fit on.")
        tell("eflomal", 0, 2)  # the program itself tells nothing
        links = self._run(texts, [])
        tell("eflomal", 1, 2)
        eflomal = require("eflomal", NAME, "spacy-xproj[eflomal]")
        priors = StringIO()
        eflomal.write_priors(priors, *eflomal.calculate_priors(*zip(*texts), *zip(*links)))
        self.priors, self.links = priors.getvalue().splitlines(), {}
        for text, directed in zip(texts, links):
            self.links.setdefault(_key(text), directed)
        self.__dict__.pop("provenance", None)

    def __call__(self, pairs: Sequence[SentencePair]) -> list[Links]:
        """Link the words of each sentence pair.

        pairs (sequence of SentencePair): The sentence pairs.
        RETURNS (list of Links): One a pair, sorted by source, then target word. The evidence of a link: `forward` and
            `reverse`, 1 where that direction has it, else 0. Its score is 1 where both have it, else 0.5.
        RAISES (NotFittedError): If it was not fitted.
        RAISES (XprojError): If eflomal fails.
        """
        if not self.fitted:
            raise NotFittedError(NAME)
        texts = [self._text(pair) for pair in pairs]
        found = {text: self.links[key] for text in texts if text and (key := _key(text)) in self.links}
        new = [text for text in dict.fromkeys(texts) if text and text not in found]
        found.update(zip(new, self._run(new, self.priors) if new else []))
        return [self._combined(*(found[text] if text else ("", ""))) for text in texts]

    def _text(self, pair: SentencePair) -> Optional[Text]:
        """The two sentences in stems, or None if eflomal cannot align them."""
        if not all(0 < len(side) <= MAX_WORDS for side in (pair.source, pair.target)):
            return None
        # A blank within a word would make two of it.
        cut = [["_".join(w.lower()[: self.stem or None].split()) or "_" for w in side] for side in (pair[0], pair[1])]
        return " ".join(cut[0]), " ".join(cut[1])

    def _run(self, texts: Sequence[Text], priors: list[str]) -> list[Directed]:
        eflomal = require("eflomal", NAME, "spacy-xproj[eflomal]")
        # eflomal takes more iterations for fewer pairs. The priors stand for the pairs of the corpus, so these count.
        n_pairs = len(texts) + (len(self.links) if priors else 0)
        length = self.length * (len(texts) / n_pairs) ** 0.5
        with TemporaryDirectory(prefix="xproj-eflomal-") as folder:
            files = [Path(folder) / name for name in ("forward", "reverse")]
            try:
                aligner = eflomal.Aligner(model=self.model, rel_iterations=length, n_samplers=self.samplers)
                aligner.align(*zip(*texts), *map(str, files), priors_input=[*priors, *self._cognates(texts)] or None)
            except (OSError, subprocess.CalledProcessError) as err:
                raise XprojError(f"The program eflomal failed on {len(texts)} sentence pairs ({err}).") from err
            return list(zip(*(file.read_text(encoding="ascii").splitlines() for file in files), strict=True))

    def _cognates(self, texts: Sequence[Text]) -> list[str]:
        """Priors for the words of a pair that begin alike."""
        met: set[Text] = set()
        for source, target in texts if self.cognate else ():
            words = target.split()
            roots = list(map(_root, words))
            met.update((a, b) for a in source.split() for b, root in zip(words, roots) if _root(a) == root)
        return [f"LEX\t{a}\t{b}\t{self.cognate}" for a, b in sorted(met)]

    def _combined(self, forward: str, reverse: str) -> Links:
        directed = parse_pharaoh(forward), parse_pharaoh(reverse)
        links = SYMMETRIZATIONS[self.symmetrization](*directed)
        views = [(links[:, None] == one).all(axis=2).any(axis=1).astype("f4") for one in directed]
        return Links(links, (views[0] + views[1]) / 2, dict(zip(("forward", "reverse"), views)))

    def state(self) -> dict[str, Any]:
        """The stem length that the links belong to, the priors, and the links of the corpus."""
        return {"stem": self.stem, "priors": self.priors, "links": self.links}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what was learnt.

        RAISES (XprojError): If it was learnt on stems of another length.
        """
        stem, priors = state["stem"], [str(line) for line in state["priors"]]
        links = {str(key): (str(forward), str(reverse)) for key, (forward, reverse) in state["links"].items()}
        if stem != self.stem:
            raise XprojError(
                f"{NAME} was fitted with stem = {stem}, but the config has stem = {self.stem}. Set it back, or fit "
                "again."
            )
        self.priors, self.links = priors, links
        self.__dict__.pop("provenance", None)


def _key(text: Text) -> str:
    return hashlib.blake2b("\n".join(text).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
