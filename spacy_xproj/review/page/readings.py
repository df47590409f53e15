"""What a matcher makes of the source spans of Docs: candidates, probabilities, and what spoke for and against them."""

from collections.abc import Iterable, Iterator
from typing import Optional

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from ...bitext import SentencePair
from ...part import as_part
from ...pipeline.base import words
from ...pipeline.matcher import ProjectionMatcher
from ...pipeline.projection_pipe import nesting_levels
from ...similarities.ranker import Ranker
from ...similarities.ranker.explain import Reading, explain
from ...ty import Cells

BATCH = 64  # Docs
MOST = 4  # candidates of a source span


def matcher_of(nlp: Language) -> Optional[ProjectionMatcher]:
    """Return the last matcher of a pipeline, if it has one."""
    return next((pipe for _, pipe in reversed(nlp.pipeline) if isinstance(pipe, ProjectionMatcher)), None)


def find_readings(
    docs: Iterable[Doc], matcher: ProjectionMatcher, most: int = MOST
) -> Iterator[dict[int, list[Reading]]]:
    """Find the likeliest readings of the source spans of Docs, as the matcher scores them.

    With `Ranker.v1` they come with what each feature adds. Other similarities say no more than a score.

    docs (iterable of Doc): Docs as a projection left them: with links. Those without payload have no readings.
    matcher (ProjectionMatcher): The matcher.
    most (int): Number of candidates of a source span.
    YIELDS (dict[int, list of Reading]): For each Doc the readings of its source spans by their places, with offsets of
        the Doc.
    """
    for batch in minibatch(docs, size=BATCH):
        out: list[dict[int, list[Reading]]] = [{} for _ in batch]
        todo: list[tuple[int, SentencePair]] = []
        for k, doc in enumerate(batch):
            for pair in doc._.xproj.pairs(words(doc)) if doc._.xproj is not None else ():
                if pair.spans and pair.target and not matcher.too_long(pair):
                    todo += [(k, level) for level in nesting_levels(pair)]
        candidates = [matcher.candidates(pair, batch[k]) for k, pair in todo]
        for (k, pair), found in zip(todo, scored(matcher, [pair for _, pair in todo], candidates, most)):
            offset = pair.offset[1]
            for place, mine in zip(pair.places, found):
                if mine:
                    out[k][place] = [
                        one._replace(start=one.start + offset, end=one.end + offset) if one.end else one for one in mine
                    ]
        yield from out


def scored(
    matcher: ProjectionMatcher, pairs: list[SentencePair], candidates: list[Optional[np.ndarray]], most: int
) -> Iterable[list[list[Reading]]]:
    """Return the readings of each span of each sentence pair, by the similarity of a matcher."""
    similarity = matcher.similarity
    as_part(similarity).prepare(pairs)
    if isinstance(similarity, Ranker):
        return explain(similarity, pairs, candidates, most)
    return (best(similarity(pair, some), len(pair.spans), most) for pair, some in zip(pairs, candidates))


def best(cells: Cells, n_spans: int, most: int) -> list[list[Reading]]:
    """Return the cells with the highest scores of each source span, as readings without features."""
    out: list[list[Reading]] = [[] for _ in range(n_spans)]
    for k in np.argsort(-cells.score, kind="stable").tolist():
        mine = out[int(cells.span[k])]
        if len(mine) < most:
            mine.append(Reading(int(cells.start[k]), int(cells.end[k]), float(cells.score[k]), {}))
    return out
