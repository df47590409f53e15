import json
import os
import re
import subprocess
import time
from collections import Counter
from contextlib import nullcontext, suppress
from pathlib import Path

import catalogue
import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_xproj import errors, locks
from spacy_xproj.bitext import Bitext
from spacy_xproj.corpus import doc_files, read_docs, read_file, write_file
from spacy_xproj.corpus.manifest import Manifest
from spacy_xproj.corpus.shards import read_texts
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.files import file_hash, sealed, text_hash
from spacy_xproj.locks import locked
from spacy_xproj.progress import listening
from spacy_xproj.runs.engines import Workers
from spacy_xproj.runs.reading import Inputs
from spacy_xproj.runs.shards import map_shards, write_shards
from spacy_xproj.runs.steps import Watch

NLP = spacy.blank("en")
KEY = {"input": "a", "config": "b"}


def make_docs(n):
    for i in range(n):
        doc = NLP(f"Doc {i} of New York")
        doc.set_ents([spacy.tokens.Span(doc, 3, 5, label="LOC")])
        doc._.xproj = Bitext("es", ("Nueva", "York"), (True, False), links=[(0, 3), (1, 4)])
        doc.user_data["meta"] = {"i": i}
        yield doc


def texts(path):
    return [doc.text for doc in read_docs(path, NLP)]


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def hidden(out):
    """The folders beside an output in which shards of other keys are made."""
    return [*out.parent.glob(f".{out.name}.*.new")]


def written(*folders):
    """When shards were written, by the inode, which stays with a file that is moved."""
    return {(f.name, f.stat().st_ino): f.stat().st_mtime_ns for folder in folders for f in folder.glob("*.spacy")}


def copy(source: Path, target: Path, watch: Watch) -> dict:
    """Reads and writes a shard; writes down that it was called."""
    docs = list(read_file(source, Vocab()))
    with open(source.parent / "calls.txt", "a") as file:
        file.write(f"{source.name}\n")
    if (source.parent / "stop").exists() and source.name == "00002.spacy":
        raise InputError(source, "stop", 3)
    write_file(docs, target)
    return {"docs": len(docs), "ents": sum(len(d.ents) for d in docs)}


def calls(folder):
    path = folder / "calls.txt"
    out = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return out


@pytest.fixture
def inputs(tmp_path):
    write_shards(make_docs(14), tmp_path / "in", key=KEY, shard=3)
    return doc_files(tmp_path / "in")


def test_hooks_are_not_searched_for_each_doc(tmp_path, monkeypatch):
    """That takes longer than all the rest, and grows with what is installed."""
    docs = list(make_docs(600))
    plain = DocBin(docs=docs, store_user_data=True).to_bytes()
    searches = []
    search = catalogue.Registry.get_entry_points
    monkeypatch.setattr(catalogue.Registry, "get_entry_points", lambda self: searches.append(self) or search(self))
    write_file(docs, tmp_path / "a.spacy")
    assert (tmp_path / "a.spacy").read_bytes() == plain
    again = list(read_file(tmp_path / "a.spacy", NLP.vocab))
    assert [doc._.xproj for doc in again] == [doc._.xproj for doc in docs]
    assert len(searches) < 20
    assert not {"get_all"} & {*vars(srsly.msgpack_encoders), *vars(srsly.msgpack_decoders)}


def test_one_file(tmp_path):
    assert write_file(make_docs(3), tmp_path / "deep" / "a.spacy") == 3
    (first, *_) = docs = list(read_docs(tmp_path / "deep" / "a.spacy", NLP))
    assert len(docs) == 3 and doc_files(tmp_path / "deep" / "a.spacy") == [tmp_path / "deep" / "a.spacy"]
    assert first._.xproj == next(make_docs(1))._.xproj
    assert first.user_data["meta"] == {"i": 0}
    assert [(e.text, e.label_) for e in first.ents] == [("New York", "LOC")]


def test_texts_without_docs(tmp_path):
    words = [["NOUN", "ORTH", " ", "ENT_IOB", "ñ", "🦊"], [], ["\n", "a"], ["x"] * 300]
    docs = [spacy.tokens.Doc(NLP.vocab, words=some, spaces=[len(w) % 2 for w in some]) for some in words]
    write_file([*docs, *make_docs(3)], tmp_path / "x.spacy")
    assert [*read_texts(tmp_path / "x.spacy")] == [doc.text for doc in (*docs, *make_docs(3))]
    (tmp_path / "x.spacy").write_bytes(b"x")
    with pytest.raises(InputError, match=r"Expected a \.spacy file"):
        list(read_texts(tmp_path / "x.spacy"))


def test_same_bytes_each_time(tmp_path):
    write_file(make_docs(5), tmp_path / "a.spacy")
    write_file(read_file(tmp_path / "a.spacy", Vocab()), tmp_path / "b.spacy")
    assert file_hash(tmp_path / "a.spacy") == file_hash(tmp_path / "b.spacy")


def test_folder_and_manifest(tmp_path):
    counts = Counter()

    def docs():
        for doc in make_docs(5):
            counts["ents"] += 1
            yield doc
        counts["after"] += 1

    out = tmp_path / "out"
    assert write_shards(docs(), out, shard=2, key=KEY, counts=counts) == {"docs": 5, "ents": 5, "after": 1}
    assert names(tmp_path) == ["out"]
    assert names(out) == ["00000.spacy", "00001.spacy", "00002.spacy", "manifest.json"]
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["key"], manifest["format"], manifest["n_shards"]) == (KEY, 3, 3)
    assert [s["docs"] for s in manifest["shards"]] == [2, 2, 1]
    assert [s["counts"] for s in manifest["shards"]] == [{"ents": 2}, {"ents": 2}, {"after": 1, "ents": 1}]
    assert manifest["counts"] == {}
    assert all(state == file_hash(out / name) for s in manifest["shards"] for name, state in s["files"].items())
    assert manifest["totals"] == {"after": 1, "docs": 5, "ents": 5}
    assert texts(out) == [d.text for d in make_docs(5)]


def test_a_new_write_removes_only_what_the_old_one_made(tmp_path):
    out = tmp_path / "out"
    write_shards(make_docs(5), out, key=KEY, shard=1)
    (out / "report.json").write_text("mine")
    with pytest.warns(UserWarning, match="the input: a → b"):
        write_shards(make_docs(2), out, key={**KEY, "input": "b"}, shard=1)
    assert names(out) == ["00000.spacy", "00001.spacy", "manifest.json", "report.json"]


class Stopped:
    """Docs of which reading fails before the n-th one."""

    def __init__(self, n, error):
        self.n, self.error = n, error

    def __iter__(self):
        for number, doc in enumerate(make_docs(7)):
            if number == self.n:
                raise self.error
            yield doc


def test_a_stream_that_was_stopped_goes_on(tmp_path):
    out, counts = tmp_path / "out", Counter()
    with pytest.raises(KeyboardInterrupt):
        write_shards(Stopped(5, KeyboardInterrupt()), out, key=KEY, shard=2)
    assert names(out) == ["00000.spacy", "00001.spacy", "manifest.json"]
    with pytest.raises(InputError, match="Not all its shards were finished"):
        doc_files(out)
    before = (out / "00000.spacy").stat().st_mtime_ns
    (out / "00001.spacy").write_bytes(b"damaged")
    assert write_shards(make_docs(7), out, key=KEY, shard=2, counts=counts) == {"docs": 7}
    assert (out / "00000.spacy").stat().st_mtime_ns == before
    write_shards(make_docs(7), tmp_path / "whole", key=KEY, shard=2)
    assert {n: (out / n).read_bytes() for n in names(out)} == {
        n: (tmp_path / "whole" / n).read_bytes() for n in names(tmp_path / "whole")
    }
    assert write_shards(Stopped(0, RuntimeError()), out, key=KEY, shard=2) == {"docs": 7}  # is not even read


def test_input_that_cannot_be_used_leaves_nothing(tmp_path):
    for name in ("a.spacy", "out"):
        with pytest.raises(InputError):
            docs = Stopped(5, InputError("x", "bad", 1))
            write_file(docs, tmp_path / name) if "." in name else write_shards(docs, tmp_path / name, key=KEY, shard=1)
    assert names(tmp_path) == []


def test_folders_that_are_not_ours_are_refused(tmp_path, inputs):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    for write in (lambda: write_shards(make_docs(1), out, key=KEY), lambda: map_shards(inputs, out, copy, key=KEY)):
        with pytest.raises(XprojError, match="not empty"):
            write()
    assert names(out) == ["thesis.txt"]
    with pytest.raises(XprojError, match="is a file"):
        map_shards(inputs, out / "thesis.txt", copy, key=KEY)
    with pytest.raises(XprojError, match="inputs"):
        map_shards(inputs, inputs[0].parent, copy, key=KEY)


def test_doc_files(tmp_path, inputs):
    folder = inputs[0].parent
    inputs[1].rename(tmp_path / "00001.spacy")
    with pytest.raises(InputError, match=r"00001\.spacy is missing"):
        doc_files(folder)
    (folder / "manifest.json").unlink()
    assert [p.name for p in doc_files(folder)] == ["00000.spacy", "00002.spacy", "00003.spacy", "00004.spacy"]
    with pytest.raises(InputError, match="no such"):
        doc_files(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="found none"):
        doc_files(tmp_path / "empty")


@pytest.mark.parametrize(
    "shards", [[{"files": {"../x.spacy": "a"}}], [{"files": {"00000.spacy": "a", "x": "b"}}], [{"a": 1}], "no", [1]]
)
@pytest.mark.parametrize("version", [2, 3])
def test_strange_manifests(tmp_path, shards, version):
    manifest = {"format": version, "key": {}, "shards": shards, "n_shards": 1, "counts": {}}
    (tmp_path / "manifest.json").write_text(json.dumps(sealed(manifest)))
    with pytest.raises(InputError, match="manifest"):
        write_shards(make_docs(1), tmp_path, key=KEY)


def test_run_and_resume(tmp_path, inputs):
    out, seen = tmp_path / "out", []
    (inputs[0].parent / "stop").touch()
    with pytest.raises(InputError, match="stop"):
        map_shards(inputs, out, copy, key=KEY, progress=lambda *p: seen.append(p))
    assert seen == [(0, 5), (1, 5), (2, 5)]
    assert len(calls(inputs[0].parent)) == 3
    with pytest.raises(InputError, match="not finished"):
        doc_files(out)
    (inputs[0].parent / "stop").unlink()
    assert map_shards(inputs, out, copy, key=KEY).totals() == {"docs": 14, "ents": 14}
    assert calls(inputs[0].parent) == ["00002.spacy", "00003.spacy", "00004.spacy"]
    assert texts(out) == [d.text for d in make_docs(14)]

    (out / "00001.spacy").write_bytes(b"tampered")
    (out / "00003.spacy").unlink()
    assert map_shards(inputs, out, copy, key=KEY).totals() == {"docs": 14, "ents": 14}
    assert calls(inputs[0].parent) == ["00001.spacy", "00003.spacy"]
    assert texts(out) == [d.text for d in make_docs(14)]

    assert map_shards(inputs, out, copy, key=KEY).totals() == {"docs": 14, "ents": 14}
    assert calls(inputs[0].parent) == []


def test_another_key_starts_afresh(tmp_path, inputs):
    out = tmp_path / "out"
    map_shards(inputs, out, copy, key=KEY)
    (out / "report.json").write_text("mine")
    with pytest.warns(UserWarning, match="the config: b → c. It is made anew"):
        map_shards(inputs[:2], out, copy, key={**KEY, "config": "c"})
    assert calls(inputs[0].parent)[5:] == ["00000.spacy", "00001.spacy"]
    assert names(out) == ["00000.spacy", "00001.spacy", "manifest.json", "report.json"]
    with pytest.warns(UserWarning):
        map_shards(inputs[:3], out, copy, key={**KEY, "config": "c", "input": "d"})
    assert len(calls(inputs[0].parent)) == 3


def test_work_that_is_interrupted(tmp_path, inputs):
    def work(source, target, watch):
        if source.name == "00001.spacy":
            raise KeyboardInterrupt
        return copy(source, target, watch)

    with pytest.raises(KeyboardInterrupt):
        map_shards(inputs, tmp_path / "out", work, key=KEY)
    calls(inputs[0].parent)
    map_shards(inputs, tmp_path / "out", copy, key=KEY)
    assert len(calls(inputs[0].parent)) == 4


def test_work_that_writes_nothing(tmp_path, inputs):
    with pytest.raises(XprojError, match="must write"):
        map_shards(inputs, tmp_path / "out", lambda source, target, watch: {"docs": 0}, key=KEY)


@pytest.mark.slow
def test_two_processes_record_what_is_done_and_give_the_same_bytes(tmp_path, inputs):
    one, two = tmp_path / "one", tmp_path / "two"
    map_shards(inputs, one, copy, key=KEY)
    (inputs[0].parent / "stop").touch()
    with pytest.raises(InputError, match="line 3: stop"):
        map_shards(inputs, two, copy, key=KEY, workers=Workers(2))
    done = [name for s in json.loads((two / "manifest.json").read_text())["shards"] for name in s.get("files", ())]
    assert {"00000.spacy", "00001.spacy"} <= set(done) == {p.name for p in two.glob("*.spacy")}
    calls(inputs[0].parent)
    (inputs[0].parent / "stop").unlink()
    map_shards(inputs, two, copy, key=KEY)
    assert sorted(calls(inputs[0].parent) + done) == [p.name for p in inputs]
    assert names(one) == names(two)
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in names(one))


@pytest.fixture
def slow_manifests(monkeypatch):
    """Manifests of more than two shards take long to write."""
    monkeypatch.setattr("spacy_xproj.corpus.manifest.FEW", 2)
    save = Manifest.save

    def slow(self):
        save(self)
        self.took = 1000

    monkeypatch.setattr(Manifest, "save", slow)


@pytest.mark.parametrize("n_process", [1, 2])
def test_large_manifests_are_not_written_after_each_shard(tmp_path, inputs, n_process, slow_manifests, monkeypatch):
    saved, save = [], Manifest.save
    monkeypatch.setattr(Manifest, "save", lambda self: saved.append(sum(map(bool, self.shards))) or save(self))
    map_shards(inputs, tmp_path / "out", copy, key=KEY, workers=Workers(n_process))
    assert saved == [0, 0, len(inputs)]
    assert Manifest.read(tmp_path / "out").is_finished()


def test_large_manifests_are_written_at_the_end_of_a_run_that_fails(tmp_path, inputs, slow_manifests):
    (tmp_path / "in" / "stop").touch()
    with pytest.raises(InputError):
        map_shards(inputs, tmp_path / "out", copy, key=KEY)
    assert [*map(bool, Manifest.read(tmp_path / "out").shards)] == [True, True, False, False, False]


@pytest.mark.parametrize("stop, noted", [(KeyboardInterrupt, 5), (SystemExit, 2)])
def test_shards_that_the_manifest_does_not_list_yet(tmp_path, stop, noted, slow_manifests, monkeypatch):
    def docs():
        yield from make_docs(5)
        raise stop

    with pytest.raises((errors.Stopped, SystemExit)):
        write_shards(docs(), tmp_path, key=KEY, shard=1)
    assert len(Manifest.read(tmp_path).shards) == noted and len(names(tmp_path)) == 6
    with pytest.warns(UserWarning, match="a → b"):
        write_shards(make_docs(2), tmp_path, key={**KEY, "input": "b"}, shard=1)
    assert names(tmp_path) == ["00000.spacy", "00001.spacy", "manifest.json"]


def test_an_error_before_the_first_shard_leaves_no_folder(tmp_path, inputs):
    def work(source, target, watch):
        raise InputError(source, "bad")

    with pytest.raises(InputError):
        map_shards(inputs, tmp_path / "out", work, key=KEY)
    assert not (tmp_path / "out").exists()


def test_hashes(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_text("é")
    assert file_hash(tmp_path / "a" / "b.txt") == text_hash("é")
    first = file_hash(tmp_path)
    (tmp_path / ".hidden").write_text("")
    assert file_hash(tmp_path) == first
    (tmp_path / "a" / "b.txt").rename(tmp_path / "a" / "c.txt")
    assert file_hash(tmp_path) != first
    with pytest.raises(InputError):
        file_hash(tmp_path / "nothing")


def test_files_with_other_numbers_are_left_alone(tmp_path):
    """Those of a folder of shards are numbered without a gap: a date is no number of a shard."""
    write_shards(make_docs(4), tmp_path / "out", key=KEY, shard=2)
    (tmp_path / "out" / "20261126.spacy").write_bytes(b"mine")
    with pytest.warns(UserWarning, match="made anew"):
        write_shards(make_docs(2), tmp_path / "out", key={**KEY, "input": "other"}, shard=2)
    assert names(tmp_path / "out") == ["00000.spacy", "20261126.spacy", "manifest.json"]
    assert len(texts(tmp_path / "out")) == 2


def test_killed_while_the_first_manifest_was_written(tmp_path):
    dead = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f".manifest.json.{dead}.tmp").write_text("{")
    write_shards(make_docs(2), tmp_path / "out", key=KEY)
    assert names(tmp_path / "out") == ["00000.spacy", "manifest.json"]


def test_an_input_that_cannot_be_read_removes_nothing(tmp_path):
    def fail():
        raise InputError("wrong.pdf", "no format")
        yield

    write_shards(make_docs(4), tmp_path / "out", key=KEY, shard=2)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(InputError, match="no format"):
        write_shards(fail(), tmp_path / "out", key={**KEY, "input": "other"}, shard=2)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize("error", [InputError("in.conll", "bad", 7), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_finished_shards_stay_until_those_of_another_key_are_made(tmp_path, error):
    out, other = tmp_path / "out", {**KEY, "input": "other"}
    write_shards(make_docs(4), out, key=KEY, shard=1)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for _ in range(2):
        with pytest.warns(UserWarning, match="made anew"), pytest.raises(type(error)):
            write_shards(Stopped(5, error), out, key=other, shard=2)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    beside = hidden(out)
    assert bool(beside) == isinstance(error, KeyboardInterrupt)
    first = {path: path.stat().st_mtime_ns for folder in beside for path in folder.glob("*.spacy")}
    assert write_shards(make_docs(4), out, key=KEY, shard=1) == {"docs": 4}  # the old ones, as they are
    with pytest.warns(UserWarning, match="made anew"):
        write_shards(make_docs(7), out, key=other, shard=2)
    assert names(out) == ["00000.spacy", "00001.spacy", "00002.spacy", "00003.spacy", "manifest.json"]
    assert hidden(out) == [] and Manifest.read(out).key == other
    assert [(out / path.name).stat().st_mtime_ns for path in first] == [*first.values()]
    write_shards(make_docs(7), tmp_path / "whole", key=other, shard=2)
    assert all((out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes() for name in names(out))


def test_work_that_fails_leaves_finished_shards_of_another_key(tmp_path, inputs):
    def fail(source, target, watch):
        raise InputError(source, "broken")

    out = tmp_path / "out"
    map_shards(inputs, out, copy, key=KEY)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.warns(UserWarning, match="made anew"), pytest.raises(InputError):
        map_shards(inputs, out, fail, key={**KEY, "config": "c"})
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert hidden(out) == []


@pytest.mark.parametrize("moved", [0, 1, 2, 3])
def test_killed_while_shards_are_put_in_place_of_others(tmp_path, monkeypatch, moved):
    out, other, replace, calls = tmp_path / "out", {**KEY, "input": "other"}, os.replace, []

    def killed(source, target):
        if Path(source).parent in hidden(out) and Path(target).parent.name == "out":
            calls.append(target)
            if len(calls) > moved:
                raise KeyboardInterrupt
        replace(source, target)

    write_shards(make_docs(3), out, key=KEY, shard=1)
    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="made anew"):
        patch.setattr(os, "replace", killed)
        with suppress(KeyboardInterrupt):
            write_shards(make_docs(6), out, key=other, shard=2)
    assert write_shards(make_docs(6), out, key=other, shard=2) == {"docs": 6}
    assert names(out) == ["00000.spacy", "00001.spacy", "00002.spacy", "manifest.json"]
    assert texts(out) == [doc.text for doc in make_docs(6)] and hidden(out) == []


def take_over(out, how):
    """Have another host take over the lock and the folder of a run that holds them, and perhaps finish them."""
    Manifest(out, {**KEY, "input": "theirs"}, 1).save()
    (out / ".00002.spacy.4194305.tmp").write_bytes(b"theirs")  # no process of this host has that id
    lock = out.with_name(f".{out.name}.lock")
    other = lock.with_name("other")
    other.write_text(re.sub(r"(?m)^(token|host|pid)=.*$", r"\1=77", lock.read_text()))
    os.replace(other, lock)
    if how == "finished":
        lock.unlink()


@pytest.mark.parametrize("how", ["held", "finished", "noticed by the heartbeat", "with an error of the input"])
@pytest.mark.parametrize("writes", ["map", "write"])
def test_a_run_that_lost_its_lock_leaves_the_folder_to_the_other_one(tmp_path, inputs, monkeypatch, writes, how):
    monkeypatch.setattr(locks, "LEASE", 0.4 if "heartbeat" in how else 60.0)
    monkeypatch.setattr(locks, "LOOK", 0.01)
    out, left = tmp_path / "out", {}

    def lose():
        take_over(out, how)
        left.update({path.name: path.read_bytes() for path in out.iterdir()})
        if "heartbeat" in how:
            time.sleep(20)
        if "error" in how:
            raise InputError("in.spacy", "the other one removed it")

    def work(source, target, watch):
        if source.name == "00002.spacy":
            lose()
        return copy(source, target, watch)

    def docs():
        for number, doc in enumerate(make_docs(14)):
            if number == 7:
                lose()
            yield doc

    before = time.monotonic()
    with pytest.raises(XprojError, match="was held up, and another one took over"), locked(out):
        if writes == "map":
            map_shards(inputs, out, work, key=KEY)
        else:
            write_shards(docs(), out, key=KEY, shard=3)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == left and len(left) == 4
    assert time.monotonic() - before < 10


def stopped_at(n):
    """Work that is interrupted at the n-th input."""

    def work(source, target, watch):
        if source.name == f"{n:05d}.spacy":
            raise KeyboardInterrupt
        return copy(source, target, watch)

    return work


@pytest.mark.parametrize("writes", ["map", "write"])
@pytest.mark.parametrize("whole", [False, True], ids=["unfinished", "finished"])
def test_an_option_that_was_forgotten_removes_no_unfinished_shards(tmp_path, inputs, writes, whole):
    """As when power fails at the last shards, and the next call has other options."""
    out = tmp_path / "out"
    keys = [{**KEY, "config": str(number)} for number in range(3)]

    def run(key, stop=5):
        if writes == "map":
            return map_shards(inputs, out, stopped_at(stop), key=key).totals()["docs"]
        docs = Stopped(3 * stop, KeyboardInterrupt()) if stop < 5 else make_docs(14)
        return write_shards(docs, out, key=key, shard=3)["docs"]

    if whole:  # what is made anew and not finished is beside it
        run(KEY)
    shown = pytest.warns if whole else lambda *args, **kwargs: nullcontext()
    with shown(UserWarning, match="made anew"), pytest.raises(KeyboardInterrupt):
        run(keys[0], 2)
    first = written(hidden(out)[0] if whole else out)
    assert len(first) == 2
    for key in keys[1:]:
        with pytest.warns(UserWarning, match="made anew"), pytest.raises(KeyboardInterrupt):
            run(key, 1)
    assert first.items() <= written(out, *hidden(out)).items()
    with shown(UserWarning, match="made anew"):
        assert run(keys[0]) == 14
    assert first.items() <= written(out).items()
    assert Manifest.read(out).key == keys[0] and len(texts(out)) == 14 and hidden(out) == []


def test_what_a_killed_process_was_writing_goes_with_the_shards(tmp_path, inputs):
    """Else a folder that is to be removed stays, and the next run takes it for somebody else's."""
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        map_shards(inputs, out, stopped_at(2), key=KEY)
    (out / ".00002.spacy.4194305.tmp").write_bytes(b"half")
    (out / ".00002.rejected.jsonl.4194305.tmp").write_bytes(b"half")
    Manifest.read(out).remove()
    assert not out.exists()


def test_shards_that_are_told_of_were_made(tmp_path):
    told = []
    with listening(lambda *args: None, log=lambda row: told.append((row["shard"], row["docs"]))):
        with pytest.raises(KeyboardInterrupt):
            write_shards(Stopped(5, KeyboardInterrupt()), tmp_path / "out", key=KEY, shard=2)
        assert told == [(0, 2), (1, 2)]
        write_shards(make_docs(7), tmp_path / "out", key=KEY, shard=2)
    assert told == [(0, 2), (1, 2), (2, 2), (3, 1)]


@pytest.mark.parametrize("change", [lambda f: f.write_bytes(f.read_bytes()), Path.unlink], ids=["written", "removed"])
def test_an_input_shard_that_changes_meanwhile(tmp_path, inputs, change):
    def work(source, target, watch):
        made = copy(source, target, watch)
        if source == inputs[2]:
            change(source)
        return made

    with pytest.raises(InputError, match=r"00002\.spacy: It was changed, replaced or removed while"):
        map_shards(inputs, tmp_path / "out", work, key=KEY)
    assert [*map(bool, Manifest.read(tmp_path / "out").shards)] == [True, True, False, False, False]


def test_inputs(tmp_path):
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "a.spacy"
    file.write_bytes(b"a")
    given = Inputs([tmp_path / "in", None, tmp_path / "nothing"])
    (tmp_path / "in" / ".hidden").write_bytes(b"a")
    given.check()
    assert [*given.checked("ab")] == ["a", "b"]
    (tmp_path / "in" / "b.spacy").write_bytes(b"b")
    given.check(file)
    with pytest.raises(InputError, match=r"b\.spacy: It was changed"):
        given.check()
    (tmp_path / "in" / "b.spacy").unlink()
    given.check()
    os.utime(file, (1, 1))
    with pytest.raises(InputError, match=r"a\.spacy: It was changed"):
        [*given.checked("ab")]
