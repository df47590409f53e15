"""What the verbs share: errors, warnings and what a run counts, as messages; a bar of progress."""

import errno
import functools
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from catalogue import RegistryError
from click import NoSuchOption
from confection import ConfigValidationError
from wasabi import msg

from ..codes import language_name, normalize_code
from ..errors import XprojError
from ..files import read_note
from ..programs import allowing_programs
from ..progress import Seconds, listening
from ..runs.pipelines import is_single
from ..runs.shards import Progress
from .verbosity import BAR, VERBOSITY, muted, shard_log

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

License = Annotated[
    Optional[str], typer.Option("--license", "--licence", help="License of the data, which follows them.")
]

Sentences = Annotated[
    bool, typer.Option("--sentences", help="Find the sentences of documents, by punctuation, and align them.")
]

MaxFit = Annotated[int, typer.Option(min=1, help="Docs to fit on at most: a sample of a larger input.")]

AllowPrograms = Annotated[
    bool, typer.Option("--allow-programs", help="Let the config name a program to run, such as another Apertium.")
]

LANGUAGES = {"lang", "source_lang"}  # the parameters of verbs that are language codes

INTERRUPTED = 130  # what shells give for a program that Ctrl-C ended


def handle_errors(verb: Callable) -> Callable:
    """Make what the user can mend one message and exit code 1, a warning a message, and an interrupt one that says how
    to go on. Give the verb its language codes in their normal form."""

    @functools.wraps(verb)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        seconds: Optional[Seconds] = defaultdict(float) if VERBOSITY.verbose else None
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("always", module="spacy_xproj")
            warnings.showwarning = functools.partial(_show_warning, warnings.showwarning)
            if VERBOSITY.quiet:
                stack.enter_context(muted())
            stack.callback(BAR.close)
            try:
                log = stack.enter_context(shard_log(verb.__name__.removesuffix("_cli")))
                stack.enter_context(listening(BAR, seconds, log))
                verb(*args, **{name: _code(value) if name in LANGUAGES else value for name, value in kwargs.items()})
            except (XprojError, ConfigValidationError, RegistryError, OSError) as err:
                BAR.close()
                if VERBOSITY.verbose:
                    traceback.print_exc()
                msg.fail(_disk_problem(err) if isinstance(err, OSError) else str(err), exits=1)
            except NoSuchOption as err:  # from spaCy, and not of the click that newer versions of typer bring along
                msg.fail(err.format_message())
                raise SystemExit(2) from None
            except KeyboardInterrupt as err:
                BAR.close()
                msg.warn(str(err) or "Stopped. The same command begins anew.")
                raise SystemExit(INTERRUPTED) from None
            if seconds:
                rows = [(name, f"{value:.1f}") for name, value in seconds.items()]
                msg.table(rows, header=("pipe", "seconds"), aligns=("l", "r"), divider=True)

    return wrapper


def _disk_problem(err: OSError) -> str:
    """What a person can do about an error of the disk."""
    place = f"{err.filename}: " if err.filename else ""
    if err.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{place}the disk is full. What is finished stays. Make room, and run the same command once more."
    if err.errno == errno.EROFS:
        return f"{place}this disk cannot be written to. Give another place for what is written."
    return str(err)


def runs_pipelines(verb: Callable) -> Callable:
    """Give a verb, which loads a pipeline or a config, the option --allow-programs."""

    @functools.wraps(verb)
    def wrapper(*args: Any, allow_programs: bool = False, **kwargs: Any) -> None:
        with allowing_programs() if allow_programs else nullcontext():
            verb(*args, **kwargs)

    option = Parameter("allow_programs", Parameter.KEYWORD_ONLY, default=False, annotation=AllowPrograms)
    known = signature(verb)
    wrapper.__signature__ = known.replace(parameters=[*known.parameters.values(), option])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {**verb.__annotations__, option.name: AllowPrograms}
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
    if "spacy_xproj" in filename or category is UserWarning:
        BAR.close()
        msg.warn(str(message))
    else:
        other(message, category, filename, *rest, **more)


@contextmanager
def progress_bar(out: Path) -> Iterator[Progress]:
    """Show how much of an output is written.

    out (Path): The output.
    YIELDS (Progress): To be called with the numbers of finished and of all shards or Docs.
    """
    yield lambda done, total: BAR("", done, total, unit="docs" if is_single(out) else "shards")
    BAR.close()


def show_fitted(out: Path) -> None:
    """Say which pipes were fitted for an output."""
    note = read_note(f"{out}.fitted")
    if note and note["fitted"]:
        msg.info(f"Fitted {', '.join(note['fitted'])}{sample_of(note)}: {out}.fitted")


def sample_of(note: dict[str, Any]) -> str:
    """Return words that say how large the sample was that something was fitted on, or "" if it was all."""
    sizes = note.get("fitted_on")
    return f" on a sample of {sizes['docs']:,} of {sizes['of']:,} Docs" if sizes else ""


def show_labels(found: dict[str, dict[str, int]]) -> None:
    """Show what was counted by label as a table. See `by_label`."""
    if found:
        kinds = list(next(iter(found.values())))
        header = ("label", *(kind.replace("_", " ") for kind in kinds))
        msg.table(
            [(label, *(row[kind] for kind in kinds)) for label, row in found.items()],
            header=header,
            aligns=["l"] + ["r"] * len(kinds),
            divider=True,
        )


def show_counts(counts: dict[str, int]) -> None:
    """Show counts as a table, by name."""
    if counts:
        msg.table([(k.replace("_", " "), v) for k, v in sorted(counts.items())], aligns=("l", "r"))
