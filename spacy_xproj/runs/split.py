"""Split a corpus into training and development data, by its texts."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from spacy.tokens import Doc

from ..corpus import blank, read_docs, write_file
from ..corpus.licenses import licenses
from ..errors import InputError, XprojError
from ..files import check_apart, replacing, text_hash
from ..keys import run_key
from ..labels import ALL, LabelFilter
from ..locks import locked
from .pipelines import PathLike, is_single
from .reading import Inputs
from .shards import write_shards


class Part(NamedTuple):
    """A part of a corpus.

    docs (int): The number of its Docs.
    labels (dict[str, int]): The number of its entities by their labels, in alphabetical order.
    soft (bool): Whether they are entities of soft labels: no Doc of the part has any other.
    """

    docs: int
    labels: dict[str, int]
    soft: bool


def split(
    input: PathLike,
    train: PathLike,
    dev: PathLike,
    share: float = 0.12,
    *,
    user_data: bool = False,
    labels: LabelFilter = ALL,
) -> tuple[Part, Part]:
    """Split a corpus by a hash of each text, so that no text is in both parts.

    input (str or Path): A labeled corpus: .spacy, or a folder of shards.
    train, dev (str or Path): Where to write the training and the development data: .spacy, or a folder of shards.
    share (float): The share of the development data, between 0 and 1.
    user_data (bool): Keep payloads and soft labels. Training a NER needs none of them, and files without them can be
        read without this package. The license of the data stays in any case.
    labels (LabelFilter): New names of the labels, and those to keep.
    RETURNS (Part, Part): What the training and the development data hold.
    RAISES (XprojError): If the input cannot be used, or a part would have no Doc or no entity. Nothing is written then.
    """
    paths = Path(train), Path(dev)
    if Path(input).is_file() and not is_single(Path(input)):
        raise InputError(input, "Expected .spacy or a folder of shards. `xproj convert` makes either.")
    if len({Path(path).resolve() for path in (input, *paths)}) < 3:
        raise XprojError("IN, TRAIN and DEV must be three different files.")
    for path in paths:
        check_apart(path, [input])
    options = {"share": share, "user data": user_data, **labels.options()}
    files = Inputs([input])
    key = run_key({"input": input}, options)

    def read() -> Iterator[Doc]:
        return read_docs(input, blank("xx"), format="spacy", own_vocabs=True)

    def docs(part: int) -> Iterator[Doc]:
        for doc in labels.apply(read()):
            if is_dev(doc.text, share) == part:
                yield doc if user_data else _without_user_data(doc)

    parts = _parts(labels.checked(read()), share)
    for name, part in zip(("training", "development"), parts):
        if not part.labels:
            has = (
                f"the {part.docs} Docs of the {name} data have no entity" if part.docs else f"the {name} data are empty"
            )
            raise InputError(
                input,
                f"Cannot split it: {has}. It has {sum(p.docs for p in parts)} Docs and "
                f"{sum(sum(p.labels.values()) for p in parts)} entities, and --share {share:g} of them are development "
                "data. Give another --share, or more labeled text.",
            )
    with ExitStack() as stack:
        for path in paths:
            stack.enter_context(locked(path))
        for number, path in enumerate(paths):
            if is_single(path):
                write_file(files.checked(docs(number)), stack.enter_context(replacing(path)))
            else:
                write_shards(files.checked(docs(number)), path, key={**key, "part": ("train", "dev")[number]})
    return parts[0], parts[1]


def _parts(docs: Iterable[Doc], share: float) -> list[Part]:
    """Count what is to go where."""
    sizes = [0, 0]
    found: tuple[Counter, Counter] = (Counter(), Counter())
    soft: tuple[Counter, Counter] = (Counter(), Counter())
    for doc in docs:
        which = int(is_dev(doc.text, share))
        sizes[which] += 1
        found[which].update(ent.label_ for ent in doc.ents)
        if doc._.xproj_soft is not None:
            soft[which].update(ent.label for ent in doc._.xproj_soft.entities(doc))
    return [
        Part(size, dict(sorted((hard or softly).items())), not hard and bool(softly))
        for size, hard, softly in zip(sizes, found, soft)
    ]


def is_dev(text: str, share: float) -> bool:
    """Whether a text belongs to the development data."""
    return int(text_hash(text)[:8], 16) < share * 16**8


def _without_user_data(doc: Doc) -> Doc:
    found = licenses([doc])
    doc.user_data = {"meta": {"license": found[0]}} if found else {}
    return doc
