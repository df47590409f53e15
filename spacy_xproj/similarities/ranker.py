"""`spacy_xproj.Ranker.v1`: the probability of a candidate given a source span, learnt from gold projections."""

import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, Optional

import numpy as np
from thinc.api import Model

from ..bitext import SentencePair
from ..errors import check_at_least, check_below_one
from ..progress import steps
from ..state import State
from ..ty import GoldPair, WeighedCells
from .adaptation import Adaptation
from .corpus_stats import CorpusStats, pair_key
from .feature_names import FEATURES, STAGES, lowest, with_parts
from .features import features, null_features
from .gold_groups import gold_groups
from .learning import Group
from .pair_features import add_pair_features
from .pair_lexicon import PairLexicon, Vote, votes
from .pair_signals import Candidates, PairSignals
from .ranker_evidence import RankerEvidence
from .weights import NAME, by_name, read_weights

PRIOR = 30.0
MEASURED = 1000  # sentence pairs that the scale of the features is measured on


class Scored(NamedTuple):
    """A sentence pair's cells, with what was computed on the way.

    cells (Candidates): In order of source span.
    rows, null (float arrays): Their features, and those of null, a row a source span.
    probs (list of float arrays): For each source span, P(null), then P of its cells.
    """

    signals: PairSignals
    cells: Candidates
    rows: np.ndarray
    null: np.ndarray
    probs: list[np.ndarray]


class Ranker(State):
    """`spacy_xproj.Ranker.v1`: scores cells by P(target span | source span), a conditional log-linear model with a
    candidate for "not projected". Fitted on a corpus it knows more, but it works without.

    weights (Optional[str]): A JSON file of weights; None: those shipped with the package.
    max_length (int): Longest candidate in words; longer ones are looked at only between linked words.
    lexicon (bool): Whether `fit` makes a lexicon of entity pairs in a second pass over the corpus.
    floor (float): Cells with a lower probability are left out.
    prior (float): How close training on gold keeps to the weights that it starts from: the precision of a Gaussian
        around them, on features scaled by their standard deviation. It counts as much whether there is little gold or
        much, so that much moves the weights further.
    evidence (Optional[dict[str, Similarity]]): Other similarities, by names of one's own, whose scores are features
        (see `RankerEvidence`). The shipped weights know nothing of them: they count once `spacy train` has learnt from
        gold what they are worth (`configs/project_evidence.cfg`).
    RAISES (XprojError): If a setting is out of its range, or the weights or the evidence are something else.
    """

    fittable = True
    state_name = NAME
    state_format = 2
    state_spare = True

    def __init__(
        self,
        weights: Optional[str] = None,
        max_length: int = 15,
        lexicon: bool = True,
        floor: float = 0.0,
        prior: float = PRIOR,
        evidence: Optional[dict[str, Any]] = None,
    ):
        check_at_least(NAME, 1, max_length=max_length)
        check_at_least(NAME, 0, prior=prior)
        check_below_one(NAME, floor=floor)
        self.max_length, self.use_lexicon, self.floor, self.prior = max_length, lexicon, floor, prior
        self.evidence = RankerEvidence(evidence or {}, NAME)
        self._warned = False
        self.start_from(read_weights(weights or None, self.evidence.parts))
        self.stats: Optional[CorpusStats] = None
        self.lexicon: Optional[PairLexicon] = None
        self.voter: Optional[np.ndarray] = None  # the weights that the lexicon's votes were cast with

    def weight(self, stage: str) -> np.ndarray:
        """The weights of a stage, with what was learnt from gold."""
        return self.adaptation.weights(stage, self.weights[stage])

    @property
    def fitted(self) -> bool:
        """Whether it knows a corpus, and so does its evidence."""
        return self.stats is not None and self.evidence.fitted

    def prepare(self, pairs: Iterable[SentencePair]) -> None:
        """Let the evidence prepare."""
        self.evidence.prepare(pairs)

    def fit(self, pairs: Iterable[SentencePair]) -> None:
        """Learn from a corpus, without gold: how frequent words are, which are linked, and, in a second pass, which
        entities were projected onto which. What was learnt before is forgotten; the weights stay.

        pairs (iterable of SentencePair): The corpus, with links. Without any it stays unfitted.
        """
        pairs = [pair for pair in pairs if pair.source and pair.target]
        if self.adaptation.begun:  # the features become others
            self.start_from({stage: self.weight(stage) for stage in STAGES})
        self.evidence.fit(pairs)
        self.lexicon = self.voter = None
        self.stats = CorpusStats(steps(pairs, "words", len(pairs))) if pairs else None
        if self.use_lexicon and pairs:
            self.lexicon, self.voter = self.learn_lexicon(pairs), self.weight("corpus")

    def learn_lexicon(self, pairs: Sequence[SentencePair]) -> PairLexicon:
        """The lexicon of the projections by the first pass."""
        found = PairLexicon()
        self.prepare(pairs)
        for pair in steps(pairs, "entities", len(pairs)):
            if pair.spans:
                first = self.first_pass(pair, skip=self.idle())
                for span, mine in enumerate(self.votes(first)):
                    found.add(first.signals.key(span), mine)
        return found

    def __call__(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> WeighedCells:
        """Score the cells of one sentence pair, in order of source span, start, end.

        pair (SentencePair): The sentence pair.
        candidates (Optional[int array (k, 2)]): Choose among these spans only.
        RETURNS (WeighedCells): Those likelier than null. `score` is the probability, and `objective` its log ratio to
            that of null, so that the highest total is the likeliest joint assignment.
        """
        if not pair.spans or not pair.target:
            none = np.zeros(0, "i8")
            return WeighedCells(none, none, none, np.zeros(0), np.zeros(0))
        idle = self.idle()
        if idle and not self._warned:
            self._warned = True
            warnings.warn(
                f"{NAME} has no weights for its evidence {', '.join(map(repr, idle))}, which changes nothing as it is. "
                "Train it on gold projections: spacy train with configs/matcher.cfg and this evidence.",
                stacklevel=2,
            )
        found = self.score(pair, candidates, skip=idle)
        k = found.cells.span
        probs = np.concatenate([np.zeros(0), *(p[1:] for p in found.probs)])
        null = np.array([p[0] for p in found.probs])[k]
        keep = (probs > null) & (probs >= self.floor)
        ratio = np.log(probs[keep] / np.maximum(null[keep], 1e-12))
        return WeighedCells(k[keep], found.cells.start[keep], found.cells.end[keep], probs[keep], ratio)

    def idle(self) -> list[str]:
        """Return the evidence that has no weights. It is needed in training only."""
        if not self.evidence.parts or self.adaptation.begun:
            return []
        return self.evidence.without_weights(self.weights.values())

    def score(
        self, pair: SentencePair, candidates: Optional[np.ndarray] = None, *, skip: Collection[str] = ()
    ) -> Scored:
        """All cells of one sentence pair, with their features and probabilities."""
        first = self.first_pass(pair, candidates, skip=skip)
        if self.lexicon is None:
            return first
        return self.second_pass(first, self.lexicon)

    def considered(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> set[int]:
        """The source spans that have candidates, be these likelier than null or not."""
        if not pair.spans or not pair.target:
            return set()
        return set(self.cells(PairSignals(pair, self.stats), candidates).span.tolist())

    def cells(self, signals: PairSignals, candidates: Optional[np.ndarray]) -> Candidates:
        return signals.candidates(self.max_length) if candidates is None else signals.given(candidates)

    def first_pass(
        self,
        pair: SentencePair,
        candidates: Optional[np.ndarray] = None,
        *,
        alone: bool = False,
        skip: Collection[str] = (),
    ) -> Scored:
        """Without the lexicon.

        alone (bool): Without the corpus, too.
        skip (collection of str): Evidence that is not computed, as it has no weights.
        """
        stats = None if alone else self.stats
        signals = PairSignals(pair, stats)
        cells = self.cells(signals, candidates)
        rows, null = features(signals, cells), null_features(signals)
        weights = self.weight("alone" if stats is None else "corpus")
        if self.evidence.parts:
            skip = {*skip, *(self.evidence.learners() if stats is None else ())}
            rows, null = self.evidence.add(pair, cells, rows, null, weights, skip=skip)
        return Scored(signals, cells, rows, null, probabilities(rows @ weights, null @ weights, cells.span))

    def second_pass(self, first: Scored, lexicon: PairLexicon) -> Scored:
        """With it. The votes of a sentence pair of the corpus are taken out."""
        signals, cells, rows, null, _ = first
        own: list[list[Vote]] = [[] for _ in null]
        if signals.own:
            voter = self.weight("corpus") if self.voter is None else self.voter
            own = self.votes(first._replace(probs=probabilities(rows @ voter, null @ voter, cells.span)))
        add_pair_features(signals, rows, null, cells, lexicon, own)
        weights = self.weight("pairs")
        return first._replace(probs=probabilities(rows @ weights, null @ weights, cells.span))

    def votes(self, found: Scored) -> list[list[Vote]]:
        """What each source span says to the lexicon."""
        start, end, target = found.cells.start, found.cells.end, found.signals.target
        ends = np.searchsorted(found.cells.span, np.arange(len(found.null) + 1)).tolist()
        return [votes(p, start[i:j], end[i:j], target) for p, i, j in zip(found.probs, ends, ends[1:])]

    # Training on gold

    @property
    def model(self) -> Model:
        """What training changes."""
        return self.adaptation.model

    def begin(self, pairs: Iterable[SentencePair]) -> None:
        """Start training from the weights that hold now: the prior is around them.

        pairs (iterable of SentencePair): The scale of the features is measured on the first of them.
        """
        self.start_from({stage: self.weight(stage) for stage in STAGES})
        some = islice((pair for pair in pairs if pair.spans and pair.target), MEASURED)
        self.adaptation.begin(
            (stage, rows) for pair in some for stage, found in self.stages(pair) for rows in (found.rows, found.null)
        )

    def gradient(self, batch: Sequence[GoldPair]) -> float:
        """Add the gradient of minus the mean log probability of the right answers, and of the prior, to the model's.
        All stages learn that there are: without the corpus; with it; with the lexicon.

        batch (sequence of GoldPair): A source span without candidates teaches nothing.
        RETURNS (float): Minus the sum of the log probabilities in the stage that projects.
        """
        if not self.adaptation.begun:
            self.begin([example.pair for example in batch])
        self.prepare(example.pair for example in batch)
        groups: dict[str, list[Group]] = {}
        for pair, gold, complete, candidates in batch:
            labels = [span.label for span in pair.spans]
            for stage, found in self.stages(pair, candidates):
                mine = gold_groups(found.cells, found.rows, found.null, labels, gold, complete)
                groups.setdefault(stage, []).extend(mine)
                self.adaptation.seen[pair_key(pair)] = len(mine)
        return self.adaptation.gradient(groups, self.weights, self.prior)

    def stages(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> Iterator[tuple[str, Scored]]:
        """The stages that there are. The rows of a later one may be those of an earlier one, changed."""
        yield "alone", self.first_pass(pair, candidates, alone=True)
        if self.stats is not None:
            first = self.first_pass(pair, candidates)
            yield "corpus", first
            if self.lexicon is not None:
                yield "pairs", self.second_pass(first, self.lexicon)

    def start_from(self, weights: dict[str, np.ndarray]) -> None:
        """Take other weights, and forget what was learnt from gold."""
        self.weights = weights  # `weight` gives those that hold
        self.adaptation = Adaptation(STAGES, lowest(self.evidence.parts))

    # Serialization

    def state(self) -> dict[str, Any]:
        """The weights, and what was learnt from the corpus."""
        state: dict[str, Any] = {
            "features": list(with_parts(self.evidence.parts)),
            "weights": {stage: self.weight(stage).astype("<f8").tobytes() for stage in STAGES},
        }
        if self.stats is not None:
            state["stats"] = self.stats.state()
        if self.lexicon is not None:
            state["lexicon"] = self.lexicon.state()
        if self.voter is not None:
            state["voter"] = self.voter.astype("<f8").tobytes()
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over weights and corpus. Weights go by name: those of evidence that it does not have are left aside, and
        evidence that they were not learnt with has the weight 0."""
        names = state["features"]
        if names[: len(FEATURES)] != list(FEATURES):
            raise ValueError("other features")

        def read(raw: bytes) -> np.ndarray:
            return by_name(dict(zip(names, np.frombuffer(raw, "<f8"))), self.evidence.parts)

        weights = {stage: read(state["weights"][stage]) for stage in STAGES}
        stats = CorpusStats.load(state["stats"]) if "stats" in state else None
        lexicon = PairLexicon.load(state["lexicon"]) if "lexicon" in state else None
        voter = read(state["voter"]) if "voter" in state else None
        self.start_from(weights)
        self.stats, self.lexicon, self.voter = stats, lexicon, voter

    def state_parts(self) -> dict[str, Any]:
        return self.evidence.parts


def probabilities(cells: np.ndarray, null: np.ndarray, span: np.ndarray) -> list[np.ndarray]:
    """Softmax over null and the cells of each source span.

    cells, null (float arrays (n,), (spans,)): Log weights.
    span (int array (n,)): The source span of each cell, ascending.
    RETURNS (list of float array): For each source span, null first.
    """
    out = []
    ends = np.searchsorted(span, np.arange(len(null) + 1)).tolist()
    for z0, i, j in zip(null, ends, ends[1:]):
        z = np.concatenate([[z0], cells[i:j]])
        p = np.exp(z - z.max())
        out.append(p / p.sum())
    return out
