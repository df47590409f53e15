"""What makes shards in tests, in a module that workers of Ray can import."""

import errno
import gc
import json
import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

from spacy_xproj.errors import InputError
from spacy_xproj.runs.steps import process_shard
from tests.runs.test_worker import FOUR


@contextmanager
def ray_cluster():
    """Start a Ray cluster as other commands do, with two CPUs apart from its head. Yields its address."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=2)
        yield cluster.address
    finally:
        cluster.shutdown()
        gc.collect()  # here, and not in a later test that has no filters


def lose_the_actor(source, target, watch):
    """Kill the process of Ray that watches this one, once."""
    if not (mark := source.parent / "lost").exists():
        mark.touch()
        os.kill(os.getppid(), signal.SIGKILL)
    return process_shard(FOUR, source, target, watch)


def refuse(source, target, watch):
    """Refuse the second shard."""
    if source.stem == "00001":
        raise InputError(source, "stop", 3)
    return process_shard(FOUR, source, target, watch)


def lose_the_machine(source, target, watch):
    """Kill the process of Ray that stands for this machine."""
    os.kill(int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
    time.sleep(60)


def tell_environment(source, target, watch):
    """Write the environment of this process beside the input."""
    (source.parent / "environment").write_text(json.dumps(dict(os.environ)))
    return process_shard(FOUR, source, target, watch)


def fill_the_disk(source, target, watch):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
