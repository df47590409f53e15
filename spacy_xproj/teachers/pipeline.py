"""Any spaCy pipeline that finds entities as a teacher: a distribution over IOB2 tags for each token of a Doc."""

import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from ..errors import InputError, XprojError
from ..files import text_hash
from ..labels import check_label_map, rename_types
from ..models.pipelines import SpacyPipeline
from ..state import State
from ..tags import convert_types, make_tags
from .members import ESTIMATES, Member

if TYPE_CHECKING:
    from spacy.tokens import Doc

NAME = "spacy_xproj.Pipeline.v1"


class PipelineTeacher(State):
    """`spacy_xproj.Pipeline.v1`: a teacher by one or several spaCy pipelines, which are loaded at first use, from files
    on this machine only.

    They get the words of the Doc, sentence by sentence where it has sentences, and do not tokenize anew. They may be of
    another language. The Docs are not changed. Which Docs come together changes nothing but the rounding of sums.

    A `ner` is a greedy model, and too sure of itself. Its marginals are less so than its entities alone, and the mean
    over several seeds less still. On 1,000 English sentences (UNER EWT; `python -m benchmarks.marginals`) the mean
    negative log-likelihood of the gold tag, with probabilities of at least 0.0001, was 0.43 for the entities, 0.39 for
    the parses in spaCy's beam, and 0.21 for the marginals (means of three seeds); for the mean of the three 0.30, 0.25
    and 0.17.

    model (str): The folder or the package of a pipeline. "": none yet (see `from_disk`), or those in `models`.
    models (sequence of str): Several, such as pipelines trained with other seeds: the mean of their distributions.
    pipe (str): The component that finds the entities. "": the one `ner`, `xproj_student` or `xproj_token_classifier`;
        in a pipeline with none of them, all components that set entities together.
    estimate (str): Where the distribution comes from. "distribution": an `xproj_student` or `xproj_token_classifier`
        has one. "marginals": spaCy's `ner` has none; it is summed over all ways to label the text (see `marginals`).
        "hard": the entities, each tag with probability 1. "auto": the first of these that the component can give.
    label_map (Optional[dict[str, str]]): Entity types that go by another name here; "" leaves them out.
    beam_width (int): For "marginals": largest number of open entities to keep after each token.
    beam_density (float): For "marginals": those below this share of the most probable one are left out.
    smoothing (float): This share of the probability is spread evenly over the tags (Szegedy et al. 2016).
    exclude (sequence of str): Components that are not loaded: those that the entities do not depend on take time.
    RAISES (XprojError): If a setting is out of range.
    """

    state_name = NAME

    def __init__(
        self,
        model: str = "",
        models: Sequence[str] = (),
        pipe: str = "",
        estimate: str = "auto",
        label_map: Optional[dict[str, Any]] = None,
        beam_width: int = 32,
        beam_density: float = 1e-4,
        smoothing: float = 0.0,
        exclude: Sequence[str] = (),
    ):
        if estimate not in ("auto", *ESTIMATES):
            raise XprojError(f"{NAME}: estimate must be one of auto, {', '.join(ESTIMATES)}, not {estimate!r}.")
        if beam_width < 1:
            raise XprojError(f"{NAME}: beam_width must be at least 1, not {beam_width}.")
        for name, value in (("beam_density", beam_density), ("smoothing", smoothing)):
            if not 0 <= value < 1:
                raise XprojError(f"{NAME}: {name} must be at least 0 and below 1, not {value}.")
        self.pipe = pipe
        self.wanted = estimate
        self.label_map = check_label_map(NAME, label_map or {})
        self.beam_width = beam_width
        self.beam_density = beam_density
        self.smoothing = smoothing
        self.exclude = sorted(set(exclude))
        self._use([str(name) for name in ([model] if model else []) + list(models)])

    def _use(self, models: Sequence[str]) -> None:
        self.pipelines = [SpacyPipeline(model, who=NAME, exclude=self.exclude) for model in models]
        self._members: list[Member] = []

    @property
    def types(self) -> list[str]:
        """The entity types of all pipelines, by their names here (list of str), sorted."""
        return rename_types((kind for member in self.load() for kind in member.types), self.label_map)

    @property
    def labels(self) -> list[str]:
        """The tags in the order of the columns (list of str); empty without a pipeline. This loads the pipelines."""
        return make_tags(self.types) if self.pipelines else []

    @property
    def estimate(self) -> str:
        """Where the distributions come from (str): one of "distribution", "marginals" and "hard", or several with ", "
        between them. This loads the pipelines."""
        return ", ".join(sorted({member.estimate for member in self.load()}))

    @property
    def key(self) -> str:
        """The content of the pipelines' files and the settings, as a hash (str)."""
        content = text_hash("".join(f"{pipeline.hash}\n" for pipeline in self.pipelines))
        settings = [self.pipe, self.wanted, self.label_map, self.beam_width, self.beam_density, self.smoothing]
        return f"{NAME}:{text_hash(json.dumps([content, *settings, self.exclude], sort_keys=True))[:32]}"

    @property
    def provenance(self) -> str:
        """The number of pipelines, the estimate and the start of the key (str)."""
        if not self.pipelines:
            return f"{NAME} (without a pipeline)"
        return f"{NAME} ({len(self.pipelines)}, {self.estimate}, {self.key.split(':')[-1][:12]})"

    def load(self) -> list[Member]:
        """The pipelines, loaded by the first call.

        RETURNS (list of Member): One a pipeline.
        RAISES (InputError): If one cannot be loaded, or finds no entities.
        """
        if not self.pipelines:
            raise XprojError(f"{NAME} has no pipeline. Set 'model' to the folder of one, or load it with from_disk.")
        if not self._members:
            self._members = [self._member(pipeline) for pipeline in self.pipelines]
        return self._members

    def _member(self, pipeline: SpacyPipeline) -> Member:
        nlp = pipeline.nlp
        try:
            return Member(nlp, self.pipe, self.wanted)
        except ValueError as err:
            raise InputError(pipeline.model, f"{NAME} cannot use this pipeline. {err}") from err

    def __call__(self, docs: Sequence["Doc"]) -> list[np.ndarray]:
        """The distributions of the tokens of each Doc. The Docs are not changed.

        docs (sequence of Doc): The Docs.
        RETURNS (list of float32 array (tokens, tags)): Each row sums to 1; the columns are in the order of `labels`.
        RAISES (XprojError): If there is no pipeline, or it cannot be loaded.
        """
        members, types = self.load(), self.types
        size = 1 + 2 * len(types)
        totals = [np.zeros((len(doc), size)) for doc in docs]
        for member in members:
            found = member(docs, self.beam_width, self.beam_density)
            for total, rows in zip(totals, found):
                total += convert_types(rows, member.types, types, self.label_map) / len(members)
        return [((1 - self.smoothing) * total + self.smoothing / size).astype("f4") for total in totals]

    def state_parts(self) -> dict[str, Any]:
        return {f"{number:02d}": pipeline for number, pipeline in enumerate(self.pipelines)}

    def expected_parts(self, names: Collection[str]) -> dict[str, Any]:
        self._use([""] * len(names))
        return self.state_parts()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_members": []}
