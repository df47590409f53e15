"""The figures of the quality benchmark as SVG and PNG: readable in black and white, and the same bytes in every run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from spacy_xproj.compat import require
from spacy_xproj.files import replacing

from .report import best_links

# Okabe and Ito (2008): told apart with any color vision. Dash, marker and hatch tell them apart without color.
COLORS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#D55E00", "#0072B2", "#CC79A7", "#F0E442")
DASHES = ("-", "--", "-.", ":")
MARKERS = "os^DvP*X"
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "", "++", "oo")
STYLE = {
    "svg.hashsalt": "spacy_xproj",  # identifiers in the SVG are random without
    "svg.fonttype": "none",  # text stays text, which can be searched and read aloud
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#CCCCCC",
    "hatch.linewidth": 0.6,
}
NO_DATE = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}


def draw(found: dict[str, Any], folder: Path) -> list[Path]:
    """Draw all figures.

    found (dict): What `quality.json` holds. Figures are of the first of its runs.
    folder (Path): Where they are written to, as `coverage`, `methods` and `weights`, each as SVG and PNG.
    RETURNS (list of Path): The files.
    RAISES (XprojError): If matplotlib is not installed.
    """
    matplotlib = require("matplotlib", "Drawing the figures", "matplotlib>=3.8")
    run = next(iter(found["runs"].values()))
    given = [entry for entry in run if entry["kind"] in ("given", "weak")] or run
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
        return [
            *save(folder / "coverage", (7, 5), lambda ax: coverage(ax, best_links(given))),
            *save(folder / "methods", (max(7, 1.5 * len(given) + 2), 5.5), lambda ax: methods(ax, given)),
            *save(folder / "weights", (7, 8), lambda ax: weights(ax, found["weights"][:25])),
        ]


def save(path: Path, size: tuple[float, float], fill: Callable) -> list[Path]:
    """One figure in both formats. It has no state in common with others, and needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    fill(figure.add_subplot())
    files = []
    for kind, metadata in NO_DATE.items():
        files.append(path.with_suffix(f".{kind}"))
        with replacing(files[-1]) as beside:
            figure.savefig(beside, format=kind, dpi=150, metadata=metadata)
    return files


def coverage(ax, entries: Sequence[dict]) -> None:
    """Precision of the highest-scored spans by the share that is kept: a line a set."""
    for k, entry in enumerate(entries):
        shares = [int(share) for share in entry["precision_at"]]
        ax.plot(
            shares,
            [100 * value for value in entry["precision_at"].values()],
            label=f"{entry['set']}, {entry['links']}",
            color=COLORS[k % len(COLORS)],
            linestyle=DASHES[k % len(DASHES)],
            marker=MARKERS[k % len(MARKERS)],
            markevery=(k % 10, 10),
        )
    ax.set_title("Precision of Ranker.v1 against coverage")
    ax.set_xlabel("Coverage: projected spans that are kept, highest score first (%)")
    ax.set_ylabel("Precision of the kept spans (%)")
    ax.grid(True)
    ax.legend(loc="lower left")


def methods(ax, entries: Sequence[dict]) -> None:
    """F1 of each method on each set with the links of each aligner, with 95 % intervals."""
    names = list(entries[0]["methods"])
    width = 0.85 / len(names)
    lowest = 100.0
    for k, name in enumerate(names):
        cells = [entry["methods"][name] for entry in entries]
        value = [100 * cell["f1"] for cell in cells]
        # rounding can put a value a hair outside its interval
        low = [max(v - 100 * cell["interval"][0], 0) for v, cell in zip(value, cells)]
        high = [max(100 * cell["interval"][1] - v, 0) for v, cell in zip(value, cells)]
        lowest = min(lowest, *(v - d for v, d in zip(value, low)))
        ax.bar(
            [place + (k - (len(names) - 1) / 2) * width for place in range(len(entries))],
            value,
            width,
            yerr=[low, high],
            label=name,
            color=COLORS[k % len(COLORS)] if k else "#999999",
            hatch=HATCHES[k % len(HATCHES)],
            edgecolor="black",
            linewidth=0.6,
            error_kw={"elinewidth": 1, "capsize": 2},
        )
    ax.set_ylim(max(0, 5 * (lowest // 5) - 5), 100)
    ax.set_xticks(range(len(entries)), [f"{entry['set']}\n{entry['links']}" for entry in entries])
    ax.set_title("F1 of projection by method and links, with 95 % bootstrap intervals")
    ax.set_xlabel("Set and links")
    ax.set_ylabel("F1, span and label (%); the axis does not begin at 0")
    ax.grid(True, axis="y")
    ax.figure.legend(ncols=3, loc="outside lower center", frameon=False)


def weights(ax, rows: Sequence[dict]) -> None:
    """The features that weigh most: for the candidate to the right, against it to the left."""
    value = [row["weight"] * row["deviation"] for row in rows][::-1]
    bars = ax.barh([row["feature"] for row in rows][::-1], value, edgecolor="black", linewidth=0.6)
    for bar, worth in zip(bars, value):
        bar.set(facecolor=COLORS[5] if worth > 0 else COLORS[1], hatch="" if worth > 0 else "///")
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_title("Weights of Ranker.v1: the features that count most")
    ax.set_xlabel("Weight · standard deviation of the feature (log odds)")
    ax.set_ylabel("Feature")
    ax.grid(True, axis="x")
