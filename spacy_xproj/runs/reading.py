"""The input of a run: Docs that can be read again and again, of files that must not change meanwhile."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Optional, Union

from spacy.language import Language
from spacy.tokens import Doc

from ..corpus import blank, doc_files, read_docs
from ..corpus.pairing import with_links
from ..corpus.sentence_pairs import with_sentence_pairs
from ..errors import InputError
from ..files import names_in
from ..labels import ALL, LabelFilter

PathLike = Union[str, Path]


class Inputs:
    """The files of an input as they are now, so that one that changes while a run reads it is noticed: the key of the
    run names the content that it had in the beginning. Make it before the key.

    paths (iterable of str, Path or None): The files and folders. None is left out.
    """

    def __init__(self, paths: Iterable[Optional[PathLike]]):
        self.paths = [Path(path) for path in paths if path is not None]
        self.states = {file: _state(file) for file in self._files()}

    def _files(self) -> Iterator[Path]:
        for path in self.paths:
            yield from (path / name for name in names_in(path)) if path.is_dir() else [path]

    def check(self, *files: Path) -> None:
        """Make sure that files did not change.

        files (Path): Some of them. None given: all, and no other is in a folder by now.
        RAISES (InputError): If one is another one now, or is gone.
        """
        for file in files or (*self.states, *self._files()):
            if self.states.get(file, ()) != _state(file):
                raise InputError(
                    file,
                    "It was changed, replaced or removed while this run was reading it: expected the file that was "
                    "there in the beginning. Run the same command once more, when nothing else writes it.",
                )

    def checked(self, docs: Iterable[Doc]) -> Iterator[Doc]:
        """Pass Docs on, and make sure after the last one that no file changed. Errors are those of `check`."""
        yield from docs
        self.check()


def _state(file: Path) -> Optional[tuple[int, int]]:
    """The size of a file, and when it was written; None if it is not there. The inode is left out: some network file
    systems give a file another one from time to time."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


class DocReader:
    """Docs that can be read again and again.

    paths (sequence of str or Path): Files and folders in any format that `read_docs` reads.
    nlp (Language): Its vocab is that of the Docs, and its tokenizer splits raw text.
    alignments (Optional[str or Path]): Word links of the Docs in Pharaoh format. See `with_links`.
    source_lang (Optional[str]): Source language of a .tsv. None: a .tsv is refused.
    limit (int): Read no more Docs than this of each. 0: all.
    labels (LabelFilter): New names of labels, and those to keep.
    sentences (bool): Find and align the sentences of Docs that have no sentence pairs.
    default (Optional[str]): See `read_docs`.
    """

    def __init__(
        self,
        paths: Sequence[PathLike],
        nlp: Language,
        *,
        alignments: Optional[PathLike] = None,
        source_lang: Optional[str] = "en",
        limit: int = 0,
        labels: LabelFilter = ALL,
        sentences: bool = False,
        default: Optional[str] = None,
    ):
        self.paths, self.nlp, self.alignments, self.limit = paths, nlp, alignments, limit
        self.source_nlp = blank(source_lang) if source_lang else None
        self.labels, self.sentences, self.default = labels, sentences, default
        self.own_vocabs = False

    def apart(self) -> "DocReader":
        """Return a reader for Docs that are looked at or written, and run through no pipeline. It gives those of each
        .spacy file a vocab of their own, so that their words leave the memory with them."""
        other = copy(self)
        other.own_vocabs = True
        return other

    def __iter__(self) -> Iterator[Doc]:
        return self.read(Counter())

    def read(self, counts: Counter) -> Iterator[Doc]:
        """Read the Docs, and count what in the input is worth a remark."""
        docs = self.read_plain(counts)
        if self.alignments is not None:
            docs = with_links(docs, self.read_plain(Counter()), self.alignments, counts)
        return with_sentence_pairs(docs) if self.sentences else docs

    def read_plain(self, counts: Counter, seen: Optional[Counter] = None) -> Iterator[Doc]:
        """Read the Docs without the links of `alignments`.

        counts (Counter): Counts what in the input is worth a remark.
        seen (Optional[Counter]): Counts the labels of entities as they were before `labels` renamed them.
        YIELDS (Doc): The Docs.
        """
        for path in self.paths:
            options: dict[str, Any] = {"limit": self.limit, "source_nlp": self.source_nlp, "default": self.default}
            docs = read_docs(path, self.nlp, counts=counts, own_vocabs=self.own_vocabs, **options)
            yield from self.labels.apply(docs, seen)

    def shards(self) -> list[Path]:
        """The files, if the input is a folder of several .spacy files that can be processed as they are."""
        changed = self.alignments is not None or self.labels or self.sentences
        if changed or len(self.paths) != 1 or not Path(self.paths[0]).is_dir():
            return []
        files = doc_files(self.paths[0])
        return files if len(files) > 1 else []

    def shard_files(self) -> list[Path]:
        """The files that its Docs stand in, if it reads folders of .spacy files as a whole and file by file."""
        folders = [Path(path) for path in self.paths]
        if self.alignments is not None or self.limit or not all(map(is_shards, folders)):
            return []
        return [file for folder in folders for file in doc_files(folder)]


def is_shards(path: Path) -> bool:
    """Whether a path is a folder of .spacy files."""
    return path.is_dir() and any(path.glob("[!.]*.spacy"))
