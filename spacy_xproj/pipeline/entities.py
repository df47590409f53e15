"""Entities that pipes set by distributions over tags."""

from collections.abc import Sequence

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

from ..soft import Entity


def set_entities(
    doc: Doc, found: Sequence[Entity], *, spans_key: str, annotate_ents: bool, min_score: float, overwrite: bool
) -> None:
    """Write `doc.spans` and `doc.ents`.

    found (sequence of Entity): From `find_entities`.
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
