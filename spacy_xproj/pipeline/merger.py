"""`xproj_merger`: one set of entities from several projections, or from projections and a NER."""

from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup

from ..bitext import Bitext, depths
from ..errors import XprojError
from .base import words
from .projection_pipe import SPANS_KEY, Predicted, Projection, ProjectionPipe
from .translator import CARRIED

ENTS = "ents"
DEFAULTS = {
    "keys": [CARRIED, SPANS_KEY],
    "min_score": 0.0,
    "doubtful": "drop",
    "spans_key": SPANS_KEY,
    "annotate_ents": True,
}


class Vote(NamedTuple):
    """A target span that some of the groups hold: how many do, the place of the first, and the mean score over all
    groups of the Doc, where a group without the span gives 0."""

    votes: int
    first: int
    score: float
    start: int
    end: int
    label: str
    source: int


@Language.factory(
    "xproj_merger", requires=["doc._.xproj", "doc.spans"], assigns=["doc.ents", "doc.spans"], default_config=DEFAULTS
)
class Merger(ProjectionPipe):
    """Merges projections: those that the translator carried over, those along links, and entities of a NER (an ensemble
    of translate-train and translate-test, after Ebing and Glavaš 2025, by spans instead of token probabilities).

    Spans that more groups hold come first, then those of the groups named first, then the longer. A span that overlaps
    with one before it is left out, and so is a second target span for a source span, unless one group holds both.
    All groups have one vote: with a `min_score` above .5 and `doubtful` "drop" or "mask", two groups must agree; with
    0 every span stays that nothing better contradicts. A group that a Doc lacks has no vote on it.

    keys (list of str): What to merge, the most trusted first: keys of `doc.spans`, or "ents" for the `doc.ents` that
        the pipes before have left.
    min_score (float), doubtful (str), spans_key (str), annotate_ents (bool): See `ProjectionPipe`.
    RAISES (XprojError): If there is no key, or one comes twice.
    """

    def __init__(
        self,
        nlp: Language,
        name: str,
        keys: list[str],
        *,
        min_score: float = 0.0,
        doubtful: str = "drop",
        spans_key: str = SPANS_KEY,
        annotate_ents: bool = True,
    ):
        super().__init__(
            nlp, name, min_score=min_score, doubtful=doubtful, spans_key=spans_key, annotate_ents=annotate_ents
        )
        if not keys or len(set(keys)) < len(keys):
            raise XprojError(f"{name}: keys must name one or more groups of spans, each once, not {list(keys)}.")
        self.keys = list(keys)

    def predict(self, docs: list[Doc]) -> list[Predicted]:
        """Merge, without touching the Docs. Where a pipe before has left a report, its reasons and notes stand."""
        payloads = [(doc, self.payload(doc)) for doc in docs]
        return [self.merged(doc, bitext) if bitext else Predicted(doc, None, [], {}, []) for doc, bitext in payloads]

    def merged(self, doc: Doc, bitext: Bitext) -> Predicted:
        """Merge the spans of one Doc."""
        votes = self.votes(doc, bitext)
        depth = [*depths(bitext.spans), 0]  # the last is for spans without a source span
        taken: dict[int, set[int]] = {level: set() for level in depth}
        placed: dict[int, int] = {}
        found = []
        for vote in sorted(votes, key=lambda v: (-v.votes, v.first, v.start - v.end, v.start)):
            at = set(range(vote.start, vote.end))
            here = taken[depth[vote.source]]
            if here.isdisjoint(at) and (vote.source < 0 or placed.get(vote.source, vote.first) == vote.first):
                here |= at
                placed[vote.source] = vote.first
                found.append(Projection(vote.start, vote.end, vote.source, vote.score, vote.label))
        report = doc._.xproj_report or {}
        reasons = self.reasons(doc, bitext, report)
        ids = {span.id_ for key in self.keys if key in doc.spans for span in doc.spans[key]}
        reasons.update((k, "conflict") for k, span in enumerate(bitext.spans) if span.id in ids)
        reasons.update((v.source, "conflict") for v in votes if v.source >= 0)
        reasons = {k: why for k, why in reasons.items() if k not in placed}
        return Predicted(doc, bitext, sorted(found), reasons, list(report.get("notes", ())))

    def votes(self, doc: Doc, bitext: Bitext) -> list[Vote]:
        """The spans of all groups that the Doc has, each once."""
        places = {s.id: k for k, s in enumerate(bitext.spans) if s.id}
        # A ruler gives its entities ids, too, which can be the same: those of projections are also in a group.
        projected = [g for key, g in doc.spans.items() if key in (CARRIED, *self.keys) or "scores" in g.attrs]
        known = {(*_at(span), span.id_) for group in projected for span in group if span.id_ in places}
        groups = [doc.ents if key == ENTS else doc.spans[key] for key in self.keys if key == ENTS or key in doc.spans]
        found: dict[tuple[int, int, str], Vote] = {}
        for n, group in enumerate(groups):
            ones = [1.0] * len(group)
            scores = group.attrs.get("scores", ones) if isinstance(group, SpanGroup) else ones
            voted = set()
            for span, score in zip(group, scores):
                at = _at(span)
                if at in voted:  # two source spans, one in the other, have the same projection here: one vote
                    continue
                voted.add(at)
                old = found.get(at, Vote(0, n, 0.0, *at, -1))
                source = old.source if old.source >= 0 else places[span.id_] if (*at, span.id_) in known else -1
                share = old.score + float(score) / len(groups)
                found[at] = old._replace(votes=old.votes + 1, score=share, source=source)
        return list(found.values())

    def reasons(self, doc: Doc, bitext: Bitext, report: dict) -> dict[int, str]:
        """Why a source span might have no projection, by its place."""
        before = {(row["id"], row["start"], row["end"]): row["reason"] for row in report.get("missing", ())}
        out = dict.fromkeys(range(len(bitext.spans)), "crosses_sentences")
        for pair in bitext.pairs(words(doc)):
            out.update(dict.fromkeys(pair.places, "not_carried" if pair.target else "not_translated"))
        out.update((k, before.get((s.id, s.start, s.end), out[k])) for k, s in enumerate(bitext.spans))
        return out


def _at(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.label_
