"""The figures of `benchmarks.real.links`, which are plain data, as Markdown."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..common import table

NAMES = {"statistical": "`Statistical.v1`", "ensemble": "both"}
ALL = "all together"
BASE, ADAPTED, EVIDENCE = "Ranker.v1", "Ranker.v1, adapted", "Ranker.v1, Context.v1"
PROJECTORS = ("published heuristic", "published greedy", BASE)


def report(found: dict[str, Any]) -> str:
    """All as Markdown.

    found (dict): What `links.json` holds.
    """
    figures, main, few = found["figures"], found["main"], found["few"]
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    some = [each for each in figures if each["system"] in few]
    parts = [
        "# Word links of a trained encoder",
        f"`python -m benchmarks.real.links --weights weights`; {versions}; multilingual-e5-small, float32 on the CPU. "
        "Strict F1 of span and label; 95 % intervals by the bootstrap over sentences, and of differences by the paired "
        "one, seed 0 (nothing else is drawn). All weights of `Ranker.v1` saw nothing of the language pair. "
        "`Statistical.v1` is fitted on the lines that it aligns, and `Ranker.v1` on the links that it projects along.",
        table(["set", "sentence pairs", "gold target spans"], sizes(figures)),
        "## Layers and methods of `Embedding.v1`",
        grid([each for each in figures if each["set"] in main]),
        "## The encoder, `Statistical.v1` and both",
        "Gain: F1 points of `Ranker.v1` over `Ranker.v1` on links of `Statistical.v1`. Figures in bold have an "
        "interval without 0.",
        table(
            ["set", "links of", "links", *PROJECTORS, "95 %", "gain", "gain, 95 %"],
            [system_line(each) for each in some],
        ),
        *means(some, main),
        "## Context.v1 as evidence",
        "The weights of `Ranker.v1`, adapted to these three kinds of links on one sentence pair in "
        f"{found['every']} of the other language pairs: without evidence, and with `Context.v1` and the same encoder "
        "as evidence. Each adds to the F1 before it.",
        table(
            ["set", "links of", BASE, "adapted", "adds", "adds, 95 %", "with evidence", "adds", "adds, 95 %"],
            [evidence_line(each) for each in some],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def sizes(figures: Sequence[dict]) -> list[list[Any]]:
    first = {each["set"]: each for each in figures}
    return [[name, each["sentences"], each["gold"]] for name, each in first.items()]


def grid(figures: Sequence[dict]) -> str:
    """A line for each system; for each projector a column for each set, and the mean."""
    sets = list(dict.fromkeys(each["set"] for each in figures))
    lines = []
    for system in dict.fromkeys(each["system"] for each in figures):
        mine = {each["set"]: each["f1"] for each in figures if each["system"] == system}
        cells = []
        for projector in PROJECTORS:
            values = [mine[name][projector] for name in sets]
            cells.append(" ".join(map(short, values)) + f" **{short(np.mean(values))}**")
        lines.append([NAMES.get(system, system), *cells])
    return f"F1 on {', '.join(sets)}, and the mean in bold.\n\n" + table(["links of", *PROJECTORS], lines)


def system_line(each: dict) -> list[Any]:
    return [
        *name_of(each),
        each["links"],
        *(f"{each['f1'][projector]:.4f}" for projector in PROJECTORS),
        between(each["interval"][BASE]),
        *points(each["gain"][BASE]),
    ]


def evidence_line(each: dict) -> list[Any]:
    cells: list[Any] = [*name_of(each), f"{each['f1'][BASE]:.4f}"]
    for projector in (ADAPTED, EVIDENCE):
        cells += [f"{each['f1'][projector]:.4f}", *points(each["adds"][projector])]
    return cells


def name_of(each: dict) -> tuple[str, str]:
    return each["set"], NAMES.get(each["system"], each["system"])


def means(figures: Sequence[dict], main: Sequence[str]) -> list[str]:
    """The mean and the least gain of each system, over the sets with given links and over the others."""
    lines = []
    for system in dict.fromkeys(each["system"] for each in figures):
        for title, inside in (("with given links", True), ("shipped", False)):
            gains = [
                100 * each["gain"][BASE]["gain"]
                for each in figures
                if each["system"] == system and each["set"] != ALL and (each["set"] in main) == inside
            ]
            if gains and system != "statistical":
                lines.append(
                    [NAMES.get(system, system), title, len(gains), f"{np.mean(gains):+.2f}", f"{min(gains):+.2f}"]
                )
    return ["Gains over the sets:", table(["links of", "sets", "number", "mean", "least"], lines)]


def points(found: dict[str, float]) -> tuple[str, str]:
    """A difference in F1 points, in bold where its interval is without 0, and that interval."""
    gain, low, high = (100 * found[name] for name in ("gain", "low", "high"))
    mark = "**" if low > 0 or high < 0 else ""
    return f"{mark}{gain:+.1f}{mark}", f"{low:+.1f} to {high:+.1f}"


def between(interval: Sequence[float]) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}"


def short(value: float) -> str:
    return f"{value:.4f}".lstrip("0")
