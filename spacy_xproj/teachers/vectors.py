"""Vectors of whole sentences: of hashed character n-grams, which need no pretrained weights, or of an encoder."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Optional

import numpy as np

from ..errors import XprojError
from ..models.encoder import Encoder
from ..state import State

NGRAMS = "spacy_xproj.ngram_vectors.v1"
ENCODER = "spacy_xproj.encoder_vectors.v1"
AT_ONCE = 256  # texts whose words' vectors are in memory together

SentenceVectors = Callable[[Sequence[Any]], np.ndarray]


class NgramVectors(State):
    """`spacy_xproj.ngram_vectors.v1`: the character n-grams of a text, counted in `size` places by a hash.

    Letters count in lower case. All else is a space: one between two words, one before the first and after the last, so
    that the n-grams tell how words begin and end. None goes over a space. A place holds 1 + ln(count) of the n-grams
    that fall into it, by `idf` times the inverse document frequency, ln((1 + texts) / (1 + texts with it)) + 1. Each
    vector has the length 1; that of a text without letters is 0.

    min_n, max_n (int): The shortest and the longest n-grams, in characters.
    size (int): Length of the vectors. With fewer places more n-grams share one.
    idf (bool): Weigh n-grams by how rare they are in the texts that it is fitted on. Without, nothing is learnt.
    RAISES (XprojError): If a setting is out of its range.
    """

    fittable = True
    state_name = NGRAMS

    def __init__(self, min_n: int = 1, max_n: int = 3, size: int = 2048, idf: bool = False):
        if not 1 <= min_n <= max_n:
            raise XprojError(f"{NGRAMS}: expected 1 <= min_n <= max_n, got min_n = {min_n} and max_n = {max_n}.")
        if size < 2:
            raise XprojError(f"{NGRAMS}: size must be at least 2, not {size}.")
        self.min_n, self.max_n, self.size, self.idf = min_n, max_n, size, idf
        self.factors: Optional[np.ndarray] = None  # float32 (size,)

    @property
    def fitted(self) -> bool:
        """Whether `fit` has run, where there is anything to learn."""
        return self.factors is not None or not self.idf

    def fit(self, docs: Iterable[Any]) -> None:
        """Learn how rare n-grams are. What was learnt before is forgotten.

        docs (iterable of Doc): The texts.
        """
        if self.idf:
            docs = list(docs)
            df = np.zeros(self.size)
            for doc in docs:
                df += self.counts(doc.text) > 0
            self.factors = (np.log((1 + len(docs)) / (1 + df)) + 1).astype("f4")

    def __call__(self, docs: Sequence[Any]) -> np.ndarray:
        """The vectors of texts.

        docs (sequence of Doc): The texts.
        RETURNS (float32 array (docs, size)): Rows of length 1, or 0 for a text without letters.
        RAISES (XprojError): If it was not fitted and has to be.
        """
        if not self.fitted:
            raise XprojError(f"{NGRAMS} has not been fitted: fit what it belongs to, or set idf to false.")
        out = np.zeros((len(docs), self.size), "f4")
        for row, doc in zip(out, docs):
            counts = self.counts(doc.text)
            found = np.flatnonzero(counts)
            row[found] = 1 + np.log(counts[found])
        if self.factors is not None:
            out *= self.factors
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)

    def counts(self, text: str) -> np.ndarray:
        """How many n-grams fall into each place.

        text (str): The text.
        RETURNS (int array (size,)): The counts.
        """
        words = text.lower().translate(LETTERS).split()
        shown = f" {' '.join(words)} " if words else ""
        chars = np.frombuffer(shown.encode("utf-32-le"), "<u4").astype("u8")
        places = [ngram_hashes(chars, n) % np.uint64(self.size) for n in range(self.min_n, self.max_n + 1)]
        return np.bincount(np.concatenate(places).astype("i8"), minlength=self.size)

    # Serialization

    def state(self) -> dict[str, Any]:
        """What was learnt, and the settings that it was learnt with."""
        settings = [self.min_n, self.max_n, self.size, self.idf]
        return {"settings": settings, "factors": None if self.factors is None else self.factors.astype("<f4").tobytes()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what was learnt. RAISES (XprojError): If it was learnt with other settings."""
        settings, factors = state["settings"], state["factors"]
        if settings != [self.min_n, self.max_n, self.size, self.idf]:
            raise XprojError(
                f"{NGRAMS} was fitted with (min_n, max_n, size, idf) = {tuple(settings)}, but the config has "
                f"{(self.min_n, self.max_n, self.size, self.idf)}. Set them back, or fit again."
            )
        self.factors = None if factors is None else np.frombuffer(factors, "<f4")


class _Letters(dict[int, int]):
    """For `str.translate`: letters and the marks on them stay, all else becomes a space."""

    def __missing__(self, char: int) -> int:
        self[char] = char if unicodedata.category(chr(char))[0] in "LM" else ord(" ")
        return self[char]


LETTERS = _Letters()


def ngram_hashes(chars: np.ndarray, n: int) -> np.ndarray:
    """Hash the n-grams that have no space within.

    chars (uint64 array (m,)): The code points of a text.
    n (int): The length of n-grams.
    RETURNS (uint64 array (k,)): A hash of each, the same on all machines.
    """
    m = max(len(chars) - n + 1, 0)
    hashes = np.full(m, n, "u8")
    whole = np.ones(m, bool)
    for i in range(n):
        part = chars[i : i + m]
        hashes = hashes * np.uint64(0x100000001B3) + part  # as FNV does, modulo 2 ** 64
        if n == 1 or 0 < i < n - 1:
            whole &= part != ord(" ")
    hashes = hashes[whole]
    for shift, factor in ((33, 0xFF51AFD7ED558CCD), (33, 0xC4CEB9FE1A85EC53), (33, 1)):  # the last steps of MurmurHash3
        hashes = (hashes ^ (hashes >> np.uint64(shift))) * np.uint64(factor)
    return hashes


class EncoderVectors(Encoder):
    """`spacy_xproj.encoder_vectors.v1`: the mean of the vectors that an encoder of Hugging Face gives the words
    of a text. The model is loaded at the first call.

    model (str): The folder of the model, with its tokenizer and weights in safetensors. "": none yet (see `from_disk`).
    layer (int): The layer whose output is taken, counted from 1. Those above it are not loaded.
    device (str): "cpu", "cuda", "cuda:1" ..., or "auto": a GPU if there is one.
    dtype (str): "float32", "float16", "bfloat16", or "int8", which is for the CPU only.
    batch_tokens (int): Largest number of sub-words in a batch, padding included. Raise it on a GPU.
    max_length (int): Longest input in sub-words, with the special ones. 0: what the model can read. Longer texts are
        read in windows.
    overlap (int): Least number of sub-words that two windows share; at most half a window.
    download (bool): Take a `model` that is not a folder for a name on the Hugging Face Hub, and fetch it.
    RAISES (XprojError): If a setting is out of range, or the folder is not that of an encoder.
    """

    who = ENCODER

    def __call__(self, docs: Sequence[Any]) -> np.ndarray:
        """The vectors of texts. Words of white space do not count.

        docs (sequence of Doc): The texts.
        RETURNS (float32 array (docs, size)): A text without words has a row of zeros.
        RAISES (XprojError): If the model or its device is not to be had.
        """
        if not docs:
            return np.zeros((0, 0), "f4")
        rows = []
        for start in range(0, len(docs), AT_ONCE):
            for words in self.encode([[t.text for t in doc] for doc in docs[start : start + AT_ONCE]]):
                shown = words[words.any(axis=1)]
                rows.append(shown.mean(axis=0) if len(shown) else np.zeros(words.shape[1], "f4"))
        return np.stack(rows)
