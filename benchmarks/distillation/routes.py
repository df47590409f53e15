"""Study 1: label projection, teacher-student, and both together, in the same student."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from spacy_xproj.evaluate.bootstrap import counts, difference, f1, interval

from .data import Setting, europarl_setting, scarce_setting, shipped_setting
from .labels import Models, quality, soft, transferred
from .training import Bench, Job, Result, Test, only

TRANSFER, PROJECTION, GOLD = "model transfer", "projection", "gold"
ALONE = ("teacher-student, soft", "teacher-student, hard", "teacher-student, soft, more text", PROJECTION)
BOTH = (
    "both, mixed",
    "both, agreement",
    "both, teachers of projections",
    "both, all teachers",
    "both, teachers of projections, more text",
    "both, teachers of projections, more text, mixed",
    "both, teachers of projections, mixed",
)
PAIRS = [(both, alone) for both in BOTH for alone in (PROJECTION, ALONE[0])]
METHODS = (TRANSFER, *ALONE, *BOTH, GOLD)
SCARCE = (TRANSFER, ALONE[0], PROJECTION, BOTH[2], BOTH[3], BOTH[5], GOLD)
WITHOUT_MORE = (TRANSFER, ALONE[0], PROJECTION, *BOTH[:4], BOTH[6], GOLD)
LONG = (TRANSFER, PROJECTION, BOTH[0], BOTH[2], BOTH[5], BOTH[6], GOLD)
LONG_TOO, LONGER = (PROJECTION, BOTH[5]), 3  # times the steps
TYPES = "initialize.components.xproj_student.labels"
ENSEMBLE = "{}, the models of all seeds together"
WHAT = {
    TRANSFER: "English models on the target text; each is one of the teacher's",
    ALONE[0]: "soft labels of the English teacher on the training text",
    ALONE[1]: "its most probable valid tags, as one tag a token",
    ALONE[2]: "soft labels also on more target text",
    PROJECTION: "labels of the English side projected onto the training text",
    BOTH[0]: "mean of the losses against the projection and against the English teacher's soft labels",
    BOTH[1]: "soft labels of the English teacher; tokens where the projection has another tag are masked",
    BOTH[2]: "soft labels of a teacher of the models of the row `projection`",
    BOTH[3]: "mean of the soft labels of that teacher and of the English one",
    BOTH[4]: "soft labels of the teacher of projections, also on more target text",
    BOTH[5]: "the same, and the mean with the loss against the projection",
    BOTH[6]: "the mean of these two losses on the training text alone",
    GOLD: "gold of the training text: the ceiling",
}


class Comparison(NamedTuple):
    """One setting.

    counts (dict of dict of int array (seeds, n, 3)): Right, predicted and gold spans of each test Doc, by method and
        test.
    labels (dict of dict): `quality` of the labels that students learn from, by method.
    results (dict of list of Result): Of the trainings, by method.
    home (int array (n, 3)): Counts of the teacher in its own language. None: not tested.
    """

    name: str
    counts: dict[str, dict[str, np.ndarray]]
    labels: dict[str, dict[str, Any]]
    results: dict[str, list[Result]]
    home: Optional[np.ndarray] = None


def study(bench: Bench) -> dict[str, Any]:
    settings = [
        (shipped_setting("es"), METHODS),
        (europarl_setting("es"), METHODS),
        (shipped_setting("de"), WITHOUT_MORE),
        (scarce_setting("es"), SCARCE),
    ]
    found = [compare(bench, setting.cut(bench.limit), methods) for setting, methods in settings]
    longer = Bench(bench.output, bench.seeds, bench.jobs, LONGER * bench.steps, bench.limit)
    for (setting, _), methods in zip(settings, (LONG, LONG_TOO, LONG_TOO)):
        setting = setting.cut(bench.limit)._replace(name=f"{setting.name}, {longer.steps} steps")
        found.append(compare(longer, setting, methods))
    return {"what": WHAT, "settings": [as_data(each, PAIRS) for each in found]}


def compare(bench: Bench, setting: Setting, methods: Sequence[str]) -> Comparison:
    """Train and test the students of some methods, after the teachers that they need."""
    tests = {name: (bench.put(docs), labels) for name, (docs, labels) in setting.tests.items()}
    (source,) = list(setting.sources)[:1]
    needed = {*methods, *([PROJECTION] if {*BOTH[2:]} & {*methods} else [])}
    first: dict[str, list[Job]] = {}
    if {TRANSFER, *ALONE[:3], BOTH[0], BOTH[1], BOTH[3]} & needed:
        first[TRANSFER] = teacher_jobs(bench, setting, source, tests)
    for name, docs in ((PROJECTION, setting.projected), (GOLD, setting.gold)):
        if name in needed:
            first[name] = students(bench, setting, name, bench.put(docs), tests, "gold", keep=name == PROJECTION)
    results = trained(bench, first)
    teachers = {name: [each.model for each in results[name]] for name in (TRANSFER, PROJECTION) if name in results}
    data = {
        method: training_data(bench, setting, method, teachers)
        for method in methods
        if method not in (TRANSFER, PROJECTION, GOLD)
    }
    results |= trained(
        bench, {name: students(bench, setting, name, path, tests, how) for name, (path, how, _) in data.items()}
    )
    labels = {PROJECTION: quality(bench.put(setting.projected), setting.gold)} if PROJECTION in results else {}
    labels |= {name: quality(path, setting.gold, setting.projected) for name, (_, _, path) in data.items()}
    table: dict[str, dict[str, np.ndarray]] = {}
    for method in methods:
        table[method] = {test: np.stack([each.counts[test] for each in results[method]]) for test in tests}
        if method in teachers:
            table[ENSEMBLE.format(method)] = together(setting, {"teacher": teachers[method]})
    labels = {name: labels[name] for name in methods if name in labels}
    home = None
    if setting.home and TRANSFER in teachers:
        home = counts(transferred(source, setting.home, {source: teachers[TRANSFER]}), setting.home)
    return Comparison(setting.name, table, labels, results, home)


def teacher_jobs(bench: Bench, setting: Setting, source: str, tests: dict[str, Test]) -> list[Job]:
    """The models of a teacher: one a seed, from the gold of a source language."""
    data = bench.put(setting.sources[source])
    changes = {TYPES: setting.types}
    if setting.teacher_steps:
        changes["training.max_steps"] = setting.teacher_steps
    name = f"{setting.name}: teacher, {source}"
    return [bench.job(name, source, seed, data, tests, "gold", keep=True, **changes) for seed in bench.seeds]


def students(
    bench: Bench, setting: Setting, method: str, data: str, tests: dict[str, Test], targets: str, **changes: Any
) -> list[Job]:
    """A student a seed."""
    name, changes = f"{setting.name}: {method}", {TYPES: setting.types, **changes}
    return [bench.job(name, setting.lang, seed, data, tests, targets, **changes) for seed in bench.seeds]


def trained(bench: Bench, jobs: dict[str, list[Job]]) -> dict[str, list[Result]]:
    """All results, by the same names."""
    found = iter(bench.train([job for some in jobs.values() for job in some]))
    return {name: [next(found) for _ in some] for name, some in jobs.items()}


def training_data(bench: Bench, setting: Setting, method: str, teachers: dict[str, list[str]]) -> tuple[str, str, str]:
    """What a student of a method learns from.

    teachers (dict of list of str): The folders of the models of `TRANSFER` and of `PROJECTION`.
    RETURNS (str, str, str): The file, the student's targets, and a file with the labels that they come to.
    """
    english: Models = {"english": teachers[TRANSFER]} if TRANSFER in teachers else {}
    own: Models = {"projections": teachers[PROJECTION]} if PROJECTION in teachers else {}
    raw, projected, more = setting.raw, setting.projected, setting.more
    made = lambda docs, models, **settings: soft(bench, setting.lang, docs, models, **settings)  # noqa: E731
    if method in (BOTH[0], BOTH[5], BOTH[6]):
        docs = [*projected, *more] if method == BOTH[5] else projected
        models = english if method == BOTH[0] else own
        return made(docs, models), "mix", made(docs, models, projection="mix")
    path = {
        ALONE[0]: lambda: made(raw, english),
        ALONE[1]: lambda: made(raw, english, hard=True),
        ALONE[2]: lambda: made([*raw, *more], english),
        BOTH[1]: lambda: made(projected, english, projection="mask"),
        BOTH[2]: lambda: made(raw, own),
        BOTH[3]: lambda: made(raw, english | own),
        BOTH[4]: lambda: made([*raw, *more], own),
    }[method]()
    return path, "soft", path


def together(setting: Setting, models: Models, **settings: Any) -> dict[str, np.ndarray]:
    """Counts of teachers by themselves, as one run: int array (1, n, 3) by test."""
    return {
        name: counts(only(transferred(setting.lang, docs, models, **settings), labels), docs)[None]
        for name, (docs, labels) in setting.tests.items()
    }


# As plain data


def as_data(found: Comparison, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The figures of a setting, with the differences of pairs of methods."""
    first = next(iter(next(iter(found.counts.values()))))
    return {
        "setting": found.name,
        "methods": {
            name: {test: figures(each) for test, each in tests.items()} for name, tests in found.counts.items()
        },
        "trainings": {
            name: {"loss": [x.loss for x in some], "seconds": [x.seconds for x in some]}
            for name, some in found.results.items()
        },
        "labels": found.labels,
        "home": None if found.home is None else float(f1(found.home)),
        "differences": [
            {"ours": ours, "theirs": theirs, **gain(found.counts[ours][first], found.counts[theirs][first])}
            for ours, theirs in pairs
            if ours in found.counts and theirs in found.counts
        ],
    }


def figures(each: np.ndarray) -> dict[str, Any]:
    """Of counts (seeds, n, 3). The bootstrap draws test sentences, with the counts of all seeds together."""
    right, predicted, answers = each.sum(axis=(0, 1)).tolist()
    return {
        "f1": float(f1(each).mean()),
        "seeds": f1(each).tolist(),
        "interval": list(interval(each.sum(axis=0))),
        "precision": right / max(predicted, 1),
        "recall": right / max(answers, 1),
        "collapsed": collapsed(each),
    }


def collapsed(each: np.ndarray) -> list[int]:
    """The runs that find hardly any entities, or far too many: below a tenth of those that there are, or above ten
    times."""
    found, answers = each[..., 1].sum(axis=1), np.maximum(each[..., 2].sum(axis=1), 1)
    return np.flatnonzero((found < answers / 10) | (found > 10 * answers)).tolist()


def gain(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """The paired difference of F1 of two methods, of counts (seeds, n, 3)."""
    return difference(ours.sum(axis=0), theirs.sum(axis=0))._asdict()
