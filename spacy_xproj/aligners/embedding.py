"""`spacy_xproj.Embedding.v1`: links between words whose vectors in a multilingual encoder are alike."""

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from ..bitext import Links, SentencePair
from ..errors import check_below_one, check_one_of
from ..files import text_hash
from ..models.batches import running, token_batches
from ..models.encoder import Encoder, Sentence, Subwords
from .embed_batch import METHODS, POOLINGS, Found, extract

NAME = "spacy_xproj.Embedding.v1"
IN_MEMORY = 8  # batches' worth of vectors are kept at a time
EVIDENCE = ("forward", "reverse", "similarity")


class EmbeddingAligner(Encoder):
    """`spacy_xproj.Embedding.v1`: SimAlign (Jalili Sabet et al. 2020) and AWESoME (Dou and Neubig 2021) over any
    encoder of Hugging Face, such as mBERT or XLM-R, or that of NLLB-200 (Ebing et al. 2025).

    Words of white space are not shown to the model and have no links.

    A link's evidence: `forward` and `reverse`, the probability of the target's sub-word given the source's and the
    reverse, which are softmaxes of dot products divided by the square root of the number of sub-words to choose from,
    as awesome-align gives them out; and `similarity`, (1 + cosine) / 2. The score is the similarity with SimAlign's
    methods, and with AWESoME's the harmonic mean of both probabilities. Where several sub-words of two words are
    linked, each figure is the highest one. With the poolings "mean" and "max" read "words" for "sub-words".

    model (str): The folder of the model, with its tokenizer and weights in safetensors. "": none yet (see `from_disk`).
    method (str): How links are taken from the similarities. SimAlign's, over cosines: "inter", pairs that are each
        other's best; "itermax", the same and a second round for what is left; "mwmf", the best one-to-one links as a
        whole. AWESoME's, over dot products: "softmax", pairs with a probability above `threshold` in both directions;
        "entmax", the same with 1.5-entmax and above 0.
    layer (int): The layer whose output is compared, counted from 1. Those above it are not loaded.
    pooling (str): "any": sub-words are linked, and so are two words with linked sub-words. "mean": words are linked, by
        the mean of their sub-words' vectors. "max": words are linked, by their most similar sub-words.
    threshold (float): With "softmax": each of the two probabilities is above this.
    device (str): "cpu", "cuda", "cuda:1" ..., or "auto": a GPU if there is one.
    dtype (str): "float32", "float16", "bfloat16", or "int8", which is for the CPU only. With "int8" the scale of
        rounding depends on what else is in the batch, so that links can depend on it, too.
    batch_tokens (int): Largest number of sub-words in a batch, padding included. Raise it on a GPU.
    max_length (int): Longest input in sub-words, with the special ones. 0: what the model can read. Longer sentences
        are read in windows.
    overlap (int): Least number of sub-words that two windows share; at most half a window.
    download (bool): Take a `model` that is not a folder for a name on the Hugging Face Hub, and fetch it.
    RAISES (XprojError): If a setting is out of range, or the folder is not that of an encoder.
    """

    who = NAME

    def __init__(
        self,
        model: str = "",
        method: str = "softmax",
        layer: int = 8,
        pooling: str = "any",
        threshold: float = 0.001,
        device: str = "auto",
        dtype: str = "float32",
        batch_tokens: int = 2048,
        max_length: int = 0,
        overlap: int = 128,
        download: bool = False,
    ):
        check_one_of(NAME, METHODS, method=method)
        check_one_of(NAME, POOLINGS, pooling=pooling)
        check_below_one(NAME, threshold=threshold)
        self.method, self.pooling, self.threshold = method, pooling, threshold
        super().__init__(model, layer, device, dtype, batch_tokens, max_length, overlap, download)

    @property
    def key(self) -> str:
        """The content of the model's files and the settings that change the links, as a hash (str)."""
        threshold = self.threshold if self.method == "softmax" else 0
        settings = [*self.settings, self.method, self.pooling, threshold]
        return f"{NAME}:{text_hash(json.dumps(settings))[:32]}"

    @property
    def provenance(self) -> str:
        """The kind of model, the settings and the start of the key (str)."""
        if self.kind is None:
            return f"{NAME} (without a model)"
        about = (self.kind, f"layer {self.layer}", self.method, self.pooling, self.dtype)
        return f"{NAME} ({', '.join(about)}, {self.key.split(':')[-1][:12]})"

    def __call__(self, pairs: Sequence[SentencePair]) -> list[Links]:
        """Link the words of each sentence pair. Equal pairs are aligned once, equal sentences of pairs of about the
        same length encoded once.

        pairs (sequence of SentencePair): The sentence pairs. Which of them come together changes nothing but the
            rounding of sums (but see `dtype`), and their order nothing at all.
        RETURNS (list of Links): One a pair, sorted by source, then target word.
        RAISES (XprojError): If the model or its device is not to be had.
        """
        distinct = sorted({(pair.source, pair.target) for pair in pairs})
        cut: dict[Sentence, Subwords] = {}
        for words in (words for both in distinct for words in both):
            if words not in cut:
                cut[words] = self.read(words)
        found = dict.fromkeys(distinct, NONE)
        for some in self._parts([both for both in distinct if all(len(cut[words].words) for words in both)], cut):
            found.update(zip(some, self._align(some, cut)))
        return [found[pair.source, pair.target] for pair in pairs]

    def _parts(
        self, pairs: list[tuple[Sentence, Sentence]], cut: dict[Sentence, Subwords]
    ) -> Iterator[list[tuple[Sentence, Sentence]]]:
        """Put pairs of about the same length together, as many as fit into memory with their vectors."""
        sizes = {both: [len(cut[words].words) for words in both] for both in pairs}
        part: list[tuple[Sentence, Sentence]] = []
        room = 0
        for both in sorted(pairs, key=lambda both: (max(sizes[both]), both)):
            room -= sum(sizes[both])
            if part and room < 0:
                yield part
                part = []
            if not part:
                room = IN_MEMORY * self.batch_tokens - sum(sizes[both])
            part.append(both)
        if part:
            yield part

    def _align(self, pairs: list[tuple[Sentence, Sentence]], cut: dict[Sentence, Subwords]) -> list[Links]:
        sentences = list(dict.fromkeys(words for both in pairs for words in both))
        sides = dict(zip(sentences, self.sides([cut[words] for words in sentences])))
        lengths = [max(len(cut[words].words) for words in both) for both in pairs]
        out = [NONE] * len(pairs)
        for batch in token_batches(lengths, self.batch_tokens):
            sources, targets = ([sides[pairs[k][side]] for k in batch] for side in (0, 1))
            with running(NAME, self.batch_tokens):
                found = extract(sources, targets, self.method, self.pooling, self.threshold)
            for k, links in zip(batch, links_of(found, len(batch))):
                out[k] = links
        return out


NONE = Links(np.zeros((0, 2), "i4"), np.zeros(0, "f4"), {name: np.zeros(0, "f4") for name in EVIDENCE})


def links_of(found: Found, n: int) -> list[Links]:
    """Take links of several pairs apart.

    found (Found): The links.
    n (int): How many pairs.
    RETURNS (list of Links): One a pair.
    """
    bounds = np.searchsorted(found.pair, np.arange(n + 1))
    out = []
    for a, b in pairwise(bounds):
        links = np.stack([found.source[a:b], found.target[a:b]], axis=1).astype("i4")
        out.append(Links(links, found.score[a:b], {name: getattr(found, name)[a:b] for name in EVIDENCE}))
    return out
