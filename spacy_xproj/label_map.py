"""Maps of labels as people write them: pairs on the command line, or a file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Optional

from .errors import InputError, XprojError
from .files import read_lines
from .limits import parse_json

WANTED = "Expected pairs such as PERSON=PER, or NORP= to leave a label out"
Pair = tuple[Optional[int], str, Any]  # the line that it stands on, the label, its new name


def items(text: str) -> list[str]:
    """Return what stands between the commas of a text (list of str)."""
    return [item.strip() for item in text.split(",") if item.strip()]


def read_label_map(given: str) -> dict[str, str]:
    """Read new names of labels.

    given (str): Pairs such as "PERSON=PER,NORP=", or the path of a file that has one such pair a line, or is one JSON
        object.
    RETURNS (dict[str, str]): The new names; "" leaves a label out.
    RAISES (XprojError): If it is neither, or gives a label two names.
    """
    path = Path(given)
    if not path.is_file():
        if "=" not in given:
            raise XprojError(f"--label-map: {given!r} is neither a file nor a list of pairs. {WANTED}.")
        return _checked((_pair(None, item) for item in items(given)), None)
    lines = list(read_lines(path))
    if not "".join(line for _, line in lines).lstrip().startswith("{"):
        return _checked((_pair(number, item) for number, line in lines for item in items(line)), path)
    try:
        found = parse_json("\n".join(line for _, line in lines), object_pairs_hook=list)
    except ValueError as err:
        raise InputError(path, f"This is no JSON object. {err}") from None
    return _checked(((None, label, name) for label, name in found), path)


def _pair(line: Optional[int], item: str) -> Pair:
    label, sign, name = (part.strip() for part in item.partition("="))
    return (line, label, name) if sign else (line, "", item)


def _checked(pairs: Iterable[Pair], path: Optional[Path]) -> dict[str, str]:
    out: dict[str, str] = {}
    for line, label, name in pairs:
        if not label or not isinstance(name, str):
            problem = f"{name!r} is not the new name of a label"
        elif out.setdefault(label, name) != name:
            problem = f"{label} gets two names, {out[label]!r} and {name!r}"
        else:
            continue
        raise (
            InputError(path, f"{problem}. {WANTED}.", line)
            if path
            else XprojError(f"--label-map: {problem}. {WANTED}.")
        )
    return out
