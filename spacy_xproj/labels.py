"""Labels that go by another name on the target side."""

from collections.abc import Iterable, Mapping

from spacy.tokens import Doc

from .bitext import SourceSpan
from .errors import XprojError


def check_label_map(who: str, label_map: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of a label map.

    who (str): Whose setting it is, for the error.
    label_map (mapping of str to str): Labels by their names on the other side; "" leaves their entities out.
    RAISES (XprojError): If it does not give a text for each label.
    """
    for label, other in label_map.items():
        if not isinstance(other, str):
            raise XprojError(
                f"{who}: label_map must give a label as text for each label, or '' to leave its entities out, got "
                f"{other!r} for {label!r}."
            )
    return dict(label_map)


def rename_types(types: Iterable[str], label_map: Mapping[str, str]) -> list[str]:
    """Rename entity types. Return each once, sorted; types that are renamed to "" are left out."""
    return sorted({label_map.get(kind, kind) for kind in types} - {""})


def mapped_spans(doc: Doc, label_map: dict[str, str]) -> tuple[SourceSpan, ...]:
    """Return the Doc's entities under ids of their own, `s0`, `s1`, …

    doc (Doc): A labeled Doc.
    label_map (dict[str, str]): Labels that go by another name; "" leaves their entities out. Others stay as they are.
    RETURNS (tuple of SourceSpan): In text order.
    """
    spans = []
    for k, ent in enumerate(doc.ents):
        label = label_map.get(ent.label_, ent.label_)
        if label:
            spans.append(SourceSpan(ent.start, ent.end, label, f"s{k}"))
    return tuple(spans)


def unknown_words(doc: Doc) -> tuple[int, ...]:
    """Return the tokens of which it is not known whether they are in an entity: all, in a Doc that is not labeled."""
    return tuple(token.i for token in doc if not token.ent_iob)


def source_ids(doc: Doc, spans: Iterable[SourceSpan]) -> dict[str, str]:
    """Return the ids that the Doc gives its entities, such as those of patterns. One id can come many times.

    doc (Doc): A labeled Doc.
    spans (iterable of SourceSpan): From `mapped_spans`.
    RETURNS (dict[str, str]): By the id of the span; without those that have none.
    """
    found = {ent.start: ent.ent_id_ or ent.id_ for ent in doc.ents}
    return {span.id: found[span.start] for span in spans if found[span.start]}
