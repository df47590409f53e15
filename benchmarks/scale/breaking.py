"""Break a worker process on one Doc: it crashes, hangs or eats memory."""

import json
import os
import random
import sys
from collections.abc import Iterator

import spacy

from spacy_xproj.corpus import read_docs
from spacy_xproj.runs import worker
from tests.conftest import ROOT, VERSES

from .lab import Lab
from .verbs import COMMANDS, RAY, SHARDED, TWO, write_bitext

VERBS = (TWO, RAY)
BREAKING = "project bitext.spacy out/x --lang es --config breaking.cfg"
SHARD = 4  # Docs
WAYS = {  # the word of tests/runs/breaker.py, the option that ends the worker, and the reason that is given
    "crash": ("SEGV", "", "ended the process (SIGSEGV)"),
    "hang": ("HANG", "--timeout 3", "took more than 3 s"),
    "memory": ("EAT", "--memory-limit 1.5", "took more than 1.5 GB of memory"),
}


def broken(lab: Lab, verb: str, times: int, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Break workers at random Docs. The Doc must be set aside, and the others be as in a run that nothing disturbed.

    lab (Lab), verb (str): The verb whose command runs, over numbered Docs and with a pipe that breaks.
    times (int): How often, for each way.
    rng (random.Random): Chooses the Doc.
    YIELDS (str, str): The way, and what went wrong, or "".
    """
    packages, state = lab.folder / "packages", lab.folder / "breaking"
    if not packages.exists():  # other processes find the pipe by its entry point
        sys.path[:0] = [str(ROOT / "tests" / "runs"), str(packages)]
        os.environ["PYTHONPATH"] = os.pathsep.join([str(packages), str(ROOT)])
        import breaker

        breaker.install(packages)
        worker.STARTUP = 10.0
        (state / "out").mkdir(parents=True)
        write_bitext(state / "bitext.spacy", [(source, f"{text} n{n}") for n, (source, text) in enumerate(VERSES * 4)])
        (state / "breaking.cfg").write_text(breaker.CONFIG, encoding="utf-8")
    words = COMMANDS[verb].replace(COMMANDS[SHARDED], f"{BREAKING} --shard {SHARD}")
    lab.fresh(state)
    outcome = lab.wait(lab.start(words))
    assert outcome.code == 0, outcome.text
    want = _docs(lab)
    for _ in range(times):
        for way, (word, option, reason) in WAYS.items():
            lab.fresh(state)
            number = rng.randrange(len(want))
            os.environ["BREAK"] = f"{word} n{number}"
            outcome = lab.wait(lab.start(f"{words} {option}"))
            del os.environ["BREAK"]
            if outcome.code != 3:
                yield way, f"Doc {number}: exit code {outcome.code}: {outcome.text[-3000:]}"
                continue
            rows = map(json.loads, (lab.work / "out" / "x.rejected.jsonl").read_text("utf8").splitlines())
            found = [(row["shard"], row["number"], row["reason"]) for row in rows]
            if found != [(*divmod(number, SHARD), reason)]:
                yield way, f"Doc {number}: {found}"
            else:
                is_same = _docs(lab) == want[:number] + want[number + 1 :]
                yield way, "" if is_same else f"Doc {number}: others have other bytes"


def _docs(lab: Lab) -> list[bytes]:
    return [doc.to_bytes() for doc in read_docs(lab.work / "out" / "x", spacy.blank("es"))]
