"""The sentences of a Doc."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.tokens import Doc


def sentence_offsets(doc: "Doc") -> list[tuple[int, int]]:
    """Return the half-open token offsets of the sentences; those of the whole Doc if it has no sentence boundaries."""
    if doc.has_annotation("SENT_START"):
        return [(s.start, s.end) for s in doc.sents]
    return [(0, len(doc))] if len(doc) else []
