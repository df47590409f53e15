"""`xproj split`: training and development data."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..labels import LabelFilter
from ..runs.split import split
from .common import LabelMap, Labels


def split_cli(
    input: Annotated[Path, typer.Argument(metavar="IN", help="Labeled corpus: .spacy, or a folder of shards.")],
    train: Annotated[Path, typer.Argument(metavar="TRAIN", help="Training data to write: .spacy, or a folder.")],
    dev: Annotated[Path, typer.Argument(metavar="DEV", help="Development data to write: .spacy, or a folder.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of the development data.")] = 0.12,
    user_data: Annotated[bool, typer.Option("--user-data", help="Keep payloads and soft labels.")] = False,
    labels: Labels = "",
    label_map: LabelMap = "",
) -> None:
    """Split a labeled corpus into training and development data by a hash of each text: a text that comes twice is in
    one part alone, and stays there when the corpus grows."""
    parts = split(input, train, dev, share, user_data=user_data, labels=LabelFilter.parse(labels, label_map))
    for path, part in zip((train, dev), parts):
        msg.good(f"{path}: {part.docs} Docs" + (", with no entity but those of the soft labels" if part.soft else ""))
    rows = [
        (label, *(part.labels.get(label, 0) for part in parts))
        for label in sorted({*parts[0].labels, *parts[1].labels})
    ]
    msg.table(rows, header=("label", "train", "dev"), aligns=("l", "r", "r"), divider=True)
    for label, n_train, n_dev in rows:
        if not (n_train and n_dev):
            msg.warn(f"{label} is in {'TRAIN' if n_train else 'DEV'} alone.")
