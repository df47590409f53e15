"""`xproj translate`: labeled source text into target Docs with the source as payload."""

from pathlib import Path
from typing import Annotated

import typer
from spacy.cli._util import parse_config_overrides
from wasabi import msg

from ..labels import LabelFilter
from ..runs.engines import Workers
from ..runs.label_counts import by_label, others
from ..runs.rejected import rejected_file
from ..runs.translate import translate
from .common import LabelMap, Labels, License, SourceModel, progress_bar, show_counts, show_labels
from .workers import show_set_aside, worker_options


@worker_options
def translate_cli(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Labeled source corpus.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .spacy file, or a folder of shards.")],
    lang: Annotated[str, typer.Option(help="Target language.")],
    config: Annotated[Path, typer.Option(help="Config with an xproj_translator, or a saved pipeline.")],
    source_lang: Annotated[str, typer.Option(help="Source language.")] = "en",
    shard: Annotated[int, typer.Option(min=0, help="Docs a shard, where OUT is a folder. 0: 1000.")] = 0,
    sentences: Annotated[bool, typer.Option(help="Mark sentences by punctuation, and translate each.")] = False,
    labels: Labels = "",
    label_map: LabelMap = "",
    source_model: SourceModel = None,
    license: License = None,
    *,
    workers: Workers,
) -> None:
    """Translate labeled source text into target text that carries it as payload. Config values can be given as
    --section.name VALUE, as for 'spacy train'."""
    overrides = parse_config_overrides(ctx.args)
    with progress_bar(out) as progress:
        counts = translate(
            source,
            out,
            lang,
            config,
            source_lang,
            workers,
            shard,
            overrides,
            progress,
            sentences=sentences,
            labels=LabelFilter.parse(labels, label_map),
            source_model=source_model,
            license=license,
        )
    found = by_label(counts)
    wrote = f"Wrote {counts['docs']} of {counts['source_docs']} Docs to {out}"
    if found:
        msg.good(wrote)
    else:
        msg.warn(f"{wrote}, but there is no entity to project in them. Give --source-model to label the source.")
    if counts["sentences_not_translated"]:
        msg.warn(f"Sentences without a translation are listed in {rejected_file(out)}")
    show_counts(others(counts))
    show_labels(found)
    show_set_aside(counts, out)
