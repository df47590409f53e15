"""How much is shown: what the app as a whole was told, and the bar of progress."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic
from typing import Any, Optional

from tqdm import tqdm
from wasabi import msg

MUTED = ("good", "info", "table", "divider", "row")  # what --quiet leaves out; not `text`, by which warnings are shown
MINUTE = 60.0


@dataclass
class Verbosity:
    """What the app as a whole was told.

    quiet (bool): Show errors and warnings only.
    verbose (bool): Show the traceback of an error, and how long each pipe took.
    log (Optional[Path]): Add a line of JSON for each shard that is made to this file.
    """

    quiet: bool = False
    verbose: bool = False
    log: Optional[Path] = None


VERBOSITY = Verbosity()


class Bar:
    """A bar in a terminal; elsewhere a line a minute, which does not flood a log."""

    def __init__(self) -> None:
        self.bar: Optional[tqdm] = None
        self.what, self.since, self.first = "", monotonic(), (0.0, 0)

    def __call__(self, what: str, done: int, total: int, note: str = "", unit: str = "it") -> None:
        """Show how much is done. See `spacy_xproj.progress.Report`."""
        if VERBOSITY.quiet:
            return
        if self.bar is None or what != self.what:
            self.close()
            # What an earlier run made tells nothing of the speed of this one.
            begin: dict[str, Any] = {"total": total or None, "initial": done}
            self.bar = tqdm(desc=what or None, unit=f" {unit}", leave=False, disable=None, **begin)
            self.what, self.first = what, (monotonic(), done)
        if not self.bar.disable:
            self.bar.total = total or None
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(done - self.bar.n)
        elif (now := monotonic()) - self.since >= MINUTE:
            self.since = now
            line = " ".join([f"{what}:" * bool(what), f"{done}", f"of {total}" * bool(total), unit]).strip()
            print(line + self._speed(now, done, total, unit), file=sys.stderr)

    def _speed(self, now: float, done: int, total: int, unit: str) -> str:
        """How fast it goes, and how long the rest will take."""
        begin, before = self.first
        if done <= before or now <= begin:
            return ""
        rate = (done - before) / (now - begin)
        left = f", {tqdm.format_interval((total - done) / rate)} left" if total else ""
        return f", {rate:.3g} {unit}/s{left}"

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()
        self.bar = None


BAR = Bar()


@contextmanager
def shard_log(verb: str) -> Iterator[Optional[Callable[[dict[str, Any]], None]]]:
    """Add a line of JSON for each shard to the file of `--log`.

    verb (str): Stands in each line, with the time.
    YIELDS (Optional[Callable[[dict[str, Any]], None]]): Is called with what is told of a shard. None: there is no log.
    """
    if VERBOSITY.log is None:
        yield None
        return
    with open(VERBOSITY.log, "a", encoding="utf-8", buffering=1) as file:

        def write(row: dict[str, Any]) -> None:
            time = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
            file.write(json.dumps({"time": time, "verb": verb, **row}, ensure_ascii=False) + "\n")

        yield write


@contextmanager
def muted() -> Iterator[None]:
    """Print errors and warnings only."""
    for name in MUTED:
        setattr(msg, name, lambda *_, **__: None)
    try:
        yield
    finally:
        for name in MUTED:
            delattr(msg, name)
