"""`xproj inspect`: what was projected, what was not and why, in the terminal or as a page."""

from itertools import islice
from pathlib import Path
from typing import Annotated, Optional

import typer
from wasabi import msg

from ..errors import XprojError, check_one_of
from ..files import check_apart
from ..review.inspect import DOUBTFUL, ONLY, chosen, inspect, summary
from ..review.page import Row, write_page
from ..review.page.html import REASONS
from ..review.report import write_report
from .common import show_counts

SHOWN = 10  # sentences in the terminal, if --sample does not say how many


def inspect_cli(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="What 'xproj project' wrote: .spacy or a folder.")],
    html: Annotated[Optional[Path], typer.Option(metavar="OUT", help="Write a page: one HTML file.")] = None,
    report: Annotated[
        Optional[Path], typer.Option(metavar="OUT", help="Write a report: yield, reasons, scores, errors, as Markdown.")
    ] = None,
    metrics: Annotated[
        Optional[list[Path]],
        typer.Option(help="For the report: what 'spacy evaluate' wrote of a pipeline trained on it."),
    ] = None,
    diff: Annotated[Optional[Path], typer.Option(metavar="OTHER", help="Another projection of the same texts.")] = None,
    gold: Annotated[Optional[Path], typer.Option(help="Gold of the target texts, in any format.")] = None,
    only: Annotated[str, typer.Option(help=f"Show these sentences only: {', '.join(ONLY)}.")] = "",
    sample: Annotated[int, typer.Option(min=0, help="Take that many of the sentences, chosen by a hash of each.")] = 0,
    pipeline: Annotated[
        Optional[Path], typer.Option(help="Fitted pipeline that gives the candidates. Without it: FILE.fitted.")
    ] = None,
    candidates: Annotated[bool, typer.Option(help="Look for the candidates of each span.")] = True,
    lang: Annotated[Optional[str], typer.Option(help="Target language. Without it: that of the pipeline.")] = None,
) -> None:
    """Show what was projected, what was not and why: in short in the terminal, and as a page with --html."""
    if only:
        check_one_of("inspect", ONLY, only=only)
    for out in (html, report):
        if out is not None:
            check_apart(out, [path, diff, gold, pipeline, *(metrics or ())])
    needed = (("--only wrong", only == "wrong", "--gold", gold), ("--only changed", only == "changed", "--diff", diff))
    for option, given, other, value in (*needed, ("--metrics", bool(metrics), "--report", report)):
        if given and value is None:
            raise XprojError(f"{option} needs {other}. Give both.")
    found = inspect(path, other=diff, gold=gold, pipeline=pipeline, candidates=candidates, lang=lang)
    for what, number in found.unpaired.items():
        msg.warn(f"{number} {what}.")
    some = chosen(found.rows, only, sample)
    if html is not None:
        langs = {"source_lang": found.source_lang, "target_lang": found.target_lang}
        write_page(html, some, title=path.name, other=diff.name if diff else "", **langs)
        if candidates and not found.pipeline:
            msg.warn(
                f"The page is without candidates: {path}.fitted is not the pipeline that made {path}. Give --pipeline."
            )
        msg.good(f"{len(some)} sentences: {html}")
    if report is not None:
        write_report(report, path.name, found.rows, found.judged, metrics or ())
        msg.good(f"Report: {report}")
    show_counts(dict(+summary(found.rows)))
    if html is None and report is None:
        limit = sample or SHOWN
        for row in islice(some if only or sample else most_doubtful(some), limit):
            print()
            for text in lines(row, diff.name if diff else ""):
                print(text)
        if len(some) > limit and not sample:
            print()
            msg.info(f"{len(some) - limit} more sentences: --html OUT shows all.")


def most_doubtful(rows: list[Row]) -> list[Row]:
    """The rows with the most doubtful spans first."""
    return sorted(rows, key=lambda row: -max(row.doubt, default=-1.0))


def lines(row: Row, other: str) -> list[str]:
    """A row as lines of text: source, target, what was not projected and why, errors, what changed."""
    kept = [one for one in row.found if one.kept]
    out = [bracketed(row.source, row.spans), bracketed(row.target, [one[:3] for one in kept])]
    for place, reason in sorted(row.missing.items()):
        start, end, label = row.spans[place]
        why = REASONS.get(reason, "")
        out.append(f"  not projected: {text_of(row.source, start, end)} {label} ({reason}). {why}")
    for place, (start, end, label) in enumerate(row.spans):
        if row.doubt[place] > DOUBTFUL and place not in row.missing:
            out.append(f"  doubtful: {text_of(row.source, start, end)} {label}, wrong with {row.doubt[place]:.0%}")
    for kind, _, right in row.errors:
        by_gold = f": {text_of(row.target, *right[:2])} {right[2]}" if right else ""
        out.append(f"  by gold: {kind}{by_gold}")
    if row.other is not None and (theirs := [one[:3] for one in row.other if one.kept]) != [one[:3] for one in kept]:
        out.append(f"  {other}: {bracketed(row.target, theirs)}")
    return out


def bracketed(words: tuple[str, ...], spans: object) -> str:
    """A text with its spans in brackets, each with its label."""
    opening: dict[int, str] = {}
    closing: dict[int, str] = {}
    for start, end, label in sorted(spans, key=lambda span: (span[0], -span[1])):  # type: ignore[call-overload]
        opening[start] = opening.get(start, "") + "["
        closing[end - 1] = f" {label}]" + closing.get(end - 1, "")
    out = []
    for i, word in enumerate(words):
        bare = word.rstrip()
        out.append(opening.get(i, "") + bare + closing.get(i, "") + word[len(bare) :])
    return "".join(out).strip()


def text_of(words: tuple[str, ...], start: int, end: int) -> str:
    """The text of a span."""
    return "".join(words[start:end]).strip()
