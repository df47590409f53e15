import sys
from xml.etree import ElementTree

import pytest

from benchmarks.figures import draw
from spacy_xproj.errors import XprojError

FILES = {f"{name}.{kind}" for name in ("coverage", "methods", "weights") for kind in ("svg", "png")}
METHODS = ("published heuristic", "Links.v1", "Ranker.v1")


def entry(name, links, f1):
    methods = {m: {"f1": f1 + k / 50, "interval": [f1 - 0.02, f1 + 0.09]} for k, m in enumerate(METHODS)}
    precision = {str(share): 1 - f1 * share / 1000 for share in range(10, 101)}
    return {"set": name, "links": links, "kind": "given", "methods": methods, "precision_at": precision}


@pytest.fixture
def found():
    weights = [
        {"feature": "certain", "weight": 2.0, "deviation": 1.5, "meaning": "linked"},
        {"feature": "null_common", "weight": -3.0, "deviation": 0.5, "meaning": "it has none"},
    ]
    run = [entry("toy/en-es", "one", 0.7), entry("toy/en-es", "two", 0.6), entry("toy/en-de", "one", 0.8)]
    return {"runs": {"languages": run}, "weights": weights}


def texts(path):
    return {node.text for node in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")}


@pytest.fixture
def needs_matplotlib():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `benchmark`)")


def test_files_and_labels(found, tmp_path, needs_matplotlib):
    assert {path.name for path in draw(found, tmp_path)} == FILES == {path.name for path in tmp_path.iterdir()}
    for path in tmp_path.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert {"toy/en-es, one", "toy/en-de, one", "Precision of the kept spans (%)"} <= texts(tmp_path / "coverage.svg")
    assert "toy/en-es, two" not in texts(tmp_path / "coverage.svg")  # a line a set: with its best links
    assert {*METHODS, "F1, span and label (%); the axis does not begin at 0"} <= texts(tmp_path / "methods.svg")
    assert {"certain", "null_common", "Feature"} <= texts(tmp_path / "weights.svg")


def test_same_bytes_again_whatever_the_style(found, tmp_path, needs_matplotlib):
    import matplotlib

    first = {path.name: path.read_bytes() for path in draw(found, tmp_path)}
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path"}):
        assert {path.name: path.read_bytes() for path in draw(found, tmp_path)} == first
        assert matplotlib.rcParams["font.size"] == 30
    assert b"<dc:date>" not in first["methods.svg"]


def test_without_matplotlib(found, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(XprojError, match=r"matplotlib>=3\.8"):
        draw(found, tmp_path)
    assert not list(tmp_path.iterdir())
