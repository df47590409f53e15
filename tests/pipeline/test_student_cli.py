"""`xproj_student` with spaCy's own commands: init labels, debug data, train, evaluate, package."""

import json
import re

import numpy as np
import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin
from spacy.training import Example
from typer.testing import CliRunner

from spacy_xproj.corpus import read_docs
from spacy_xproj.soft import SoftLabels
from spacy_xproj.students.supervision import gold_rows
from spacy_xproj.tags import make_tags
from tests.conftest import CONFIGS, ROOT, said

CONFIG = str(CONFIGS / "student_cpu.cfg")
TYPES = ["LOC", "MISC", "ORG", "PER"]
SMALL = [
    "--nlp.lang=es",
    "--components.tok2vec.model.encode.width=32",
    "--components.tok2vec.model.encode.depth=2",
    "--components.tok2vec.model.embed.rows=[500,500,500,500]",
]


def command(*args):
    result = CliRunner().invoke(app, [str(a) for a in args])
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return said(result)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with `soft.spacy`, raw text with the labels of a perfect teacher, and `gold.spacy`."""
    folder = tmp_path_factory.mktemp("student")
    docs = list(read_docs(ROOT / "assets" / "train.es.jsonl", spacy.blank("es")))[:30]
    DocBin(docs=docs).to_disk(folder / "gold.spacy")
    for doc in docs:
        rows = gold_rows(Example(doc, doc), TYPES, "IOB2")
        doc._.xproj_soft = SoftLabels(tuple(make_tags(TYPES, "IOB2")), rows)
        doc.set_ents([], default="missing")
    DocBin(docs=docs, store_user_data=True).to_disk(folder / "soft.spacy")
    return folder


def paths(data):
    return [f"--paths.train={data / 'soft.spacy'}", f"--paths.dev={data / 'gold.spacy'}"]


@pytest.fixture(scope="module")
def model(data):
    """Trained with the shipped config, made smaller, on soft labels only."""
    more = ["--training.max_steps=80", "--training.eval_frequency=40", "--training.dropout=0.0"]
    more += ["--components.xproj_student.targets=soft", "--training.optimizer.learn_rate=0.01"]
    command("train", CONFIG, "--output", data / "out", *paths(data), *SMALL, *more)
    return data / "out" / "model-best"


@pytest.mark.slow
def test_train(model):
    nlp = spacy.load(model)
    assert nlp.pipe_names == ["tok2vec", "xproj_student"]
    assert list(nlp.get_pipe("xproj_student").labels) == nlp.meta["labels"]["xproj_student"] == TYPES
    assert nlp.meta["performance"]["ents_f"] > 0.8 and nlp.meta["performance"]["xproj_student_loss"] > 0


@pytest.mark.slow
def test_evaluate(model, data, tmp_path):
    command("evaluate", model, data / "gold.spacy", "--output", tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["ents_f"] > 0.8 and set(scores["ents_per_type"]) <= set(TYPES)


@pytest.mark.slow
def test_soft_labels_stand_in_for_gold(model, data, tmp_path, caplog):
    """Where the development set has soft labels alone, as `xproj teach` makes them, the score is against these."""
    soft = data / "soft.spacy"
    command("evaluate", model, soft, "--output", tmp_path / "scores.json")
    assert json.loads((tmp_path / "scores.json").read_text())["ents_f"] > 0.8
    caplog.clear()
    more = ["--training.max_steps=30", "--training.eval_frequency=10", "--training.dropout=0.0"]
    more += ["--training.optimizer.learn_rate=0.01", f"--paths.train={soft}", f"--paths.dev={soft}"]
    command("train", CONFIG, "--output", tmp_path / "out", *SMALL, *more)
    assert spacy.load(tmp_path / "out" / "model-best").meta["performance"]["ents_f"] > 0.3
    said_so = [
        record.getMessage() for record in caplog.records if "have soft labels and no gold" in record.getMessage()
    ]
    assert said_so == [f"xproj_student: 30 of 30 Docs {said_so[0].partition(' Docs ')[2]}"]


def test_init_labels_and_train_with_them(data, tmp_path):
    command("init", "labels", CONFIG, tmp_path / "labels", *paths(data), *SMALL)
    assert json.loads((tmp_path / "labels" / "xproj_student.json").read_text()) == TYPES
    config = spacy.util.load_config(CONFIG)
    config["initialize"] = {
        "components": {
            "xproj_student": {
                "labels": {"@readers": "spacy.read_labels.v1", "path": str(tmp_path / "labels" / "xproj_student.json")}
            }
        }
    }
    config.to_disk(tmp_path / "config.cfg")
    steps = ["--training.max_steps=2", "--training.eval_frequency=1"]
    command("train", tmp_path / "config.cfg", "--output", tmp_path / "out", *paths(data), *SMALL, *steps)
    assert list(spacy.load(tmp_path / "out" / "model-last").get_pipe("xproj_student").labels) == TYPES


def test_debug_data(data, tmp_path):
    command("init", "fill-config", CONFIG, tmp_path / "config.cfg")
    docs = list(DocBin().from_disk(data / "soft.spacy").get_docs(spacy.blank("es").vocab))
    DocBin(docs=docs * 4, store_user_data=True).to_disk(tmp_path / "many.spacy")  # fewer are an error to it
    train = f"--paths.train={tmp_path / 'many.spacy'}"
    out = command("debug", "data", tmp_path / "config.cfg", train, paths(data)[1], *SMALL)
    assert "tok2vec, xproj_student" in out and "120 training docs" in out


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # spacy package leaves its README open
def test_package(model, tmp_path):
    args = ["--name", "student", "--version", "1.2.3", "--build", "none"]
    command("package", model, tmp_path, *args)
    meta = tmp_path / "es_student-1.2.3" / "meta.json"
    wanted = [r for r in json.loads(meta.read_text())["requirements"] if re.match("spacy-xproj", r)]
    assert len(wanted) == 1 and ">=" in wanted[0]
    again = spacy.load(tmp_path / "es_student-1.2.3" / "es_student" / "es_student-1.2.3")
    text = "Ana Torres vive en Madrid ."
    rows = [nlp.get_pipe("xproj_student").distributions([nlp(text)])[0] for nlp in (again, spacy.load(model))]
    assert np.array_equal(*rows)
