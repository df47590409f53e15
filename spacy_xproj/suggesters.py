"""Candidate spans in the protocol of spaCy's spancat suggesters: Docs in, a Ragged of (start, end) rows out."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

if TYPE_CHECKING:
    from spacy.tokens import Doc

Suggester = Callable[..., Any]


def make_linked_suggester(max_length: int = 0) -> Suggester:
    """`spacy_xproj.linked_suggester.v1`: spans that begin and end in a word linked to some source span.

    max_length (int): Longest span in words; 0 is no limit.
    RETURNS (Suggester): Sentence pairs are respected. Docs without a payload get no candidates.
    """

    def suggest(doc: "Doc") -> np.ndarray:
        bitext = doc._.xproj
        rows = [np.zeros((0, 2), "i4")]
        for pair in bitext.pairs(tuple(t.text for t in doc)) if bitext is not None else ():
            inside = np.zeros(len(pair.source) + 1, bool)
            for span in pair.spans:
                inside[span.start : span.end] = True
            words = np.unique(pair.links[inside[pair.links[:, 0]], 1]) + pair.offset[1]
            ok = words[:, None] <= words
            if max_length:
                ok &= words - words[:, None] < max_length
            first, last = ok.nonzero()
            rows.append(np.stack([words[first], words[last] + 1], axis=1))
        return np.concatenate(rows)

    return as_suggester(suggest)


def make_ents_suggester(spans_key: str = "") -> Suggester:
    """`spacy_xproj.ents_suggester.v1`: the entities that an earlier pipe found in the target text, labels aside
    (candidate extraction by a NER model, Politov et al. 2025).

    spans_key (str): Take them from `doc.spans[spans_key]` rather than from `doc.ents`.
    """

    def suggest(doc: "Doc") -> np.ndarray:
        spans = doc.spans.get(spans_key, ()) if spans_key else doc.ents
        return np.array([(s.start, s.end) for s in spans], "i4").reshape(-1, 2)

    return as_suggester(suggest)


def as_suggester(suggest: Callable[["Doc"], np.ndarray]) -> Suggester:
    def suggester(docs: Iterable["Doc"], *, ops: Optional[Any] = None) -> Any:
        from thinc.api import Ragged, get_current_ops

        ops = ops or get_current_ops()
        rows = [suggest(doc) for doc in docs]
        data = np.concatenate([np.zeros((0, 2), "i4"), *rows])
        lengths = np.array([len(r) for r in rows], "i4")
        return Ragged(ops.asarray2i(data), ops.asarray1i(lengths))  # type: ignore[arg-type]

    return suggester
