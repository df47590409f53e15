"""`xproj evaluate`: projects a source's entities onto the target's own tokens, and scores them against its gold."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from spacy.cli._util import parse_config_overrides
from wasabi import msg

from ..labels import LabelFilter
from ..runs.evaluate import evaluate
from .common import LabelMap, Labels, Sentences, show_counts, show_labels


def evaluate_cli(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Gold source side.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Gold target side, same sentences.")],
    config: Annotated[Path, typer.Option(help="Config, or saved pipeline.")],
    alignments: Annotated[Optional[Path], typer.Option(help="Word links (Pharaoh), a line a sentence pair.")] = None,
    lang: Annotated[Optional[str], typer.Option(help="Target language.")] = None,
    labels: Labels = "",
    label_map: LabelMap = "",
    output: Annotated[Optional[Path], typer.Option(help="Write the scores there, as JSON.")] = None,
    fit_on: Annotated[
        Optional[list[Path]], typer.Option(help="Bitext to fit on in place of the input; can be repeated.")
    ] = None,
    source_lang: Annotated[str, typer.Option(help="Source language.")] = "en",
    sentences: Sentences = False,
) -> None:
    """Project the source's entities onto the target's own tokens and score them against the target's gold. Config
    values can be given as --section.name VALUE, as for 'spacy train'."""
    overrides = parse_config_overrides(ctx.args)
    names = LabelFilter.parse(labels, label_map)
    given = (alignments, lang, names, output, fit_on or (), source_lang, overrides)
    found = evaluate(source, target, config, *given, sentences=sentences)
    rows = [(name, f"{value:.4f}") for name, value in found.items() if isinstance(value, float)]
    msg.table(rows, header=("score", "value"), aligns=("l", "r"), divider=True)
    per_type = [(name, *(f"{v[x]:.4f}" for x in "prf")) for name, v in found["ents_per_type"].items()]
    msg.table(per_type, header=("label", "P", "R", "F"), aligns=("l", "r", "r", "r"), divider=True)
    counts = ("correct", "incorrect", "partial", "missed", "spurious")
    matches = [
        (name, *(f"{v[x]:.4f}" for x in "prf"), *(v[x] for x in counts)) for name, v in found["ents_by_match"].items()
    ]
    msg.table(matches, header=("match", "P", "R", "F", *counts), aligns=["l"] + ["r"] * 8, divider=True)
    show_counts({f"error: {k}": v for k, v in found["errors"].items()})
    show_counts({f"not projected: {k}": v for k, v in found["not_projected"].items()})
    show_counts({f"note: {k}": v for k, v in found["notes"].items()})
    if found["doubtful"]:
        show_counts({"doubtful": found["doubtful"]})
    show_labels(found["by_label"])
    show_counts(found["input"])
