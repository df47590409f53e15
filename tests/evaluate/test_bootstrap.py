import numpy as np
import pytest

from spacy_xproj.evaluate.bootstrap import difference, f1, interval


def test_f1_and_its_interval():
    table = np.array([(1, 2, 2), (0, 1, 1), (2, 2, 3)])
    assert f1(table) == pytest.approx(2 * 3 / (5 + 6)) and f1(np.zeros((3, 3))) == 0
    assert f1(np.stack([table, table])).tolist() == [f1(table)] * 2
    low, high = interval(table)
    assert 0 <= low < f1(table) < high <= 1 and interval(table) == (low, high)  # drawn with a fixed seed


def test_difference_of_equals():
    table = np.array([(1, 2, 2), (0, 1, 1), (2, 2, 3)])
    assert difference(table, table) == (0, 0, 0, 1)


def test_difference_where_each_line_is_better():
    good, bad = np.tile([2, 2, 2], (30, 1)), np.tile([1, 2, 2], (30, 1))
    found = difference(good, bad)
    assert found[:3] == (0.5, 0.5, 0.5)
    assert found.p == pytest.approx(2 / 2001)
    assert difference(bad, good)[:3] == (-0.5, -0.5, -0.5)
    assert difference(bad, good).p == found.p


def test_difference_that_may_be_chance():
    ours, theirs = np.tile([1, 1, 1], (20, 1)), np.tile([1, 1, 1], (20, 1))
    ours[0], theirs[1] = (0, 1, 1), (0, 1, 1)
    theirs[2] = (0, 1, 1)
    found = difference(ours, theirs)
    assert found.gain == pytest.approx(0.05)
    assert found.low < 0 < found.high
    assert 0.2 < found.p < 1
    assert found == difference(ours, theirs)  # drawn with a fixed seed
