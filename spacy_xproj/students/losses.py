"""Losses between a student's distributions and its targets, with their gradients.

Each takes `probs` (float array (n, tags)), what the student's softmax gives for n tokens; `targets` (float array (n,
tags)), the distributions to reach; and `weights` (float array (n,)), how much each token counts: 0 masks it.
Each returns two things:

- the loss (float): the mean over tokens by their weights, 0.0 where all are masked;
- the gradient (float array (n, tags)) with respect to the logits, before the softmax, which is what thinc's softmax
  layer takes. It is that of the weighted *sum* over tokens, as with spaCy's own pipes, so that a token counts the same
  in a large batch and in a small one. Gradients of the same batch for other targets can thus be added.
"""

from collections.abc import Callable

import numpy as np

Loss = tuple[float, np.ndarray]
TINY = np.finfo("f4").tiny  # stands in for a probability of 0, whose logarithm is not finite


def mean_squared_error(probs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> Loss:
    """Mean over tokens and tags of (p - t)^2, as Wu et al. (2020) train their students.

    The mean over the tags makes its gradient as small as there are many of them. The gradient given here is that of the
    sum over the tags, so that it is no smaller than that of a cross-entropy near the target.
    """
    difference = probs - targets
    by_prob = 2 * difference * weights[:, None]
    gradient = probs * (by_prob - (by_prob * probs).sum(1, keepdims=True))  # the softmax's Jacobian
    return mean((difference**2).mean(1), weights), gradient


def cross_entropy(probs: np.ndarray, targets: np.ndarray, weights: np.ndarray, temperature: float = 1.0) -> Loss:
    """Cross-entropy -sum t log p, of both at a temperature (Hinton et al. 2015).

    temperature (float): The logits of both sides are divided by it: above 1 it makes the distributions flatter. Loss
        and gradient are multiplied by its square, so that they stay in the same range.
    """
    probs, targets = tempered(probs, temperature), tempered(targets, temperature)
    value = -(temperature**2) * (targets * np.log(np.maximum(probs, TINY))).sum(1)
    return mean(value, weights), temperature * (probs - targets) * weights[:, None]


def kl_divergence(probs: np.ndarray, targets: np.ndarray, weights: np.ndarray, temperature: float = 1.0) -> Loss:
    """Kullback-Leibler divergence sum t log(t / p): the cross-entropy less the targets' own entropy, which makes it 0
    where the student is the same as its teacher. The gradient is that of the cross-entropy.

    temperature (float): As for `cross_entropy`.
    """
    loss, gradient = cross_entropy(probs, targets, weights, temperature)
    targets = tempered(targets, temperature)
    entropy = -(temperature**2) * (targets * np.log(np.maximum(targets, TINY))).sum(1)
    return loss - mean(entropy, weights), gradient


LOSSES: dict[str, Callable[..., Loss]] = {"mse": mean_squared_error, "ce": cross_entropy, "kl": kl_divergence}


def tempered(probs: np.ndarray, temperature: float) -> np.ndarray:
    """Distributions with their logits divided by the temperature. Rows of zeros stay."""
    if temperature == 1.0:
        return probs
    powers = probs ** (1 / temperature)
    return powers / np.maximum(powers.sum(1, keepdims=True), TINY)


def mean(values: np.ndarray, weights: np.ndarray) -> float:
    """The mean of values (n,) by their weights (n,); 0.0 where there are none."""
    total = float(weights.sum())
    return float((values * weights).sum()) / total if total else 0.0
