"""The figures of the quality benchmark, which are plain data, as Markdown."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spacy_xproj.evaluate.errors import TYPES

from .common import table
from .linked import KINDS

SHARES = (100, 95, 90, 80, 70, 50)
GROUPS = {"languages": "language pair", "domain": "domain"}


def best_links(run: Sequence[dict]) -> list[dict]:
    """For each set the entry with the links that the learned matcher does best on, given links before others."""
    best: dict[str, dict] = {}
    for entry in sorted(run, key=lambda entry: (entry["kind"] != "given", -entry["methods"]["Ranker.v1"]["f1"])):
        best.setdefault(entry["set"], entry)
    return [best[name] for name in dict.fromkeys(entry["set"] for entry in run)]


def report(found: dict[str, Any], pictures: Sequence[str] = ()) -> str:
    """All as Markdown.

    found (dict): What `quality.json` holds.
    pictures (sequence of str): Names of the figures beside the file.
    """
    first = next(iter(found["runs"]))
    best = best_links(found["runs"][first])
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    parts = ["# Projection quality", f"`python -m benchmarks.quality`; {versions}."]
    if found["every"] > 1:
        parts.append(f"**A trial: learnt from one sentence pair in {found['every']}.**")
    for number, (by, run) in enumerate(found["runs"].items(), 1):
        parts += [f"## Table {number}. Leave one {GROUPS[by]} out", *methods(run)]
    parts += [
        f"What follows is with the {GROUPS[first]} left out, and where one aligner is named, it is the one whose given "
        "links the learned matcher does best on.",
        "## F1 by label",
        labels(best),
        "## Errors by type",
        errors(best),
        "## Calibration",
        "Scores of the projected spans against the share of them that is right: spans, mean score → precision.",
        calibration(best),
        "## Precision at coverage",
        "Precision of the projected spans with the highest scores, by the share of them that is kept.",
        coverage([entry for entry in found["runs"][first] if entry in best or entry["kind"] == "given"]),
        "## Weights",
        "Shipped weights of the second pass. A weight means as much as the feature varies.",
        weights(found["weights"]),
        *(f"![{name}]({name})" for name in pictures),
    ]
    return "\n\n".join(parts) + "\n"


def methods(run: Sequence[dict]) -> list[str]:
    """A table of F1 for each kind of links, and what it comes to."""
    parts = []
    for kind, title in KINDS.items():
        part = [entry for entry in run if entry["kind"] == kind]
        if not part:
            continue
        header = ["set", "links", *part[0]["methods"], "95 %", "gain", "gain, 95 %", "p", "ECE"]
        gains = [100 * entry["difference"]["gain"] for entry in part]
        certain = sum(entry["difference"]["low"] > 0 for entry in part)
        parts += [
            title,
            table(header, [method_line(entry) for entry in part]),
            f"Gain: F1 points over the better published method on the same links, with the paired bootstrap's interval "
            f"and two-sided p. Mean {np.mean(gains):+.1f}, least {min(gains):+.1f}, most {max(gains):+.1f}; the "
            f"interval is above 0 in {certain} of {len(part)}.",
        ]
    return parts


def method_line(entry: dict) -> list[str]:
    gain = {name: 100 * entry["difference"][name] for name in ("gain", "low", "high")}
    low, high = entry["methods"]["Ranker.v1"]["interval"]
    return [
        entry["set"],
        entry["links"],
        *(f"{each['f1']:.4f}" for each in entry["methods"].values()),
        f"{low:.3f} to {high:.3f}",
        f"{gain['gain']:+.1f}",
        f"{gain['low']:+.1f} to {gain['high']:+.1f}",
        f"{entry['difference']['p']:.3f}",
        f"{entry['calibration_error']:.3f}",
    ]


def labels(best: Sequence[dict]) -> str:
    rows = []
    for entry in best:
        names = sorted({label for each in entry["methods"].values() for label in each["labels"]})
        for label in names:
            cells = [each["labels"].get(label) for each in entry["methods"].values()]
            gold = max(cell["gold"] for cell in cells if cell)
            rows.append([entry["set"], entry["links"], label, gold, *(f"{c['f1']:.4f}" if c else "" for c in cells)])
    return table(["set", "links", "label", "gold spans", *best[0]["methods"]], rows)


def errors(best: Sequence[dict]) -> str:
    rows = [
        [entry["set"], entry["links"], method, *(each["errors"].get(name, 0) for name in TYPES)]
        for entry in best
        for method, each in entry["methods"].items()
    ]
    return table(["set", "links", "method", *TYPES], rows)


def calibration(best: Sequence[dict]) -> str:
    steps = [f"{each['low']:.1f} to {each['high']:.1f}" for each in best[0]["reliability"]]
    rows = []
    for k, step in enumerate(steps):
        cells = [entry["reliability"][k] for entry in best]
        rows.append(
            [step, *(f"{c['spans']}, {c['score']:.2f} → {c['precision']:.2f}" if c["spans"] else 0 for c in cells)]
        )
    rows.append(["ECE", *(f"{entry['calibration_error']:.3f}" for entry in best)])
    return table(["score", *(f"{entry['set']}, {entry['links']}" for entry in best)], rows)


def coverage(entries: Sequence[dict]) -> str:
    rows = [
        [entry["set"], entry["links"], entry["projected"], *(f"{entry['precision_at'][str(s)]:.3f}" for s in SHARES)]
        for entry in entries
    ]
    return table(["set", "links", "spans", *(f"{share} %" for share in SHARES)], rows)


def weights(rows: Sequence[dict], most: int = 40) -> str:
    cells = [
        [
            r["feature"],
            f"{r['weight']:+.3f}",
            f"{r['deviation']:.3f}",
            f"{r['weight'] * r['deviation']:+.2f}",
            r["meaning"],
        ]
        for r in rows[:most]
    ]
    return table(["feature", "weight", "deviation", "weight · deviation", "meaning"], cells)
