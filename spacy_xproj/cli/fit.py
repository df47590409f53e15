"""`xproj fit`: writes a pipeline with everything fitted."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from spacy.cli._util import parse_config_overrides
from wasabi import msg

from ..labels import LabelFilter
from ..runs.fit import fit
from .common import LabelMap, Labels, Sentences


def fit_cli(
    ctx: typer.Context,
    bitext: Annotated[Path, typer.Argument(metavar="BITEXT", help="Docs with payload, or a .tsv bitext.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the pipeline.")],
    config: Annotated[Path, typer.Option(help="Config, or saved pipeline.")],
    lang: Annotated[Optional[str], typer.Option(help="Target language.")] = None,
    source_lang: Annotated[str, typer.Option(help="Source language of a .tsv.")] = "en",
    labels: Labels = "",
    label_map: LabelMap = "",
    sentences: Sentences = False,
) -> None:
    """Write a pipeline with everything fitted on a bitext."""
    names = LabelFilter.parse(labels, label_map)
    overrides = parse_config_overrides(ctx.args)
    fitted = fit(bitext, out, config, lang, source_lang, overrides, labels=names, sentences=sentences).names
    if fitted:
        msg.good(f"Saved to {out}; fitted: {', '.join(fitted)}")
    else:
        msg.warn(f"Nothing was left to fit: all that learns is fitted, or has its links. {out} is a copy of {config}.")
