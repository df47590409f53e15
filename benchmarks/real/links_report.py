"""The figures of `benchmarks.real.links`, which are plain data, as Markdown."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..common import table

NAMES = {"statistical": "`Statistical.v1`", "ensemble": "both"}
PROJECTORS = ("published heuristic", "published greedy", "Links.v1", "Ranker.v1")


def report(found: dict[str, Any]) -> str:
    """All as Markdown.

    found (dict): What `links.json` holds.
    """
    figures, main = found["figures"], found["main"]
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    chosen = found["chosen"]
    parts = [
        "# Word links of a trained encoder",
        f"`python -m benchmarks.real.links --weights weights`; {versions}; multilingual-e5-small, float32 on the CPU. "
        "Strict F1 of span and label, 95 % intervals by bootstrap over sentences (seed 0), differences by the paired "
        "one. Nothing else is drawn at random. The weights of `Ranker.v1` saw nothing of the language pair. "
        "`Statistical.v1` is fitted on the lines that it aligns, and so are statistics and lexicon of `Ranker.v1`, "
        "without gold.",
        data(figures),
        "## Layers and methods of `Embedding.v1`",
        grid([each for each in figures if each["set"] in main]),
        f"## {chosen}, `Statistical.v1` and both",
        "Gain: F1 points of `Ranker.v1` over `Ranker.v1` on links of `Statistical.v1`. Figures in bold have an "
        "interval without 0.",
        systems([each for each in figures if each["system"] in (*NAMES, chosen)]),
        means(figures, main, chosen),
    ]
    return "\n\n".join(parts) + "\n"


def data(figures: Sequence[dict]) -> str:
    """The sets, their sizes, and the links of each system that is measured on all of them."""
    sets = list(dict.fromkeys(each["set"] for each in figures))
    first = {name: next(each for each in figures if each["set"] == name) for name in sets}
    return table(
        ["set", "sentence pairs", "gold target spans"],
        [[name, each["sentences"], each["gold"]] for name, each in first.items()],
    )


def grid(figures: Sequence[dict]) -> str:
    """A line for each layer and method and one for `Statistical.v1`; a column for each set, and the mean."""
    sets = list(dict.fromkeys(each["set"] for each in figures))
    lines = []
    for system in dict.fromkeys(each["system"] for each in figures):
        mine = {each["set"]: each for each in figures if each["system"] == system}
        if len(mine) == len(sets):
            cells = ["; ".join(short(mine[name]["f1"][p]) for p in PROJECTORS) for name in sets]
            mean = "; ".join(short(np.mean([mine[name]["f1"][p] for name in sets])) for p in PROJECTORS)
            lines.append([NAMES.get(system, system), *cells, mean])
    title = "F1 of: " + "; ".join(PROJECTORS) + "."
    return f"{title}\n\n" + table(["links", *sets, "mean"], lines)


def systems(figures: Sequence[dict]) -> str:
    header = ["set", "links of", "links", *PROJECTORS, "95 %", "gain", "gain, 95 %"]
    return table(header, [line(each) for each in figures])


def line(each: dict) -> list[Any]:
    low, high = each["interval"]
    return [
        each["set"],
        NAMES.get(each["system"], each["system"]),
        each["links"],
        *(f"{each['f1'][projector]:.4f}" for projector in PROJECTORS),
        f"{low:.3f} to {high:.3f}",
        *([""] * 2 if each["system"] == "statistical" else points(each["gain"])),
    ]


def points(found: dict[str, float]) -> tuple[str, str]:
    """A difference in F1 points, in bold where its interval is without 0, and that interval."""
    gain, low, high = (100 * found[name] for name in ("gain", "low", "high"))
    mark = "**" if low > 0 or high < 0 else ""
    return f"{mark}{gain:+.1f}{mark}", f"{low:+.1f} to {high:+.1f}"


def means(figures: Sequence[dict], main: Sequence[str], chosen: str) -> str:
    """The mean and the least gain, over the sets with given links and over the others."""
    sentences = []
    for system in (chosen, "ensemble"):
        for title, inside in (("the sets with given links", True), ("the shipped sets", False)):
            gains = [
                100 * each["gain"]["gain"]
                for each in figures
                if each["system"] == system and (each["set"] in main) == inside
            ]
            if gains:
                what = f"Links of {NAMES.get(system, system)}, {title}"
                sentences.append(f"{what}: mean gain {np.mean(gains):+.2f}, least {min(gains):+.2f}.")
    return " ".join(sentences)


def short(value: float) -> str:
    return f"{value:.4f}".lstrip("0")
