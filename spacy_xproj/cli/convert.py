"""`xproj convert`: corpora from one format into another."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from wasabi import msg

from ..corpus import FORMATS
from ..runs.convert import convert
from .common import show_counts


def convert_cli(
    input: Annotated[Path, typer.Argument(metavar="IN", help="File, or folder of shards, to read.")],
    output: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="File (.spacy, .jsonl, .conll), or folder of shards, to write."),
    ],
    lang: Annotated[str, typer.Option(help="Language code of the texts.")] = "en",
    source_lang: Annotated[
        Optional[str], typer.Option(help="Language code of the source side, for a bitext (.tsv).")
    ] = None,
    format: Annotated[
        Optional[str], typer.Option(help=f"Format of IN: {', '.join(FORMATS)}. By default its ending.")
    ] = None,
    shard: Annotated[int, typer.Option(min=0, help="Docs a shard, where OUT is a folder. 0: 1000.")] = 0,
) -> None:
    """Convert CoNLL/IOB2, JSONL, TSV bitext or .spacy into .spacy, JSONL or CoNLL."""
    counts = convert(input, output, lang, source_lang, format, shard)
    msg.good(f"Wrote {counts.pop('docs', 0)} Docs to {output}")
    show_counts(counts)
