"""A Hugging Face token classifier as a teacher: a distribution over its tags for each token of a Doc."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from ..files import text_hash
from ..models.subwords import Loaded, SubwordModel
from ..tags import OUTSIDE
from .checkpoint import WHO, labels_of, load

if TYPE_CHECKING:
    from spacy.tokens import Doc


class TokenClassifier(SubwordModel):
    """`spacy_xproj.TokenClassifier.v1`: a teacher by a Hugging Face token classifier, such as XLM-R-large trained on
    CoNLL-2003. It is loaded at first use.

    A token's distribution is the softmax at its first sub-word, as the models are trained (Devlin et al. 2019, section
    5.3). The model reads the whole Doc. One that is too long is read in windows, and each sub-word counts in the window
    where it has most context; nothing is cut off. Tokens of white space, which the models never saw, are not shown to
    it: they get the tag "O" with probability 1, and so does a token that has no sub-word.

    model (str): The folder of the model, with its tokenizer and weights in safetensors. "": none yet (see `from_disk`).
    device (str): "cpu", "cuda", "cuda:1" ..., or "auto": a GPU if there is one.
    dtype (str): "float32", "float16" or "bfloat16".
    batch_tokens (int): Largest number of sub-words in a batch, padding included. Raise it on a GPU,
        lower it where memory is short.
    max_length (int): Longest input in sub-words, with the special ones. 0: what the model can read. Longer Docs are
        read in windows.
    overlap (int): Least number of sub-words that two windows share; at most half a window.
    download (bool): Take a `model` that is not a folder for a name on the Hugging Face Hub, and fetch it.
    RAISES (XprojError): If a setting is out of range, or the folder is not that of a token classifier.

    Attributes: `labels` (list of str), the model's tags in the order of the columns; empty without a model.
    """

    state_name = who = WHO
    what = "token classifier"

    def check(self, folder: Path) -> dict[str, Any]:
        config = super().check(folder)
        labels_of(config, folder / "config.json")
        return config

    def make(self, folder: Path, device: str) -> Loaded:
        return load(folder, self.labels, self.dtype, device)

    def _use(self, folder: Optional[Path]) -> None:
        super()._use(folder)
        self.labels = labels_of(self.config, folder / "config.json") if folder else []

    def share_key(self) -> tuple[Any, ...]:
        return WHO, self.hash, self.dtype

    @property
    def key(self) -> str:
        """The content of the model's files and the settings that change the output, as a hash (str)."""
        settings = [self.hash, self.dtype, self.max_length, self.overlap]
        return f"{WHO}:{text_hash(json.dumps(settings))[:32]}"

    @property
    def provenance(self) -> str:
        """The kind of model and the start of the key (str)."""
        if self.kind is None:
            return f"{WHO} (without a model)"
        return f"{WHO} ({self.kind}, {self.dtype}, {self.key.split(':')[-1][:12]})"

    def __call__(self, docs: Sequence["Doc"]) -> list[np.ndarray]:
        """The distributions of the tokens of each Doc. The Docs are not changed.

        docs (sequence of Doc): The Docs. Which of them come together changes nothing but the rounding of sums.
        RETURNS (list of float32 array (tokens, labels)): Each row sums to 1; the columns are in the order of `labels`.
        RAISES (XprojError): If the model or its device is not to be had.
        """
        shown = [[token.i for token in doc if not token.is_space] for doc in docs]
        cuts = [self.cut([doc[i].text for i in some]) for doc, some in zip(docs, shown)]
        inputs = {ids for part in cuts for ids in part.inputs}
        outputs = self.outputs(inputs, lambda output: output.logits.float().softmax(-1).cpu())
        found = {ids: values.numpy() for ids, values in outputs.items()}
        out = []
        for doc, some, part in zip(docs, shown, cuts):
            rows = np.zeros((len(doc), len(self.labels)), "f4")
            rows[:, self.labels.index(OUTSIDE)] = 1
            for word, first in zip(*np.unique(part.words, return_index=True)):
                rows[some[word]] = found[part.inputs[part.window[first]]][part.position[first]]
            out.append(rows)
        return out
