"""Training of the learned similarity on gold, below the pipe."""

import numpy as np
import pytest
from thinc.api import Adam

from spacy_xproj.errors import XprojError
from spacy_xproj.registry import registry
from spacy_xproj.similarities.ranker import Ranker
from spacy_xproj.similarities.ranker.names import FEATURES, PLACE, STAGES
from spacy_xproj.similarities.ranker.training import Adaptation, Group, learn, loss, stack
from spacy_xproj.ty import GoldPair, Trainable
from tests.conftest import bitext


def pair(source, spans, links, target):
    return bitext(source, spans, links).pairs(tuple(target.split()))[0]


def toy(n=24, *, article=True):
    """Names with an article before them, which gold takes in or leaves out, whatever the links say."""
    out = []
    for k in range(n):
        name = f"Casa{k}"
        target = f"vi la {name} ayer" if k % 2 else f"la {name} cayó"
        start = target.split().index("la")
        links = f"1-{start + 1}"
        gold = frozenset({(start if article else start + 1, start + 2, "LOC")})
        out.append(GoldPair(pair(f"saw {name} fall", [(1, 2, "LOC")], links, target), gold))
    return out


def right(ranker, examples):
    found = 0
    for example in examples:
        cells = ranker(example.pair)
        best = int(np.argmax(cells.objective))
        found += (int(cells.start[best]), int(cells.end[best]), "LOC") in example.gold
    return found / len(examples)


def train(ranker, examples, steps=60, rate=0.05):
    """Steps over all examples. The first is as the pipe takes it; the others use its rows again, to save time."""
    sgd = Adam(rate, use_averages=False)
    losses = [ranker.gradient(examples)]
    ranker.model.finish_update(sgd)
    groups = groups_of(ranker, examples)
    for _ in range(steps - 1):
        losses.append(ranker.adaptation.gradient(groups, ranker.weights, ranker.prior))
        ranker.model.finish_update(sgd)
    return losses


def groups_of(ranker, examples):
    return {stage: [group for some in mine for group in some] for stage, mine in ranker.groups(examples).items()}


def weights(ranker):
    return {stage: ranker.weight(stage) for stage in STAGES}


def moved(ranker, start):
    return {stage: float(np.abs(w - start[stage]).max()) for stage, w in weights(ranker).items()}


def fitted(examples, **settings):
    ranker = Ranker(**settings)
    ranker.fit([example.pair for example in examples])
    return ranker


def test_what_is_trainable():
    assert isinstance(Ranker(), Trainable)
    assert not isinstance(registry.xproj_similarities.get("spacy_xproj.Links.v1")(), Trainable)


def test_prior_out_of_range():
    with pytest.raises(XprojError, match="prior"):
        Ranker(prior=-0.1)


def test_gradient_of_the_loss_against_finite_differences():
    rng = np.random.default_rng(0)
    groups = [Group(rng.normal(size=(n, 4)).astype("f4"), k) for n, k in ((3, 0), (5, 4), (1, 0), (2, 1))]
    data, w = stack(groups, np.array([1.0, 2.0, 0.5, 1.0])), rng.normal(size=4)
    found = loss(data, w)[1]
    for k, direction in enumerate(np.eye(4)):
        rise = loss(data, w + 1e-2 * direction)[0] - loss(data, w - 1e-2 * direction)[0]
        assert found[k] == pytest.approx(rise / 2e-2, abs=1e-3)


def test_gradient_of_the_model_against_finite_differences():
    """With the prior, in every stage, away from where the weights were."""
    examples = toy(8)
    ranker = fitted(examples, prior=0.3)
    train(ranker, examples, 3)
    rng = np.random.default_rng(1)
    for node in STAGES:
        ranker.model.get_param(node)[:] = rng.normal(size=len(FEATURES)) / 10
    groups = groups_of(ranker, examples)
    adaptation = ranker.adaptation

    def objective(stage, steps):
        w = ranker.weights[stage] * adaptation.scale[stage] + steps
        data = stack(groups[stage], adaptation.scale[stage])
        return (loss(data, w)[0] + 0.3 * (steps @ steps) / 2) / len(groups[stage])

    for stage in STAGES:
        ranker.model.set_grad(stage, np.zeros(len(FEATURES), "f4"))
    value = ranker.gradient(examples)
    pairs = adaptation.gradient({"pairs": groups["pairs"]}, ranker.weights, 0.0)
    assert value == pytest.approx(pairs)
    for stage in ("alone", "corpus"):
        found, steps = ranker.model.get_grad(stage), ranker.model.get_param(stage).astype("f8")
        assert np.abs(found).max() > 0.01
        for k in [PLACE["certain"], PLACE["length"], PLACE["null"], PLACE["punct"], int(np.argmax(np.abs(found)))]:
            direction = np.zeros(len(FEATURES))
            direction[k] = 1e-2
            rise = objective(stage, steps + direction) - objective(stage, steps - direction)
            assert found[k] == pytest.approx(rise / 2e-2, abs=2e-3), (stage, list(FEATURES)[k])


def test_begins_with_the_weights_as_they_are():
    examples = toy(6)
    ranker = fitted(examples)
    before = weights(ranker)
    ranker.begin([example.pair for example in examples])
    assert moved(ranker, before) == dict.fromkeys(STAGES, 0.0)
    train(ranker, examples, 5)
    after = weights(ranker)
    assert all(abs(after[stage] - before[stage]).max() > 0 for stage in STAGES)
    ranker.begin([example.pair for example in examples])  # and again from where it is
    assert moved(ranker, after) == dict.fromkeys(STAGES, 0.0)


def test_only_the_stages_that_there_are_learn():
    examples = toy(6)
    for made, want in ((Ranker(), {"alone"}), (fitted(examples, lexicon=False), {"alone", "corpus"})):
        before = weights(made)
        train(made, examples, 3)
        assert {stage for stage, far in moved(made, before).items() if far} == want


def test_adapts_to_held_out_names():
    train_on, held_out = toy(24)[:16], toy(24)[16:]
    ranker = fitted(train_on, prior=1.0)
    before = right(ranker, held_out)
    losses = train(ranker, train_on)
    assert losses[-1] < losses[0] / 2
    assert right(ranker, held_out) > before + 0.5


def test_one_example_does_not_move_it_far():
    """The given weights are right about the names without articles. One odd example leaves them so; many do not."""
    plain = toy(24, article=False)
    one, many = fitted(plain), fitted(plain)
    assert right(one, plain) == 1.0
    train(one, toy(1), 200)
    assert right(one, plain) == 1.0
    train(many, toy(100), 60)
    assert right(many, plain) < 0.5


def test_a_higher_prior_keeps_closer():
    examples, far = toy(8), []
    for prior in (0.0, 1.0, 100.0):
        ranker = Ranker(prior=prior)
        train(ranker, examples, 200)
        far.append(float(np.linalg.norm(ranker.model.get_param("alone"))))
    assert far[0] > 1.5 * far[1] > 3 * far[2]


def test_gets_where_the_exact_solution_is():
    """Adam ends where L-BFGS does: both maximize the same objective."""
    examples = toy(12)
    ranker = Ranker()
    ranker.begin([example.pair for example in examples])
    groups = groups_of(ranker, examples)["alone"]
    adaptation = Adaptation(STAGES, np.full(len(FEATURES), -np.inf))
    adaptation.begin([("alone", g.rows) for g in groups])
    adaptation.seen = dict.fromkeys(range(len(groups)), 1)
    sgd = Adam(0.01, use_averages=False)
    for _ in range(400):
        adaptation.gradient({"alone": groups}, ranker.weights, 3.0)
        adaptation.model.finish_update(sgd)
    want = learn(groups, prior=ranker.weights["alone"], l2=3.0 / len(groups))
    found = adaptation.weights("alone", ranker.weights["alone"])
    assert found * adaptation.scale["alone"] == pytest.approx(want * adaptation.scale["alone"], abs=0.02)


def test_missing_gold_does_not_teach_null():
    example = toy(1)[0]._replace(gold=frozenset())
    known, unknown = Ranker(), Ranker()
    assert known.gradient([example]) > 0
    assert known.model.has_grad("alone")
    assert unknown.gradient([example._replace(complete=False)]) == 0.0
    assert not unknown.model.has_grad("alone")
    hit = toy(1)[0]
    assert Ranker().gradient([hit._replace(complete=False)]) == Ranker().gradient([hit]) > 0


def test_given_candidates():
    example = toy(1)[0]
    (a, b, _), *_ = example.gold
    only = example._replace(candidates=np.array([[a, b], [a + 1, b]]))
    assert 0 < Ranker().gradient([only]) != Ranker().gradient([example])


def test_deterministic():
    states = []
    for _ in range(2):
        ranker = fitted(toy(8))
        train(ranker, toy(8), 5)
        states.append(ranker.to_bytes())
    assert states[0] == states[1]


def test_saved_after_training():
    examples = toy(8)
    ranker = fitted(examples)
    train(ranker, examples, 5)
    again = Ranker().from_bytes(ranker.to_bytes())
    assert again.to_bytes() == ranker.to_bytes() != fitted(examples).to_bytes()
    for example in examples:
        assert [x.tolist() for x in again(example.pair)[:5]] == [x.tolist() for x in ranker(example.pair)[:5]]
    before = weights(again)
    train(again, examples, 5)  # resumes from there
    assert all(far > 0 for far in moved(again, before).values())


def test_a_new_corpus_keeps_what_was_learnt():
    examples = toy(8)
    ranker = fitted(examples)
    train(ranker, examples, 5)
    after = weights(ranker)
    ranker.fit([example.pair for example in toy(10)])
    assert moved(ranker, after) == dict.fromkeys(STAGES, 0.0)


def test_own_votes_are_those_that_were_cast():
    """Training changes the weights, and what a sentence told the lexicon before stays what is taken out of it."""
    examples = toy(8)
    ranker = fitted(examples, prior=0.0)
    example = examples[0]
    columns = [PLACE["pair_share"], PLACE["pair_of_form"]]
    assert not ranker.rows(ranker.score(example.pair))[0][:, columns].any()
    train(ranker, examples, 40)
    assert not ranker.rows(ranker.score(example.pair))[0][:, columns].any()
    again = Ranker().from_bytes(ranker.to_bytes())
    assert not again.rows(again.score(example.pair))[0][:, columns].any()
