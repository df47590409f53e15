import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xproj.aligners.symmetrize import SYMMETRIZATIONS, grow_diag_final_and, intersection, union
from spacy_xproj.pharaoh import read_pharaoh
from tests.conftest import DATA

ABSA = DATA / "absa" / "en-es"
LINKS = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)))


def as_set(links):
    return set(map(tuple, links.tolist()))


@pytest.mark.skipif(not ABSA.exists(), reason="the data folder is absent (XPROJ_DATA)")
@pytest.mark.parametrize("aligner", ["fast_align", "mgiza"])
def test_released_files_come_out_identical(aligner):
    names = (f"align.{aligner}-forward.pharaoh", f"align.{aligner}-reverse.pharaoh", f"align.{aligner}.pharaoh")
    files = [list(read_pharaoh(ABSA / name)) for name in names]
    assert {len(rows) for rows in files} == {2000}
    for forward, reverse, expected in zip(*files):
        assert as_set(grow_diag_final_and(forward, reverse)) == as_set(expected)


def test_grows_then_finishes():
    forward = [(0, 0), (1, 1), (3, 4)]
    reverse = [(0, 0), (2, 1), (1, 3), (5, 6), (3, 6)]
    # (1, 1) touches (0, 0) and reaches two new words; (2, 1) touches (1, 1) and reaches source word 2. The others touch
    # nothing: (3, 4) of the forward set comes first, and leaves (3, 6) and (1, 3) with a linked word; (5, 6) has none.
    assert grow_diag_final_and(forward, reverse).tolist() == [[0, 0], [1, 1], [2, 1], [3, 4], [5, 6]]


def test_growing_adds_at_once_and_repeats():
    # (0, 2) comes first in the row-major order, but touches a link only once (1, 1) is there: the second pass adds it.
    assert grow_diag_final_and([(2, 0)], [(2, 0), (1, 1), (0, 2)]).tolist() == [[0, 2], [1, 1], [2, 0]]


def test_empty():
    for function in SYMMETRIZATIONS.values():
        links = function([], np.zeros((0, 2), "i4"))
        assert links.shape == (0, 2) and links.dtype == np.int32


@given(LINKS, LINKS)
def test_bounds_and_order(forward, reverse):
    both, either = intersection(forward, reverse), union(forward, reverse)
    grown = grow_diag_final_and(forward, reverse)
    assert as_set(both) == forward & reverse and as_set(either) == forward | reverse
    assert as_set(both) <= as_set(grown) <= as_set(either)
    for links in (both, either, grown):
        assert links.tolist() == sorted(links.tolist())
    assert grow_diag_final_and(np.array(sorted(forward)).reshape(-1, 2), sorted(reverse)).tolist() == grown.tolist()
