"""F1 of counts, and its uncertainty by bootstrap over Docs."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc

from .spans import entities


class Difference(NamedTuple):
    """Of two F1: the first minus the second, its 95 % interval, and the two-sided p of there being none."""

    gain: float
    low: float
    high: float
    p: float


def counts(docs: Iterable[Doc], gold: Iterable[Doc]) -> np.ndarray:
    """Right, predicted and gold spans of each Doc: int array (n, 3)."""
    rows = []
    for doc, ref in zip(docs, gold):
        found, right = set(entities(doc)), set(entities(ref))
        rows.append((len(found & right), len(found), len(right)))
    return np.array(rows)


def f1(table: np.ndarray) -> np.ndarray:
    """F1 of counts (..., n, 3), summed over the n Docs."""
    right, found, gold = np.moveaxis(table.sum(axis=-2), -1, 0)
    return 2 * right / np.maximum(found + gold, 1)


def interval(table: np.ndarray, samples: int = 1000) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the F1 over Docs."""
    rng = np.random.default_rng(0)
    draws = [f1(table[rng.integers(len(table), size=len(table))]) for _ in range(samples)]
    return float(np.percentile(draws, 2.5)), float(np.percentile(draws, 97.5))


def label_counts(docs: Iterable[Doc], gold: Iterable[Doc]) -> dict[str, list[int]]:
    """Right, predicted and gold spans by label."""
    out: dict[str, list[int]] = {}
    for doc, ref in zip(docs, gold):
        found, answers = set(entities(doc)), set(entities(ref))
        for place, spans in enumerate((found & answers, found, answers)):
            for *_, label in spans:
                out.setdefault(label, [0, 0, 0])[place] += 1
    return dict(sorted(out.items()))


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
