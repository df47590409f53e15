"""Distributions over tags of any scheme as distributions over IOB2 tags, with other names for the types if need be."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Optional

import numpy as np

from ..errors import XprojError
from ..tags import TagScheme, parse

if TYPE_CHECKING:
    from spacy.tokens import Doc


def iob2(types: Sequence[str]) -> list[str]:
    """The IOB2 tags of entity types: "O", then B and I of each type.

    types (sequence of str): The types.
    RETURNS (list of str): The tags.
    """
    return ["O", *(f"{role}-{kind}" for kind in types for role in "BI")]


def doc_tags(doc: "Doc") -> list[str]:
    """The IOB2 tags of the entities that a Doc has; "" for a token that is not annotated.

    doc (Doc): The Doc.
    RETURNS (list of str): One a token.
    """
    return [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type else "O" if t.ent_iob else "" for t in doc]


def previous(doc: "Doc", sents: Sequence[tuple[int, int]]) -> np.ndarray:
    """For each token the one before it in its sentence that is not white space; -1: there is none.

    doc (Doc): The Doc.
    sents (sequence of (int, int)): Token offsets of its sentences.
    RETURNS (int array (tokens,)): Indices of tokens.
    """
    found = np.full(len(doc), -1)
    for start, end in sents:
        last = -1
        for i in range(start, end):
            found[i] = last
            last = last if doc[i].is_space else i
    return found


def to_iob2(rows: np.ndarray, tags: TagScheme, before: Optional[np.ndarray] = None) -> np.ndarray:
    """Distributions over the tags of a scheme as distributions over IOB2 tags.

    "BIOES": a single word begins an entity and its last word goes on with it, so S is added to B and E to I. "IOB2":
    as they are, in another order. "IO" and "IOB1" do not say of a word inside of an entity whether it begins it: it
    goes on with one if the word before is in an entity of its type, and begins one if not. The teacher gives a
    distribution for each token by itself, so the two are taken as independent: with p the probability of the tag I-X
    of a token and q that of the token before to be in an X, by any tag, p * q goes to I-X and p * (1 - q) to B-X. The
    B-X of IOB1 stays B-X. Rows keep their sum.

    rows (float array (tokens, labels)): The distributions.
    tags (TagScheme): The scheme of their columns.
    before (Optional[int array (tokens,)]): See `previous`. None: it is one sentence, without white space.
    RETURNS (float64 array (tokens, tags)): The columns are `iob2(tags.types)`.
    """
    out = np.zeros((len(rows), 1 + 2 * len(tags.types)))
    for column, role, kind in zip(np.asarray(rows, "f8").T, *parse(tags.labels)):
        place = 0 if role == "O" else 1 + 2 * tags.types.index(kind) + (role in "IE")
        out[:, place] += column
    if tags.scheme in ("IO", "IOB1"):
        begin, inside = out[:, 1::2], out[:, 2::2]
        entity = begin + inside
        before = np.arange(-1, len(rows) - 1) if before is None else before
        goes_on = inside * np.where(before[:, None] < 0, 0.0, entity[before])
        begin += inside - goes_on
        inside[:] = goes_on
    return out


def renamed(types: Sequence[str], label_map: Mapping[str, str]) -> list[str]:
    """The types after renaming, sorted; those that go by "" are left out."""
    return sorted({label_map.get(kind, kind) for kind in types} - {""})


def onto(rows: np.ndarray, types: Sequence[str], wanted: Sequence[str], label_map: Mapping[str, str]) -> np.ndarray:
    """Distributions over the IOB2 tags of some types as distributions over those of others.

    rows (float array (tokens, tags)): The columns are `iob2(types)`.
    types (sequence of str): The types.
    wanted (sequence of str): The types to have. What goes to none of them goes to "O".
    label_map (mapping of str to str): Types that go by another name in `wanted`.
    RETURNS (float array (tokens, tags)): The columns are `iob2(wanted)`.
    """
    matrix = np.zeros((1 + 2 * len(types), 1 + 2 * len(wanted)))
    matrix[0, 0] = 1
    for k, kind in enumerate(types):
        name = label_map.get(kind, kind)
        place = 1 + 2 * list(wanted).index(name) if name in wanted else None
        for shift in (0, 1):
            matrix[1 + 2 * k + shift, 0 if place is None else place + shift] = 1
    return rows @ matrix


def check_label_map(who: str, label_map: Mapping[str, str]) -> dict[str, str]:
    """A copy of it.

    RAISES (XprojError): If it does not give a text for each label.
    """
    for label, other in label_map.items():
        if not isinstance(other, str):
            raise XprojError(
                f"{who}: label_map must give a label as text for each label, or '' to leave its entities out, got "
                f"{other!r} for {label!r}."
            )
    return dict(label_map)
