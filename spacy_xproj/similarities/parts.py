"""Similarities by name inside of another one: their learning and their states."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..bitext import SentencePair
from ..ty import Fittable, Similarity


class Parts:
    """Similarities by name.

    parts (mapping of str to Similarity): In the order of their names: sums do not depend on the order in a config.
    owner (str): The registered name of the similarity that they are in, for errors.
    kind (str): What they are called in it.
    """

    def __init__(self, parts: Mapping[str, Similarity], owner: str, kind: str):
        self.parts, self.owner, self.kind = dict(sorted(parts.items())), owner, kind

    def learners(self) -> dict[str, Fittable]:
        """Those that learn from the corpus."""
        return {name: part for name, part in self.parts.items() if isinstance(part, Fittable)}

    @property
    def fitted(self) -> bool:
        """Whether all of these have learnt."""
        return all(part.fitted for part in self.learners().values())

    def fit(self, pairs: Iterable[SentencePair]) -> None:
        """Let them learn.

        pairs (iterable of SentencePair): The corpus; held in memory.
        """
        pairs = list(pairs)
        for part in self.learners().values():
            part.fit(pairs)


def told(parts: Iterable[Any]) -> list[Any]:
    """The methods `prepare` of the parts that have one, such as `Context.v1`. It can be None: that of a `Ranker.v1`
    without such a part is."""
    return [method for part in parts if (method := getattr(part, "prepare", None)) is not None]


def prepare(parts: Iterable[Any], pairs: Iterable[SentencePair]) -> None:
    """Tell the parts what they will be asked for next.

    parts (iterable of Similarity): The parts; those without a method `prepare` need not know.
    pairs (iterable of SentencePair): The sentence pairs, in that order.
    """
    methods = told(parts)
    pairs = list(pairs) if methods else []
    for method in methods:
        method(pairs)
