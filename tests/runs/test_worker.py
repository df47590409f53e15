"""Docs that break a worker process are set aside, and the rest goes on."""

import functools
import json
import os
import pickle
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import spacy
from catalogue import RegistryError
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xproj.corpus import doc_files, read_docs
from spacy_xproj.errors import XprojError
from spacy_xproj.runs import worker as module
from spacy_xproj.runs.engines import HERE, Workers
from spacy_xproj.runs.rejected import rejected_lines
from spacy_xproj.runs.shards import map_shards, write_shards
from spacy_xproj.runs.steps import process_shard
from tests.runs.breaker import breaker

KEY = {"input": "a"}
VOCAB = Vocab()


@dataclass
class Breaking:
    """A step whose Docs come out in batches, as those of a pipe do."""

    batch: int
    vocabs = (VOCAB,)

    def __call__(self, docs, tally):
        docs = iter(docs)
        while batch := [doc for _, doc in zip(range(self.batch), docs)]:
            made = [breaker(doc) for doc in batch]
            tally.counts["seen"] += len(made)
            yield from made


FOUR = Breaking(4)


def docs_of(texts):
    for number, text in enumerate(texts):
        doc = Doc(VOCAB, words=text.split(), spaces=[True, False])
        doc.user_data["meta"] = {"id": f"d{number}"}
        yield doc


def run(tmp_path, texts, workers, shard=5, step=FOUR):
    if not (tmp_path / "in").exists():
        write_shards(docs_of(texts), tmp_path / "in", key=KEY, shard=shard)
    work = functools.partial(process_shard, step)
    made = map_shards(doc_files(tmp_path / "in"), tmp_path / "out", work, key=KEY, workers=workers)
    rows = [json.loads(line) for line in rejected_lines(made)]
    return made, [doc.text for doc in read_docs(tmp_path / "out", spacy.blank("en"))], rows


@pytest.mark.slow
@pytest.mark.parametrize(
    "word, reason, workers",
    [
        ("SEGV", "ended the process (SIGSEGV)", Workers(2)),
        ("HANG", "took more than 1 s", Workers(timeout=1)),
        ("EAT", "took more than 1.5 GB of memory", Workers(2, memory_limit=1.5)),
    ],
)
def test_one_that_breaks_it(tmp_path, monkeypatch, word, reason, workers):
    """The bytes are those of one process in which a Doc at the same place raises an exception."""
    monkeypatch.setattr(module, "STARTUP", 5.0)
    texts = [f"{word} {n}" if n == 7 else f"fine {n}" for n in range(13)]
    made, found, rows = run(tmp_path, texts, workers)
    assert found == [text for text in texts if word not in text]
    want = {"text": f"{word} 7", "id": "d7", "reason": reason, "shard": 1, "number": 2}
    assert rows == [want] and made.totals() == {"docs": 12, "docs_set_aside": 1, "seen": 12}
    assert not [name for name in os.listdir(tmp_path / "out") if name.endswith(".tmp")]
    texts[7] = "RAISE 7"
    *_, rows = run(tmp_path / "other", texts, HERE, step=Breaking(1))
    assert rows == [{**want, "text": "RAISE 7", "reason": "KeyError: 'told to fail'"}]
    for path in (tmp_path / "out").glob("*.spacy"):
        assert path.read_bytes() == (tmp_path / "other" / "out" / path.name).read_bytes()


def test_an_exception_needs_no_worker(tmp_path):
    texts = [f"RAISE {n}" if n in (0, 4) else f"fine {n}" for n in range(9)]
    made, found, rows = run(tmp_path, texts, HERE)
    assert found == [text for text in texts if "RAISE" not in text]
    assert [(row["number"], row["shard"], row["id"]) for row in rows] == [(0, 0, "d0"), (4, 0, "d4")]
    assert made.totals() == {"docs": 7, "docs_set_aside": 2, "seen": 7}


def test_docs_in_a_row_are_not_to_blame(tmp_path):
    texts = [f"RAISE {n}" if n > 2 else f"fine {n}" for n in range(20)]
    with pytest.raises(XprojError, match=r"10 Docs in a row could not be processed.* KeyError: 'told to fail'\. Mend"):
        run(tmp_path, texts, HERE, shard=20)


def fail_first(source, target, watch):
    if not (mark := source.parent / "failed").exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return process_shard(FOUR, source, target, watch)


def always_fail(source, target, watch):
    os._exit(7)


@pytest.mark.slow
def test_a_worker_that_ends_with_no_doc_at_hand(tmp_path):
    write_shards(docs_of(["a 1", "b 2"]), tmp_path / "in", key=KEY, shard=1)
    files = doc_files(tmp_path / "in")
    assert map_shards(files, tmp_path / "out", fail_first, key=KEY, workers=Workers(2)).totals()["docs"] == 2
    with pytest.raises(XprojError, match=r"ended the process \(exit code 7\), 2 times, with no Doc at hand"):
        map_shards(files, tmp_path / "bad", always_fail, key=KEY, workers=Workers(2))
    assert not (tmp_path / "bad").exists()


def linger(source, target, watch):
    (source.parent / "pid").write_text(str(os.getpid()))
    time.sleep(3600)


@pytest.mark.slow
def test_a_parent_that_is_killed_takes_its_worker_along(tmp_path):
    parent = os.fork()
    if not parent:
        try:
            module.Worker(linger)(tmp_path / "in.spacy", tmp_path / "00000.spacy")
        finally:
            os._exit(1)
    path, end = tmp_path / "pid", time.monotonic() + 300
    while not path.exists() or not path.read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)

    def is_over():
        try:
            return Path(f"/proc/{path.read_text()}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            return True

    end = time.monotonic() + 60
    while not is_over() and time.monotonic() < end:
        time.sleep(0.05)
    assert is_over()


class OfALibrary(OSError):
    """One that pickle cannot make again."""

    def __init__(self, *, response):
        super().__init__(response)


@pytest.mark.parametrize(
    "err, kind, message",
    [
        (OSError(28, "No space left on device", "out/00000.spacy"), OSError, r"\[Errno 28\] .*: 'out/00000.spacy'"),
        (PermissionError(13, "Permission denied", "out"), PermissionError, "Permission denied: 'out'"),
        (OfALibrary(response="no answer"), OSError, "^no answer$"),
        (RegistryError("no such function"), XprojError, "^no such function$"),
        (KeyError("told to fail"), RuntimeError, "In a worker process:\nKeyError: 'told to fail'"),
    ],
)
def test_errors_that_go_to_the_parent(err, kind, message):
    found = pickle.loads(pickle.dumps(module._portable(err)))
    assert type(found) is kind and re.search(message, str(found))


@pytest.mark.parametrize(
    "given, message",
    [
        ({"engine": "slurm"}, "engine must be one of local, ray, not 'slurm'"),
        ({"timeout": -1}, "timeout must be at least 0, not -1"),
        ({"n_process": 0}, "n_process must be at least 1, not 0"),
        ({"engine": "ray", "gpus_per_worker": 1.5}, "below 1 or as a whole number, not 1.5"),
        ({"address": "host:1"}, "Give --engine ray with it"),
    ],
)
def test_settings(given, message):
    with pytest.raises(XprojError, match=message):
        Workers(**given)


def tell_gpus(source, target, watch):
    (source.parent / f"{source.stem}.gpus").write_text(os.environ["CUDA_VISIBLE_DEVICES"])
    return process_shard(FOUR, source, target, watch)


@pytest.mark.slow
def test_a_worker_sees_its_gpus(tmp_path, monkeypatch):
    monkeypatch.setenv(module.GPUS, "2,GPU-5a")
    write_shards(docs_of(["a 1"]), tmp_path / "in", key=KEY)
    workers = Workers(gpus_per_worker=2)
    map_shards(doc_files(tmp_path / "in"), tmp_path / "out", tell_gpus, key=KEY, workers=workers)
    assert (tmp_path / "in" / "00000.gpus").read_text() == "2,GPU-5a"


def test_gpus_of_workers_on_this_machine(monkeypatch):
    monkeypatch.delenv(module.GPUS, raising=False)
    found = [Workers(2, gpus_per_worker=n)._gpus(1) for n in (0, 1, 2, 0.5)]
    assert found == [None, ["1"], ["2", "3"], ["0"]]
    assert Workers(100, gpus_per_worker=0.07)._gpus(99) == ["6"]


@pytest.mark.parametrize(
    "visible, each, gpus",
    [("2,3", 1, [["2"], ["3"]]), ("GPU-5a, MIG-7", 1, [["GPU-5a"], ["MIG-7"]]), ("4", 0.5, [["4"], ["4"]])],
)
def test_workers_share_the_gpus_of_their_parent(monkeypatch, visible, each, gpus):
    monkeypatch.setenv(module.GPUS, visible)
    assert [Workers(2, gpus_per_worker=each)._gpus(k) for k in range(2)] == gpus


@pytest.mark.parametrize("visible, n", [("2,3", 2), ("", 0), ("1,-1,2", 1)])
def test_more_gpus_than_the_parent_sees(monkeypatch, visible, n):
    monkeypatch.setenv(module.GPUS, visible)
    with pytest.raises(XprojError, match=f"3 workers with 1 GPUs each need 3, but {module.GPUS}={visible} names {n}"):
        Workers(3, gpus_per_worker=1)
    Workers(3, "ray", gpus_per_worker=1)  # the cluster may have them
    assert Workers(3)._gpus(0) is None
