"""Docs into a folder of numbered shards. A run that was stopped goes on with the first shard that is not finished."""

import glob
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, Optional, Union

from spacy.tokens import Doc

from ..corpus.manifest import MANIFEST, REJECTED, Manifest, plain
from ..corpus.shards import write_file
from ..errors import Stopped, XprojError
from ..files import check_locks, remove_leftovers, text_hash
from ..keys import Key, warn_of_changes
from .engines import HERE, Workers
from .reading import Inputs
from .worker import Made, Work

SHARD = 1000
INSTEAD = "in place of"  # in the key of a folder whose shards take the place of others once they are all made
PIECES = "pieces"  # in the key of a folder that holds the input in pieces, and is removed in the end
Progress = Callable[[int, int], Any]  # is told how many are done, and of how many; 0: nobody knows


def open_folder(out: Union[str, Path], key: Key, total: Optional[int] = None) -> Manifest:
    """Open a folder to write shards to. What is finished in it stays if it was made with the same key.

    out (str or Path): The folder, which must be new, empty or have a manifest.
    key (dict[str, str]): What the shards are made from.
    total (Optional[int]): How many there will be; None: nobody knows yet.
    RETURNS (Manifest): That of the earlier run, or a new one.
    RAISES (XprojError): If the folder holds other things.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise XprojError(f"{out} is a file. Give a name that ends in .spacy, or one of a folder.")
    remove_leftovers(out / MANIFEST)  # a run can be killed while it writes the first one
    old = Manifest.read(out)
    if old is None and out.is_dir() and any(out.iterdir()):
        raise XprojError(f"{out} is not empty and has no {MANIFEST}. Remove it, or give another folder.")
    if old is not None:
        if old.key == key and (total is None or old.total == total):
            return old
        if PIECES not in old.key:  # of these nothing is lost, and what they are for says so itself
            warn_of_changes(out, old.key, key)
        old.remove()
    out.mkdir(parents=True, exist_ok=True)
    new = Manifest(out, key, total)
    new.save()
    return new


def is_begun(out: Path, key: Key) -> bool:
    """Whether there are shards of a run that was stopped, in their place or beside it.

    out (Path), key (dict[str, str]): As of `writing_place`.
    """
    places = ((out, key), (_beside(out, key), {**key, INSTEAD: out.name}))
    return any((found := Manifest.read(place)) is not None and found.key == theirs for place, theirs in places)


def _beside(out: Path, key: Key) -> Path:
    """Another place for each key: what was made with one is not lost by a run with another one."""
    return out.with_name(f".{out.name}.{text_hash(json.dumps(key, sort_keys=True))[:8]}.new")


def writing_place(out: Path, key: Key) -> tuple[Path, Key]:
    """Where to write shards: in their folder; or beside it, if shards of another key are there, so that an option that
    was forgotten, and an input or a step that fails, remove nothing.

    out (Path): The folder.
    key (dict[str, str]): What the shards are to be made from.
    RETURNS (Path, dict[str, str]): The folder to write to, and the key to write with.
    """
    if PIECES in key:
        return out, key
    old, beside = Manifest.read(out), _beside(out, key)
    if old is not None and old.key != key and any(old.shards):
        warn_of_changes(out, old.key, key)
        return beside, {**key, INSTEAD: out.name}
    if (left := Manifest.read(beside)) is not None and left.is_whole():  # a process was killed while it moved them
        settle(left, out, key)
    return out, key


def settle(made: Manifest, out: Path, key: Key) -> Manifest:
    """Put shards in the place of others, if they are not there. What was begun with other keys is removed.

    made (Manifest): The shards, all finished.
    out (Path), key (dict[str, str]): As of `writing_place`.
    RETURNS (Manifest): Of the shards in their place.
    """
    settled = made
    if made.folder != out:
        if (old := Manifest.read(out)) is not None and old.key != key:
            old.remove()
        out.mkdir(parents=True, exist_ok=True)
        settled = Manifest(out, key, made.total, [*made.shards], made.counts)
        settled.save()
        for shard in settled.shards:
            for name in shard["files"]:
                if (made.folder / name).exists():
                    check_locks()
                    os.replace(made.folder / name, out / name)
    for folder in out.parent.glob(f".{glob.escape(out.name)}.*.new"):
        if (left := Manifest.read(folder)) is not None and left.key.get(INSTEAD) == out.name:
            left.remove()
    return settled


def write_shards(
    docs: Iterable[Doc],
    out: Union[str, Path],
    *,
    key: Key,
    shard: int = 0,
    counts: Optional[Counter] = None,
    progress: Optional[Progress] = None,
) -> Counter:
    """Write a stream of Docs to shards. Docs of finished shards are read again, and not written again.

    docs (iterable of Doc): The same ones each time that the key is the same.
    out (str or Path): The folder, which must be new, empty or have a manifest.
    key (dict[str, str]): What the Docs are made from.
    shard (int): Docs a shard. 0: 1000.
    counts (Optional[Counter]): What is counted while `docs` is read.
    progress (Optional[Progress]): Called after each shard.
    RETURNS (Counter): The counts of all shards.
    RAISES (XprojError): If the folder holds other things. An error of this kind that comes from `docs` after the
        first shard removes the shards: the input has to be mended, and then they are made from something else.
    RAISES (Stopped): On an interrupt. What is finished stays.
    """
    out = Path(out)
    old = Manifest.read(out)
    if old is not None and old.key == key and old.is_finished():
        return old.totals()
    docs, counts, number = iter(docs), Counter() if counts is None else counts, 0
    begin = perf_counter()
    before, batch = Counter(counts), list(islice(docs, shard or SHARD))
    manifest = open_folder(*writing_place(out, key))  # an input that cannot be read at all has removed nothing
    try:
        while batch:
            if not manifest.is_intact(number):
                write_file(batch, manifest.path(number))
                manifest.set(number, len(batch), counts - before)
                manifest.save_in_time()
                Made.here({**(counts - before), "docs": len(batch)}, begin).tell(out, number)
            number, begin = number + 1, perf_counter()
            if progress is not None:
                progress(number, 0)
            before, batch = Counter(counts), list(islice(docs, shard or SHARD))
    except XprojError:
        manifest.remove()
        raise
    except KeyboardInterrupt:
        manifest.save()
        raise Stopped(f"goes on from shard {number + 1}") from None
    manifest.remove(number)
    manifest.total, manifest.counts = number, plain(counts - before)  # what was counted after the last Doc
    manifest.save()
    return settle(manifest, out, key).totals()


def map_shards(
    inputs: Sequence[Path],
    out: Union[str, Path],
    work: Work,
    *,
    key: Key,
    counts: Mapping[str, int] = {},
    workers: Workers = HERE,
    progress: Optional[Progress] = None,
    check: Callable[[Manifest], None] = lambda made: None,
) -> Manifest:
    """Make one output shard of each input shard. A shard that was changed since it was written is made anew.

    inputs (sequence of Path): The input files.
    out (str or Path): The folder, which must be new, empty or have a manifest.
    work (Callable[[Path, Path, Watch], dict]): Reads an input, writes its output in one go (`write_file`), and returns
        what it counted, with `docs` among it. For other processes it must be picklable.
    key (dict[str, str]): What the result depends on.
    counts (mapping of str to int): What was counted in the input as a whole.
    workers (Workers): Who makes the shards. The result does not depend on it.
    progress (Optional[Progress]): Called with the numbers of finished and of all shards.
    check (Callable[[Manifest], None]): Is given the finished shards before they take the place of others. If it raises
        an `XprojError`, they are removed.
    RETURNS (Manifest): Of all shards, also of those made by earlier runs.
    RAISES (XprojError): If the folder holds other things. An error of this kind that comes from `work` before any shard
        is finished leaves no folder. Also if an input file changes meanwhile; the shards before it stay.
    RAISES (Stopped): On an interrupt. What is finished stays.
    """
    out, noted = Path(out), Inputs(inputs)
    if any(Path(file).parent.resolve() == out.resolve() for file in inputs):
        raise XprojError(f"{out}: the output folder holds the inputs. Give another one.")
    manifest = open_folder(*writing_place(out, key), len(inputs))
    todo = manifest.unfinished()
    for number in todo:
        manifest.shards[number] = {}
    manifest.counts = plain(counts)
    manifest.save()

    def finish(number: int, made: Made) -> None:
        check_locks()
        noted.check(inputs[number])
        manifest.set(number, made.counts["docs"], made.counts)
        manifest.save_in_time()
        made.tell(out, number, len(inputs))
        report()

    def report() -> None:
        if progress is not None:
            progress(sum(map(bool, manifest.shards)), len(inputs))

    report()
    try:
        try:
            workers.run(work, {n: (inputs[n], manifest.path(n)) for n in todo}, finish)
        finally:
            manifest.save()
    except XprojError:
        if not any(manifest.shards):
            manifest.remove()
        raise
    except KeyboardInterrupt:
        for number in manifest.unfinished():
            for suffix in (".spacy", REJECTED):  # of workers that were ended
                remove_leftovers(manifest.path(number).with_suffix(suffix))
        done = sum(map(bool, manifest.shards))
        raise Stopped(f"goes on from shard {done + 1} of {len(inputs)}") from None
    try:
        check(manifest)
    except XprojError:
        manifest.remove()
        raise
    return settle(manifest, out, key)
