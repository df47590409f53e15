"""Each verb that writes is killed on the way, by SIGKILL, and run again: the bytes are those of a run that was left
alone, and what was finished is not written again."""

import json
import os
import random
import shutil
import signal
import sys
import traceback

import pytest

from spacy_xproj.aligners.tuning import TuningSettings
from spacy_xproj.corpus.manifest import Manifest
from spacy_xproj.runs.convert import convert
from spacy_xproj.runs.project import fit, project
from spacy_xproj.runs.selftrain import self_train
from spacy_xproj.runs.teach import teach
from spacy_xproj.runs.translate import translate
from spacy_xproj.runs.tune import tune
from spacy_xproj.translators.memory import Memory
from tests.aligners.tiny_encoders import make_encoder
from tests.conftest import CONFIGS, VERSES, names
from tests.runs.test_rounds import SMALL, TEACHERS, gold, texts

torch = pytest.importorskip("torch")

MOMENTS = 5
WRITING = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}


@pytest.fixture(autouse=True)
def one_thread():
    """As in the children: another number of threads adds up in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def work(corpus, request):
    """A folder with what the verb reads. It writes to `out/`, beside which nothing else is."""
    if request.node.callspec.params["verb"] is run_tune:
        make_encoder(corpus / "encoder", positions=130)
    (corpus / "raw.txt").write_text("\n".join(texts(12, 0)) + "\n", encoding="utf-8")
    (corpus / "teach.cfg").write_text(TEACHERS)
    gold(corpus / "dev.spacy", texts(4, 1))
    memory = Memory(corpus / "memory.db")
    memory.add(VERSES[1:], "en", "es")
    return corpus


def run_convert(work):
    return convert(work / "src.conll", work / "out" / "x", shard=1)


def run_translate(work):
    memory = {"components.xproj_translator.forward.path": str(work / "memory.db")}
    config = CONFIGS / "translate.cfg"
    return translate(work / "src.conll", work / "out" / "x", "es", config, shard=1, overrides=memory)


def run_project(work):
    return project(work / "bitext.spacy", work / "out" / "x", CONFIGS / "project_match.cfg", "es", shard=1)


def run_teach(work):
    return teach(work / "raw.txt", work / "out" / "x", work / "teach.cfg", shard=3)


def run_fit(work):
    return fit(work / "bitext.spacy", work / "out" / "x", CONFIGS / "project_match.cfg", "es").state


def run_selftrain(work):
    overrides = {**SMALL, "training.max_steps": 4, "training.eval_frequency": 2}
    args = work / "raw.txt", CONFIGS / "student_cpu.cfg", work / "teach.cfg", work / "out" / "x"
    return self_train(*args, dev=work / "dev.spacy", rounds=2, patience=9, overrides=overrides)[:3]


def run_tune(work):
    settings = TuningSettings(steps=5, every=1, layer=3, batch_tokens=300)
    return tune(work / "bitext.spacy", work / "out" / "x", work / "encoder", settings, device="cpu")[1:]


def in_child(verb, work, kill_at=0):
    """Run a verb in another process. Tells what it does to files of `out`, and which path; with `kill_at` the process
    is killed before it does the n-th of these things, and if that is to rename a file, half of it is lost before."""
    events = work / "events.txt"
    events.unlink(missing_ok=True)
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            torch.set_num_threads(1)
            done = open(events, "a", buffering=1)  # noqa: SIM115  (the process ends with it)

            def watch(event, args):
                writes = event in WRITING or (event == "open" and isinstance(args[2], int) and args[2] & os.O_ACCMODE)
                if not writes or not str(args[0]).startswith(str(work / "out")):
                    return
                watch.count += 1
                if watch.count == kill_at:
                    if event == "os.rename" and os.path.isfile(args[0]):
                        os.truncate(args[0], os.path.getsize(args[0]) // 2)
                    os.kill(os.getpid(), signal.SIGKILL)
                done.write(f"{event}\t{args[1] if event == 'os.rename' else args[0]}\n")

            watch.count = 0
            sys.addaudithook(watch)
            verb(work)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == (signal.SIGKILL if kill_at else 0), status
    return [line.split("\t") for line in events.read_text().splitlines()]


def contents(folder):
    return {name: (folder / name).read_bytes() for name in sorted(names(folder))}


def finished(out):
    """Files that belong to what was finished, and that something is left to do."""
    files, left = [], True
    if out.is_dir() and (manifest := Manifest.read(out)):
        files = [manifest.path(n) for n, shard in enumerate(manifest.shards) if shard]
        left = not manifest.is_finished()
    elif (out / "rounds.json").exists():
        scores = [path for path in out.glob("round-*/scores.json") if "score" in json.loads(path.read_text())]
        files = [file for path in scores for file in path.parent.rglob("*") if file.is_file()]
    elif checkpoints := sorted(out.with_name("x.checkpoint").glob("step-*")):
        return checkpoints[-1:], True
    return [file for file in files if file.exists()], left


def between(events):
    """Of the things that a run did: the one after the first piece of its work was noted as finished, and the one that
    puts the last piece in its place."""
    numbered = [(number, path.partition("/out/x")[2]) for number, (event, path) in enumerate(events, 1)]
    placed = [(number, path) for number, path in numbered if events[number - 1][0] == "os.rename"]
    shards = [number for number, path in placed if path.startswith("/0000")]
    if shards:
        noted = next(number for number, path in placed if path == "/manifest.json" and number > shards[0])
        return noted + 1, shards[-1]
    steps = [number for number, path in placed if "/step-" in path]
    rounds = [number for number, path in placed if path.endswith("scores.json")][1:]  # the first tells of labels alone
    found = steps or rounds
    return (found[0] + 1, found[-1]) if found else (1, len(events))


LONG = (run_project, run_teach, run_fit, run_selftrain, run_tune)
SLOW = [pytest.param(verb, marks=pytest.mark.slow) for verb in LONG]


@pytest.mark.parametrize("verb", [run_convert, run_translate, *SLOW])
def test_killed_and_run_again(work, verb):
    events = in_child(verb, work)
    want, result = contents(work / "out"), verb(work)
    assert contents(work / "out") == want  # nothing was left to do, and the counts are the same
    low, high = between(events)
    moments = random.Random(verb.__name__).sample(range(low, high), MOMENTS)
    for moment in moments:
        shutil.rmtree(work / "out")
        in_child(verb, work, moment)
        files, left = finished(work / "out" / "x")
        assert left and (files or verb is run_fit)
        before = {file: file.stat().st_mtime_ns for file in files}
        assert verb(work) == result, moment
        assert contents(work / "out") == want, moment
        if verb is not run_tune:  # its checkpoints are gone
            assert {file: file.stat().st_mtime_ns for file in files} == before, moment
