"""How right soft labels are, held against gold that no teacher and no student saw: a table, JSON and plots."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import spacy
import srsly
import typer
from spacy.scorer import PRFScore
from spacy.tokens import Doc
from wasabi import msg

from spacy_xproj.cli.common import handle_errors
from spacy_xproj.compat import require
from spacy_xproj.corpus import read_docs
from spacy_xproj.errors import XprojError
from spacy_xproj.evaluate.calibration import calibration_error, reliability
from spacy_xproj.evaluate.spans import entities
from spacy_xproj.files import replacing, write_json

BINS = 10
STYLE = {"svg.hashsalt": "spacy_xproj", "svg.fonttype": "none", "axes.spines.top": False, "axes.spines.right": False}


def pairs(path: Path, gold: dict[str, Doc]) -> Iterator[tuple[Doc, Doc]]:
    """The Docs with soft labels, each with the gold Doc of the same text and tokens."""
    for doc in read_docs(path, spacy.blank("xx")):
        other = gold.get(doc.text.strip())
        if other is not None and [t.text for t in other] == [t.text for t in doc]:
            yield doc, other


def measure(path: Path, gold: dict[str, Doc]) -> dict[str, Any]:
    """How right the soft labels of one file are.

    path (Path): Docs with soft labels.
    gold (dict[str, Doc]): Gold Docs by their text.
    RETURNS (dict): Entities by the most probable valid tags (`ents_p`, `ents_r`, `ents_f`), the mean `entropy` of a
        token in bits, the share of `masked` tokens, and for ten equal steps of the highest probability of a token how
        many there are and how often its tag is right (`reliability`), with their mean distance (`calibration_error`).
    """
    score, entropy, masked, tokens, docs = PRFScore(), 0.0, 0, 0, 0
    sure: list[np.ndarray] = []
    right: list[np.ndarray] = []
    for doc, other in pairs(path, gold):
        soft = doc._.xproj_soft
        if soft is None:
            raise XprojError(f"{path}: a Doc has no soft labels. Make them with 'xproj teach'.")
        probs, known = soft.probs.astype("f8"), soft.known
        found = {entity[:3] for entity in soft.entities(doc)}
        score.score_set(found, set(entities(other)))
        entropy -= float((probs * np.log2(np.maximum(probs, 1e-12))).sum())
        wanted = [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type else "O" for t in other]
        sure.append(probs.max(1)[known])
        right.append(np.array([soft.labels[k] == tag for k, tag in zip(probs.argmax(1), wanted)], bool)[known])
        docs, tokens, masked = docs + 1, tokens + len(doc), masked + int((~known).sum())
    if not tokens:
        raise XprojError(f"{path}: none of its texts is in the gold file with the same tokens.")
    bins = reliability(np.concatenate(sure), np.concatenate(right), BINS)
    return {
        "docs": docs,
        "ents_p": score.precision,
        "ents_r": score.recall,
        "ents_f": score.fscore,
        "entropy": entropy / tokens,
        "masked": masked / tokens,
        "calibration_error": calibration_error(bins),
        "reliability": [[each.spans, each.score, each.precision] for each in bins if each.spans],
    }


def draw(found: dict[str, dict], scores: list[dict], output: Path) -> list[Path]:
    """Draw how often tags are right by how sure the teachers are, and the F1 of all systems.

    RETURNS (list of Path): The files, SVG and PNG.
    RAISES (XprojError): If matplotlib is not installed.
    """
    matplotlib = require("matplotlib", "Drawing the plots", "spacy-xproj[benchmark]")

    def draw_reliability(ax: Any) -> None:
        ax.plot([0, 1], [0, 1], color="#999999", linestyle=":")
        for name, marker in zip(found, "os^Dv"):
            rows = np.array(found[name]["reliability"])
            ax.plot(rows[:, 1], rows[:, 2], marker=marker, label=name)
        ax.set(xlabel="Probability of the most probable tag", ylabel="How often it is right", title="Soft labels")
        ax.legend()

    def bars(ax: Any) -> None:
        ax.barh([row["system"] for row in scores], [row["F1"] for row in scores], color="#56B4E9", edgecolor="black")
        ax.invert_yaxis()
        ax.set(xlabel="F1 of entities on the test split", title="Teachers and students")

    files = []
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
        for name, fill in (("reliability", draw_reliability), ("f1", bars))[: 2 if scores else 1]:
            files += save(output.with_suffix(f".{name}"), fill)
    return files


def save(path: Path, fill: Callable[[Any], None]) -> list[Path]:
    """One figure in both formats, without date: the same bytes in every run."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    fill(figure.add_subplot())
    files = []
    for kind, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
        files.append(path.with_name(f"{path.name}.{kind}"))
        with replacing(files[-1]) as beside:
            figure.savefig(beside, format=kind, dpi=150, metadata=metadata)
    return files


@handle_errors
def main(
    gold: Annotated[Path, typer.Argument(help="Gold Docs of the same texts.")],
    output: Annotated[Path, typer.Argument(help="Numbers to write, .json; a table and the plots come beside it.")],
    teachers: Annotated[list[str], typer.Argument(help="NAME=SOFT.spacy, one or more.")],
    scores: Annotated[Optional[Path], typer.Option(help="A table of scripts/table.py to plot, .json.")] = None,
) -> None:
    docs = {doc.text.strip(): doc for doc in read_docs(gold, spacy.blank("xx"))}
    named = [teacher.partition("=") for teacher in teachers]
    found = {name: measure(Path(path), docs) for name, _, path in named}
    write_json(output, found)
    header = ["soft labels of", "P", "R", "F1", "entropy, bits", "calibration error", "masked"]
    keys = ("ents_p", "ents_r", "ents_f", "entropy", "calibration_error", "masked")
    cells = [[name, *(f"{row[key]:.3f}" for key in keys)] for name, row in found.items()]
    with replacing(output.with_suffix(".md")) as beside:
        rule = ["---"] + ["---:"] * len(keys)
        beside.write_text("".join(f"| {' | '.join(row)} |\n" for row in (header, rule, *cells)), encoding="utf-8")
    msg.table(cells, header=header, divider=True, aligns=["l"] + ["r"] * len(keys))
    try:
        for path in draw(found, srsly.read_json(scores)["rows"] if scores else [], output):
            msg.good(str(path))
    except XprojError as err:  # the numbers are there without
        msg.warn(f"No plots: {err}")


if __name__ == "__main__":
    typer.run(main)
