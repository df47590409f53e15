"""Windows over long texts."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xproj.models.windows import most_context, windows


@pytest.mark.parametrize(
    "n, size, overlap, want",
    [
        (0, 4, 1, [(0, 0)]),
        (4, 4, 1, [(0, 4)]),
        (5, 4, 1, [(0, 4), (1, 5)]),
        (10, 4, 1, [(0, 4), (3, 7), (6, 10)]),
        (9, 4, 0, [(0, 4), (4, 8), (5, 9)]),
        (8, 4, 99, [(0, 4), (2, 6), (4, 8)]),
        (3, 1, 5, [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_windows(n, size, overlap, want):
    assert windows(n, size, overlap) == want


@given(n=st.integers(1, 300), size=st.integers(1, 50), overlap=st.integers(0, 60))
def test_all_is_covered_with_most_context(n, size, overlap):
    ranges = windows(n, size, overlap)
    assert ranges[0][0] == 0 and ranges[-1][1] == n
    assert all(b - a == min(size, n) for a, b in ranges)
    assert all(a < c <= b - min(overlap, size // 2) for (a, b), (c, _) in itertools.pairwise(ranges))
    for i, k in enumerate(most_context(n, ranges)):
        context = [
            min(i - a if a else n, b - 1 - i if b < n else n) if a <= i < b else -1 for a, b in ranges
        ]  # written out by hand for each window
        assert context[k] == max(context) >= 0 and k == context.index(max(context))


def test_edges_of_the_text_are_no_edges():
    assert most_context(10, [(0, 6), (4, 10)]).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert most_context(3, [(0, 3)]).tolist() == np.zeros(3).tolist()
