"""What the quality benchmark measures: plain functions of arrays, and of Docs."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc

from .common import f1


class Bin(NamedTuple):
    """The projected spans whose scores are in [low, high): how many, their mean score, and the share that is right."""

    low: float
    high: float
    spans: int
    score: float
    precision: float


class Difference(NamedTuple):
    """Of two F1: the first minus the second, its 95 % interval, and the two-sided p of there being none."""

    gain: float
    low: float
    high: float
    p: float


def scored(docs: Iterable[Doc], gold: Iterable[Doc]) -> tuple[np.ndarray, np.ndarray]:
    """The score of each projected span, and whether it is right: float and bool arrays (n,)."""
    score: list[float] = []
    right: list[bool] = []
    for doc, ref in zip(docs, gold):
        answers = {(e.start, e.end, e.label_) for e in ref.ents}
        if "xproj" in doc.spans:  # without a payload there is none
            group = doc.spans["xproj"]
            right += [(s.start, s.end, s.label_) in answers for s in group]
            score += group.attrs["scores"].tolist()
    return np.array(score, float), np.array(right, bool)


def label_counts(docs: Iterable[Doc], gold: Iterable[Doc]) -> dict[str, list[int]]:
    """Right, predicted and gold spans by label."""
    out: dict[str, list[int]] = {}
    for doc, ref in zip(docs, gold):
        found = {(e.start, e.end, e.label_) for e in doc.ents}
        answers = {(e.start, e.end, e.label_) for e in ref.ents}
        for place, spans in enumerate((found & answers, found, answers)):
            for *_, label in spans:
                out.setdefault(label, [0, 0, 0])[place] += 1
    return dict(sorted(out.items()))


def reliability(score: np.ndarray, right: np.ndarray, bins: int = 10) -> list[Bin]:
    """How often spans of a score are right, over equal steps of the score (Niculescu-Mizil and Caruana 2005).

    score, right (float and bool arrays (n,)): From `scored`, the scores in [0, 1].
    RETURNS (list of Bin): One for each step; mean score and precision of an empty one are 0.
    """
    place = np.minimum((score * bins).astype(int), bins - 1)
    spans = np.bincount(place, minlength=bins)
    some = np.maximum(spans, 1)
    means = np.bincount(place, score, bins) / some, np.bincount(place, right, bins) / some
    return [Bin(k / bins, (k + 1) / bins, int(spans[k]), float(means[0][k]), float(means[1][k])) for k in range(bins)]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: |mean score - precision| of the bins, weighed by their spans (Guo et al. 2017). 0
    without any span."""
    return sum(b.spans * abs(b.score - b.precision) for b in bins) / max(sum(b.spans for b in bins), 1)


def precision_at(score: np.ndarray, right: np.ndarray, coverages: Sequence[float]) -> list[float]:
    """The precision of the spans with the highest scores.

    coverages (sequence of float): Shares of the projected spans that are kept, in (0, 1], rounded up to whole spans. Of
        equal scores the earlier span is kept.
    RETURNS (list of float): For each share the precision; 0 without any span.
    """
    if not len(score):
        return [0.0] * len(coverages)
    hits = np.cumsum(right[np.argsort(-score, kind="stable")])
    kept = [max(int(np.ceil(share * len(score) - 1e-9)), 1) for share in coverages]
    return [float(hits[n - 1] / n) for n in kept]


def difference(ours: np.ndarray, theirs: np.ndarray, samples: int = 2000) -> Difference:
    """Paired bootstrap of a difference of F1 over Docs (Efron and Tibshirani 1993; Berg-Kirkpatrick et al. 2012).

    ours, theirs (int arrays (n, 3)): `counts` of the same Docs.
    RETURNS (Difference): With a percentile interval. p is twice the share of samples on the other side of 0, or at it,
        with one sample added to both; so it is never below 2 / (samples + 1).
    """
    rng = np.random.default_rng(0)
    draws = (rng.integers(len(ours), size=len(ours)) for _ in range(samples))
    found = np.array([f1(ours[draw]) - f1(theirs[draw]) for draw in draws])
    tail = min((found <= 0).sum(), (found >= 0).sum())
    low, high = np.percentile(found, (2.5, 97.5))
    gain = float(f1(ours) - f1(theirs))
    return Difference(gain, float(low), float(high), float(min(2 * (tail + 1) / (samples + 1), 1)))
