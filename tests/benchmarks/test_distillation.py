"""The benchmark of projection and distillation: its plain functions, and one comparison in short."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span

from benchmarks.distillation import figures, routes, sources, training
from benchmarks.distillation.checks import always_right, losses
from benchmarks.distillation.data import Setting, domains, projected, shipped, unlabeled
from benchmarks.distillation.domains import HALVES
from benchmarks.distillation.labels import quality
from benchmarks.distillation.report import report
from benchmarks.distillation.sizes import pareto
from benchmarks.distillation.training import Bench
from spacy_xproj.soft import SoftLabels

TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


# Plain functions


@pytest.mark.parametrize(
    "points, front",
    [
        ([], []),
        ([(1, 1)], [0]),
        ([(1, 3), (2, 2), (3, 1)], [0, 1, 2]),
        ([(1, 3), (1, 2), (3, 1), (2, 1)], [0, 2]),
        ([(2, 2), (2, 2), (1, 1)], [0, 1]),
        ([(-5, 0.5), (-1, 0.5), (-9, 0.9)], [1, 2]),
    ],
)
def test_pareto_front(points, front):
    assert pareto(points) == front


def test_no_point_outside_of_the_front_is_unbeaten():
    points = [tuple(x) for x in np.random.default_rng(0).integers(0, 9, (60, 2)).tolist()]
    front = {points[k] for k in pareto(points)}
    for a, b in points:
        assert (a, b) in front or any(x >= a and y >= b for x, y in front)
        assert (a, b) not in front or not any(x > a and y > b for x, y in points)


def test_a_run_without_entities_or_with_far_too_many_is_told():
    each = np.array([[[5, 9, 10]], [[0, 0, 10]], [[1, 101, 10]], [[0, 1, 10]]])
    assert routes.collapsed(each) == [1, 2]
    found = routes.figures(each)
    assert found["seeds"] == pytest.approx([10 / 19, 0, 2 / 111, 0])
    assert found["f1"] == pytest.approx(np.mean(found["seeds"])) and found["precision"] == pytest.approx(6 / 111)


def test_losses_are_those_by_hand():
    for row in losses():
        assert row["value"] == pytest.approx(row["by_hand"], abs=1e-12), row
        assert row["gradient_error"] < 1e-8, row


def test_the_domains_are_six_of_one_size():
    names = domains("train")
    assert {names.count(name) for name in names} == {len(names) / 6} and len(names) == len(shipped("train", "es"))
    assert {*domains("test")} == {*names} == {name for half in HALVES for name in half}


# How good labels are


@pytest.fixture
def gold():
    doc = Doc(spacy.blank("es").vocab, words=["Ana", "Torres", "vive", "en", "Roma", "."])
    doc.set_ents([Span(doc, 0, 2, label="PER"), Span(doc, 4, 5, label="LOC")], default="outside")
    return doc


def soft_doc(gold, rows):
    doc = unlabeled(gold)
    doc._.xproj_soft = SoftLabels(TAGS, np.array(rows))
    return doc


def test_quality_of_soft_labels(gold, tmp_path):
    rows = np.zeros((6, 5))
    rows[range(6), (3, 4, 0, 0, 0, 0)] = 1  # it misses Roma
    rows[4] = (0.75, 0.25, 0, 0, 0)
    rows[5] = 0  # and says nothing of the last token
    other = unlabeled(gold)
    other.set_ents([Span(other, 4, 5, label="LOC")], default="outside")  # the projection misses Ana Torres
    path = Bench(tmp_path, [0]).put([soft_doc(gold, rows)])
    found = quality(path, [gold], [other])
    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx((1, 0.5, 2 / 3))
    assert found["nll"] == pytest.approx(-np.log(0.25) / 5, rel=1e-3)
    assert found["entropy"] == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) / 5, rel=1e-3)
    assert found["masked"] == pytest.approx(1 / 6)
    assert (found["agreement"], found["projection_right"], found["labels_right"]) == pytest.approx((0, 1 / 3, 2 / 3))


def test_quality_of_entities(gold, tmp_path):
    bench = Bench(tmp_path, [0])
    assert quality(bench.put([gold]), [gold])["f1"] == 1
    wrong = unlabeled(gold)
    wrong.set_ents([Span(wrong, 0, 1, label="PER")], default="outside")
    found = quality(bench.put([wrong]), [gold])
    assert found["f1"] == 0 and found["nll"] == pytest.approx(-2 * np.log(1e-4) / 6, rel=1e-4)


@pytest.mark.parametrize("scheme, step", [("IOB2", 1), ("BIOES", -1)])
def test_a_teacher_that_is_always_right(gold, tmp_path, scheme, step):
    setting = Setting("toy", "es", {}, [gold], [], [], {})
    found = quality(Bench(tmp_path, [0]).put(always_right(setting, scheme, step)), [gold])
    assert (found["f1"], found["entropy"], found["masked"]) == (1, 0, 0) and found["nll"] == 0


def test_mean_weights_of_teachers(gold, tmp_path):
    docs = [unlabeled(gold), unlabeled(gold)]
    for doc, weight in zip(docs, (0.2, 0.6)):
        doc._.xproj_soft = SoftLabels(TAGS, np.eye(5)[[0] * 6], {"weight.en": weight, "weight.de": 1 - weight})
    assert sources.mean_weights(Bench(tmp_path, [0]).put(docs)) == pytest.approx({"en": 0.4, "de": 0.6})


# What is kept


def test_the_key_of_a_training(gold, tmp_path):
    bench = Bench(tmp_path, [0])
    data = bench.put([gold])
    job = bench.job("a", "es", 0, data, {"test": (data, ())}, "gold")
    same = [job._replace(name="b"), job._replace(data=str(tmp_path / "elsewhere" / data.split("/")[-1]))]
    assert {each.key for each in same} == {job.key} and data == bench.put([gold])
    others = [
        job._replace(seed=1),
        job._replace(lang="de"),
        job._replace(data=bench.put([gold, gold])),
        job._replace(tests={"test": (data, ("PER",))}),
        job._replace(settings={**job.settings, "training.dropout": 0.1}),
        job._replace(config="student_trf.cfg"),
    ]
    assert len({job.key, *(each.key for each in others)}) == len(others) + 1


# A comparison in short

SHORT = (routes.TRANSFER, routes.ALONE[0], routes.PROJECTION, routes.BOTH[0], routes.BOTH[1], routes.GOLD)


@pytest.fixture(scope="module")
def setting():
    source, target = shipped("train", "en")[:40], shipped("train", "es")[:40]
    more = [unlabeled(doc) for doc in shipped("train", "es")[40:50]]
    tests = {"test": (shipped("test", "es")[:20], ()), "PER": (shipped("test", "es")[:20], ("PER",))}
    return Setting("short", "es", {"en": source}, target, projected(source, target, "es"), more, tests)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("distillation"), [0, 1], steps=4)


@pytest.fixture(scope="module")
def found(bench, setting):
    return routes.compare(bench, setting, SHORT)


@pytest.mark.slow
def test_all_methods_on_all_tests(found, setting):
    names = {*SHORT, *(routes.ENSEMBLE.format(name) for name in (routes.TRANSFER, routes.PROJECTION))}
    assert set(found.counts) == names and set(found.labels) == {*SHORT} - {routes.TRANSFER, routes.GOLD}
    for name, tests in found.counts.items():
        assert {test: each.shape for test, each in tests.items()} == dict.fromkeys(
            setting.tests, (2 if name in SHORT else 1, 20, 3)
        )
    spans = [len(doc.ents) for doc in setting.tests["test"][0]]
    assert found.counts[routes.GOLD]["test"][0, :, 2].tolist() == spans
    assert found.labels[routes.PROJECTION]["f1"] > 0.6 and found.labels[routes.BOTH[1]]["masked"] > 0
    assert found.labels[routes.BOTH[0]]["agreement"] > found.labels[routes.ALONE[0]]["agreement"]


@pytest.mark.slow
def test_a_second_run_takes_what_is_there(bench, setting, found, monkeypatch):
    monkeypatch.setattr(training, "run", lambda *_: pytest.fail("a training ran again"))
    again = routes.compare(bench, setting, SHORT)
    for name, tests in found.counts.items():
        for test, each in tests.items():
            assert np.array_equal(again.counts[name][test], each), (name, test)
    assert again.labels == found.labels


@pytest.mark.slow
def test_the_report(found, tmp_path):
    about = {"versions": {"spacy-xproj": "0"}, "seeds": [0, 1], "steps": 4, "quick": True}
    data = {1: {**about, "what": routes.WHAT, "settings": [routes.as_data(found, routes.PAIRS)]}}
    data[4] = {**about, "settings": data[1]["settings"]}
    text = report(data)
    assert "A trial" in text and "### short" in text and text.count(routes.BOTH[0]) > 4
    assert "⚠" in text  # nothing can be learnt in four steps
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `benchmark`)")
    drawn = figures.draw(data, tmp_path)
    assert {path.name for path in drawn} == {f"{n}-1.{kind}" for n in ("routes", "domains") for kind in ("svg", "png")}


def test_the_figures_of_sizes(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `benchmark`)")
    cells = {"seeds": [0.5], "interval": [0.4, 0.6], "precision": 0.5, "recall": 0.5, "collapsed": [], "steps": 3}
    rows = [
        {"name": name, "f1": f1, "parameters": n, "words_a_second": speed, **cells}
        for name, f1, n, speed in (("small", 0.4, 1e5, 9e4), ("large", 0.55, 1e7, 9e3), ("lost", 0.3, 2e7, 8e3))
    ]
    for row in rows:
        row["front_words_a_second"] = row["front_parameters"] = row["name"] != "lost"
    about = {"versions": {}, "seeds": [0], "steps": 3, "quick": False, "sentences": 5}
    found = {3: {**about, "sizes": rows}}
    assert {path.stem for path in figures.draw(found, tmp_path)} == {"speed", "size"}
    assert "| lost | 20.00 |" in report(found) and "Collapsed: none." in report(found)
