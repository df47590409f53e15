"""The short form of `python -m benchmarks.scale.faults`."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.mark.slow
def test_faults():
    command = [
        sys.executable,
        "-m",
        "benchmarks.scale.faults",
        "--times",
        "1",
        "--verbs",
        "convert;memory;review apply",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "|"]
    assert {*rows[0]} >= {"verb", "SIGKILL", "truncated input", "bit-flipped output", "swapped input"}
    assert [row[0] for row in rows[2:]] == ["convert", "memory", "review apply"]
    assert [row[rows[0].index("SIGKILL")] for row in rows[2:]] == ["1 same"] * 3


@pytest.mark.slow
def test_a_verb_that_is_not_there():
    command = [sys.executable, "-m", "benchmarks.scale.faults", "--verbs", "convert;nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 2 and "nothing" in done.stderr and "Traceback" not in done.stderr
