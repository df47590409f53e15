"""Docs through a fitted pipeline, into one file or into a folder of shards, by one process or several."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm

from ..corpus import read_file, run_shards, write_docs, write_file
from ..errors import XprojError

# What a verb does with the Docs that come out of the pipeline: it gets its name, and counts what it sees.
Finish = Callable[[Iterable[Doc], str, Counter], Iterator[Doc]]


def check_out(out: Path, n_process: int) -> None:
    """RAISES (XprojError): If several processes are to write one file."""
    if is_single(out) and n_process > 1:
        raise XprojError(f"{out}: several processes write shards. Give OUT as a folder, or --n-process 1.")


def is_single(out: Path) -> bool:
    """Whether an output is one file."""
    return out.suffix.lower() == ".spacy"


def process(
    nlp: Language,
    docs: Iterable[Doc],
    files: Callable[[Path], list[Path]],
    out: Path,
    work: "Work",
    *,
    key: dict[str, Any],
    n_process: int,
    progress: bool,
) -> Counter:
    """Run the pipeline and write what comes out. A run into a folder goes on where it was stopped.

    nlp (Language), docs (Iterable[Doc]): The pipeline and its input, for one file.
    files (Callable[[Path], list of Path]): Gives the shards of the input, for a folder; those that it makes go into the
        folder that it gets.
    out (Path): A .spacy file, or a folder.
    work (Work): What is done with one shard.
    key (dict): What the output depends on.
    n_process (int): Worker processes, each of which reads, processes and writes whole shards.
    progress (bool): Show bars.
    RETURNS (Counter): What `work.finish` counted.
    """
    counts: Counter = Counter()
    if is_single(out):
        found = work.finish(nlp.pipe(docs), work.state, counts)
        write_docs(tqdm(found, unit="doc", disable=not progress), out)
        return counts
    shards = files(out.with_name(f"{out.name}.input"))
    with tqdm(total=len(shards), unit="shard", disable=not progress) as bar:
        return run_shards(
            shards, out, work, key=key, n_process=n_process, progress=lambda done, total: bar.update(done - bar.n)
        )


@dataclass
class Work:
    """What a worker does with one shard. The pipeline is loaded once in each process.

    folder (Path), state (str): The pipeline, and its name.
    finish (Finish): What is done with what comes out of it; a function of a module, to go to other processes.
    """

    folder: Path
    state: str
    finish: Finish

    def __call__(self, source: Path, out: Path) -> dict:
        nlp = _LOADED.get(self.state)
        if nlp is None:
            nlp = _LOADED[self.state] = spacy.load(self.folder)
        counts: Counter = Counter()
        write_file(self.finish(nlp.pipe(read_file(source, nlp.vocab)), self.state, counts), out)
        return dict(counts)


_LOADED: dict[str, Any] = {}
