"""Study 2: several sources, by how their teachers are weighted, and with entities swapped for others."""

from typing import Any

import numpy as np

from spacy_xproj.corpus import blank, read_docs
from spacy_xproj.evaluate.bootstrap import counts, f1
from spacy_xproj.files import replacing, text_hash

from .data import Setting, europarl_setting, shipped_setting
from .labels import quality, soft, transferred
from .routes import Comparison, as_data, students, teacher_jobs, together, trained
from .training import Bench

ONE, AVERAGE, FIXED = "{} alone", "average", "fixed"
DOMAIN, SENTENCE = "similarity, domain", "similarity, sentence"
SWAP, ALL = "average, entities swapped", "similarity, domain, entities swapped"
PAIRS = [
    (AVERAGE, ONE.format("en")),
    (AVERAGE, ONE.format("de")),
    (DOMAIN, AVERAGE),
    (SENTENCE, AVERAGE),
    (FIXED, AVERAGE),
    (SWAP, AVERAGE),
    (ALL, AVERAGE),
    (ALL, DOMAIN),
]
LEVEL = 0.5  # share of the texts with a changed copy


def study(bench: Bench) -> dict[str, Any]:
    settings = [shipped_setting("es", ("de",)), europarl_setting("es", ("de",))]
    found = []
    for setting in settings:
        comparison, weights = compare(bench, setting.cut(bench.limit))
        found.append({**as_data(comparison, PAIRS), "weights": weights})
    return {"swap_level": LEVEL, "settings": found}


def compare(bench: Bench, setting: Setting) -> tuple[Comparison, dict[str, dict[str, float]]]:
    """Students of each way to combine the teachers, and the mean weight of each teacher in it."""
    tests = {name: (bench.put(docs), labels) for name, (docs, labels) in setting.tests.items()}
    found = trained(bench, {name: teacher_jobs(bench, setting, name, tests) for name in setting.sources})
    models = {name: [each.model for each in some] for name, some in found.items()}
    similarity = {
        "@misc": "spacy_xproj.similarity_weights.v1",
        "sources": {name: text_file(bench, docs) for name, docs in setting.sources.items()},
    }
    ways: dict[str, dict[str, Any]] = {
        **{ONE.format(name): {"only": [name]} for name in models},
        AVERAGE: {},
        FIXED: {"weights": {"@misc": "spacy_xproj.fixed_weights.v1", "weights": transfer_scores(setting, models)}},
        DOMAIN: {"weights": {**similarity, "level": "domain"}},
        SENTENCE: {"weights": {**similarity, "level": "sentence"}},
    }
    data = {name: soft(bench, setting.lang, setting.raw, models, **ways[name]) for name in ways}
    swap = {"@augmenters": "spacy_xproj.entity_swap.v1", "level": LEVEL, "territories": setting.lang}
    changes = {SWAP: (AVERAGE, swap), ALL: (DOMAIN, swap)}
    jobs = {name: students(bench, setting, name, path, tests, "soft") for name, path in data.items()}
    for name, (origin, block) in changes.items():
        more = {"corpora.train.augmenter": block}
        jobs[name] = students(bench, setting, name, data[origin], tests, "soft", **more)
    results = trained(bench, jobs)
    table = {f"teacher {name}, by itself": together(setting, {name: some}) for name, some in models.items()}
    table["teachers by themselves, average"] = together(setting, models)
    table |= {
        name: {test: np.stack([each.counts[test] for each in some]) for test in tests} for name, some in results.items()
    }
    labels = {name: quality(path, setting.gold, setting.projected) for name, path in data.items()}
    comparison = Comparison(setting.name, table, labels, {**found, **results})
    return comparison, {name: mean_weights(path) for name, path in data.items()}


def transfer_scores(setting: Setting, models: dict[str, list[str]]) -> dict[str, float]:
    """The F1 of each teacher on the training text of the other source languages: what can be known of them without
    labels of the target."""
    found = {}
    for name, some in models.items():
        scores = [
            float(f1(counts(transferred(other, docs, {name: some}), docs)))
            for other, docs in setting.sources.items()
            if other != name
        ]
        found[name] = round(max(float(np.mean(scores)), 0.01), 4)
    return found


def text_file(bench: Bench, docs) -> str:
    """The texts, a line each."""
    text = "".join(" ".join(doc.text.split()) + "\n" for doc in docs)
    path = bench.work / "data" / f"{text_hash(text)[:24]}.txt"
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")
    return str(path)


def mean_weights(path: str) -> dict[str, float]:
    """The mean weight of each teacher in a file of soft labels."""
    rows = [doc._.xproj_soft.provenance for doc in read_docs(path, blank("xx"))]
    names = sorted({key for row in rows for key in row if key.startswith("weight.")})
    return {name.removeprefix("weight."): float(np.mean([row[name] for row in rows])) for name in names}
