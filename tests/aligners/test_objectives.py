"""The losses, held against values worked out by hand."""

import math

import pytest

torch = pytest.importorskip("torch")

from spacy_xproj.aligners.objectives import (  # noqa: E402
    IGNORED,
    agreement,
    consistency,
    directions,
    found_again,
    mask,
    self_training,
)

# Softmax turns these into 6, 3, 1 tenths and so on
DOT = torch.tensor([[[6.0, 3, 1], [2, 1, 7]]]).log()
FORWARD = torch.tensor([[[0.6, 0.3, 0.1], [0.2, 0.1, 0.7]]])
REVERSE = torch.tensor([[[0.75, 0.75, 0.125], [0.25, 0.25, 0.875]]])
ALL = torch.ones(1, 2, 1, dtype=torch.bool), torch.ones(1, 1, 3, dtype=torch.bool)
LINKS = torch.tensor([[[True, True, False], [False, False, True]]])


def words(*rows):
    return torch.tensor(rows)


def padded(dot=DOT, before=1, after=2):
    """The same matrix among special sub-words and padding, which have large values, and what is inside."""
    m, n = (size + before + after for size in dot.shape[1:])
    big = torch.full((1, m, n), 9.0)
    big[:, before : m - after, before : n - after] = dot
    rows, columns = torch.zeros(1, m, 1, dtype=torch.bool), torch.zeros(1, 1, n, dtype=torch.bool)
    rows[:, before : m - after], columns[:, :, before : n - after] = True, True
    return big, rows, columns


def close(found, wanted):
    torch.testing.assert_close(found, torch.as_tensor(wanted), rtol=1e-5, atol=1e-6)


def test_directions():
    forward, reverse = directions(DOT, *ALL)
    close(forward, FORWARD)
    close(reverse, REVERSE)
    big, rows, columns = padded()
    for found, wanted in zip(directions(big, rows, columns), (FORWARD, REVERSE)):
        close(found[:, 1:-2, 1:-2], wanted)
        assert found.sum() == pytest.approx(float(wanted.sum()))


def test_agreement():
    assert agreement(FORWARD, REVERSE, words([0, 1]), words([0, 1, 2]), 0.28).equal(LINKS)
    assert agreement(FORWARD, REVERSE, words([0, 1]), words([0, 1, 2]), 0.0).all()
    assert not agreement(FORWARD, REVERSE, words([0, 1]), words([0, 1, 2]), 0.8).any()


def test_agreement_of_words():
    """Linked words are linked with all their sub-words, special ones with nothing."""
    some = torch.tensor([[[0.9, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    found = agreement(some, some, words([0, 0]), words([0, 1, 1]), 0.5)
    assert found.tolist() == [[[True, False, False], [True, False, False]]]
    found = agreement(some, some, words([0, 1]), words([3, 3, -1]), 0.5)
    assert found.tolist() == [[[True, True, False], [False, False, False]]]
    assert not agreement(some, some, words([-1, 0]), words([0, 1, 1]), 0.5).any()


def test_self_training():
    close(self_training(FORWARD, REVERSE, LINKS, *ALL), -((0.6 + 0.3 + 0.7) / 2 + (0.75 + 0.75 + 0.875) / 3))
    assert self_training(FORWARD, REVERSE, ~LINKS, *ALL) > self_training(FORWARD, REVERSE, LINKS, *ALL)


def test_consistency():
    products = 0.45 + 0.225 + 0.0125 + 0.05 + 0.025 + 0.6125
    close(consistency(FORWARD, REVERSE, *ALL), -products / 2)
    close(consistency(torch.eye(2)[None], torch.eye(2)[None], ALL[0], ALL[0].transpose(1, 2)), -1.0)


def test_padding_makes_no_difference():
    big, rows, columns = padded()
    forward, reverse = directions(big, rows, columns)
    links = agreement(forward, reverse, words([-1, 0, 1, -1, -1]), words([-1, 0, 1, 2, -1, -1]), 0.28)
    assert links[:, 1:-2, 1:-2].equal(LINKS) and links.sum() == LINKS.sum()
    close(self_training(forward, reverse, links, rows, columns), self_training(FORWARD, REVERSE, LINKS, *ALL))
    close(consistency(forward, reverse, rows, columns), consistency(FORWARD, REVERSE, *ALL))


def test_mean_over_pairs():
    both = torch.cat([FORWARD, FORWARD / 2]), torch.cat([REVERSE, REVERSE])
    many = [torch.cat([x, x]) for x in ALL]
    one = [self_training(f[None], r[None], LINKS, *ALL) for f, r in zip(*both)]
    close(self_training(*both, torch.cat([LINKS, LINKS]), *many), (one[0] + one[1]) / 2)
    one = [consistency(f[None], r[None], *ALL) for f, r in zip(*both)]
    close(consistency(*both, *many), (one[0] + one[1]) / 2)


def test_gradients():
    """Each loss makes the scores of links larger beside the others."""
    for loss in (
        lambda f, r: self_training(f, r, LINKS, *ALL),
        lambda f, r: consistency(f, r, *ALL),
    ):
        dot = DOT.clone().requires_grad_()
        loss(*directions(dot, *ALL)).backward()
        assert dot.grad.isfinite().all()
        assert (dot.grad[0, 0, 0] < 0) and (dot.grad[0, 1, 2] < 0) and (dot.grad[0, 0, 2] > 0)


def test_gradients_with_padding():
    big, rows, columns = padded()
    big.requires_grad_()
    forward, reverse = directions(big, rows, columns)
    consistency(forward, reverse, rows, columns).backward()
    outside = ~(rows & columns)
    assert big.grad.isfinite().all() and not big.grad[outside].any() and big.grad[~outside].any()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_mask():
    ids = torch.arange(20000).reshape(2, -1) % 50 + 10
    allowed = torch.rand(ids.shape, generator=generator(1)) < 0.8
    seen, labels = mask(ids, allowed, 0.15, 5, 60, generator())
    hidden = labels != IGNORED
    assert not (hidden & ~allowed).any()
    assert seen[~hidden].equal(ids[~hidden]) and labels[hidden].equal(ids[hidden])
    assert hidden.sum() / allowed.sum() == pytest.approx(0.15, abs=0.01)
    assert (seen[hidden] == 5).float().mean() == pytest.approx(0.8 + 0.1 / 60, abs=0.03)
    assert (seen[hidden] == ids[hidden]).float().mean() == pytest.approx(0.1 + 0.1 / 60, abs=0.02)
    assert seen.max() < 60
    again = mask(ids, allowed, 0.15, 5, 60, generator())
    assert again[0].equal(seen) and again[1].equal(labels)
    assert not mask(ids, allowed, 0.15, 5, 60, generator(2))[1].equal(labels)


def test_found_again():
    labels = torch.tensor([[IGNORED, 1, 0], [2, IGNORED, IGNORED], [IGNORED, IGNORED, IGNORED]])
    logits = torch.tensor([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]).log()
    rows = [(-math.log(0.25) - math.log(0.5)) / 2, -math.log(0.8), 0]
    close(found_again(logits, labels), sum(rows) / 3)
    logits.requires_grad_()
    found_again(logits, labels).backward()
    close(logits.grad[2], (torch.tensor([0.1, 0.1, 0.8]) - torch.tensor([0.0, 0, 1])) / 3)
