"""Source entities under the labels that the target side uses."""

from spacy.tokens import Doc

from ..bitext import SourceSpan


def mapped_spans(doc: Doc, label_map: dict[str, str]) -> tuple[SourceSpan, ...]:
    """The Doc's entities, each with the id it has or a number of its own.

    doc (Doc): A labeled Doc.
    label_map (dict[str, str]): Labels that go by another name; "" leaves their entities out. Others stay as they are.
    RETURNS (tuple of SourceSpan): In text order.
    """
    spans = []
    for k, ent in enumerate(doc.ents):
        label = label_map.get(ent.label_, ent.label_)
        if label:
            spans.append(SourceSpan(ent.start, ent.end, label, ent.ent_id_ or ent.id_ or f"s{k}"))
    return tuple(spans)
