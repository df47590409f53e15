"""File formats: one module a format, found in the registry `xproj_formats`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from ...errors import InputError, XprojError
from ...registry import registry
from .base import CERTAIN, LIKELY, NO, POSSIBLE, Format, to_json
from .json_format import JsonFormat
from .record import Mark, Record
from .report import Note, Report
from .source import Options, Source

# The formats of this package. "jsonl" is any of those whose records are JSON.
FORMATS = (
    *["brat", "conll", "conll2012", "conllu", "doccano", "huggingface", "iob-line", "iob2", "jsonl"],
    *["label-studio", "prodigy", "spacy", "spacy-json", "tmx", "tsv", "txt"],
)


def formats() -> dict[str, Format]:
    """All formats by their short names, those of other packages included."""
    made = [make() for make in registry.xproj_formats.get_all().values()]  # type: ignore[attr-defined]
    return {form.name: form for form in sorted(made, key=lambda form: form.name)}


def named_format(name: str, source: Optional[Source] = None) -> Format:
    """The format that a user asks for.

    name (str): The name of a format, or an ending of file names. "jsonl" is the one of the JSON formats that the
        records of the file have, and Prodigy's where there is no file yet.
    source (Optional[Source]): The file that is to be read with it.
    RETURNS (Format): The format.
    RAISES (XprojError): If there is none of this name.
    """
    known, wanted = formats(), name.lower()
    if f".{wanted}" in JsonFormat.suffixes:
        if source is None:
            return known["prodigy"]
        json = {name: form for name, form in known.items() if isinstance(form, JsonFormat)}
        return _choose(source, json, list(json))
    if wanted in known:
        return known[wanted]
    for form in known.values():
        if f".{wanted}" in form.suffixes:
            return form
    raise XprojError(f"Expected a format out of {', '.join(known)}, got {name!r}. Give one with --format.")


def ending_format(path: Path) -> Optional[Format]:
    """The format that the ending of an output file names, if it is one that is written to a single file."""
    if path.suffix.lower() in JsonFormat.suffixes:
        return named_format(path.suffix[1:])
    return next((form for form in formats().values() if path.suffix.lower() in form.suffixes), None)


def find_format(source: Source, default: Optional[str] = None) -> Format:
    """Find the format of a file by its content as a whole. The ending of its name decides between formats that the
    content does not tell apart.

    source (Source): The file or folder.
    default (Optional[str]): The format of a file whose content fits it, and is not clearly of another, and whose name
        has the ending of none.
    RETURNS (Format): The format.
    RAISES (InputError): If neither tells the format, or if the content fits several of which the ending is that of
        none.
    """
    known = {name: form for name, form in formats().items() if form.folder or not source.path.is_dir()}
    if default is not None and not any(source.suffix in form.suffixes for form in known.values()):
        verdicts = {name: form.detect(source) for name, form in known.items()}
        if verdicts.get(default) == max(verdicts.values()) == POSSIBLE:
            return known[default]
    return _choose(source, known, [name for name, form in known.items() if source.suffix in form.suffixes])


def _choose(source: Source, known: Mapping[str, Format], by_ending: list[str]) -> Format:
    verdicts = {name: form.detect(source) for name, form in known.items()}
    best = max(verdicts.values(), default=NO)
    found = [name for name, verdict in verdicts.items() if verdict == best > NO]
    named = [name for name in found if name in by_ending]
    if best == CERTAIN:
        chosen = found if len(found) == 1 else named or found
    elif best == LIKELY and named:
        chosen = named
    elif best == LIKELY:
        # Raw text in a file named so of which each line happens to look like columns, or the reverse.
        chosen = found + [name for name in by_ending if verdicts[name]]
    else:
        # The reader of the ending says what is wrong, and where; but not that of raw text, which takes anything.
        chosen = named or [name for name in by_ending if not known[name].lax] or [*found, *by_ending]
    known_by_name = [name for name in chosen if name in by_ending and (verdicts[name] or not known[name].lax)]
    if len(chosen) == 1 and (best > POSSIBLE or known_by_name):
        return known[chosen[0]]
    if "prodigy" in chosen and all(isinstance(known[name], JsonFormat) for name in chosen) and best < CERTAIN:
        return known["prodigy"]  # texts without labels are the same in all of them
    if source.path.is_file() and not any(line.strip() for line in source.head):
        raise InputError(source.path, "It is empty: there is nothing to read in it.")
    if len(chosen) > 1:
        raise _two_readings(source, [known[name] for name in chosen])
    raise InputError(
        source.path,
        f"Neither its content nor its name is that of a known format ({', '.join(known)}). Give one with --format.",
    )


def _two_readings(source: Source, found: list[Format]) -> InputError:
    listed = " or ".join(f"{form.name} ({form.about})" for form in found)
    return InputError(source.path, f"It can be read as {listed}. Say which with --format of 'xproj convert'.")


__all__ = [
    "CERTAIN",
    "FORMATS",
    "LIKELY",
    "NO",
    "POSSIBLE",
    "Format",
    "Mark",
    "Note",
    "Options",
    "Record",
    "Report",
    "Source",
    "ending_format",
    "find_format",
    "formats",
    "named_format",
    "to_json",
]
