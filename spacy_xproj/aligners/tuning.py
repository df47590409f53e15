"""Tuning an encoder on parallel text without labels, as AWESoME does (Dou and Neubig 2021, "Fine-tuning Contextual
Embeddings for Word Alignment"). What comes out is a model for `spacy_xproj.Embedding.v1`."""

import shutil
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

import numpy as np

from ..bitext import SentencePair
from ..compat import require
from ..errors import Stopped, XprojError, check_above_zero, check_at_least, check_below_one, check_share
from ..files import check_locks, check_replaceable, is_intact, read_note, replacing_folder
from ..keys import Key, finished, run_key, warn_of_changes
from ..models.batches import token_batches
from ..models.folder import EXTRA, model_files
from ..progress import steps as told
from ..progress import tell
from .trainee import ALIGNING, HIDING, WHO, Pair, Trainee, losses, read_rows

OBJECTIVES = (*ALIGNING, *HIDING)
CLIP = 1.0  # the longest gradient


@dataclass(frozen=True)
class TuningSettings:
    """How to tune. All of it changes the result.

    objectives (tuple of str): Out of "so" (self-training: the links that both directions agree on are to be more
        probable), "co" (consistency: both directions are to agree; more links, some of them wrong), "tlm" (sub-words
        hidden in one sentence of a pair are to be found from both, in either order) and "mlm" (from the sentence
        itself). Their gradients are summed.
    steps (int): How many batches. 0: once through the text.
    layer (int): The layer that "so" and "co" are about, counted from 1: that of `Embedding.v1`.
    threshold (float): Both directions agree on a link where both probabilities are above this.
    lr (float): The highest learning rate of AdamW.
    warmup (float): The share of the steps in which it rises from 0. Then it falls to 0. Both are linear.
    batch_tokens (int): Largest number of sub-words in a batch, both sides together, padding included.
    max_length (int): Longest sentence in sub-words, with the special ones. 0: what the model can read. With "tlm" it
        must be able to read both at once. Pairs that are longer are left out.
    mask (float): The share of sub-words that are hidden.
    seed (int): Of the order of the text and of all chance.
    every (int): Number of steps between two checkpoints; each also notes the mean losses.
    RAISES (XprojError): If one of them is out of range.
    """

    objectives: tuple[str, ...] = ("so", "tlm")
    steps: int = 0
    layer: int = 8
    threshold: float = 0.001
    lr: float = 2e-5
    warmup: float = 0.1
    batch_tokens: int = 1024
    max_length: int = 0
    mask: float = 0.15
    seed: int = 0
    every: int = 500

    def __post_init__(self) -> None:
        unknown = [name for name in self.objectives if name not in OBJECTIVES]
        if unknown or not self.objectives or len(set(self.objectives)) < len(self.objectives):
            raise XprojError(
                f"{WHO}: expected objectives out of {', '.join(OBJECTIVES)}, each once, got {list(self.objectives)}."
            )
        check_at_least(WHO, 0, steps=self.steps, max_length=self.max_length, seed=self.seed)
        check_at_least(WHO, 1, layer=self.layer, batch_tokens=self.batch_tokens, every=self.every)
        check_below_one(WHO, threshold=self.threshold)
        check_above_zero(WHO, lr=self.lr, mask=self.mask)
        check_share(WHO, warmup=self.warmup, mask=self.mask)

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0."""
        rise = round(self.warmup * steps)
        return self.lr * ((step + 1) / rise if step < rise else (steps - step) / max(steps - rise, 1))


class Tuned(NamedTuple):
    """What came of tuning.

    new (bool): False if it had been done before.
    steps (int), pairs (int): How many batches, and how many sentence pairs there are.
    left_out (dict[str, int]): How many pairs were not used, by reason: "long", "empty".
    history (list of dict): The mean loss of each objective since the entry before, with the `step` it was noted at.
    """

    new: bool
    steps: int
    pairs: int
    left_out: dict[str, int]
    history: list[dict[str, float]]


def tune(
    pairs: Iterable[SentencePair],
    out: Union[str, Path],
    model: Union[str, Path],
    settings: TuningSettings = TuningSettings(),
    *,
    device: str = "auto",
) -> Tuned:
    """Tune a model, or go on from the last checkpoint of an earlier call with the same text, model and settings. On the
    CPU the result is the same to the bit, stopped or not. What was finished before is not done again. What was made
    from something else is made anew, with a warning: checkpoints at once, a finished model once the new one is whole.

    pairs (iterable of SentencePair): The parallel text.
    out (str or Path): The folder to write: a whole model with its tokenizer. Until it is done there are checkpoints in
        `OUT.checkpoint`.
    model (str or Path): The folder of the model to begin with, which is not changed.
    settings (TuningSettings): How to tune.
    device (str): "cpu", "cuda", "cuda:1" ..., or "auto": a GPU if there is one.
    RETURNS (Tuned): How it went.
    RAISES (XprojError): If the model is not one for these objectives, no pair can be used, `out` holds something else,
        or a loss is not a number.
    RAISES (Stopped): On an interrupt. The same call goes on from the last checkpoint.
    """
    torch = require("torch", WHO, EXTRA)
    out, checkpoints = Path(out), Path(f"{out}.checkpoint")
    check_replaceable(out)
    trainee = Trainee(model, settings.objectives, settings.layer, device, settings.max_length, settings.seed)
    rows, left_out, text = read_rows(told(pairs, "reading"), trainee)
    lengths = [2 * max(len(side.ids) for side in pair) for pair in rows]
    steps = settings.steps or len(token_batches(lengths, settings.batch_tokens))
    key = run_key({}, {**asdict(settings), "objectives": sorted(settings.objectives)})
    key |= {"model": trainee.hash, "text": text}
    if note := finished(out, key):
        remove_checkpoints(checkpoints)
        return Tuned(False, steps, len(rows), left_out, note["history"])
    run = Tuner(trainee, settings, steps, key)
    run.resume(checkpoints)
    place = run.model.device
    saved = run.step
    try:
        with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
            for batch in batches(lengths, settings, run.step):
                if run.step == steps:
                    break
                last = run.take([rows[i] for i in batch])
                tell("steps", run.step, steps, ", ".join(f"{name}={loss:.3f}" for name, loss in last.items()))
                if run.step % settings.every == 0 and run.step < steps:
                    run.save(checkpoints)
                    saved = run.step
    except KeyboardInterrupt:
        raise Stopped(f"goes on from step {saved + 1} of {steps}") from None
    run.finish(out)
    remove_checkpoints(checkpoints)
    return Tuned(True, steps, len(rows), left_out, run.history)


def batches(lengths: Sequence[int], settings: TuningSettings, start: int) -> Iterator[list[int]]:
    """The pairs of each step, from one on, for ever. Which they are follows from the seed and the step alone.

    lengths (sequence of int): What each pair counts.
    start (int): The first step, counted from 0.
    YIELDS (list of int): Indices of pairs.
    """
    # However equally long pairs are mixed, there are as many batches, of the same sizes.
    epoch, done = divmod(start, len(token_batches(lengths, settings.batch_tokens)))
    while True:
        rng = np.random.default_rng([settings.seed, epoch])
        mixed = rng.permutation(len(lengths))
        parts = token_batches([lengths[i] for i in mixed], settings.batch_tokens)
        for k in rng.permutation(len(parts))[done:]:
            yield [int(mixed[i]) for i in parts[k]]
        epoch, done = epoch + 1, 0


class Tuner:
    """A model that is being tuned.

    trainee (Trainee), settings (TuningSettings): What learns, and how.
    steps (int): How many steps there are in all.
    key (dict[str, str]): All that the result depends on.
    Attributes: `step` (int), those done; `history`, see `Tuned`.
    """

    def __init__(self, trainee: Trainee, settings: TuningSettings, steps: int, key: Key):
        import torch

        self.trainee, self.settings, self.steps, self.key = trainee, settings, steps, key
        self.model = trainee.load().model
        self.weights = dict(self.model.named_parameters())  # what two parts share is there once
        self.optimizer = torch.optim.AdamW(self.weights.values(), lr=settings.lr, weight_decay=0, foreach=False)
        self.step = 0
        self.history: list[dict[str, float]] = []
        self._since: dict[str, list[float]] = defaultdict(list)

    def take(self, batch: Sequence[Pair]) -> dict[str, float]:
        """Take a step.

        batch (sequence of pairs of Row): What to learn from.
        RETURNS (dict of str to float): The loss of each objective.
        RAISES (XprojError): If a loss or a gradient is not a number, or memory is not enough.
        """
        import torch

        seeds = np.random.SeedSequence([self.settings.seed, self.step]).generate_state(2).tolist()
        torch.manual_seed(seeds[0])
        generator = torch.Generator().manual_seed(seeds[1])
        self.model.train()
        self.optimizer.zero_grad()
        found: dict[str, list[float]] = defaultdict(list)
        try:
            for part in losses(self.trainee, batch, self.settings.threshold, self.settings.mask, generator):
                torch.stack([*part.values()]).sum().backward()
                for name, loss in part.items():
                    found[name].append(loss.item())
            length = float(torch.nn.utils.clip_grad_norm_(self.weights.values(), CLIP))
        except torch.cuda.OutOfMemoryError as err:
            raise XprojError(
                f"{WHO}: the GPU's memory is not enough. Lower batch_tokens (now {self.settings.batch_tokens})."
            ) from err
        means = {name: float(np.mean(values)) for name, values in found.items()}
        if not np.isfinite([length, *means.values()]).all():
            raise XprojError(
                f"{WHO}: at step {self.step + 1} a loss or its gradient is not a number ({means}). "
                f"Lower lr (now {self.settings.lr}), or raise warmup."
            )
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate(self.step, self.steps)
        self.optimizer.step()
        self.step += 1
        for name, mean in means.items():
            self._since[name].append(mean)
        return means

    def resume(self, folder: Path) -> None:
        """Go on from the last checkpoint, if there is one. Checkpoints that were made from something else are removed.

        folder (Path): Where they are.
        """
        from safetensors.torch import load_file

        found = sorted(folder.glob("step-*"))
        if not found:
            return
        note = read_note(found[-1])
        if note is None or not is_intact(found[-1], note["hash"]):
            warnings.warn(f"{found[-1]} is not as it was written. Tuning begins anew.", stacklevel=2)
            return remove_checkpoints(folder)
        if note["key"] != self.key:
            warn_of_changes(folder, note["key"], self.key)
            return remove_checkpoints(folder)
        self.step, self.history = note["step"], note["history"]
        for name, values in load_file(found[-1] / "weights.safetensors").items():
            self.weights[name].data.copy_(values)
        for name, values in load_file(found[-1] / "optimizer.safetensors").items():
            weight, _, kind = name.rpartition("/")
            at = self.weights[weight]
            self.optimizer.state[at][kind] = values if kind == "step" else values.to(at.device)

    def save(self, folder: Path) -> None:
        """Make a checkpoint, and remove those before it.

        folder (Path): Where they are.
        """
        from safetensors.torch import save_file

        place = folder / f"step-{self.step:09}"
        moments = {
            f"{name}/{kind}": values
            for name, weight in self.weights.items()
            for kind, values in self.optimizer.state.get(weight, {}).items()
        }
        with replacing_folder(place, **self._note()) as new:
            save_file({name: weight.detach() for name, weight in self.weights.items()}, new / "weights.safetensors")
            save_file(moments, new / "optimizer.safetensors")
        remove_checkpoints(folder, but=place)

    def finish(self, out: Path) -> None:
        """Write the whole model, with the tokenizer as it was.

        out (Path): The folder.
        """
        with replacing_folder(out, **self._note()) as new:
            for file in model_files(self.trainee.folder):
                if ".safetensors" not in file.name:
                    shutil.copyfile(file, new / file.name)
            self.model.eval().save_pretrained(new, safe_serialization=True)

    def _note(self) -> dict[str, Any]:
        means = {name: float(np.mean(values)) for name, values in self._since.items()}
        self._since.clear()
        self.history.append({"step": self.step, **means})
        return {"key": self.key, "step": self.step, "history": self.history}


def remove_checkpoints(folder: Path, but: Optional[Path] = None) -> None:
    """Remove the checkpoints in a folder, all or all but one, and the folder if nothing else is in it."""
    check_locks()
    for place in (*folder.glob("step-*"), *folder.glob(".step-*")):
        if place != but:
            shutil.rmtree(place)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
