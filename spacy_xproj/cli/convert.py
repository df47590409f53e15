"""`xproj convert` and `xproj validate`: corpora from one format into another, and what is wrong with them."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Optional

import typer
from wasabi import msg

from ..corpus import FORMATS, Note, Report
from ..labels import LabelFilter
from ..runs.convert import ReadOptions, convert, report_file, validate
from ..runs.label_counts import by_label, others
from .common import LabelMap, Labels, License, show_counts, show_labels

Lang = Annotated[str, typer.Option(help="Language code of the texts.")]
SourceLang = Annotated[Optional[str], typer.Option(help="Language code of the source side, for a bitext.")]
FormatName = Annotated[Optional[str], typer.Option(help=f"Format of IN: {', '.join(FORMATS)}. By default its content.")]
Encoding = Annotated[Optional[str], typer.Option(help="Encoding of IN, such as cp1252. By default UTF-8.")]
SpansKey = Annotated[Optional[str], typer.Option(help="Take the entities of .spacy from this group of doc.spans.")]
TagNames = Annotated[str, typer.Option(help="Names of tags that IN gives as numbers: O,B-PER,I-PER,...")]
ReportPath = Annotated[Optional[Path], typer.Option("--report", help="List all repairs with their lines (JSONL).")]


def convert_cli(
    input: Annotated[Path, typer.Argument(metavar="IN", help="File, or folder of shards or .ann, to read.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="File (.spacy, .jsonl, .conll, ...), or folder of shards, to write.")
    ],
    lang: Lang = "en",
    source_lang: SourceLang = None,
    format: FormatName = None,
    to: Annotated[Optional[str], typer.Option(help="Format of OUT. By default its ending.")] = None,
    shard: Annotated[int, typer.Option(min=0, help="Docs a shard, where OUT is a folder. 0: 1000.")] = 0,
    encoding: Encoding = None,
    spans_key: SpansKey = None,
    tag_names: TagNames = "",
    sentences: Annotated[bool, typer.Option(help="Mark sentences by punctuation.")] = False,
    license: License = None,
    labels: Labels = "",
    label_map: LabelMap = "",
    report: ReportPath = None,
) -> None:
    """Convert a corpus: CoNLL dialects, JSON of annotation tools, brat, bitexts, .spacy; see docs/guides/formats.md."""
    with report_file(report, [input, output, f"{output}.report.json"]) as notes:
        counts = convert(
            input,
            output,
            lang,
            source_lang,
            format,
            shard,
            to=to,
            encoding=encoding,
            spans_key=spans_key,
            tag_names=names(tag_names),
            sentences=sentences,
            license=license,
            labels=LabelFilter.parse(labels, label_map),
            report=notes,
        )
    msg.good(f"Wrote {counts.pop('docs', 0)} Docs to {output}, read as {notes.format}")
    show_report(counts, notes)
    if counts["long_docs_without_sentences"] and not sentences:
        msg.warn("Long Docs without sentences are slow to align and to project: give --sentences.")


def validate_cli(
    input: Annotated[Path, typer.Argument(metavar="FILE", help="File or folder to check.")],
    lang: Lang = "en",
    source_lang: SourceLang = None,
    format: FormatName = None,
    encoding: Encoding = None,
    spans_key: SpansKey = None,
    tag_names: TagNames = "",
    report: ReportPath = None,
) -> None:
    """List every problem of a corpus, and count what would be repaired. Exit code 1: there are problems."""
    reading = ReadOptions(lang, source_lang, format, encoding, spans_key, names(tag_names))
    with report_file(report, [input]) as notes:
        write, notes.lenient = notes.sink, True

        def show(note: Note) -> None:
            if note.kind == "problem":
                msg.fail(f"{note.path}" + (f", line {note.line}" if note.line else "") + f": {note.message}")
            if write is not None:
                write(note)

        notes.sink = show
        counts = validate(input, reading, notes)
    msg.info(f"Read {counts.pop('docs', 0)} Docs of {input}" + (f" as {notes.format}" if notes.format else ""))
    show_report(counts, notes)
    if notes.problems:
        msg.fail(f"{notes.problems} problems", exits=1)
    msg.good("No problems")


def names(listed: str) -> list[str]:
    """The names in a list with commas."""
    return [name.strip() for name in listed.split(",") if name.strip()]


def show_report(counts: Counter, report: Report) -> None:
    """Show counts as a table, with the first lines that they count, and those by label as another."""
    rows = {}
    for name, n in others(counts).items():
        lines = report.examples.get(name)
        more = ", ..." if lines and n > len(lines) else ""
        rows[f"{name} (line {', '.join(map(str, lines))}{more})" if lines else name] = n
    show_counts(rows)
    show_labels(by_label(counts))
