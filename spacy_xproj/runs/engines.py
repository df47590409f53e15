"""Who makes the shards of a run: this process, worker processes beside it, or those of a Ray cluster. The bytes are the
same."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from math import ceil
from pathlib import Path
from queue import SimpleQueue
from typing import Optional

from ..errors import XprojError, check_at_least, check_one_of
from .steps import Watch
from .worker import GPUS, Limits, Made, Work, Worker, make

ENGINES = ("local", "ray")
Shards = Mapping[int, tuple[Path, Path]]  # input and output by number
Finish = Callable[[int, Made], None]


@dataclass(frozen=True)
class Workers:
    """How many processes make shards, where, and what each may use.

    n_process (int): Worker processes, each of which reads, processes and writes whole shards. 1, with engine "local"
        and without limits: this process makes them.
    engine (str): "local", or "ray".
    address (Optional[str]): The Ray cluster. None: Ray is started on this machine.
    gpus_per_worker (float): GPUs that each worker gets for itself, of those that CUDA_VISIBLE_DEVICES names, if it is
        set. 0.5: two workers share one. 0: with engine "local" each sees all of them, with Ray none.
    timeout (float): Seconds that a Doc may take. 0: no limit.
    memory_limit (float): Memory that a worker may use, in GB. 0: no limit.
    """

    n_process: int = 1
    engine: str = "local"
    address: Optional[str] = None
    gpus_per_worker: float = 0
    timeout: float = 0
    memory_limit: float = 0

    def __post_init__(self) -> None:
        check_one_of("Workers", ENGINES, engine=self.engine)
        check_at_least("Workers", 1, n_process=self.n_process)
        given = {name: getattr(self, name) for name in ("gpus_per_worker", "timeout", "memory_limit")}
        check_at_least("Workers", 0, **given)
        if self.address and self.engine != "ray":
            raise XprojError(f"The address {self.address} is that of a Ray cluster. Give --engine ray with it.")
        if self.engine == "ray" and self.gpus_per_worker > 1 and self.gpus_per_worker % 1:
            raise XprojError(
                f"Ray gives a worker a part of one GPU, or whole ones. Give --gpus-per-worker below 1 or as a whole "
                f"number, not {self.gpus_per_worker:g}."
            )
        visible, need = visible_gpus(), round(self.n_process * self.gpus_per_worker, 6)
        if self.engine == "local" and visible is not None and need > len(visible):
            raise XprojError(
                f"{self.n_process} workers with {self.gpus_per_worker:g} GPUs each need {need:g}, but "
                f"{GPUS}={os.environ[GPUS]} names {len(visible)}. Give a smaller --n-process or --gpus-per-worker, or "
                "let the variable name more."
            )

    @property
    def apart(self) -> bool:
        """Whether other processes than this one make the shards."""
        return self != HERE

    @property
    def limits(self) -> Limits:
        return Limits(self.timeout, self.memory_limit)

    def run(self, work: Work, shards: Shards, finish: Finish) -> None:
        """Make shards.

        work (Callable[[Path, Path, Watch], dict]): Makes one. See `map_shards`.
        shards (mapping of int to Path and Path): The inputs and outputs by number.
        finish (Callable[[int, Made], None]): Is told in this process of each shard that is made.
        RAISES (XprojError): If the work raises one. What the others are making is finished before.
        RAISES (OSError): Likewise.
        """
        if not self.apart:
            for number, files in shards.items():
                finish(number, make(work, *files, Watch()))
        elif self.engine == "ray":
            from .ray_engine import run_on_ray

            run_on_ray(work, shards, finish, self.n_process, self.limits, self.gpus_per_worker, self.address)
        else:
            self._in_processes(work, shards, finish)

    def _in_processes(self, work: Work, shards: Shards, finish: Finish) -> None:
        workers = [Worker(work, self.limits, self._gpus(k)) for k in range(min(self.n_process, len(shards)))]
        idle: SimpleQueue[Worker] = SimpleQueue()

        def run(source: Path, out: Path) -> Made:
            worker = idle.get()
            try:
                return worker(source, out)
            finally:
                idle.put(worker)

        for worker in workers:
            idle.put(worker)
        # A thread watches a worker. Workers are started by threads: this one waits for interrupts.
        with _ended(workers), ThreadPoolExecutor(max(len(workers), 1)) as pool:
            left = {pool.submit(run, *files): number for number, files in shards.items()}
            try:
                for future in as_completed([*left]):
                    finish(left[future], future.result())
                    del left[future]
            except BaseException as err:
                if not isinstance(err, Exception):  # an interrupt
                    for worker in workers:
                        worker.stop()
                pool.shutdown(wait=True, cancel_futures=True)
                for future, number in left.items():
                    if not future.cancelled() and future.exception() is None:
                        finish(number, future.result())
                raise

    def _gpus(self, number: int) -> Optional[list[str]]:
        """The GPUs of a worker on this machine. None: all that this process sees."""
        if not (each := self.gpus_per_worker):
            return None
        begin, end = int(round(number * each, 6)), ceil(round((number + 1) * each, 6))
        visible = visible_gpus()
        return [*map(str, range(begin, end))] if visible is None else visible[begin:end]


def visible_gpus() -> Optional[list[str]]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES names, by numbers or UUIDs, up to one that is none, as CUDA reads it.
    None: it is not set, and all are visible."""
    given = os.environ.get(GPUS)
    return None if given is None else [*takewhile(lambda gpu: gpu not in ("", "-1"), map(str.strip, given.split(",")))]


HERE = Workers()  # this process alone


@contextmanager
def _ended(workers: list[Worker]) -> Iterator[None]:
    try:
        yield
    finally:
        for worker in workers:
            worker.close()
