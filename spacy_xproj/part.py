"""What a swappable part can do beyond its call. By default it does none of it."""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Optional

import numpy as np

from .bitext import SentencePair
from .errors import XprojError


class Part:
    """Base of the swappable parts. A part overrides what it has."""

    @property
    def fittable(self) -> bool:
        """Whether it learns from the corpus by `fit`."""
        return False

    @property
    def fitted(self) -> bool:
        """Whether it has learnt. True for one that does not learn."""
        return True

    @property
    def positional(self) -> bool:
        """Whether its results depend on the places of the sentence pairs in the corpus."""
        return False

    @property
    def provenance(self) -> str:
        """What made the result (str): name, settings, model or a hash of what was learnt."""
        return type(self).__name__

    @property
    def key(self) -> str:
        """What its results are filed under in a cache (str): a changed setting must find none of the old ones."""
        return type(self).__name__

    def fit(self, corpus: Iterable[Any]) -> None:
        """Learn from the corpus, and forget what was learnt before.

        corpus (iterable): Sentence pairs; Docs for what weighs teachers.
        """

    def restart(self) -> None:
        """Get ready for the first sentence pair of a corpus, which is read from its beginning."""

    def prepare(self, pairs: Iterable[SentencePair]) -> None:
        """Take note of the sentence pairs that it will be asked for next, about in this order."""

    def score_pairs(
        self, pairs: Sequence[SentencePair], candidates: Optional[Sequence[Optional[np.ndarray]]] = None
    ) -> Iterable[Any]:
        """Score the cells of some sentence pairs, as a similarity does in a call. The scores of each are those of a
        call for it alone.

        pairs (sequence of SentencePair): The sentence pairs.
        candidates (Optional[sequence of int array (k, 2) or None]): As for `Similarity`, one a sentence pair.
        RETURNS (iterable): The cells of each.
        """
        call: Any = self
        return map(call, pairs, candidates or [None] * len(pairs))


CAPABILITIES = ("fittable", "fitted", "positional", "provenance", "key", "fit", "restart", "prepare", "score_pairs")


class UserPart(Part):
    """A callable of the user's own as a part: with what it has of a part's attributes and methods, and the defaults.

    It learns if it has a method `fit`.
    """

    fittable: bool = False
    fitted: bool = True
    positional: bool = False
    provenance: str = ""
    key: str = ""

    def __init__(self, call: Any):
        own = {name: getattr(call, name) for name in CAPABILITIES if hasattr(call, name)}
        kind = type(call).__name__
        self.call = call
        vars(self).update({"fittable": "fit" in own, "provenance": kind, **own})
        self.key = str(self.key or getattr(call, "__name__", kind))

    def __call__(self, *args: Any) -> Any:
        return self.call(*args)


def as_part(part: Any) -> Part:
    """Return a part as it is, and any other callable as a `UserPart`."""
    return part if isinstance(part, Part) else UserPart(part)


def check_parts(who: str, kind: type, parts: dict[str, Any], weights: Collection[str]) -> None:
    """Check what a `Composite` is to be made of.

    who (str): The composite, by its registered name.
    kind (type): The protocol that parts keep.
    parts (dict): The parts, by name.
    weights (collection of str): The names that have a weight.
    RAISES (XprojError): If a name cannot be used, a part is not of the kind, or the names differ.
    """
    for name, part in parts.items():
        if not re.fullmatch(r"[\w-]+", name):
            raise XprojError(f"{who}: the name of a part is letters, digits, '_' and '-', not {name!r}.")
        if not isinstance(part, kind):
            raise XprojError(f"{who}: the part {name!r} must be of the kind {kind.__name__}, not {part!r}.")
    if set(parts) != set(weights):
        mine, theirs = (", ".join(sorted(names)) or "none" for names in (parts, weights))
        raise XprojError(f"{who}: the weights must have the names of the parts ({mine}), not {theirs}.")


class Composite(Part):
    """A part that is made of others, by name. It learns from the corpus if one of them does, and so on."""

    def members(self) -> dict[str, Any]:
        """Return the parts."""
        raise NotImplementedError

    def state_parts(self) -> dict[str, Any]:
        """Return those whose states belong to its own (see `State`): all of them."""
        return self.members()

    def learners(self) -> dict[str, Part]:
        """Return those that learn from the corpus."""
        parts = {name: as_part(part) for name, part in self.members().items()}
        return {name: part for name, part in parts.items() if part.fittable}

    @property
    def fittable(self) -> bool:
        return bool(self.learners())

    @property
    def fitted(self) -> bool:
        return all(part.fitted for part in self.learners().values())

    @property
    def positional(self) -> bool:
        return any(as_part(part).positional for part in self.members().values())

    def fit(self, corpus: Iterable[Any]) -> None:
        """Fit those that learn, in their order.

        corpus (iterable): Read once. It is kept in memory while more than one part needs it.
        """
        parts = self.learners().values()
        corpus = corpus if len(parts) == 1 else list(corpus)
        for part in parts:
            part.fit(corpus)

    def restart(self) -> None:
        for part in self.members().values():
            as_part(part).restart()

    def prepare(self, pairs: Iterable[SentencePair]) -> None:
        pairs = list(pairs)
        for part in self.members().values():
            as_part(part).prepare(pairs)
