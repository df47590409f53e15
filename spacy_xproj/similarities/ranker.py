"""`spacy_xproj.Ranker.v1`: the probability of a candidate given a source span, learnt from gold projections."""

import json
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Optional, Union

import numpy as np
import srsly
from thinc.api import Model

from ..bitext import SentencePair
from ..errors import InputError, XprojError
from ..files import StateFile, replacing
from ..ty import GoldPair, Similarity, WeighedCells
from .adaptation import Adaptation
from .corpus_stats import CorpusStats, pair_key
from .evidence import Candidates, Evidence
from .feature_names import FEATURES, STAGES
from .features import features, null_features
from .gold_groups import gold_groups
from .learning import Group
from .pair_features import add_pair_features
from .pair_lexicon import PairLexicon, Vote, votes

NAME = "spacy_xproj.Ranker.v1"
FORMAT = 2
WEIGHTS = "ranker_weights.json"
PRIOR = 30.0
MEASURED = 1000  # sentence pairs that the scale of the features is measured on


def make_ranker(
    weights: Optional[str] = None,
    max_length: int = 15,
    lexicon: bool = True,
    floor: float = 0.0,
    prior: float = PRIOR,
) -> Similarity:
    """Score cells by P(target span | source span), a conditional log-linear model with a candidate for "not projected".

    weights (Optional[str]): A JSON file of weights; None: those shipped with the package.
    max_length (int): Longest candidate in words; longer ones are looked at only between linked words.
    lexicon (bool): Whether `fit` makes a lexicon of entity pairs in a second pass over the corpus.
    floor (float): Cells with a lower probability are left out.
    prior (float): How close training on gold keeps to the weights that it starts from: the precision of a Gaussian
        around them, on features scaled by their standard deviation. It counts as much whether there is little gold or
        much, so that much moves the weights further.
    RETURNS (Similarity): The scorer. Fitted on a corpus it knows more, but it works without.
    RAISES (XprojError): If a setting is out of its range, or the weights are of other features.
    """
    if max_length < 1:
        raise XprojError(f"{NAME}: max_length must be at least 1, not {max_length}.")
    if not 0 <= floor < 1:
        raise XprojError(f"{NAME}: floor must be at least 0 and below 1, not {floor}.")
    if prior < 0:
        raise XprojError(f"{NAME}: prior must be at least 0, not {prior}.")
    return Ranker(read_weights(weights), max_length=max_length, lexicon=lexicon, floor=floor, prior=prior)


class Scored(NamedTuple):
    """A sentence pair's cells, with what was computed on the way.

    cells (Candidates): In order of source span.
    rows, null (float arrays): Their features, and those of null, a row a source span.
    probs (list of float arrays): For each source span, P(null), then P of its cells.
    """

    evidence: Evidence
    cells: Candidates
    rows: np.ndarray
    null: np.ndarray
    probs: list[np.ndarray]


class Ranker(StateFile):
    """See `make_ranker`."""

    def __init__(
        self, weights: dict[str, np.ndarray], *, max_length: int, lexicon: bool, floor: float, prior: float = PRIOR
    ):
        self.weights = weights  # those that training starts from: `weight` gives those that hold
        self.max_length, self.use_lexicon, self.floor, self.prior = max_length, lexicon, floor, prior
        self.adaptation = Adaptation(STAGES, len(FEATURES))
        self.stats: Optional[CorpusStats] = None
        self.lexicon: Optional[PairLexicon] = None
        self.voter: Optional[np.ndarray] = None  # the weights that the lexicon's votes were cast with

    def weight(self, stage: str) -> np.ndarray:
        """The weights of a stage, with what was learnt from gold."""
        return self.adaptation.weights(stage, self.weights[stage])

    @property
    def fitted(self) -> bool:
        """Whether it knows a corpus."""
        return self.stats is not None

    def fit(self, pairs: Iterable[SentencePair]) -> None:
        """Learn from a corpus, without gold: how frequent words are, which are linked, and, in a second pass, which
        entities were projected onto which. What was learnt before is forgotten; the weights stay.

        pairs (iterable of SentencePair): The corpus, with links. Without any it stays unfitted.
        """
        pairs = [pair for pair in pairs if pair.source and pair.target]
        if self.adaptation.begun:  # the features become others
            self.start_from({stage: self.weight(stage) for stage in STAGES})
        self.lexicon = self.voter = None
        self.stats = CorpusStats(pairs) if pairs else None
        if self.use_lexicon and pairs:
            self.lexicon, self.voter = self.learn_lexicon(pairs), self.weight("corpus")

    def learn_lexicon(self, pairs: Iterable[SentencePair]) -> PairLexicon:
        """The lexicon of the projections by the first pass."""
        found = PairLexicon()
        for pair in pairs:
            if pair.spans:
                first = self.first_pass(pair)
                for span, mine in enumerate(self.votes(first)):
                    found.add(first.evidence.key(span), mine)
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
        found = self.score(pair, candidates)
        k = found.cells.span
        probs = np.concatenate([np.zeros(0), *(p[1:] for p in found.probs)])
        null = np.array([p[0] for p in found.probs])[k]
        keep = (probs > null) & (probs >= self.floor)
        ratio = np.log(probs[keep] / np.maximum(null[keep], 1e-12))
        return WeighedCells(k[keep], found.cells.start[keep], found.cells.end[keep], probs[keep], ratio)

    def score(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> Scored:
        """All cells of one sentence pair, with their features and probabilities."""
        first = self.first_pass(pair, candidates)
        if self.lexicon is None:
            return first
        return self.second_pass(first, self.lexicon)

    def considered(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> set[int]:
        """The source spans that have candidates, be these likelier than null or not."""
        if not pair.spans or not pair.target:
            return set()
        return set(self.cells(Evidence(pair, self.stats), candidates).span.tolist())

    def cells(self, evidence: Evidence, candidates: Optional[np.ndarray]) -> Candidates:
        return evidence.candidates(self.max_length) if candidates is None else evidence.given(candidates)

    def first_pass(self, pair: SentencePair, candidates: Optional[np.ndarray] = None, *, alone: bool = False) -> Scored:
        """Without the lexicon.

        alone (bool): Without the corpus, too.
        """
        stats = None if alone else self.stats
        evidence = Evidence(pair, stats)
        cells = self.cells(evidence, candidates)
        rows, null = features(evidence, cells), null_features(evidence)
        weights = self.weight("alone" if stats is None else "corpus")
        return Scored(evidence, cells, rows, null, probabilities(rows @ weights, null @ weights, cells.span))

    def second_pass(self, first: Scored, lexicon: PairLexicon) -> Scored:
        """With it. The votes of a sentence pair of the corpus are taken out."""
        evidence, cells, rows, null, _ = first
        own: list[list[Vote]] = [[] for _ in null]
        if evidence.own:
            voter = self.weight("corpus") if self.voter is None else self.voter
            own = self.votes(first._replace(probs=probabilities(rows @ voter, null @ voter, cells.span)))
        add_pair_features(evidence, rows, null, cells, lexicon, own)
        weights = self.weight("pairs")
        return first._replace(probs=probabilities(rows @ weights, null @ weights, cells.span))

    def votes(self, found: Scored) -> list[list[Vote]]:
        """What each source span says to the lexicon."""
        start, end, target = found.cells.start, found.cells.end, found.evidence.target
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
        self.weights, self.adaptation = weights, Adaptation(STAGES, len(FEATURES))

    # Serialisation

    def to_bytes(self) -> bytes:
        """The weights, and what was learnt from the corpus, as msgpack.

        RETURNS (bytes): Equal for equal states.
        """
        state: dict[str, object] = {
            "name": NAME,
            "format": FORMAT,
            "features": list(FEATURES),
            "weights": {stage: self.weight(stage).astype("<f8").tobytes() for stage in STAGES},
        }
        if self.stats is not None:
            state["stats"] = self.stats.state()
        if self.lexicon is not None:
            state["lexicon"] = self.lexicon.state()
        if self.voter is not None:
            state["voter"] = self.voter.astype("<f8").tobytes()
        return srsly.msgpack_dumps(state)

    def from_bytes(self, data: bytes) -> "Ranker":
        """Take over weights and corpus.

        data (bytes): From `to_bytes`.
        RETURNS (Ranker): Itself.
        RAISES (XprojError): If the data is something else.
        """
        try:
            state = srsly.msgpack_loads(data)
            if (state["name"], state["format"], state["features"]) != (NAME, FORMAT, list(FEATURES)):
                raise ValueError(f"{state['name']}, format {state['format']}, or other features")
            weights = {stage: np.frombuffer(state["weights"][stage], "<f8") for stage in STAGES}
            stats = CorpusStats.load(state["stats"]) if "stats" in state else None
            lexicon = PairLexicon.load(state["lexicon"]) if "lexicon" in state else None
            voter = np.frombuffer(state["voter"], "<f8") if "voter" in state else None
        except Exception as err:
            raise XprojError(f"Expected the state of {NAME}, format {FORMAT}, but got other data ({err}).") from err
        self.start_from(weights)
        self.stats, self.lexicon, self.voter = stats, lexicon, voter
        return self


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


def read_weights(path: Optional[str] = None) -> dict[str, np.ndarray]:
    """Weights from a JSON file: for each of `STAGES` an object of feature names and weights.

    path (Optional[str]): The file; None: the shipped one.
    RAISES (InputError): If it is no such file.
    """
    source = files(__package__).joinpath(WEIGHTS) if path is None else Path(path)
    try:
        data = json.loads(source.read_text(encoding="utf-8"))["weights"]
        unknown = {name for stage in STAGES for name in data[stage] if name not in FEATURES}
        if unknown:
            raise ValueError(f"no feature is called {', '.join(sorted(unknown))}")
        return {stage: np.array([float(data[stage].get(name, 0.0)) for name in FEATURES]) for stage in STAGES}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise InputError(str(source), None, f"Expected weights for {NAME} in JSON ({err!r}).") from err


def write_weights(path: Union[str, Path], weights: dict[str, np.ndarray], about: dict[str, object]) -> None:
    """Write weights to a JSON file; those that are 0 are left out.

    about (dict): What they were learnt from.
    """
    rounded = {
        stage: {name: round(float(w), 5) for name, w in zip(FEATURES, weights[stage]) if round(float(w), 5)}
        for stage in STAGES
    }
    with replacing(path) as beside:
        text = json.dumps({**about, "weights": rounded}, indent=1, ensure_ascii=False)
        beside.write_text(text + "\n", encoding="utf-8")
