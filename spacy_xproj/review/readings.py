"""How likely the other projections of a source span are, by the matcher that projected it."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Optional

import numpy as np
from spacy.tokens import Doc

from ..bitext import SentencePair
from ..pipeline.matcher import ProjectionMatcher
from ..similarities.ranker import Ranker

MOST = 5  # candidates of a source span


class Readings(NamedTuple):
    """What a matcher knows of one source span.

    spans (list of (int, int, float)): The likeliest target spans, half-open token offsets, with their probabilities.
        Empty: the matcher has no candidate, so that its "absent" tells nothing.
    absent (float): The probability that there is none.
    """

    spans: list[tuple[int, int, float]]
    absent: float

    def moved(self, offset: int) -> "Readings":
        """The same, counted from a token that comes so many before."""
        return self._replace(spans=[(a + offset, b + offset, score) for a, b, score in self.spans])


def readings(
    matcher: ProjectionMatcher, pairs: Sequence[tuple[SentencePair, Doc]]
) -> Iterator[list[Optional[Readings]]]:
    """Ask a matcher for the readings of all source spans of some sentence pairs.

    matcher (ProjectionMatcher): The pipe. Only a `Ranker.v1` gives probabilities that tell of absence, too.
    pairs (sequence of (SentencePair, Doc)): Sentence pairs that have spans and target words.
    YIELDS (list of Optional[Readings]): One list a pair, with an entry a span; None where nothing is known.
    """
    out: list[list[Optional[Readings]]] = [[None] * len(pair.spans) for pair, _ in pairs]
    ranker = matcher.similarity
    if isinstance(ranker, Ranker):
        alone = [pair for pair, _ in pairs]
        candidates = [matcher.candidates(pair, doc) for pair, doc in pairs]
        ranker.prepare(alone)
        for places, found in ranker.passes(alone, candidates, skip=ranker.idle()):
            cells, null = found.cells, found.null
            ends = np.searchsorted(cells.span, np.arange(len(null) + 1)).tolist()
            for span, (i, j) in enumerate(pairwise(ends)):
                best = i + np.argsort(-found.probs[i:j], kind="stable")[:MOST]
                spans = [(int(cells.start[k]), int(cells.end[k]), float(found.probs[k])) for k in best.tolist()]
                pair = int(found.batch.pair[span])
                out[places[pair]][span - int(found.batch.first[pair])] = Readings(spans, float(null[span]))
    yield from out
