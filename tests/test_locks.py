"""One run at a time writes to a place; the others are told which, and the lock of a dead one is taken over."""

import json
import os
import re
import signal
import socket
import time
from multiprocessing import get_context

import pytest

from spacy_xproj import locks
from spacy_xproj.errors import XprojError
from spacy_xproj.locks import locked
from tests.conftest import names

FORK = get_context("fork")
REFUSED = r"another run is writing it: .+, process {} on {}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"


def in_child(action, *args):
    child = FORK.Process(target=action, args=args)
    child.start()
    return child


def hold(path, ready, done, host=None):
    if host:
        socket.gethostname = lambda: host
    with locked(path):
        ready.set()
        done.poll(60)


@pytest.fixture
def holder(tmp_path, monkeypatch):
    """Have another process hold the lock of `out`."""
    monkeypatch.setattr(locks, "LEASE", 6.0)
    # A pipe: setting an event waits for all who wait for it, also for one that was killed.
    (done, end), held = FORK.Pipe(duplex=False), []

    def start(host=None):
        ready = FORK.Event()
        held.append(in_child(hold, tmp_path / "out", ready, done, host))
        assert ready.wait(60)
        return held[-1]

    yield start
    end.send(None)
    for child in held:
        child.join(60)


def test_the_second_run_is_told_of_the_first(tmp_path, holder):
    other, before = holder(), time.monotonic()
    with pytest.raises(XprojError, match=REFUSED.format(other.pid, socket.gethostname())), locked(tmp_path / "out"):
        pass
    assert time.monotonic() - before < locks.LEASE / 2 and other.is_alive()
    with locked(tmp_path / "out2"):
        pass


def test_nothing_is_left(tmp_path, holder):
    other = holder()
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    assert names(tmp_path) == {".out.lock", ".out.lock.json"}
    with locked(tmp_path / "out"):  # at once
        assert json.loads((tmp_path / ".out.lock.json").read_text())["process"] == os.getpid()
    assert names(tmp_path) == set()


def test_what_is_named(monkeypatch):
    def named(*argv):
        monkeypatch.setattr("sys.argv", [*argv])
        return locks._about()["command"]

    assert named("/bin/xproj", "--quiet", "review", "apply", "a.spacy", "--key", "secret") == "xproj review apply"
    assert named("/x/spacy_xproj/__main__.py", "fit", "/a", "b") == "spacy_xproj fit"
    assert named("") == "python"


def marked(path, **changes):
    """Leave a lock as of a process that was killed, with other values in it."""
    with locked(path):
        text = path.with_name(f".{path.name}.lock").read_text()
    for name, value in changes.items():
        text, n = re.subn(f"(?m)^{name}=.*$", f"{name}={value}", text)
        assert n == 1
    path.with_name(f".{path.name}.lock").write_text(text)


def test_a_process_id_that_is_used_again(tmp_path):
    marked(tmp_path / "out", start=12345)
    with locked(tmp_path / "out"):
        pass


@pytest.mark.filterwarnings("ignore:.*is locked by a run on another host")
def test_a_dead_run_on_another_host(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "LEASE", 0.5)
    marked(tmp_path / "out", host="elsewhere", pid=1)
    before = time.monotonic()
    with pytest.warns(UserWarning, match="a run on another host: process 1 on elsewhere"), locked(tmp_path / "out"):
        assert time.monotonic() - before >= 0.5
    assert names(tmp_path) == set()


def test_a_run_on_another_host(tmp_path, holder):
    other = holder("elsewhere")
    refused = pytest.raises(XprojError, match=REFUSED.format(other.pid, "elsewhere"))
    with pytest.warns(UserWarning, match="on another host"), refused, locked(tmp_path / "out"):
        pass
    assert other.is_alive()


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", "half a rec", "filelock/2\npid=1"])
def test_a_lock_that_was_not_written_to_its_end(tmp_path, content):
    (tmp_path / ".out.lock").write_text(content)
    with locked(tmp_path / "out"):
        pass
    assert names(tmp_path) == set()


def take(path, ready, refused, won):
    ready.wait(60)
    try:
        with locked(path):
            with won.get_lock():
                won.value += 1
            refused.wait(60)
    except XprojError:
        refused.set()


@pytest.mark.filterwarnings("ignore:.*is locked by a run on another host")
@pytest.mark.parametrize("changes", [{"pid": 2**22 + 1}, {"host": "elsewhere"}])
def test_of_several_that_take_over_one_wins(tmp_path, monkeypatch, changes):
    monkeypatch.setattr(locks, "LEASE", 2.0)
    for attempt in range(3 if "pid" in changes else 1):  # that of another host is waited for
        path = tmp_path / str(attempt)
        marked(path, **changes)
        ready, won, refused = FORK.Event(), FORK.Value("i", 0), Countdown(3)
        others = [in_child(take, path, ready, refused, won) for _ in range(4)]
        ready.set()
        for other in others:
            other.join(60)
        assert won.value == 1 and [other.exitcode for other in others] == [0] * 4
    assert names(tmp_path) == set()


class Countdown:
    """An event that takes several processes to set."""

    def __init__(self, n):
        self.left, self.event = FORK.Value("i", n), FORK.Event()

    def set(self):
        with self.left.get_lock():
            self.left.value -= 1
            if not self.left.value:
                self.event.set()

    def wait(self, seconds):
        assert self.event.wait(seconds)


def put(path, ready, mine):
    ready.wait(60)
    for _ in range(20):
        with locked(path, wait=True):
            if path.exists():
                raise AssertionError("two at once")
            path.write_text(mine)
            path.unlink()


def test_runs_wait_for_each_other(tmp_path):
    ready = FORK.Event()
    others = [in_child(put, tmp_path / "out", ready, str(i)) for i in range(3)]
    ready.set()
    for other in others:
        other.join(60)
    assert [other.exitcode for other in others] == [0, 0, 0]
    assert names(tmp_path) == set()


def test_a_run_that_lost_its_lock_stops(tmp_path, monkeypatch):
    """As after a night in which the computer slept, and another one took over."""
    monkeypatch.setattr(locks, "LEASE", 0.4)
    lock, before = tmp_path / ".out.lock", time.monotonic()
    lost = pytest.raises(XprojError, match="was held up, and another one took over: process 77 on elsewhere")
    with lost, locked(tmp_path / "out"):
        text = re.sub(r"(?m)^host=.*$", "host=elsewhere", lock.read_text())
        (tmp_path / "new").write_text(re.sub(r"(?m)^(pid|token)=.*$", r"\1=77", text))
        os.replace(tmp_path / "new", lock)
        time.sleep(20)
    assert time.monotonic() - before < 10
    assert names(tmp_path) >= {".out.lock"}  # it is not ours
