"""An encoder of Hugging Face that gives each word of a sentence a vector in its context."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

import numpy as np

from ..compat import require
from ..errors import InputError, XprojError, check_at_least
from .folder import EXTRA, LOCAL, loading
from .subwords import Ids, Loaded, SubwordModel, ready

if TYPE_CHECKING:
    from torch import Tensor

LAYERS = ("encoder_layers", "num_layers", "num_hidden_layers", "n_layers")  # as configs call them
NORMS = ("layer_norm", "final_layer_norm", "final_norm")  # after the last layer, in encoders that have such a thing
Sentence = tuple[str, ...]


class Side(NamedTuple):
    """One side of a sentence pair.

    vectors (float32 tensor (m, dim)): The vectors of its sub-words, one at least.
    words (int array (m,)): The word that each is of, ascending.
    """

    vectors: "Tensor"
    words: np.ndarray


class Subwords(NamedTuple):
    """A sentence as sub-words.

    words (int array (n,)): The word that each is of, ascending. Words of white space have none, others rarely.
    inputs (list of tuple of int): The ids of each window, with the special ones.
    places (list of (int, int, int)): What to put together: a window, and the half-open range of positions in it.
    """

    words: np.ndarray
    inputs: list[Ids]
    places: list[tuple[int, int, int]]


class Encoder(SubwordModel):
    """The lower layers of an encoder, loaded at first use. Of a sequence-to-sequence model it is the encoder.

    A sentence goes in as it is, without padding that it could see. One that is too long is read in windows, and each
    sub-word's vector is that of the window where it has most context; nothing is cut off.

    layer (int): The layer whose output is taken, counted from 1. Those above it are not loaded.
    dtype (str): "float32", "float16", "bfloat16", or "int8": the linear layers in 8 bits, on the CPU only.
    The other arguments are those of `SubwordModel`.
    RAISES (XprojError): If a setting is out of range, or the folder is not that of an encoder that has these layers.
    """

    dtypes = ("float32", "float16", "bfloat16", "int8")
    outputs_per_subword = 1  # vectors of the model's hidden size that `hidden` puts side by side

    def __init__(
        self,
        model: Union[str, Path] = "",
        layer: int = 8,
        device: str = "auto",
        dtype: str = "float32",
        batch_tokens: int = 2048,
        max_length: int = 0,
        overlap: int = 128,
        download: bool = False,
    ):
        check_at_least(self.who, 1, layer=layer)
        if dtype == "int8" and device not in ("auto", "cpu"):
            raise XprojError(f"{self.who}: the dtype 'int8' is for the CPU only, and the device is {device!r}.")
        self.layer = layer
        device = "cpu" if dtype == "int8" else device
        super().__init__(model, device, dtype, batch_tokens, max_length, overlap, download)

    def check(self, folder: Path) -> dict[str, Any]:
        config = super().check(folder)
        count = layers_of(config)
        if count is not None and count < self.layer:
            raise InputError(
                folder / "config.json",
                f"{self.who}: the model has {count} layers, and layer is {self.layer}. Set it to {count} at most.",
            )
        return config

    def share_key(self) -> tuple[Any, ...]:
        return "encoder", self.hash, self.layer, self.dtype

    @property
    def settings(self) -> list[Any]:
        """The hash of the model's files, and the settings that change the vectors (list)."""
        return [self.hash, self.layer, self.dtype, self.max_length, self.overlap]

    def encode(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """The vectors of words, each the mean of the vectors of its sub-words.

        sentences (sequence of sequences of str): The words of each sentence. Equal sentences are encoded once.
        RETURNS (list of float32 array (words, dim)): For each sentence. A word without a sub-word, such as one of
            white space, has a vector of zeros.
        RAISES (XprojError): If the model or its device is not to be had.
        """
        distinct = list(dict.fromkeys(map(tuple, sentences)))
        found: dict[Sentence, np.ndarray] = {}
        for words, side in zip(distinct, self.sides([self.read(words) for words in distinct])):
            rows = np.zeros((len(words), side.vectors.shape[1]), "f4")
            if len(side.words):
                means = mean_of_words(side)
                rows[means.words] = means.vectors.cpu().numpy()
            found[words] = rows
        return [found[tuple(words)] for words in sentences]

    def read(self, words: Sequence[str]) -> Subwords:
        """Cut words into sub-words.

        words (sequence of str): The words of a sentence.
        RETURNS (Subwords): Its sub-words.
        """
        shown = [i for i, word in enumerate(words) if word and not word.isspace()]
        found = self.cut([words[i] for i in shown])
        places = []
        for k in range(len(found.inputs)):
            at = found.position[found.window == k]  # consecutive ones
            if len(at):
                places.append((k, int(at[0]), int(at[-1]) + 1))
        return Subwords(np.array(shown, "i8")[found.words], found.inputs, places)

    def sides(self, sentences: Sequence[Subwords]) -> list[Side]:
        """The vectors of sub-words, on the device.

        sentences (sequence of Subwords): From `read`. Their order makes no difference at all.
        RETURNS (list of Side): For each sentence, in float32.
        RAISES (XprojError): If memory is not enough, or the model gives values that are not numbers.
        """
        import torch

        loaded: Loaded = self.load()
        inputs = {ids for sentence in sentences for ids in sentence.inputs}
        found = self.outputs(inputs, lambda output: self.hidden(output).float())
        dim = loaded.model.config.hidden_size * self.outputs_per_subword
        nothing = torch.zeros(0, dim, device=loaded.model.device)
        return [
            Side(torch.cat([found[s.inputs[k]][a:b] for k, a, b in s.places]) if s.places else nothing, s.words)
            for s in sentences
        ]

    def hidden(self, output: Any) -> "Tensor":
        """Take the vectors of sub-words from the model's output.

        output (BaseModelOutput): The output for a batch.
        RETURNS (float tensor (inputs, sub-words, dim)): The vectors.
        """
        return output.last_hidden_state

    def make(self, folder: Path, device: str) -> Loaded:
        torch = require("torch", self.who, EXTRA)
        transformers = require("transformers", self.who, EXTRA)
        dtype = torch.float32 if self.dtype == "int8" else getattr(torch, self.dtype)
        with loading(self.who, folder, f"{device!r} as {self.dtype}"):
            tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), use_fast=True, **LOCAL)
            config = transformers.AutoConfig.from_pretrained(str(folder), **LOCAL)
            shortened = self.layer < (layers_of(config.to_dict()) or 0)
            keep_layers(config, self.layer)
            model, info = transformers.AutoModel.from_pretrained(
                str(folder), config=config, torch_dtype=dtype, use_safetensors=True, output_loading_info=True, **LOCAL
            )
            model = encoder_of(model, shortened).to(device).eval()
            if self.dtype == "int8":
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of what torch plans to rename
                    torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8, inplace=True)
        missing = sorted(key for key in info["missing_keys"] if "pooler" not in key)
        if missing:
            raise InputError(folder, f"{self.who}: the model lacks {len(missing)} weights, such as {missing[0]}.")
        return ready(model, tokenizer, folder, self.who)


def mean_of_words(side: Side) -> Side:
    """One vector for each word that has a sub-word: the mean of its sub-words' vectors."""
    import torch

    words, counts = np.unique(side.words, return_counts=True)
    # Not index_add_, which adds in an order of its own on a GPU.
    means = torch.segment_reduce(
        side.vectors, "mean", lengths=torch.from_numpy(counts.astype("i8")).to(side.vectors.device)
    )
    return Side(means, words)


def layers_of(config: dict[str, Any]) -> Optional[int]:
    """How many layers an encoder has.

    config (dict): Its config.json.
    RETURNS (Optional[int]): None if it is not said there.
    """
    return next((config[name] for name in LAYERS if isinstance(config.get(name), int)), None)


def keep_layers(config: Any, layer: int) -> None:
    """Have a model made with its first layers only, and with one layer of its decoder, the least it can have.

    config (PretrainedConfig): Its config, which is changed.
    layer (int): How many layers.
    """
    config.num_hidden_layers = layer
    if hasattr(config, "encoder_layers"):
        config.encoder_layers = layer
    for name in ("decoder_layers", "num_decoder_layers"):
        if hasattr(config, name):
            setattr(config, name, 1)


def encoder_of(model: Any, cut: bool) -> Any:
    """The encoder of a model.

    model (PreTrainedModel): The model, which is changed.
    cut (bool): Whether layers were left out. Then what normalizes the output of the last layer goes as well.
    RETURNS (PreTrainedModel): The encoder.
    """
    import torch

    if model.config.is_encoder_decoder:
        model = model.get_encoder()
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # nobody asks for it
    for name in NORMS:
        if cut and isinstance(getattr(model, name, None), torch.nn.Module):
            setattr(model, name, torch.nn.Identity())
    if cut and model.config.model_type == "xlm-roberta-xl":
        model.encoder.LayerNorm = torch.nn.Identity()
    return model
