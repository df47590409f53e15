"""Whether a config may name a program to run. A config or saved pipeline can come from anywhere, so that it may only
with the option --allow-programs, or the environment variable that the option stands for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import XprojError

VARIABLE = "XPROJ_ALLOW_PROGRAMS"  # "1" allows it, for worker processes too


def check_program(who: str, **settings: str) -> None:
    """Make sure that settings that lead to a program are allowed.

    who (str): Whose settings they are, by its registered name.
    settings: Those that are not the default, by their names: a program, or a folder with commands.
    RAISES (XprojError): If there are such settings, and nobody allowed them.
    """
    if settings and os.environ.get(VARIABLE) != "1":
        named = ", ".join(f"{name} = {value!r}" for name, value in settings.items())
        raise XprojError(
            f"{who}: the config names a program to run ({named}). If you trust where the config comes from, give "
            f"--allow-programs, or set the environment variable {VARIABLE}=1."
        )


@contextmanager
def allowing_programs() -> Iterator[None]:
    """Allow configs to name programs within the block, in this process and those that it starts."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
