"""The figures of the studies as SVG and PNG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import COLORS, HATCHES, MARKERS, STYLE, save
from spacy_xproj.compat import require

from .sizes import TEACHER

ROUTES = {"model": 0, "teacher-student": 2, "projection": 3, "both": 1, "gold": 6}  # color by the method's first word


def draw(found: dict[int, dict[str, Any]], folder: Path) -> list[Path]:
    """Draw those of the studies that there are.

    found (dict): What each `study-N.json` holds, by N.
    folder (Path): Where they are written to.
    RETURNS (list of Path): The files.
    RAISES (XprojError): If matplotlib is not installed.
    """
    matplotlib = require("matplotlib", "Drawing the figures", "matplotlib>=3.8")
    files: list[Path] = []
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
        for number, name, title in (
            (1, "routes", "F1 by route"),
            (2, "sources", "F1 by how the sources are combined"),
            (4, "domains", "F1 where the domain changes"),
        ):
            for k, each in enumerate(found.get(number, {}).get("settings", ()), 1):
                heading = f"{title}: {each['setting']}"
                size = (9, 1.6 + 0.32 * len(each["methods"]) * len(next(iter(each["methods"].values()))))
                files += save(folder / f"{name}-{k}", size, lambda ax, e=each, t=heading: bars(ax, e["methods"], t))
        if 3 in found:
            for key, label in (
                ("words_a_second", "Words a second of CPU time, one thread"),
                ("parameters", "Parameters"),
            ):
                rows = found[3]["sizes"]
                name = "speed" if key == "words_a_second" else "size"
                files += save(folder / name, (8, 5), lambda ax, k=key, t=label, r=rows: front(ax, r, k, t))
    return files


def bars(ax, methods: dict[str, dict[str, Any]], title: str) -> None:
    """F1 of each method, with its interval and a point for each seed; a bar for each test."""
    tests = list(next(iter(methods.values())))
    height = 0.8 / len(tests)
    for j, test in enumerate(tests):
        for k, (name, by) in enumerate(methods.items()):
            each, place = by[test], k + j * height
            low, high = (100 * x for x in each["interval"])
            value = 100 * each["f1"]
            ax.barh(
                place,
                value,
                height,
                color=COLORS[color] if (color := ROUTES.get(name.replace(",", " ").split()[0], 4)) else "#999999",
                hatch=HATCHES[j],
                alpha=0.75,
                edgecolor="black",
                linewidth=0.6,
            )
            ax.errorbar(value, place, xerr=[[max(value - low, 0)], [max(high - value, 0)]], color="black", capsize=2)
            ax.plot([100 * x for x in each["seeds"]], [place] * len(each["seeds"]), "|", color="black", markersize=8)
    ax.set_yticks([k + (len(tests) - 1) * height / 2 for k in range(len(methods))], list(methods))
    ax.invert_yaxis()
    ax.set_xlim(0, 100)
    ax.figure.suptitle(title + (f"\n(from above: {'; '.join(tests)})" if len(tests) > 1 else ""))
    ax.set_xlabel("F1, span and label (%): mean and seeds, with 95 % intervals")
    ax.grid(True, axis="x")


def front(ax, rows: Sequence[dict[str, Any]], key: str, label: str) -> None:
    """F1 against what a student costs, and the Pareto front."""
    for k, each in enumerate(rows):
        low, high = (100 * x for x in each["interval"])
        value = 100 * each["f1"]
        ax.errorbar(
            each[key],
            value,
            yerr=[[max(value - low, 0)], [max(high - value, 0)]],
            marker="*" if each["name"] == TEACHER else MARKERS[k % len(MARKERS)],
            markersize=11 if each["name"] == TEACHER else 7,
            color=COLORS[k % len(COLORS)],
            linestyle="",
            capsize=2,
            label=f"{each['name']} ({each['parameters'] / 1e6:.2f} M)",
        )
    best = sorted((each[key], 100 * each["f1"]) for each in rows if each[f"front_{key}"])
    ax.plot(*zip(*best), color="black", linestyle="--", linewidth=1, label="Pareto front")
    ax.set_xscale("log")
    ax.set_xlabel(label)
    ax.set_ylabel("F1, span and label (%), mean of the seeds")
    ax.set_title("F1 against " + ("speed" if key == "words_a_second" else "size"))
    ax.grid(True)
    ax.figure.legend(ncols=2, loc="outside lower center", frameon=False, fontsize="small")
