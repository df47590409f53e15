"""Further evidence of `spacy_xproj.Ranker.v1`: what other similarities say of its cells, as features."""

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from ...errors import XprojError
from ...part import Composite, check_parts
from ...ty import Cells, Similarity, check_finite
from ..fused import cell_keys, fill_scores
from ..lazy import Costly
from .batch import Batch, Candidates
from .features import Features
from .names import FEATURES, PART, with_parts

LIKELY = 8  # cells of a source span that a costly part is asked for


class RankerEvidence(Composite):
    """Similarities by names of one's own, each of which gives three features (`PART`).

    Of a cell: its score, and that minus the best score among the cells of its source span. Of "not projected": 1 - that
    best score. All three are 0 where a part says nothing of the sentence pair, which is where no cell scores above 0.

    A costly part (see `Costly`), such as `Translation.v1`, is asked last, and only for those `LIKELY` cells of a source
    span that the weights find likeliest by what is known then. The others score 0, in training, too.

    parts (dict[str, Similarity]): In the order of their names.
    RAISES (XprojError): If a name is no name, or that of another feature.
    """

    def __init__(self, parts: dict[str, Similarity], owner: str):
        self.parts, self.owner = dict(sorted(parts.items())), owner
        check_parts(f"{owner}, evidence", Similarity, self.parts, self.parts)
        names = with_parts(self.parts)
        for name in self.parts:
            if any(names.count(feature.format(name)) > 1 for feature in PART):
                raise XprojError(f"{owner}: evidence cannot be called {name!r}, as a feature is. Give it another name.")
        self.costly = {name for name, part in self.parts.items() if isinstance(part, Costly)}

    def members(self) -> dict[str, Any]:
        return self.parts

    def features(
        self, batch: Batch, cells: Candidates, known: np.ndarray, weights: np.ndarray, *, skip: Collection[str]
    ) -> Features:
        """The features of the parts.

        known (float array (n,)): Log weights of the cells by all other features, which tell what to ask a costly part.
        weights (float array (features,)): What the features of a part are worth to those asked after it.
        skip (collection of str): Parts that are not asked. Their features are 0.
        """
        out = Features([], [], [])
        for k, name in sorted(enumerate(self.parts), key=lambda item: item[1] in self.costly):  # these last
            if name in skip:
                continue
            score = self.scores(name, batch, cells, known)
            best = np.zeros(len(batch.pair))
            np.maximum.at(best, cells.span, score)
            says = np.maximum.reduceat(best, batch.first[:-1])[batch.pair] > 0
            of_cell, gap, null = (form.format(name) for form in PART)
            less = np.where(says[cells.span], score - best[cells.span], 0)
            out += Features([], [(of_cell, score), (gap, less)], [(null, np.where(says, 1 - best, 0))])
            at = len(FEATURES) + len(PART) * k
            known = known + weights[at] * score + weights[at + 1] * less
        return out

    def scores(self, name: str, batch: Batch, cells: Candidates, known: np.ndarray) -> np.ndarray:
        """The scores of all cells by one part."""
        part: Any = self.parts[name]
        score = np.zeros(len(cells.span))
        ends = np.searchsorted(cells.span, batch.first).tolist()
        for pair, first, i, j in zip(batch.pairs, batch.first.tolist(), ends, ends[1:]):
            if i == j:
                continue
            mine = Cells(cells.span[i:j] - first, cells.start[i:j], cells.end[i:j], score[i:j])
            if name in self.costly:
                which = likeliest(known[i:j], mine.span)
                mine.score[which] = part.score_cells(pair, *(field[which] for field in mine[:3]))
            else:
                spans = np.unique(np.stack([mine.start, mine.end], axis=1), axis=0)
                found = part(pair, spans)
                fill_scores(mine.score, cell_keys(mine, pair), found, cell_keys(found, pair))
        check_finite(f"{self.owner}: its evidence {name!r}", "score", score)
        return score

    def without_weights(self, weights: Iterable[np.ndarray]) -> list[str]:
        """The parts that count for nothing, as all their weights are 0.

        weights (iterable of float array (features,)): Those of each stage.
        """
        used = np.any([w[len(FEATURES) :].reshape(-1, len(PART)).any(axis=1) for w in weights], axis=0)
        return [name for name, some in zip(self.parts, used) if not some]


def likeliest(worth: np.ndarray, span: np.ndarray) -> np.ndarray:
    """The indices of the `LIKELY` cells of each source span that are worth most, of equal ones the first; ascending.

    worth, span (arrays (n,)): The worth and the source span of each cell.
    """
    order = np.lexsort((-worth, span))
    place = np.arange(len(order)) - np.searchsorted(span[order], span[order])
    return np.sort(order[place < LIKELY])
