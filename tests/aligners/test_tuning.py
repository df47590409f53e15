"""Tuning of tiny models, with a stop in between and without."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from transformers import AutoModel

from spacy_xproj.aligners import objectives
from spacy_xproj.aligners.embedding import EmbeddingAligner
from spacy_xproj.aligners.trainee import Trainee, losses, read_rows
from spacy_xproj.aligners.tuning import CLIP, Tuner, TuningSettings, batches, tune
from spacy_xproj.errors import XprojError
from spacy_xproj.files import NOTE, read_note
from spacy_xproj.models.batches import padded
from tests.aligners.test_embedding import pair
from tests.aligners.tiny_encoders import ENCODERS, KINDS, TEXTS, make_encoder
from tests.conftest import names
from tests.teachers.tiny_classifier import change_config

torch = pytest.importorskip("torch")

EN, ES = TEXTS[0].split(), TEXTS[2].split()
PAIRS = [pair(EN[a:b], ES[a:b]) for a in range(6) for b in range(a + 2, len(EN))]
FAST = TuningSettings(steps=6, layer=3, lr=1e-3, batch_tokens=160, every=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Called with a family, gives the folder of a model that can read two of the sentences at once."""
    root = tmp_path_factory.mktemp("models")

    def find(kind="bert"):
        return root / kind if (root / kind).exists() else make_encoder(root / kind, kind, positions=130)

    return find


def run(folder, out, settings=FAST, pairs=PAIRS, **changes):
    return tune(pairs, out, folder, replace(settings, **changes), device="cpu")


def contents(folder):
    return {name: (folder / name).read_bytes() for name in names(folder)}


def stop_at(monkeypatch, step):
    """Have the run fail before this step is done. Returns the steps that are begun."""
    begun, take = [], Tuner.take

    def taken(self, batch):
        begun.append(self.step + 1)
        if self.step + 1 == step:
            raise KeyboardInterrupt
        return take(self, batch)

    monkeypatch.setattr(Tuner, "take", taken)
    return begun


def test_self_training_goes_down(folder, tmp_path):
    done = run(folder(), tmp_path / "out", objectives=("so",), steps=40, every=10)
    means = [row["so"] for row in done.history]
    assert len(means) == 4 and means[-1] < means[0] - 0.05 and min(means) >= -2


@pytest.mark.parametrize("objective", ["co", "tlm", "mlm"])
def test_the_others_go_down(folder, tmp_path, objective):
    done = run(folder(), tmp_path / "out", objectives=(objective,), steps=30, every=10, lr=5e-3)
    assert done.history[-1][objective] < done.history[0][objective] - 0.01


def test_stopped_or_not(folder, tmp_path, monkeypatch):
    """A run that was stopped twice gives the same bytes as one that was not."""
    every = {"objectives": ("so", "co", "tlm", "mlm"), "steps": 7}
    run(folder(), tmp_path / "whole", **every)
    out, checkpoints = tmp_path / "stopped", tmp_path / "stopped.checkpoint"
    for step, kept, begins in ((4, "step-000000002", 1), (7, "step-000000006", 3)):
        with monkeypatch.context() as patch:
            begun = stop_at(patch, step)
            with pytest.raises(KeyboardInterrupt):
                run(folder(), out, **every)
        assert begun[0] == begins and not out.exists()
        assert [p.name for p in checkpoints.iterdir()] == [kept]
        assert names(checkpoints / kept) == {"weights.safetensors", "optimizer.safetensors", NOTE}
    begun = stop_at(monkeypatch, None)
    assert run(folder(), out, **every).new and begun == [7]
    assert contents(out) == contents(tmp_path / "whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["stopped", "whole"]


def test_stopped_before_the_first_checkpoint(folder, tmp_path, monkeypatch):
    run(folder(), tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_at(patch, 2)
        run(folder(), tmp_path / "stopped")
    run(folder(), tmp_path / "stopped")
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_a_damaged_checkpoint_is_not_gone_on_with(folder, tmp_path, monkeypatch):
    run(folder(), tmp_path / "whole", every=1)
    for file in ("weights.safetensors", NOTE):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            stop_at(patch, 3)
            run(folder(), tmp_path / "out", every=1)
        path = next((tmp_path / "out.checkpoint").glob(f"step-*/{file}"))
        data = bytearray(path.read_bytes())
        data[-9] ^= 1
        path.write_bytes(bytes(data))
        begun = stop_at(monkeypatch, None)
        with pytest.warns(UserWarning, match="is not as it was written. Tuning begins anew"):
            run(folder(), tmp_path / "out", every=1)
        assert begun[0] == 1 and contents(tmp_path / "out") == contents(tmp_path / "whole")
        shutil.rmtree(tmp_path / "out")


def test_done_before(folder, tmp_path, monkeypatch):
    first = run(folder(), tmp_path / "out")
    before = contents(tmp_path / "out")
    begun = stop_at(monkeypatch, None)
    again = run(folder(), tmp_path / "out", objectives=("tlm", "so"))
    assert first.new and not again.new and again[1:] == first[1:] and begun == []
    assert contents(tmp_path / "out") == before


def test_from_something_else(folder, tmp_path, monkeypatch):
    """It is made anew, with a warning, and a finished model stays until the new one is whole."""
    other = make_encoder(tmp_path / "other", positions=130, seed=1)
    run(folder(), tmp_path / "plain")
    for model, changes, message in (
        (folder(), {"lr": 2e-3}, r"the lr: 0.001 → 0.002\. It is made anew"),
        (folder(), {"objectives": ("so",), "seed": 1}, r"the objectives: .*, the seed: 0 → 1"),
        (folder(), {"pairs": PAIRS[1:]}, "the text changed"),
        (other, {}, "the model changed"),
    ):
        for out in ("out", "begun"):
            shutil.rmtree(tmp_path / out, ignore_errors=True)
            shutil.copytree(tmp_path / "plain", tmp_path / out)
            with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                stop_at(patch, 4)
                with pytest.warns(UserWarning, match=message):
                    run(model, tmp_path / out, **changes)
            assert contents(tmp_path / out) == contents(tmp_path / "plain")
            with monkeypatch.context() as patch, pytest.warns(UserWarning) as told:
                # The checkpoint of yet another run is not gone on with.
                more = {"every": 3, "steps": 5} if out == "out" else {}
                begun = stop_at(patch, None)
                assert run(model, tmp_path / out, **{**changes, **more}).new
            assert begun[0] == (1 if out == "out" else 3)
            assert any("checkpoint was made from" in str(one.message) for one in told) == (out == "out")
            assert not (tmp_path / f"{out}.checkpoint").exists()


def test_other_seeds_and_what_is_outside(folder, tmp_path):
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    run(folder(), tmp_path / "a")
    assert torch.random.get_rng_state().equal(state)
    run(folder(), tmp_path / "b", seed=1)
    assert contents(tmp_path / "a")["model.safetensors"] != contents(tmp_path / "b")["model.safetensors"]


@pytest.mark.parametrize("kind", KINDS)
def test_families(folder, tmp_path, kind):
    """Each gives a model for `Embedding.v1`, with its tokenizer as it was and other weights."""
    learns = ("so", "tlm") if kind in ENCODERS else ("so",)
    done = run(folder(kind), tmp_path / "out", objectives=learns, steps=2)
    assert done.pairs == len(PAIRS) and done.left_out == {} and done.steps == 2
    before, after = contents(folder(kind)), contents(tmp_path / "out")
    assert {*after} == {*before, NOTE}
    for name in before:
        assert (before[name] == after[name]) == (name != "model.safetensors"), name
    aligners = [EmbeddingAligner(str(path), layer=3, device="cpu") for path in (folder(kind), tmp_path / "out")]
    found = [aligner(PAIRS[:4])[0] for aligner in aligners]
    assert all(len(links.links) for links in found) and aligners[0].key != aligners[1].key
    rows = [aligner.encode([EN])[0] for aligner in aligners]
    assert not np.allclose(*rows, atol=1e-4) and np.allclose(*rows, atol=0.5)


def trainee(folder, *objectives, **settings):
    made = Trainee(folder, objectives, **{"layer": 3, "device": "cpu", **settings})
    return made, read_rows(PAIRS[:6], made)[0]


@pytest.mark.parametrize("kind", ENCODERS)
def test_the_head_for_hidden_places_only(folder, kind):
    made, rows = trainee(folder(kind), "mlm")
    loaded = made.load()
    inputs = padded([source.ids.tolist() for source, _ in rows], loaded.pad, "cpu")
    hidden = torch.rand(inputs["input_ids"].shape) < 0.3
    with torch.no_grad():
        torch.testing.assert_close(made.guesses(inputs, hidden), loaded.model(**inputs).logits[hidden])


@pytest.mark.parametrize("objective, upper", [("so", False), ("co", False), ("tlm", True), ("mlm", True)])
def test_gradients_flow(folder, objective, upper):
    made, rows = trainee(folder(), objective)
    model = made.load().model
    parts = list(losses(made, rows, 0.001, 0.5, torch.Generator().manual_seed(0)))
    assert [*map(list, parts)] == [[objective]] * {"tlm": 4, "mlm": 2}.get(objective, 1)
    sum(part[objective] for part in parts).backward()
    for k, layer in enumerate(model.bert.encoder.layer):
        grad = layer.output.dense.weight.grad
        assert grad is not None and grad.any() if k < 3 or upper else grad is None
    assert model.bert.embeddings.word_embeddings.weight.grad.any()


def test_links_are_found_without_dropout(folder, monkeypatch):
    made, rows = trainee(folder(), "so", "co")
    sides = list(zip(*rows))
    seen, real = [], objectives.agreement

    def agreement(forward, *more):
        seen.append((forward, made.load().model.training))
        return real(forward, *more)

    monkeypatch.setattr(objectives, "agreement", agreement)
    model = made.load().model.train()
    (part,) = losses(made, rows, 0.001, 0.15, torch.Generator())
    assert model.training and {*part} == {"so", "co"}
    ((forward, training),) = seen
    with torch.no_grad():
        source, target = (made.vectors(side) for side in sides)
        assert not torch.allclose(source, made.vectors(sides[0]))  # dropout
        model.eval()
        source, target = (made.vectors(side) for side in sides)
    m, n = (len(side[0].ids) - 2 for side in sides)
    wanted = (source[0, 1 : m + 1] @ target[0, 1 : n + 1].T).softmax(1)
    torch.testing.assert_close(forward[0, 1 : m + 1, 1 : n + 1], wanted)
    assert not training and not forward.requires_grad


def test_what_tlm_hides(folder, monkeypatch):
    """Both orders, and in each the sub-words of one side at a time. Special ones are never hidden."""
    made, rows = trainee(folder(), "tlm")
    asked = []

    def guesses(inputs, hidden):
        asked.append((inputs["input_ids"], hidden))
        return torch.zeros(int(hidden.sum()), 200)

    monkeypatch.setattr(made, "guesses", guesses)
    found = list(losses(made, rows, 0.001, 1.0, torch.Generator().manual_seed(0)))
    assert all(part["tlm"] == pytest.approx(math.log(200)) for part in found)
    for (ids, hidden), (first, side) in zip(asked, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
        for row, places, both in zip(ids, hidden, rows):
            text = [both[first], both[1 - first]]
            own = np.concatenate([(x.words >= 0) & (x is both[side]) for x in text])
            assert places[: len(own)].tolist() == own.tolist() and not places[len(own) :].any()
            whole = np.concatenate([x.ids for x in text])
            assert row[: len(own)][~own].tolist() == whole[~own].tolist()


def test_batches():
    lengths = [20, 90, 30, 30, 16, 70, 20, 20, 50, 400]
    settings = TuningSettings(batch_tokens=100)
    stream = batches(lengths, settings, 0)
    some = [next(stream) for _ in range(30)]
    n = next(k for k in range(1, 30) if sum(map(len, some[:k])) == len(lengths))
    for start in (0, n):
        assert sorted(i for batch in some[start : start + n] for i in batch) == [*range(10)]
    assert some[:n] != some[n : 2 * n]
    assert all(len(b) == 1 or len(b) * max(lengths[i] for i in b) <= 100 for b in some)
    for start in (1, n - 1, n, 2 * n + 1):
        stream = batches(lengths, settings, start)
        assert [next(stream) for _ in range(5)] == some[start : start + 5]
    assert next(batches(lengths, replace(settings, seed=1), 0)) != some[0]


def test_once_through_the_text(folder, tmp_path):
    done = run(folder(), tmp_path / "out", steps=0, objectives=("so",))
    longest = 2 * 24  # sub-words of the longest sentence, both sides
    assert 1 < done.steps <= len(PAIRS) and done.steps >= len(PAIRS) * 10 / FAST.batch_tokens
    assert read_note(tmp_path / "out")["step"] == done.steps
    assert run(folder(), tmp_path / "one", steps=0, objectives=("so",), batch_tokens=longest * 100).steps == 1


def test_rate():
    settings = TuningSettings(lr=1.0, warmup=0.25)
    assert [settings.rate(step, 8) for step in range(8)] == pytest.approx([1 / 2, 1, *(k / 6 for k in range(6, 0, -1))])
    assert [replace(settings, warmup=0.0).rate(step, 2) for step in range(2)] == [1, 0.5]
    assert [replace(settings, warmup=1.0).rate(step, 2) for step in range(2)] == [0.5, 1]


def test_gradients_are_clipped_and_rates_kept(folder, tmp_path, monkeypatch):
    lengths, rates = [], []
    step = torch.optim.AdamW.step

    def stepped(self, *args):
        weights = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        lengths.append(float(torch.stack([g.norm() for g in weights]).norm()))
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", stepped)
    run(folder(), tmp_path / "out", objectives=("so", "tlm", "mlm"))
    assert max(lengths) <= CLIP + 1e-4 and max(lengths) > 0.9
    assert rates == [FAST.rate(step, 6) for step in range(6)]


def test_what_is_left_out(folder):
    made = Trainee(folder(), ("tlm",), device="cpu")
    long = pair("Ana " * 70, "Ana " * 70)  # each side can be read, but not both at once
    given = [PAIRS[0], long, pair("Ana " * 150, "Ana"), pair((" ",), "Ana"), pair("Ana", ())]
    rows, left_out, text = read_rows(given, made)
    assert len(rows) == 1 and left_out == {"empty": 2, "long": 2}
    assert read_rows(given[:1], made)[2] == text != read_rows(PAIRS[1:2], made)[2]
    row = rows[0][0]
    assert row.words.tolist() == [-1, *made.read(PAIRS[0].source).words, -1]
    assert row.ids.tolist() == list(made.read(PAIRS[0].source).inputs[0])
    assert read_rows([long], Trainee(folder(), ("so",), layer=3, device="cpu"))[1] == {}
    with pytest.raises(XprojError, match=r"no sentence pair that can be used \(1 too long for the model, 0 with"):
        read_rows([long], made)


def test_models_without_a_head(folder, tmp_path):
    plain = tmp_path / "plain"
    shutil.copytree(folder(), plain)
    AutoModel.from_pretrained(plain, add_pooling_layer=False).save_pretrained(plain)
    run(plain, tmp_path / "out", objectives=("so",), steps=1)
    for objective in ("tlm", "mlm"):
        for path in (plain, folder("nllb"), folder("t5")):
            with pytest.raises(XprojError, match=f"objective '{objective}' needs a model .*the objective 'so' alone"):
                run(path, tmp_path / "more", objectives=("so", objective))
    change_config(plain, architectures=["BertForMaskedLM"])  # which it is not
    with pytest.raises(XprojError, match="is not whole: its weights lack cls"):
        run(plain, tmp_path / "more", objectives=("so",))
    no_mask = tmp_path / "no_mask"
    shutil.copytree(folder(), no_mask)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        saved = json.loads((no_mask / name).read_text())
        saved["mask_token"] = None
        (no_mask / name).write_text(json.dumps(saved))
    with pytest.raises(XprojError, match="there is no mask"):
        run(no_mask, tmp_path / "more")
    assert not (tmp_path / "more").exists()


def test_what_cannot_be_used(folder, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    shutil.copytree(folder(), tmp_path / "broken")
    change_config(tmp_path / "broken", num_hidden_layers=2)
    before = contents(tmp_path)
    for model, out, changes, message in (
        (folder(), "full", {}, "not written by xproj"),
        (folder(), "file", {}, "not written by xproj"),
        (folder(), "out", {"pairs": []}, "there is no sentence pair"),
        (folder(), "out", {"lr": 1e30, "warmup": 0.0}, "Lower lr"),
        (folder(), "out", {"layer": 5}, "has 4 layers, and layer is 5"),
        (tmp_path / "nothing", "out", {}, "no such folder"),
        (tmp_path / "broken", "out", {}, "has 2 layers"),
        (tmp_path / "full", "out", {}, "config.json"),
    ):
        with pytest.raises(XprojError, match=message):
            run(model, tmp_path / out, **changes)
    assert not (tmp_path / "out").exists()
    shutil.rmtree(tmp_path / "out.checkpoint", ignore_errors=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"objectives": ()},
        {"objectives": ("so", "so")},
        {"objectives": ("psi",)},
        *({name: -1} for name in ("steps", "layer", "threshold", "lr", "warmup", "batch_tokens", "mask", "seed")),
        {"max_length": -1},
        {"every": 0},
        {"lr": math.nan},
    ],
)
def test_settings(changes):
    with pytest.raises(
        XprojError, match="expected objectives" if "objectives" in changes else f"{next(iter(changes))} must be"
    ):
        TuningSettings(**changes)
