"""The vectors of words in several layers of an encoder, side by side, and a file that keeps them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from ..database import Database
from ..errors import XprojError
from ..files import text_hash
from .encoder import Encoder
from .subwords import Loaded

if TYPE_CHECKING:
    from torch import Tensor

SELECT = "SELECT dim, vectors FROM vectors WHERE key = ?"
INSERT = "INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)"


class VectorFile(Database):
    """The vectors of texts. Arguments are those of `Database`."""

    what = "a file of vectors"
    application = 0x78707A76
    table = "vectors"
    schema = "CREATE TABLE vectors (key TEXT PRIMARY KEY, dim INTEGER NOT NULL, vectors BLOB NOT NULL)"


class LayeredEncoder(Encoder):
    """An encoder whose words have a vector of each of several layers.

    layers (sequence of int): The layers whose outputs are taken, ascending. 0: the embeddings, below the first layer.
        Layers above the last one are not loaded.
    cache (str): A file that keeps vectors, made when it is first written to. "": keep them in memory.
    The other arguments are those of `Encoder`.
    RAISES (XprojError): If the layers are not ascending, or the folder is not that of an encoder that has these layers.
    """

    who = "spacy_xproj.FrozenEncoder.v1"

    def __init__(self, model: Union[str, Path] = "", layers: Sequence[int] = (8,), cache: str = "", **settings: Any):
        self.layers = tuple(layers)
        if not self.layers or self.layers[0] < 0 or list(self.layers) != sorted({*self.layers}) or not self.layers[-1]:
            raise XprojError(
                f"{self.who}: expected layers in ascending order, 0 for the embeddings and one above 0 at least, such "
                f"as [0, 6, 12], got {list(self.layers)}."
            )
        self.outputs_per_subword = len(self.layers)
        self.kept = VectorFile(cache)
        super().__init__(model, self.layers[-1], **settings)

    def share_key(self) -> tuple[Any, ...]:
        return (*super().share_key(), "all layers")

    @property
    def settings(self) -> list[Any]:
        return [*super().settings, self.layers]

    def hidden(self, output: Any) -> "Tensor":
        import torch

        return torch.cat([output.hidden_states[layer] for layer in self.layers], dim=-1)

    def make(self, folder: Path, device: str) -> Loaded:
        loaded = super().make(folder, device)
        loaded.model.config.output_hidden_states = True
        return loaded

    def vectors(self, sentences: Sequence[Sequence[str]], keep: bool) -> list[np.ndarray]:
        """The vectors of words as `encode` gives them, in half precision whether they were kept or not.

        sentences (sequence of sequences of str): The words of each text.
        keep (bool): Look for vectors that were kept, and keep new ones.
        RETURNS (list of float16 array (words, layers * hidden size)): For each text.
        RAISES (XprojError): If the model or its device is not to be had, or the cache cannot be used.
        """
        if not keep:
            return [rows.astype("f2") for rows in self.encode(sentences)]
        keys = [text_hash(json.dumps([self.settings, *words])) for words in sentences]
        with self.kept.connected() as connection:
            rows = ((key, connection.execute(SELECT, (key,)).fetchone()) for key in dict.fromkeys(keys))
            found = {key: np.frombuffer(row[1], "<f2").reshape(-1, row[0]) for key, row in rows if row}
        new = {key: words for key, words in zip(keys, sentences) if key not in found}
        if new:
            made = dict(zip(new, self.vectors([*new.values()], keep=False)))
            with self.kept.transaction() as connection:
                connection.executemany(INSERT, [row_of(key, rows) for key, rows in made.items()])
            found.update(made)
        return [found[key] for key in keys]


def row_of(key: str, rows: np.ndarray) -> tuple[str, int, bytes]:
    """Vectors (float16 array (words, dim)) as a row of the file."""
    return key, rows.shape[1], rows.astype("<f2").tobytes()
