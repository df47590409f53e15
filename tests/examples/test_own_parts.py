"""The example package of parts of one's own: installed into a folder, and used from a config on the command line."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow
EXAMPLE = ROOT / "examples" / "own_parts"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the example, for the build to leave its traces there, and the environment in which it is installed."""
    folder = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("own") / "own_parts")
    site = folder.parent / "site"
    options = "--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--target", str(site)
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(folder)], check=True)
    others = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return folder, {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *others])}


def xproj(project, *words):
    folder, environment = project
    command = [sys.executable, "-m", "spacy", "xproj", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_the_steps_of_the_page(project):
    """Those of the docs, in their order."""
    text = (ROOT / "docs/guides/own_part.md").read_text(encoding="utf-8")
    steps = re.findall(r"^xproj (.+)$", text.replace("\\\n", " "), re.M)
    assert len(steps) == 3
    for step in steps:
        code, said = xproj(project, *step.split())
        assert code == 0, said
    found = (project[0] / "projected.conll").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in found.splitlines() if line]
    assert [word for word, tag in rows if tag != "O"] == ["Ana", "Ruiz", "lago", "Geneva", "Ana", "Oslo"]
    missing = (project[0] / "bitext.spacy.rejected.jsonl").read_text(encoding="utf-8")
    assert "The weather in Oslo" in missing and "Ana" not in missing


def test_a_broken_glossary_is_named_with_its_line(project):
    (project[0] / "broken.tsv").write_text("lake\tlago\nhouse\n", encoding="utf-8")
    given = "--lang", "es", "--config", "project_glossary.cfg", "--paths.glossary", "broken.tsv"
    code, said = xproj(project, "translate", "source.conll", "other.spacy", *given)
    assert code == 1 and "broken.tsv" in said and "line 2" in said and "a TAB" in said
    assert not (project[0] / "other.spacy").exists()
