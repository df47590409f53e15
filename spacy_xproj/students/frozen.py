"""`spacy_xproj.FrozenEncoder.v1`: an encoder that training leaves as it is, as the embedding layer of a tok2vec."""

import os
import shutil
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Optional

import numpy as np
import srsly
from spacy.tokens import Doc
from thinc.api import Maxout, Model, Shim, chain, with_array
from thinc.types import Floats2d

from ..errors import XprojError
from ..models.folder import model_files
from ..models.layered import LayeredEncoder

NAME = LayeredEncoder.who
LAYERS = (0, 4, 8, 12)
FORMAT = 1
LEAST = 0.01  # added to standard deviations, which the vectors are divided by


def make_frozen_encoder(
    model: str,
    width: int,
    layers: Sequence[int] = LAYERS,
    cache: str = "",
    device: str = "auto",
    dtype: str = "float32",
    batch_tokens: int = 2048,
    download: bool = False,
) -> Model[list[Doc], list[Floats2d]]:
    """Embed words by an encoder of Hugging Face whose weights stay as they are.

    A word is the mean of its sub-words in each of several layers, side by side, in half precision, centered and scaled
    by the texts that the pipeline is initialized with. A trained layer (maxout) brings that to `width`. For the setting
    `embed` of `spacy.Tok2Vec.v2`.

    The encoder runs once for each text in a training: its vectors are kept. So a training costs one pass over the text,
    and holds no gradients of the encoder. A pipeline that was loaded keeps nothing until it is trained further.

    The encoder is part of the model: it is loaded from its folder when the pipeline is initialized, and saved and
    loaded with the pipeline then.

    model (str): The folder of the encoder, with its tokenizer and weights in safetensors.
    width (int): Length of the vectors that come out.
    layers (sequence of int): The layers whose outputs are taken, ascending; 0: the embeddings. Layers above the last
        one do not run.
    cache (str): A file that keeps the vectors for further trainings. "": keep them in memory until the process ends.
    device (str): "cpu", "cuda", "cuda:1" ..., or "auto": a GPU if there is one.
    dtype (str): "float32", "float16", "bfloat16", or "int8", which is for the CPU only.
    batch_tokens (int): Number of sub-words to run at once at most, with the padding.
    download (bool): Take a `model` that is not a folder for a name on the Hugging Face Hub, and fetch it.
    RETURNS (Model[list of Doc, list of float32 array (tokens, width)]): The layer.
    RAISES (XprojError): When it is initialized, if a setting is out of range, or the folder is not that of an encoder.
    """
    settings = {"device": device, "dtype": dtype, "batch_tokens": batch_tokens}
    shim = EncoderShim(lambda folder: LayeredEncoder(folder, layers, cache, download=download, **settings))
    parameters: dict[str, Any] = {"center": None, "scale": None}
    frozen: Model[list[Doc], list[Floats2d]] = Model(
        "frozen_encoder", forward, init=partial(initialize, model=model), params=parameters, shims=[shim]
    )
    return chain(frozen, with_array(Maxout(nO=width, nP=3, dropout=0.0, normalize=True)))


def initialize(frozen: Model, X: Optional[list[Doc]] = None, Y: Any = None, *, model: str) -> None:
    """Load the encoder, and measure the vectors of some texts: many dimensions lie far from 0, a few very far."""
    shim = shim_of(frozen)
    shim.start(model)
    if X and not frozen.has_param("center"):
        rows = np.concatenate(shim.vectors(X, is_train=False)).astype("f4")
        rows = rows[rows.any(axis=1)]
        if len(rows):
            frozen.set_param("center", frozen.ops.asarray1f(rows.mean(axis=0)))
            frozen.set_param("scale", frozen.ops.asarray1f(1 / (rows.std(axis=0) + LEAST)))


def forward(frozen: Model, docs: list[Doc], is_train: bool) -> tuple[list[Floats2d], Callable]:
    ops: Any = frozen.ops
    vectors = [ops.asarray2f(rows.astype("f4")) for rows in shim_of(frozen).vectors(docs, is_train)]
    if frozen.has_param("center"):
        center, scale = frozen.get_param("center"), frozen.get_param("scale")
        vectors = [(rows - center) * scale for rows in vectors]
    return vectors, lambda gradient: []


def shim_of(frozen: Model) -> "EncoderShim":
    (shim,) = frozen.shims
    assert isinstance(shim, EncoderShim)
    return shim


class EncoderShim(Shim):
    """Holds the encoder of a layer, and saves it with the layer.

    make: Takes a folder, and gives its encoder.
    """

    def __init__(self, make: Callable[[str], LayeredEncoder]):
        super().__init__(None)
        self.make = make
        self.training = False

    def start(self, model: str) -> None:
        """Take the encoder in a folder, unless there is one already, and keep vectors from now on."""
        self._model = self._model or self.make(model)
        self.training = True

    def vectors(self, docs: Sequence[Doc], is_train: bool) -> list[np.ndarray]:
        """The vectors of words, kept while the pipeline is trained. See `LayeredEncoder.vectors`."""
        if self._model is None:
            raise XprojError(f"{NAME} has no encoder yet. Initialize the pipeline, or load one that was trained.")
        self.training = self.training or is_train
        return self._model.vectors([[token.text for token in doc] for doc in docs], self.training)

    def finish_update(self, optimizer: Any) -> None:
        """Do nothing: no weights change."""

    def to_device(self, device_type: str, device_id: int) -> None:
        """Do nothing: the setting `device` says where the encoder is."""

    def copy(self) -> "EncoderShim":
        """Share the encoder, which never changes."""
        made = EncoderShim(self.make)
        made._model, made.training = self._model, self.training
        return made

    def to_bytes(self) -> bytes:
        """All files of the encoder, as msgpack."""
        files = model_files(self._model.folder) if self._model else []
        return srsly.msgpack_dumps({"format": FORMAT, "files": {path.name: path.read_bytes() for path in files}})

    def from_bytes(self, data: bytes) -> "EncoderShim":
        """Take the encoder that `to_bytes` gave. Its files are unpacked for as long as it is used.

        RAISES (XprojError): If another version of this package wrote it.
        """
        found = srsly.msgpack_loads(data)
        if found.get("format") != FORMAT:
            raise XprojError(f"{NAME}: expected an encoder of format {FORMAT}, got {found.get('format')!r}.")
        if found["files"]:
            folder = mkdtemp(prefix="xproj-encoder-")
            for name, content in found["files"].items():
                (Path(folder) / name).write_bytes(content)
            self._model = self.make(folder)
            weakref.finalize(self._model, remove, folder, os.getpid())
        return self


def remove(folder: str, process: int) -> None:
    """Remove the files of an encoder, in the process that unpacked them: those forked from it use them, too."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
