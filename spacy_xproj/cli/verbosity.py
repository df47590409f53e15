"""How much is shown: what the app as a whole was told, and the bar of progress."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Optional

from tqdm import tqdm
from wasabi import msg

MUTED = ("good", "info", "table", "divider", "row")  # what --quiet leaves out; not `text`, by which warnings are shown
MINUTE = 60.0


@dataclass
class Verbosity:
    """What the app as a whole was told.

    quiet (bool): Show errors and warnings only.
    verbose (bool): Show the traceback of an error, and how long each pipe took.
    """

    quiet: bool = False
    verbose: bool = False


VERBOSITY = Verbosity()


class Bar:
    """A bar in a terminal; elsewhere a line a minute, which does not flood a log."""

    def __init__(self) -> None:
        self.bar: Optional[tqdm] = None
        self.what, self.since = "", monotonic()

    def __call__(self, what: str, done: int, total: int, note: str = "", unit: str = "it") -> None:
        """Show how much is done. See `spacy_xproj.progress.Report`."""
        if VERBOSITY.quiet:
            return
        if self.bar is None or what != self.what:
            self.close()
            self.bar = tqdm(desc=what or None, total=total or None, unit=unit, leave=False, disable=None)
            self.what = what
        if not self.bar.disable:
            self.bar.total = total or None
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(done - self.bar.n)
        elif (now := monotonic()) - self.since >= MINUTE:
            self.since = now
            print(" ".join([f"{what}:" * bool(what), f"{done}", f"of {total}" * bool(total), unit]), file=sys.stderr)

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()
        self.bar = None


BAR = Bar()


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
