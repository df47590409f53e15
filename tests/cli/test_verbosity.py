"""Bars of progress, --quiet, --verbose and --version: options of the app as a whole."""

import io
import sys
import time
import warnings

import pytest
from spacy.cli._util import app as spacy_app
from typer.testing import CliRunner

import spacy_xproj
from spacy_xproj.cli import app, verbosity
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.cli.verbosity import Bar
from tests.conftest import CONFIGS, said


def call(*words, app=app):
    return CliRunner().invoke(app, [*map(str, words)])


def project(corpus, *before, out="out.spacy"):
    words = (corpus / "bitext.spacy", corpus / out, "--config", CONFIGS / "project_ranker.cfg", "--lang", "es")
    return call(*before, "project", *words)


def test_version():
    for words, top in ((("--version",), app), (("xproj", "--version"), spacy_app)):
        result = call(*words, app=top)
        assert result.exit_code == 0 and said(result) == f"spacy-xproj {spacy_xproj.__version__}"


def test_quiet_is_silent(corpus):
    assert project(corpus, "--quiet").output == ""
    assert "Projected 2 of 2" in said(project(corpus))  # and it holds for one call
    words = ("project", corpus / "bitext.spacy", corpus / "o.spacy", "--config", CONFIGS / "project_match.cfg")
    assert call("xproj", "-q", *words, "--lang", "es", app=spacy_app).output == ""


def test_quiet_shows_errors_and_warnings(corpus):
    result = call("--quiet", "fit", corpus / "none.spacy", corpus / "o", "--config", "project_match", "--lang", "es")
    assert result.exit_code == 1 and "no such file" in said(result)
    assert call("--quiet", "fit", *fit(corpus, "a", "project_match")).output == ""
    assert "Nothing was left to fit" in said(call("--quiet", "fit", *fit(corpus, "b", corpus / "a")))


def fit(corpus, out, config):
    return corpus / "bitext.spacy", corpus / out, "--config", config, "--lang", "es"


def test_verbose_shows_tracebacks_and_seconds(corpus):
    bad = ("fit", corpus / "none.spacy", corpus / "o", "--config", "project_match", "--lang", "es")
    assert "Traceback" in call("--verbose", *bad).output and "Traceback" not in call(*bad).output
    text = said(project(corpus, "--verbose"))
    for row in ("xproj_aligner, fitting", "xproj_matcher, fitting", "reading", "xproj_aligner", "xproj_matcher"):
        assert f"{row} 0." in text, row
    assert "seconds" not in said(project(corpus))
    words = ("evaluate", corpus / "src.conll", corpus / "tgt.conll", "--config", "project_match", "--lang", "es")
    assert "xproj_aligner, fitting 0." in (text := said(call("--verbose", *words))) and "xproj_matcher 0." in text
    one, two = ((corpus / name).read_bytes() for name in ("out.spacy", "out.spacy.report.json"))
    project(corpus, out="other.spacy")
    assert (corpus / "other.spacy").read_bytes() == one
    assert (corpus / "other.spacy.report.json").read_bytes() == two


class Terminal(io.StringIO):
    def isatty(self):
        return True


def stages(monkeypatch, verb):
    """What is written to a terminal, as lines."""
    shown = Terminal()
    monkeypatch.setattr(verbosity.VERBOSITY, "quiet", False)  # what an earlier call was told stays until the next one
    monkeypatch.setattr(sys, "stderr", shown)
    handle_errors(verb)()
    return shown.getvalue().replace("\r", "\n").split("\n")


def test_fitting_is_shown_in_a_terminal(corpus, monkeypatch):
    from spacy_xproj.runs.project import fit as run

    lines = stages(
        monkeypatch, lambda: run(corpus / "bitext.spacy", corpus / "m", CONFIGS / "project_ranker.cfg", "es")
    )
    for stage in ("reading", "xproj_aligner: rounds", "xproj_matcher: words", "xproj_matcher: entities"):
        assert any(line.strip().startswith(f"{stage}: ") for line in lines), stage


def test_a_log_gets_no_bars(corpus, monkeypatch):
    clock = iter(range(0, 10_000, 25))
    monkeypatch.setattr(verbosity, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(verbosity.VERBOSITY, "quiet", False)  # what an earlier call was told stays until the next one
    monkeypatch.setattr(sys, "stderr", log := io.StringIO())
    bar = Bar()
    for done in range(10):
        bar("xproj_aligner: rounds", done, 9)
    bar.close()
    lines = log.getvalue().splitlines()
    assert [line.partition(",")[0] for line in lines] == [f"xproj_aligner: rounds: {k} of 9 it" for k in (1, 4, 7)]
    assert lines[1].endswith(", 0.032 it/s, 02:36 left")  # 4 in 125 s
    monkeypatch.undo()
    assert "doc/s" not in project(corpus).output


def test_what_an_earlier_run_made_tells_nothing_of_the_speed(monkeypatch):
    monkeypatch.setattr(verbosity.VERBOSITY, "quiet", False)
    monkeypatch.setattr(sys, "stderr", terminal := io.StringIO())
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    bar = Bar()
    bar("", 900, 1000, unit="shards")
    time.sleep(0.2)
    bar("", 901, 1000, unit="shards")
    assert bar.bar.format_dict["initial"] == 900 and bar.bar.format_dict["elapsed"] > 0
    bar.bar.refresh()
    bar.close()
    assert "901/1000" in terminal.getvalue() and "4500" not in terminal.getvalue()
    assert "shards/s" in terminal.getvalue()


def test_interrupts_without_more_to_say():
    def verb():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as found:
        handle_errors(verb)()
    assert found.value.code == 130


def test_warnings_from_elsewhere_are_messages(capsys):
    def verb():
        warnings.warn_explicit("of another package", UserWarning, "other.py", 1)

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        handle_errors(verb)()
    assert "⚠ of another package" in " ".join(capsys.readouterr().out.split())
