"""Tables of counts: F1 with its interval, each seed's figures, and gains."""

from collections.abc import Iterable

import numpy as np
from spacy.tokens import Doc

from benchmarks.common import table
from benchmarks.source_ner import LABELS
from spacy_xproj.evaluate.bootstrap import difference, f1, interval

HEADER = ("", "F1", "95 %", "F1 of each seed", "precision", "recall")
GAIN = "gain (95 %)"


def row(name: str, runs: np.ndarray, base: np.ndarray | None = None) -> list[str]:
    """F1 of counts (seeds, n, 3), its interval, each seed's figures, and the difference from another method's F1."""
    low, high = interval(runs.sum(axis=0))
    right, found, gold = runs.sum(axis=1).T
    each = [" ".join(f"{x:.3f}" for x in values) for values in (f1(runs), right / found.clip(1), right / gold.clip(1))]
    cells = [name, f"{f1(runs).mean():.3f}", f"{low:.3f} to {high:.3f}", *each]
    if base is not None:
        gain = difference(runs.sum(axis=0), base.sum(axis=0))
        cells.append(f"{100 * gain.gain:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})")
    return cells


def stacked(runs: Iterable[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The counts of several seeds by name: arrays (seeds, n, 3)."""
    each = list(runs)
    return {name: np.stack([found[name] for found in each]) for name in each[0]}


def tell(title: str, methods: dict[str, np.ndarray], base: str) -> None:
    print(f"\n## {title}; gains over {base}\n")
    print(table([*HEADER, GAIN], [row(name, runs, methods[base]) for name, runs in methods.items()]), flush=True)


def shares(docs: Iterable[Doc]) -> str:
    """What share of the entities each type has."""
    types = [entity.label_ for doc in docs for entity in doc.ents]
    return ", ".join(f"{label} {types.count(label) / max(len(types), 1):.2f}" for label in LABELS)
