"""`xproj pair`: a labeled source file and target lines into target Docs with the source as payload."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from wasabi import msg

from ..labels import LabelFilter
from ..runs.label_counts import by_label, others
from ..runs.pair import pair
from .common import LabelMap, Labels, License, Sentences, SourceModel, progress_bar, show_counts, show_labels
from .workers import show_set_aside


def pair_cli(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Labeled source corpus, of any format.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Target lines, or any other format.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .spacy file, or a folder of shards.")],
    lang: Annotated[str, typer.Option(help="Target language.")],
    source_lang: Annotated[str, typer.Option(help="Source language.")] = "en",
    alignments: Annotated[Optional[Path], typer.Option(help="Word links in Pharaoh format.")] = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="Lines are tokens with blanks between them.")] = False,
    sentences: Sentences = False,
    format: Annotated[Optional[str], typer.Option(help="Format of SOURCE. By default its content.")] = None,
    target_format: Annotated[Optional[str], typer.Option(help="Format of TARGET. By default its content.")] = None,
    labels: Labels = "",
    label_map: LabelMap = "",
    source_model: SourceModel = None,
    encoding: Annotated[Optional[str], typer.Option(help="Encoding, such as cp1252. By default UTF-8.")] = None,
    license: License = None,
    shard: Annotated[int, typer.Option(min=0, help="Docs a shard, where OUT is a folder. 0: 1000.")] = 0,
) -> None:
    """Pair a labeled source file with target lines, ready for 'xproj project'."""
    with progress_bar(out) as progress:
        counts = pair(
            source,
            target,
            out,
            lang,
            source_lang,
            alignments,
            shard,
            progress,
            format=format,
            target_format=target_format,
            tokens=tokens,
            sentences=sentences,
            license=license,
            encoding=encoding,
            labels=LabelFilter.parse(labels, label_map),
            source_model=source_model,
        )
    msg.good(f"Wrote {counts.pop('docs')} Docs with {counts['source_spans']} source entities to {out}")
    if counts["long_docs_without_sentences"]:
        msg.warn("Long Docs without sentences are slow to align and to project: give --sentences.")
    show_counts(others(counts))
    show_labels(by_label(counts))
    show_set_aside(counts, out)
