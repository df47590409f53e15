"""The errors of the package: full sentences that say what was expected, what came, and what to do. And the checks of
settings, which raise them."""

from collections.abc import Collection
from math import inf
from pathlib import Path
from typing import Any, Optional, Union


class XprojError(ValueError):
    """Something that the user can mend. The command line prints it and exits with 1."""


class Stopped(KeyboardInterrupt):
    """An interrupt, such as Ctrl-C, of a run that a later call goes on with.

    how (str): What the same call does: "goes on from shard 12 of 40".
    """

    def __init__(self, how: str):
        super().__init__(how)

    def __str__(self) -> str:
        return f"Stopped. The same command {self.args[0]}."


class InputError(XprojError):
    """A file that cannot be used.

    path (str or Path): The file.
    message (str): What was expected, what came, and what to do.
    line (Optional[int]): The line, counted from 1, where one is to blame.
    """

    def __init__(self, path: Union[str, Path], message: str, line: Optional[int] = None):
        where = f"{path}, line {line}" if line is not None else f"{path}"
        super().__init__(f"{where}: {message}")
        self.path, self.line, self.message = path, line, message

    def __reduce__(self):  # workers send it to their parent
        return type(self), (self.path, self.message, self.line)


class NotFittedError(XprojError):
    """A part that learns from the corpus was called before it saw one.

    what (str): The part, by its registered name.
    """

    def __init__(self, what: str):
        super().__init__(
            f"{what} has not been fitted. Fit it on a corpus in one of three ways: "
            "nlp.initialize(get_examples); spacy_xproj.fit(nlp, docs), or 'xproj fit' and the --fit-on option on "
            "the command line; or load a pipeline that was saved with it fitted."
        )
        self.what = what

    def __reduce__(self):
        return type(self), (self.what,)


def check_at_least(who: str, least: float, **settings: float) -> None:
    """Make sure that settings are not too small.

    who (str): Whose settings they are, by its registered name.
    least (float): The smallest value that is allowed.
    settings: The values by the names of the settings.
    RAISES (XprojError): If one is smaller.
    """
    for name, value in settings.items():
        if not least <= value < inf:
            raise XprojError(f"{who}: {name} must be at least {least}, not {value}.")


def check_above_zero(who: str, **settings: float) -> None:
    """Make sure that settings are above 0. Arguments and errors are those of `check_at_least`."""
    for name, value in settings.items():
        if not 0 < value < inf:
            raise XprojError(f"{who}: {name} must be above 0, not {value}.")


def check_share(who: str, **settings: float) -> None:
    """Make sure that settings are from 0 to 1. Arguments and errors are those of `check_at_least`."""
    for name, value in settings.items():
        if not 0 <= value <= 1:
            raise XprojError(f"{who}: {name} must be from 0 to 1, not {value}.")


def check_below_one(who: str, least: float = 0, **settings: float) -> None:
    """Make sure that settings are below 1, and not below another number. Arguments and errors are those of
    `check_at_least`."""
    for name, value in settings.items():
        if not least <= value < 1:
            raise XprojError(f"{who}: {name} must be at least {least} and below 1, not {value}.")


def check_one_of(who: str, allowed: Collection[str], **settings: Any) -> None:
    """Make sure that settings have one of the allowed values. Other arguments and errors are those of
    `check_at_least`."""
    for name, value in settings.items():
        if value not in allowed:
            raise XprojError(f"{who}: {name} must be one of {', '.join(allowed)}, not {value!r}.")
