"""Why a source span was projected as it was: its readings, and what each feature adds to the score of each."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Optional

import numpy as np

from ...bitext import SentencePair
from .model import Ranker
from .names import FEATURES, GROUPS, NULL, PART, REPEATED, with_parts

FURTHER = "further evidence"
PART_WORDS = ("{}: how far its best score is below 1", "{}: how far below its best score", "{}: its score")
_GROUP = {name: group for group, names in GROUPS.items() for name in names}


class Reading(NamedTuple):
    """One way to project a source span.

    start, end (int): The target words, counted from the first of the sentence pair; both 0: it is not projected.
    probability (float): Of all readings of the source span, "not projected" among them, it sums to 1.
    says (dict[str, float]): By feature what it adds to the score: its value times its weight. Features that add nothing
        are left out. The probability is proportional to exp(score).
    """

    start: int
    end: int
    probability: float
    says: dict[str, float]

    @property
    def score(self) -> float:
        """The sum of what the features add."""
        return sum(self.says.values())


def explain(
    ranker: Ranker,
    pairs: Sequence[SentencePair],
    candidates: Optional[Sequence[Optional[np.ndarray]]] = None,
    most: int = 5,
) -> list[list[list[Reading]]]:
    """Find the likeliest readings of all source spans of some sentence pairs, and what spoke for and against them.

    ranker (Ranker): Scores them as it projects.
    pairs (sequence of SentencePair): The sentence pairs.
    candidates (Optional[sequence of int array (k, 2) or None]): As for `Ranker.score_pairs`.
    most (int): Number of candidates of a source span. "Not projected" comes beside them.
    RETURNS (list of list of list of Reading): For each pair and each of its spans the readings, likeliest first. A span
        that the ranker has no candidate for has none; so have all spans of a pair without target words.
    """
    out: list[list[list[Reading]]] = [[[] for _ in pair.spans] for pair in pairs]
    names = with_parts(ranker.evidence.parts)
    weights = ranker.weight(ranker.stage)
    for places, found in ranker.passes(pairs, candidates, skip=ranker.idle()):
        batch, cells = found.batch, found.cells
        rows, null = ranker.rows(found)
        ends = np.searchsorted(cells.span, np.arange(len(null) + 1)).tolist()
        for span, (i, j) in enumerate(pairwise(ends)):
            if i == j:
                continue
            best = i + np.argsort(-found.probs[i:j], kind="stable")[:most]
            mine = [Reading(0, 0, float(found.null[span]), says(names, null[span] * weights))]
            mine += [
                Reading(int(cells.start[k]), int(cells.end[k]), float(found.probs[k]), says(names, rows[k] * weights))
                for k in best.tolist()
            ]
            pair = int(batch.pair[span])
            out[places[pair]][span - int(batch.first[pair])] = sorted(mine, key=lambda one: -one.probability)
    return out


def says(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    """Name the values that are not 0.

    names (sequence of str), values (float array (features,)): The features, and what each adds.
    """
    return {names[k]: float(values[k]) for k in np.flatnonzero(values).tolist()}


def in_words(name: str) -> tuple[str, str]:
    """Return the group of a feature, and what it says.

    name (str): As in `Reading.says`.
    """
    if name in REPEATED:
        label, first = REPEATED[name]
        return _GROUP.get(name, "others"), f"{FEATURES[first]}, for the label {label}"
    if name in FEATURES:
        return _GROUP.get(name, "not projected" if name in NULL else "others"), FEATURES[name]
    for form, words in zip(reversed(PART), PART_WORDS):
        before, after = form.split("{}")
        if name.startswith(before) and name.endswith(after):
            return FURTHER, words.format(name[len(before) : len(name) - len(after)])
    return FURTHER, name
