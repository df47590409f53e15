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


@contextmanager
def sampled(nlp: Language, docs: DocReader, size: int, folder: Path, key: Key) -> Iterator[Optional[Sample]]:
    """Choose what a pipeline is fitted on. Only the words of that stay in its vocab.

    nlp (Language): The pipeline.
    docs (DocReader): The input. If it is more than fit, the sample is written down: all that learns reads that alone,
        and not the whole input again.
    size (int): Number of Docs to fit on at most.
    folder (Path): Where the sample stands meanwhile.
    key (dict[str, str]): What it depends on.
    YIELDS (Optional[Sample]): What to fit on. None: no Doc needs what would be learnt.
    RAISES (XprojError): If a pipe must see all Docs, and there are more.
    """
    try:
        with memory_zones(nlp.vocab):  # that of Docs that are made of text
            chosen = _chosen(nlp, docs, size, folder, key)
        yield chosen
    finally:
        if (made := Manifest.read(folder)) is not None and PIECES in made.key:
            made.remove()


def _chosen(nlp: Language, docs: DocReader, size: int, folder: Path, key: Key) -> Optional[Sample]:
    apart, files = docs.apart(), docs.shard_files()
    if not is_needed(nlp, apart):
        return None
    chosen = Sample(apart, size, (text for file in files for text in read_texts(file)) if files else None)
    if chosen.limit is None:
        return chosen.written(docs)
    chosen.check(nlp)
    some: Iterable[Doc] = chosen
    reader = DocReader([folder], docs.nlp)
    if files:  # Docs that are not chosen need not be made, and the others are as they stand in the files
        choice = chosen.choice()
        some = (doc for file in files for doc in read_file(file, Vocab(), choice=choice))
        reader = copy(docs)
        reader.paths = [folder]
    write_shards(some, folder, key={**key, PIECES: "1"})
    return chosen.written(reader)
