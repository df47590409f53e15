"""What a run counts by label: entities, source entities, and what became of these."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Union

from spacy.tokens import Doc

from ..files import write_json

PREFIX = "by_label"
# The columns, in order. "left_out": by the labels that the settings of a translator name.
KINDS = ("source", "left_out", "projected", "doubtful", "not_projected", "entities", "gold")


def count_labels(counts: Counter, kind: str, labels: Iterable[str]) -> None:
    """Count labels beside the other counts of a run.

    counts (Counter): Is added to.
    kind (str): What has the labels, one of `KINDS`.
    labels (iterable of str): One a span.
    """
    counts.update(f"{PREFIX}:{kind}:{label}" for label in labels)


def count_entities(doc: Doc, counts: Counter) -> None:
    """Count the entities of a Doc and those of its payload by label."""
    count_labels(counts, "entities", (ent.label_ for ent in doc.ents))
    if doc._.xproj is not None:
        count_labels(counts, "source", (span.label for span in doc._.xproj.spans))


def count_projected(doc: Doc, counts: Counter) -> None:
    """Count by label the entities of a Doc and of its payload, and what the report on its projection says."""
    count_entities(doc, counts)
    report = doc._.xproj_report
    if report is not None and doc._.xproj is not None:
        missing = Counter(row["label"] for row in report["missing"])
        count_labels(counts, "not_projected", missing.elements())
        count_labels(counts, "projected", (Counter(s.label for s in doc._.xproj.spans) - missing).elements())
        count_labels(counts, "doubtful", Counter(report["doubtful"]).elements())


def by_label(counts: Counter) -> dict[str, dict[str, int]]:
    """Return what is counted by label: for each label numbers by `KINDS`, without those that are 0 for all labels."""
    rows = [(*name.split(":", 2)[1:], n) for name, n in counts.items() if name.startswith(f"{PREFIX}:") and n]
    kinds = sorted({kind for kind, *_ in rows}, key=KINDS.index)
    found = {(kind, label): n for kind, label, n in rows}
    return {label: {kind: found.get((kind, label), 0) for kind in kinds} for label in sorted({x for _, x, _ in rows})}


def write_report(out: Union[str, Path], counts: Counter, **more: Any) -> None:
    """Write what a run counted to the file `OUT.report.json`, with more values before it."""
    write_json(f"{out}.report.json", {**more, **others(counts), "by_label": by_label(counts)})


def others(counts: Counter) -> dict[str, int]:
    """Return what is not counted by label, in alphabetical order."""
    return {name: n for name, n in sorted(counts.items()) if not name.startswith(f"{PREFIX}:")}
