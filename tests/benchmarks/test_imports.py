"""Benchmarks and scripts find what they import, those too that take too long for a test."""

from importlib import import_module

import pytest

from tests.conftest import ROOT

FILES = sorted(path for folder in ("benchmarks", "scripts") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("name", [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES])
def test_it_can_be_imported(name):
    import_module(name)
