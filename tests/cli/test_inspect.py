"""`xproj inspect`: in the terminal, and as a page."""

import json
import re

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_xproj.cli import app
from tests.conftest import VERSES, conll, said

RANKED = """[nlp]
lang = "es"
pipeline = ["xproj_matcher"]

[components]

[components.xproj_matcher]
factory = "xproj_matcher"
"""


def run(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.fixture
def projected(corpus):
    """The folder with `out.spacy`, which the ranker projected, and `links.spacy`, by links alone."""
    (corpus / "ranker.cfg").write_text(RANKED)
    (corpus / "links.pharaoh").write_text("0-0 1-1 2-2 3-3\n" * (len(VERSES) - 1) + "0-0 1-1\n")
    for out, config in (("out.spacy", "ranker.cfg"), ("links.spacy", "match.cfg")):
        given = corpus / "links.pharaoh"
        done = run("project", corpus / "bitext.spacy", corpus / out, "--config", corpus / config, "--alignments", given)
        assert done.exit_code == 0, done.output
    return corpus


def data_of(path):
    return json.loads(re.search(r'type="application/json">(.*?)</script>', path.read_text("utf-8"), re.S)[1])


def test_a_page_with_candidates_gold_and_another_projection(projected):
    page = projected / "page.html"
    done = run(
        *("inspect", projected / "out.spacy", "--html", page, "--gold", projected / "tgt.conll"),
        *("--diff", projected / "links.spacy"),
    )
    assert done.exit_code == 0, done.output
    assert "5 sentences" in said(done)
    data = data_of(page)
    assert data["title"] == "out.spacy" and data["other"] == "links.spacy" and data["langs"] == ["en", "es"]
    assert all("gold" in row and "other" in row for row in data["rows"])
    readings = [one for row in data["rows"] for some in row.get("readings", {}).values() for one in some]
    assert readings and all(len(one) > 3 for one in readings)
    # The bytes do not depend on the time or the place
    once = page.read_bytes()
    run(
        "inspect",
        projected / "out.spacy",
        "--html",
        page,
        "--gold",
        projected / "tgt.conll",
        "--diff",
        projected / "links.spacy",
    )
    assert page.read_bytes() == once


def test_in_the_terminal(projected):
    done = run("inspect", projected / "links.spacy", "--only", "lost")
    assert done.exit_code == 0, done.output
    assert (
        "a house in [Rome LOC] una casa en Roma not projected: Rome LOC (no_links). No word of it is linked."
        in said(done)
    )
    assert "Ana" not in said(done)
    everything = run("inspect", projected / "links.spacy", "--sample", "3")
    assert sum("→" in line or "not projected" in line for line in everything.output.splitlines()) <= 3
    assert run("inspect", projected / "links.spacy", "--sample", "3").output == everything.output
    wrong = run("inspect", projected / "links.spacy", "--only", "wrong", "--gold", projected / "tgt.conll")
    assert "by gold: missed: Roma LOC" in said(wrong)


def test_what_it_cannot_look_at(projected, tmp_path):
    for args, message in (
        (("inspect", tmp_path / "none.spacy"), "There is no such file"),
        (("inspect", projected / "out.spacy", "--only", "odd"), "only must be one of lost, doubtful"),
        (("inspect", projected / "out.spacy", "--gold", projected / "src.conll"), "holds the gold of no text"),
        (("inspect", projected / "out.spacy", "--html", projected / "out.spacy"), "out.spacy"),
        (("inspect", projected / "out.spacy", "--pipeline", projected), "cannot be loaded"),
        (("inspect", projected / "out.spacy", "--only", "wrong"), "--only wrong needs --gold"),
        (("inspect", projected / "out.spacy", "--only", "changed"), "--only changed needs --diff"),
        (("inspect", projected / "out.spacy", "--metrics", projected / "x.json"), "--metrics needs --report"),
    ):
        done = run(*args)
        assert done.exit_code == 1 and message in said(done), (args, done.output)
    other = tmp_path / "other.spacy"
    DocBin(docs=[spacy.blank("es")("nada")], store_user_data=True).to_disk(other)
    done = run("inspect", projected / "out.spacy", "--diff", other)
    assert done.exit_code == 1 and "none of the pairs of texts" in said(done)


def test_candidates_of_another_pipeline_are_not_shown_as_those_of_this_one(projected):
    """Without being asked for them: a file that was moved lies beside another pipeline."""
    (projected / "links.spacy").rename(projected / "moved.spacy")
    (projected / "out.spacy.fitted").rename(projected / "moved.spacy.fitted")
    page = projected / "page.html"
    done = run("inspect", projected / "moved.spacy", "--html", page)
    assert done.exit_code == 0 and "without candidates" in said(done)
    assert not any("readings" in row for row in data_of(page)["rows"])
    given = projected / "moved.spacy.fitted"
    done = run("inspect", projected / "moved.spacy", "--html", page, "--pipeline", given)
    assert done.exit_code == 0 and any("readings" in row for row in data_of(page)["rows"])


def test_labeled_text_without_a_source_side(projected):
    page = projected / "page.html"
    (projected / "plain.conll").write_text(conll(target for _, target in VERSES), encoding="utf-8")
    done = run("inspect", projected / "plain.conll", "--html", page, "--no-candidates")
    assert done.exit_code == 0, done.output
    assert sum(len(row.get("found", ())) for row in data_of(page)["rows"]) == 2


def test_a_report(projected, tmp_path):
    out, metrics = tmp_path / "report.md", tmp_path / "small.json"
    metrics.write_text(json.dumps({"ents_p": 0.25, "ents_r": 0.5, "ents_f": 1 / 3, "speed": 12345.6}))
    gold = projected / "tgt.conll"
    done = run("inspect", projected / "links.spacy", "--report", out, "--gold", gold, "--metrics", metrics)
    assert done.exit_code == 0, done.output
    text = out.read_text("utf-8")
    for line in (
        "1 of 2 source entities were projected in 5 sentences.",
        "| LOC | 1 | 0 | 0.000 |",
        "| no_links | 1 | No word of it is linked. |",
        "| all | 1.000 | 0.500 | 0.667 |",
        "| not projected, no_links | 1 |",
        "| small | 0.250 | 0.500 | 0.333 | 12,346 |",
    ):
        assert line in text.splitlines(), text
    metrics.write_text("[]")
    done = run("inspect", projected / "links.spacy", "--report", out, "--metrics", metrics)
    assert done.exit_code == 1 and "Expected the scores that 'spacy evaluate --output' writes" in said(done)
    assert out.read_text("utf-8") == text


def test_a_sample_of_those_that_were_lost(projected):
    """Not those that were lost among a sample."""
    done = run("inspect", projected / "links.spacy", "--only", "lost", "--sample", "1")
    assert done.exit_code == 0 and "not projected: Rome LOC" in said(done)
