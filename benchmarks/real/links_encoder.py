"""What an encoder finds in the sets that links are measured on, each computed once and kept on disk."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spacy_xproj.aligners.embedding import EVIDENCE, EmbeddingAligner
from spacy_xproj.bitext import Links, SentencePair
from spacy_xproj.files import replacing, text_hash
from spacy_xproj.models.encoder import Encoder, Sentence, Side, Subwords
from spacy_xproj.models.subwords import Ids
from spacy_xproj.similarities.context import ContextSimilarity


class Reader(EmbeddingAligner):
    """`Embedding.v1` that reads each sentence once, whatever methods take links from it one after the other."""

    def sides(self, sentences: Sequence[Subwords]) -> list[Side]:
        known: dict[tuple[Ids, ...], Side] = self.__dict__.setdefault("_sides", {})
        keys = [tuple(sentence.inputs) for sentence in sentences]
        missing = {key: sentence for key, sentence in zip(keys, sentences) if key not in known}
        if missing:
            known.update(zip(missing, super().sides([*missing.values()])))
        return [known[key]._replace(words=sentence.words) for key, sentence in zip(keys, sentences)]

    def forget(self) -> None:
        self.__dict__.pop("_sides", None)


def encoder_links(aligner: EmbeddingAligner, pairs: Sequence[SentencePair], folder: Path) -> list[Links]:
    """The links of sentence pairs.

    folder (Path): Where they are kept, under a hash of the model, the settings and the text.
    """
    key = text_hash(repr((aligner.key, [(pair.source, pair.target) for pair in pairs])))
    path = folder / f"links-{key[:20]}.npz"
    if not path.exists():
        found = aligner(pairs)
        ends = np.cumsum([len(each.links) for each in found])
        names = ("scores", *EVIDENCE)
        values = [[each.scores, *(each.evidence[name] for name in EVIDENCE)] for each in found]
        table = dict(zip(names, map(np.concatenate, zip(*values))))
        with replacing(path) as beside, beside.open("wb") as file:
            np.savez(file, ends=ends, links=np.concatenate([each.links for each in found]), **table)
    with np.load(path) as data:
        links, scores, *views = (np.split(data[name], data["ends"][:-1]) for name in ("links", "scores", *EVIDENCE))
    return [Links(a, b, dict(zip(EVIDENCE, rest))) for a, b, *rest in zip(links, scores, *views)]


def word_vectors(encoder: Encoder, sentences: Iterable[Sentence], folder: Path) -> dict[Sentence, np.ndarray]:
    """The vectors of the words of sentences, each in its sentence.

    folder (Path): Where they are kept, under a hash of the model, the settings and the text.
    RETURNS (dict of tuple of str to float32 array (words, width)): By the words of each sentence.
    """
    distinct = sorted(set(sentences))
    key = text_hash(repr((encoder.settings, distinct)))
    path = folder / f"vectors-{key[:20]}.npy"
    if not path.exists():
        with replacing(path) as beside, beside.open("wb") as file:
            np.save(file, np.concatenate(encoder.encode(distinct)))
    ends = np.cumsum([len(words) for words in distinct])
    return dict(zip(distinct, np.split(np.load(path, mmap_mode="r"), ends[:-1])))


class KnownContext(ContextSimilarity):
    """`Context.v1` over vectors that are known. Of other sentences it says nothing.

    known (dict of tuple of str to float32 array (words, width)): The vectors by sentence.
    """

    def __init__(self, known: dict[Sentence, np.ndarray], **settings: Any):
        super().__init__(**settings)
        self.known, self.width = known, next(iter(known.values())).shape[1]

    def vectors(self, *sentences: Sentence) -> list[np.ndarray]:
        return [self.known.get(words, np.zeros((len(words), self.width), "f4")) for words in sentences]
