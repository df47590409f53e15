"""Study 4: trained in one domain, tested in another."""

from typing import Any

import numpy as np

from benchmarks.source_ner import LABELS

from .data import (
    EUROPARL,
    Setting,
    domains,
    europarl,
    europarl_setting,
    labeled,
    projected,
    shipped_setting,
    unlabeled,
    web,
)
from .labels import transferred
from .routes import (
    ALONE,
    BOTH,
    GOLD,
    PROJECTION,
    TRANSFER,
    Comparison,
    as_data,
    compare,
    students,
    teacher_jobs,
    trained,
)
from .training import Bench

HALVES = (("news", "sport", "business"), ("travel", "science", "culture"))
WEB_RAW, WEB_TEST = 2000, 800  # sentences
METHODS = (TRANSFER, ALONE[0], ALONE[2], PROJECTION, BOTH[0], BOTH[4], BOTH[5], GOLD)
ONE_DOMAIN = (TRANSFER, ALONE[0], PROJECTION, BOTH[0], BOTH[2], GOLD)
PAIRS = [(ours, PROJECTION) for ours in (ALONE[0], ALONE[2], BOTH[0], BOTH[2], BOTH[4], BOTH[5])]
WEB_GOLD = "gold of the web text"


def study(bench: Bench) -> dict[str, Any]:
    found = [compare(bench, half(0).cut(bench.limit), METHODS), compare(bench, half(1).cut(bench.limit), METHODS)]
    same = europarl_setting("es").cut(bench.limit)
    found.append(only_test(compare(bench, same, ONE_DOMAIN), ", ".join(LABELS), "europarl, en → europarl, es"))
    found += [compare(bench, from_web(bench), ONE_DOMAIN), to_web(bench)]
    return {"halves": HALVES, "settings": [as_data(each, PAIRS) for each in found]}


def half(which: int) -> Setting:
    """Three domains of the shipped corpus to train on, the others' text without labels, and both to test on."""
    whole = shipped_setting("es")
    inside = np.isin(domains("train"), HALVES[which])
    test = np.isin(domains("test"), HALVES[which])
    pick = lambda docs, keep: [doc for doc, yes in zip(docs, keep) if yes]  # noqa: E731
    answers = whole.tests["test"][0]
    return Setting(
        f"shipped, es, trained on {', '.join(HALVES[which])}",
        "es",
        {"en": pick(whole.sources["en"], inside)},
        pick(whole.gold, inside),
        pick(whole.projected, inside),
        [unlabeled(doc) for doc in pick(whole.gold, ~inside)],
        {"other domains": (pick(answers, ~test), ()), "the same domains": (pick(answers, test), ())},
    )


def from_web(bench: Bench) -> Setting:
    """A teacher of English web text; the target is Spanish europarl. What is projected are this teacher's labels."""
    gold = europarl_setting("es")
    setting = Setting(
        "web, en → europarl, es",
        "es",
        {"en": web()},
        labeled(gold.gold, "es", LABELS),
        [],
        [],
        {name: part for name, part in gold.tests.items() if part[1]},
        teacher_steps=3 * bench.steps,  # it has ten times the text
    ).cut(bench.limit)
    tests = {name: (bench.put(docs), labels) for name, (docs, labels) in setting.tests.items()}
    models = [each.model for each in bench.train(teacher_jobs(bench, setting, "en", tests))]
    size = bench.limit or EUROPARL
    lines = slice(size)
    predicted = transferred("en", europarl("en")[lines], {"english": models})
    every = [*labeled(predicted, "en"), *map(unlabeled, europarl("en")[size:])]
    return setting._replace(projected=projected(every, europarl("es"), "es")[lines])


def to_web(bench: Bench) -> Comparison:
    """A teacher of Spanish europarl; the target is English web text, of which there is no parallel text. So labels are
    projected within europarl, and soft labels come from both."""
    half, rest = slice(EUROPARL), slice(EUROPARL, None)
    english, spanish = (labeled(europarl(lang), lang, LABELS) for lang in ("en", "es"))
    setting = Setting(
        "europarl, es → web, en",
        "en",
        {"es": spanish[half]},
        english[half],
        projected(spanish, english, "en")[half],
        [unlabeled(doc) for doc in web()[:WEB_RAW]],
        {"web": (web()[-WEB_TEST:], ()), "europarl": (english[rest], ())},
    ).cut(bench.limit)
    found = compare(bench, setting, METHODS)
    tests = {name: (bench.put(docs), labels) for name, (docs, labels) in setting.tests.items()}
    data = bench.put(web()[: bench.limit or WEB_RAW])
    results = trained(bench, {WEB_GOLD: students(bench, setting, WEB_GOLD, data, tests, "gold")})
    table = {name: {test: np.stack([r.counts[test] for r in some]) for test in tests} for name, some in results.items()}
    return found._replace(counts=found.counts | table, results=found.results | results)


def only_test(found: Comparison, test: str, name: str) -> Comparison:
    """The comparison with one of its tests, under another name."""
    return found._replace(name=name, counts={method: {test: each[test]} for method, each in found.counts.items()})
