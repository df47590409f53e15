"""Similarities by name inside of another one: their learning and their states."""

from collections.abc import Iterable, Mapping

from ..bitext import SentencePair
from ..part import Part, as_part
from ..ty import Similarity


class Parts:
    """Similarities by name.

    parts (mapping of str to Similarity): In the order of their names: sums do not depend on the order in a config.
    owner (str): The registered name of the similarity that they are in, for errors.
    kind (str): What they are called in it.
    """

    def __init__(self, parts: Mapping[str, Similarity], owner: str, kind: str):
        self.parts, self.owner, self.kind = dict(sorted(parts.items())), owner, kind

    def learners(self) -> dict[str, Part]:
        """Those that learn from the corpus."""
        parts = {name: as_part(part) for name, part in self.parts.items()}
        return {name: part for name, part in parts.items() if part.fittable}

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

    def prepare(self, pairs: Iterable[SentencePair], names: Iterable[str]) -> None:
        """Let some of them prepare.

        pairs (iterable of SentencePair): What they will be asked for next.
        names (iterable of str): Which.
        """
        pairs = list(pairs)
        for name in names:
            as_part(self.parts[name]).prepare(pairs)
