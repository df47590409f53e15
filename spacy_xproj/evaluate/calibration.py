"""How well the scores of projected spans tell which of them are right."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc

from .spans import entities, is_known


class Bin(NamedTuple):
    """The projected spans whose scores are in [low, high): how many, their mean score, and the share that is right."""

    low: float
    high: float
    spans: int
    score: float
    precision: float


def scored(docs: Iterable[Doc], gold: Iterable[Doc]) -> tuple[np.ndarray, np.ndarray]:
    """Return the score of each projected span, and whether it is right; spans on tokens without a gold label are left
    out.

    docs (iterable of Doc): As a projection left them.
    gold (iterable of Doc): The same Docs with gold entities, in the same order.
    RETURNS (float array (n,), bool array (n,)): In the order of the Docs and their `doc.spans["xproj"]`.
    """
    score: list[float] = []
    right: list[bool] = []
    for doc, ref in zip(docs, gold):
        answers = set(entities(ref))
        if "xproj" in doc.spans:  # without a payload there is none
            group = doc.spans["xproj"]
            for span, points in zip(group, group.attrs["scores"].tolist()):
                if is_known(ref, span.start, span.end):
                    score.append(points)
                    right.append((span.start, span.end, span.label_) in answers)
    return np.array(score, float), np.array(right, bool)


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
