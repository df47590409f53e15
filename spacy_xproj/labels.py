"""Labels that go by another name on the target side, or are left out there."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup
from spacy.util import filter_spans

from .bitext import SourceSpan
from .errors import XprojError
from .label_map import items, read_label_map

GOLD = "gold"  # the group of `doc.spans` with all labeled spans, where some overlap
GROUPS = (GOLD, "xproj", "xproj_carried")  # of this package: their spans have the labels of entities


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


@dataclass(frozen=True)
class LabelFilter:
    """Renames the labels of entities, then keeps some of them.

    labels (tuple of str): The labels to keep, by their new names. Empty: all.
    label_map (mapping of str to str): Labels that go by another name; "" leaves their entities out. Others stay as they
        are.
    RAISES (XprojError): If the map does not give a text for each label.
    """

    labels: tuple[str, ...] = ()
    label_map: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(sorted(set(self.labels))))
        object.__setattr__(self, "label_map", check_label_map("The labels to rename", self.label_map))

    @classmethod
    def parse(cls, labels: str = "", label_map: str = "") -> "LabelFilter":
        """Make a filter from the options of the command line.

        labels (str): Labels to keep, with commas between them. Empty: all.
        label_map (str): Pairs such as "PERSON=PER,GPE=LOC,NORP=", or a file with one such pair a line, or with a JSON
            object. Empty: no label is renamed.
        RETURNS (LabelFilter): The filter.
        RAISES (XprojError): If the map is neither, or gives a label two names.
        """
        return cls(tuple(items(labels)), read_label_map(label_map) if label_map.strip() else {})

    def __bool__(self) -> bool:
        return bool(self.labels or self.label_map)

    def __call__(self, label: str) -> str:
        """Return the new name of a label; "" if its entities are left out."""
        name = self.label_map.get(label, label)
        return name if not self.labels or name in self.labels else ""

    def options(self) -> dict[str, Any]:
        """Return what of the key of a run comes from this filter (dict); nothing if it changes nothing."""
        return {
            **({"labels": ",".join(self.labels)} if self.labels else {}),
            **({"label map": dict(sorted(self.label_map.items()))} if self.label_map else {}),
        }

    def apply(self, docs: Iterable[Doc], seen: Optional[Counter] = None) -> Iterator[Doc]:
        """Rename and leave out entities, in place: those of `doc.ents`, of the groups of spans of this package, and of
        the payload. The tokens of an entity that is left out are outside of entities.

        docs (iterable of Doc): The Docs.
        seen (Optional[Counter]): Counts the labels as they were.
        YIELDS (Doc): The Docs.
        """
        for doc in docs:
            if self or seen is not None:
                found = list(_labels(doc))
                if seen is not None:
                    seen.update(found)
                if any(self(label) != label for label in found):
                    self._apply(doc)
            yield doc

    def check(self, seen: Iterable[str]) -> None:
        """Make sure that each label that is named occurs.

        seen (iterable of str): The labels that occur in the whole input, before they are renamed.
        RAISES (XprojError): If one does not. It lists those that occur.
        """
        old = sorted(set(seen))
        new = {self.label_map.get(label, label) for label in old}
        listed = [(label, self.label_map.get(label, label)) for label in old]
        known = ", ".join(label if label == name else f"{label} (here {name or 'left out'})" for label, name in listed)
        for option, names, there in (("--label-map", self.label_map, old), ("--labels", self.labels, new)):
            if missing := sorted(set(names) - set(there)):
                raise XprojError(
                    f"{option} names {', '.join(missing)}, but no entity of the whole input has "
                    f"{'this label' if len(missing) == 1 else 'these labels'}. "
                    f"{f'The labels that occur are {known}' if known else 'No entity has any label'}."
                )

    def checked(self, docs: Iterable[Doc], known: Iterable[str] = ()) -> Iterator[Doc]:
        """Apply the filter to a whole input.

        docs (iterable of Doc): The input.
        known (iterable of str): Labels that could occur, such as those of the model that found the entities.
        YIELDS (Doc): The Docs.
        RAISES (XprojError): After the last Doc, if a label that is named occurs nowhere.
        """
        seen: Counter = Counter(dict.fromkeys(known, 0))
        yield from self.apply(docs, seen)
        self.check(seen)

    def _apply(self, doc: Doc) -> None:
        ents = list(doc.ents)
        for key in GROUPS:
            if key in doc.spans:
                group = doc.spans[key]
                if key == GOLD and filter_spans(group) == ents:  # an entity inside of one that is left out stays
                    ents = list(group)
                _keep(group, [self(span.label_) for span in group])
        if any(self(ent.label_) != ent.label_ for ent in ents):
            kept = filter_spans([_renamed(ent, name) for ent in ents if (name := self(ent.label_))])
            unknown = [doc[i : i + 1] for i in unknown_words(doc)]
            doc.set_ents(kept, missing=unknown, default="outside")
        if (bitext := doc._.xproj) is not None:
            spans = (span._replace(label=self(span.label)) for span in bitext.spans)
            doc._.xproj = bitext.replace(spans=tuple(span for span in spans if span.label))


ALL = LabelFilter()


def _labels(doc: Doc) -> Iterator[str]:
    """The labels of all that a filter changes, each as often as it comes in entities."""
    yield from (ent.label_ for ent in doc.ents)
    if doc._.xproj is not None:
        yield from (span.label for span in doc._.xproj.spans)
    groups = (doc.spans[key] for key in GROUPS if key in doc.spans)
    yield from {span.label_ for group in groups for span in group}


def _renamed(span: Span, label: str) -> Span:
    name = span.ent_id_ or span.id_
    return Span(span.doc, span.start, span.end, label=label, kb_id=span.kb_id, span_id=name)


def _keep(group: SpanGroup, names: list[str]) -> None:
    """Put the spans of a group under other names, with their scores, and leave out those that have none."""
    kept = [k for k, name in enumerate(names) if name]
    attrs = dict(group.attrs)
    if "scores" in attrs:
        attrs["scores"] = np.asarray(attrs["scores"])[kept]
    spans = [_renamed(span, names[k]) for k, span in enumerate(group) if names[k]]
    group.doc.spans[group.name] = SpanGroup(group.doc, name=group.name, spans=spans, attrs=attrs)


def rename_types(types: Iterable[str], label_map: Mapping[str, str]) -> list[str]:
    """Rename entity types. Return each once, sorted; types that are renamed to "" are left out."""
    return sorted({label_map.get(kind, kind) for kind in types} - {""})


def mapped_spans(doc: Doc, names: LabelFilter = ALL) -> tuple[SourceSpan, ...]:
    """Return the Doc's entities under ids of their own, `s0`, `s1`, …

    doc (Doc): A labeled Doc.
    names (LabelFilter): The labels that go by another name, and those to keep.
    RETURNS (tuple of SourceSpan): In text order.
    """
    spans = []
    for k, ent in enumerate(doc.ents):
        label = names(ent.label_)
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
