"""Commands in forked processes over a tiny corpus, which can be killed, and what they leave."""

import mmap
import os
import runpy
import shutil
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from spacy_xproj.corpus.manifest import Manifest
from spacy_xproj.errors import XprojError

from .verbs import BEFORE, COMMANDS, accept, make_inputs

Contents = dict[str, bytes]
LOG = "log.txt"


@dataclass
class Outcome:
    """How a command ended.

    code (int): Its exit code; negative: the signal that ended it.
    text (str): What it said.
    """

    code: int
    text: str

    @property
    def is_clear(self) -> bool:
        """Whether it is one error that a person can read."""
        return self.code == 1 and "Traceback" not in self.text and self.text.count("✘") == 1


class Lab:
    """A folder `work` in which commands run, with `out` for what they write.

    folder (Path): An empty folder. The inputs are made there, once.
    """

    def __init__(self, folder: Path):
        self.folder, self.work, self.inputs = folder, folder / "work", folder / "inputs"
        self.inputs.mkdir(parents=True)
        make_inputs(self.inputs)
        for words in BEFORE:
            if words == BEFORE[-1]:
                accept(self.inputs)
            outcome = self.wait(self.start(words, self.inputs))
            assert outcome.code == 0, outcome.text
        self.wanted: dict[str, tuple[Contents, float, float]] = {}

    def fresh(self, state: Optional[Path] = None) -> None:
        """Make the folder anew, as the inputs are, or as another folder is."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(state or self.inputs, self.work)

    def undisturbed(self, verb: str) -> tuple[Contents, float, float]:
        """What a command writes that is left alone, when its first shard or write was there, and how long it took, in
        seconds."""
        if verb not in self.wanted:
            self.fresh()
            begin, child = time.monotonic(), self.start(COMMANDS[verb])
            while not child.is_begun(verb) and child.is_alive():
                time.sleep(0.001)
            first = time.monotonic() - begin
            outcome = self.wait(child)
            assert outcome.code == 0, outcome.text
            self.wanted[verb] = contents(self.work), first, time.monotonic() - begin
        return self.wanted[verb]

    def start(self, words: str, folder: Optional[Path] = None) -> "Child":
        """Start a command in another process."""
        return Child(words, folder or self.work, self.folder / LOG)

    def wait(self, child: "Child") -> Outcome:
        """Wait for the end of a command."""
        return Outcome(child.wait(), (self.folder / LOG).read_text(encoding="utf-8", errors="replace"))

    def run(self, verb: str) -> Outcome:
        """Run the command of a verb to its end."""
        return self.wait(self.start(COMMANDS[verb]))


class Child:
    """A command in a forked process.

    words (str): The command.
    folder (Path): Where it runs.
    log (Path): Gets what it says.
    """

    def __init__(self, words: str, folder: Path, log: Path):
        self.folder, self.status = folder, None
        self._touched = mmap.mmap(-1, 1)  # shared: 1 once the process opened or changed a file of the folder
        sys.stdout.flush()
        sys.stderr.flush()
        self.process = os.fork()
        if not self.process:
            self._be(words, log)

    def _be(self, words: str, log: Path) -> None:
        code = 1
        try:
            os.setpgid(0, 0)
            os.chdir(self.folder)
            file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, 1)
            os.dup2(file, 2)
            sys.stdout = sys.stderr = open(os.dup(1), "w", encoding="utf-8", buffering=1)  # noqa: SIM115
            sys.stdin = open(os.devnull)  # noqa: SIM115
            sys.argv = ["xproj", *words.split()]
            base = str(self.folder)

            def watch(event: str, args: tuple) -> None:
                if event.partition(".")[0] in ("open", "os", "sqlite3", "shutil") and args:
                    path = args[0] if isinstance(args[0], str) else os.fsdecode(args[0]) if args[0] is Path else ""
                    if path.startswith(base) or (path and path[0] not in "/:"):
                        self._touched[0] = 1

            sys.addaudithook(watch)
            try:
                runpy.run_module("spacy_xproj", run_name="__main__")
            except SystemExit as err:
                code = int(err.code or 0)
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
        os._exit(code)

    def is_alive(self) -> bool:
        """Whether it is on its way."""
        if self.status is None:
            found, status = os.waitpid(self.process, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if found else None
        return self.status is None

    def is_begun(self, verb: str) -> bool:
        """Whether it finished a shard; where there are none, whether it opened or changed a file."""
        if is_sharded(verb):
            return bool(finished_shards(self.folder / "out" / "x")[0])
        return self._touched[0] == 1

    def wait(self) -> int:
        """Wait for its end, and return the exit code."""
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        return self.status

    def kill(self) -> None:
        """Kill it, and no process that it started."""
        if self.is_alive():  # once it is reaped, its number can be that of another process
            os.kill(self.process, signal.SIGKILL)
            self.wait()


def is_sharded(verb: str) -> bool:
    """Whether the command of a verb writes shards."""
    return "--shard" in COMMANDS[verb] or " shards " in COMMANDS[verb]


def finished_shards(folder: Path) -> tuple[list[Path], bool]:
    """The files of the finished shards in a folder, and whether some are left to do."""
    with suppress(XprojError, OSError):
        if manifest := Manifest.read(folder):
            files = [manifest.path(n) for n, shard in enumerate(manifest.shards) if shard]
            return files, not manifest.is_whole()
    return [], True


def contents(folder: Path) -> Contents:
    """All files below a folder. Of a database what is in it, as its bytes depend on the order of what was written."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if data.startswith(b"SQLite format 3\0"):
            with closing(sqlite3.connect(path)) as connection, suppress(sqlite3.Error, UnicodeError):  # it is damaged
                data = "\n".join(connection.iterdump()).encode()
        found[path.relative_to(folder).as_posix()] = data
    return found


def difference(got: Contents, want: Contents) -> str:
    """Say how what is there differs from what should be; "" if it does not."""
    parts: list[tuple[str, Callable[[str], bool]]] = [
        ("missing", lambda name: name not in got),
        ("left over", lambda name: name not in want),
        ("other content", lambda name: name in got and name in want and got[name] != want[name]),
    ]
    said = [f"{what}: {', '.join(names)}" for what, f in parts if (names := sorted(filter(f, {*got, *want})))]
    return "; ".join(said)
