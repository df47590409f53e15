"""What the verbs share: errors, warnings and what a run counts, as messages; a bar of progress."""

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from catalogue import RegistryError
from click import NoSuchOption
from confection import ConfigValidationError
from tqdm import tqdm
from wasabi import msg

from ..codes import language_name, normalize_code
from ..errors import XprojError
from ..files import read_note
from ..runs.pipelines import is_single
from ..runs.shards import Progress

Labels = Annotated[str, typer.Option(help="Keep the entities with these labels alone, such as PER,LOC,ORG.")]
LabelMap = Annotated[
    str,
    typer.Option(
        metavar="FILE_OR_PAIRS",
        help="Other names for labels, which --labels then goes by: PERSON=PER,GPE=LOC,NORP= (left out), or a file.",
    ),
]

SourceModel = Annotated[
    Optional[str],
    typer.Option(
        metavar="NAME_OR_PATH",
        help="Label the source by this: an installed spaCy pipeline, the folder of one or of a token classifier.",
    ),
]

LANGUAGES = {"lang", "source_lang"}  # the parameters of verbs that are language codes


def handle_errors(verb: Callable) -> Callable:
    """Make what the user can mend one message and exit code 1, and a warning of this package a message.
    Give the verb its language codes in their normal form."""

    @functools.wraps(verb)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("always", module="spacy_xproj")
            warnings.showwarning = functools.partial(_show_warning, warnings.showwarning)
            try:
                verb(*args, **{name: _code(value) if name in LANGUAGES else value for name, value in kwargs.items()})
            except (XprojError, ConfigValidationError, RegistryError, OSError) as err:
                msg.fail(str(err), exits=1)
            except NoSuchOption as err:  # from spaCy, and not of the click that newer versions of typer bring along
                msg.fail(err.format_message())
                raise SystemExit(2) from None

    return wrapper


def _code(code: Optional[str]) -> Optional[str]:
    """The normal form of a language code that an option gives. If it was spelled otherwise, say so."""
    if code is None:
        return None
    normal = normalize_code(code)
    if normal != code:
        msg.info(f"Language {code} → {normal}" + (f" ({language_name(normal)})" if language_name(normal) else ""))
    return normal


def _show_warning(other: Callable, message: Any, category: Any, filename: str, *rest: Any, **more: Any) -> None:
    if "spacy_xproj" in filename:
        msg.warn(str(message))
    else:
        other(message, category, filename, *rest, **more)


@contextmanager
def progress_bar(out: Path) -> Iterator[Progress]:
    """Show how much of an output is written.

    out (Path): The output.
    YIELDS (Progress): To be called with the numbers of finished and of all shards or Docs.
    """
    with tqdm(unit="doc" if is_single(out) else "shard") as bar:

        def update(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        yield update


def show_fitted(out: Path) -> None:
    """Say which pipes were fitted for an output."""
    note = read_note(f"{out}.fitted")
    if note and note["fitted"]:
        msg.info(f"Fitted {', '.join(note['fitted'])}: {out}.fitted")


def show_counts(counts: dict[str, int]) -> None:
    """Show counts as a table, by name."""
    if counts:
        msg.table([(k.replace("_", " "), v) for k, v in sorted(counts.items())], aligns=("l", "r"))
