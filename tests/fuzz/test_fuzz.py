"""The short form of `python -m benchmarks.scale.fuzz`: a few inputs of each target."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import catalogue
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.scale.fuzz import TARGETS, fuzz, kind_of, run_one

FEW = settings(max_examples=8, suppress_health_check=[*HealthCheck])


@pytest.fixture
def quick(monkeypatch):
    """Registries that search the installed packages once."""
    monkeypatch.setattr(catalogue.Registry, "_get_entry_points", cache(catalogue.Registry._get_entry_points))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TARGETS)
@FEW
@given(rng=st.randoms(use_true_random=False))
def test_targets(tmp_path, quick, name, rng):
    with TemporaryDirectory(dir=tmp_path) as folder:
        TARGETS[name](rng, Path(folder))


def test_what_is_found_is_counted_by_its_place(tmp_path, monkeypatch):
    def broken(rng, folder):
        (folder / "left").write_text("x")
        assert rng.random() > 2, "never"

    monkeypatch.setitem(TARGETS, "broken", broken)
    error = run_one("broken", 1, 0, tmp_path)
    assert "never" in error and not list(tmp_path.iterdir())
    found = fuzz(["broken", "label_map"], [1, 2], 12, 0, tmp_path)
    assert found["inputs"] == {"broken": 6, "label_map": 6}
    assert [(kind, rows["n"], len(rows["examples"])) for kind, rows in found["findings"].items()] == [
        (kind_of(error), 6, 3)
    ]
    assert found["findings"][kind_of(error)]["examples"][0][0] == "--target broken --seeds 1 --only 0"


def test_an_input_is_made_again_by_its_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setitem(TARGETS, "seen", lambda rng, folder: seen.append(rng.random()))
    fuzz(["seen"], [3], 4, 0, tmp_path)
    run_one("seen", 3, 2, tmp_path)
    assert seen[-1] == seen[2] and len(set(seen)) == 4
