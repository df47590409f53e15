"""`xproj_projector`: carries entities over along word links, by the heuristic of `heuristics.py`."""

from collections.abc import Iterator, Sequence

from spacy.language import Language
from spacy.tokens import Doc

from ..bitext import SentencePair
from ..heuristics import Heuristic
from .projection_pipe import SPANS_KEY, PairResult, ProjectionPipe

DEFAULTS = {
    "merge_gap": 2,
    "trim_punctuation": False,
    "min_ratio": 0.0,
    "max_ratio": 0.0,
    "max_runs": 1,
    "overlap": "longest",
    "min_score": 0.0,
    "doubtful": "drop",
    "spans_key": SPANS_KEY,
    "annotate_ents": True,
}


@Language.factory(
    "xproj_projector", requires=["doc._.xproj"], assigns=["doc.ents", "doc.spans"], default_config=DEFAULTS
)
class Projector(ProjectionPipe):
    """Projects the source spans of the payload along its links (García-Ferrero et al. 2022). See `Heuristic` and
    `ProjectionPipe` for the settings."""

    def __init__(
        self,
        nlp: Language,
        name: str,
        *,
        merge_gap: int,
        trim_punctuation: bool,
        min_ratio: float,
        max_ratio: float,
        max_runs: int,
        overlap: str,
        min_score: float = 0.0,
        doubtful: str = "drop",
        spans_key: str = SPANS_KEY,
        annotate_ents: bool = True,
    ):
        super().__init__(
            nlp, name, min_score=min_score, doubtful=doubtful, spans_key=spans_key, annotate_ents=annotate_ents
        )
        self.heuristic = Heuristic(merge_gap, trim_punctuation, min_ratio, max_ratio, max_runs, overlap)

    def predict_pairs(self, pairs: Sequence[tuple[SentencePair, Doc]]) -> Iterator[PairResult]:
        for pair, _ in pairs:
            runs, reasons = self.heuristic(pair.spans, pair.links, pair.target)
            yield runs, reasons, ""
