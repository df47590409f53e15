"""xproj config."""

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
