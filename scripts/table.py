"""Put score files side by side: a table on the screen, in Markdown and as JSON."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from wasabi import msg

from spacy_xproj.cli.common import handle_errors
from spacy_xproj.errors import XprojError
from spacy_xproj.files import replacing, write_json


def make_rows(scores: dict[str, dict], reference: str = "") -> list[dict[str, Any]]:
    """One row a system: precision, recall, F1, F1 over that of the reference, and F1 by label. Of several seeds also
    how good the labels are that they learnt from, the interval over the Docs, and the lowest and highest seed."""
    labels = sorted({label for s in scores.values() for label in s["ents_per_type"]})
    rows = []
    for name, s in scores.items():
        row = {"system": name, **({"labels": s["labels_f"]} if "labels_f" in s else {})}
        row |= {"P": s["ents_p"], "R": s["ents_r"], "F1": s["ents_f"]}
        if "ents_f_seeds" in s:
            row |= {"95 %": spread(s["ents_f_interval"]), f"{len(s['ents_f_seeds'])} seeds": spread(s["ents_f_seeds"])}
        if reference:
            best = scores[reference]["ents_f"]
            row[f"F1 / {reference}"] = s["ents_f"] / best if best else 0.0
        rows.append({**row, **{label: s["ents_per_type"].get(label, {"f": 0.0})["f"] for label in labels}})
    return rows


def spread(values: list[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f}"


def markdown(header: list[str], cells: list[list[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "".join("| " + " | ".join(row) + " |\n" for row in (header, rule, *cells))


@handle_errors
def main(
    output: Annotated[Path, typer.Argument(help="Table to write, .json; a .md is written beside it.")],
    systems: Annotated[list[str], typer.Argument(help="NAME=SCORES.json, one or more.")],
    reference: Annotated[str, typer.Option(help="The system that the others are compared with.")] = "",
) -> None:
    pairs = [system.partition("=") for system in systems]
    scores = {name: json.loads(Path(path).read_text(encoding="utf-8")) for name, _, path in pairs}
    if reference and reference not in scores:
        raise XprojError(f"Expected the reference to be one of {', '.join(scores)}, got {reference!r}.")
    rows = make_rows(scores, reference)
    header = list(rows[0])
    cells = [[f"{v:.3f}" if isinstance(v, float) else v for v in row.values()] for row in rows]
    write_json(output, {"rows": rows})
    with replacing(output.with_suffix(".md")) as beside:
        beside.write_text(markdown(header, cells), encoding="utf-8")
    msg.table(cells, header=header, divider=True, aligns=["l"] + ["r"] * (len(header) - 1))


if __name__ == "__main__":
    typer.run(main)
