"""`xproj memory`: fills, exports and shows a translation memory."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from wasabi import msg

from ..errors import XprojError
from ..files import check_apart
from ..memory_files import export_memory, import_memory, memory_languages
from .common import show_counts


def memory_cli(
    paths: Annotated[
        list[Path], typer.Argument(metavar="[FILES]... DB", help="Translations (.tsv, .jsonl, .tmx), and the memory.")
    ],
    lang: Annotated[Optional[str], typer.Option(help="Target language.")] = None,
    source_lang: Annotated[str, typer.Option(help="Source language.")] = "en",
    parallel: Annotated[
        bool, typer.Option("--parallel", help="FILES are two: the lines of the source, and those of the target.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace other translations of a text.")] = False,
    both: Annotated[bool, typer.Option("--both", help="Add the other direction as well.")] = False,
    conflicts: Annotated[
        Optional[Path], typer.Option(help="List the texts that have another translation in the memory (JSONL).")
    ] = None,
    export: Annotated[Optional[Path], typer.Option(help="Write the entries to this .tsv, .jsonl or .tmx.")] = None,
    format: Annotated[Optional[str], typer.Option(help="tsv, jsonl or tmx. By default the ending of a file.")] = None,
    encoding: Annotated[Optional[str], typer.Option(help="Encoding of FILES. By default UTF-8.")] = None,
) -> None:
    """Fill a translation memory, made if it is not there. Without FILES, export it, or show what is in it."""
    *files, memory = paths
    if lang is None and (files or export):
        raise XprojError("Give --lang: the language that the memory translates into.")
    if export:
        check_apart(export, files)
    if lang and files:
        counts = import_memory(
            memory, files, source_lang, lang, format, overwrite, both, encoding, parallel=parallel, conflicts=conflicts
        )
        msg.good(f"{memory}: added {counts['added']} entries from {source_lang} to {lang}")
        show_counts(counts)
        if counts["conflicts"]:
            msg.warn(
                f"{counts['conflicts']} texts have another translation in the memory, which was kept. "
                + (f"They are listed in {conflicts}." if conflicts else "--conflicts FILE lists them.")
                + " --overwrite replaces it."
            )
    if lang and export:
        msg.good(f"Wrote {export_memory(memory, export, source_lang, lang, format)} entries to {export}")
    if not files and not export:
        rows = [(f"{source} → {target}", *counts) for (source, target), counts in memory_languages(memory).items()]
        msg.table(rows, header=("languages", "by people", "by translators"), aligns=("l", "r", "r"), divider=True)
