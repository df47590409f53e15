"""Ctrl-C in each verb that writes: exit code 130, a message that says how to go on, nothing half-written; the same
command then gives the bytes of a run that was left alone."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_xproj.corpus.manifest import Manifest
from spacy_xproj.translators.memory import Memory
from tests.aligners.tiny_encoders import make_encoder
from tests.conftest import CONFIGS, NAMES, ROOT, VERSES, names, payload_doc
from tests.runs import breaker
from tests.runs.test_kill import contents
from tests.runs.test_rounds import SMALL, TEACHERS, gold, texts

torch = pytest.importorskip("torch")

STUDENT = {**SMALL, "training.max_steps": 8, "training.eval_frequency": 4}
OPTIONS = [part for name, value in STUDENT.items() if name != "nlp.lang" for part in (f"--{name}", value)]
# For each verb: its words; the output before which it is interrupted, as it is put in its place; and what it then says.
VERBS = {
    "convert": ("convert src.conll out/x --shard 1 --lang es", "/00002.spacy", r"goes on from shard 3\."),
    "convert to a file": ("convert src.conll out/x.spacy --lang es", "/x.spacy", "begins anew"),
    "pair": (
        "pair src.conll tgt.txt out/x --lang es --shard 1 --tokens",
        "/x/00002.spacy",
        "goes on from shard 3 of 5",
    ),
    "translate": (
        f"translate src.conll out/x --lang es --shard 1 --config {CONFIGS / 'translate.cfg'} "
        "--components.xproj_translator.forward.path memory.db",
        "/x/00001.spacy",
        "goes on from shard 2 of 5",
    ),
    "project": (
        "project bitext.spacy out/x --lang es --shard 1 --config project_match",
        "/x/00003.spacy",
        "goes on from shard 4 of 5",
    ),
    "project to a file": (
        "project bitext.spacy out/x.spacy --lang es --config project_match",
        "/x.spacy",
        "begins with the first Doc, and fits nothing anew",
    ),
    "teach": ("teach raw.txt out/x --shard 3 --config teach.cfg", "/x/00002.spacy", "goes on from shard 3 of 4"),
    "fit": ("fit bitext.spacy out/x --lang es --config project_match", "/x", "begins anew"),
    "selftrain": (
        "selftrain raw.txt out/x --teachers teach.cfg --config student_cpu --dev dev.spacy --lang es --rounds 2 "
        f"--patience 9 {' '.join(str(json.dumps(o).replace(' ', '') if isinstance(o, list) else o) for o in OPTIONS)}",
        "round-2/soft.spacy",
        "goes on from round 2 of 2",
    ),
    "prune": ("prune encoder raw.txt out/x", "/x", "begins anew"),
    "vectors": ("vectors raw.txt out/x --model encoder --lang es --width 4 --device cpu", "/x", "begins anew"),
    "memory, exported": ("memory memory.db --export out/x.tsv --lang es", "/x.tsv", "begins anew"),
    "tune": (
        "tune bitext.spacy out/x --model encoder --steps 5 --every 1 --layer 3 --batch-tokens 300 --device cpu",
        "step-000000003",
        "goes on from step 3 of 5",
    ),
}
SLOW = ("project", "teach", "selftrain", "tune", "project to a file", "fit", "prune", "vectors")


@pytest.fixture
def work(corpus, monkeypatch):
    """A folder with what the verbs read. They write to `out/`, beside which nothing else is."""
    make_encoder(corpus / "encoder", positions=130)
    (corpus / "raw.txt").write_text("\n".join(texts(12, 0)) + "\n", encoding="utf-8")
    (corpus / "tgt.txt").write_text("".join(f"{target}\n" for _, target in VERSES), encoding="utf-8")
    (corpus / "teach.cfg").write_text(TEACHERS)
    gold(corpus / "dev.spacy", texts(4, 1))
    memory = Memory(corpus / "memory.db")
    memory.add(VERSES, "en", "es")
    monkeypatch.chdir(corpus)
    return corpus


def in_child(words, log, before="", moment="os.rename", when=lambda: True):
    """Run a command in another process, which interrupts itself before it puts `before` in its place, or before another
    moment, as Python's audit events name it.

    RETURNS (int, str): The exit code, and what was said.
    """
    sys.stdout.flush()
    child = os.fork()
    if not child:
        code = 1
        try:
            with open(log, "w", encoding="utf-8") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
                sys.stdout = sys.stderr = open(os.dup(1), "w", encoding="utf-8", buffering=1)  # noqa: SIM115
                sys.stdin = open(os.devnull)  # noqa: SIM115
                signal.signal(signal.SIGINT, signal.default_int_handler)
                torch.set_num_threads(1)

                def watch(event, args):
                    if before and event == moment and str(args[event == "os.rename"]).endswith(before) and when():
                        os.kill(os.getpid(), signal.SIGINT)

                sys.addaudithook(watch)
                from spacy_xproj.cli import app

                try:
                    app([*words.split()], prog_name="xproj")
                except SystemExit as err:
                    code = int(err.code or 0)
                sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFEXITED(status), status
    return os.WEXITSTATUS(status), " ".join(log.read_text(encoding="utf-8").split())


@pytest.mark.parametrize("verb", [pytest.param(v, marks=pytest.mark.slow) if v in SLOW else v for v in VERBS])
def test_interrupted_and_run_again(work, verb):
    words, moment, message = VERBS[verb]
    code, text = in_child(words, work / "log.txt")
    assert code == 0, text
    want = contents(work / "out")
    shutil.rmtree(work / "out")
    code, text = in_child(words, work / "log.txt", moment)
    assert code == 130 and "Traceback" not in text, text
    assert re.search(f"Stopped. The same command {message}", text), text
    left = names(work / "out") if (work / "out").exists() else set()
    assert not [name for name in left if name.endswith((".tmp", ".lock")) or "/." in name.replace("/.xproj.json", "")]
    code, text = in_child(words, work / "log.txt")
    assert code == 0, text
    assert contents(work / "out") == want


def test_a_memory_that_is_filled(work):
    """Whole files are in it, or nothing of them. It is interrupted as it reads the second one to put it in."""
    for name, pairs in (("a", VERSES[:2]), ("b", VERSES[2:])):
        (work / f"{name}.tsv").write_text("".join(f"{s}\t{t}\n" for s, t in pairs), encoding="utf-8")
    words = "memory a.tsv b.tsv new.db --lang es"
    code, text = in_child(words, work / "log.txt", "b.tsv", "open", lambda: (work / "new.db").exists())
    assert code == 130 and "Traceback" not in text and "The same command begins anew." in text, text
    found = Memory(work / "new.db", read_only=True).store
    assert found.languages() == {("en", "es"): (2, 0)}
    code, text = in_child(words, work / "log.txt")
    assert code == 0 and f"added {len(VERSES) - 2}" in text and "known 2" in text, text
    assert list(found.entries("en", "es")) == VERSES
    assert not [name for name in names(work) if name.endswith((".tmp", ".lock", "-journal", "-wal"))]


def running(group):
    """The processes of a group that are not over."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            state, _, number = path.read_text().rpartition(")")[2].split()[:3]
            if int(number) == group and state not in "ZX":
                found.append(path.parent.name)
    return found


@pytest.mark.slow
def test_the_group_with_two_workers(corpus):
    """As in a terminal, all processes get the signal. One Doc takes long, so that the run is not over by then."""
    breaker.install(corpus / "packages")
    (corpus / "nap.cfg").write_text(breaker.CONFIG)
    nlp, docs = spacy.blank("es"), []
    for number, (source, target) in enumerate(VERSES):
        spans = [(k, k + 1, NAMES[word]) for k, word in enumerate(source.split()) if word in NAMES]
        docs.append(payload_doc(nlp, target + " NAP" * (number == 4), source, spans))
    DocBin(docs=docs, store_user_data=True).to_disk(corpus / "bitext.spacy")
    command = [sys.executable, "-m", "spacy_xproj", "project", "bitext.spacy", "out/x", "--lang", "es", "--shard", "1"]
    command += ["--config", "nap.cfg", "--n-process", "2"]
    path = os.pathsep.join([str(corpus / "packages"), str(ROOT)])
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, capture_output=True, cwd=corpus, env=env)
    want = contents(corpus / "out")
    shutil.rmtree(corpus / "out")
    with open(corpus / "log.txt", "w", encoding="utf-8") as log:
        sleepy = {**env, "NAP": "600"}
        run = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=corpus, env=sleepy)
        while not (manifest := Manifest.read(corpus / "out" / "x")) or not any(manifest.shards):
            assert run.poll() is None, (corpus / "log.txt").read_text()
            time.sleep(0.02)
        os.killpg(run.pid, signal.SIGINT)
        code = run.wait()
    text = " ".join((corpus / "log.txt").read_text(encoding="utf-8").split())
    assert code == 130 and "Traceback" not in text, text
    assert re.search(r"The same command goes on from shard [2-5] of 5\.", text), text
    end = time.monotonic() + 30  # the process that multiprocessing keeps for clearing up ends last
    while running(run.pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not running(run.pid)
    assert not [name for name in names(corpus / "out") if name.endswith((".tmp", ".lock"))]
    finished = {
        corpus / "out" / "x" / n: s for s in Manifest.read(corpus / "out" / "x").shards for n in s.get("files", ())
    }
    before = {file: file.stat().st_mtime_ns for file in finished}
    subprocess.run(command, check=True, capture_output=True, cwd=corpus, env=env)
    assert contents(corpus / "out") == want
    assert {file: file.stat().st_mtime_ns for file in before} == before
