"""Training of students, each of them kept under a hash of what it depends on, so that a stopped run goes on."""

import io
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import spacy
import srsly
from confection import Config
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training.initialize import init_nlp
from spacy.training.loop import train

from benchmarks.common import ROOT
from benchmarks.source_ner import plain
from spacy_xproj.corpus import blank, read_docs, write_file
from spacy_xproj.evaluate.bootstrap import counts, f1
from spacy_xproj.files import file_hash, replacing, text_hash

# What a trained model depends on but for its data and its config
CODE = (
    "pipeline/student.py",
    "pipeline/entities.py",
    "students/losses.py",
    "students/supervision.py",
    "soft.py",
    "tags.py",
    "corpus/entity_swap.py",
)
LABEL_CODE = ("pipeline/teacher.py", "teachers/*.py", "soft.py", "tags.py", "aligners/*.py", "similarities/links.py")
Test = tuple[str, tuple[str, ...]]  # a file, and the labels that count (none: all)


class Job(NamedTuple):
    """One training, as plain data.

    name (str): For people.
    data (str): The training Docs, a .spacy file.
    tests (dict of Test): By name.
    settings (dict): Changes of the config, by dotted names. A value can be a block.
    config (str): The config, a name in `configs/`.
    keep (bool): Whether the model is needed, and not its scores alone.
    """

    name: str
    lang: str
    seed: int
    data: str
    tests: dict[str, Test]
    settings: dict[str, Any]
    config: str = "student_cpu.cfg"
    keep: bool = False

    @property
    def key(self) -> str:
        """What the result depends on, as a hash. Files count by their content, wherever they lie."""
        tests = {name: (Path(path).name, labels) for name, (path, labels) in self.tests.items()}
        config = (ROOT / "configs" / self.config).read_text(encoding="utf-8")
        parts = [code_hash(CODE), config, self.lang, self.seed, Path(self.data).name, tests, self.settings]
        return text_hash(json.dumps(parts, sort_keys=True))[:24]


class Result(NamedTuple):
    """What came of a training.

    counts (dict of int array (n, 3)): Right, predicted and gold spans of each test Doc, by the test's name.
    loss (float): The mean loss of a step, of the last fifth of the steps.
    seconds (float): Of CPU time, with the reading and the tests.
    """

    name: str
    counts: dict[str, np.ndarray]
    parameters: int
    loss: float
    seconds: float
    model: str


class Bench:
    """Where a run keeps its files, and how large it is.

    output (Path): For the results; what is kept for the next run is in its folder `work`.
    seeds (sequence of int): Of the students; a teacher is the mean of one model a seed.
    jobs (int): So many trainings at once, each in a process of its own.
    steps (int): Of each training, where a study does not say something else.
    limit (int): Sentences of each set. 0: all.
    """

    def __init__(self, output: Path, seeds: Sequence[int], jobs: int = 1, steps: int = 200, limit: int = 0):
        self.output, self.work, self.seeds = output, output / "work", tuple(seeds)
        self.jobs, self.steps, self.limit = jobs, steps, limit

    @property
    def quick(self) -> bool:
        return self.limit > 0

    def put(self, docs: Iterable[Doc]) -> str:
        """Keep Docs under the hash of their file."""
        beside = self.work / "data" / f"new-{os.getpid()}.spacy"
        write_file(docs, beside)
        path = beside.with_name(f"{file_hash(beside)[:24]}.spacy")
        beside.replace(path)
        return str(path)

    def made(self, parts: Sequence[Any], make: Callable[[], Iterable[Doc]]) -> str:
        """Keep Docs under what they are made of, and make them if they are not there.

        parts (sequence): JSON-like; what they depend on but for the code.
        """
        key = text_hash(json.dumps([code_hash(CODE + LABEL_CODE), *parts], sort_keys=True))[:24]
        note = self.work / "labels" / f"{key}.json"
        if not note.exists():
            path = self.put(make())
            with replacing(note) as beside:
                srsly.write_json(beside, {"data": path})
        return srsly.read_json(note)["data"]

    def job(
        self, name: str, lang: str, seed: int, data: str, tests: dict[str, Test], targets: str, **changes: Any
    ) -> Job:
        """A training of the usual length, or what `changes` say: of the config, with dotted names, or `Job`'s own."""
        own = {key: changes.pop(key) for key in ("config", "keep") if key in changes}
        settings = {"components.xproj_student.targets": targets, "training.max_steps": self.steps, **changes}
        return Job(name, lang, seed, data, tests, settings, **own)

    def train(self, jobs: Sequence[Job]) -> list[Result]:
        """The results of jobs, in order: those that are kept, and the others trained now."""
        todo = list({job.key: job for job in jobs if not done(job, self.work)}.values())
        if self.jobs > 1 and len(todo) > 1:
            with ProcessPoolExecutor(self.jobs, mp_context=get_context("spawn")) as pool:
                list(pool.map(run, todo, [self.work] * len(todo)))
        else:
            for job in todo:
                run(job, self.work)
        return [read(job, self.work) for job in jobs]


def done(job: Job, work: Path) -> bool:
    return (work / "results" / f"{job.key}.json").exists() and (not job.keep or model_of(job, work).exists())


def model_of(job: Job, work: Path) -> Path:
    return work / "models" / job.key


def read(job: Job, work: Path) -> Result:
    found = srsly.read_json(work / "results" / f"{job.key}.json")
    tables = {name: np.array(rows) for name, rows in found["counts"].items()}
    model = str(model_of(job, work)) if job.keep else ""
    return Result(job.name, tables, found["parameters"], found["loss"], found["seconds"], model)


def run(job: Job, work: Path) -> None:
    """Train, test and keep one."""
    start, clock = time.process_time(), time.perf_counter()
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        nlp, loss = trained(job, Path(folder))
        tables = {name: tested(nlp, path, labels) for name, (path, labels) in job.tests.items()}
        if job.keep:
            shutil.rmtree(model_of(job, work), ignore_errors=True)
            model_of(job, work).parent.mkdir(exist_ok=True)
            shutil.move(Path(folder) / "model-last", model_of(job, work))
    found = {
        "name": job.name,
        "seed": job.seed,
        "counts": {name: table.tolist() for name, table in tables.items()},
        "parameters": parameters(nlp),
        "loss": loss,
        "seconds": time.process_time() - start,
    }
    with replacing(work / "results" / f"{job.key}.json") as beside:
        srsly.write_json(beside, found)
    scores = ", ".join(f"{name} {f1(table):.3f}" for name, table in tables.items())
    print(
        f"# {job.name}, seed {job.seed}: {scores}; loss {loss:.4f}; {time.perf_counter() - clock:.0f} s",
        flush=True,
    )


def trained(job: Job, folder: Path) -> tuple[Language, float]:
    """The model after the last step, with its weights averaged as the config says. Nothing is chosen by a score."""
    config = Config().from_disk(ROOT / "configs" / job.config, interpolate=False)
    docs = list(read_docs(job.data, blank("xx")))
    beside = folder / "dev.spacy"
    write_file(docs[:2], beside)  # the training wants some
    own = {"paths.train": job.data, "paths.dev": str(beside), "nlp.lang": job.lang, "system.seed": job.seed}
    for name, value in {**own, **job.settings}.items():
        put(config, name, value)
    losses: list[float] = []
    put(config, "training.eval_frequency", config["training"]["max_steps"])
    put(config, "training.patience", 0)
    nlp = init_nlp(config)
    pipe: Any = nlp.get_pipe("xproj_student")
    get_loss = pipe.get_loss

    def noted(examples, scores):
        loss, gradient = get_loss(examples, scores)
        losses.append(float(loss))
        return loss, gradient

    pipe.get_loss = noted
    train(nlp, folder, stdout=io.StringIO(), stderr=io.StringIO())
    last = losses[-max(len(losses) // 5, 1) :]
    return spacy.load(folder / "model-last"), math.fsum(last) / max(len(last), 1)


def put(config: dict[str, Any], name: str, value: Any) -> None:
    """Set a value of a config by its dotted name."""
    *blocks, last = name.split(".")
    for block in blocks:
        config = config.setdefault(block, {})
    config[last] = value


def tested(nlp: Language, path: str, labels: Sequence[str]) -> np.ndarray:
    """Right, predicted and gold spans of each Doc of a file, of these labels: int array (n, 3)."""
    gold = list(read_docs(path, nlp))
    return counts(only(nlp.pipe([plain(doc, nlp) for doc in gold]), labels), gold)


def only(docs: Iterable[Doc], labels: Sequence[str]) -> Iterable[Doc]:
    """Docs with the entities of these labels alone; none: all."""
    for doc in docs:
        if labels:
            doc.set_ents([e for e in doc.ents if e.label_ in labels], default="outside")
        yield doc


def parameters(nlp: Language) -> int:
    """The number of weights of all pipes, those of a PyTorch model among them."""
    total = 0
    for _, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        for node in model.walk() if model is not None else ():
            total += sum(node.get_param(name).size for name in node.param_names if node.has_param(name))
            for shim in node.shims:
                total += sum(p.numel() for p in getattr(shim._model, "parameters", lambda: ())())
    return int(total)


@cache
def code_hash(patterns: tuple[str, ...]) -> str:
    """Of modules of the package, and of spaCy's and thinc's versions."""
    files = sorted({path for pattern in patterns for path in (ROOT / "spacy_xproj").glob(pattern)})
    return text_hash(f"{version('spacy')} {version('thinc')} " + "".join(map(file_hash, files)))
