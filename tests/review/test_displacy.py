"""Docs in a notebook."""

import re
import sys
import types
from html import unescape

import pytest
import spacy

from spacy_xproj import displacy
from spacy_xproj.errors import XprojError
from tests.conftest import payload_doc


@pytest.fixture
def doc(nlp):
    nlp.add_pipe("xproj_matcher")
    spans = [(0, 1, "PER"), (3, 4, "LOC")]
    return nlp(payload_doc(nlp, "Ana vive en Roma", "Ana lives in Rome", spans, "0-0 1-1 2-2 3-3"))


def test_a_frame_or_a_page(doc, nlp):
    page = displacy.render(doc, nlp=nlp, page=True, options={"colors": {"PER": "#123456"}})
    assert page.startswith("<!doctype html>") and '"PER":"#123456"' in page and '"readings"' in page
    frame = displacy.render([doc], nlp=nlp, options={"colors": {"PER": "#123456"}})
    assert unescape(re.fullmatch(r'<iframe srcdoc="([^"]*)".*</iframe>', frame, re.S)[1]) == page
    assert '"readings"' not in displacy.render(doc)


def test_a_pipeline_without_a_matcher(doc):
    with pytest.raises(XprojError, match="Expected a pipeline with an xproj_matcher"):
        displacy.render(doc, nlp=spacy.blank("es"))


def test_shown_in_a_notebook(doc, monkeypatch):
    shown = []

    fake = types.ModuleType("IPython.display")
    fake.HTML, fake.display = str, shown.append
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    assert displacy.render(doc, jupyter=True) is None
    assert shown[0].startswith("<iframe")
