"""`xproj vectors`: word vectors for any language, from an encoder."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..runs.vectors import make_vectors


def vectors_cli(
    corpus: Annotated[list[Path], typer.Argument(metavar="CORPUS...", help="Text or Docs, of any format.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the pipeline with the vectors.")],
    model: Annotated[Path, typer.Option(help="Folder of the encoder.")],
    lang: Annotated[str, typer.Option(help="Language of the NER that takes them. Its rules split raw text.")],
    width: Annotated[int, typer.Option(min=1, help="Length of the vectors.")] = 256,
    layer: Annotated[int, typer.Option(min=0, help="Layer of the encoder. 0: the last one.")] = 0,
    source_lang: Annotated[str, typer.Option(help="Language of the source of a .tsv.")] = "en",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ..., or auto.")] = "auto",
) -> None:
    """Give each word of a corpus a vector, for `spacy train` with include_static_vectors."""
    words, size, new = make_vectors(corpus, out, model, lang, width, layer, source_lang, device)
    if not new:
        msg.info(f"{out} is finished already; nothing was done.")
    msg.good(f"{out}: {words:,} words with vectors of {size}")
    msg.text(f"The configs ner_cpu_vectors and student_cpu_vectors train with them: --paths.vectors {out}")
