"""Locks: one run at a time writes to a place, on whatever host it runs."""

import json
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, Optional, Union

from filelock import SoftFileLease, Timeout

from .errors import XprojError
from .files import check_apart, write_json

LEASE = 60.0  # seconds. A run that cannot be asked, as on another host, is dead if it left its lock alone for so long.
BEAT = 5.0  # seconds between two touches of the lock of a run
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
        held up for a minute.
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
        on_compromise=lambda lost: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT),
    )
    try:
        lease.acquire(-1 if wait else 10 * LEASE, cancel_check=_watch(lease, path, note, wait))
    except Timeout:
        raise XprojError(
            f"{path}: another run is writing it: {_holder(lease, note)}. Wait until it is done, or give another OUT."
        ) from None
    lost = f"{path}: this run was held up, and another one took over: {{}}. Look at that one, or give another OUT."
    try:
        with suppress(OSError):  # it helps people alone
            write_json(note, {**_about(), "token": lease.token})
        yield
        if lease.compromise:
            raise XprojError(lost.format(_holder(lease, note)))
    except KeyboardInterrupt:
        if lease.compromise:
            raise XprojError(lost.format(_holder(lease, note))) from None
        raise
    finally:
        if not lease.compromise:
            with suppress(OSError):
                note.unlink(missing_ok=True)
        lease.release()


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
