"""The meta of a package, from which `spacy package` writes its model card."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from .. import __version__
from ..errors import InputError
from ..files import check_apart, write_json

PathLike = Union[str, Path]
SCORES = "ents_p", "ents_r", "ents_f", "ents_per_type", "speed"


def write_card(
    model: PathLike,
    output: PathLike,
    *,
    metrics: Optional[PathLike] = None,
    scored_on: str = "",
    report: Optional[PathLike] = None,
    about: Optional[dict[str, str]] = None,
) -> dict[str, Any]:
    """Write the meta for `spacy package MODEL OUT --meta-path FILE`.

    model (str or Path): The folder of a trained pipeline. It is left as it is.
    output (str or Path): The file to write, .json.
    metrics (Optional[str or Path]): What `spacy evaluate --output` wrote. Its scores take the place of those of the
        development data.
    scored_on (str): What data these scores are on, in words.
    report (Optional[str or Path]): What `xproj inspect --report` wrote: yield and calibration of the projection.
    about (Optional[dict[str, str]]): `description`, `author`, `email`, `url` and `license`. Empty ones are left out.
    RETURNS (dict): The meta.
    RAISES (InputError): If a file is not what it should be.
    """
    path = Path(model) / "meta.json"
    check_apart(output, [path, metrics, report])
    meta = _read(path, "the meta of a pipeline, which spaCy saves in its folder", ("lang", "name", "labels"))
    meta.update({name: value for name, value in (about or {}).items() if value})
    labels = sorted({label for each in meta["labels"].values() for label in each})
    code = meta.get("xproj_lang") or meta["lang"]
    meta["description"] = meta.get("description") or (
        f"Named-entity recognition ({', '.join(labels)}) for the language {code!r}, from labels of another language by "
        f"spacy-xproj {__version__}."
    )
    notes = [meta.get("notes", ""), *_licenses(meta.get("sources") or [])]
    if metrics is not None:
        found = _read(Path(metrics), "the scores that 'spacy evaluate --output' writes", ("ents_f", "ents_per_type"))
        meta["performance"] = {name: found[name] for name in SCORES if name in found}
        notes += _scores(meta["performance"], scored_on)
    if report is not None:
        notes += _projection(Path(report))
    meta["notes"] = "\n".join(notes).strip()
    write_json(output, meta)
    return meta


def _read(path: Path, what: str, keys: Sequence[str]) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if missing := [key for key in keys if key not in found]:
            raise ValueError(f"no {', '.join(missing)}")
    except (OSError, ValueError, TypeError) as err:
        raise InputError(path, f"Expected {what} ({err}).") from err
    return found


def _licenses(sources: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the licenses of the data, which spaCy's own table leaves out."""
    rows = [(each.get("name"), each["license"]) for each in sources if isinstance(each, dict) and each.get("license")]
    if rows:
        yield from ("", "### Licenses of the data", "", "| data | license |", "| --- | --- |")
        yield from (f"| {name} | {license} |" for name, license in rows)


def _scores(found: dict[str, Any], scored_on: str) -> Iterator[str]:
    yield from ("", "### Scores by label", "")
    if scored_on:
        yield from (f"These scores, and those above, are on {scored_on}.", "")
    yield from ("| label | P | R | F1 |", "| --- | ---: | ---: | ---: |")
    for label, each in sorted((found["ents_per_type"] or {}).items()):
        yield f"| {label} | " + " | ".join(f"{each[key]:.3f}" for key in "prf") + " |"
    if found.get("speed"):
        yield from ("", f"{found['speed']:,.0f} words a second on the machine that scored it.")


def _projection(path: Path) -> Iterator[str]:
    """Yield the report on the projection, a level of titles below those of the card."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as err:
        raise InputError(path, f"Expected the report that 'xproj inspect --report' writes ({err}).") from err
    if not lines or not lines[0].startswith("# ") or "## Yield by label" not in lines:
        raise InputError(path, "Expected the report that 'xproj inspect --report' writes.")
    yield from ("", "### Training data: projected entities")
    for line in lines[1:]:
        yield re.sub(r"^## ", "#### ", line)
