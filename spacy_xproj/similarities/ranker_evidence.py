"""Further evidence of `spacy_xproj.Ranker.v1`: what other similarities say of its cells, as features."""

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from ..bitext import SentencePair
from ..errors import XprojError
from ..part import Composite, check_parts
from ..ty import Cells, Similarity, check_finite
from .feature_names import FEATURES, PART, with_parts
from .fused import cell_keys, fill_scores
from .lazy import Costly
from .pair_signals import Candidates

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

    def add(
        self,
        pair: SentencePair,
        cells: Candidates,
        rows: np.ndarray,
        null: np.ndarray,
        weights: np.ndarray,
        *,
        skip: Collection[str],
    ) -> tuple[np.ndarray, np.ndarray]:
        """The features of cells and of "not projected", with those of the parts.

        cells (Candidates), rows, null (float arrays): As in `Scored`, with the fixed features only.
        weights (float array (features,)): What tells which cells a costly part is asked for.
        skip (collection of str): Parts that are not asked. Their features are 0.
        RETURNS (float array (n, features), float array (spans, features)): New arrays.
        """
        room = ((0, 0), (0, len(PART) * len(self.parts)))
        rows, null = np.pad(rows, room), np.pad(null, room)
        spans = np.unique(np.stack([cells.start, cells.end], axis=1), axis=0)
        keys = cell_keys(Cells(*cells, np.zeros(len(rows))), pair)
        places = {name: len(FEATURES) + len(PART) * k for k, name in enumerate(self.parts)}
        for name in sorted(places, key=lambda name: name in self.costly):  # these last
            if not len(spans) or name in skip:
                continue
            part: Any = self.parts[name]
            score = np.zeros(len(keys))
            if name in self.costly:
                which = likeliest(rows @ weights, cells.span)
                score[which] = part.score_cells(pair, *(field[which] for field in cells))
            else:
                found = part(pair, spans)
                fill_scores(score, keys, found, cell_keys(found, pair))
            check_finite(f"{self.owner}: its evidence {name!r}", "score", score)
            self.fill(places[name], score, cells.span, rows, null)
        return rows, null

    @staticmethod
    def fill(at: int, score: np.ndarray, span: np.ndarray, rows: np.ndarray, null: np.ndarray) -> None:
        """Put the features of one part into its columns, the first of which is `at`."""
        best = np.zeros(len(null))
        np.maximum.at(best, span, score)
        if best.any():
            rows[:, at], rows[:, at + 1] = score, score - best[span]
            null[:, at + 2] = 1 - best

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
