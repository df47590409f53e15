"""A report on a projection, as Markdown: yield, reasons, scores and whether they can be believed, errors, speed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example

from ..errors import InputError
from ..evaluate import score
from ..evaluate.calibration import calibration_error, reliability, scored
from ..files import write_lines
from ..limits import parse_json
from .page.html import REASONS
from .page.rows import Row

PathLike = Union[str, Path]


def write_report(
    path: PathLike,
    title: str,
    rows: Sequence[Row],
    judged: Sequence[tuple[Doc, Doc]],
    metrics: Iterable[PathLike] = (),
) -> None:
    """Write a report.

    path (str or Path): The Markdown file.
    title (str): Its title.
    rows (sequence of Row): The rows of the projection.
    judged (sequence of (Doc, Doc)): Docs as the projection left them, each with its gold on the same tokens.
    metrics (iterable of str or Path): What `spacy evaluate` wrote of pipelines that were trained on the projection.
    RAISES (InputError): If a file of metrics is none.
    """
    write_lines(path, list(report(title, rows, judged, {Path(each).stem: read_metrics(each) for each in metrics})))


def report(
    title: str, rows: Sequence[Row], judged: Sequence[tuple[Doc, Doc]], metrics: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Yield the lines of a report. Arguments are those of `write_report`, with the metrics by their names."""
    yield f"# {title}"
    spans = sum(len(row.spans) for row in rows)
    missing = Counter(reason for row in rows for reason in row.missing.values())
    yield from (
        "",
        f"{spans - missing.total():,} of {spans:,} source entities were projected in {len(rows):,} sentences.",
    )
    yield from ("", "## Yield by label", "")
    yield from table(("label", "source", "projected", "share"), by_label(rows))
    if missing:
        yield from ("", "## Not projected, and why", "")
        yield from table(
            ("reason", "entities", ""), ((why, n, REASONS.get(why, "")) for why, n in missing.most_common())
        )
    yield from ("", "## Scores", "")
    yield from calibration(rows, judged)
    if judged:
        yield from against_gold(judged)
    if metrics:
        yield from ("", "## Trained on it", "")
        yield from table(("pipeline", "P", "R", "F1", "words a second"), map(trained, metrics, metrics.values()))


def by_label(rows: Iterable[Row]) -> Iterator[tuple]:
    """Yield the rows of the table of labels."""
    rows = list(rows)
    source = Counter(span[2] for row in rows for span in row.spans)
    lost = Counter(row.spans[k][2] for row in rows for k in row.missing)
    for label in sorted(source):
        yield label, source[label], source[label] - lost[label], 1 - lost[label] / source[label]


def calibration(rows: Iterable[Row], judged: Sequence[tuple[Doc, Doc]]) -> Iterator[str]:
    """Yield the table of scores: with gold, the share of the spans that is right beside the mean score."""
    if judged:
        points, right = scored(*zip(*judged))
    else:
        points = np.array([one.score for row in rows for one in row.found if one.source >= 0], float)
        right = np.zeros(len(points), bool)
    bins = [each for each in reliability(np.clip(points, 0, 1), right) if each.spans]
    header: tuple[str, ...] = ("score", "spans", "mean score")
    cells: list[tuple] = [(f"{each.low:.1f} to {each.high:.1f}", each.spans, each.score) for each in bins]
    if judged:
        header += ("right by gold",)
        cells = [(*row, each.precision) for row, each in zip(cells, bins)]
    yield from table(header, cells)
    if judged and len(points):
        yield from ("", f"Expected calibration error: {calibration_error(bins):.3f}.")


def against_gold(judged: Sequence[tuple[Doc, Doc]]) -> Iterator[str]:
    """Yield the scores against gold, and the errors by type and by cause."""
    found = score([Example(doc, gold) for doc, gold in judged])
    yield from ("", "## Against gold", "", f"{len(judged):,} sentences have gold.", "")
    labels = [(label, *(scores[x] for x in "prf")) for label, scores in found["ents_per_type"].items()]
    everything = ("all", *(found[f"ents_{x}"] for x in "prf"))
    boundary = ("offsets alone", *(found["ents_by_match"]["exact"][x] for x in "prf"))
    yield from table(("label", "P", "R", "F1"), [*labels, everything, boundary])
    for what in ("errors", "causes"):
        if found[what]:
            yield ""
            yield from table((what, "spans"), sorted(found[what].items(), key=lambda item: -item[1]))


def trained(name: str, found: Mapping[str, Any]) -> tuple:
    """Return the row of a trained pipeline."""
    return name, found["ents_p"], found["ents_r"], found["ents_f"], f"{found['speed']:,.0f}"


def read_metrics(path: PathLike) -> dict[str, Any]:
    """Read what `spacy evaluate --output` wrote. RAISES (InputError): If it is something else."""
    try:
        found = parse_json(Path(path).read_text(encoding="utf-8"))
        return {name: float(found[name] or 0.0) for name in ("ents_p", "ents_r", "ents_f", "speed")}
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise InputError(path, f"Expected the scores that 'spacy evaluate --output' writes ({err!r}).") from err


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    for line in (header, ["---", *["---:"] * (len(header) - 1)], *rows):
        cells = (f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in line)
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"
