"""Word vectors for the demonstration corpus: `python -m scripts.demo_vectors weights/e5-small` writes
assets/vectors.LANG.txt.gz, which `spacy init vectors` reads. The words are those of the training and test texts."""

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import spacy
import typer
from spacy.language import Language
from wasabi import msg

from scripts.ranker_data import ROOT
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.files import replacing
from spacy_xproj.runs.vectors import make_vectors

LANGS = ("es", "de")
WIDTH = 64


def as_text(nlp: Language) -> str:
    """The vectors of a pipeline in the format of word2vec, with three decimals, in the order of the table."""
    vocab = nlp.vocab
    rows = sorted((row, vocab.strings[key]) for key, row in vocab.vectors.key2row.items())
    lines = (f"{word} {' '.join(f'{x:.3f}' for x in vocab.vectors.data[row])}\n" for row, word in rows)
    return f"{len(rows)} {vocab.vectors.shape[1]}\n{''.join(lines)}"


@handle_errors
def main(
    encoder: Annotated[Path, typer.Argument(help="Folder of the encoder.", exists=True)],
    out: Annotated[Path, typer.Option(help="Where to write the tables.")] = ROOT / "assets",
    width: Annotated[int, typer.Option(min=1, help="Length of the vectors.")] = WIDTH,
) -> None:
    for lang in LANGS:
        texts = [ROOT / "assets" / f"{part}.{lang}.jsonl" for part in ("train", "test")]
        with TemporaryDirectory() as folder, replacing(out / f"vectors.{lang}.txt.gz") as beside:
            make_vectors(texts, Path(folder) / "table", encoder, lang, width)
            beside.write_bytes(gzip.compress(as_text(spacy.load(Path(folder) / "table")).encode("utf-8"), mtime=0))
        msg.good(f"{out / f'vectors.{lang}.txt.gz'}")


if __name__ == "__main__":
    typer.run(main)
