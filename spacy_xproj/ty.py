"""The protocols of the swappable parts. A registered maker takes settings and returns one of these callables.

They can be checked at run time because spaCy holds the arguments of its factories against their annotations.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Optional, Protocol, runtime_checkable

import numpy as np

from .bitext import Links, SentencePair
from .errors import XprojError

CharSpan = tuple[int, int, str]  # half-open character offsets, and an id


class Translation(NamedTuple):
    """One translated text.

    text (Optional[str]): None where the backend has no translation (a translation memory without an entry).
    spans (Optional[list of (start, end, id)]): Character spans carried through, by backends that carry spans.
    """

    text: Optional[str]
    spans: Optional[list[CharSpan]] = None


class Found(Translation):
    """A translation that a memory found.

    ignored (str): In what its text differs from the one that was asked for, such as "spaces, case". Empty: in nothing.
    """

    ignored: str = ""


class Cells(NamedTuple):
    """Scores of (source span, candidate) cells, sparse: cells that are not listed score 0.

    span (int array (n,)): Index of the source span.
    start, end (int arrays (n,)): The candidate: half-open target token offsets.
    score (float64 array (n,)): Above 0. The projected span gets it.
    objective (Optional[float64 array (n,)]): Above 0. The solver maximizes its total. None: it is the score.
    open (Optional[bool array (n,)]): Where the score is not all computed yet, and the objective is an upper bound (see
        `Lazy`). None: nowhere.
    beaten (tuple of int): Source spans with candidates, all of which are worse than not projecting the span.
    """

    span: np.ndarray
    start: np.ndarray
    end: np.ndarray
    score: np.ndarray
    objective: Optional[np.ndarray] = None
    open: Optional[np.ndarray] = None
    beaten: tuple[int, ...] = ()

    @property
    def worth(self) -> np.ndarray:
        """What the solver adds up (float64 array (n,))."""
        return self.score if self.objective is None else self.objective

    def take(self, which: np.ndarray) -> "Cells":
        """Some of the cells, by their indices or a bool array (n,), in that order."""
        objective, still = (None if field is None else field[which] for field in (self.objective, self.open))
        cells = self.span[which], self.start[which], self.end[which], self.score[which]
        return Cells(*cells, objective, still, self.beaten)


def check_finite(who: str, what: str, values: np.ndarray) -> None:
    """Check the scores that a part gave.

    who (str): The part, for the error.
    what (str): What the values are.
    values (float array): The values.
    RAISES (XprojError): If one is not a finite number. It would win or lose against every other.
    """
    if not np.isfinite(values).all():
        bad = values[~np.isfinite(values)][0]
        raise XprojError(f"{who} gave {bad} as a {what}, where a finite number was expected.")


class Solution(NamedTuple):
    """What a solver returns.

    chosen (int array (k,)): Indices of the chosen cells, ascending.
    note (str): Empty, or what the report is to say ("state_limit": greedy stood in for the exact solver).
    """

    chosen: np.ndarray
    note: str = ""


@runtime_checkable
class Translator(Protocol):
    """Translates texts from one language into another: one `Translation` a text, in order."""

    def __call__(self, texts: Sequence[str], source_lang: str, target_lang: str) -> list[Translation]: ...


@runtime_checkable
class SpanTranslator(Translator, Protocol):
    """A translator that can carry spans through translation, by tags or markers of its own."""

    def carry(
        self, texts: Sequence[str], spans: Sequence[Sequence[CharSpan]], source_lang: str, target_lang: str
    ) -> list[Translation]:
        """Translate texts with spans in them.

        spans (sequence of sequences of (start, end, id)): For each text its spans, which may nest.
        RETURNS (list of Translation): One a text. Its spans are those that came through, in text order, each id once at
            most; None where the backend did not try (as for an entry of a translation memory).
        """
        ...


@runtime_checkable
class ScoringTranslator(Translator, Protocol):
    """A translator that can score given translations."""

    def score(
        self, sources: Sequence[str], targets: Sequence[str], source_lang: str, target_lang: str
    ) -> list[tuple[float, int]]:
        """RETURNS (list of (float, int)): For each target the log-probability of its tokens, and their number."""
        ...


@runtime_checkable
class Teacher(Protocol):
    """Gives a distribution over tags for each token of a Doc. The Docs are not changed.

    labels (sequence of str): The tags in the order of the columns, one of them "O"; empty while it has no model.
    """

    labels: Sequence[str]

    def __call__(self, docs: Sequence[Any]) -> list[np.ndarray]:
        """RETURNS (list of float array (tokens, labels)): Each row sums to 1."""
        ...


@runtime_checkable
class SourceWeights(Protocol):
    """Says how much each teacher counts for each Doc. One that learns from the corpus has `fitted` and
    `fit(docs, names)`, and the serialization methods."""

    def __call__(self, docs: Sequence[Any], names: Sequence[str]) -> np.ndarray:
        """docs (sequence of Doc), names (sequence of str): The texts, and the names of the teachers.
        RETURNS (float array (docs, teachers)): Each row sums to 1."""
        ...


@runtime_checkable
class Aligner(Protocol):
    """Links the words of each sentence pair."""

    def __call__(self, pairs: Sequence[SentencePair]) -> list[Links]: ...


@runtime_checkable
class Similarity(Protocol):
    """Scores the (source span, candidate) cells of a sentence pair.

    candidates (Optional[int array (k, 2)]): Score these target spans only. None: the similarity proposes, and leaves
        out what it knows to score 0 or never to be chosen.
    """

    def __call__(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> Cells: ...


@runtime_checkable
class Solver(Protocol):
    """Chooses cells with the highest total score such that no two chosen candidates share a target word and no source
    span has more than `n` of them. Cells come in the documented order: of equal choices the first in it wins."""

    def __call__(self, cells: Cells, n: int = 1) -> Solution: ...


class GoldPair(NamedTuple):
    """A sentence pair to learn from.

    pair (SentencePair): With links, as at projection.
    gold (frozenset of (int, int, str)): The target's entities: half-open token offsets and a label.
    complete (bool): False if the label of some target word is not known. Then a source span without a partner in `gold`
        teaches nothing: it may have one among these words.
    candidates (Optional[int array (k, 2)]): As for `Similarity`.
    """

    pair: SentencePair
    gold: frozenset[tuple[int, int, str]]
    complete: bool = True
    candidates: Optional[np.ndarray] = None


@runtime_checkable
class Trainable(Protocol):
    """A similarity that learns from gold by gradient descent.

    model (thinc.api.Model): Its params are what an optimizer changes. Each call uses them as they then are.
    """

    model: Any

    def begin(self, pairs: Iterable[SentencePair]) -> None:
        """Make ready for training, with pairs such as those that will come. It starts from what was learnt before."""
        ...

    def gradient(self, batch: Sequence[GoldPair]) -> float:
        """Add the gradient of the loss of a batch to the model's, and return the loss, summed over source spans."""
        ...
