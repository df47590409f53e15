"""`xproj teach`: raw target text into Docs with soft labels by teachers."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from spacy.cli._util import parse_config_overrides
from wasabi import msg

from ..labels import LabelFilter
from ..runs.engines import Workers
from ..runs.teach import teach
from .common import LabelMap, Labels, License, progress_bar, show_counts, show_fitted
from .workers import show_set_aside, worker_options


@worker_options
def teach_cli(
    ctx: typer.Context,
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="Text of the target language, in any format.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .spacy file, or a folder of shards.")],
    config: Annotated[Path, typer.Option(help="Config with an xproj_teacher, or a saved pipeline.")],
    lang: Annotated[Optional[str], typer.Option(help="Target language.")] = None,
    only: Annotated[Optional[list[str]], typer.Option(help="Use this teacher only; can be repeated.")] = None,
    shard: Annotated[int, typer.Option(min=0, help="Docs a shard of a large file. 0: 1000.")] = 0,
    labels: Labels = "",
    label_map: LabelMap = "",
    license: License = None,
    *,
    workers: Workers,
) -> None:
    """Label raw target text by teachers, softly: a distribution over tags for each token. Config values can be given
    as --section.name VALUE, as for 'spacy train'."""
    overrides = parse_config_overrides(ctx.args)
    names = LabelFilter.parse(labels, label_map)
    with progress_bar(out) as progress:
        found = teach(
            raw, out, config, lang, only or (), workers, shard, overrides, progress, labels=names, license=license
        )
    show_fitted(out)
    labeled = f"Labeled {found['tokens']} tokens in {found['docs']} Docs: {out}"
    if found["entities"]:
        msg.good(labeled)
    else:
        msg.warn(f"{labeled}. No entity is likelier than none: a student of these labels will find nothing.")
    entities = {f"entities: {kind}": n for kind, n in found["entities"].items()}
    show_counts({**{key: found[key] for key in ("masked_share", "outside_share", "mean_entropy")}, **entities})
    show_set_aside(found, out)
