"""The command line: `xproj VERB`, `python -m spacy xproj VERB` and `python -m spacy_xproj VERB` are one typer app."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from spacy.cli._util import app as spacy_app

from .. import __version__
from .card import card_cli
from .common import handle_errors, runs_pipelines
from .config import config_cli
from .convert import convert_cli, validate_cli
from .evaluate import evaluate_cli
from .init import init_cli
from .inspect import inspect_cli
from .memory import memory_cli
from .pair import pair_cli
from .project import fit_cli, project_cli
from .prune import prune_cli
from .review import app as review_app
from .selftrain import selftrain_cli
from .split import split_cli
from .teach import teach_cli
from .translate import translate_cli
from .tune import tune_cli
from .vectors import vectors_cli
from .verbosity import VERBOSITY

app = typer.Typer(name="xproj", help="Cross-lingual named-entity recognition by projection.", no_args_is_help=True)
# Unknown options are config values, as for `spacy train`.
OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True}


def show_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        print(f"spacy-xproj {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show errors and warnings only.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show where an error came from, and how long each pipe took.")
    ] = False,
    log: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="Add a line of JSON for each shard that is made to a file.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Cross-lingual named-entity recognition by projection."""
    VERBOSITY.quiet, VERBOSITY.verbose, VERBOSITY.log = quiet, verbose, log


app.command("init")(handle_errors(init_cli))
app.command("convert")(handle_errors(runs_pipelines(convert_cli)))
app.command("validate")(handle_errors(validate_cli))
app.command("pair")(handle_errors(runs_pipelines(pair_cli)))
app.command("translate", context_settings=OVERRIDES)(handle_errors(runs_pipelines(translate_cli)))
app.command("project", context_settings=OVERRIDES)(handle_errors(runs_pipelines(project_cli)))
app.command("evaluate", context_settings=OVERRIDES)(handle_errors(runs_pipelines(evaluate_cli)))
app.command("inspect")(handle_errors(runs_pipelines(inspect_cli)))
app.command("teach", context_settings=OVERRIDES)(handle_errors(runs_pipelines(teach_cli)))
app.command("selftrain", context_settings=OVERRIDES)(handle_errors(runs_pipelines(selftrain_cli)))
app.command("fit", context_settings=OVERRIDES)(handle_errors(runs_pipelines(fit_cli)))
app.command("memory")(handle_errors(memory_cli))
app.command("split")(handle_errors(split_cli))
app.command("tune")(handle_errors(runs_pipelines(tune_cli)))
app.command("prune")(handle_errors(prune_cli))
app.command("vectors")(handle_errors(vectors_cli))
app.command("card")(handle_errors(card_cli))
app.command("config")(handle_errors(config_cli))
app.add_typer(review_app)

# The entry point `spacy_cli` only makes spaCy import this module.
spacy_app.add_typer(app)


def main() -> None:
    """The entry point of the console script `xproj`."""
    app(prog_name="xproj")
