"""A whole model that is to be tuned, the text as it reads it, and its losses on a batch of that. See `tuning`."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Union

import numpy as np

from ..bitext import SentencePair
from ..compat import require
from ..errors import InputError, XprojError
from ..models.batches import padded
from ..models.encoder import Encoder
from ..models.folder import EXTRA, LOCAL, loading
from ..models.subwords import Loaded
from . import objectives

if TYPE_CHECKING:
    from torch import Generator, Tensor

WHO = "xproj tune"
ALIGNING = ("so", "co")  # objectives about one layer's vectors
HIDING = ("tlm", "mlm")  # objectives that need a head which finds hidden sub-words
HEADS = ("cls", "lm_head")  # as models call it


class Row(NamedTuple):
    """A sentence as the model reads it.

    ids (int32 array (n,)): Its sub-words, with the special ones.
    words (int32 array (n,)): The word of each; -1: special.
    """

    ids: np.ndarray
    words: np.ndarray


Pair = tuple[Row, Row]


class Trainee(Encoder):
    """A whole model, with all its layers and its head. It reads text as an `Encoder` does.

    model (str or Path): Its folder.
    learns (sequence of str): Its objectives.
    seed (int): Of weights that some models have and no file holds.
    layer, device, max_length: Those of `Encoder`. `layer` is for the objectives "so" and "co" alone.
    RAISES (XprojError): If the model is not one for these objectives.
    """

    who = WHO

    def __init__(
        self,
        model: Union[str, Path],
        learns: Sequence[str],
        layer: int = 8,
        device: str = "auto",
        max_length: int = 0,
        seed: int = 0,
    ):
        self.learns = learns
        self.seed = seed
        layer = layer if {*ALIGNING} & {*learns} else 1
        super().__init__(model, layer=layer, device=device, max_length=max_length)

    def share_key(self) -> tuple[Any, ...]:
        return ()  # it is trained

    def make(self, folder: Path, device: str) -> Loaded:
        torch = require("torch", WHO, EXTRA)
        transformers = require("transformers", WHO, EXTRA)
        with torch.random.fork_rng(devices=[]):  # loading draws weights that are not used
            loaded: Loaded = super().make(folder, "cpu")  # for its tokenizer
        config = transformers.AutoConfig.from_pretrained(str(folder), **LOCAL)
        self.mask_id = transformers.AutoTokenizer.from_pretrained(str(folder), **LOCAL).mask_token_id
        head = next((name for name in self.learns if name in HIDING), None)
        refusal = (
            f"{WHO}: the objective {head!r} needs a model that was trained to find hidden sub-words, with its head "
            "and a mask in its tokenizer, and this one has none ({}). Give such a model, or the objective 'so' alone, "
            "which any encoder can have."
        )
        kind = getattr(transformers, (config.architectures or [""])[0], transformers.AutoModel)
        if head:
            kind = transformers.AutoModelForMaskedLM
            if type(config) not in transformers.MODEL_FOR_MASKED_LM_MAPPING or config.is_encoder_decoder:
                raise InputError(folder, refusal.format(f"it is of the type {config.model_type!r}"))
            if self.mask_id is None:
                raise InputError(folder, refusal.format("there is no mask"))
        with loading(WHO, folder, repr(device)), torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model, info = kind.from_pretrained(
                str(folder), torch_dtype=torch.float32, use_safetensors=True, output_loading_info=True, **LOCAL
            )
            model = model.to(device)
        missing = sorted(key for key in info["missing_keys"] if "pooler" not in key)
        if missing:
            message = refusal if head else f"{WHO}: the model is not whole: {{}}."
            raise InputError(folder, message.format(f"its weights lack {missing[0]}"))
        return loaded._replace(model=model)

    def vectors(self, rows: Sequence["Row"]) -> "Tensor":
        """What `layer` gives for each sub-word.

        rows (sequence of Row): Sentences.
        RETURNS (float tensor (rows, longest, dim)): The vectors.
        """
        loaded: Loaded = self.load()
        model = loaded.model
        encoder = model.get_encoder() if model.config.is_encoder_decoder else model.base_model
        inputs = padded([row.ids.tolist() for row in rows], loaded.pad, model.device)
        return encoder(**inputs, output_hidden_states=True).hidden_states[self.layer]

    def guesses(self, inputs: dict[str, "Tensor"], hidden: "Tensor") -> "Tensor":
        """Scores of all sub-words for the hidden places. Where the head can be told, only these go through it.

        inputs (dict of str to tensor): The model's.
        hidden (bool tensor (rows, n)): The places.
        RETURNS (float tensor (places, vocabulary)): The scores, before softmax.
        """
        model = self.load().model
        head = next((getattr(model, name) for name in HEADS if hasattr(model, name)), None)
        if head is None:
            return model(**inputs).logits[hidden]
        return head(model.base_model(**inputs).last_hidden_state[hidden])

    def row(self, words: Sequence[str]) -> Union[Row, str]:
        """A sentence as the model reads it, or why it cannot: "empty" or "long"."""
        found = self.read(words)
        if len(found.inputs) != 1:
            return "long" if found.inputs else "empty"
        (_, start, end), ids = found.places[0], np.array(found.inputs[0], "i4")
        row = Row(ids, np.full(len(ids), -1, "i4"))
        row.words[start:end] = found.words
        return row


def read_rows(pairs: Iterable[SentencePair], trainee: Trainee) -> tuple[list[Pair], dict[str, int], str]:
    """Cut parallel text into sub-words.

    pairs (iterable of SentencePair): The text.
    trainee (Trainee): Whose sub-words.
    RETURNS (list of pairs of Row, dict, str): The pairs that can be used, how many cannot by reason, and a hash.
    RAISES (XprojError): If none can be used.
    """
    longest = trainee.load().max_length if "tlm" in trainee.learns else 0
    rows, left_out, digest = [], Counter[str](), hashlib.sha256()
    for pair in pairs:
        source, target = trainee.row(pair.source), trainee.row(pair.target)
        if isinstance(source, str) or isinstance(target, str):
            left_out[source if isinstance(source, str) else str(target)] += 1
        elif longest and len(source.ids) + len(target.ids) > longest:
            left_out["long"] += 1
        else:
            rows.append((source, target))
            for array in (*source, *target):
                digest.update(len(array).to_bytes(4, "little") + array.tobytes())
    if not rows:
        raise XprojError(
            f"{WHO}: expected parallel text, but there is no sentence pair that can be used ({left_out['long']} too "
            f"long for the model, {left_out['empty']} with an empty side)."
        )
    return rows, dict(sorted(left_out.items())), digest.hexdigest()


def losses(
    trainee: Trainee, pairs: Sequence[Pair], threshold: float, share: float, generator: "Generator"
) -> Iterator[dict[str, "Tensor"]]:
    """The losses on a batch, by objective. To have only one part in memory at a time, take the gradients of what came
    before asking for more.

    trainee (Trainee): What learns.
    pairs (sequence of pairs of Row): The batch.
    threshold (float): See `objectives.agreement`.
    share (float): Of the sub-words that are hidden.
    generator (torch.Generator): Where they are drawn, on the CPU. (Dropout draws elsewhere.)
    YIELDS (dict of str to float tensor ()): What belongs together.
    """
    if {*ALIGNING} & {*trainee.learns}:
        yield dict(_aligning(trainee, pairs, threshold))
    for name, inputs in (("tlm", _both), ("mlm", _one)):
        for rows in inputs(pairs) if name in trainee.learns else ():
            loss = _hiding(trainee, rows, share, generator)
            if loss is not None:
                yield {name: loss}


def _aligning(trainee: Trainee, pairs: Sequence[Pair], threshold: float) -> Iterator[tuple[str, "Tensor"]]:
    import torch

    model = trainee.load().model
    words = [_stack([row.words for row in side], -1).to(model.device) for side in zip(*pairs)]
    real = (words[0] >= 0)[:, :, None], (words[1] >= 0)[:, None, :]

    def both() -> tuple["Tensor", "Tensor"]:
        source, target = (trainee.vectors(side) for side in zip(*pairs))
        return objectives.directions(source @ target.transpose(1, 2), *real)

    links = None
    if "so" in trainee.learns:
        model.eval()
        with torch.no_grad():
            links = objectives.agreement(*both(), words[0], words[1], threshold)
        model.train()
    forward, reverse = both()
    if links is not None:
        yield "so", objectives.self_training(forward, reverse, links, *real)
    if "co" in trainee.learns:
        yield "co", objectives.consistency(forward, reverse, *real)


Hidable = list[tuple[np.ndarray, np.ndarray]]  # the sub-words of each row, and which of them can be hidden


def _one(pairs: Sequence[Pair]) -> Iterator[Hidable]:
    for side in zip(*pairs):
        yield [(row.ids, row.words >= 0) for row in side]


def _both(pairs: Sequence[Pair]) -> Iterator[Hidable]:
    """In either order, with sub-words of either side hidden, while all of the other side can be seen."""
    for first in (0, 1):
        for hidden in (0, 1):
            yield [
                (
                    np.concatenate([pair[side].ids for side in (first, 1 - first)]),
                    np.concatenate([(pair[side].words >= 0) & (side == hidden) for side in (first, 1 - first)]),
                )
                for pair in pairs
            ]


def _hiding(trainee: Trainee, rows: Hidable, share: float, generator: "Generator") -> Any:
    """The loss, or None where nothing was hidden."""
    loaded: Loaded = trainee.load()
    inputs = padded([ids.tolist() for ids, _ in rows], loaded.pad, "cpu")
    allowed = _stack([hidable for _, hidable in rows], False)
    seen, labels = objectives.mask(
        inputs["input_ids"], allowed, share, trainee.mask_id, loaded.tokenizer.get_vocab_size(), generator
    )
    inputs, labels = {**inputs, "input_ids": seen}, labels.to(loaded.model.device)
    hidden = labels != objectives.IGNORED
    if not bool(hidden.any()):
        return None
    logits = trainee.guesses({name: values.to(labels.device) for name, values in inputs.items()}, hidden)
    return objectives.found_again(logits, labels)


def _stack(rows: Sequence[np.ndarray], fill: Union[int, bool]) -> "Tensor":
    import torch

    return torch.nn.utils.rnn.pad_sequence([torch.from_numpy(row) for row in rows], True, fill)
