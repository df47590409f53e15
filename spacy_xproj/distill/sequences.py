"""Tags of the tokens of a Doc: the best ones under distributions, and those of its entities."""

import numpy as np
from spacy.tokens import Doc

from ..errors import XprojError
from ..sentences import sentences
from ..tags import TagScheme
from ..teachers.agreement import UNKNOWN
from ..teachers.convert import doc_tags


def best_tags(doc: Doc, rows: np.ndarray, tags: TagScheme) -> np.ndarray:
    """The most probable valid sequence of IOB2 tags, sentence by sentence. Tokens of white space are passed over: they
    are in an entity if they are inside of one.

    doc (Doc): The Doc.
    rows (float array (tokens, tags)): The distributions; a row of zeros prefers none.
    tags (TagScheme): The tags, with "O" first and B before I for each type.
    RETURNS (int array (tokens,)): Indices of tags.
    """
    out = np.zeros(len(doc), "i8")
    for start, end in sentences(doc):
        shown = [i for i in range(start, end) if not doc[i].is_space]
        path = tags.best(rows[shown])
        out[shown] = path
        for a, b, kind in tags.entities(path):
            out[shown[a] + 1 : shown[b - 1] + 1] = tags.labels.index(f"I-{kind}")
    return out


def projected_tags(doc: Doc, tags: TagScheme, strict: bool = True) -> np.ndarray:
    """The IOB2 tags of the entities that a Doc has.

    doc (Doc): The Doc.
    tags (TagScheme): The tags, with "O" first.
    strict (bool): All labels must be among their types. If not, entities with others count as "O".
    RETURNS (int array (tokens,)): Indices of tags; `UNKNOWN` where the Doc is not annotated.
    RAISES (XprojError): If a label is not among them, and `strict`.
    """
    out = np.full(len(doc), UNKNOWN)
    for i, tag in enumerate(doc_tags(doc)):
        if not tag:
            continue
        if tag not in tags.labels and strict:
            raise XprojError(
                f"The Doc has an entity with the label {tag[2:]!r}, which no teacher knows (they know "
                f"{', '.join(tags.types) or 'none'}). Rename the teachers' labels with label_map, or list the ones to "
                "use in labels."
            )
        out[i] = tags.labels.index(tag) if tag in tags.labels else 0
    return out
