"""Published figures on real sentences: see the README of the data folder, whose path is in XPROJ_DATA."""

from functools import lru_cache

import pytest

from spacy_xproj.runs.evaluate import evaluate
from tests.conftest import CONFIGS, DATA

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the data folder is absent (XPROJ_DATA)")

# set, links, heuristic, greedy: strict F1 of the published algorithms on exactly these links
ROWS = [
    ("europarl/en-es", "eflomal-gdfa", 0.8997, 0.8886),
    ("europarl/en-es", "eflomal-inter", 0.8767, 0.8594),
    ("europarl/en-de", "eflomal-gdfa", 0.7740, 0.8567),
    ("europarl/en-de", "eflomal-inter", 0.7892, 0.8647),
    ("absa/en-es", "awesome", 0.9529, 0.9442),
    ("absa/en-es", "simalign", 0.8949, 0.8895),
    ("absa/en-es", "eflomal-gdfa", 0.9385, 0.9329),
    ("absa/en-es", "mgiza", 0.7819, 0.7775),
    ("absa/en-es", "fast_align", 0.7657, 0.7676),
]
CEILINGS = [
    ("europarl/en-es", 0.972, 0.988),
    ("europarl/en-de", 0.953, 0.979),
    ("absa/en-es", 0.995, 1.000),
]


@lru_cache(None)
def scores(name, links, config):
    folder = DATA / name
    return evaluate(
        folder / "src.conll",
        folder / "tgt.conll",
        CONFIGS / f"{config}.cfg",
        folder / f"align.{links}.pharaoh",
    )


@pytest.mark.parametrize("name, links, heuristic, greedy", ROWS)
def test_published_algorithms(name, links, heuristic, greedy):
    assert scores(name, links, "project_ref_heuristic")["ents_f"] == pytest.approx(heuristic, abs=0.002)
    assert scores(name, links, "project_ref_greedy")["ents_f"] == pytest.approx(greedy, abs=0.002)


@pytest.mark.parametrize("name, links, heuristic, greedy", ROWS)
def test_the_default_is_no_worse(name, links, heuristic, greedy):
    got = scores(name, links, "project_match")
    assert got["ents_f"] >= max(heuristic, greedy) - 0.002
    assert got["ents_f"] <= got["ceiling_drop_f"]


@pytest.mark.parametrize("name, keep, drop", CEILINGS)
def test_ceilings(name, keep, drop):
    got = scores(name, "eflomal-gdfa", "project_match")
    assert got["ceiling_f"] == pytest.approx(keep, abs=0.001)
    assert got["ceiling_drop_f"] == pytest.approx(drop, abs=0.001)


def test_every_source_span_is_accounted_for():
    for name, links, *_ in ROWS:
        for config in ("project_match", "project_ref_greedy"):  # one projection a source span
            got = scores(name, links, config)
            assert got["n_source"] == got["n_projected"] + sum(got["not_projected"].values())
