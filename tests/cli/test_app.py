"""The typer app: exit codes and messages."""

import json

import pytest
import typer
from spacy.cli._util import app as spacy_app
from typer.testing import CliRunner

from spacy_xproj import languages
from spacy_xproj.cli import app
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.errors import NotFittedError
from spacy_xproj.runs.pipelines import load_pipeline
from spacy_xproj.translators.memory import Memory
from tests.conftest import CONFIGS, VERSES, names, said

CONFIG = str(CONFIGS / "project_match.cfg")
VERBS = ("convert", "memory", "pair", "translate", "project", "evaluate", "fit", "tune", "teach", "selftrain", "config")


def invoke(*args, app=app):
    return CliRunner().invoke(app, [str(a) for a in args])


def good(*args, **kwargs):
    result = invoke(*args, **kwargs)
    assert result.exit_code == 0, result.output
    return said(result)


def bad(*args):
    """The message of a run that fails as it should: exit code 1, and no traceback."""
    result = invoke(*args)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return said(result)


def evaluate_args(corpus, *more):
    return "evaluate", corpus / "src.conll", corpus / "tgt.conll", "--config", CONFIG, *more


def project_args(corpus, *more, out="out.spacy"):
    return "project", corpus / "bitext.spacy", corpus / out, "--config", CONFIG, "--lang", "es", *more


def test_help():
    for path in ((), ("xproj",)):
        text = good(*path, "--help", app=spacy_app if path else app)
        assert all(verb in text for verb in VERBS)
    for verb in VERBS:
        assert "Usage" in good(verb, "--help")


def test_evaluate(corpus):
    text = good(*evaluate_args(corpus, "--alignments", corpus / "links.pharaoh", "--output", corpus / "m.json"))
    assert "ents_f 1.0000" in text and "PER 1.0000 1.0000 1.0000" in text
    assert json.loads((corpus / "m.json").read_text())["ents_f"] == 1


def test_reasons_are_shown(corpus):
    (corpus / "links.pharaoh").write_text("\n" * 5)
    text = good(*evaluate_args(corpus, "--alignments", corpus / "links.pharaoh"))
    assert "not projected: no links 2" in text


def test_overrides(corpus):
    strict = ("--components.xproj_matcher.min_score", "1.5", "--components.xproj_matcher.doubtful", "mask")
    assert "not projected: masked 2" in good(*evaluate_args(corpus, *strict))
    assert "Projected 0 of 2 entities in 5 Docs" in good(*project_args(corpus, *strict))
    assert "not projected:masked 2" in good(*project_args(corpus, *strict))
    half = ("--components.xproj_matcher.min_score=0.5", "--alignments", corpus / "links.pharaoh")
    assert "Projected 2 of 2" in good(*project_args(corpus, *half))


def test_translate_project_fit(corpus):
    memory = Memory(corpus / "memory.db")
    memory.add(VERSES[1:], "en", "es")
    path = ("--components.xproj_translator.forward.path", corpus / "memory.db")
    config = CONFIGS / "translate.cfg"
    text = good("translate", corpus / "src.conll", corpus / "b", "--lang", "es", "--config", config, *path)
    assert "Wrote 4 of 5 Docs" in text and "rejected.jsonl" in text and "sentences not translated 1" in text
    text = good("project", corpus / "b", corpus / "out", "--config", CONFIG, "--lang", "es")
    assert "Fitted xproj_aligner" in text and "Projected 2 of 2 entities in 4 Docs" in text
    text = good("fit", corpus / "b", corpus / "model", "--config", CONFIG, "--lang", "es")
    assert "fitted: xproj_aligner" in text
    (corpus / "none.conll").write_text("nothing\tO\n\n")
    text = bad("translate", corpus / "none.conll", corpus / "c.spacy", "--lang", "es", "--config", config, *path)
    assert "Nothing was translated of 1 Docs" in text and "'nothing'" in text
    assert not (corpus / "c.spacy").exists()


@pytest.mark.parametrize(
    "file, text, message",
    [
        ("src.conll", b"a\tO\n\n", "1 source and 5 target lines"),
        ("tgt.conll", b"a\tO\n\n", "5 source and 1 target lines"),
        ("tgt.conll", b"", "tgt.conll: It is empty"),
        ("src.conll", b"", "src.conll: It is empty"),
        ("src.conll", b"a\tO\n\xff\tO\n", "src.conll, line 2: Expected text in UTF-8"),
        ("tgt.conll", b"a\tB\n", "tgt.conll, line 1: Expected a tag"),
        (
            "links.pharaoh",
            b"0-0\n",
            "the 5 Docs, or for each of their 5 sentence pairs, but it has 1 lines",
        ),
        ("links.pharaoh", b"0-0\n0-4\n\n\n\n", "links.pharaoh, line 2: The link '0-4' points at target word 4"),
        ("links.pharaoh", b"0-0\n0-0\nx\n", "links.pharaoh, line 3:"),
        ("links.pharaoh", b"0-0\n\xff\n", "links.pharaoh, line 2: Expected text in UTF-8"),
    ],
)
def test_bad_input(corpus, file, text, message):
    (corpus / file).write_bytes(text)
    before = names(corpus)
    output = bad(*evaluate_args(corpus, "--alignments", corpus / "links.pharaoh", "--output", corpus / "m.json"))
    assert message in output
    assert names(corpus) == before


@pytest.mark.parametrize(
    "args, message",
    [
        (("--lang", "English!"), "Expected a language code"),
        (("--alignments", "nothing.pharaoh"), "nothing.pharaoh: There is no such file"),
        (("--fit-on", "nothing.tsv"), "nothing.tsv: There is no such file"),
        (("--config", "nothing.cfg"), "nothing.cfg: There is no such config or pipeline"),
        (("--source-lang", "E"), "Expected a language code"),
        (("--components.xproj_matcher.n_projections", "many"), "n_projections"),
        (("--components.xproj_matcher.n_projections", "0"), "n_projections must be at least 1"),
        (("--components.xproj_matcher.doubtful", "hide"), "doubtful must be one of"),
        (("--components.xproj_matcher.no_such_setting", "1"), "no_such_setting"),
        (("--components.nothing.min_score", "1"), "nothing"),
        (("--components.xproj_matcher.solver.@xproj_solvers", "no.v1"), "no.v1"),
        (("--components.xproj_matcher.similarity.count", "each"), "count must be one of"),
    ],
)
def test_bad_options(corpus, args, message):
    before = names(corpus)
    assert message in bad(*evaluate_args(corpus, *args))
    assert names(corpus) == before


def test_options_that_do_not_exist(corpus):
    result = invoke(*evaluate_args(corpus, "--nonsense", "3"))
    assert result.exit_code == 2 and "--nonsense" in said(result)
    assert invoke("nonsense").exit_code == 2
    assert invoke("evaluate", corpus / "src.conll").exit_code == 2


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "nlp"),
        ("[nlp", "config"),
        ('[nlp]\nlang = "es"\npipeline = ["nothing"]\n[components]\n', "nothing"),
        ('[nlp]\nlang = "es"\n', "finds entities"),
        ("[other]\nx = 1\n", "nlp"),
        ("\xff", "utf"),
    ],
)
@pytest.mark.parametrize("lang", [(), ("--lang", "es")])
def test_bad_configs(corpus, text, message, lang):
    path = corpus / "bad.cfg"
    path.write_bytes(text.encode("latin-1"))
    output = bad("evaluate", corpus / "src.conll", corpus / "tgt.conll", "--config", path, *lang)
    assert "bad.cfg: " in output and message in output


def test_languages_of_configs(corpus, monkeypatch):
    monkeypatch.setattr(languages, "_warned", set())  # it is said once a process
    path = corpus / "match.cfg"
    args = ("evaluate", corpus / "src.conll", corpus / "tgt.conll", "--config", path)
    path.write_text(path.read_text().replace('lang = "es"', 'lang = "qaz"'))  # spaCy has no such language
    with pytest.warns(UserWarning, match="'qaz'"):
        nlp = load_pipeline(path)
    assert (nlp.lang, nlp.meta["xproj_lang"]) == ("xx", "qaz")
    assert "no links 2" in good(*args)
    path.write_text(path.read_text().replace('lang = "qaz"', 'lang = "Q!"'))
    assert "Expected a language code" in bad(*args)
    assert "no links 2" in good(*args, "--lang", "es")


def test_unknown_formats_and_missing_files(corpus):
    (corpus / "a.xyz").write_text("a")
    message = bad("evaluate", corpus / "a.xyz", corpus / "tgt.conll", "--config", CONFIG)
    assert "a.xyz: It can be read as conll" in message and "Say which with --format" in message
    message = bad("evaluate", corpus / "none.conll", corpus / "tgt.conll", "--config", CONFIG)
    assert "none.conll: There is no such file" in message
    message = bad("translate", corpus / "src.conll", corpus / "o", "--lang", "es", "--config", CONFIG)
    assert "no xproj_translator" in message
    assert "no such file" in bad("project", corpus / "none", corpus / "o", "--config", CONFIG)
    assert "no such file" in bad("fit", corpus / "none.tsv", corpus / "o", "--config", CONFIG)
    assert not (corpus / "o").exists()


def test_not_fitted_is_one_message():
    def verb():
        raise NotFittedError("test")

    failing = typer.Typer()
    failing.command()(handle_errors(verb))
    result = invoke(app=failing)
    assert result.exit_code == 1 and "has not been fitted" in said(result)


def test_bugs_are_not_hidden():
    def verb():
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        handle_errors(verb)()


def test_saved_pipelines_take_overrides(corpus):
    load_pipeline(corpus / "match.cfg").to_disk(corpus / "model")
    nlp = load_pipeline(corpus / "model", overrides={"components.xproj_matcher.min_score": 0.25})
    assert nlp.get_pipe("xproj_matcher").min_score == 0.25
    args = ("evaluate", corpus / "src.conll", corpus / "tgt.conll", "--config", corpus / "model")
    assert "not for 'de'" in bad(*args, "--lang", "de")
    assert "no links 2" in good(*args, "--lang", "es")
