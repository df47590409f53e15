"""`xproj fit` and `xproj project`: fit what learns from the corpus, then align and project."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from spacy.cli._util import parse_config_overrides
from wasabi import msg

from ..fitting import MAX_FIT
from ..labels import LabelFilter
from ..runs.engines import Workers
from ..runs.label_counts import by_label, others
from ..runs.project import fit, project
from .common import LabelMap, Labels, MaxFit, Sentences, progress_bar, sample_of, show_counts, show_fitted, show_labels
from .workers import show_set_aside, worker_options


@worker_options
def project_cli(
    ctx: typer.Context,
    bitext: Annotated[Path, typer.Argument(metavar="BITEXT", help="Target Docs with payload.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .spacy file, or a folder of shards.")],
    config: Annotated[Path, typer.Option(help="Config, or saved pipeline.")],
    lang: Annotated[Optional[str], typer.Option(help="Target language.")] = None,
    alignments: Annotated[
        Optional[Path], typer.Option(help="Word links (Pharaoh), a line a Doc or a sentence pair.")
    ] = None,
    fit_on: Annotated[
        Optional[list[Path]], typer.Option(help="Bitext to fit on in place of the input; can be repeated.")
    ] = None,
    source_lang: Annotated[str, typer.Option(help="Source language of a .tsv.")] = "en",
    shard: Annotated[int, typer.Option(min=0, help="Docs a shard of a large file. 0: 1000.")] = 0,
    labels: Labels = "",
    label_map: LabelMap = "",
    sentences: Sentences = False,
    max_fit: MaxFit = MAX_FIT,
    *,
    workers: Workers,
) -> None:
    """Fit what learns from the corpus, then align and project the source entities. Config values can be given as
    --section.name VALUE, as for 'spacy train'."""
    overrides = parse_config_overrides(ctx.args)
    with progress_bar(out) as progress:
        counts = project(
            bitext,
            out,
            config,
            lang,
            alignments,
            fit_on or (),
            source_lang,
            workers,
            shard,
            overrides,
            progress,
            labels=LabelFilter.parse(labels, label_map),
            sentences=sentences,
            max_fit=max_fit,
        )
    show_fitted(out)
    if not counts["source_spans"]:
        msg.warn(
            f"No entity on the source side of {counts['docs']} Docs: nothing was projected. Is the source labeled?"
        )
        return show_set_aside(counts, out)
    projected = f"Projected {counts['projected']} of {counts['source_spans']} entities in {counts['docs']} Docs: {out}"
    msg.good(projected) if counts["projected"] else msg.warn(projected)
    show_counts(
        {k: v for k, v in others(counts).items() if ":" in k or (v and k.startswith(("doubtful", "lines_linked")))}
    )
    show_labels(by_label(counts))
    show_set_aside(counts, out)


def fit_cli(
    ctx: typer.Context,
    bitext: Annotated[Path, typer.Argument(metavar="BITEXT", help="Docs with payload, or a .tsv bitext.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the pipeline.")],
    config: Annotated[Path, typer.Option(help="Config, or saved pipeline.")],
    lang: Annotated[Optional[str], typer.Option(help="Target language.")] = None,
    source_lang: Annotated[str, typer.Option(help="Source language of a .tsv.")] = "en",
    labels: Labels = "",
    label_map: LabelMap = "",
    sentences: Sentences = False,
    max_fit: MaxFit = MAX_FIT,
) -> None:
    """Write a pipeline with everything fitted on a bitext."""
    names = LabelFilter.parse(labels, label_map)
    overrides = parse_config_overrides(ctx.args)
    made = fit(bitext, out, config, lang, source_lang, overrides, labels=names, sentences=sentences, max_fit=max_fit)
    if made.names:
        msg.good(f"Saved to {out}; fitted: {', '.join(made.names)}{sample_of(made.sample)}")
    else:
        msg.warn(f"Nothing was left to fit: all that learns is fitted, or has its links. {out} is a copy of {config}.")
