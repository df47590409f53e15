"""What finds the entities in a spaCy pipeline, and a distribution over IOB2 tags from it."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from spacy.language import Language
from spacy.pipeline import EntityRecognizer
from spacy.tokens import Doc

from ..errors import XprojError
from ..labels import rename_types
from ..sentences import sentence_offsets
from ..tags import TagScheme, convert_types, make_tags, previous_words, spans_to_iob2, to_iob2
from ..zones import memory_zones
from .marginals import Moves, marginals

ESTIMATES = ("distribution", "marginals", "hard")
FINDERS = ("ner", "beam_ner", "xproj_student", "xproj_token_classifier")


@runtime_checkable
class TagsByDistribution(Protocol):
    """A pipe that finds entities by distributions over tags, such as a student or a token classifier.

    label_map (dict[str, str]): Labels that go by another name in its entities; "" leaves these out.
    """

    label_map: dict[str, str]

    def tags(self) -> TagScheme:
        """The scheme of the columns."""
        ...

    def distributions(self, docs: Sequence[Doc]) -> list[np.ndarray]:
        """RETURNS (list of float array (tokens, tags)): One a Doc. The Docs are not changed."""
        ...


class Member:
    """A pipeline with a component that finds entities.

    nlp (Language): The pipeline.
    pipe (str): The component; "": see `PipelineTeacher`.
    estimate (str): One of `ESTIMATES`, or "auto".
    RAISES (XprojError): If there is no such component, or it cannot give this estimate.

    Attributes: `types` (list of str), the entity types, sorted; `estimate` (str), never "auto".
    """

    def __init__(self, nlp: Language, pipe: str, estimate: str):
        self.nlp = nlp
        self.pipe = pipe or find_component(nlp)
        self.component = get_component(nlp, self.pipe)
        best = best_estimate(self.component)
        if estimate not in ("auto", "hard", best):
            raise XprojError(
                f"The component {self.pipe!r} cannot give the estimate {estimate!r}, only {best!r}"
                f"{'' if best == 'hard' else ' and ' + repr('hard')}. Set estimate to that, or to 'auto'."
            )
        self.estimate = best if estimate == "auto" else estimate
        self.setters = [name for name in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(name).assigns]
        if not self.setters:
            raise XprojError(f"No component of it sets entities: it has {', '.join(nlp.pipe_names) or 'none'}.")
        self.types = self._types()

    def _types(self) -> list[str]:
        if self.estimate == "marginals":
            return Moves(self.component).types
        if self.estimate == "distribution":
            return rename_types(self.component.tags().types, self.component.label_map)
        names = self.nlp.pipe_names
        run = names[: names.index(self.pipe) + 1] if self.pipe else names
        return sorted({kind for name in run if name in self.setters for kind in self.nlp.pipe_labels.get(name, ())})

    def __call__(self, docs: Sequence[Doc], width: int, density: float) -> list[np.ndarray]:
        """The distributions of the tokens of each Doc, which may be of another vocab. The Docs are not changed.

        width, density: See `marginals`.
        RETURNS (list of float array (tokens, tags)): The columns are `make_tags(types)`.
        """
        nothing = np.zeros((0, 1 + 2 * len(self.types)))
        with memory_zones(self.nlp.vocab):
            parts = [[self.part(doc, start, end) for start, end in sentence_offsets(doc)] for doc in docs]
            found = iter(self.distributions([part for row in parts for part in row], width, density))
            return [np.concatenate([nothing, *(next(found) for _ in row)]) for row in parts]

    def part(self, doc: Doc, start: int, end: int) -> Doc:
        """A sentence as a Doc of this pipeline's vocab."""
        words = [doc[i].text for i in range(start, end)]
        return Doc(self.nlp.vocab, words=words, spaces=[bool(doc[i].whitespace_) for i in range(start, end)])

    def distributions(self, docs: list[Doc], width: int, density: float) -> list[np.ndarray]:
        """Those of Docs of this pipeline's vocab, which are changed."""
        docs = self.run(docs)
        if not docs:
            return []
        if self.estimate == "marginals":
            return marginals(self.component, docs, width=width, density=density)
        if self.estimate == "hard":
            return [self.entities(doc) for doc in docs]
        tags = self.component.tags()
        rows = self.component.distributions(docs)
        plain = (to_iob2(part, tags, previous_words(doc)) for doc, part in zip(docs, rows))
        return [convert_types(part, tags.types, self.types, self.component.label_map) for part in plain]

    def run(self, docs: list[Doc]) -> list[Doc]:
        """Run the components that come before. For "hard", also the one itself; for the others without those that set
        entities: what they find would be taken as given."""
        if not self.pipe:
            return list(self.nlp.pipe(docs))
        names = self.nlp.pipe_names
        first_off = names.index(self.pipe) + (self.estimate == "hard")
        off = set(names[first_off:]) | (set() if self.estimate == "hard" else set(self.setters))
        return list(self.nlp.pipe(docs, disable=sorted(off)))

    def entities(self, doc: Doc) -> np.ndarray:
        """The entities of a Doc, each tag with probability 1."""
        unknown = next((ent.label_ for ent in doc.ents if ent.label_ not in self.types), None)
        if unknown is not None:
            raise XprojError(
                f"The pipeline finds an entity of the type {unknown!r}, but its components list only "
                f"{', '.join(self.types) or 'none'} as their labels."
            )
        tags = make_tags(self.types)
        spans = ((ent.start, ent.end, ent.label_) for ent in doc.ents)
        return np.eye(len(tags))[spans_to_iob2(spans, len(doc), tags)]


def find_component(nlp: Language) -> str:
    """The one component with a distribution of its own or an estimate of one; "" if there is none."""
    found = [name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory in FINDERS]
    if len(found) > 1:
        raise XprojError(f"It has several components that find entities: {', '.join(found)}. Set pipe to one of them.")
    return found[0] if found else ""


def get_component(nlp: Language, name: str) -> Any:
    """A component by its name; None for ""."""
    if name and name not in nlp.pipe_names:
        raise XprojError(f"It has no component {name!r}, only {', '.join(nlp.pipe_names) or 'none'}. Set pipe to one.")
    return nlp.get_pipe(name) if name else None


def best_estimate(component: Any) -> str:
    """The best estimate that a component can give."""
    if isinstance(component, TagsByDistribution):
        return "distribution"
    return "marginals" if isinstance(component, EntityRecognizer) else "hard"
