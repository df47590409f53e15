"""`xproj_token_classifier`: entities by a teacher, such as a Hugging Face token classifier."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Optional

import numpy as np
from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example

from ..errors import XprojError
from ..labels import check_label_map
from ..soft import Entity, find_entities
from ..tags import SCHEMES, TagScheme
from ..ty import Teacher
from .base import BatchPipe
from .entities import ask, set_entities

SPANS_KEY = "xproj_token_classifier"
DEFAULTS: dict[str, Any] = {
    "teacher": {"@xproj_teachers": "spacy_xproj.TokenClassifier.v1"},
    "label_map": {},
    "scheme": "auto",
    "min_score": 0.0,
    "spans_key": SPANS_KEY,
    "annotate_ents": True,
    "overwrite": True,
}


@Language.factory("xproj_token_classifier", assigns=["doc.ents", "doc.spans"], default_config=DEFAULTS)
class EntityTagger(BatchPipe):
    """Sets entities by the most probable valid sequence of a teacher's tags, sentence by sentence where the Doc has
    sentences. It needs no payload: it labels the text in hand, be it the source of translate-test or, with a
    multilingual model, the target (zero-shot model transfer).

    The score of an entity is the least probability of its words' tags, which that of the whole cannot exceed. Tokens of
    white space are passed over: they can be inside of an entity, and not at its edges.

    teacher (Teacher): `labels` (its tags), and a call from Docs to float arrays (tokens, labels).
    label_map (dict[str, str]): Labels that go by another name here; "" leaves their entities out. Others stay as they
        are.
    scheme (str): The scheme of the tags, "IO", "IOB1", "IOB2" or "BIOES"; "auto": as the tags say (see `TagScheme`).
    min_score (float): Entities that score less are in `doc.spans` only.
    spans_key (str): All entities go to `doc.spans[spans_key]`, with `attrs["scores"]`. "": nowhere.
    annotate_ents (bool): Set `doc.ents`. If not, it stays as it is.
    overwrite (bool): Entities that the Doc has already are dropped. If not, they stay, and of those found only the
        ones that share no token with them are added.
    RAISES (XprojError): If a setting is out of range, or the teacher's tags are in no known scheme.
    """

    parts = ("teacher",)

    def __init__(
        self,
        nlp: Language,
        name: str,
        teacher: Callable,
        *,
        label_map: dict[str, Any],
        scheme: str,
        min_score: float,
        spans_key: str,
        annotate_ents: bool,
        overwrite: bool,
    ):
        super().__init__(nlp, name)
        if scheme not in SCHEMES:
            raise XprojError(f"{name}: scheme must be one of {', '.join(SCHEMES)}, not {scheme!r}.")
        if not 0 <= min_score <= 1:
            raise XprojError(
                f"{name}: min_score is compared to probabilities and must be from 0 to 1, not {min_score}."
            )
        if not isinstance(teacher, Teacher):
            raise XprojError(f"{name}: the teacher must have the attribute 'labels'; {type(teacher).__name__} has not.")
        self.teacher = teacher
        self.label_map = check_label_map(name, label_map)
        self.scheme = scheme
        self.min_score = min_score
        self.spans_key = spans_key
        self.annotate_ents = annotate_ents
        self.overwrite = overwrite
        self._tags: Optional[TagScheme] = None
        if teacher.labels:
            self.tags()

    def tags(self) -> TagScheme:
        """The scheme of the teacher's tags."""
        if self._tags is None or self._tags.labels != list(self.teacher.labels):
            self._tags = TagScheme(self.teacher.labels, self.scheme)
        return self._tags

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of entities (tuple of str); none while the teacher has no model."""
        types = self.tags().types if self.teacher.labels else []
        return tuple(dict.fromkeys(filter(None, (self.label_map.get(kind, kind) for kind in types))))

    def process(self, docs: list[Doc]) -> list[Doc]:
        """Set the entities of the Docs of one batch. None is changed if one fails."""
        found = self.distributions(docs)
        for doc, spans in [(doc, self.predict(doc, rows)) for doc, rows in zip(docs, found)]:
            self.set_annotations(doc, spans)
        return docs

    def distributions(self, docs: Sequence[Doc]) -> list[np.ndarray]:
        """The distributions of the teacher, without changing the Docs.

        docs (sequence of Doc): The Docs.
        RETURNS (list of float array (tokens, tags)): One a Doc.
        RAISES (XprojError): If one is missing, or has another shape.
        """
        return ask(f"{self.name}: the teacher", self.teacher, docs)

    def predict(self, doc: Doc, probabilities: np.ndarray) -> list[Entity]:
        """The entities under a teacher's distributions, without touching the Doc.

        doc (Doc): The Doc.
        probabilities (float array (tokens, labels)): From the teacher.
        RETURNS (list of Entity): Under their names here, disjoint and in text order.
        """
        found = find_entities(doc, probabilities, self.tags())
        renamed = [entity._replace(label=self.label_map.get(entity.label, entity.label)) for entity in found]
        return [entity for entity in renamed if entity.label]

    def set_annotations(self, doc: Doc, found: list[Entity]) -> None:
        """Write `doc.ents` and `doc.spans[spans_key]`."""
        set_entities(
            doc,
            found,
            spans_key=self.spans_key,
            annotate_ents=self.annotate_ents,
            min_score=self.min_score,
            overwrite=self.overwrite,
        )

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score the entities, for `nlp.evaluate`, by spaCy's own `get_ner_prf`."""
        return get_ner_prf(examples)
