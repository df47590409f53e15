"""`xproj_teacher`: soft labels by one or several teachers, in `doc._.xproj_soft`."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Union

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span

from ..errors import XprojError
from ..labels import check_label_map, rename_types
from ..part import Part, as_part
from ..soft import Entity, SoftLabels, find_entities
from ..state import Group
from ..tags import TagScheme, convert_types, make_tags, previous_words, spans_to_iob2, to_iob2
from ..teachers.agreement import UNKNOWN, against_projection, agreed, combine, harden, mask
from ..ty import Teacher
from .base import BatchPipe
from .entities import ask

AGREEMENT = ("none", "mask", "hard")
PROJECTION = ("ignore", "mask", "mix")
DEFAULTS: dict[str, Any] = {
    "teachers": {},
    "weights": {"@misc": "spacy_xproj.average_weights.v1"},
    "only": [],
    "label_map": {},
    "labels": [],
    "agreement": "none",
    "hard": False,
    "projection": "ignore",
    "projection_weight": 0.5,
    "annotate_ents": False,
    "overwrite": False,
}


@Language.factory("xproj_teacher", assigns=["doc._.xproj_soft"], default_config=DEFAULTS)
class SoftLabeler(BatchPipe):
    """Labels text by one or several teachers, for a student to learn from: the weighted mean of their distributions
    (Wu et al. 2020) goes to `doc._.xproj_soft`, in half precision. It needs no payload.

    The columns are IOB2 tags: "O", then B and I of each entity type, in alphabetical order. Distributions over tags of
    other schemes are converted (see `to_iob2`). A teacher that does not know a type gives it no probability.

    What is done, in this order: the mean; `hard`; `agreement`; `projection`.

    teachers (dict[str, Teacher]): By name. A teacher has `labels` (its tags), and a call from Docs to float arrays
        (tokens, labels).
    weights (SourceWeights): How much each counts for each Doc.
    only (list of str): Use these of the teachers, and save these. None: all. One alone agrees with itself: then
        `weights` and `agreement` are left aside, so that its soft labels are its own.
    label_map (dict[str, str]): Entity types of the teachers that go by another name here; "" leaves them out.
    labels (list of str): Use these types; what goes to others goes to "O". None: all that the teachers have.
    agreement (str): "mask": tokens whose most probable tag is not the same by all teachers are masked. "hard": those
        where it is the same get this tag with probability 1 (Wu et al. 2020, hard labels that replace soft ones).
    hard (bool): Give each token the tag that it has in the most probable valid sequence, with probability 1.
    projection (str): Where a Doc has entities, such as projected ones, "mask" masks the tokens whose tag by the
        teachers, in the most probable valid sequence, is another; "mix" takes the mean of the two. Tokens without
        annotation stay as they are.
    projection_weight (float): How much the entities count in "mix", from 0 to 1.
    annotate_ents (bool): Set `doc.ents` too, by the most probable valid sequence of the mean.
    overwrite (bool): Label Docs anew that have soft labels. If not, they pass.
    RAISES (XprojError): If a setting is out of range.
    """

    parts = ("weights",)

    def __init__(
        self,
        nlp: Language,
        name: str,
        teachers: dict[str, Any],
        weights: Callable,
        *,
        only: list[str],
        label_map: dict[str, Any],
        labels: list[str],
        agreement: str,
        hard: bool,
        projection: str,
        projection_weight: float,
        annotate_ents: bool,
        overwrite: bool,
    ):
        super().__init__(nlp, name)
        for key in teachers:
            if not re.fullmatch(r"[\w-]+", key):
                raise XprojError(f"{name}: the name of a teacher is letters, digits, '_' and '-', not {key!r}.")
        if unknown := sorted(set(only) - set(teachers)):
            raise XprojError(
                f"{name}: there is no teacher {unknown[0]!r} to use only: expected names out of "
                f"{', '.join(sorted(teachers)) or 'none'}."
            )
        for setting, value, allowed in (("agreement", agreement, AGREEMENT), ("projection", projection, PROJECTION)):
            if value not in allowed:
                raise XprojError(f"{name}: {setting} must be one of {', '.join(allowed)}, not {value!r}.")
        if not 0 <= projection_weight <= 1:
            raise XprojError(f"{name}: projection_weight must be from 0 to 1, not {projection_weight}.")
        self.teachers = dict(sorted(teachers.items()))  # sums do not depend on the order in a config
        self.weights = weights
        self.only = sorted(set(only))
        self.label_map = check_label_map(name, label_map)
        self.types = sorted(set(labels))
        self.agreement = agreement
        self.hard = hard
        self.projection = projection
        self.projection_weight = projection_weight
        self.annotate_ents = annotate_ents
        self.overwrite = overwrite

    def used(self) -> dict[str, Any]:
        """The teachers that are used, by name.

        RAISES (XprojError): If there is none.
        """
        if not self.teachers:
            raise XprojError(
                f"{self.name} has no teachers. Give one block each, such as [components.{self.name}.teachers.english] "
                'with @xproj_teachers = "spacy_xproj.Pipeline.v1" and the folder of a pipeline as model.'
            )
        return {name: self.teachers[name] for name in self.only or self.teachers}

    def process(self, docs: list[Doc]) -> list[Doc]:
        """Label the Docs of one batch. None is changed if one fails."""
        todo = [doc for doc in docs if self.overwrite or doc._.xproj_soft is None]
        if not todo:
            return docs
        used = self.used()
        schemes = {name: self.scheme(name) for name in used}
        types = self.types or self.known(schemes)
        tags = TagScheme(make_tags(types))
        found = [self.distributions(name, schemes[name], types, todo) for name in used]
        weights = self.source_weights(todo)
        origin = {name: provenance(teacher) for name, teacher in used.items()}
        made = [self.label(doc, rows, shares, tags, origin) for doc, shares, *rows in zip(todo, weights, *found)]
        for doc, (soft, spans) in zip(todo, made):
            doc._.xproj_soft = soft
            if self.annotate_ents:
                doc.set_ents([Span(doc, *span[:3]) for span in spans], default="outside")
        return docs

    def scheme(self, name: str) -> TagScheme:
        """The scheme of a teacher's tags."""
        teacher = self.teachers[name]
        if not isinstance(teacher, Teacher) or not teacher.labels:
            raise XprojError(f"{self.name}: the teacher {name!r} has no tags in 'labels'. Has it been given a model?")
        return TagScheme(teacher.labels)

    def known(self, schemes: dict[str, TagScheme]) -> list[str]:
        """The entity types of all teachers, by their names here."""
        return rename_types((kind for tags in schemes.values() for kind in tags.types), self.label_map)

    def distributions(self, name: str, own: TagScheme, types: list[str], docs: list[Doc]) -> list[np.ndarray]:
        """What one teacher says, over the tags of all: float64 array (tokens, tags) for each Doc."""
        found = ask(f"{self.name}: the teacher {name!r}", self.teachers[name], docs)
        rows = (to_iob2(rows, own, previous_words(doc)) for doc, rows in zip(docs, found))
        return [convert_types(each, own.types, types, self.label_map) for each in rows]

    def source_weights(self, docs: list[Doc]) -> np.ndarray:
        """How much each teacher counts: float64 array (docs, teachers), each row sums to 1."""
        names = list(self.used())
        if len(names) == 1:
            return np.ones((len(docs), 1))
        weights = np.asarray(self.weights(docs, names), "f8")
        if weights.shape != (len(docs), len(names)) or not (weights >= 0).all() or not np.allclose(weights.sum(1), 1):
            raise XprojError(
                f"{self.name}: expected weights of {len(names)} teachers for each of {len(docs)} Docs that sum to 1, "
                f"got an array of the shape {weights.shape} with the sums {weights.sum(-1)[:3]}."
            )
        return weights

    def label(
        self, doc: Doc, rows: list[np.ndarray], weights: np.ndarray, tags: TagScheme, origin: dict[str, str]
    ) -> tuple[SoftLabels, list[Entity]]:
        """The soft labels of one Doc, and the entities by the teachers."""
        probs = combine(rows, weights)
        found = find_entities(doc, probs, tags)
        best = spans_to_iob2((entity[:3] for entity in found), len(doc), tags.labels)
        if self.hard:
            probs = harden(probs, best, np.ones(len(doc), bool))
        if len(rows) > 1 and self.agreement == "mask":
            probs = mask(probs, agreed(rows))
        elif len(rows) > 1 and self.agreement == "hard":
            probs = harden(probs, rows[0].argmax(axis=1), agreed(rows))
        if self.projection != "ignore":
            projected = self.projected(doc, tags)
            probs = against_projection(probs, best, projected, self.projection, self.projection_weight)
        soft = SoftLabels(tuple(tags.labels), np.minimum(probs, 1), self.provenance(weights, origin))
        return soft, found

    def projected(self, doc: Doc, tags: TagScheme) -> np.ndarray:
        """Return the tags of the entities that a Doc has.

        RETURNS (int array (tokens,)): Indices of tags; `UNKNOWN` where the Doc is not annotated.
        RAISES (XprojError): If a label is not among them, and the pipe was not told which labels to use.
        """
        spans = [(ent.start, ent.end, ent.label_) for ent in doc.ents if ent.label_ in tags.types]
        other = next((ent.label_ for ent in doc.ents if ent.label_ not in tags.types), None)
        if other is not None and not self.types:
            raise XprojError(
                f"The Doc has an entity with the label {other!r}, which no teacher knows (they know "
                f"{', '.join(tags.types) or 'none'}). Rename the teachers' labels with label_map, or list the ones to "
                "use in labels."
            )
        path = spans_to_iob2(spans, len(doc), tags.labels)
        return np.where(doc.to_array("ENT_IOB") == 0, UNKNOWN, path)

    def provenance(self, weights: np.ndarray, origin: dict[str, str]) -> dict[str, Union[str, float]]:
        """What made the soft labels: teachers (by name, what made them) and their weights, and the filters."""
        found: dict[str, Union[str, float]] = {}
        for (name, teacher), weight in zip(origin.items(), weights.tolist()):
            found[f"teacher.{name}"] = teacher
            found[f"weight.{name}"] = weight
        if len(weights) > 1:
            found["weights"] = provenance(self.weights)
        filters = {
            "hard": self.hard and "best path",
            "agreement": self.agreement != "none" and len(weights) > 1 and self.agreement,
            "projection": self.projection != "ignore" and self.projection,
        }
        return {**found, **{key: value for key, value in filters.items() if value}}

    # Fitting and serialization

    def fittable(self) -> list[Part]:
        """The weights, if they learn from the corpus and there is a choice of teachers."""
        return super().fittable() if len(self.only or self.teachers) > 1 else []

    def fit_part(self, part: Part, docs: Iterable[Doc]) -> None:
        part.fit(docs, list(self.used()))  # type: ignore[call-arg]

    def state_parts(self) -> dict[str, Any]:
        """The weights, and the teachers that are used."""
        used = {name: self.teachers[name] for name in self.only or self.teachers}
        return {**super().state_parts(), "teachers": Group(used, spare=True)}

    def local_parts(self) -> dict[str, Any]:
        """All teachers: those that are not used are not saved, and their paths lead nowhere elsewhere."""
        return {**self.state_parts(), "teachers": Group(self.teachers)}


def provenance(part: Any) -> str:
    """What a part says of itself, or what it is called."""
    return str(as_part(part).provenance)
