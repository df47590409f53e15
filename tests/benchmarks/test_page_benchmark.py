"""The benchmark of the page, with few sentences."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import page


@pytest.mark.slow
@pytest.mark.skipif(
    not Path(page.CHROMIUM).exists() or find_spec("playwright") is None,
    reason="no browser: Debian's chromium and the package playwright",
)
def test_a_row_a_size(capsys):
    page.main(["--sizes", "5,450"])
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0].strip() for row in rows] == ["5", "450"]
    assert all(float(cell) > 0 for row in rows for cell in row[1:])
    assert float(rows[0][1]) < float(rows[1][1]) < 5
