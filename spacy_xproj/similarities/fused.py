"""`spacy_xproj.Fused.v1`: the weighted sum of other similarities."""

import math
from typing import Any, Optional

import numpy as np

from ..bitext import SentencePair
from ..errors import XprojError, check_at_least
from ..part import Composite, check_parts
from ..state import State
from ..ty import Cells, Similarity, check_finite
from .lazy import Costly
from .lexicon import Lexicon
from .links import LinkSimilarity
from .surface import SurfaceSimilarity

NAME = "spacy_xproj.Fused.v1"
# Chosen on opinion targets, en-es, with links of five aligners.
WEIGHTS = {"links": 0.5, "surface": 0.1, "lexicon": 0.2}


class Fused(Composite, State):
    """`spacy_xproj.Fused.v1`: scores cells by a weighted sum of similarities (Politov et al. 2025, with alignment, NER
    and translation scores). It learns from the corpus only if one of its parts does.

    similarities (Optional[dict[str, Similarity]]): The parts, by names of one's own. None: `links`, `surface` (with the
        threshold 0.8) and `lexicon`.
    weights (Optional[dict[str, float]]): The weight of each. A part that weighs 0 is neither asked for candidates nor
        for scores. None: 0.5, 0.1 and 0.2 for those; equal weights for others.
    normalize (bool): Divide the weights by their sum, so that scores in [0, 1] give a score in [0, 1].
    RAISES (XprojError): If the names differ, or the weights are negative or all 0.
    """

    state_name = NAME

    # Any, as spaCy holds arguments against their annotations before it makes the parts that stand in a dict.
    def __init__(
        self,
        similarities: Optional[dict[str, Any]] = None,
        weights: Optional[dict[str, float]] = None,
        normalize: bool = True,
    ):
        if weights is None:
            weights = dict(WEIGHTS) if similarities is None else dict.fromkeys(similarities, 1.0)
        if similarities is None:
            surface = SurfaceSimilarity(threshold=0.8)
            similarities = {"links": LinkSimilarity(), "surface": surface, "lexicon": Lexicon()}
        check_parts(NAME, Similarity, similarities, weights)
        for name, weight in weights.items():
            check_at_least(NAME, 0, **{f"the weight of {name!r}": weight})
        total = math.fsum(weights.values())
        if not total:
            raise XprojError(f"{NAME}: at least one weight must be above 0, but they are {weights}.")
        self.similarities = dict(sorted(similarities.items()))  # sums do not depend on the order in a config
        self.weights = {name: weight / total if normalize else weight for name, weight in weights.items()}

    def __call__(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> Cells:
        """Score the cells of one sentence pair, in order of source span, start, end.

        Without candidates these are the cells that any of the parts proposes. Of a part with another objective, such as
        `Ranker.v1`, the score is added and the objective left aside. A costly part, such as `Translation.v1`, scores
        what the others know something of, and proposes only if there are no others.

        pair (SentencePair): The sentence pair.
        candidates (Optional[int array (k, 2)]): Score these spans only.
        RETURNS (Cells): Those with a score above 0.
        """
        cells = self.open(pair, candidates)
        if cells.open is not None:
            cells = self.settle(pair, cells, cells.open.nonzero()[0])
        keep = cells.score > 0
        return cells.take(keep)._replace(objective=None, open=None)

    def parts(self) -> tuple[dict[str, Similarity], dict[str, Costly]]:
        """The parts with a weight: those that propose, and the costly ones. Without others, these propose, too."""
        used = {name: part for name, part in self.similarities.items() if self.weights[name]}
        costly: dict[str, Any] = {name: part for name, part in used.items() if isinstance(part, Costly)}
        if len(costly) == len(used):
            costly = {}
        return {name: part for name, part in used.items() if name not in costly}, costly

    def open(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> Cells:
        """The cells with the scores of all parts but the costly ones, which are taken to score 1 in the objective.

        pair, candidates: As in a call.
        RETURNS (Cells): In order of source span, start, end.
        """
        parts, costly = self.parts()
        found = {name: part(pair, candidates) for name, part in parts.items()}
        keys = {name: cell_keys(cells, pair) for name, cells in found.items()}
        wanted = np.unique(np.concatenate(list(keys.values())))
        size = len(pair.target) + 1
        span, start, end = wanted // size**2, wanted // size % size, wanted % size
        rest = None
        if candidates is None and len(parts) > 1 and len(wanted):
            rest = np.unique(np.stack([start, end], axis=1), axis=0)
        total = np.zeros(len(wanted))
        for name, part in parts.items():
            score = np.zeros(len(wanted))
            if rest is not None and not np.array_equal(keys[name], wanted):
                fill_scores(score, wanted, (more := part(pair, rest)), cell_keys(more, pair))
            # Last, as a probability depends on what is proposed with it.
            fill_scores(score, wanted, found[name], keys[name])
            check_finite(f"{NAME}: its part {name!r}", "score", score)
            total += self.weights[name] * score
        bound = total.copy()
        for name in costly:
            bound += self.weights[name]
        if not costly:
            return Cells(span, start, end, total)
        return Cells(span, start, end, total, bound, np.ones(len(wanted), bool))

    def settle(self, pair: SentencePair, cells: Cells, which: np.ndarray) -> Cells:
        """Add the scores of the costly parts to some cells (see `Lazy`)."""
        if cells.open is None or not len(which):
            return cells
        score, bound, still = cells.score.copy(), cells.worth.copy(), cells.open.copy()
        total = score[which]
        for name, part in self.parts()[1].items():
            found = part.score_cells(pair, *(field[which] for field in cells[:3]))
            check_finite(f"{NAME}: its part {name!r}", "score", found)
            total = total + self.weights[name] * found
        score[which], bound[which], still[which] = total, total, False
        return cells._replace(score=score, objective=bound, open=still)

    def members(self) -> dict[str, Any]:
        return self.similarities


def cell_keys(cells: Cells, pair: SentencePair) -> np.ndarray:
    """One number for each cell, ascending in the order of source span, start, end."""
    size = len(pair.target) + 1
    return (cells.span.astype("i8") * size + cells.start) * size + cells.end


def fill_scores(score: np.ndarray, wanted: np.ndarray, cells: Cells, keys: np.ndarray) -> None:
    """Write the scores of some cells to their places among the wanted ones; other cells are left out.

    wanted, keys (int arrays): By `cell_keys`, the wanted ones ascending.
    """
    place = np.minimum(np.searchsorted(wanted, keys), max(len(wanted) - 1, 0))
    known = wanted[place] == keys if len(wanted) else np.zeros(len(keys), bool)
    score[place[known]] = cells.score[known]
