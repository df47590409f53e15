"""What `xproj_projector` and `xproj_matcher` have in common: from source spans to entities, spans and a report."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np
from spacy.language import Language
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from ..bitext import Bitext, SentencePair, SourceSpan, depths
from ..errors import XprojError
from .base import BatchPipe, PayloadPipe, words
from .batches import Step

SPANS_KEY = "xproj"
DOUBTFUL = ("keep", "drop", "mask")

# Rows (source span, start, end, score) with offsets into the sentence pair; a reason for each source span that has
# none; a note for the report, or "".
PairResult = tuple[Sequence[tuple[int, int, int, float]], dict[int, str], str]


class Projection(NamedTuple):
    """A target span (Doc token offsets), the index of its source span in the Bitext, its score, and its label where
    that is not the source span's. The index is -1 for a span that has no source span."""

    start: int
    end: int
    source: int
    score: float
    label: str = ""


class Predicted(NamedTuple):
    """What is to be written on a Doc.

    doc (Doc), bitext (Optional[Bitext]): The Doc and its payload.
    found (list of Projection): In text order. They are disjoint but for those of nested source spans.
    reasons (dict[int, str]): A reason code for each source span that has none.
    notes (list of str): Notes for the report.
    """

    doc: Doc
    bitext: Optional[Bitext]
    found: list[Projection]
    reasons: dict[int, str]
    notes: list[str]


def nesting_levels(pair: SentencePair) -> list[SentencePair]:
    """Return the sentence pair once for each level of nesting of its source spans, the outermost first.

    Projected together, a span would have to leave the words of those nested in it to them.
    """
    depth = depths(pair.spans)
    if not any(depth):
        return [pair]
    levels = [[k for k, d in enumerate(depth) if d == level] for level in sorted(set(depth))]
    return [
        pair._replace(spans=tuple(pair.spans[k] for k in index), places=tuple(pair.places[k] for k in index))
        for index in levels
    ]


class ProjectionPipe(BatchPipe, PayloadPipe):
    """A pipe that turns the payload's source spans into entities of the Doc.

    min_score (float): A projected span that scores below this is doubtful.
    doubtful (str): "drop" a doubtful span from `doc.ents`; "mask" it: its tokens become missing values, which the NER
        loss leaves out; or "keep" it, and only count it in the report.
    spans_key (str): The key in `doc.spans` of all projected spans, nested ones too.
    annotate_ents (bool): Set `doc.ents`. If not, it stays as it is, for a pipe that merges projections.
    """

    bounded = False  # whether sentence pairs can be too long

    def __init__(
        self,
        nlp: Language,
        name: str,
        *,
        min_score: float = 0.0,
        doubtful: str = "drop",
        spans_key: str = SPANS_KEY,
        annotate_ents: bool = True,
    ):
        super().__init__(nlp, name)
        if doubtful not in DOUBTFUL:
            raise XprojError(f"{name}: doubtful must be one of {', '.join(DOUBTFUL)}, not {doubtful!r}.")
        self.min_score = min_score
        self.doubtful = doubtful
        self.spans_key = spans_key
        self.annotate_ents = annotate_ents

    @property
    def idle(self) -> str:
        """A sentence about a setting that changes nothing beside another one (str); "" if there is none."""
        if self.min_score > 0 and self.doubtful == "keep":
            return (
                f"{self.name}: min_score = {self.min_score:g} leaves out no span while doubtful = 'keep'. Doubtful "
                "spans are counted alone. Set doubtful to 'drop' or 'mask'."
            )
        if self.min_score <= 0 and self.doubtful == "mask":
            return (
                f"{self.name}: doubtful = 'mask' masks nothing while min_score = {self.min_score:g}. Set min_score too."
            )
        return ""

    def steps(self) -> list[Step]:
        """Project the source spans of a batch, then write what was found. Docs without a payload pass untouched."""
        return [self.predict, self.annotate]

    def annotate(self, found: list[Predicted]) -> list[Doc]:
        for each in found:
            if each.bitext is not None:
                self.set_annotations(each.doc, each.bitext, each.found, each.reasons, each.notes)
        return [each.doc for each in found]

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score the entities, for `nlp.evaluate`, by spaCy's own `get_ner_prf`."""
        return get_ner_prf(examples)

    def predict(self, docs: list[Doc]) -> list[Predicted]:
        """Project the source spans of some Docs, sentence pair by sentence pair, without touching the Docs.

        docs (list of Doc): The Docs.
        RETURNS (list of Predicted): One a Doc.
        """
        out: list[Predicted] = []
        todo: list[tuple[Predicted, SentencePair]] = []
        for doc in docs:
            bitext = self.payload(doc)
            spans = bitext.spans if bitext is not None else ()
            out.append(Predicted(doc, bitext, [], dict.fromkeys(range(len(spans)), "crosses_sentences"), []))
            for pair in bitext.pairs(words(doc)) if bitext is not None and spans else ():
                if pair.spans and not pair.target:
                    out[-1].reasons.update(dict.fromkeys(pair.places, "not_translated"))
                elif pair.spans and self.bounded and self.too_long(pair):
                    out[-1].reasons.update(dict.fromkeys(pair.places, "too_long"))
                elif pair.spans:
                    todo += [(out[-1], level) for level in nesting_levels(pair)]
        results = self.predict_pairs([(pair, mine.doc) for mine, pair in todo])
        for (mine, pair), (rows, missed, note) in zip(todo, results, strict=True):
            if note:
                mine.notes.append(note)
            for k in pair.places:
                del mine.reasons[k]
            offset = pair.offset[1]
            mine.found.extend(Projection(a + offset, b + offset, pair.places[k], score) for k, a, b, score in rows)
            mine.reasons.update((pair.places[k], reason) for k, reason in missed.items())
        for each in out:
            each.found.sort()
        return out

    def predict_pairs(self, pairs: Sequence[tuple[SentencePair, Doc]]) -> Iterable[PairResult]:
        """Project the source spans of some sentence pairs, none of which is nested in another of its pair.

        pairs (sequence of (SentencePair, Doc)): The sentence pairs, each with its Doc.
        RETURNS (iterable of PairResult): One a sentence pair.
        """
        raise NotImplementedError

    def set_annotations(
        self, doc: Doc, bitext: Bitext, found: list[Projection], reasons: dict[int, str], notes: list[str]
    ) -> None:
        """Write `doc.ents`, `doc.spans[spans_key]` (scores in `attrs["scores"]`) and `doc._.xproj_report`, where every
        source span counts once, as projected or as missing.

        In `doc.ents` the projection of an outer source span wins over that of one nested in it.
        """
        depth = [*depths(bitext.spans), 0]  # the last is for spans without a source span
        spans: dict[Projection, Span] = {}
        for each in found:
            source = bitext.spans[each.source] if each.source >= 0 else SourceSpan(0, 0, each.label)
            label = each.label or source.label
            spans[each] = Span(doc, each.start, each.end, label=label, span_id=source.id)
        ents: list[Span] = []
        kept: set[int] = set()
        taken: set[int] = set()
        masked: set[int] = set()
        missed: dict[int, str] = {}
        doubtful: Counter = Counter()
        for each, span in sorted(spans.items(), key=lambda item: depth[item[0].source]):
            at = range(each.start, each.end)
            below = each.score < self.min_score
            doubtful[span.label_] += below
            if below and self.doubtful != "keep":
                missed[each.source] = "masked" if self.doubtful == "mask" else "low_score"
                masked.update(at if self.doubtful == "mask" else ())
            elif taken.isdisjoint(at):
                ents.append(span)
                taken.update(at)
                kept.add(each.source)
            else:
                missed.setdefault(each.source, "conflict")
        reasons = {**reasons, **{k: why for k, why in missed.items() if k not in kept}}
        if self.annotate_ents:
            missing = [Span(doc, i, i + 1) for i in sorted((masked | bitext.unknown_targets(len(doc))) - taken)]
            doc.set_ents(sorted(ents), missing=missing, default="outside")
        scores = np.array([p.score for p in found], dtype="f4")
        doc.spans[self.spans_key] = SpanGroup(
            doc, name=self.spans_key, spans=list(spans.values()), attrs={"scores": scores}
        )
        doc._.xproj_report = {
            "source_spans": len(bitext.spans),
            "projected": len(kept - {-1}),
            "missing": [
                {"id": s.id, "label": s.label, "start": s.start, "end": s.end, "reason": reasons[k]}
                for k, s in enumerate(bitext.spans)
                if k in reasons
            ],
            "doubtful": dict(sorted((+doubtful).items())),
            "notes": notes,
        }
