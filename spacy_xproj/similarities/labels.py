"""`spacy_xproj.Labels.v1`: what a spaCy pipeline for the target language finds in the target sentence."""

from typing import Any, Optional

import numpy as np

from ..bitext import SentencePair
from ..errors import XprojError, check_share
from ..models.pipelines import SpacyPipeline
from ..state import State
from ..ty import Cells
from ..zones import memory_zones

NAME = "spacy_xproj.Labels.v1"
Entity = tuple[int, int, str, float]


class Labels(State):
    """`spacy_xproj.Labels.v1`: score cells by the entities that a pipeline finds in the target sentence. The score is
    the share of words that candidate and entity have in common (Dice), times the entity's score, times a factor for its
    label.

    pipeline (SpacyPipeline): The pipeline, with which it can be loaded where `model` is not.

    model (str): Package name or folder of a spaCy pipeline. It is loaded at first use, and saved with this part.
        Only a part that is loaded from disk or bytes can do without.
    label_map (Optional[dict[str, str]]): Its labels → those of the source spans. A label that is not there stays as it
        is; one that maps to "" is left out.
    other_label (float): The factor of an entity whose label is not that of the source span.
    discard_labels (bool): All entities have the factor 1 (candidates of a NER model in Politov et al. 2025).
    spans_key (str): Take `doc.spans[spans_key]`, with the scores that spancat gives, rather than `doc.ents`.
    RAISES (XprojError): If a setting is out of its range.
    """

    state_name = NAME

    def __init__(
        self,
        model: str = "",
        label_map: Optional[dict[str, str]] = None,
        other_label: float = 0.5,
        discard_labels: bool = False,
        spans_key: str = "",
    ):
        check_share(NAME, other_label=other_label)
        self.pipeline, self.label_map = SpacyPipeline(model, who=NAME), dict(label_map or {})
        self.other_label, self.discard_labels, self.spans_key = other_label, discard_labels, spans_key
        self._last: tuple[tuple[str, ...], list[Entity]] = ((), [])  # a sentence is often asked for twice

    def __call__(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> Cells:
        """Score the cells of one sentence pair, in order of source span, start, end. Without candidates these are the
        entities.

        pair (SentencePair): The sentence pair.
        candidates (Optional[int array (k, 2)]): Score these spans only.
        RETURNS (Cells): Scores above 0, up to 1.
        """
        entities = self.entities(tuple(pair.target)) if pair.spans and pair.target else []
        edges = np.array([e[:2] for e in entities], "i8").reshape(-1, 2)
        spans = np.unique(edges if candidates is None else np.asarray(candidates, "i8").reshape(-1, 2), axis=0)
        common = np.minimum(spans[:, None, 1], edges[:, 1]) - np.maximum(spans[:, None, 0], edges[:, 0])
        lengths = np.diff(spans, axis=1) + np.diff(edges, axis=1).T
        dice = 2 * np.maximum(common, 0) / lengths * np.array([e[3] for e in entities])
        found = np.zeros((len(pair.spans), len(spans)))
        for k, span in enumerate(pair.spans):
            factor = np.array([self.factor(span.label, e[2]) for e in entities])
            found[k] = (dice * factor).max(axis=1, initial=0)
        row, cell = found.nonzero()
        return Cells(row, spans[cell, 0], spans[cell, 1], found[row, cell])

    def factor(self, label: str, other: str) -> float:
        return 1.0 if self.discard_labels or label == other else self.other_label

    def entities(self, target: tuple[str, ...]) -> list[Entity]:
        """What the pipeline finds in a sentence.

        target (tuple of str): Its words.
        RETURNS (list of (start, end, label, score)): With our labels.
        """
        if self._last[0] != target:
            self._last = target, self.predict(target)
        return self._last[1]

    def predict(self, target: tuple[str, ...]) -> list[Entity]:
        from spacy.tokens import Doc

        nlp = self.pipeline.nlp
        with memory_zones(nlp.vocab):  # no Doc leaves it
            doc = nlp(Doc(nlp.vocab, words=list(target)))
            if not self.spans_key:
                found = [(e.start, e.end, e.label_, 1.0) for e in doc.ents]
            elif self.spans_key in doc.spans:
                group = doc.spans[self.spans_key]
                scores = group.attrs.get("scores")
                scores = np.ones(len(group)) if scores is None else np.clip(np.asarray(scores, "f8"), 0, 1)
                found = [(s.start, s.end, s.label_, float(score)) for s, score in zip(group, scores)]
            else:
                raise XprojError(
                    f"{NAME}: its pipeline makes no doc.spans[{self.spans_key!r}]: it has the pipes "
                    f"{', '.join(nlp.pipe_names) or '(none)'}, and made the keys {', '.join(doc.spans) or '(none)'}."
                )
            found = [(start, end, self.label_map.get(label, label), score) for start, end, label, score in found]
            return [entity for entity in found if entity[2]]

    def state_parts(self) -> dict[str, Any]:
        return {"pipeline": self.pipeline}

    def set_state(self, state: dict[str, Any]) -> None:
        self._last = (), []
