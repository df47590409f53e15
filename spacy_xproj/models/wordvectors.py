"""A vector for each word of a language, from an encoder that reads it alone."""

from collections.abc import Sequence

import numpy as np

from ..errors import XprojError
from ..progress import steps
from .encoder import Encoder

AT_ONCE = 2048  # words whose sub-words' vectors are in memory together


class WordEncoder(Encoder):
    """An encoder that reads words one by one. See `Encoder`."""

    who = "xproj vectors"

    def vectors(self, words: Sequence[str]) -> np.ndarray:
        """The mean of the vectors of a word's sub-words, with nothing around it but the special ones.

        words (sequence of str): The words. Those without a sub-word have a vector of zeros.
        RETURNS (float32 array (words, dim)): The vectors.
        RAISES (XprojError): If the model or its device is not to be had.
        """
        starts = range(0, len(words), AT_ONCE)
        parts = steps((words[start : start + AT_ONCE] for start in starts), "words", len(starts))
        return np.concatenate([row for part in parts for row in self.encode([[word] for word in part])])


def reduced(vectors: np.ndarray, width: int) -> np.ndarray:
    """Center vectors, turn them to their principal axes, keep the first ones, and give each vector the length 1.

    vectors (float array (words, dim)): The vectors.
    width (int): The number of axes to keep.
    RETURNS (float32 array (words, width)): The new vectors. One that lies in the center stays 0.
    RAISES (XprojError): If there are fewer words or dimensions than axes.
    """
    words, dim = vectors.shape
    if width > min(words, dim):
        raise XprojError(
            f"xproj vectors: expected a width of at most {min(words, dim)}, got {width}: there are {words} words with "
            f"vectors of {dim}. Lower --width, or give more text."
        )
    centered = vectors.astype("f8") - vectors.mean(axis=0, dtype="f8")
    _, axes = np.linalg.eigh(centered.T @ centered)
    axes = axes[:, ::-1][:, :width]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(width)])  # an axis has two directions
    found = centered @ axes
    return (found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)).astype("f4")
