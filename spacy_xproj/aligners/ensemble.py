"""`spacy_xproj.Ensemble.v1`: several aligners that vote."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Optional

import numpy as np

from ..bitext import Links, SentencePair
from ..errors import XprojError, check_above_zero, check_below_one
from ..part import Composite, as_part, check_parts
from ..state import State
from ..ty import Aligner
from .statistical import StatisticalAligner

NAME = "spacy_xproj.Ensemble.v1"


class EnsembleAligner(Composite, State):
    """`spacy_xproj.Ensemble.v1`: several aligners, whose links are scored by their agreement.

    aligners (Optional[dict[str, Aligner]]): The parts, by names of one's own. None: `Statistical.v1` over stems, and
        over whole words.
    weights (Optional[dict[str, float]]): The weight of each, above 0. None: all weigh the same.
    threshold (float): A link scores above this. Its score is the weighted mean of its scores with all the aligners, 0
        with one that does not have it. With 0.0 the links of all are taken.
    RAISES (XprojError): If there is no aligner, a name cannot be used, or a setting is out of its range.
    """

    state_name = NAME

    # Any, as spaCy holds arguments against their annotations before it makes the parts that stand in a dict.
    def __init__(
        self,
        aligners: Optional[dict[str, Any]] = None,
        weights: Optional[dict[str, float]] = None,
        threshold: float = 0.0,
    ):
        if aligners is None:
            aligners = {"stems": StatisticalAligner(), "words": StatisticalAligner(stem=0)}
        if not aligners:
            raise XprojError(f"{NAME} needs at least one aligner in `aligners`.")
        weights = dict.fromkeys(aligners, 1.0) if weights is None else weights
        check_parts(NAME, Aligner, aligners, weights)
        for name, weight in weights.items():
            check_above_zero(NAME, **{f"the weight of {name!r}": weight})
        check_below_one(NAME, threshold=threshold)
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

    def set_state(self, state: dict[str, Any]) -> None:
        self.__dict__.pop("provenance", None)
