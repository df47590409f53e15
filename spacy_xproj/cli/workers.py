"""The options of the verbs whose shards other processes can make, and what is said of Docs that were set aside."""

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from wasabi import msg

from ..runs.engines import ENGINES, Workers
from ..runs.rejected import SET_ASIDE, rejected_file

INCOMPLETE = 3  # the exit code of a run that set Docs aside

OPTIONS: dict[str, tuple[Any, Any]] = {
    "n_process": (Annotated[int, typer.Option(min=1, help="Worker processes.")], 1),
    "engine": (Annotated[str, typer.Option(help=f"What runs the workers: {' or '.join(ENGINES)}.")], "local"),
    "address": (
        Annotated[Optional[str], typer.Option(help="Ray cluster, such as HOST:6379. By default one on this machine.")],
        None,
    ),
    "gpus_per_worker": (Annotated[float, typer.Option(min=0, help="GPUs each worker gets; 0.5: two share one.")], 0.0),
    "timeout": (
        Annotated[float, typer.Option(min=0, help="Set a Doc aside that takes more seconds. 0: no limit.")],
        0.0,
    ),
    "memory_limit": (
        Annotated[float, typer.Option(min=0, help="Set a Doc aside on which a worker takes more GB. 0: no limit.")],
        0.0,
    ),
}


def worker_options(verb: Callable) -> Callable:
    """Give a verb these options in place of its parameter `workers`."""

    @functools.wraps(verb)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        given = {name: kwargs.pop(name, default) for name, (_, default) in OPTIONS.items()}
        return verb(*args, workers=Workers(**given), **kwargs)

    def option(name: str) -> inspect.Parameter:
        annotation, default = OPTIONS[name]
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

    own = [p for p in inspect.signature(verb).parameters.values() if p.name != "workers"]
    wrapper.__signature__ = inspect.Signature([*own, *map(option, OPTIONS)])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {
        **{name: kind for name, kind in verb.__annotations__.items() if name != "workers"},
        **{name: annotation for name, (annotation, _) in OPTIONS.items()},
    }
    return wrapper


def show_set_aside(counts: Mapping[str, int], out: Path) -> None:
    """Say that Docs were set aside, if any were, and end with exit code 3."""
    if n := counts.get(SET_ASIDE):
        msg.warn(f"{n} Docs could not be processed and were set aside: {rejected_file(out)} says why.")
        raise SystemExit(INCOMPLETE)
