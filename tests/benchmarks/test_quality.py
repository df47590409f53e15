"""The whole command, on two sets of ten sentence pairs, and the keeping of weights."""

import json
import sys
from typing import NamedTuple

import pytest

from benchmarks import common, folds, linked, quality
from benchmarks.report import best_links
from scripts import ranker_data
from scripts.cut import cut
from scripts.glued import glue
from spacy_xproj.errors import XprojError
from tests.conftest import VERSES, conll

SETS = ("toy/en-es", "game/en-de")
CACHES = (folds.content_hash, linked.payloads, quality.unlearned)


def forget():
    for each in CACHES:
        each.cache_clear()


def make_data(folder, monkeypatch):
    """A data folder with two sets, one of them with given links."""
    for name in SETS:
        (folder / name).mkdir(parents=True)
        (folder / name / "src.conll").write_text(conll([s for s, _ in VERSES] * 2), encoding="utf-8")
        (folder / name / "tgt.conll").write_text(conll([t for _, t in VERSES] * 2), encoding="utf-8")
        monkeypatch.setitem(ranker_data.GIVEN, name, ("one",) if name == SETS[0] else ())
    (folder / SETS[0] / "align.one.pharaoh").write_text("0-0 1-1 2-2 3-3\n" * 2 * len(VERSES))
    for module in (ranker_data, common, quality):
        monkeypatch.setattr(module, "DATA", folder)


def watch_learning(monkeypatch):
    """The names of the sets of each time that something is learned."""
    calls = []
    train = folds.train
    monkeypatch.setattr(folds, "train", lambda rows: calls.append({row.name for row in rows}) or train(rows))
    return calls


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A folder for the output."""
    make_data(tmp_path / "data", monkeypatch)
    forget()
    yield tmp_path / "out"
    forget()


@pytest.fixture
def learned(monkeypatch):
    return watch_learning(monkeypatch)


def run(out, *args):
    quality.main(["--learn-from", *SETS, "--output", str(out), "--sets", *SETS, *args])
    return json.loads((out / "quality.json").read_text(encoding="utf-8"))


class Done(NamedTuple):
    found: dict
    text: str
    learned: list


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The command, run on two sets, and then, without what it knows but for its files, on the second."""
    folder = tmp_path_factory.mktemp("quality")
    runs = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        make_data(folder / "data", monkeypatch)
        for settings in ((), ("--by", "languages", "--sets", SETS[1])):
            forget()
            learned = watch_learning(monkeypatch)
            found = run(folder / "out", *settings)
            runs.append(Done(found, (folder / "out" / "quality.md").read_text(encoding="utf-8"), learned))
        forget()
    return runs


@pytest.mark.slow
def test_what_the_command_measures(done):
    found, _, learned = done[0]
    assert learned == [{SETS[1]}, {SETS[0]}]  # the folds of the second table are the same ones
    entries = found["runs"]["languages"]
    assert [(e["set"], e["links"], e["kind"]) for e in entries] == [
        (SETS[0], "one", "given"),
        (SETS[0], "statistical", "statistical"),
        (SETS[1], "statistical", "statistical"),
    ]
    first = entries[0]
    assert list(first["methods"]) == list(quality.METHODS)
    assert (first["sentences"], first["gold"], first["left_out"]) == (10, 4, "en-es")
    for each in first["methods"].values():
        assert 0 <= each["interval"][0] <= each["f1"] <= each["interval"][1] <= 1
    assert first["methods"]["Links.v1"]["f1"] == 1
    assert set(first["methods"]["Links.v1"]["labels"]) == {"LOC", "PER"}
    better = first["methods"][first["better_published"]]["f1"]
    assert first["difference"]["gain"] == pytest.approx(first["methods"]["Ranker.v1"]["f1"] - better)
    assert len(first["reliability"]) == 10
    assert sum(step["spans"] for step in first["reliability"]) == first["projected"]
    assert len(found["weights"]) == len(quality.FEATURES)


@pytest.mark.slow
def test_what_the_command_writes(done):
    text = done[0].text
    titles = ("Table 1", "Table 2", "F1 by label", "Errors by type", "Calibration", "Precision at coverage", "Weights")
    assert all(f"## {title}" in text for title in titles)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    methods = [line for line in lines if line.startswith(f"| {SETS[0]} | one | 1.0000")]
    assert len(methods) >= 2  # in both tables
    for line in lines:
        assert line.endswith(" |")


@pytest.mark.slow
def test_a_second_run_learns_nothing_and_finds_the_same(done):
    first, second = done
    assert second.learned == []
    assert second.found["runs"] == {"languages": [e for e in first.found["runs"]["languages"] if e["set"] == SETS[1]]}


@pytest.mark.slow
def test_other_data_or_code_is_learned_from_anew(toy, learned, monkeypatch):
    weights = folds.fold_weights("en-de", "languages", toy, SETS)
    links = ranker_data.DATA / SETS[0] / "align.one.pharaoh"
    links.write_text(links.read_text().replace("0-0", "0-1"))
    forget()
    other = folds.fold_weights("en-de", "languages", toy, SETS)
    assert any((weights[stage] != other[stage]).any() for stage in weights)
    monkeypatch.setattr(folds, "code_hash", lambda: "another version")
    folds.fold_weights("en-de", "languages", toy, SETS)
    folds.fold_weights("en-de", "languages", toy, SETS, every=2)
    assert len(learned) == len(list(toy.iterdir())) == 4


def test_nothing_to_learn_from(toy):
    with pytest.raises(XprojError, match="more than one domain"):
        folds.fold_weights("toy", "domain", toy, SETS[:1])


def test_opinion_targets_are_one_domain():
    assert folds.group("absa/en-es", "domain") == folds.group("reviews/en-de", "domain") == "opinion targets"
    assert folds.group("europarl/en-de", "domain") == "europarl"
    assert folds.group("reviews/en-de", "languages") == "en-de"


def test_sets_without_given_links_are_for_learning_only(toy, monkeypatch):
    seen = []
    monkeypatch.setattr(quality, "leave_out", lambda by, sets, *_: seen.append([n for n in sets if n in SETS]) or [])
    monkeypatch.setattr(quality, "shipped_weights", lambda sets: [])
    monkeypatch.setattr(quality, "write", lambda *_: None)
    quality.main(["--by", "domain"])
    quality.main(["--by", "domain", "--all"])
    assert seen == [[SETS[0]], list(SETS)]


def test_without_data(toy, monkeypatch, capsys):
    monkeypatch.setattr(quality, "DATA", toy / "nowhere")
    with pytest.raises(SystemExit) as exit:
        quality.main([])
    assert exit.value.code == 1
    assert "XPROJ_DATA" in " ".join(capsys.readouterr())


@pytest.mark.slow
def test_without_matplotlib_all_else_is_written(done, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    quality.write(done[0].found, tmp_path)
    assert "no figures" in " ".join(capsys.readouterr().out.split())
    assert {path.name for path in tmp_path.iterdir()} == {"quality.json", "quality.md"}
    assert "![" not in (tmp_path / "quality.md").read_text(encoding="utf-8")


def test_best_links_are_given_ones():
    entry = lambda links, kind, f1: {"set": "a", "links": links, "kind": kind, "methods": {"Ranker.v1": {"f1": f1}}}  # noqa: E731
    run = [entry("x", "given", 0.5), entry("y", "given", 0.6), entry("statistical", "statistical", 0.9)]
    assert [e["links"] for e in best_links(run)] == ["y"]
    assert [e["links"] for e in best_links(run[2:])] == ["statistical"]


def test_links_of_a_set_by_kind(monkeypatch):
    assert [
        linked.kind(links) for links in ("awesome", "mgiza", "statistical", "eflomal", "awesome glued", "awesome cut")
    ] == [
        "given",
        "weak",
        "statistical",
        "eflomal",
        "glued",
        "cut",
    ]
    assert linked.links_of("absa/en-es")[-3:] == ("awesome glued", "statistical glued", "awesome cut")
    assert linked.links_of("europarl/en-de")[-2:] == ("statistical", "eflomal-gdfa cut")
    monkeypatch.setattr(linked, "find_spec", lambda name: None)
    assert linked.links_of("agenda/en-tr") == ("statistical",)
    monkeypatch.setattr(linked, "find_spec", lambda name: name)
    assert linked.links_of("agenda/en-tr") == ("statistical", "eflomal")


def test_glued_sets_keep_their_links_and_gold(toy):
    nlp = common.xx()
    docs, gold = linked.linked(SETS[0], "one glued", nlp)
    plain, plain_gold = linked.linked(SETS[0], "one", nlp)
    for doc, ref, before, ref_before in zip(docs, gold, plain, plain_gold):
        assert [t.text for t in doc] == [t.text for t in ref] == glue([t.text for t in before])[0]
        assert len(ref.ents) == len(ref_before.ents)
        assert all(one.text.startswith(other[0].text) for one, other in zip(ref.ents, ref_before.ents))
        assert doc._.xproj.spans == before._.xproj.spans and len(doc._.xproj.links) <= len(before._.xproj.links)


def test_cut_sets_keep_their_links_and_gold(toy):
    nlp = common.xx()
    docs, gold = linked.linked(SETS[0], "one cut", nlp)
    plain, plain_gold = linked.linked(SETS[0], "one", nlp)
    for doc, ref, before, ref_before in zip(docs, gold, plain, plain_gold):
        assert "".join(t.text for t in doc) == "".join(t.text for t in ref) == "".join(t.text for t in before)
        assert max(len(t.text) for t in doc) == 3
        assert [[t.text for t in one] for one in ref.ents] == [cut([t.text for t in one])[0] for one in ref_before.ents]
        assert doc._.xproj.spans == before._.xproj.spans
        linked_words = {(i, before[j].text) for i, j in before._.xproj.links.tolist()}
        pieces = {(i, piece) for i, word in linked_words for piece in cut([word])[0]}
        assert {(i, doc[j].text) for i, j in doc._.xproj.links.tolist()} == pieces
