"""Docs through a step, such as a pipeline, into one file or into a folder of shards."""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from time import perf_counter
from typing import Optional, Protocol

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..corpus.manifest import REJECTED, Manifest
from ..corpus.shards import doc_files, read_file, write_file
from ..errors import XprojError
from ..files import read_lines, write_lines
from ..keys import Key
from ..progress import seconds
from .pipelines import is_single
from .shards import PIECES, Progress, Work, is_begun, map_shards, write_shards


@dataclass
class Tally:
    """What came of a run, or of a shard, beside the Docs.

    counts (Counter): Numbers, with those of the `docs` among them.
    rejected (dict of str): The texts that could not be used, each once, in order. A dict because it is a set with an
        order.
    """

    counts: Counter = field(default_factory=Counter)
    rejected: dict[str, None] = field(default_factory=dict)


class Reader(Protocol):
    """Docs that can be read again and again, as by a `DocReader`."""

    def read(self, counts: Counter) -> Iterator[Doc]:
        """Read the Docs, and count what in the input is worth a remark."""

    def shards(self) -> list[Path]:
        """The files, if the input is a folder of several .spacy files that can be processed as they are."""


class Step(Protocol):
    """What is done with Docs, to each alone or to a stream."""

    @property
    def vocab(self) -> Vocab:
        """The vocab that the Docs must have."""

    def __call__(self, docs: Iterable[Doc], tally: Tally) -> Iterator[Doc]:
        """Process Docs, and count in passing."""


@dataclass
class PipelineStep:
    """A pipeline that each process loads once.

    folder (Path), state (str): The pipeline, and the hash that names it.
    annotate (Callable[[Iterable[Doc], str, Counter], Iterator[Doc]]): What is done with the Docs that come out of it.
        It gets the hash, and counts what it sees. A function of a module, so that it can go to other processes.
    """

    folder: Path
    state: str
    annotate: Callable[[Iterable[Doc], str, Counter], Iterator[Doc]]

    @property
    def vocab(self) -> Vocab:
        return _loaded(self.folder, self.state).vocab

    def __call__(self, docs: Iterable[Doc], tally: Tally) -> Iterator[Doc]:
        return self.annotate(run_pipes(_loaded(self.folder, self.state), docs), self.state, tally.counts)


@functools.lru_cache(maxsize=1)
def _loaded(folder: Path, state: str) -> Language:
    return spacy.load(folder)


def run_pipes(nlp: Language, docs: Iterable[Doc]) -> Iterator[Doc]:
    """`nlp.pipe`. Whoever listens to how long pipes take is told (see `spacy_xproj.progress`)."""
    spent = seconds()
    if spent is None:
        return nlp.pipe(docs)
    names = nlp.pipe_names
    docs = _timed(docs, "reading", spent, after=names[0] if names else "")
    for name, after in zip_longest(names, names[1:], fillvalue=""):
        docs = _timed(nlp.pipe(docs, disable=[other for other in names if other != name]), name, spent, after=after)
    return docs


def _timed(docs: Iterable[Doc], name: str, spent: dict[str, float], after: str) -> Iterator[Doc]:
    """Pass Docs on, and add the seconds that they take to those of `name`; the pipe `after` it is not to have them."""
    stream, end = iter(docs), object()
    while True:
        begin = perf_counter()
        doc = next(stream, end)
        passed = perf_counter() - begin
        spent[name] += passed
        if after:
            spent[after] -= passed
        if doc is end:
            return
        yield doc  # type: ignore[misc]


def process(
    docs: Reader,
    out: Path,
    step: Step,
    *,
    key: Key,
    shard: int = 0,
    n_process: int = 1,
    progress: Optional[Progress] = None,
    check: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Take Docs through a step and write what comes out.

    docs (Reader): The input, in the vocab of the step.
    out (Path): A .spacy file, which is written as a whole; or a folder of shards, in which a run goes on where it was
        stopped.
    step (Step): What is done with the Docs. With several processes it must be picklable.
    key (dict[str, str]): What the output depends on.
    shard (int): Docs a shard, where the input is no folder of shards itself. 0: 1000.
    n_process (int): Worker processes, each of which reads, processes and writes whole shards.
    progress (Optional[Progress]): Called with the numbers of finished and of all shards, or of Docs.
    check (Callable[[Tally], None]): Is told what came of the whole run before the output is put in its place. If it
        raises an `XprojError`, nothing is written, and an output of an earlier run stays.
    RETURNS (Tally): What came of the whole run.
    RAISES (XprojError): If several processes are to write one file, or the input cannot be used.
    """
    if is_single(out):
        tally = Tally()
        write_file(_checking(_reporting(step(docs.read(tally.counts), tally), progress), tally, check), out)
        return tally
    key = {**key, "shard size": str(shard)}
    manifest = Manifest.read(out) if out.is_dir() else None
    if manifest is None or manifest.key != key or not manifest.is_finished():
        work = functools.partial(process_shard, step)
        manifest = _process_shards(docs, out, work, key, shard, n_process, progress, lambda made: check(_tally(made)))
    _remove_pieces(_pieces(out))
    return _tally(manifest)


def _tally(manifest: Manifest) -> Tally:
    rejected = [p.with_suffix(REJECTED) for p in map(manifest.path, range(len(manifest.shards)))]
    texts = {line: None for path in rejected if path.exists() for _, line in read_lines(path)}
    return Tally(manifest.totals(), texts)


def _process_shards(
    docs: Reader,
    out: Path,
    work: Work,
    key: Key,
    shard: int,
    n_process: int,
    progress: Optional[Progress],
    check: Callable[[Manifest], None],
) -> Manifest:
    """Split the input where it is not in shards, so that each piece of it is read once, and process the shards."""
    files, counts, split = docs.shards(), Counter[str](), _pieces(out)
    try:
        if not files:
            _check_pieces(split)
            counts = write_shards(docs.read(counts), split, key={**key, PIECES: "1"}, shard=shard, counts=counts)
            files = doc_files(split)
        return map_shards(files, out, work, key=key, counts=counts, n_process=n_process, progress=progress, check=check)
    except XprojError:
        if not is_begun(out, key):
            _remove_pieces(split)
        raise


def _pieces(out: Path) -> Path:
    """Where the input of a run that writes to `out` is put in pieces."""
    return out.with_name(f"{out.name}.input")


def _check_pieces(folder: Path) -> None:
    """RAISES (XprojError): If there is something else than the pieces of an earlier run, such as a corpus."""
    found = Manifest.read(folder)
    if found is not None and PIECES not in found.key:
        raise XprojError(
            f"{folder}: here the pieces of the input are to be put, but here is something else. Move it, or give "
            "another OUT."
        )


def _remove_pieces(folder: Path) -> None:
    if (found := Manifest.read(folder)) and PIECES in found.key:
        found.remove()


def process_shard(step: Step, source: Path, out: Path) -> dict[str, int]:
    """Take the Docs of one file through a step, and write them to another.

    step (Step): The step.
    source, out (Path): The files. The texts that could not be used go to a file beside the output.
    RETURNS (dict of str to int): What was counted.
    """
    tally = Tally()
    docs = write_file(step(read_file(source, step.vocab), tally), out)
    beside = out.with_suffix(REJECTED)
    beside.unlink(missing_ok=True)
    if tally.rejected:
        write_lines(beside, tally.rejected)
    return {**tally.counts, "docs": docs}


def check_processes(out: Path, n_process: int) -> None:
    """Make sure that an output can be written by so many processes.

    RAISES (XprojError): If several are to write one file.
    """
    if is_single(out) and n_process > 1:
        raise XprojError(f"{out}: several processes write shards. Give OUT as a folder, or --n-process 1.")


def _checking(docs: Iterable[Doc], tally: Tally, check: Callable[[Tally], None]) -> Iterator[Doc]:
    yield from docs
    check(tally)


def _reporting(docs: Iterable[Doc], progress: Optional[Progress]) -> Iterator[Doc]:
    for number, doc in enumerate(docs, 1):
        yield doc
        if progress is not None:
            progress(number, 0)
