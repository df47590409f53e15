"""Files and folders are replaced whole, and nothing that is not ours is."""

import errno
import os
import subprocess
import sys

import pytest

from spacy_xproj.errors import XprojError
from spacy_xproj.files import (
    NOTE,
    check_replaceable,
    file_hash,
    folder_beside,
    read_note,
    replacing,
    replacing_folder,
    unsealed,
    write_state,
)
from tests.conftest import names


def write(path, text="new", **note):
    with replacing_folder(path, **note) as new:
        (new / "deep").mkdir()
        (new / "deep" / "a.txt").write_text(text)


def test_a_folder_is_replaced(tmp_path):
    out = tmp_path / "out"
    write(out, "old", key={"a": "b"})
    assert read_note(out)["key"] == {"a": "b"} and read_note(out)["hash"] == file_hash(out)
    with pytest.raises(KeyboardInterrupt), replacing_folder(out) as new:
        (new / "half.txt").write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == {f"out/{NOTE}", "out/deep/a.txt"}
    write(out)
    assert (out / "deep" / "a.txt").read_text() == "new" and names(tmp_path) == {f"out/{NOTE}", "out/deep/a.txt"}


@pytest.mark.parametrize("foreign", ["meta.json", "deep/b.txt", ".hidden"])
def test_what_is_not_ours_stays(tmp_path, foreign):
    for out, message in ((tmp_path / "other", "was not written by xproj"), (tmp_path / "ours", "xproj did not write")):
        if out.name == "ours":
            write(out)
        (out / foreign).parent.mkdir(parents=True, exist_ok=True)
        (out / foreign).write_text("mine")
        before = names(tmp_path)
        with pytest.raises(XprojError, match=message):
            write(out)
        assert names(tmp_path) == before and (out / foreign).read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(XprojError, match="was not written by xproj"):
        check_replaceable(tmp_path / "file")


def test_killed_between_the_two_renames(tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    os.rename(out, tmp_path / ".out.old")  # what is left by a process that was killed here
    assert read_note(out) and (out / "deep" / "a.txt").read_text() == "old"
    os.rename(out, tmp_path / ".out.old")
    write(out)
    assert (out / "deep" / "a.txt").read_text() == "new" and names(tmp_path) == {f"out/{NOTE}", "out/deep/a.txt"}


def test_leftovers_of_killed_processes(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".a.txt.{dead.pid}.tmp").write_text("half")
    for other in (".a.txt.x.tmp", f".a.txt.{os.getppid()}.tmp", f".b.a.txt.{dead.pid}.tmp"):
        (tmp_path / other).write_text("mine")
    with replacing(tmp_path / "a.txt") as beside:
        beside.write_text("new")
    assert names(tmp_path) == {"a.txt", ".a.txt.x.tmp", f".a.txt.{os.getppid()}.tmp", f".b.a.txt.{dead.pid}.tmp"}


@pytest.mark.parametrize("kind", ["new", "old"])
def test_folders_beside_it_that_are_not_ours_stay(tmp_path, kind):
    out, other = tmp_path / "out", tmp_path / f".out.{kind}"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    for _ in range(2):
        with pytest.raises(XprojError, match=rf"\.out\.{kind} is in the way"):
            write(out)
        assert read_note(out) is None and names(tmp_path) == {f".out.{kind}/mine.txt"}
    (other / "mine.txt").unlink()  # an empty one can be of a process that was killed
    write(out)
    assert names(tmp_path) == {f"out/{NOTE}", "out/deep/a.txt"}


@pytest.mark.parametrize("writer", [replacing, replacing_folder, folder_beside])
def test_what_a_full_disk_leaves(tmp_path, writer):
    """Libraries in Rust tell of it in words: it becomes the same error as Python's."""
    for error in (OSError(errno.ENOSPC, "x"), RuntimeError("I/O error: No space left on device (os error 28)")):
        with pytest.raises(OSError) as caught, writer(tmp_path / "out") as beside:
            (beside / "a" if beside.is_dir() else beside).write_text("half")
            raise error
        assert caught.value.errno == errno.ENOSPC and names(tmp_path) == set()
    with pytest.raises(RuntimeError, match="other"), writer(tmp_path / "out"):
        raise RuntimeError("other")


def test_a_folder_that_a_killed_process_left(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".out.{dead.pid}.tmp" / "new").mkdir(parents=True)
    with folder_beside(tmp_path / "out"):
        pass
    assert not [*tmp_path.iterdir()]


def test_a_state_is_on_the_disk_before_it_is_renamed(tmp_path, monkeypatch):
    events = []
    for name in ("fsync", "replace"):
        function = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, f=function, n=name: (events.append(n), f(*args)))
    write_state(tmp_path / "a.json", {"a": 1})
    assert events == ["fsync", "replace"] and unsealed((tmp_path / "a.json").read_bytes()) == {"a": 1}
