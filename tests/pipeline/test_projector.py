import pytest
import spacy

from spacy_xproj.errors import XprojError
from tests.conftest import ents, missed, payload_doc


def made(**settings):
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_projector", config=settings)
    return nlp


def test_settings_reach_the_heuristic():
    settings = {"merge_gap": 1, "trim_punctuation": True, "min_ratio": 0.5, "max_ratio": 2.0, "max_runs": 0}
    settings["overlap"] = "overwrite"
    heuristic = made(**settings).get_pipe("xproj_projector").heuristic
    assert {name: getattr(heuristic, name) for name in settings} == settings
    with pytest.raises(XprojError, match="overlap must be one of longest, first, overwrite, not 'none'"):
        made(overlap="none")


def test_reasons():
    nlp = made(trim_punctuation=True, min_ratio=0.5)
    doc = payload_doc(
        nlp,
        "s , t u",
        "a b c d e f g",
        [(0, 1, "X", "none"), (1, 2, "X", "comma"), (2, 6, "X", "short"), (6, 7, "X", "long"), (6, 7, "Y", "second")],
        "1-1 2-2 6-0",
    )
    nlp(doc)
    assert missed(doc) == {"none": "no_links", "comma": "punctuation", "short": "length_ratio", "second": "conflict"}
    assert [s.id_ for s in doc.spans["xproj"]] == ["long", "second"]  # two labels of the same words
    assert [e.id_ for e in doc.ents] == ["long"]


def test_several_runs_of_one_span():
    nlp = made(max_runs=0, merge_gap=0)
    doc = nlp(payload_doc(nlp, "s t u", "a b", [(0, 2, "X", "x")], "0-0 1-2"))
    assert ents(doc) == [(0, 1, "X"), (2, 3, "X")]
    assert [s.id_ for s in doc.spans["xproj"]] == ["x", "x"]
    assert doc._.xproj_report["projected"] == 1


def test_punctuation_inside_a_name_closes():
    nlp = made(trim_punctuation=True, merge_gap=1)
    doc = nlp(payload_doc(nlp, "Roma , Italia", "Rome , Italy", [(0, 3, "LOC")], "0-0 1-1 2-2"))
    assert ents(doc) == [(0, 3, "LOC")]
