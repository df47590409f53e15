"""xproj config: the configs that come with the package."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from wasabi import msg

from ..shipped import describe, shipped_configs, write_config


def config_cli(
    name: Annotated[Optional[str], typer.Argument(help="Name of the config. Without it, all are listed.")] = None,
    out: Annotated[Optional[Path], typer.Argument(help="Where to write it.")] = None,
) -> None:
    """Write a config that comes with the package as a file, or list them all. The other verbs find them by name."""
    if name is None:
        msg.table([(known, describe(known)) for known in shipped_configs()])
        return
    if out is None:
        raise typer.BadParameter("Give OUT too: where to write the config.", param_hint="OUT")
    write_config(name, out)
    msg.good(f"Wrote {out}")
