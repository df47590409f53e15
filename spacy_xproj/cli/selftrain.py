"""`xproj selftrain`: teachers label raw text, a student learns from them, and is the next round's teacher."""

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from spacy.cli._util import parse_config_overrides
from wasabi import msg

from ..labels import LabelFilter
from ..runs.selftrain import self_train
from .common import LabelMap, Labels
from .verbosity import VERBOSITY


def selftrain_cli(
    ctx: typer.Context,
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="Target text.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the rounds and the best student.")],
    config: Annotated[Path, typer.Option(help="Training config of the student.")],
    teachers: Annotated[Path, typer.Option(help="Config or saved pipeline with xproj_teacher.")],
    dev: Annotated[Optional[Path], typer.Option(help="Gold to score by. None: texts that are held out.")] = None,
    extra: Annotated[Optional[Path], typer.Option(help="Labeled Docs to learn from besides.")] = None,
    held_out: Annotated[float, typer.Option(help="Share of texts to hold out, without --dev.")] = 0.1,
    rounds: Annotated[int, typer.Option(min=1, help="Largest number of rounds.")] = 3,
    min_gain: Annotated[float, typer.Option(help="Least gain in F1, from 0 to 1, that is one.")] = 0.0,
    patience: Annotated[int, typer.Option(min=1, help="Rounds without gain before it ends.")] = 1,
    lang: Annotated[Optional[str], typer.Option(help="Target language.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Number of texts to read. 0: all.")] = 0,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU to train on. -1: CPU.")] = -1,
    labels: Labels = "",
    label_map: LabelMap = "",
) -> None:
    """Train students in rounds, each on what the last one labels. Values of the student's config can be given as
    --section.name VALUE, as for 'spacy train'."""
    options: dict[str, Any] = {"dev": dev, "extra": extra, "held_out": held_out, "rounds": rounds, "min_gain": min_gain}
    options |= {"patience": patience, "lang": lang, "limit": limit, "use_gpu": gpu_id, "progress": not VERBOSITY.quiet}
    options["labels"] = LabelFilter.parse(labels, label_map)
    done = self_train(raw, config, teachers, out, overrides=parse_config_overrides(ctx.args), **options)
    rows = [(r["round"], r["teacher"], r["docs"], *(f"{r[n] or 0:.3f}" for n in NAMES)) for r in done.rounds]
    msg.table(rows, header=("round", "teacher", "texts", "P", "R", "F"), aligns=["r", "l", *"rrrr"], divider=True)
    if done.reason == "patience":
        msg.info("The score does not rise any more.")
    if not done.new:
        msg.info("All rounds had been finished before.")
    msg.good(f"The best student is that of round {done.best}: {done.model}")


NAMES = ("ents_p", "ents_r", "ents_f")
