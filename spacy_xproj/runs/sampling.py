"""What a run fits on: its whole input, or of a large one a sample that stands in a folder of its own meanwhile."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Optional

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..corpus.manifest import Manifest
from ..corpus.shards import read_file, read_texts
from ..fitting import Sample, is_needed
from ..keys import Key
from ..zones import memory_zones
from .reading import DocReader
from .shards import PIECES, write_shards


class FileByFile:
    """The Docs of .spacy files. The words of each file leave the memory with it.

    reader (DocReader): Reads them.
    files (list of Path): The files.
    """

    def __init__(self, reader: DocReader, files: list[Path]):
        self.readers = [copy(reader) for _ in files]
        for one, file in zip(self.readers, files):
            one.paths = [file]

    def __iter__(self) -> Iterator[Doc]:
        for reader in self.readers:
            with memory_zones(reader.nlp.vocab):
                yield from reader


@contextmanager
def sampled(nlp: Language, docs: Iterable[Doc], size: int, folder: Path, key: Key) -> Iterator[Optional[Sample]]:
    """Choose what a pipeline is fitted on.

    nlp (Language): The pipeline.
    docs (iterable of Doc): The input. Of a `DocReader` of shards that are more than fit, the sample is written down:
        all that learns reads that alone, and not the whole input again.
    size (int): Number of Docs to fit on at most.
    folder (Path): Where the sample stands meanwhile.
    key (dict[str, str]): What it depends on.
    YIELDS (Optional[Sample]): What to fit on. None: no Doc needs what would be learnt.
    RAISES (XprojError): If a pipe must see all Docs, and there are more.
    """
    files = docs.shard_files() if isinstance(docs, DocReader) else []
    if not files or not isinstance(docs, DocReader):
        yield Sample(docs, size) if is_needed(nlp, docs) else None
        return
    if not is_needed(nlp, FileByFile(docs, files)):
        yield None
        return
    chosen = Sample(docs, size, (text for file in files for text in read_texts(file)))
    if chosen.limit is None:
        yield chosen
        return
    chosen.check(nlp)
    try:
        choice = chosen.choice()
        some = (doc for file in files for doc in read_file(file, Vocab(), choice=choice))
        write_shards(some, folder, key={**key, PIECES: "1"})
        reader = copy(docs)
        reader.paths = [folder]
        yield chosen.written(reader)
    finally:
        if (made := Manifest.read(folder)) is not None and PIECES in made.key:
            made.remove()
