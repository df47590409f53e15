"""`xproj card`: the meta of a package, with a model card."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from wasabi import msg

from ..runs.card import write_card


def card_cli(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a trained pipeline.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="The meta to write, .json.")],
    metrics: Annotated[Optional[Path], typer.Option(help="What 'spacy evaluate --output' wrote.")] = None,
    scored_on: Annotated[str, typer.Option(help="What data these scores are on, in words.")] = "",
    projection: Annotated[Optional[Path], typer.Option(help="What 'xproj inspect --report' wrote.")] = None,
    description: Annotated[str, typer.Option(help="One sentence on the pipeline.")] = "",
    author: Annotated[str, typer.Option(help="Who made it.")] = "",
    email: Annotated[str, typer.Option(help="The author's address.")] = "",
    url: Annotated[str, typer.Option(help="The author's site.")] = "",
    license: Annotated[str, typer.Option("--license", "--licence", help="License of the package.")] = "",
) -> None:
    """Write the meta from which 'spacy package MODEL OUT --meta-path FILE' makes the model card: scores, licenses of
    the data, yield and calibration of the projection."""
    about = {"description": description, "author": author, "email": email, "url": url, "license": license}
    meta = write_card(model, output, metrics=metrics, scored_on=scored_on, report=projection, about=about)
    msg.good(f"Meta: {output}")
    empty = [name for name in ("author", "license") if not meta.get(name)]
    if empty:
        msg.warn(f"The card has no {' and no '.join(empty)}: {', '.join(f'--{name}' for name in empty)}.")
