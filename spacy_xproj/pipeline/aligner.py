"""`xproj_aligner`: links the words of the two sides."""

from collections.abc import Iterable

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc

from ..bitext import Bitext, SentencePair
from ..errors import XprojError
from ..part import as_part
from ..ty import Aligner, check_finite
from .base import BatchPipe, PayloadPipe, words

DEFAULTS = {"aligner": {"@xproj_aligners": "spacy_xproj.Statistical.v1"}, "overwrite": False}


@Language.factory("xproj_aligner", requires=["doc._.xproj"], assigns=["doc._.xproj"], default_config=DEFAULTS)
class WordAligner(BatchPipe, PayloadPipe):
    """Fills in `links`, `scores` and `evidence` of the payload.

    aligner (Aligner): Finds the links.
    overwrite (bool): Also align Docs that have links already.
    """

    parts = ("aligner",)

    def __init__(self, nlp: Language, name: str, aligner: Aligner, *, overwrite: bool):
        super().__init__(nlp, name)
        self.aligner = aligner
        self.overwrite = overwrite
        self._lost = False  # whether a Doc failed whose place in the corpus counts

    def restart(self) -> None:
        super().restart()
        self._lost = False

    def wants(self, bitext: Bitext) -> bool:
        """False for links that are there already; a sentence pair can also have been aligned and have none."""
        return self.overwrite or not (len(bitext.links) or "aligner" in bitext.provenance)

    def needed(self, docs: Iterable[Doc]) -> bool:
        return any(bitext is not None and self.wants(bitext) for bitext in map(self.payload, docs))

    def shortened(self, pair: SentencePair) -> SentencePair:
        """The sentence pair; without words, if it is too long. Links from a file cost little, and stay."""
        if as_part(self.aligner).positional or not self.too_long(pair):
            return pair
        return pair._replace(source=(), target=())

    def process(self, docs: list[Doc]) -> list[Doc]:
        """Align the Docs of one batch. Those without a payload, or with links and `overwrite = false`, pass untouched.
        None is changed if one fails."""
        positional = as_part(self.aligner).positional
        if self._lost:
            raise XprojError(
                f"{self.name}: a Doc before this one has a payload that cannot be used, and nobody knows how many "
                "lines of the file are its own. Mend it, or leave it out of the text and of the file."
            )
        todo: list[tuple[Doc, Bitext]] = []
        pairs: list[SentencePair] = []
        for doc in docs:
            try:
                bitext = self.payload(doc)
            except XprojError:
                self._lost = positional and len(docs) == 1
                raise
            if bitext is not None and self.wants(bitext):
                todo.append((doc, bitext))
                pairs.extend(map(self.shortened, bitext.pairs(words(doc))))
        links = self.aligner(pairs) if pairs else []
        if len(links) != len(pairs):
            raise XprojError(f"{self.name}: the aligner gave the links of {len(links)} of {len(pairs)} sentence pairs.")
        values = [values for each in links for values in (each.scores, *each.evidence.values())]
        who = f"{self.name}: the aligner {type(self.aligner).__name__}"
        check_finite(who, "score of a link", np.concatenate([np.zeros(0), *values]))
        found = iter(links)
        provenance = {"aligner": as_part(self.aligner).provenance}
        aligned = [
            (doc, bitext.with_links([next(found) for _ in bitext.sents or (None,)], **provenance))
            for doc, bitext in todo
        ]
        for doc, bitext in aligned:
            doc._.xproj = bitext
        return docs
