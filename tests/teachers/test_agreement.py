import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spacy_xproj.teachers.agreement import UNKNOWN, against_projection, agreed, combine, harden, mask

A = np.array([[0.6, 0.3, 0.1], [0.2, 0.8, 0.0], [0.5, 0.5, 0.0]])
B = np.array([[0.5, 0.1, 0.4], [0.7, 0.2, 0.1], [0.9, 0.1, 0.0]])
ROWS = arrays("f8", (4, 3), elements=st.floats(0.01, 1)).map(lambda rows: rows / rows.sum(1, keepdims=True))


def test_the_mean_by_hand():
    want = [[0.525, 0.15, 0.325], [0.575, 0.35, 0.075], [0.8, 0.2, 0.0]]
    np.testing.assert_allclose(combine([A, B], [0.25, 0.75]), want)
    np.testing.assert_array_equal(combine([A, B], [0, 1]), B)
    assert combine([A[:0], B[:0]], [0.5, 0.5]).shape == (0, 3)


@given(ROWS, ROWS, st.floats(0, 1))
def test_the_mean_of_distributions_is_one(a, b, weight):
    rows = combine([a, b], [weight, 1 - weight])
    np.testing.assert_allclose(rows.sum(1), 1)
    assert (rows >= np.minimum(a, b) - 1e-12).all() and (rows <= np.maximum(a, b) + 1e-12).all()


def test_agreed():
    assert agreed([A, B]).tolist() == [True, False, True]  # of equal tags the first counts
    assert agreed([A]).tolist() == [True, True, True]
    assert agreed([A, A, B]).tolist() == agreed([A, B]).tolist()


def test_mask_and_harden():
    keep = np.array([True, False, True])
    assert mask(A, keep).tolist() == [A[0].tolist(), [0, 0, 0], A[2].tolist()]
    hard = harden(A, np.array([2, 0, 1]), keep)
    assert hard.tolist() == [[0, 0, 1], A[1].tolist(), [0, 1, 0]]
    assert A[0].tolist() == [0.6, 0.3, 0.1]  # a copy was made


def test_against_projection():
    best, projected = np.array([0, 1, 0]), np.array([0, 2, UNKNOWN])
    masked = against_projection(A, best, projected, "mask", 0.5)
    assert masked.tolist() == [A[0].tolist(), [0, 0, 0], A[2].tolist()]
    mixed = against_projection(A, best, projected, "mix", 0.25)
    np.testing.assert_allclose(mixed, [[0.7, 0.225, 0.075], [0.15, 0.6, 0.25], [0.5, 0.5, 0]])
    assert against_projection(A, best, projected, "mix", 1)[1].tolist() == [0, 0, 1]
