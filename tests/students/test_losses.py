"""The losses and their gradients, against values worked out by hand and against finite differences."""

import numpy as np
import pytest

from spacy_xproj.students.losses import LOSSES, cross_entropy, kl_divergence, mean_squared_error, tempered

# Two tokens over O, B-PER, I-PER
PROBS = np.array([[0.5, 0.25, 0.25], [0.2, 0.6, 0.2]])
TARGETS = np.array([[0.75, 0.25, 0.0], [0.0, 1.0, 0.0]])
ONES = np.ones(2)


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def test_mean_squared_error_by_hand():
    # token 1: .0625 + 0 + .0625 = .125; token 2: .04 + .16 + .04 = .24; the mean of six values
    loss, gradient = mean_squared_error(PROBS, TARGETS, ONES)
    assert loss == pytest.approx((0.125 + 0.24) / 6, abs=1e-12)
    # 2 (p - t) is (-.5, 0, .5), its mean under p is -.125; p times what is left over
    assert gradient[0] == pytest.approx([0.5 * (-0.5 + 0.125), 0.25 * 0.125, 0.25 * (0.5 + 0.125)], abs=1e-12)


def test_cross_entropy_and_kl_by_hand():
    # -(.75 ln .5 + .25 ln .25) = 1.25 ln 2; -ln .6
    loss, gradient = cross_entropy(PROBS, TARGETS, ONES)
    assert loss == pytest.approx((1.25 * np.log(2) - np.log(0.6)) / 2, abs=1e-12)
    assert gradient == pytest.approx(PROBS - TARGETS)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) / 2
    again, same = kl_divergence(PROBS, TARGETS, ONES)
    assert again == pytest.approx(loss - entropy, abs=1e-12) and np.array_equal(same, gradient)
    assert kl_divergence(TARGETS, TARGETS, ONES)[0] == pytest.approx(0, abs=1e-12)


def test_temperature_by_hand():
    # The logits of (.8, .2) are apart by ln 4; at 2 by ln 2: (2/3, 1/3)
    assert tempered(np.array([[0.8, 0.2], [0.0, 0.0]]), 2.0) == pytest.approx(np.array([[2 / 3, 1 / 3], [0, 0]]))
    loss, gradient = cross_entropy(np.array([[0.8, 0.2]]), np.array([[0.5, 0.5]]), np.ones(1), temperature=2.0)
    assert loss == pytest.approx(-4 * (0.5 * np.log(2 / 3) + 0.5 * np.log(1 / 3)))
    assert gradient == pytest.approx(np.array([[2 * (2 / 3 - 1 / 2), 2 * (1 / 3 - 1 / 2)]]))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_that_of_the_sum(name, temperature):
    """By central differences of the loss in the logits."""
    random = np.random.default_rng(0)
    logits, targets = random.normal(0, 2, (4, 5)), softmax(random.normal(0, 2, (4, 5)))
    weights = np.array([1.0, 0.5, 0.0, 2.0])
    settings = {} if name == "mse" else {"temperature": temperature}
    of_tags = 5 if name == "mse" else 1

    def total(logits):
        return LOSSES[name](softmax(logits), targets, weights, **settings)[0] * weights.sum() * of_tags

    _, gradient = LOSSES[name](softmax(logits), targets, weights, **settings)
    step = 1e-5
    for i, j in np.ndindex(*logits.shape):
        change = np.zeros_like(logits)
        change[i, j] = step
        assert gradient[i, j] == pytest.approx((total(logits + change) - total(logits - change)) / (2 * step), abs=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_masked_and_weighted_tokens(name):
    function = LOSSES[name]
    loss, gradient = function(PROBS, np.array([TARGETS[0], [0, 0, 0]]), np.array([1.0, 0.0]))
    alone, first = function(PROBS[:1], TARGETS[:1], np.ones(1))
    assert loss == pytest.approx(alone) and not gradient[1].any() and np.array_equal(gradient[:1], first)
    assert function(PROBS, TARGETS, np.zeros(2))[0] == 0
    second = function(PROBS[1:], TARGETS[1:], np.ones(1))[0]
    assert function(PROBS, TARGETS, np.array([1.0, 3.0]))[0] == pytest.approx((alone + 3 * second) / 4)


@pytest.mark.parametrize("name", LOSSES)
def test_probabilities_of_zero_and_one(name):
    hard = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], "f4")
    for targets in (hard, hard[::-1]):
        loss, gradient = LOSSES[name](hard, targets, np.ones(2, "f4"))
        assert np.isfinite(loss) and np.isfinite(gradient).all() and gradient.dtype == np.float32


def test_no_tokens():
    for function in LOSSES.values():
        loss, gradient = function(np.zeros((0, 3), "f4"), np.zeros((0, 3), "f4"), np.zeros(0, "f4"))
        assert loss == 0 and gradient.shape == (0, 3)
