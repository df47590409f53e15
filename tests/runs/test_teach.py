import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_xproj.cli import app
from spacy_xproj.corpus import doc_files, read_docs
from spacy_xproj.errors import XprojError
from spacy_xproj.runs import steps as module
from spacy_xproj.runs.engines import Workers
from spacy_xproj.runs.teach import report, teach, with_state
from spacy_xproj.soft import SoftLabels
from tests.conftest import CONFIGS, bitext, names, said
from tests.teachers.tiny_pipelines import make_ner

CONFIG = CONFIGS / "teach.cfg"
TEXTS = ["Ana vio Roma", "el perro es Leo", "New York es grande", "Ana Torres", "nada"]


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers")
    return make_ner(folder / "en"), make_ner(folder / "de", seed=1, steps=8, lang="de")


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "raw.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return tmp_path / "raw.txt"


@pytest.fixture
def run(pipelines, raw, tmp_path):
    """Runs the verb on the raw text, or what is given as `source`."""
    paths = {f"paths.{name}": str(folder) for name, folder in zip(("english", "other"), pipelines)}

    def call(out, source=raw, overrides=None, config=CONFIG, **options):
        values = {**(paths if config == CONFIG else {}), **(overrides or {})}
        return teach(source, tmp_path / out, config, "es", overrides=values, **options)

    return call


def read(path):
    return list(read_docs(path, spacy.blank("es")))


def soft(path):
    return [doc._.xproj_soft for doc in read(path)]


def bytes_of(folder):
    return {name: (folder / name).read_bytes() for name in names(folder)}


def test_one_file(run, raw, tmp_path, pipelines):
    before = names(tmp_path)
    found = run("out.spacy")
    docs = read(tmp_path / "out.spacy")
    assert [doc.text for doc in docs] == TEXTS
    assert soft(tmp_path / "out.spacy")[0].labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert (found["docs"], found["tokens"], found["masked_share"]) == (5, 14, 0)
    assert found["entities"]["PER"] >= 2 and 0 < found["mean_entropy"] < np.log(5)
    assert json.loads((tmp_path / "out.spacy.report.json").read_text()) == found
    assert all(doc._.xproj_soft.provenance["pipeline"] == found["pipeline"] for doc in docs)
    new = names(tmp_path) - before
    assert {n for n in new if not n.startswith("out.spacy.fitted/")} == {"out.spacy", "out.spacy.report.json"}
    fitted = spacy.load(tmp_path / "out.spacy.fitted")
    again = [doc._.xproj_soft.probs for doc in fitted.pipe(read_docs(raw, fitted))]
    assert all(np.array_equal(a, b.probs) for a, b in zip(again, soft(tmp_path / "out.spacy")))
    assert str(pipelines[0]) not in (tmp_path / "out.spacy.fitted" / "config.cfg").read_text()


def test_a_file_of_each_teacher(run, tmp_path):
    both = run("both.spacy")
    for name in ("english", "other"):
        found = run(f"{name}.spacy", only=[name])
        assert found["pipeline"] != both["pipeline"]
        assert f"teacher.{name}" in soft(tmp_path / f"{name}.spacy")[0].provenance
    parts = [soft(tmp_path / f"{name}.spacy") for name in ("english", "other")]
    for english, other, mean in zip(*parts, soft(tmp_path / "both.spacy")):
        halves = (english.probs.astype("f4") + other.probs.astype("f4")) / 2
        np.testing.assert_allclose(mean.probs.astype("f4"), halves, atol=2e-3)
    with pytest.raises(XprojError, match="no teacher 'french' to use only: expected names out of english, other"):
        run("french.spacy", only=["french"])


@pytest.mark.slow
def test_folder(run, tmp_path):
    one = run("one.spacy")
    found = run("out", shard=2)
    assert found == one
    assert [p.name for p in doc_files(tmp_path / "out")] == ["00000.spacy", "00001.spacy", "00002.spacy"]
    assert soft(tmp_path / "out") == soft(tmp_path / "one.spacy")
    assert run("two", shard=2, workers=Workers(2)) == one
    assert bytes_of(tmp_path / "two") == bytes_of(tmp_path / "out")


def test_again_gives_the_same_bytes(run, tmp_path):
    first = run("out.spacy")
    before = bytes_of(tmp_path)
    assert run("out.spacy") == first
    assert bytes_of(tmp_path) == before


@pytest.mark.parametrize("interrupted_after", [0, 2])
def test_a_resumed_run(run, tmp_path, interrupted_after, monkeypatch):
    want = run("whole", shard=2)
    write, done = module.write_file, []

    def failing(docs, path):
        if len(done) == interrupted_after:
            raise KeyboardInterrupt
        done.append(path)
        return write(docs, path)

    monkeypatch.setattr(module, "write_file", failing)
    with pytest.raises(KeyboardInterrupt):
        run("out", shard=2)
    assert not (tmp_path / "out.report.json").exists()
    made = []
    monkeypatch.setattr(module, "write_file", lambda docs, path: made.append(path) or write(docs, path))
    assert run("out", shard=2) == want
    assert len(made) == 3 - interrupted_after
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


def test_a_changed_model_is_used(run, pipelines, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(pipelines[0], copy)
    first = run("out", shard=2, overrides={"paths.english": str(copy)})
    shutil.rmtree(copy)
    shutil.copytree(pipelines[1], copy)
    with pytest.warns(UserWarning, match="the config's components.xproj_teacher.teachers.english.model file changed"):
        second = run("out", shard=2, overrides={"paths.english": str(copy)})
    assert second != first and soft(tmp_path / "out") != []
    assert second["mean_entropy"] != first["mean_entropy"]


def test_docs_keep_what_they_carry(run, tmp_path):
    nlp = spacy.blank("es")
    docs = [nlp(text) for text in TEXTS]
    for doc in docs:
        doc._.xproj = bitext("a b", [(0, 1, "PER")])
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "docs.spacy")
    run("plain.spacy")
    for out in ("out.spacy", "out"):
        run(out, source=tmp_path / "docs.spacy", shard=2)
        assert all(doc._.xproj == docs[0]._.xproj for doc in read(tmp_path / out))
        probs = [part.probs.tolist() for part in soft(tmp_path / out)]
        assert probs == [part.probs.tolist() for part in soft(tmp_path / "plain.spacy")]


def test_a_saved_pipeline(run, tmp_path):
    run("out.spacy")
    found = run("again.spacy", config=tmp_path / "out.spacy.fitted")
    assert found["entities"] == json.loads((tmp_path / "out.spacy.report.json").read_text())["entities"]
    run("en.spacy", config=tmp_path / "out.spacy.fitted", only=["english"])
    run("en2.spacy", only=["english"])
    assert [s.probs.tolist() for s in soft(tmp_path / "en.spacy")] == [
        s.probs.tolist() for s in soft(tmp_path / "en2.spacy")
    ]


def test_weights_are_fitted_on_the_text(run, pipelines, tmp_path):
    config = spacy.util.load_config(CONFIG)
    sources = {name: str(tmp_path / f"{name}.txt") for name in ("english", "other")}
    for name, path in sources.items():
        Path(path).write_text(f"{name} text\nmore {name}\n" * 3)
    weights = {"@misc": "spacy_xproj.similarity_weights.v1", "sources": sources, "epochs": 1}
    config["components"]["xproj_teacher"]["weights"] = weights
    config["paths"] = dict(zip(sources, map(str, pipelines)))
    config.to_disk(tmp_path / "similar.cfg")
    run("out.spacy", config=tmp_path / "similar.cfg")
    found = soft(tmp_path / "out.spacy")[0].provenance
    assert abs(found["weight.english"] + found["weight.other"] - 1) < 1e-6
    again = spacy.load(tmp_path / "out.spacy.fitted")
    assert again("Ana vio Roma")._.xproj_soft.provenance["weight.english"] == found["weight.english"]


def test_counts():
    nlp = spacy.blank("es")
    doc = nlp("Ana vio Roma hoy")
    probs = [[0.5, 0.5, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]]
    doc._.xproj_soft = SoftLabels(("O", "B-X", "I-X"), np.array(probs))
    counts = Counter()
    assert list(with_state([doc, doc], "", counts)) == [doc, doc]
    assert counts == {"docs": 2, "tokens": 8, "masked": 2, "outside": 4, "entropy": 2 * 693147, "entity:X": 2}
    assert report(counts) == {
        "docs": 2,
        "tokens": 8,
        "masked_share": 0.25,
        "outside_share": round(4 / 6, 6),
        "mean_entropy": round(0.693147 / 3, 6),
        "entities": {"X": 2},
    }
    assert report(Counter())["mean_entropy"] == 0


def test_bad_input(run, tmp_path):
    with pytest.raises(XprojError, match="worker processes write shards"):
        run("out.spacy", workers=Workers(2))
    spacy.blank("es").to_disk(tmp_path / "blank")
    with pytest.raises(XprojError, match="Expected a pipeline with an xproj_teacher, but it has none"):
        run("out.spacy", config=tmp_path / "blank")
    with pytest.raises(XprojError, match="There is no such config"):
        run("out.spacy", config=tmp_path / "none.cfg", only=["english"])
    with pytest.raises(XprojError, match="Nothing is downloaded"):
        run("out.spacy", overrides={"paths.other": "no_such_pipeline"})
    assert not (tmp_path / "out.spacy").exists()


def test_the_command(pipelines, raw, tmp_path):
    paths = ["--paths.english", str(pipelines[0]), "--paths.other", str(pipelines[1])]
    args = ["teach", str(raw), str(tmp_path / "out.spacy"), "--config", str(CONFIG), "--lang", "es", "--only", "other"]
    result = CliRunner().invoke(app, [*args, *paths])
    assert result.exit_code == 0, result.output
    assert "Labeled 14 tokens in 5 Docs" in said(result) and "mean entropy" in said(result)
    assert "teacher.other" in soft(tmp_path / "out.spacy")[0].provenance
