"""The sets that links are measured on, and the links of each system."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from scripts.ranker_data import GIVEN, STATISTICAL, gold_docs, sentence_pairs
from spacy_xproj.aligners.ensemble import EnsembleAligner
from spacy_xproj.bitext import Bitext, Links, SentencePair

from ..linked import payloads
from .links_encoder import KnownContext, Reader, encoder_links, word_vectors

MAIN = tuple(name for name in GIVEN if GIVEN[name])
SETTINGS = (
    *((method, 6) for method in ("inter", "itermax", "softmax")),
    *(("itermax", layer) for layer in (4, 8, 10)),
)
CHOSEN = "itermax", 6
ENSEMBLE = "ensemble"
THRESHOLD = 0.3  # of the ensemble: keeps all links of the encoder, and the likelier ones of `Statistical.v1`
FEW = (STATISTICAL, "{}, layer {}".format(*CHOSEN), ENSEMBLE)


class Sets:
    """The links of each system on each set.

    encoder (Path): The folder of the encoder.
    folder (Path): Where links are kept.
    """

    def __init__(self, encoder: Path, folder: Path):
        self.folder = folder
        self.readers = {layer: Reader(str(encoder), layer=layer, device="cpu") for _, layer in SETTINGS}

    @property
    def key(self) -> list[Any]:
        """What the vectors and links depend on but for the text."""
        return [*self.readers[CHOSEN[1]].settings, *CHOSEN]

    def embedding(self, name: str, method: str, layer: int) -> list[Links]:
        reader = self.readers[layer]
        reader.method = method
        return encoder_links(reader, pairs_of(name), self.folder)

    def statistical(self, name: str) -> list[Links]:
        return [Links(each.links, each.scores, dict(each.evidence)) for each in payloads(name, STATISTICAL)]

    def ensemble(self, name: str) -> list[Links]:
        found = {"encoder": self.embedding(name, *CHOSEN), "statistical": self.statistical(name)}
        known = {part: lambda pairs, links=links: links for part, links in found.items()}
        return EnsembleAligner(known, threshold=THRESHOLD)(pairs_of(name))

    def context(self, names: Sequence[str]) -> KnownContext:
        """`Context.v1` that knows the sentences of some sets."""
        reader = self.readers[CHOSEN[1]]
        known = {}
        for name in names:
            sentences = [words for pair in pairs_of(name) for words in (pair.source, pair.target)]
            known.update(word_vectors(reader, sentences, self.folder))
        return KnownContext(known, layer=reader.layer, threshold=0.0)


@cache
def pairs_of(name: str) -> list[SentencePair]:
    return sentence_pairs(gold_docs(name)[0])


def with_links(name: str, links: Sequence[Links]) -> list[Bitext]:
    """The payloads of a set with some links."""
    docs, _ = gold_docs(name)
    return [
        doc._.xproj.replace(links=each.links, scores=each.scores, evidence=each.evidence)
        for doc, each in zip(docs, links, strict=True)
    ]


def systems(sets: Sets, name: str, few: bool = False) -> Iterator[tuple[str, list[Links]]]:
    """Each system by its name, with its links of a set.

    few (bool): Those of `FEW`, and not all methods and layers.
    """
    yield STATISTICAL, sets.statistical(name)
    for method, layer in [CHOSEN] if few else SETTINGS:
        yield f"{method}, layer {layer}", sets.embedding(name, method, layer)
    yield ENSEMBLE, sets.ensemble(name)
