"""Split Docs into training and development data, by a hash of their text, so that the same text goes the same way."""

from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.tokens import DocBin
from wasabi import msg

from spacy_xproj.cli.common import handle_errors
from spacy_xproj.corpus import read_docs, replacing, text_hash
from spacy_xproj.corpus.licenses import licenses


def is_dev(text: str, share: float) -> bool:
    """Whether a text belongs to the development data."""
    return int(text_hash(text)[:8], 16) < share * 16**8


@handle_errors
def main(
    docs: Annotated[Path, typer.Argument(help="Labeled Docs: .spacy, or a folder of shards.")],
    train: Annotated[Path, typer.Argument(help="Training data, .spacy.")],
    dev: Annotated[Path, typer.Argument(help="Development data, .spacy.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of the development data.")] = 0.12,
    user_data: Annotated[bool, typer.Option("--user-data", help="Keep payloads and soft labels.")] = False,
) -> None:
    # Training a NER needs no payload, and without one the files can be read without this package. The license stays.
    parts = {path: DocBin(store_user_data=True) for path in (train, dev)}
    for doc in read_docs(docs, spacy.blank("xx")):
        if not user_data:
            found = licenses([doc])
            doc.user_data = {"meta": {"licence": found[0]}} if found else {}
        parts[dev if is_dev(doc.text, share) else train].add(doc)
    for path, part in parts.items():
        with replacing(path) as beside:
            part.to_disk(beside)
        msg.good(f"{path}: {len(part)} Docs")


if __name__ == "__main__":
    typer.run(main)
