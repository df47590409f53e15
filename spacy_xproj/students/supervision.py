"""What the tokens of a Doc are to be taught: soft labels and gold entities as rows over a student's tags."""

from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.training import Example

from ..errors import XprojError
from ..soft import SoftLabels
from ..tags import IOB2_ROLES, ROLES, TagScheme, convert_types, make_tags, to_iob2

GOLD_ROLES = {"IOB2": IOB2_ROLES, "BIOES": ROLES}


class Mass(NamedTuple):
    """How probable it is of each token that an entity of each type begins there or goes on: IOB2 without its O.

    begin, inside (float32 arrays (tokens, types)): What is left to 1 is outside.
    known (bool array (tokens,)): Whether anything is known of the token.
    """

    begin: np.ndarray
    inside: np.ndarray
    known: np.ndarray


def soft_labels(eg: Example) -> Optional[SoftLabels]:
    """The soft labels of an Example's reference; else those that a teacher in the pipeline gave its predicted Doc."""
    for doc in (eg.reference, eg.predicted):
        soft = doc._.xproj_soft
        if soft is not None:
            if not isinstance(soft, SoftLabels):
                raise XprojError(f"doc._.xproj_soft must be SoftLabels, not {type(soft).__name__}.")
            soft.check(len(doc))
            return soft
    return None


def soft_rows(eg: Example, soft: SoftLabels, types: Sequence[str], scheme: str) -> np.ndarray:
    """Soft labels as rows over a student's tags, a row for each predicted token.

    Tags go by their entity type and place, whatever the scheme of the soft labels and the order of their columns. Types
    that the student does not have are added to its O; its types that the soft labels do not have get 0.
    Where the tags and the tokens are the same, rows are taken as they are. Else see `as_mass`, `realign` and `as_rows`.

    eg (Example): Its predicted Doc may be tokenized otherwise.
    soft (SoftLabels): Those of `soft_labels`.
    types (sequence of str): The student's entity types.
    scheme (str): Its scheme, "IOB2" or "BIOES".
    RETURNS (float32 array (tokens, tags)): By the tags of `make_tags`. A row of zeros: nothing is known.
    """
    tags = make_tags(types, scheme)
    moved = eg.reference._.xproj_soft is soft and not same_tokens(eg.predicted, eg.reference)
    if not moved and set(tags) == set(soft.labels):
        columns = [soft.labels.index(tag) for tag in tags]
        return normalized(soft.probs[:, columns])
    mass = as_mass(soft, types)
    return as_rows(realign(mass, eg) if moved else mass, scheme)


def gold_rows(eg: Example, types: Sequence[str], scheme: str) -> np.ndarray:
    """The gold entities of an Example as rows over a student's tags, a row for each predicted token.

    An entity of a type that the student does not have is O. Tokens with missing values, and those of an entity whose
    edges are inside of predicted tokens, have rows of zeros.

    RETURNS (float32 array (tokens, tags)): By the tags of `make_tags`, one of them 1.
    """
    index = {tag: i for i, tag in enumerate(make_tags(types, scheme))}
    rows = np.zeros((len(eg.predicted), len(index)), "f4")
    for i, tag in enumerate(eg.get_aligned_ner()):
        if tag and tag != "-":
            role, _, kind = tag.partition("-")
            rows[i, index.get(f"{GOLD_ROLES[scheme].get(role)}-{kind}", 0)] = 1
    return rows


def soft_types(soft: SoftLabels) -> list[str]:
    """The entity types of soft labels."""
    return TagScheme(soft.labels).types


def as_mass(soft: SoftLabels, types: Sequence[str]) -> Mass:
    """Soft labels of any scheme as IOB2 (see `to_iob2`: from BIOES this is exact, from IO and IOB1 where the teacher is
    sure). In IO and IOB1 nothing is known of a token after one of which nothing is known."""
    tags = TagScheme(soft.labels)
    rows = convert_types(to_iob2(normalized(soft.probs), tags), tags.types, types, {}).astype("f4")
    known = soft.known
    if tags.scheme in ("IO", "IOB1"):
        known = known & np.append(True, known[:-1])[: len(known)]
    return Mass(rows[:, 1::2], rows[:, 2::2], known)


def realign(mass: Mass, eg: Example) -> Mass:
    """From the reference's tokens to the predicted ones.

    A token that is several of the reference has their mean as for types; it begins an entity as likely as the first of
    them. Of several tokens that are one of the reference, the later ones go on where the first begins. A token that has
    no partner, or one of which nothing is known, is not known.
    """
    align = eg.alignment.x2y
    partners, lengths = align.data, align.lengths
    found = lengths > 0
    starts = align.starts[found]
    begin, inside = mass.begin[partners], mass.inside[partners]
    later = np.append(False, partners[1:] == partners[:-1])[: len(partners)]
    inside[later] += begin[later]
    begin[later] = 0
    out_begin, out_inside = np.zeros((2, len(lengths), begin.shape[1]), "f4")
    known = found.copy()
    if len(starts):
        total, some_begin = (np.add.reduceat(x, starts) for x in (begin + inside, begin))
        first = begin[starts] + inside[starts]
        share = np.where(first > 0, begin[starts] / np.maximum(first, 1e-9), some_begin / np.maximum(total, 1e-9))
        average = total / lengths[found][:, None]
        out_begin[found], out_inside[found] = average * share, average * (1 - share)
        known[found] = np.logical_and.reduceat(mass.known[partners], starts)
    return Mass(out_begin, out_inside, known)


def as_rows(mass: Mass, scheme: str) -> np.ndarray:
    """Rows over the tags of `make_tags`.

    In BIOES an entity ends at a token as far as the next one does not go on with it. In valid tags I comes after B or I
    of its type only, so its probability at the next token is that of going on here; it is assumed that this does not
    depend on whether it began here. Where the teacher is sure this is exact. Of a token before one of which nothing is
    known nothing is known.
    """
    begin, inside, known = mass
    n, types = begin.shape
    both = begin + inside
    parts = [begin, inside]
    if scheme == "BIOES":
        after = np.append(inside[1:], np.zeros((min(n, 1), types), "f4"), axis=0)
        on = np.minimum(after / np.maximum(both, 1e-9), 1)
        parts = [begin * on, inside * on, inside * (1 - on), begin * (1 - on)]
        known = known & np.append(known[1:], True)[:n]
    outside = np.maximum(1 - both.sum(1, keepdims=True), 0)
    rows = np.concatenate([outside, np.stack(parts, axis=2).reshape(n, len(parts) * types)], axis=1)
    return normalized(rows * known[:, None])


def normalized(rows: np.ndarray) -> np.ndarray:
    """Rows that sum to 1 as float32; those of zeros stay."""
    rows = rows.astype("f4")
    total = rows.sum(1, keepdims=True)
    return np.divide(rows, total, out=np.zeros_like(rows), where=total > 0)


def same_tokens(one: Doc, other: Doc) -> bool:
    """Whether two Docs have the same tokens."""
    return one is other or np.array_equal(one.to_array(ORTH), other.to_array(ORTH))
