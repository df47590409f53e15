"""`xproj tune`: fine-tunes an encoder on parallel text without labels."""

from pathlib import Path
from typing import Annotated, Any

import typer
from wasabi import msg

from ..runs.tune import DEFAULTS, TuningSettings, tune


def tune_cli(
    bitext: Annotated[Path, typer.Argument(metavar="BITEXT", help="Docs with payload, or a .tsv bitext.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the model.")],
    model: Annotated[Path, typer.Option(help="Folder of the model to begin with.")],
    objectives: Annotated[str, typer.Option(help="Out of so, co, tlm, mlm, with commas.")] = ",".join(
        DEFAULTS.objectives
    ),
    steps: Annotated[int, typer.Option(min=0, help="Batches. 0: once through the text.")] = DEFAULTS.steps,
    layer: Annotated[int, typer.Option(min=1, help="Layer that so and co are about.")] = DEFAULTS.layer,
    threshold: Annotated[float, typer.Option(help="Probability of links that so goes by.")] = DEFAULTS.threshold,
    lr: Annotated[float, typer.Option(help="Highest learning rate.")] = DEFAULTS.lr,
    warmup: Annotated[float, typer.Option(help="Share of the steps in which it rises.")] = DEFAULTS.warmup,
    batch_tokens: Annotated[int, typer.Option(min=1, help="Sub-words a batch.")] = DEFAULTS.batch_tokens,
    max_length: Annotated[int, typer.Option(min=0, help="Longest sentence. 0: all.")] = DEFAULTS.max_length,
    mask: Annotated[float, typer.Option(help="Share of hidden sub-words.")] = DEFAULTS.mask,
    seed: Annotated[int, typer.Option(min=0, help="Of all chance.")] = DEFAULTS.seed,
    every: Annotated[int, typer.Option(min=1, help="Steps from one checkpoint to the next.")] = DEFAULTS.every,
    lang: Annotated[str, typer.Option(help="Target language of a .tsv.")] = "xx",
    source_lang: Annotated[str, typer.Option(help="Source language of a .tsv.")] = "en",
    limit: Annotated[int, typer.Option(min=0, help="Number of Docs to read. 0: all.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ..., or auto.")] = "auto",
) -> None:
    """Fine-tune an encoder for spacy_xproj.Embedding.v1 on parallel text without labels."""
    names = tuple(name.strip() for name in objectives.split(","))
    options: dict[str, Any] = {"steps": steps, "layer": layer, "threshold": threshold, "lr": lr, "warmup": warmup}
    options |= {"batch_tokens": batch_tokens, "max_length": max_length, "mask": mask, "seed": seed, "every": every}
    settings = TuningSettings(names, **options)
    done = tune(bitext, out, model, settings, lang, source_lang, limit, device)
    for reason, count in done.left_out.items():
        msg.warn(f"{count} sentence pairs were left out: {reason}.")
    if not done.new:
        msg.info(f"{out} is finished already; nothing was done.")
        return
    msg.good(f"Tuned on {done.pairs} sentence pairs in {done.steps} steps: {out}")
    losses = [name for name in done.history[-1] if name != "step"]
    rows = [(row["step"], *(f"{row[name]:.3f}" if name in row else "" for name in losses)) for row in done.history]
    msg.table(rows, header=("step", *losses), aligns=["r"] * (len(losses) + 1), divider=True)
