"""Locks: one run at a time writes to a place, on whatever host it runs."""

import json
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, Optional, Union

from filelock import SoftFileLease, Timeout

from .errors import XprojError
from .files import GUARDS, check_apart, write_json

LEASE = 60.0  # seconds. A run that cannot be asked, as on another host, is dead if it left its lock alone for so long.
BEAT = 5.0  # seconds between two touches of the lock of a run
LOOKS = 10  # at a lock that is gone, before it is lost: a run that finds out whether it is dead moves it for a moment
LOOK = 0.1  # seconds between these
HALF_WRITTEN = "unfinished=\n"


@contextmanager
def locked(
    path: Union[str, Path], inputs: Iterable[Optional[Union[str, Path]]] = (), *, wait: bool = False
) -> Iterator[None]:
    """Keep other runs from writing to the same place, and this one from writing over what it reads.

    The lock is a file, `.NAME.lock`, that only one process can create: flock does not hold across hosts on all network
    file systems. It names its process, which touches it every 5 seconds. `.NAME.lock.json` tells people who that is.
    The lock of a process of this host that is over is taken over at once, and that of another host if it was not
    touched for a minute.

    path (str or Path): The file or folder that is written.
    inputs (iterable of str, Path or None): What the run reads. None is left out.
    wait (bool): Wait for a run that is writing it.
    RAISES (XprojError): If the path is one of the inputs or in one, another run is writing it and is not waited for, or
        it does not end in a name, as "." and ".." do. Also if another host took the lock over, because this process was
        held up for a minute. From then on nothing is put in its place or removed, see `check_locks`.
    """
    path = Path(path)
    if path.name in ("", ".."):
        raise XprojError(f"{path}: this is no name, and other outputs are named after OUT. Give OUT a name.")
    check_apart(path, inputs)
    path.parent.mkdir(parents=True, exist_ok=True)
    note = path.with_name(f".{path.name}.lock.json")
    lease = SoftFileLease(
        path.with_name(f".{path.name}.lock"),
        lease_duration=LEASE,
        heartbeat_interval=min(BEAT, LEASE / 4),
        on_compromise=lambda lost: _interrupt() if held.check in GUARDS else None,
    )
    try:
        lease.acquire(-1 if wait else 10 * LEASE, cancel_check=_watch(lease, path, note, wait))
    except Timeout:
        raise XprojError(
            f"{path}: another run is writing it: {_holder(lease, note)}. Wait until it is done, or give another OUT."
        ) from None
    held = _Held(lease)
    try:
        with suppress(OSError):  # it helps people alone
            write_json(note, {**_about(), "token": lease.token})
        with held.guarding():
            yield
            held.check()
    except (Exception, KeyboardInterrupt) as err:  # such as that of a file that the other run removed
        if held.is_lost():
            raise XprojError(
                f"{path}: this run was held up, and another one took over: {_holder(lease, note)}. Look at that one, "
                "or give another OUT."
            ) from err
        raise
    finally:
        if not held.is_lost():
            with suppress(OSError):
                note.unlink(missing_ok=True)
        lease.release()


class _Held:
    """A lock that this process got, and perhaps lost. The heartbeat of the lease, which needs up to 10 seconds to
    notice that, interrupts what does not look itself."""

    def __init__(self, lease: SoftFileLease):
        self.lease, self.lost = lease, False
        self.file = os.stat(lease.lock_file)

    def is_lost(self) -> bool:
        """Whether another run took the lock over."""
        self.lost = self.lost or bool(self.lease.compromise)
        for _ in range(LOOKS):
            if self.lost or self._is_there():
                return self.lost
            time.sleep(LOOK)
        self.lost = True
        return True

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.stat(self.lease.lock_file), self.file)
        except OSError as err:  # others than this one pass: if they do not, the heartbeat tells
            return not isinstance(err, FileNotFoundError)

    def check(self) -> None:
        """RAISES (KeyboardInterrupt): If it was lost, as when the heartbeat finds that out."""
        if self.is_lost():
            raise KeyboardInterrupt

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Have the lock looked at before anything is put in its place or removed."""
        GUARDS.append(self.check)
        try:
            yield
        finally:
            GUARDS.remove(self.check)


def _interrupt() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _watch(lease: SoftFileLease, path: Path, note: Path, wait: bool) -> Callable[[], bool]:
    """Return what is called again and again while the lock cannot be had, and tells whether to give up."""
    first: list[tuple] = []

    def is_held() -> bool:
        owner, file = lease.owner, Path(lease.lock_file)
        if owner is None:
            # A process that was killed can leave an empty file, which filelock never takes from anyone. What is written
            # to it here lets filelock replace it after 2 seconds, and changes nothing if an owner stands in it by now.
            with suppress(OSError):
                if not file.stat().st_size:
                    with open(file, "r+b") as empty:
                        empty.seek(0, os.SEEK_END)
                        empty.write(HALF_WRITTEN.encode())
            return False
        about = _read(note)
        if wait or (about.get("token") == owner.token and about.get("machine") == _machine()):
            return not wait  # a process of this machine that was over would have lost its lock
        with suppress(OSError):
            first.append((owner.token, file.stat().st_mtime_ns))
        if len(first) == 1:
            warnings.warn(
                f"{path} is locked by a run on another host: {_holder(lease, note)}. It counts as dead if it does not "
                f"touch its lock for {LEASE:.0f} seconds.",
                stacklevel=5,
            )
        return first[:1] != first[-1:]

    return is_held


def _about() -> dict[str, Any]:
    """Who this process is. Options are left out: what they tell can be secret."""
    program = Path(sys.argv[0] or "python")
    words = takewhile(str.isalpha, (word for word in sys.argv[1:] if word[:1] != "-"))
    return {
        "command": " ".join([program.parent.name if program.stem == "__main__" else program.name, *words]),
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().astimezone().isoformat(" ", "seconds"),
        "machine": _machine(),
    }


def _machine() -> str:
    """What processes that can ask about each other have in common: the host, and in it the space of process ids."""
    with suppress(OSError):
        return f"{socket.gethostname()} {os.stat('/proc/self/ns/pid').st_ino}"
    return socket.gethostname()


def _holder(lease: SoftFileLease, note: Path) -> str:
    """Name the run that holds a lock."""
    owner, about = lease.owner, _read(note)
    if owner is not None and about.get("token") != owner.token:
        return f"process {owner.pid} on {owner.hostname.partition('?')[0]}"
    return "{command}, process {process} on {host}, since {since}".format_map(about) if about else "nobody knows which"


def _read(note: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        about = json.loads(note.read_text(encoding="utf-8"))
        return about if isinstance(about, dict) and {*_about(), "token"} <= about.keys() else {}
    return {}
