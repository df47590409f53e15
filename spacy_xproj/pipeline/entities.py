"""What pipes share that take distributions over tags from a teacher, and set entities by them."""

from collections.abc import Sequence

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

from ..corpus.pairing import bare_copy
from ..errors import XprojError
from ..soft import Entity
from ..ty import Teacher


def ask(who: str, teacher: Teacher, docs: Sequence[Doc]) -> list[np.ndarray]:
    """Ask a teacher for the distributions of Docs.

    who (str): Its name, for errors.
    teacher (Teacher): The teacher.
    docs (sequence of Doc): The Docs, which are not changed.
    RETURNS (list of float array (tokens, tags)): One a Doc.
    RAISES (XprojError): If one is missing, or has another shape.
    """
    found = teacher(docs)
    if len(found) != len(docs):
        raise XprojError(f"{who} gave the distributions of {len(found)} of {len(docs)} Docs.")
    for doc, rows in zip(docs, found):
        if rows.shape != (len(doc), len(teacher.labels)):
            raise XprojError(
                f"{who} gave an array of the shape {rows.shape}. Expected {len(teacher.labels)} probabilities for each "
                f"of {len(doc)} tokens."
            )
    return found


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


def hard_doc(doc: Doc) -> Doc:
    """A new Doc of the same words with the entities that its soft labels make most probable. Words of which nothing is
    known are missing values."""
    soft = doc._.xproj_soft
    out = bare_copy(doc, doc.vocab)
    ents = [Span(out, found.start, found.end, label=found.label) for found in soft.entities(doc)]
    inside = {i for ent in ents for i in range(ent.start, ent.end)}
    missing = [out[i : i + 1] for i, known in enumerate(soft.known) if not known and i not in inside]
    out.set_ents(ents, missing=missing, default="outside")
    return out
