"""Docs through a step, such as a pipeline, into one file or into a folder of shards."""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from time import perf_counter
from typing import Optional, Protocol

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..corpus.manifest import Manifest
from ..corpus.shards import doc_files
from ..errors import XprojError
from ..keys import Key
from ..pipeline.base import check_whole
from ..progress import seconds
from .engines import HERE, Workers
from .pipelines import is_single
from .reading import Inputs
from .rejected import SET_ASIDE, as_lines, rejected_file, rejected_lines, write_rejected
from .shards import PIECES, Progress, is_begun, map_shards, write_shards
from .steps import Step, Tally, Watch, process_docs, process_shard, reason_of
from .worker import Made


class Reader(Protocol):
    """Docs that can be read again and again, as by a `DocReader`."""

    def read(self, counts: Counter) -> Iterator[Doc]:
        """Read the Docs, and count what in the input is worth a remark."""

    def apart(self) -> "Reader":
        """Return a reader that gives Docs vocabs of their own where it can. Their words leave the memory with them."""

    def shards(self) -> list[Path]:
        """The files, if the input is a folder of several .spacy files that can be processed as they are."""


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
    def vocabs(self) -> Sequence[Vocab]:
        return [_loaded(self.folder, self.state).vocab]

    def __call__(self, docs: Iterable[Doc], tally: Tally) -> Iterator[Doc]:
        nlp = _loaded(self.folder, self.state)
        try:
            yield from self.annotate(run_pipes(nlp, docs), self.state, tally.counts)
        except XprojError:
            raise
        except Exception as err:  # the Docs after the one that failed would get the results of others
            check_whole(nlp, f"A Doc cannot be set aside then: {reason_of(err)}. Mend it, or take it out.")
            raise


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
    inputs: Inputs,
    shard: int = 0,
    workers: Workers = HERE,
    progress: Optional[Progress] = None,
    check: Callable[[Counter], None] = lambda counts: None,
) -> Counter:
    """Take Docs through a step and write what comes out. What could not be used is listed in `OUT.rejected.jsonl`.

    docs (Reader): The input, in the first vocab of the step.
    out (Path): A .spacy file, which is written as a whole; or a folder of shards, in which a run goes on where it was
        stopped.
    step (Step): What is done with the Docs. For other processes it must be picklable.
    key (dict[str, str]): What the output depends on.
    inputs (Inputs): The files of the input, as they were when the key was made.
    shard (int): Docs a shard, where the input is no folder of shards itself. 0: 1000.
    workers (Workers): Who makes the shards.
    progress (Optional[Progress]): Called with the numbers of finished and of all shards, or of Docs.
    check (Callable[[Counter], None]): Is told what the whole run counted before the output is put in its place. If it
        raises an `XprojError`, nothing is written, and an output of an earlier run stays.
    RETURNS (Counter): What the whole run counted.
    RAISES (XprojError): If other processes are to write one file, the input cannot be used or changes meanwhile, or all
        Docs are set aside.
    """

    def check_all(counts: Counter, lines: Iterable[str]) -> None:
        write_rejected(rejected_file(out), lines, stays=True)
        if counts[SET_ASIDE] and not counts["docs"]:
            raise XprojError(f"All {counts[SET_ASIDE]} Docs were set aside: {rejected_file(out)} says why.")
        check(counts)

    if is_single(out):

        def read(counts: Counter) -> Iterator[Doc]:
            return inputs.checked(docs.read(counts))

        def on_the_way(made: Iterable[Doc], tally: Tally) -> Iterator[Doc]:
            yield from _reporting(made, progress)
            check_all(tally.counts, as_lines(tally.rejected))

        begin = perf_counter()
        tally = process_docs(step, read, out, Watch(), on_the_way=on_the_way)
        Made.here(tally.counts, begin).tell(out)
        write_rejected(rejected_file(out), as_lines(tally.rejected))
        return tally.counts

    def check_made(made: Manifest) -> None:
        check_all(made.totals(), rejected_lines(made))

    key = {**key, "shard size": str(shard)}
    manifest = Manifest.read(out) if out.is_dir() else None
    if manifest is None or manifest.key != key or not manifest.is_finished():
        files, counts = _input_shards(docs, inputs, out, key, shard)
        work = functools.partial(process_shard, step)
        try:
            manifest = map_shards(
                files, out, work, key=key, counts=counts, workers=workers, progress=progress, check=check_made
            )
        except XprojError:
            if not is_begun(out, key):
                _remove_pieces(_pieces(out))
            raise
    _remove_pieces(_pieces(out))
    write_rejected(rejected_file(out), rejected_lines(manifest))
    return manifest.totals()


def _input_shards(docs: Reader, inputs: Inputs, out: Path, key: Key, shard: int) -> tuple[list[Path], Counter]:
    """Split the input where it is not in shards, so that each piece of it is read once.

    RETURNS (list of Path, Counter): The shards, and what was counted in reading.
    """
    files, counts, split = docs.shards(), Counter[str](), _pieces(out)
    if files:
        inputs.check()
        return files, counts
    try:
        _check_pieces(split)
        pieces = inputs.checked(docs.apart().read(counts))
        counts = write_shards(pieces, split, key={**key, PIECES: "1"}, shard=shard, counts=counts)
        return doc_files(split), counts
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


def check_processes(out: Path, workers: Workers) -> None:
    """Make sure that an output can be written by other processes than this one.

    RAISES (XprojError): If they are to write one file.
    """
    if is_single(out) and workers.apart:
        raise XprojError(
            f"{out}: worker processes write shards. Give OUT as a folder, or leave out the options of workers, "
            "which are --n-process, --engine, --gpus-per-worker, --timeout and --memory-limit."
        )


def _reporting(docs: Iterable[Doc], progress: Optional[Progress]) -> Iterator[Doc]:
    for number, doc in enumerate(docs, 1):
        yield doc
        if progress is not None:
            progress(number, 0)
