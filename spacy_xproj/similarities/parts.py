"""Similarities by name inside of another one: their learning and their states."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..bitext import SentencePair
from ..errors import InputError
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

    # Serialization: of the parts that have a state, by name

    def stateful(self) -> dict[str, Any]:
        """Those that have a state."""
        return {name: part for name, part in self.parts.items() if hasattr(part, "to_bytes")}

    def states(self) -> dict[str, bytes]:
        """Their states."""
        return {name: part.to_bytes() for name, part in self.stateful().items()}

    def to_disk(self, path: Path) -> None:
        """Write them into a folder, each under its name."""
        for name, part in self.stateful().items():
            part.to_disk(path / name)

    def from_disk(self, path: Path) -> None:
        """Read them from there.

        RAISES (InputError): If one is missing or cannot be used.
        """
        for name, part in self.stateful().items():
            if not (path / name).exists():
                raise InputError(
                    path, None, f"Expected the state of {self.owner}, but there is none of its {self.kind} {name!r}."
                )
            part.from_disk(path / name)


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
