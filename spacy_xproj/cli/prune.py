"""`xproj prune`: an encoder with only the sub-words of a corpus."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..runs.prune import prune


def prune_cli(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of the model.")],
    corpus: Annotated[list[Path], typer.Argument(metavar="CORPUS...", help="Text or Docs, of any format.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the new model.")],
    lang: Annotated[str, typer.Option(help="Language of raw text, whose rules split it into words.")] = "xx",
    source_lang: Annotated[str, typer.Option(help="Language of the source of a .tsv.")] = "en",
) -> None:
    """Write an encoder with only the sub-words of a corpus. It gives the texts of the corpus the same vectors."""
    (pieces_before, pieces, weights_before, weights), new = prune(model, corpus, out, lang, source_lang)
    if not new:
        msg.info(f"{out} is finished already; nothing was done.")
    msg.good(
        f"{out}: {pieces:,} of {pieces_before:,} sub-words, {weights / 1e6:.1f} of {weights_before / 1e6:.1f} million "
        "weights"
    )
