"""`spacy_xproj.Ensemble.v1`: several aligners that vote."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Optional

import numpy as np

from ..bitext import Links, SentencePair
from ..errors import XprojError
from ..part import Composite, as_part
from ..state import State
from ..ty import Aligner
from .statistical import make_statistical

NAME = "spacy_xproj.Ensemble.v1"


# Any, as spaCy holds arguments against their annotations before it makes the parts that stand in a dict.
def make_ensemble(
    aligners: Optional[dict[str, Any]] = None,
    weights: Optional[dict[str, float]] = None,
    threshold: float = 0.0,
) -> Aligner:
    """Make an aligner of several, whose links are scored by their agreement.

    aligners (Optional[dict[str, Aligner]]): The parts, by names of one's own. None: `Statistical.v1` over stems, and
        over whole words.
    weights (Optional[dict[str, float]]): The weight of each, above 0. None: all weigh the same.
    threshold (float): A link scores above this. Its score is the weighted mean of its scores with all the aligners, 0
        with one that does not have it. With 0.0 the links of all are taken.
    RETURNS (Aligner): The aligner. It must be fitted if one of its parts must.
    RAISES (XprojError): If there is no aligner, a name cannot be used, or a setting is out of its range.
    """
    if aligners is None:
        aligners = {"stems": make_statistical(), "words": make_statistical(stem=0)}
    if not aligners:
        raise XprojError(f"{NAME} needs at least one aligner in `aligners`.")
    for name, part in aligners.items():
        if not isinstance(part, Aligner):
            raise XprojError(f"{NAME}: {name!r} must be an aligner, not {part!r}.")
        if not re.fullmatch(r"[\w-]+", name):
            raise XprojError(f"{NAME}: the name of a part is letters, digits, '_' and '-', not {name!r}.")
    if weights is None:
        weights = dict.fromkeys(aligners, 1.0)
    _same_names("weights", weights, aligners)
    for name, weight in weights.items():
        if not 0 < weight < float("inf"):
            raise XprojError(f"{NAME}: the weight of {name!r} must be above 0, not {weight}.")
    if not 0 <= threshold < 1:
        raise XprojError(f"{NAME}: threshold must be at least 0 and below 1, not {threshold}.")
    return EnsembleAligner(aligners, weights, threshold)


class EnsembleAligner(Composite, State):
    """See `make_ensemble`."""

    state_name = NAME

    def __init__(self, aligners: dict[str, Aligner], weights: dict[str, float], threshold: float):
        self.aligners, self.threshold = aligners, threshold
        total = sum(weights.values())
        self.weights = {name: weights[name] / total for name in aligners}

    @cached_property
    def provenance(self) -> str:
        """What made the links: the settings, and the provenance of each part."""
        parts = (f"{name} {self.weights[name]:.3g}: {as_part(part).provenance}" for name, part in self.aligners.items())
        return f"{NAME} (> {self.threshold}; {'; '.join(parts)})"

    def __call__(self, pairs: Sequence[SentencePair]) -> list[Links]:
        """Link the words of each sentence pair.

        pairs (sequence of SentencePair): The sentence pairs.
        RETURNS (list of Links): One a pair, sorted by source, then target word. The evidence of a link: under the name
            of each aligner its score there, and what evidence that aligner has, such as `name.forward`; 0 where it does
            not have the link.
        RAISES (XprojError): If an aligner does not give the links of each pair.
        """
        found = {}
        for name, part in self.aligners.items():
            found[name] = part(pairs)
            if len(found[name]) != len(pairs):
                raise XprojError(
                    f"{NAME}: {name!r} gave the links of {len(found[name])} of {len(pairs)} sentence pairs."
                )
        return [self._vote(dict(zip(found, links))) for links in zip(*found.values())]

    def _vote(self, parts: dict[str, Links]) -> Links:
        rows = [np.asarray(part.links, "i4").reshape(-1, 2) for part in parts.values()]
        union, places = np.unique(np.concatenate(rows), axis=0, return_inverse=True)
        ends = np.cumsum([len(row) for row in rows])[:-1]
        score = np.zeros(len(union))
        evidence: dict[str, np.ndarray] = {}
        for (name, part), place in zip(parts.items(), np.split(places.reshape(-1), ends)):
            views = {name: part.scores, **{f"{name}.{key}": value for key, value in part.evidence.items()}}
            for key, values in views.items():
                evidence[key] = np.zeros(len(union), "f4")
                evidence[key][place] = values
            score += self.weights[name] * evidence[name]
        keep = score > self.threshold
        scores = np.minimum(score[keep], 1).astype("f4")
        return Links(union[keep].astype("i4"), scores, {key: values[keep] for key, values in evidence.items()})

    def members(self) -> dict[str, Any]:
        return self.aligners

    def fit(self, pairs: Iterable[SentencePair]) -> None:
        """Fit the aligners that learn from the corpus, in their order. See `Composite.fit`."""
        super().fit(pairs)
        self.__dict__.pop("provenance", None)

    # Serialization: of the parts

    def state_parts(self) -> dict[str, Any]:
        return self.aligners

    def set_state(self, state: dict[str, Any]) -> None:
        self.__dict__.pop("provenance", None)


def _same_names(what: str, got: Iterable[str], expected: Iterable[str]) -> None:
    if set(got) != set(expected):
        names = [", ".join(sorted(x)) or "none" for x in (expected, got)]
        raise XprojError(f"{NAME}: {what} must have the names of the aligners ({names[0]}), but has {names[1]}.")
