"""The whole command, on two sets of ten sentence pairs."""

import json

import pytest

from benchmarks import common, evidence, quality
from benchmarks.evidence_report import PUBLISHED
from scripts import ranker_data
from spacy_xproj.similarities.ranker.names import FEATURES
from tests.conftest import VERSES, bitext, conll

SETS = ("toy/en-es", "game/en-de")
SOME = {name: evidence.GROUPS[name] for name in ("links", "lexicon of entity pairs")}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidence")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in SETS:
            (folder / name).mkdir(parents=True)
            (folder / name / "src.conll").write_text(conll([s for s, _ in VERSES] * 2), encoding="utf-8")
            (folder / name / "tgt.conll").write_text(conll([t for _, t in VERSES] * 2), encoding="utf-8")
            (folder / name / "align.one.pharaoh").write_text("0-0 1-1 2-2 3-3\n" * 2 * len(VERSES))
            monkeypatch.setitem(ranker_data.GIVEN, name, ("one",))
        for module in (ranker_data, common, quality, evidence):
            monkeypatch.setattr(module, "DATA", folder)
        monkeypatch.setattr(evidence, "GROUPS", SOME)
        out = folder / "out"
        evidence.main(["--learn-from", *SETS, "--sets", SETS[0], "--every", "1", "--steps", "2", "--output", str(out)])
    return json.loads((out / "evidence.json").read_text(encoding="utf-8")), (out / "evidence.md").read_text("utf-8")


def test_every_feature_is_in_one_group():
    found = [name for some in evidence.GROUPS.values() for name in some]
    assert sorted([*found, "null"]) == sorted(FEATURES)


@pytest.mark.slow
def test_what_is_measured(done):
    figures = done[0]["figures"]
    given = [each for each in figures if each["links"] == "one"]
    assert [each["evidence"] for each in given if each["kind"] == "without"] == list(SOME)
    added = [name for name in evidence.ADDED if name != "Context.v1"]
    assert [each["evidence"] for each in given if each["kind"] == "with"] == [*added, "all of these"]
    assert [each["kind"] for each in figures if each["links"] == "statistical"] == ["base"] + ["with"] * 5
    for each in figures:
        assert each["interval"][0] <= each["f1"] <= each["interval"][1]
        base = next(b for b in figures if b["links"] == each["links"])
        sign = -1 if each["kind"] == "without" else 1
        assert each["adds"]["gain"] == pytest.approx(sign * (each["f1"] - base["f1"]))


@pytest.mark.slow
def test_what_is_written(done):
    text = done[1]
    assert "No weights saw anything" in text and "`--encoder`" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for name in [*SOME, "Labels.v1", "all of these", *(row[0] for row in PUBLISHED)]:
        assert any(line.startswith(f"| {name} |") for line in lines), name
    assert all(line.endswith(" |") for line in lines)


def test_features_are_computed_once(monkeypatch):
    pairs = two_pairs()
    ranker = evidence.Remembering({}, pairs)
    first = ranker.first_pass(pairs[:1])
    monkeypatch.setattr(evidence.Ranker, "first_pass", None)
    assert ranker.first_pass(pairs[:1]) is first


def two_pairs():
    return [
        bitext("Ana saw a dog", [(0, 1, "PER")], "0-0 1-1").pairs(("Ana", "vio", "un", "perro"))[0],
        bitext("a house in Rome", [(3, 4, "LOC")], "3-3").pairs(("una", "casa", "en", "Roma"))[0],
    ]
