"""A Hugging Face token classifier as a teacher: a distribution over its tags for each token of a Doc."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

import numpy as np

from ..compat import require
from ..errors import XprojError
from ..files import file_hash, text_hash
from ..model_folder import FilesOnly, copy_model
from ..translators.seq2seq import model_files, padded, running, token_batches
from .checkpoint import EXTRA, WHO, Loaded, find_folder, load, read_config, read_labels
from .tags import OUTSIDE
from .windows import most_context, windows

if TYPE_CHECKING:
    from spacy.tokens import Doc

DTYPES = ("float32", "float16", "bfloat16")
Ids = tuple[int, ...]


def make_token_classifier(
    model: str = "",
    device: str = "auto",
    dtype: str = "float32",
    batch_tokens: int = 4096,
    max_length: int = 0,
    overlap: int = 128,
    download: bool = False,
) -> "TokenClassifier":
    """Maker of `spacy_xproj.TokenClassifier.v1`: a Hugging Face token classifier, such as XLM-R-large trained on
    CoNLL-2003.

    model (str): The folder of the model, with its tokenizer and weights in safetensors. "": none yet (see `from_disk`).
    device (str): "cpu", "cuda", "cuda:1" ..., or "auto": a GPU if there is one.
    dtype (str): "float32", "float16" or "bfloat16".
    batch_tokens (int): So many sub-words at most go through the model at once, with the padding. Raise it on a GPU,
        lower it where memory is short.
    max_length (int): Longest input in sub-words, with the special ones. 0: what the model can read. Longer Docs are
        read in windows.
    overlap (int): So many sub-words two windows share at least, but at most half a window.
    download (bool): Take a `model` that is not a folder for a name on the Hugging Face Hub, and fetch it.
    RETURNS (TokenClassifier): The teacher.
    """
    return TokenClassifier(
        model,
        device=device,
        dtype=dtype,
        batch_tokens=batch_tokens,
        max_length=max_length,
        overlap=overlap,
        download=download,
    )


class Encoded(NamedTuple):
    """A Doc as sub-words.

    inputs (list of tuple of int): The ids of each window, with the special ones.
    tokens (int array (m,)): The Doc's tokens that have a sub-word.
    places (int array (m, 2)): Where each one's first sub-word is: the window, and the position in it.
    """

    inputs: list[Ids]
    tokens: np.ndarray
    places: np.ndarray


class TokenClassifier(FilesOnly):
    """A teacher by a Hugging Face model, which is loaded at first use.

    A token's distribution is the softmax at its first sub-word, as the models are trained (Devlin et al. 2019, section
    5.3). The model reads the whole Doc. One that is too long is read in windows, and each sub-word counts in the window
    where it has most context; nothing is cut off. Tokens of white space, which the models never saw, are not shown to
    it: they get the tag "O" with probability 1, and so does a token that has no sub-word.

    The arguments are those of `make_token_classifier`.
    RAISES (XprojError): If a setting is out of range, or the folder is not that of a token classifier.

    Attributes: `labels` (list of str), the model's tags in the order of the columns; empty without a model.
    """

    def __init__(
        self,
        model: Union[str, Path] = "",
        *,
        device: str = "auto",
        dtype: str = "float32",
        batch_tokens: int = 4096,
        max_length: int = 0,
        overlap: int = 128,
        download: bool = False,
    ):
        if not re.fullmatch("auto|cpu|mps|cuda(:[0-9]+)?", device):
            raise XprojError(f"{WHO}: expected the device 'auto', 'cpu', 'cuda' or such as 'cuda:1', got {device!r}.")
        if dtype not in DTYPES:
            raise XprojError(f"{WHO}: expected one of the dtypes {', '.join(map(repr, DTYPES))}, got {dtype!r}.")
        for name, value, least in (
            ("batch_tokens", batch_tokens, 1),
            ("max_length", max_length, 0),
            ("overlap", overlap, 0),
        ):
            if value < least:
                raise XprojError(f"{WHO}: {name} must be at least {least}, got {value}.")
        self.device = device
        self.dtype = dtype
        self.batch_tokens = batch_tokens
        self.max_length = max_length
        self.overlap = overlap
        self._use(find_folder(str(model), download) if str(model) else None)

    def _use(self, folder: Optional[Path]) -> None:
        self.labels = read_labels(folder) if folder else []
        self._folder = folder
        self._hash = ""
        self._loaded: Optional[Loaded] = None
        self._pid = os.getpid()

    @property
    def folder(self) -> Path:
        """The model's folder (Path)."""
        if self._folder is None:
            raise XprojError(f"{WHO} has no model. Set 'model' to the folder of one, or load it with from_disk.")
        return self._folder

    @property
    def key(self) -> str:
        """The content of the model's files and the settings that change the output, as a hash (str)."""
        if not self._hash:
            self._hash = text_hash("".join(f"{p.name}\0{file_hash(p)}\n" for p in model_files(self.folder)))
        settings = [self._hash, self.dtype, self.max_length, self.overlap]
        return f"{WHO}:{text_hash(json.dumps(settings))[:32]}"

    @property
    def provenance(self) -> str:
        """The kind of model and the start of the key (str)."""
        if self._folder is None:
            return f"{WHO} (without a model)"
        kind = read_config(self._folder).get("model_type")
        return f"{WHO} ({kind}, {self.dtype}, {self.key.split(':')[-1][:12]})"

    def __call__(self, docs: Sequence["Doc"]) -> list[np.ndarray]:
        """The distributions of the tokens of each Doc. The Docs are not changed.

        docs (sequence of Doc): The Docs. Which of them come together changes nothing but the rounding of sums.
        RETURNS (list of float32 array (tokens, labels)): Each row sums to 1; the columns are in the order of `labels`.
        RAISES (XprojError): If the model or its device is not to be had.
        """
        loaded = self._load()
        encoded = [self._encode(loaded, doc) for doc in docs]
        found = self._run(loaded, {ids for part in encoded for ids in part.inputs})
        out = []
        for doc, part in zip(docs, encoded):
            rows = np.zeros((len(doc), len(self.labels)), "f4")
            rows[:, self.labels.index(OUTSIDE)] = 1
            for i, (window, position) in zip(part.tokens, part.places):
                rows[i] = found[part.inputs[window]][position]
            out.append(rows)
        return out

    def _encode(self, loaded: Loaded, doc: "Doc") -> Encoded:
        shown = [t.i for t in doc if not t.is_space]
        words = [" " + doc[i].text if loaded.prefix_space else doc[i].text for i in shown]
        encoding = loaded.tokenizer.encode(words, is_pretokenized=True)
        # The special sub-words are those around the text's own: each window gets them too.
        own = np.flatnonzero(np.array(encoding.special_tokens_mask) == 0)
        if not len(own):
            return Encoded([], np.zeros(0, "i8"), np.zeros((0, 2), "i8"))
        first, last = own[0], own[-1] + 1
        before, ids, after = encoding.ids[:first], encoding.ids[first:last], encoding.ids[last:]
        size = self._size(loaded, len(before) + len(after))
        ranges = windows(len(ids), size, self.overlap)
        inputs = [(*before, *ids[a:b], *after) for a, b in ranges]
        word_ids, at = np.unique(np.array(encoding.word_ids[first:last], "i8"), return_index=True)
        window = most_context(len(ids), ranges)[at]
        position = at - np.array(ranges)[window, 0] + len(before)
        return Encoded(inputs, np.array(shown)[word_ids], np.stack([window, position], axis=1))

    def _size(self, loaded: Loaded, special: int) -> int:
        """How many sub-words of the text a window has."""
        size = self.max_length or loaded.max_length
        if not special < size <= loaded.max_length:
            raise XprojError(
                f"{WHO}: max_length is {size}, but the model in {str(self.folder)!r} reads at most {loaded.max_length} "
                f"sub-words at once, and {special} of these are special. Set it to more than {special} and at most "
                f"{loaded.max_length}, or to 0."
            )
        return size - special

    def _run(self, loaded: Loaded, inputs: set[Ids]) -> dict[Ids, np.ndarray]:
        """The probabilities (float32 array (sub-words, labels)) for each of the inputs. They are put in an order of
        their own, so that the order of the Docs makes no difference at all."""
        rows = sorted(inputs)
        found: dict[Ids, np.ndarray] = {}
        for batch in token_batches([len(ids) for ids in rows], self.batch_tokens):
            some = [rows[i] for i in batch]
            with running(WHO, self.batch_tokens):
                logits = loaded.model(**padded(some, loaded.pad, loaded.model.device)).logits
                values = logits.float().softmax(-1).cpu().numpy()
            for ids, row in zip(some, values):
                found[ids] = row[: len(ids)]
                if not np.isfinite(found[ids]).all():
                    raise XprojError(
                        f"{WHO}: the model in {str(self.folder)!r} gives values that are not numbers as {self.dtype}. "
                        "Set dtype to 'float32'."
                    )
        return found

    def _load(self) -> Loaded:
        """The model, loaded by the first call in each process, or taken over from the process that was forked."""
        folder = self.folder
        torch = require("torch", WHO, EXTRA)
        if os.getpid() != self._pid:
            if self._loaded and self._loaded.model.device.type != "cpu":
                raise XprojError(
                    f"{WHO}: a model that is on a GPU cannot be used by a forked process. Run with one process "
                    "(n_process = 1), or do not use the pipeline before the processes start."
                )
            torch.set_num_threads(1)  # the parent's threads are not there, and OpenMP would wait for them
            self._pid = os.getpid()
        if self._loaded is None:
            self._loaded = load(folder, self.labels, self.dtype, self._device(torch))
        return self._loaded

    def _device(self, torch: Any) -> str:
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        kind, _, number = self.device.partition(":")
        count = {"cpu": 1, "mps": int(torch.backends.mps.is_available()), "cuda": torch.cuda.device_count()}[kind]
        if int(number or 0) >= count:
            raise XprojError(
                f"{WHO}: the device {self.device!r} is not there: torch {torch.__version__} sees {count} of the kind "
                f"{kind!r}. Set 'device' to another one, to 'cpu' or to 'auto'."
            )
        return self.device

    def to_disk(self, path: Union[str, Path]) -> None:
        """Copy the model: its weights, configs and tokenizer. Without a model nothing is written.

        path (str or Path): The folder to copy it into.
        RAISES (InputError): If other weights are in that folder.
        """
        if self._folder is not None and Path(path).resolve() != self.folder:
            copy_model(model_files(self.folder), Path(path))

    def from_disk(self, path: Union[str, Path]) -> "TokenClassifier":
        """Take the model that `to_disk` copied, if it did. It stays in that folder, and is loaded at the next use.

        path (str or Path): The folder.
        RETURNS (TokenClassifier): Itself.
        RAISES (InputError): If it is not that of a token classifier.
        """
        if Path(path).exists():
            self._use(Path(path).resolve())
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._pid = os.getpid()
