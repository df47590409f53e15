"""The docs as a site: it is built without a warning, from the sources alone, and fetches nothing when it is read."""

import importlib
import inspect
import os
import re
import subprocess
import sys
from importlib.metadata import distribution

import pytest
import srsly

from scripts.docstrings import GIVEN, described
from scripts.reference import PAGES
from tests.conftest import ROOT

FETCHED = re.compile(
    r"""<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=["']?(?:https?:)?//[^"'> ]*|url\(["']?https?:[^)]*"""
)


OURS = [
    entry
    for entry in distribution("spacy-xproj").entry_points
    if entry.group.startswith("spacy_") and entry.group != "spacy_cli"
]


def places(nav):
    for entry in nav:
        for place in entry.values() if isinstance(entry, dict) else [entry]:
            yield from [place] if isinstance(place, str) else places(place)


def test_each_page_has_a_place_in_the_navigation():
    """Put a new page under `nav` in mkdocs.yml."""
    nav = srsly.read_yaml(ROOT / "mkdocs.yml")["nav"]
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(places(nav)) == sorted(pages | PAGES.keys())


@pytest.mark.parametrize("name, value", [(entry.name, entry.value) for entry in OURS])
def test_each_setting_is_described(name, value):
    """In the docstring of what makes the pipe or part, or of a class that this derives from or points to."""
    module, attribute = value.split(":")
    kind = getattr(importlib.import_module(module), attribute)
    params = [param for param in inspect.signature(kind).parameters if param not in GIVEN]
    items = {item.name: item for item in described(kind, params)}
    assert {param for param in params if param not in items or not items[param].type} == set()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site. Links, anchors and names in the pages that lead nowhere are errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    return folder


@pytest.mark.slow
def test_nothing_is_fetched(site):
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(pages) > 20
    assert {path.name: found for path in pages if (found := FETCHED.findall(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.slow
def test_generated_pages_name_everything(site):
    assert "xproj project" in (site / "reference/verbs.html").read_text(encoding="utf-8")
    page = (site / "reference/configs.html").read_text(encoding="utf-8")
    assert page.count('id="project_ranker"') == 1 and "<p>[" not in page  # each text is in a block
