"""The entities that are compared: half-open token offsets and labels."""

from spacy.tokens import Doc
from spacy.training import Example

Entity = tuple[int, int, str]


def entities(doc: Doc) -> list[Entity]:
    """Return the entities of a Doc, in text order."""
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def compared(eg: Example) -> tuple[list[Entity], list[Entity]]:
    """Return the predicted and the gold entities of an Example, on the gold tokens.

    As in spaCy's scorer, a predicted entity that lies on gold tokens of which the label is not known is passed over,
    and so is one whose words have no partner. A token that the prediction masks is in no entity: it counts as not
    predicted.
    """
    if not eg.reference.has_annotation("ENT_IOB"):
        return [], []
    align = eg.alignment.x2y
    found = []
    for ent in eg.predicted.ents:
        where = align[ent.start : ent.end]
        if len(where) and is_known(eg.reference, int(where[0]), int(where[-1]) + 1):
            found.append((int(where[0]), int(where[-1]) + 1, ent.label_))
    return found, entities(eg.reference)


def is_known(gold: Doc, start: int, end: int) -> bool:
    """Return whether the labels of all of these tokens are known."""
    return all(t.ent_iob for t in gold[start:end])


def shared(a: Entity, b: Entity) -> int:
    """Return how many tokens (or characters) two entities share."""
    return max(0, min(a[1], b[1]) - max(a[0], b[0]))
