"""xproj config."""

import pytest
from typer.testing import CliRunner

from spacy_xproj.cli import app
from tests.conftest import CONFIGS, names, said


def call(*args):
    result = CliRunner().invoke(app, ["config", *map(str, args)])
    return result.exit_code, said(result)


def test_list():
    code, text = call()
    assert code == 0 and "project_ranker The default: the learned matcher" in text
    assert all(f"{path.stem} " in text for path in CONFIGS.glob("*.cfg"))


def test_write(tmp_path):
    out = tmp_path / "new" / "my.cfg"
    code, text = call("ner_cpu", out)
    assert code == 0 and "Wrote" in text
    assert out.read_bytes() == (CONFIGS / "ner_cpu.cfg").read_bytes()


def test_nothing_is_written_over(tmp_path):
    out = tmp_path / "my.cfg"
    out.write_text("[nlp]", encoding="utf-8")
    code, text = call("ner_cpu", out)
    assert code == 1 and "is there already" in text
    assert out.read_text(encoding="utf-8") == "[nlp]"


def test_wrong_names(tmp_path):
    code, text = call("ner", tmp_path / "my.cfg")
    assert code == 1 and "'ner'" in text and "ensemble, matcher, ner_cpu" in text
    code, text = call("ner_cpu")
    assert code == 2 and "OUT" in text
    assert names(tmp_path) == set()


CALLS = {
    "translate": ("src.conll", "out.spacy", "--lang", "es"),
    "project": ("bitext.spacy", "out.spacy", "--lang", "es"),
    "evaluate": ("src.conll", "tgt.conll", "--lang", "es"),
    "fit": ("bitext.spacy", "out", "--lang", "es"),
    "teach": ("tgt.conll", "out.spacy", "--lang", "es"),
    "selftrain": ("tgt.conll", "out", "--lang", "es", "--teachers", "teach"),
}


def verb(name, corpus, config):
    words = [str(corpus / word) if "." in word or word == "out" else word for word in CALLS[name]]
    result = CliRunner().invoke(app, [name, *words, "--config", config])
    return result.exit_code, said(result)


@pytest.mark.parametrize("name", CALLS)
def test_a_name_that_no_config_has(name, corpus):
    before = names(corpus)
    code, text = verb(name, corpus, "project_rank")
    assert code == 1 and "Give a path, or one of ensemble, matcher, " in text
    assert names(corpus) == before


@pytest.mark.parametrize("name", ["project", "evaluate", "fit"])
def test_a_config_by_its_name(name, corpus):
    code, text = verb(name, corpus, "project_heuristic")
    assert code == 0, text


@pytest.mark.parametrize(
    "name, config, message",
    [
        ("translate", "translate", "memory"),
        ("teach", "teach", "training/en/model-best"),
        ("selftrain", "student_cpu", "training/en/model-best"),
    ],
)
def test_what_the_config_names_is_missing(name, config, message, corpus):
    """The config itself was found by its name."""
    code, text = verb(name, corpus, config)
    assert code == 1 and message in text and "Give a path, or one of" not in text
