"""A process that makes shards, and its parent, who watches it: a Doc that breaks it is set aside, and the rest goes
on."""

import os
import re
import resource
import signal
import socket
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process, resource_tracker
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any, NamedTuple, Optional

from catalogue import RegistryError
from confection import ConfigValidationError

from ..errors import XprojError
from ..progress import tell_shard
from .steps import ALONE, DONE, READ, Watch

Work = Callable[[Path, Path, Watch], dict]
TRIES = 2  # processes that may break on one Doc before it is set aside
STARTUP = 60.0  # more seconds for the first Docs of a process: models are loaded then
LOOK = 0.05  # seconds between two looks at a worker that has limits
GB = 1e9
GPUS = "CUDA_VISIBLE_DEVICES"
# "spawn": forked children of a process that uses threads, as torch does, can hang.
SPAWN = get_context("spawn")


def peak_memory() -> int:
    """Return the most memory that this process has had so far, in KB."""
    status = Path("/proc/self/status")
    found = re.search(r"^VmHWM:\s*(\d+)", status.read_text(errors="replace"), re.M) if status.exists() else None
    # ru_maxrss is that of the process that started this one, where that is more.
    return int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Made(NamedTuple):
    """What is told of a shard that was made.

    counts (dict of str to int): What was counted, `docs` among it.
    seconds (float): How long it took.
    memory_mb (float): The most memory that the process has had so far.
    host (str), process (int): Who made it.
    """

    counts: dict[str, int]
    seconds: float
    memory_mb: float
    host: str
    process: int

    @classmethod
    def here(cls, counts: dict[str, int], begin: float) -> "Made":
        """One that this process has just made, and began at a time of `perf_counter`."""
        seconds, peak = round(perf_counter() - begin, 3), round(peak_memory() / 1000, 1)
        return cls(counts, seconds, peak, socket.gethostname(), os.getpid())

    def tell(self, out: Path, shard: Optional[int] = None, shards: Optional[int] = None) -> None:
        """Tell whoever listens. See `spacy_xproj.progress.tell_shard`.

        out (Path): The output of the run.
        shard, shards (Optional[int]): The number of the shard, counted from 0, and how many there are, if that is
            known. None: the output is one file.
        """
        counts = dict(self.counts)
        docs = counts.pop("docs", 0)
        row = {"out": str(out), "shard": shard, "shards": shards, "docs": docs}
        tell_shard({**row, **self._asdict(), "counts": dict(sorted(counts.items()))})


@dataclass(frozen=True)
class Limits:
    """What a worker may use. 0: no limit.

    timeout (float): Seconds a Doc.
    memory (float): Memory of the process, in GB.
    """

    timeout: float = 0
    memory: float = 0


def make(work: Work, source: Path, out: Path, watch: Watch) -> Made:
    """Make a shard in this process."""
    begin = perf_counter()
    return Made.here(work(source, out, watch), begin)


class Worker:
    """A process that makes shards. It is started for the first one, and again if it ended.

    work (Callable[[Path, Path, Watch], dict]): Reads an input, writes its output in one go, and returns what it
        counted. It must be picklable.
    limits (Limits): What the process may use.
    gpus (Optional[sequence of str]): The GPUs that the process sees, by numbers or UUIDs. None: as the parent.
    """

    def __init__(self, work: Work, limits: Limits = Limits(), gpus: Optional[Sequence[str]] = None):
        self.work, self.limits, self.gpus = work, limits, gpus
        self.state = SPAWN.RawArray("q", 3)
        self.process: Any = None
        self.pipe: Any = None
        self.fresh = True  # no Doc has come out of the process yet
        self.stopped = False
        resource_tracker.ensure_running()  # to start it would let interrupts through in `_start`

    def __call__(self, source: Path, out: Path) -> Made:
        """Make a shard.

        RAISES (XprojError): If the work raises one, or the process ends again and again with no Doc at hand.
        RAISES (OSError): If the work raises one, as on a full disk.
        """
        watch, tries = Watch(state=self.state), Counter[int]()
        while True:
            reply = self._attempt(source, out, watch)
            if isinstance(reply, Made):
                return reply
            if isinstance(reply, BaseException):
                raise reply
            number = self.state[READ] - 1 if self.state[ALONE] else -1
            tries[number] += 1
            if not watch.blame(reply, certain=tries[number] >= TRIES) and tries[number] >= TRIES:
                raise XprojError(
                    f"The worker process that makes {out} {reply}, {TRIES} times, with no Doc at hand. Run it once "
                    "more to go on, with a smaller --n-process or --shard if memory is short."
                )

    def _attempt(self, source: Path, out: Path, watch: Watch) -> Any:
        """Have the process make a shard. Returns the result, the exception, or what happened to the process."""
        self._start()
        if self.stopped:  # meanwhile
            self.process.kill()
        reason = None
        try:
            self.pipe.send((source, out, watch.careful, watch.aside))
            reason = self._wait()
            if reason is None:
                return self.pipe.recv()
        except (EOFError, OSError):  # it ended
            pass
        self._end()
        if self.stopped:
            raise XprojError("The worker was stopped.")
        return reason or _ending(self.process.exitcode)

    def _wait(self) -> Optional[str]:
        """Wait until the process has something to say, or uses too much: what, is returned."""
        before, since = self.state[:], monotonic()
        limits = self.limits
        while not self.pipe.poll(LOOK if limits.timeout or limits.memory else None):
            now, state = monotonic(), self.state[:]
            self.fresh = self.fresh and not state[DONE]
            if state != before or state[READ] == state[DONE]:  # the second: it reads or writes
                before, since = state, now
            if limits.timeout and now - since > limits.timeout + STARTUP * self.fresh:
                return f"took more than {limits.timeout:g} s"
            if limits.memory and _memory(self.process.pid) > limits.memory * GB:
                return f"took more than {limits.memory:g} GB of memory"
        return None

    def _start(self) -> None:
        if self.process is not None and self.process.is_alive():
            return
        self.state[:] = [0, 0, 0]
        self.fresh = True
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=_serve, args=(self.work, theirs, self.state, self.gpus), daemon=True)
        with _interrupts_held():  # the process inherits this: Ctrl-C goes to all, and is the parent's to answer
            self.process.start()
        theirs.close()

    def _end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.pipe.close()

    def stop(self) -> None:
        """End the process. A shard that it is at is not made."""
        self.stopped = True
        if self.process is not None and self.process.is_alive():
            self.process.kill()

    def close(self) -> None:
        """End the process after its last shard."""
        self._end()


def _serve(work: Work, pipe: Any, state: Any, gpus: Optional[Sequence[str]]) -> None:
    """Make shards until the parent closes the pipe or ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if gpus is not None:
        os.environ[GPUS] = ",".join(gpus)
    while True:
        try:
            source, out, careful, aside = pipe.recv()
        except EOFError:
            return
        reply: Any
        try:
            reply = make(work, source, out, Watch(careful, aside, state))
        except Exception as err:
            reply = _portable(err)
        pipe.send(reply)


def _portable(err: Exception) -> Exception:
    """An exception that can go to the parent. What the user can mend stays what it is."""
    if isinstance(err, XprojError):
        return err
    if isinstance(err, OSError):  # plain: those of libraries can be of a kind that cannot be pickled
        return OSError(err.errno, err.strerror, err.filename) if err.errno else OSError(str(err))
    if isinstance(err, (ConfigValidationError, RegistryError)):
        return XprojError(str(err))
    return RuntimeError("In a worker process:\n" + "".join(traceback.format_exception(err)))


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers, and the next run must not meet them."""
    if parent := parent_process():
        connection.wait([parent.sentinel])
        os._exit(1)


def _ending(code: Optional[int]) -> str:
    """How a process ended."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        short = ", as happens where memory is short" if name == "SIGKILL" else ""
        return f"ended the process ({name}{short})"
    return f"ended the process (exit code {code})"


def _memory(pid: int) -> int:
    """The memory of a process that is in use, in bytes."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):  # it ended
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold interrupts back, from this thread and from processes that it starts. One that comes in between is met in the
    end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
