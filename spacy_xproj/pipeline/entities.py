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
    spans_key (str): Write all entities to `doc.spans[spans_key]`, with their scores in `attrs["scores"]`. "": do not.
    annotate_ents (bool): Set `doc.ents`. If not, it stays as it is.
    min_score (float): Entities that score less are written to `doc.spans` only.
    overwrite (bool): Drop the entities that the Doc has. If not, keep them, and add only entities that share no token
        with them.
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
