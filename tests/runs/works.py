"""What makes shards in tests, in a module that workers of Ray can import."""

import os
import signal

from spacy_xproj.errors import InputError
from spacy_xproj.runs.steps import process_shard
from tests.runs.test_worker import FOUR


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
