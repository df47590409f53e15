"""`xproj fit`: writes a pipeline with everything fitted."""

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from spacy.cli._util import parse_config_overrides
from wasabi import msg

from ..errors import XprojError
from ..fitting import fit as fit_pipeline
from .common import Corpus, PathLike, load_pipeline, save_pipeline


def fit(
    bitext: PathLike,
    out: PathLike,
    config: PathLike,
    lang: Optional[str] = None,
    source_lang: str = "en",
    overrides: Optional[dict[str, Any]] = None,
) -> list[str]:
    """Fit a pipeline on a bitext and save it.

    bitext (str or Path): Target Docs with payload, or a .tsv of source<TAB>target lines.
    out (str or Path): The folder to write: new, or a pipeline saved before.
    config (str or Path): A `configs/project_*.cfg`, or a saved pipeline.
    lang, source_lang (str): The languages.
    overrides (Optional[dict[str, Any]]): Config values by dotted name.
    RETURNS (list of str): The pipes that were fitted.
    RAISES (XprojError): If the input cannot be used, or there is nothing to fit.
    """
    out = Path(out)
    if out.exists() and any(out.iterdir()) and not (out / "meta.json").exists():
        raise XprojError(f"{out} is not empty and is no pipeline. Give another folder.")
    nlp = load_pipeline(config, lang, overrides)
    fitted = fit_pipeline(nlp, Corpus(bitext, nlp, source_lang=source_lang))
    save_pipeline(nlp, out)
    return fitted


def fit_cli(
    ctx: typer.Context,
    bitext: Annotated[Path, typer.Argument(metavar="BITEXT", help="Docs with payload, or a .tsv bitext.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the pipeline.")],
    config: Annotated[Path, typer.Option(help="Config, or saved pipeline.")],
    lang: Annotated[Optional[str], typer.Option(help="Target language.")] = None,
    source_lang: Annotated[str, typer.Option(help="Source language of a .tsv.")] = "en",
) -> None:
    """Write a pipeline with everything fitted on a bitext."""
    fitted = fit(bitext, out, config, lang, source_lang, parse_config_overrides(ctx.args))
    if not fitted:
        msg.warn("Nothing in this pipeline was left to fit.")
    msg.good(f"Saved to {out}; fitted: {', '.join(fitted) or 'nothing'}")
