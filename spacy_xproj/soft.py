"""Soft labels of a Doc, as plain data in `doc._.xproj_soft`: a distribution over tags for each token. And the decoder,
which finds the entities that such distributions make most probable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

import numpy as np

from .errors import XprojError
from .sentences import sentence_offsets
from .tags import TagScheme

if TYPE_CHECKING:  # spaCy reads this module, for its entry points, before it has a Doc
    from spacy.tokens import Doc

KEY = "__spacy_xproj_soft__"


class Entity(NamedTuple):
    """An entity that distributions over tags make most probable.

    start, end (int): Half-open token offsets.
    label (str): The entity type.
    score (float): The least probability of its words' tags, which that of the whole cannot exceed.
    """

    start: int
    end: int
    label: str
    score: float


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """A distribution over tags for each token of a Doc, made by one or several teachers.

    labels (tuple of str): The tags, such as "O", "B-PER" and "I-PER".
    probs (float16 array (tokens, labels)): One row a token. A row of zeros means that nothing is known of the token;
        students learn nothing from it.
    provenance (dict[str, str or float]): Which teachers, weights and filters made them.
    RAISES (XprojError): If the shape is wrong, a label comes twice, or a value is not a probability.
    """

    labels: tuple[str, ...]
    probs: np.ndarray
    provenance: dict[str, Union[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        set_field = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        set_field("labels", tuple(self.labels))
        set_field("provenance", dict(self.provenance))
        if len(set(self.labels)) < len(self.labels) or not self.labels:
            raise XprojError(f"Soft labels need tags, each of them once: got {', '.join(self.labels) or 'none'}.")
        probs = np.asarray(self.probs, "f2")
        if probs.ndim != 2 or probs.shape[1] != len(self.labels):
            raise XprojError(
                f"Soft labels need a row of {len(self.labels)} probabilities a token: got the shape {probs.shape}."
            )
        if not ((probs >= 0) & (probs <= 1)).all():  # this finds what is not a number, too
            raise XprojError("Soft labels must be probabilities, between 0 and 1.")
        set_field("probs", probs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SoftLabels):
            return NotImplemented
        same = (self.labels, self.provenance) == (other.labels, other.provenance)
        return same and np.array_equal(self.probs, other.probs)

    __hash__ = None  # type: ignore[assignment]

    @property
    def known(self) -> np.ndarray:
        """Whether the row of each token has any probability: bool array (tokens,)."""
        return np.asarray(self.probs.any(axis=1))

    def check(self, n: int) -> None:
        """Check that there is one row for each token.

        n (int): Number of tokens of the Doc.
        RAISES (XprojError): If the numbers differ.
        """
        if len(self.probs) != n:
            raise XprojError(
                f"The soft labels have {len(self.probs)} rows, but the Doc has {n} tokens. Was the text tokenized anew "
                "after it was labeled?"
            )

    def entities(self, doc: "Doc") -> list[Entity]:
        """Find the entities that these soft labels make most probable. See `find_entities`.

        doc (Doc): The Doc, which is not changed.
        RETURNS (list of Entity): Disjoint and in text order.
        RAISES (XprojError): If the labels do not fit the Doc, or are in no known scheme of tags.
        """
        self.check(len(doc))
        return find_entities(doc, self.probs.astype("f4"), TagScheme(self.labels))

    def __getitem__(self, rows: Union[slice, Sequence[int], np.ndarray]) -> "SoftLabels":
        """Return the soft labels of some tokens, for a part of the Doc."""
        return SoftLabels(self.labels, self.probs[rows], self.provenance)


def find_entities(doc: "Doc", probs: np.ndarray, tags: TagScheme) -> list[Entity]:
    """Find the entities under distributions over tags: the one decoder of the package, for teachers and students alike.

    It takes the most probable valid sequence of tags (Viterbi 1967), sentence by sentence; a Doc without sentence
    boundaries is one sentence. White-space tokens are passed over: they can be inside of an entity, but not at its
    edges. A token of which nothing is known (a row of zeros) is outside of entities.

    doc (Doc): The Doc, which is not changed.
    probs (float array (tokens, tags)): A distribution a token.
    tags (TagScheme): The scheme of the columns.
    RETURNS (list of Entity): Disjoint and in text order.
    """
    found: list[Entity] = []
    known = np.any(probs, axis=1)
    space = doc.to_array("IS_SPACE")
    for start, end in sentence_offsets(doc):
        words = (i for i in range(start, end) if not space[i])
        # A tag sequence around "O" is valid if its two halves are, so what is between unknown tokens is decoded alone
        for where in [list(run) for is_known, run in groupby(words, key=lambda i: known[i]) if is_known]:
            path = tags.best(probs[where])
            scores = probs[where, path]
            for a, b, label in tags.entities(path):
                found.append(Entity(where[a], where[b - 1] + 1, label, float(scores[a:b].min())))
    return found


def encode_soft(obj: Any, chain: Optional[Callable] = None) -> Any:
    """srsly's msgpack hook: the array goes as raw little-endian bytes."""
    if not isinstance(obj, SoftLabels):
        return obj if chain is None else chain(obj)
    return {KEY: 1, "labels": obj.labels, "probs": obj.probs.astype("<f2").tobytes(), "provenance": obj.provenance}


def decode_soft(obj: Any, chain: Optional[Callable] = None) -> Any:
    """The inverse hook."""
    if not (isinstance(obj, dict) and KEY in obj):
        return obj if chain is None else chain(obj)
    labels = tuple(obj["labels"])
    return SoftLabels(labels, np.frombuffer(obj["probs"], "<f2").reshape(-1, len(labels)), obj["provenance"])
