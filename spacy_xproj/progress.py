"""How far long work has come. The parts tell it, and whoever called them may listen: nothing here prints."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Optional, TypeVar

Item = TypeVar("Item")
# Gets what is done, such as "xproj_aligner: rounds"; how many steps of it are done; how many there are, 0 if nobody
# knows; and a note, such as a loss.
Report = Callable[[str, int, int, str], Any]
Seconds = defaultdict[str, float]  # by the names of pipes


@dataclass
class Listener:
    """Who is told.

    report (Report): Is called.
    seconds (Optional[defaultdict[str, float]]): Gets the seconds that each pipe takes. None: they are not measured.
    log (Optional[Callable[[dict], Any]]): Is called with what is told of a shard that was made. See `tell_shard`.
    busy (bool): Something is being told of. What that consists of is not told of.
    """

    report: Report
    seconds: Optional[Seconds] = None
    log: Optional[Callable[[dict[str, Any]], Any]] = None
    busy: bool = False


_LISTENER: ContextVar[Optional[Listener]] = ContextVar("xproj_listener", default=None)


@contextmanager
def listening(
    report: Report, seconds: Optional[Seconds] = None, log: Optional[Callable[[dict[str, Any]], Any]] = None
) -> Iterator[None]:
    """Listen to all that goes on inside. See `Listener`."""
    token = _LISTENER.set(Listener(report, seconds, log))
    try:
        yield
    finally:
        _LISTENER.reset(token)


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Put a name before what is told inside, and measure how long it takes."""
    outer = _LISTENER.get()
    if outer is None:
        yield
        return
    report, begin = outer.report, perf_counter()
    with listening(lambda what, *rest: report(f"{name}: {what}", *rest)):
        yield
    if outer.seconds is not None:
        outer.seconds[f"{name}, fitting"] += perf_counter() - begin


def seconds() -> Optional[Seconds]:
    """Where to add the seconds that pipes take, by their names. None: nobody wants to know."""
    listener = _LISTENER.get()
    return listener.seconds if listener is not None else None


def tell(what: str, done: int, total: int = 0, note: str = "") -> None:
    """Tell how much is done. Arguments are those of `Report`."""
    listener = _LISTENER.get()
    if listener is not None and not listener.busy:
        listener.report(what, done, total, note)


def tell_shard(row: dict[str, Any]) -> None:
    """Tell of a shard that was made: its number, its counts, who made it, and how long it took."""
    listener = _LISTENER.get()
    if listener is not None and listener.log is not None:
        listener.log(row)


def steps(items: Iterable[Item], what: str, total: int = 0) -> Iterator[Item]:
    """Pass items on, and tell how many were done. What they themselves, or their use, would tell is not told.

    items (iterable): Each is done when the next one is asked for.
    what (str): What is done with them.
    total (int): How many there are; 0: nobody knows.
    YIELDS: The items.
    """
    listener = _LISTENER.get()
    if listener is None or listener.busy:
        yield from items
        return
    listener.busy = True
    try:
        listener.report(what, 0, total, "")
        for done, item in enumerate(items, 1):
            yield item
            listener.report(what, done, total, "")
    finally:
        listener.busy = False
