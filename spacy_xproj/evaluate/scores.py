"""How good a projection is: entity scores against the target's gold, ceilings, reasons, and types of errors."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from spacy.scorer import get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example

from .calibration import calibration_error, reliability, scored
from .errors import causes, error_types
from .matching import MATCHES, character_overlap, match, match_scores, prf
from .spans import Entity, compared


def score(examples: Sequence[Example]) -> dict[str, Any]:
    """Score projected Docs against gold Docs.

    examples (sequence of Example): `predicted` as the pipeline left it, payload included; `reference` gold, with the
        same tokens. Tokens that the prediction masks count as not predicted; what lies on tokens without a gold label
        is passed over.
    RETURNS (dict): Strict scores `ents_p`, `ents_r`, `ents_f` and `ents_per_type`, which spaCy's Scorer and the strict
        mode of seqeval agree on; `boundary_f` (labels aside); `char_p`, `char_r` and `char_f`, by `character_overlap`;
        `ents_by_match`, scores and counts by each of `MATCHES`;
        `projection_ratio` (predicted / gold spans, summed over all); `projection_rate`, the share of source spans that
        were projected; `label_match`, the share of Docs whose entities have the labels of the source spans, each as
        often; `ceiling_f` and `ceiling_drop_f`, the highest F1 of any projection that keeps types, without and with
        leaving out source spans that have no partner;
        `calibration_error` of the scores of the spans (None without any); `errors` and `causes`, counts by
        `error_types` and `causes`; `not_projected`, counts by reason; `doubtful`, the number of spans that score
        below `min_score`; `notes`;
        `n_docs`, `n_source`, `n_gold`, `n_projected`.
    """
    found = get_ner_prf(examples)
    by_match: dict[str, Counter] = {name: Counter() for name in MATCHES}
    precisions: list[float] = []
    recalls: list[float] = []
    for eg in examples:
        predicted, gold = compared(eg)
        for name, counts in by_match.items():
            counts.update(match(predicted, gold, name))
        sides = characters(eg.reference, predicted), characters(eg.reference, gold)
        precisions += character_overlap(*sides)
        recalls += character_overlap(*sides[::-1])
    matches = {name: match_scores(counts) for name, counts in by_match.items()}
    chars = prf(sum(precisions), len(precisions), sum(recalls), len(recalls))
    return {
        "ents_p": found["ents_p"] or 0.0,
        "ents_r": found["ents_r"] or 0.0,
        "ents_f": found["ents_f"] or 0.0,
        "ents_per_type": dict(sorted((found["ents_per_type"] or {}).items())),
        "boundary_f": matches["exact"]["f"],
        **{f"char_{key}": value for key, value in chars.items()},
        "ents_by_match": matches,
        **projection_scores(examples),
    }


def projection_scores(examples: Sequence[Example]) -> dict[str, Any]:
    """The scores that depend on the payload and the report of the projection (see `score`)."""
    reasons: Counter = Counter()
    notes: Counter = Counter()
    n_source = n_reported = n_doubtful = partners = same_labels = 0
    projected = [eg for eg in examples if eg.predicted._.xproj is not None]
    docs, gold = [eg.predicted for eg in projected], [eg.reference for eg in projected]
    n_gold = sum(len(eg.reference.ents) for eg in examples)
    n_predicted = sum(len(eg.predicted.ents) for eg in examples)
    for doc, ref in zip(docs, gold):
        source = Counter(span.label for span in doc._.xproj.spans)
        n_source += source.total()
        n_reported += source.total() if doc._.xproj_report else 0
        partners += (source & Counter(ent.label_ for ent in ref.ents)).total()
        same_labels += source == Counter(ent.label_ for ent in doc.ents)
    for eg in examples:
        report = eg.predicted._.xproj_report or {}
        reasons.update(row["reason"] for row in report.get("missing", ()))
        notes.update(report.get("notes", ()))
        n_doubtful += sum(report.get("doubtful", {}).values())
    points, right = scored(docs, gold)
    return {
        "projection_ratio": ratio(n_predicted, n_gold),
        "projection_rate": ratio(n_reported - reasons.total(), n_reported),
        "label_match": ratio(same_labels, len(projected)),
        "ceiling_f": ratio(2 * partners, n_source + n_gold),
        "ceiling_drop_f": ratio(2 * partners, partners + n_gold),
        "calibration_error": calibration_error(reliability(points, right)) if len(points) else None,
        "errors": dict(sorted(error_types(docs, gold).items())),
        "causes": dict(sorted(causes(docs, gold).items())),
        "not_projected": dict(sorted(reasons.items())),
        "doubtful": n_doubtful,
        "notes": dict(sorted(notes.items())),
        "n_docs": len(examples),
        "n_source": n_source,
        "n_gold": n_gold,
        "n_projected": n_predicted,
    }


def characters(doc: Doc, spans: Sequence[Entity]) -> list[Entity]:
    """Return entities with character offsets in place of token offsets."""
    return [(doc[start].idx, doc[end - 1].idx + len(doc[end - 1]), label) for start, end, label in spans]


def ratio(a: float, b: float) -> float:
    """Return a / b; 0 if b is 0."""
    return a / b if b else 0.0
