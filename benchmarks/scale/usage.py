"""What a command takes: memory and time, with all processes that it starts."""

import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import NamedTuple, Optional

ENV = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


class Usage(NamedTuple):
    """peak (int): Most memory of any one process, in MB. cpu, wall (float): Seconds; the first is of all processes."""

    peak: int
    cpu: float
    wall: float


def xproj(*arguments: object, log: Optional[Path] = None) -> Usage:
    """Run `xproj` in a process of its own.

    arguments: The verb and its arguments.
    log (Optional[Path]): A file that gets what it writes. None: it writes here.
    RAISES (SystemExit): If it ends with another exit code than 0.
    """
    command = [sys.executable, "-m", "spacy_xproj", "--quiet", *map(str, arguments)]
    begin = perf_counter()
    with open(log or os.devnull, "wb") as file:
        process = subprocess.Popen(command, env=ENV, stderr=file if log else None)
        _, status, used = os.wait4(process.pid, 0)  # of its children too, as far as it has waited for them
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}.")
    return Usage(used.ru_maxrss // 1024, used.ru_utime + used.ru_stime, perf_counter() - begin)
