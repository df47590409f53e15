"""`xproj init`: a project folder for a person's own language."""

from pathlib import Path
from shlex import quote
from typing import Annotated, Optional

import typer
from wasabi import msg

from ..labels import LabelFilter
from ..runs.init import init
from .common import LabelMap, Labels, License, SourceModel


def init_cli(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    lang: Annotated[str, typer.Option(help="Target language.")],
    source: Annotated[Optional[Path], typer.Option(help="Source text, labeled or for --source-model.")] = None,
    target: Annotated[Optional[Path], typer.Option(help="Its translation, line by line.")] = None,
    parallel: Annotated[
        Optional[list[Path]], typer.Option(help="Parallel text to translate the source by; can be repeated.")
    ] = None,
    raw: Annotated[Optional[Path], typer.Option(help="Raw target text for --source-model to label.")] = None,
    gold: Annotated[Optional[Path], typer.Option(help="Labeled target text, only to score with.")] = None,
    source_model: SourceModel = None,
    labels: Labels = "",
    label_map: LabelMap = "",
    source_lang: Annotated[str, typer.Option(help="Source language.")] = "en",
    alignments: Annotated[Optional[Path], typer.Option(help="Word links of source and target (Pharaoh).")] = None,
    sentences: Annotated[bool, typer.Option("--sentences", help="Source and target are documents.")] = False,
    encoder: Annotated[
        Optional[Path], typer.Option(help="Folder of an encoder, to train on its vectors of the words.")
    ] = None,
    license: License = None,
) -> None:
    """Make a project folder that 'spacy project run all' leads from your files to a packaged pipeline."""
    project = init(
        folder,
        lang,
        source,
        target,
        parallel or (),
        raw,
        gold,
        source_model,
        LabelFilter.parse(labels, label_map),
        source_lang,
        license,
        alignments=alignments,
        sentences=sentences,
        encoder=encoder,
    )
    if project.nlp_lang != project.lang:
        msg.warn(
            f"spaCy has no data for {project.lang!r}: the pipeline is made for {project.nlp_lang!r}"
            + (", any language." if project.nlp_lang == "xx" else ".")
        )
    msg.good(f"Made {folder}: {', '.join(project.steps)}")
    for path, copy in project.files.items():
        msg.text(f"{path} → {copy}")
    if encoder:
        msg.warn(
            "The word vectors are those of the words in your training data. New words of other texts have none, and "
            "vectors add little there: add raw text to the step 'vectors' in project.yml."
        )
    if not gold:
        msg.warn("Without --gold, the pipeline is scored on projected labels, which are not gold.")
    msg.text(f"Run it: cd {quote(str(folder))} && python -m spacy project run all")
