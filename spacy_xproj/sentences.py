"""The sentences of a Doc."""

from spacy.tokens import Doc


def sentences(doc: Doc) -> list[tuple[int, int]]:
    """Token offsets of the sentences; the whole Doc where it has none marked."""
    if doc.has_annotation("SENT_START"):
        return [(s.start, s.end) for s in doc.sents]
    return [(0, len(doc))] if len(doc) else []
