"""What the pipes share that set entities by distributions over tags."""

from collections.abc import Sequence

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

from ..sentences import sentences
from ..tags import TagScheme

Scored = tuple[int, int, str, float]  # token offsets, label, score


def tagged(doc: Doc, rows: np.ndarray, tags: TagScheme) -> list[Scored]:
    """The entities by the most probable valid sequence of tags, sentence by sentence where the Doc has sentences.

    Tokens of white space are passed over: they can be inside of an entity, and not at its edges. The score of an entity
    is the least probability of its words' tags, which that of the whole cannot exceed.

    doc (Doc): Is not touched.
    rows (float array (tokens, tags)): A distribution a token.
    tags (TagScheme): The tags.
    RETURNS (list of (int, int, str, float)): Token offsets, label and score, disjoint and in text order.
    """
    found: list[Scored] = []
    shown = np.flatnonzero(~doc.to_array("IS_SPACE").astype(bool))
    for start, end in sentences(doc):
        where = shown[np.searchsorted(shown, start) : np.searchsorted(shown, end)]
        path = tags.best(rows[where])
        scores = rows[where, path]
        for a, b, kind in tags.entities(path):
            found.append((int(where[a]), int(where[b - 1]) + 1, kind, float(scores[a:b].min())))
    return found


def set_entities(
    doc: Doc, found: Sequence[Scored], *, spans_key: str, annotate_ents: bool, min_score: float, overwrite: bool
) -> None:
    """Write `doc.spans` and `doc.ents`.

    found (sequence of (int, int, str, float)): From `tagged`.
    spans_key (str): All go to `doc.spans[spans_key]`, with `attrs["scores"]`. "": nowhere.
    annotate_ents (bool): Set `doc.ents`. If not, it stays as it is.
    min_score (float): Those that score less are in `doc.spans` only.
    overwrite (bool): Entities that the Doc has already are dropped. If not, they stay, and of those found only the ones
        that share no token with them are added.
    """
    spans = [Span(doc, start, end, label=label) for start, end, label, _ in found]
    scores = np.array([score for *_, score in found], dtype="f4")
    if spans_key:
        doc.spans[spans_key] = SpanGroup(doc, name=spans_key, spans=spans, attrs={"scores": scores})
    if annotate_ents:
        kept = [] if overwrite else list(doc.ents)
        taken = {i for ent in kept for i in range(ent.start, ent.end)}
        good = [span for span, (*_, score) in zip(spans, found) if score >= min_score]
        doc.set_ents([*kept, *(s for s in good if taken.isdisjoint(range(s.start, s.end)))], default="outside")
