"""Shards made on the machines of a Ray cluster. The driver alone holds the lock and writes the manifest."""

import logging
import os
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

from ..errors import XprojError
from ..limits import DEFAULTS, variable
from ..programs import VARIABLE
from .worker import GPUS, TRIES, Limits, Made, Work, Worker

REACH = 20.0  # seconds until the cluster must have answered
STORE = 100_000_000  # bytes for what goes through Ray itself: names of files, and counts
PATIENCE = 300.0  # seconds until the cluster must have started a worker, if none is at work
SETTINGS = (VARIABLE, *map(variable, DEFAULTS))  # environment variables that change what a worker makes


class Actor:
    """A worker process on a machine of the cluster, with a process of Ray that watches it. Models are loaded once.

    work (Callable[[Path, Path, Watch], dict]), limits (Limits): See `Worker`.
    folder (str): Where the verb runs.
    settings (dict[str, str]): Environment variables. Ray gives its processes those of the machine's own Ray, not those
        of the verb.
    """

    def __init__(self, work: Work, limits: Limits, folder: str, settings: dict[str, str]):
        os.environ.update(settings)
        self.folder, self.worker = folder, Worker(work, limits)

    def ready(self) -> None:
        """Go to the folder of the verb.

        RAISES (XprojError): If it is not there.
        """
        try:
            os.chdir(self.folder)
        except OSError as err:
            raise XprojError(
                f"On {socket.gethostname()}, a machine of the Ray cluster: {err}. All machines need the folder where "
                "the command is run, and its files, by the same paths. Mount it there, or take the machine out."
            ) from None

    def make(self, source: Path, out: Path) -> Made:
        """Make a shard."""
        return self.worker(source, out)


def run_on_ray(
    work: Work,
    shards: Mapping[int, tuple[Path, Path]],
    finish: Callable[[int, Made], None],
    n_process: int,
    limits: Limits,
    gpus: float,
    address: Optional[str],
) -> None:
    """Make shards on a cluster. All its machines must have the package, and see the files by the same paths. Limits
    and permissions are those of this process's environment.

    work, shards, finish: See `Workers.run`.
    n_process (int): Workers in the cluster, each with one CPU.
    limits (Limits): What a worker may use.
    gpus (float): GPUs a worker.
    address (Optional[str]): The cluster. None: one is started on this machine, and ended.
    RAISES (XprojError): If Ray is not installed, the work raises one, no worker starts, or a shard is lost again and
        again.
    """
    with _cluster(address, n_process, gpus) as ray:
        # A worker that is lost takes no other with it: the shard is made by another one.
        remote = ray.remote(num_cpus=1, num_gpus=gpus)(Actor)
        todo, lost = deque((number, *files) for number, files in shards.items()), Counter[int]()
        running: dict[Any, tuple[Any, Any]] = {}  # what is waited for: who does it, and which shard
        settings = {name: os.environ.get(name, "") for name in SETTINGS}  # "": as if it were not set
        if not gpus:
            settings[GPUS] = ""  # newer versions of Ray show all GPUs to those that asked for none

        def start() -> None:
            actor = remote.remote(work, limits, os.getcwd(), settings)
            running[actor.ready.remote()] = (actor, None)

        for _ in range(min(n_process, len(todo))):
            start()
        error: Optional[Exception] = None
        while (is_busy := any(job for _, job in running.values())) or todo:
            done, _ = ray.wait([*running], num_returns=1, timeout=None if is_busy else PATIENCE)
            if not done:
                has = ray.cluster_resources()
                raise XprojError(
                    f"The Ray cluster has started no worker in {PATIENCE:g} seconds. Each needs 1 CPU and {gpus:g} "
                    f"GPUs; the cluster has {has.get('CPU', 0):g} CPUs and {has.get('GPU', 0):g} GPUs, and others may "
                    f"use them. {len(todo)} of {len(shards)} shards are left. Run the same command once more when the "
                    "cluster has room."
                )
            actor, job = running.pop(done[0])
            try:
                made = ray.get(done[0])
            except ray.exceptions.RayTaskError as err:  # what the others are making is finished before
                error = error or (err.cause if isinstance(err.cause, (XprojError, OSError)) else err)
                todo.clear()
                continue
            except ray.exceptions.RayError as err:  # the actor, its machine or the way to it was lost
                number = -1 if job is None else job[0]
                lost[number] += 1
                if lost[number] > (TRIES if job else TRIES * n_process):
                    what = "start" if job is None else f"make {job[2]}"
                    raise XprojError(
                        f"Workers of the Ray cluster were lost {lost[number]} times as they tried to {what}: {err}"
                    ) from err
                if error is None:
                    todo.extendleft([job] if job else [])
                    start()
                continue
            if job is not None:
                finish(job[0], made)
            if todo:
                job = todo.popleft()
                running[actor.make.remote(*job[1:])] = (actor, job)
        if error is not None:
            raise error


@contextmanager
def _cluster(address: Optional[str], n_process: int, gpus: float) -> Iterator[Any]:
    try:
        import ray
    except ImportError:
        raise XprojError("Ray is not installed. Run 'pip install spacy-xproj[ray]'.") from None
    here: dict[str, Any] = {}
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it tells its makers that it runs
        here = {"num_cpus": max(n_process, os.cpu_count() or 1), "include_dashboard": False}
        here["object_store_memory"] = STORE  # else it takes a third of the memory of the machine
    try:
        if address is not None:
            _reach(address)
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
    except (OSError, RuntimeError, ValueError) as err:
        raise XprojError(f"Ray cannot be started or reached at {address or 'this machine'}: {err}") from err
    try:
        yield ray
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Make sure that something answers at an address. Ray itself would wait for many minutes.

    RAISES (OSError): If nothing does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host, int(port)), timeout=REACH).close()
