"""Where a projection differs from the gold of the target, by type and by cause.

Types, of the wrong spans: `TOO_SHORT`, `TOO_LONG`, `CROSSES` (they share words with a gold span of their label, and lie
inside it, around it, or neither), `OTHER_LABEL` (they share words with gold spans of other labels only), `NOTHING`
(they share no word with a gold span). Of the gold spans that no wrong span shares a word with: `MORE` (the gold has
more spans of the label than the source, so no projection can find them all), `MISSED` (the others).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Optional

from spacy.tokens import Doc

from .spans import Entity, entities, is_known, shared

TOO_SHORT, TOO_LONG, CROSSES, OTHER_LABEL = "too short", "too long", "crosses", "label otherwise"
NOTHING, MISSED, MORE = "nothing there in gold", "missed", "more of the type than in the source"
TYPES = (TOO_SHORT, TOO_LONG, CROSSES, NOTHING, MISSED, OTHER_LABEL, MORE)


class Error(NamedTuple):
    """One error.

    type (str): One of `TYPES`.
    cause (str): What the payload and the report of the projection tell about it, see `causes`.
    found, gold (Optional[(start, end, label)]): The wrong span, and the gold span it stands for or that was not found.
    """

    type: str
    cause: str
    found: Optional[Entity]
    gold: Optional[Entity]


def error_types(docs: Iterable[Doc], gold: Iterable[Doc]) -> Counter:
    """How many errors there are of each type.

    docs (iterable of Doc): As a projection left them, with payload and report.
    gold (iterable of Doc): The same Docs with gold entities, in the same order.
    RETURNS (Counter): Numbers by type.
    """
    return Counter(error.type for doc, ref in zip(docs, gold) for error in errors(doc, ref))


def causes(docs: Iterable[Doc], gold: Iterable[Doc]) -> Counter:
    """How many errors there are of each cause.

    "boundary": the right span is met in part. "source: other label": `OTHER_LABEL`. "source: lacks the span": `MORE`.
    "source: span too many": `NOTHING`, and the source has more spans of the label than the gold. "not projected,
    REASON": `MISSED`, and the report lists a source span of the label as missing. "projected elsewhere": the rest of
    `MISSED` and `NOTHING`; an entity that went to a wrong place counts as one of each.

    docs, gold (iterable of Doc): As for `error_types`.
    RETURNS (Counter): Numbers by cause.
    """
    return Counter(error.cause for doc, ref in zip(docs, gold) for error in errors(doc, ref))


def errors(doc: Doc, ref: Doc) -> Iterator[Error]:
    """The errors of one Doc: wrong spans in text order, then gold spans that were not found."""
    found, gold = [span for span in entities(doc) if is_known(ref, *span[:2])], entities(ref)
    source = Counter(span.label for span in doc._.xproj.spans)
    total = Counter(label for *_, label in gold)
    lacking, surplus = total - source, source - total
    missing = [(row["label"], row["reason"]) for row in (doc._.xproj_report or {}).get("missing", ())]
    wrong = [span for span in found if span not in gold]
    for span in wrong:
        near = [other for other in gold if shared(span, other)]
        if not near:
            too_many = surplus[span[2]] > 0
            surplus[span[2]] -= too_many
            yield Error(NOTHING, "source: span too many" if too_many else "projected elsewhere", span, None)
            continue
        best = max(near, key=lambda other: (other[2] == span[2], shared(span, other)))
        kind = boundary(span, best) if best[2] == span[2] else OTHER_LABEL
        yield Error(kind, "source: other label" if kind == OTHER_LABEL else "boundary", span, best)
    for span in gold:
        if span in found or any(shared(span, other) for other in wrong):
            continue
        label = span[2]
        reason = next((reason for other, reason in missing if other == label), None)
        if lacking[label] > 0:
            lacking[label] -= 1
            yield Error(MORE, "source: lacks the span", None, span)
        elif reason is not None:
            missing.remove((label, reason))
            yield Error(MISSED, f"not projected, {reason}", None, span)
        else:
            yield Error(MISSED, "projected elsewhere", None, span)


def boundary(span: Entity, gold: Entity) -> str:
    """How the boundaries of two spans that share words differ."""
    if gold[0] <= span[0] and span[1] <= gold[1]:
        return TOO_SHORT
    return TOO_LONG if span[0] <= gold[0] and gold[1] <= span[1] else CROSSES
