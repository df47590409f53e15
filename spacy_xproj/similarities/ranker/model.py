"""`spacy_xproj.Ranker.v1`: the probability of a candidate given a source span, learnt from gold projections."""

import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, Optional, Union

import numpy as np
from thinc.api import Model

from ...bitext import SentencePair
from ...errors import check_at_least, check_below_one
from ...progress import steps, tell
from ...state import State
from ...ty import Cells, GoldPair
from .batch import Batch, Candidates, batches
from .corpus import CorpusStats, pair_key
from .evidence import RankerEvidence
from .features import Features, features, rows, worth
from .lexicon import PairLexicon, Votes, pair_features, votes
from .names import FEATURES, PIECES, STAGES, with_parts
from .training import Adaptation, Group, gold_groups
from .weights import NAME, by_name, lowest, read_weights
from .words import MOST, Vocabulary

PRIOR = 30.0
MEASURED = 1000  # sentence pairs that the scale of the features is measured on


class Known(NamedTuple):
    """The cells of a batch, with the features of these and of "not projected"."""

    batch: Batch
    cells: Candidates
    features: Features


class Scored(NamedTuple):
    """The same with probabilities.

    probs (float array (n,)): The probability of each cell.
    null (float array (K,)): That of "not projected" for each source span.
    """

    batch: Batch
    cells: Candidates
    features: Features
    probs: np.ndarray
    null: np.ndarray


class Ranker(State):
    """`spacy_xproj.Ranker.v1`: scores cells by P(target span | source span), a conditional log-linear model with a
    candidate for "not projected". Fitted on a corpus it knows more, but it works without.

    weights (Optional[str]): A JSON file of weights; None: those shipped with the package.
    max_length (int): Longest candidate in words; longer ones are looked at only between linked words.
    lexicon (bool): Whether `fit` makes a lexicon of entity pairs in a second pass over the corpus.
    floor (float): Cells with a lower probability are left out.
    prior (float): How close training on gold keeps to the weights that it starts from: the precision of a Gaussian
        around them, on features scaled by their standard deviation. It does not grow with the gold, so more gold moves
        the weights further.
    evidence (Optional[dict[str, Similarity]]): Other similarities, by names of your choice, whose scores become
        features (see `RankerEvidence`). The shipped weights do not know them: train on gold with `spacy train`
        (`configs/project_evidence.cfg`).
    RAISES (XprojError): If a setting is out of its range, or the weights or the evidence are something else.
    """

    fittable = True
    state_name = NAME
    state_format = 3
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
        self.place = {name: k for k, name in enumerate(with_parts(self.evidence.parts))}
        self._warned = False
        self.words = Vocabulary()
        self.start_from(read_weights(weights or None, self.evidence.parts))
        self.stats: Optional[CorpusStats] = None
        self.lexicon: Optional[PairLexicon] = None
        self.voter: Optional[np.ndarray] = None  # the weights that the lexicon's votes were cast with

    def weight(self, stage: str) -> np.ndarray:
        """The weights that hold in a stage: those for words or, the more the corpus is in pieces, those for pieces, and
        what was learnt from gold."""
        given, pieces = self.weights[stage], self.weights.get(PIECES.get(stage, ""))
        if self.stats is not None and pieces is not None:
            given = given + self.stats.pieces * (pieces - given)
        return self.adaptation.weights(stage, given)

    @property
    def fitted(self) -> bool:
        """Whether it knows a corpus, and so does its evidence."""
        return self.stats is not None and self.evidence.fitted

    @property
    def stage(self) -> str:
        """The stage whose weights project (str): the last for which it knows enough."""
        if self.stats is None:
            return "alone"
        return "pairs" if self.lexicon is not None else "corpus"

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
        self.words = Vocabulary()  # what it knows of the corpus before is of no use
        self.lexicon = self.voter = None
        self.stats = CorpusStats(steps(pairs, "words", len(pairs))) if pairs else None
        if self.use_lexicon and pairs:
            self.lexicon, self.voter = self.learn_lexicon(pairs), self.weight("corpus")

    def learn_lexicon(self, pairs: Sequence[SentencePair]) -> PairLexicon:
        """The lexicon of the projections by the first pass."""
        found = PairLexicon()
        self.prepare(pairs)
        some, done = [pair for pair in pairs if pair.spans], 0
        for places, first in self.passes(some, skip=self.idle(), last="corpus"):
            found.add(first.batch, votes(first.cells, first.probs, first.null))
            done += len(places)
            tell("entities", done, len(some))
        return found

    def __call__(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> Cells:
        """Score the cells of one sentence pair, in order of source span, start, end.

        pair (SentencePair): The sentence pair.
        candidates (Optional[int array (k, 2)]): Choose among these spans only.
        RETURNS (Cells): Those likelier than null. `score` is the probability, and `objective` its log ratio to
            that of null, so that the highest total is the likeliest joint assignment.
        """
        return self.score_pairs([pair], [candidates])[0]

    def score_pairs(
        self, pairs: Sequence[SentencePair], candidates: Optional[Sequence[Optional[np.ndarray]]] = None
    ) -> list[Cells]:
        """Score the cells of many sentence pairs. The result for each is the same as alone.

        pairs, candidates (sequences): As in a call, one a sentence pair.
        RETURNS (list of Cells): One a sentence pair.
        """
        idle = self.idle()
        if idle and not self._warned and any(pair.spans and pair.target for pair in pairs):
            self._warned = True
            warnings.warn(
                f"{NAME} has no weights for its evidence {', '.join(map(repr, idle))}, which changes nothing as it is. "
                "Train it on gold projections: spacy train with configs/matcher.cfg and this evidence.",
                stacklevel=2,
            )
        none = np.zeros(0, "i8")
        out = [Cells(none, none, none, np.zeros(0), np.zeros(0))] * len(pairs)
        for places, (batch, cells, _, probs, nulls) in self.passes(pairs, candidates, skip=idle):
            null = nulls[cells.span]
            keep = np.flatnonzero((probs > null) & (probs >= self.floor))
            k, a, b, score = cells.span[keep], cells.start[keep], cells.end[keep], probs[keep]
            ratio = np.log(score / np.maximum(null[keep], 1e-12))
            beaten: list[list[int]] = [[] for _ in places]
            there, kept = (np.bincount(spans, minlength=len(batch.pair)) > 0 for spans in (cells.span, k))
            for span in np.flatnonzero(there & ~kept).tolist():
                beaten[batch.pair[span]].append(span - int(batch.first[batch.pair[span]]))
            ends = np.searchsorted(k, batch.first).tolist()
            k = k - batch.first[batch.pair[k]]
            for place, i, j, lost in zip(places, ends, ends[1:], beaten):
                out[place] = Cells(k[i:j], a[i:j], b[i:j], score[i:j], ratio[i:j], beaten=tuple(lost))
        return out

    def idle(self) -> list[str]:
        """Return the evidence that has no weights. It is needed in training only."""
        if not self.evidence.parts or self.adaptation.begun:
            return []
        return self.evidence.without_weights(self.weights.values())

    def passes(
        self,
        pairs: Sequence[SentencePair],
        candidates: Optional[Sequence[Optional[np.ndarray]]] = None,
        *,
        skip: Collection[str] = (),
        last: str = STAGES[-1],
    ) -> Iterator[tuple[list[int], Scored]]:
        """Score all cells, in batches.

        skip (collection of str): Evidence that is not computed, as it has no weights.
        last (str): The last stage, if there is so much.
        YIELDS (list of int, Scored): The places of some sentence pairs, and their cells in the last stage. Those
            without spans or target words are left out.
        """
        some = [k for k, pair in enumerate(pairs) if pair.spans and pair.target]
        if len(self.words.forms) > MOST:
            self.words = Vocabulary()
        for places in batches([pairs[k] for k in some]):
            places = [some[k] for k in places]
            given = None if candidates is None else [candidates[k] for k in places]
            found, stage = self.first_pass([pairs[k] for k in places], given, skip=skip), "corpus"
            if self.lexicon is not None and last == STAGES[-1]:
                found, stage = self.second_pass(found, self.lexicon), "pairs"
            yield places, self.weighed(found, self.weight(stage if self.stats is not None else "alone"))

    def score(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> Scored:
        """All cells of one sentence pair, which has spans and target words."""
        return next(self.passes([pair], [candidates]))[1]

    def first_pass(
        self,
        pairs: Sequence[SentencePair],
        candidates: Optional[Sequence[Optional[np.ndarray]]] = None,
        *,
        alone: bool = False,
        skip: Collection[str] = (),
    ) -> Known:
        """Compute all features but those of the lexicon.

        alone (bool): Without the corpus, too.
        """
        stats = None if alone else self.stats
        batch = Batch(pairs, stats, self.words)
        cells = batch.candidates(self.max_length, candidates)
        found = features(batch, cells)
        if self.evidence.parts:
            weights = self.weight("alone" if stats is None else "corpus")
            skip = {*skip, *(self.evidence.learners() if stats is None else ())}
            known = worth(batch, cells, found, weights, self.place)[0]
            found += self.evidence.features(batch, cells, known, weights, skip=skip)
        return Known(batch, cells, found)

    def second_pass(self, first: Known, lexicon: PairLexicon) -> Known:
        """Add the features of the lexicon. The votes of a sentence pair of the corpus are taken out."""
        batch, cells, own = first.batch, first.cells, None
        if batch.own.any():
            voted = self.weighed(first, self.weight("corpus") if self.voter is None else self.voter)
            own = votes(cells, voted.probs, voted.null)
            own = Votes(*(field[batch.own[batch.pair[own.span]]] for field in own))
        return Known(batch, cells, first.features + pair_features(batch, cells, lexicon, own))

    def weighed(self, found: Known, weights: np.ndarray) -> Scored:
        """Cells with the probabilities by some weights."""
        probs, null = probabilities(*worth(*found, weights, self.place), found.cells.span)
        return Scored(*found, probs, null)

    def rows(self, found: Union[Known, Scored]) -> tuple[np.ndarray, np.ndarray]:
        """The features of cells and of "not projected" as rows, in the order of the weights."""
        return rows(found.batch, found.cells, found.features, self.place)

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
        some = list(islice((pair for pair in pairs if pair.spans and pair.target), MEASURED))
        self.adaptation.begin((stage, each) for _, stage, found in self.stages(some) for each in self.rows(found))

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
        for stage, mine in self.groups(batch).items():
            for example, some in zip(batch, mine):
                self.adaptation.seen[pair_key(example.pair)] = len(some)
            groups[stage] = [group for some in mine for group in some]
        return self.adaptation.gradient(groups, self.weights, self.prior)

    def groups(self, examples: Sequence[GoldPair]) -> dict[str, list[list[Group]]]:
        """What there is to learn from some sentence pairs: by stage, for each of them."""
        out: dict[str, list[list[Group]]] = {}
        candidates = [example.candidates for example in examples]
        for places, stage, found in self.stages([example.pair for example in examples], candidates):
            mine = out.setdefault(stage, [[] for _ in examples])
            some = gold_groups(found.batch, found.cells, *self.rows(found), [examples[k] for k in places])
            for place, each in zip(places, some):
                mine[place] = each
        return out

    def stages(
        self, pairs: Sequence[SentencePair], candidates: Optional[Sequence[Optional[np.ndarray]]] = None
    ) -> Iterator[tuple[list[int], str, Known]]:
        """Yield the stages that apply, batch by batch: places of sentence pairs, stage, their cells."""
        for places in batches(pairs):
            some = [pairs[k] for k in places]
            given = None if candidates is None else [candidates[k] for k in places]
            yield places, "alone", self.first_pass(some, given, alone=True)
            if self.stats is not None:
                first = self.first_pass(some, given)
                yield places, "corpus", first
                if self.lexicon is not None:
                    yield places, "pairs", self.second_pass(first, self.lexicon)

    def start_from(self, weights: dict[str, np.ndarray]) -> None:
        """Take other weights, and forget what was learnt from gold."""
        self.weights = weights  # `weight` gives those that hold
        self.adaptation = Adaptation(STAGES, lowest(self.evidence.parts))

    # Serialization

    def state(self) -> dict[str, Any]:
        """The weights, and what was learnt from the corpus."""
        weights = {stage: self.weight(stage) for stage in STAGES} if self.adaptation.begun else self.weights
        state: dict[str, Any] = {
            "features": list(with_parts(self.evidence.parts)),
            "weights": {stage: weights[stage].astype("<f8").tobytes() for stage in sorted(weights)},
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

        weights = {stage: read(raw) for stage, raw in state["weights"].items()}
        if not weights.keys() >= set(STAGES):
            raise ValueError("other stages")
        stats = CorpusStats.load(state["stats"]) if "stats" in state else None
        lexicon = PairLexicon.load(state["lexicon"]) if "lexicon" in state else None
        voter = read(state["voter"]) if "voter" in state else None
        self.start_from(weights)
        self.stats, self.lexicon, self.voter = stats, lexicon, voter

    def state_parts(self) -> dict[str, Any]:
        return self.evidence.parts


def probabilities(cells: np.ndarray, null: np.ndarray, span: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Softmax over "not projected" and the cells of each source span.

    cells, null (float arrays (n,), (K,)): Log weights.
    span (int array (n,)): The source span of each cell, ascending.
    RETURNS (float arrays (n,), (K,)): The probabilities.
    """
    many = np.bincount(span, minlength=len(null)) + 1
    starts = np.cumsum(many) - many
    place = np.arange(len(span)) + span + 1  # null comes before the cells of its span
    z = np.zeros(len(cells) + len(null))
    z[starts], z[place] = null, cells
    z = np.exp(z - np.repeat(np.maximum.reduceat(z, starts), many))
    z /= np.repeat(np.add.reduceat(z, starts), many)
    return z[place], z[starts]
