"""`xproj_matcher`: extracts target candidates, scores them against the source spans, and assigns them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Optional

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from thinc.api import NumpyOps

from ..bitext import Bitext, SentencePair
from ..errors import XprojError
from ..part import as_part
from ..similarities.lazy import Lazy, choose
from ..suggesters import Suggester
from ..ty import Cells, Similarity, Solver, check_finite
from .projection_pipe import SPANS_KEY, PairResult
from .training import TrainableProjection

ORDERS = ("first", "shortest", "longest")

DEFAULTS: dict[str, Any] = {
    "suggester": None,
    "similarity": {"@xproj_similarities": "spacy_xproj.Ranker.v1"},
    "solver": {"@xproj_solvers": "spacy_xproj.Exact.v1"},
    "n_projections": 1,
    "order": "longest",
    "stop_words": [],
    "min_score": 0.0,
    "doubtful": "drop",
    "spans_key": SPANS_KEY,
    "annotate_ents": True,
}


@Language.factory("xproj_matcher", requires=["doc._.xproj"], assigns=["doc.ents", "doc.spans"], default_config=DEFAULTS)
class ProjectionMatcher(TrainableProjection):
    """Projection as candidate extraction and matching (Politov et al. 2025).

    suggester (Optional[Suggester]): Candidate spans, in spancat's protocol, called once a sentence pair. None: those
        that the similarity proposes.
    similarity (Similarity): Scores source spans against candidates.
    solver (Solver): Chooses among them.
    n_projections (int): Number of target spans for one source span, at most.
    order (str): Of equal scores the first wins, in order of "first": source span, start, length; "shortest" or
        "longest": length, source span, start.
    stop_words (list of str): Candidates that hold one of these words are left out.
    min_score (float), doubtful (str), spans_key (str), annotate_ents (bool): See `ProjectionPipe`.
    RAISES (XprojError): If a setting is unknown or out of its range.
    """

    parts = ("similarity",)
    bounded = True

    def __init__(
        self,
        nlp: Language,
        name: str,
        suggester: Optional[Suggester],
        similarity: Similarity,
        solver: Solver,
        *,
        n_projections: int,
        order: str,
        stop_words: list[str],
        min_score: float = 0.0,
        doubtful: str = "drop",
        spans_key: str = SPANS_KEY,
        annotate_ents: bool = True,
    ):
        super().__init__(
            nlp, name, min_score=min_score, doubtful=doubtful, spans_key=spans_key, annotate_ents=annotate_ents
        )
        if order not in ORDERS:
            raise XprojError(f"{name}: order must be one of {', '.join(ORDERS)}, not {order!r}.")
        if n_projections < 1:
            raise XprojError(f"{name}: n_projections must be at least 1, not {n_projections}.")
        self.suggester = suggester
        self.similarity = similarity
        self.solver = solver
        self.n_projections = n_projections
        self.order = order
        self.stop_words = frozenset(stop_words)

    def predict_pairs(self, pairs: Sequence[tuple[SentencePair, Doc]]) -> Iterator[PairResult]:
        """Score and match. The similarity sees all sentence pairs at once: it can prepare for them, and a `Part` can
        score them together."""
        similarity = as_part(self.similarity)
        alone = [pair for pair, _ in pairs]
        candidates = [self.candidates(pair, doc) for pair, doc in pairs]
        similarity.prepare(alone)
        found: Iterable[Cells]
        if isinstance(self.similarity, Lazy):
            found = map(self.similarity.open, alone, candidates)
        else:
            found = similarity.score_pairs(alone, candidates)
        return map(self.matched, alone, found)

    def matched(self, pair: SentencePair, found: Cells) -> PairResult:
        """Choose among the cells of a sentence pair."""
        for values in (found.score, found.worth):
            check_finite(f"{self.name}: the similarity {type(self.similarity).__name__}", "score", values)
        pruned = self.prune(found, pair.target)
        cells, (chosen, note) = choose(self.similarity, pair, pruned, self.solver, self.n_projections)
        span, start, end, score = (field[chosen].tolist() for field in cells[:4])
        reasons = {}
        if len(set(span)) < len(pair.spans):
            scored, linked = set(cells.span[cells.worth > 0].tolist()), set(pair.links[:, 0].tolist())
            for k in set(range(len(pair.spans))).difference(span):
                near = linked.intersection(range(pair.spans[k].start, pair.spans[k].end))
                without = "null_wins" if k in cells.beaten else "no_candidate" if near else "no_links"
                reasons[k] = "conflict" if k in scored else without
        return list(zip(span, start, end, score)), reasons, note

    def candidates(self, pair: SentencePair, doc: Doc) -> Optional[np.ndarray]:
        """The suggester's spans of this sentence pair, as offsets into it; None without a suggester."""
        if self.suggester is None:
            return None
        part = doc if len(pair.target) == len(doc) else sentence_doc(doc, pair)
        return np.asarray(self.suggester([part], ops=NumpyOps()).dataXd, "i8").reshape(-1, 2)

    def prune(self, cells: Cells, target: tuple[str, ...]) -> Cells:
        """Leave out candidates with a stop word, and put the cells in the documented order."""
        if self.stop_words and not self.stop_words.isdisjoint(target):
            stops = np.cumsum([0, *(word in self.stop_words for word in target)])
            cells = cells.take(stops[cells.end] == stops[cells.start])
        if self.order != "first":
            length = cells.end - cells.start
            cells = cells.take(np.lexsort((cells.start, cells.span, length if self.order == "shortest" else -length)))
        return cells


def sentence_doc(doc: Doc, pair: SentencePair) -> Doc:
    """One sentence pair of a Doc as a Doc of its own: suggesters over n-grams are quadratic in what they are given."""
    start = pair.offset[1]
    end = start + len(pair.target)
    part = doc[start:end].as_doc()
    lang, spaces = doc._.xproj.lang, [True] * len(pair.source)
    part._.xproj = Bitext(lang, pair.source, tuple(spaces), pair.spans, pair.links, pair.scores, pair.evidence)
    for key, group in doc.spans.items():
        inside = (s for s in group if start <= s.start and s.end <= end)
        part.spans[key] = [Span(part, s.start - start, s.end - start, s.label_) for s in inside]
    return part
