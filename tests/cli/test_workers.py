"""Workers from the command line: Docs that break them, Ray, and what is told of each shard."""

import json
import os
import subprocess
import sys

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_xproj.corpus import read_docs
from tests.cli.test_app import bad, invoke, project_args
from tests.conftest import ROOT, one_cluster, payload_doc, said
from tests.runs import breaker
from tests.runs.works import ray_cluster

TEXTS = [f"Ana {n} canta" for n in range(14)]


@pytest.fixture
def broken(corpus):
    """A corpus, and a pipeline with a pipe that breaks on some Docs. Other processes find the pipe on PYTHONPATH."""
    breaker.install(corpus / "packages")
    (corpus / "broken.cfg").write_text(breaker.CONFIG)

    def write(words, docs=14):
        texts = [f"{text} {words[n]}" if n in words else text for n, text in enumerate(TEXTS[:docs])]
        nlp = spacy.blank("es")
        docs = [payload_doc(nlp, text, f"Ana {n} sings", [(0, 1, "PER")]) for n, text in enumerate(texts)]
        DocBin(docs=docs, store_user_data=True).to_disk(corpus / "b.spacy")
        return [text for text in texts if not set(breaker.WORDS) & {*text.split()}]

    return write


def project(corpus, out, *options):
    """Run the verb in another process. Returns its exit code, and what was said."""
    command = [sys.executable, "-m", "spacy_xproj", "--log", "log.jsonl", "project", "b.spacy", out]
    options = ("--lang", "es", "--config", "broken.cfg", "--shard", "4", *options)
    path = os.pathsep.join([str(corpus / "packages"), str(ROOT)])
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    run = subprocess.run([*command, *map(str, options)], cwd=corpus, env=env, capture_output=True, text=True)
    return run.returncode, " ".join((run.stdout + run.stderr).split())


def rows(corpus, out):
    return [json.loads(line) for line in (corpus / f"{out}.rejected.jsonl").read_text(encoding="utf-8").splitlines()]


def contents(folder):
    """The files of an output, without the report of the run."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


@pytest.mark.slow
def test_docs_that_break_workers(corpus, broken):
    left = broken({1: "SEGV", 6: "RAISE"})
    code, text = project(corpus, "two", "--n-process", 2)
    assert code == 3 and "2 Docs could not be processed and were set aside: two.rejected.jsonl says why" in text, text
    found = [(row["text"].strip(), row["reason"], row["shard"], row["number"]) for row in rows(corpus, "two")]
    assert found == [
        ("Ana 1 canta SEGV", "ended the process (SIGSEGV)", 0, 1),
        ("Ana 6 canta RAISE", "KeyError: 'told to fail'", 1, 2),
    ]
    assert [doc.text.strip() for doc in read_docs(corpus / "two", spacy.blank("es"))] == left
    assert json.loads((corpus / "two.report.json").read_text())["docs_set_aside"] == 2
    lines = [json.loads(line) for line in (corpus / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    read = [line for line in lines if line["out"] == "two.input"]  # the input, in pieces
    lines = [line for line in lines if line["out"] == "two"]
    assert sum(line["docs"] for line in read) == 14 and sorted(line["shard"] for line in lines) == [0, 1, 2, 3]
    assert {line["verb"] for line in lines} == {"project"} and sum(line["docs"] for line in lines) == 12
    assert all(line["seconds"] > 0 and line["memory_mb"] > 1 and line["shards"] == 4 for line in lines)
    assert {line["counts"].get("docs_set_aside", 0) for line in lines} == {0, 1}

    code, text = project(corpus, "two", "--n-process", 2)  # nothing is left to do
    assert code == 3 and len(rows(corpus, "two")) == 2, text

    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    with one_cluster():
        code, text = project(corpus, "ray", "--engine", "ray", "--n-process", 2)
    assert code == 3, text
    assert contents(corpus / "ray") == contents(corpus / "two")
    assert rows(corpus, "ray") == rows(corpus, "two")


@pytest.mark.slow
def test_a_full_disk_in_a_worker(corpus, broken):
    """It is full once, while the shard of a Doc is written."""
    broken({6: "FULL"})
    code, text = project(corpus, "x", "--n-process", 2)
    assert code == 1 and "Traceback" not in text and text.count("✘") == 1, text
    assert "00001.spacy" in text and "the disk is full. What is finished stays. Make room" in text, text
    assert not [path for path in corpus.rglob("*") if path.name.endswith((".tmp", ".lock"))]
    assert project(corpus, "x", "--n-process", 2)[0] == 0
    assert project(corpus, "whole")[0] == 0 and contents(corpus / "x") == contents(corpus / "whole")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_limit_on_a_cluster(corpus, broken, monkeypatch):
    """The workers go by the environment of the verb. Ray was started without it."""
    pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    broken({3: "de nuevo hoy"})
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(corpus / "packages"), str(ROOT)]))
    with one_cluster(), ray_cluster() as address:
        monkeypatch.setenv("XPROJ_MAX_PAIR_CELLS", "12")
        code, text = project(corpus, "ray", "--engine", "ray", "--address", address)
    assert code == 0, text
    assert project(corpus, "here")[0] == 0 and contents(corpus / "ray") == contents(corpus / "here")
    assert json.loads((corpus / "ray.report.json").read_text())["not_projected:too_long"] == 1


def test_one_file_with_docs_that_fail(corpus, broken):
    """Without workers, too."""
    left = broken({0: "RAISE", 9: "RAISE"})
    options = ("--config", corpus / "broken.cfg", "--lang", "es")
    result = invoke("project", corpus / "b.spacy", corpus / "one.spacy", *options)
    assert result.exit_code == 3 and "2 Docs could not be processed" in said(result)
    assert [(row["number"], row["shard"]) for row in rows(corpus, "one.spacy")] == [(0, None), (9, None)]
    assert [doc.text.strip() for doc in read_docs(corpus / "one.spacy", spacy.blank("es"))] == left


def test_links_by_place_allow_no_doc_to_be_set_aside(corpus, broken):
    """The links of each later Doc would be those of another one."""
    broken({9: "RAISE"})
    config = (corpus / "broken.cfg").read_text()
    links = corpus / "links.pharaoh"
    links.write_text("".join(f"{n % 3}-{n % 3}\n" for n in range(14)))
    pharaoh = f'@xproj_aligners = "spacy_xproj.Pharaoh.v1"\npath = "{links}"\n'
    config = config.replace('@xproj_aligners = "spacy_xproj.Statistical.v1"\niterations = 2\n', pharaoh)
    (corpus / "broken.cfg").write_text(config)
    text = bad("project", corpus / "b.spacy", corpus / "one.spacy", "--config", corpus / "broken.cfg", "--lang", "es")
    assert "must see all of them in order. A Doc cannot be set aside then: KeyError: 'told to fail'" in text
    assert not (corpus / "one.spacy").exists() and not (corpus / "one.spacy.rejected.jsonl").exists()


def test_all_docs_fail(corpus, broken):
    broken(dict.fromkeys(range(3), "RAISE"), docs=3)
    for out in ("out", "out.spacy"):
        text = bad("project", corpus / "b.spacy", corpus / out, "--config", corpus / "broken.cfg", "--lang", "es")
        assert "All 3 Docs were set aside" in text and len(rows(corpus, out)) == 3
        assert not (corpus / out).exists()


def test_options_of_workers(corpus, monkeypatch):
    assert "engine must be one of local, ray" in bad(*project_args(corpus, "--engine", "slurm", out="out"))
    assert "Give --engine ray with it" in bad(*project_args(corpus, "--address", "host:1", out="out"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    text = bad(*project_args(corpus, "--gpus-per-worker", 1, "--n-process", 2, out="out"))
    assert "2 workers with 1 GPUs each need 2, but CUDA_VISIBLE_DEVICES=3 names 1" in text
    assert "Give OUT as a folder" in bad(*project_args(corpus, "--timeout", 5))
    assert invoke(*project_args(corpus, "--n-process", 0)).exit_code == 2
