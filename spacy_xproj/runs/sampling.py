"""What a run fits on: its whole input, or of a large one a sample that stands in a folder of its own meanwhile."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..corpus.manifest import Manifest
from ..corpus.shards import read_file
from ..fitting import Sample
from ..keys import Key
from .reading import DocReader
from .shards import PIECES, write_shards


class Texts:
    """The Docs of .spacy files without their user data. Those of each file have a vocab of their own, so that words do
    not pile up.

    files (list of Path): The files.
    """

    def __init__(self, files: list[Path]):
        self.files = files

    def __iter__(self) -> Iterator[Doc]:
        for file in self.files:
            yield from read_file(file, Vocab(), bare=True)


@contextmanager
def sampled(nlp: Language, docs: Iterable[Doc], size: int, folder: Path, key: Key) -> Iterator[Sample]:
    """Choose what a pipeline is fitted on.

    nlp (Language): The pipeline.
    docs (iterable of Doc): The input. Of a `DocReader` of shards that are more than fit, the sample is written down:
        all that learns reads that alone, and not the whole input again.
    size (int): Number of Docs to fit on at most.
    folder (Path): Where the sample stands meanwhile.
    key (dict[str, str]): What it depends on.
    YIELDS (Sample): What to fit on.
    RAISES (XprojError): If a pipe must see all Docs, and there are more.
    """
    files = docs.shard_files() if isinstance(docs, DocReader) else []
    if not files or not isinstance(docs, DocReader):
        yield Sample(docs, size)
        return
    chosen = Sample(Texts(files), size)
    if chosen.limit is None:
        yield chosen.written(docs)
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
