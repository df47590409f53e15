"""The commands about links of a trained encoder, on a tiny one and two sets of ten sentence pairs."""

import json

import numpy as np
import pytest

from benchmarks import common
from benchmarks.real import gpu, links, links_encoder, links_ensembles, links_systems
from scripts import ranker_data
from spacy_xproj.aligners.embedding import EmbeddingAligner
from spacy_xproj.bitext import Links
from spacy_xproj.similarities.ranker import Ranker
from tests.aligners.extraction_oracle import itermax
from tests.aligners.tiny_encoders import make_encoder
from tests.conftest import VERSES, bitext, conll

SETS = ("toy/en-es", "game/en-de")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder with two sets, and with a tiny encoder in the place of the trained one."""
    for name in SETS:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "src.conll").write_text(conll([s for s, _ in VERSES] * 2), encoding="utf-8")
        (tmp_path / name / "tgt.conll").write_text(conll([t for _, t in VERSES] * 2), encoding="utf-8")
        (tmp_path / name / "align.one.pharaoh").write_text("0-0 1-1 2-2 3-3\n" * 2 * len(VERSES))
        monkeypatch.setitem(ranker_data.GIVEN, name, ("one",))
    for module in (ranker_data, common, links, gpu):
        monkeypatch.setattr(module, "DATA", tmp_path)
    for module in (links, links_systems):
        monkeypatch.setattr(module, "MAIN", SETS[:1])
    monkeypatch.setattr(links_systems, "SETTINGS", (("inter", 6), ("itermax", 6)))
    monkeypatch.setattr(gpu, "SETS", SETS)
    make_encoder(tmp_path / "weights" / "e5-small", "xlm-roberta", layers=10)
    return tmp_path


def pairs():
    return [bitext(source).pairs(tuple(target.split()))[0] for source, target in VERSES]


@pytest.mark.slow
def test_links(data, capsys):
    command = ["--weights", str(data / "weights"), "--output", str(data / "out")]
    command += ["--sets", *SETS, "--learn-from", *SETS]
    links.main(command)
    found = json.loads((data / "out" / "links.json").read_text(encoding="utf-8"))
    text = (data / "out" / "links.md").read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    systems = {name: [each["system"] for each in found["figures"] if each["set"] == name] for name in SETS}
    assert systems[SETS[1]] == ["statistical", "itermax, layer 6", "ensemble"]
    assert systems[SETS[0]] == ["statistical", "inter, layer 6", "itermax, layer 6", "ensemble"]
    base = {each["set"]: each["f1"]["Ranker.v1"] for each in found["figures"] if each["system"] == "statistical"}
    for each in found["figures"]:
        for projector, value in each["f1"].items():
            low, high = each["interval"][projector]
            assert low <= value <= high
            assert each["gain"][projector]["gain"] == pytest.approx(value - base[each["set"]])
    together = [each for each in found["figures"] if each["set"] == "all together"]
    assert [each["sentences"] for each in together] == [4 * len(VERSES)] * 3
    for line in (
        "| itermax, layer 6 | ",
        "| `Statistical.v1` | ",
        f"| {SETS[1]} | both | ",
        "| all together | both | ",
    ):
        assert line in text


def test_what_a_ranker_knows_is_of_the_links_it_projects_along(data):
    ranker = Ranker()
    ranker.fit(pairs())
    none = [Links(pair.links, pair.scores, {}) for pair in links_systems.pairs_of(SETS[0])]
    with pytest.raises(AssertionError, match="of other links"):
        links.projected(SETS[0], none, "project_ranker.cfg", ranker)


def test_links_are_those_of_the_aligner(data, monkeypatch):
    """Of each method, although sentences are encoded once; and from the disk the same again."""
    model = str(data / "weights" / "e5-small")
    reader = links_encoder.Reader(model, layer=3, device="cpu")
    for method in ("inter", "softmax", "itermax"):
        reader.method = method
        want = EmbeddingAligner(model, method, 3, device="cpu")(pairs())
        for _ in range(2):
            for a, b in zip(links_encoder.encoder_links(reader, pairs(), data), want, strict=True):
                assert a.links.tolist() == b.links.tolist() and a.scores.tolist() == b.scores.tolist()
                assert all(a.evidence[name].tolist() == b.evidence[name].tolist() for name in b.evidence)
        with monkeypatch.context() as asleep:
            asleep.setattr(links_encoder.Reader, "outputs", None)  # which encodes
            reader.method = "mwmf"
            links_encoder.encoder_links(reader, pairs(), data / "more")
    assert len(list(data.glob("links-*.npz"))) == 3


def test_itermax_is_that_of_simalign():
    random = np.random.default_rng(0)
    for shape in ((1, 4), (2, 2), (3, 5), (6, 4), (7, 7)):
        for _ in range(20):
            sim = random.random(shape)
            assert (gpu.itermax(sim) == itermax(sim)).all()


@pytest.mark.slow
def test_gpu_without_one(data, capsys, monkeypatch):
    """The folder that is taken along, and what is measured where there is no GPU."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(gpu, "LAYER", 3)
    gpu.main(["prepare", str(data / "along"), "--weights", str(data / "weights")])
    gpu.main(["measure", str(data / "along"), "--steps", "2", "--output", str(data / "out")])
    found = json.loads((data / "out" / "gpu.json").read_text(encoding="utf-8"))
    assert found["gpu"] is None and found["pairs"] == 4 * len(VERSES)
    assert [each["device"] for each in found["links"]] == ["cpu", "cpu"]
    assert [each["pairs_with_other_links"] for each in found["links"]] == [0, 0], "SimAlign's links are ours"
    assert found["training"][0]["seconds_a_step"] > 0
    assert "no GPU here" in capsys.readouterr().out


@pytest.mark.slow
def test_ensembles(data, capsys, monkeypatch):
    names = ("`Statistical.v1`", "itermax, layer 6", "itermax 6, statistical")
    monkeypatch.setattr(links_ensembles, "SYSTEMS", {name: links_ensembles.SYSTEMS[name] for name in names})
    monkeypatch.setattr(links_ensembles, "MAIN", SETS)
    command = ["--weights", str(data / "weights"), "--output", str(data / "out"), "--learn-from", *SETS]
    links_ensembles.main(command)
    first, second = capsys.readouterr().out.split("## Gold spans that are not found")
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in (first + second).splitlines() if "|" in row]
    quality = {row[0]: row for row in rows if row[0] in names}
    assert [*quality] == [*names] and quality[names[0]][-2:] == ["+0.00", "+0.00 (+0.0 to +0.0)"]
    left = {(row[0], row[1]): [int(cell) for cell in row[3:]] for row in rows if row[0] in SETS}
    assert {*left} == {(name, system) for name in SETS for system in names}
    for gold, missed, _, elsewhere in left.values():
        assert 0 <= elsewhere <= missed <= gold
