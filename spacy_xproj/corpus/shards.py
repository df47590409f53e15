"""Docs on disk: one .spacy file, or a folder of numbered shards with a manifest."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path
from typing import Any, Optional, Union

import srsly
from spacy.attrs import ORTH  # type: ignore[attr-defined]
from spacy.strings import StringStore
from spacy.tokens import Doc, DocBin
from spacy.util import minibatch
from spacy.vocab import Vocab

from ..errors import InputError, XprojError
from ..files import is_intact, replacing
from ..limits import advice, check_limit, limit
from .doc_checks import check_doc
from .manifest import MANIFEST, Manifest
from .unpacking import check_groups, check_objects, check_unpacked

PathLike = Union[str, Path]
BATCH = 256  # Docs for which the hooks are looked up once


def doc_files(path: PathLike) -> list[Path]:
    """The .spacy files of a corpus.

    path (str or Path): A file, or a folder of shards. Without a manifest all its .spacy files are taken.
    RETURNS (list of Path): The file, or the shards in order.
    RAISES (InputError): If there is nothing, a shard is missing, or the folder was not finished.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(path, "There is no such file or folder.")
    manifest = Manifest.read(path)
    if manifest is None:
        files = sorted(path.glob("[!.]*.spacy"))
    else:
        files = [manifest.path(number) for number in range(len(manifest.shards))]
        for file, shard in zip(files, manifest.shards):
            if not shard:
                raise InputError(path, f"The shard {file.name} was not finished. Run what writes it once more.")
            if not file.is_file():
                raise InputError(path, f"The shard {file.name} is missing. Run its writer once more.")
            if not is_intact(file, shard["files"][file.name]):
                raise InputError(
                    path,
                    f"The shard {file.name} is not as it was written. Run its writer once more; or, if you changed it "
                    f"yourself, give the shards without the {MANIFEST}.",
                )
        if manifest.total is None:
            raise InputError(path, "Not all its shards were finished. Run what writes it once more.")
    if not files:
        raise InputError(path, "Expected .spacy files in the folder, found none.")
    return files


def read_file(path: PathLike, vocab: Vocab, *, choice: Optional[Iterator[bool]] = None) -> Iterator[Doc]:
    """The Docs of one .spacy file, with their user data.

    path (str or Path): The file.
    vocab (Vocab): The vocab of the Docs.
    choice (Optional[iterator of bool]): Whether to read each of the Docs. None: all.
    YIELDS (Doc): The Docs.
    RAISES (InputError): If it is not such a file, or a Doc is beyond a limit (see `spacy_xproj.limits`).
    """
    with _named(path) as place:
        docbin = _docbin(path, place)
        if choice is not None:
            wanted = list(islice(choice, len(docbin)))
            for name in ("tokens", "spaces", "cats", "flags", "span_groups", "user_data"):
                setattr(docbin, name, list(compress(getattr(docbin, name), wanted)))
        docs, place.done = docbin.get_docs(vocab), 0
        while True:
            batch = []
            with hooks_looked_up(srsly.msgpack_decoders):
                for doc in islice(docs, BATCH):
                    check_doc(doc)
                    batch.append(doc)
                    place.done += 1
            if not batch:
                break
            yield from batch


def read_texts(path: PathLike) -> Iterator[str]:
    """The texts of the Docs of one .spacy file. No Doc is made, which takes a sixth of the time of `read_file`.

    path (str or Path): The file.
    YIELDS (str): The texts.
    RAISES (InputError): If it is not such a file.
    """
    with _named(path) as place:
        docbin = _docbin(path, place)
        strings, column = StringStore(docbin.strings), docbin.attrs.index(ORTH)
        for place.done, (tokens, spaces) in enumerate(zip(docbin.tokens, docbin.spaces)):
            words = zip(tokens[:, column].tolist(), spaces.ravel().tolist())
            yield "".join([strings[word] + " " if space else strings[word] for word, space in words])


@dataclass
class _Place:
    """How many Docs of a file were read. None: it is not unpacked yet."""

    done: Optional[int] = None


@contextmanager
def _named(path: PathLike) -> Iterator[_Place]:
    """Turn whatever is raised in reading a .spacy file into an `InputError` that names the file and the Doc."""
    place = _Place()
    try:
        yield place
    except Exception as err:  # zlib, msgpack, numpy and spaCy all raise their own
        where = "" if place.done is None else f"Doc {place.done + 1}: "
        reason = f"Expected a .spacy file that spaCy's DocBin can read ({type(err).__name__}: {err})."
        raise InputError(path, where + (str(err) if isinstance(err, XprojError) else reason)) from err


def _docbin(path: PathLike, place: _Place) -> DocBin:
    check_unpacked(path)
    docbin = DocBin().from_disk(path)
    for place.done, tokens in enumerate(docbin.tokens):
        check_limit("doc_tokens", len(tokens), "It has {n} tokens")
    for check, blobs in ((check_groups, docbin.span_groups), (check_objects, docbin.user_data)):
        for place.done, blob in enumerate(blobs):
            check(blob or b"")
    return docbin


def write_file(docs: Iterable[Doc], path: PathLike) -> int:
    """Write one .spacy file, with user data. It is put in its place once it is whole.

    docs (iterable of Doc): The Docs.
    path (str or Path): The file.
    RETURNS (int): How many were written.
    RAISES (XprojError): If the user data of a Doc cannot be written, or there are more Docs than the limit.
    """
    docbin, most = DocBin(store_user_data=True), limit("file_docs")
    for batch in minibatch(docs, BATCH):
        if len(docbin) + len(batch) > most:
            raise XprojError(
                f"There are more than {most:,} Docs for one .spacy file, which is held in memory as a whole. Give OUT "
                f"as a folder of shards: a name that does not end in .spacy. {advice('file_docs')}"
            )
        with hooks_looked_up(srsly.msgpack_encoders):
            for doc in batch:
                try:
                    docbin.add(doc)
                except (OverflowError, TypeError, UnicodeEncodeError) as err:  # of user data: the rest is checked
                    message = f"Doc {len(docbin)} has user data that a .spacy file cannot hold. {err}"
                    raise XprojError(message) from err
    with replacing(path) as beside:
        beside.write_bytes(docbin.to_bytes())
    return len(docbin)


@contextmanager
def hooks_looked_up(registry: Any) -> Iterator[None]:
    """Let srsly find its msgpack hooks at once. It searches all installed entry points for each Doc and each group of
    spans, which takes four fifths of the time of a DocBin with user data.

    registry (catalogue.Registry): srsly's encoders or decoders.
    """
    found = registry.get_all()
    registry.get_all = lambda: found
    try:
        yield
    finally:
        vars(registry).pop("get_all", None)
