"""Documents as sentence pairs: where the sentences of each side are, and which belong together."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from spacy.pipeline import Sentencizer
from spacy.tokens import Doc, Span
from spacy.util import filter_spans
from spacy.vocab import Vocab

from ..bitext import Bitext, Pair
from ..sentences import sentence_offsets
from .length_alignment import Evidence, Range, align_texts

T = TypeVar("T")
Sides = tuple[Sequence[T], Sequence[T]]

# Marks of scripts that spaCy's sentencizer does not know: Tibetan, Khmer, Thai, and dots for what is left out.
MORE_MARKS = ["།", "༎", "။", "។", "៕", "๚", "๛", "…", "……"]
MARKS = [*Sentencizer.default_punct_chars, *MORE_MARKS]
LINK = 1.0  # nats for a link between two sentences
LONG = 100  # tokens of a Doc without sentences that are worth a remark


def sentence_marker() -> Callable[[Doc], Doc]:
    """Return a function that marks sentences in Docs that have none marked: by the punctuation of any script, and at
    the ends of lines. A sentence does not end inside of an entity."""
    find = Sentencizer(punct_chars=MARKS)

    def mark(doc: Doc) -> Doc:
        if doc.has_annotation("SENT_START"):
            return doc
        find(doc)
        for token in doc[1:]:
            if "\n" in doc[token.i - 1].text and doc[token.i - 1].is_space:
                token.is_sent_start = True
            if token.ent_iob_ == "I":
                token.is_sent_start = False
        return doc

    return mark


def set_sentence_pairs(doc: Doc, source: Doc, target: Doc) -> None:
    """Give a Doc its sentences and its sentence pairs.

    doc (Doc): The Doc, with a payload.
    source, target (Doc): The same words as those of the payload and of the Doc, with sentences.
    """
    bitext, offsets = doc._.xproj, sentence_offsets(target)
    starts = {start for start, _ in offsets}
    for token in doc:
        token.is_sent_start = token.i in starts
    words = [token.text for token in doc]
    doc._.xproj = bitext.replace(
        sents=pair_sentences((bitext.words, words), (sentence_offsets(source), offsets), bitext.links)
    )


def with_sentence_pairs(docs: Iterable[Doc]) -> Iterator[Doc]:
    """Give documents sentence pairs, where they have a payload without. Sentences are marked where they are not.

    docs (iterable of Doc): The Docs.
    YIELDS (Doc): The Docs.
    """
    mark = sentence_marker()
    for doc in docs:
        bitext = doc._.xproj
        if bitext is not None and not bitext.sents and len(doc) and bitext.words:
            set_sentence_pairs(doc, mark(source_doc(bitext, doc.vocab)), mark(doc))
        yield doc


def source_doc(bitext: Bitext, vocab: Vocab) -> Doc:
    """Return the source side as a Doc with its outermost entities. Without any it is not labeled."""
    source = Doc(vocab, words=list(bitext.words), spaces=list(bitext.spaces))
    if bitext.spans:
        source.ents = filter_spans([Span(source, span.start, span.end, label=span.label) for span in bitext.spans])
    return source


def pair_sentences(words: Sides[str], offsets: Sides[Range], links: np.ndarray) -> tuple[Pair, ...]:
    """Align the sentences of two sides, by their lengths, the words they share, and the links.

    words (two sequences of str): The words of source and target.
    offsets (two sequences of (int, int)): Their sentences, as half-open offsets of words.
    links (int32 array (n, 2)): Word links.
    RETURNS (tuple of Pair): The sentence pairs. A sentence that has no partner has an empty other side.
    """
    texts = [[side[a:b] for a, b in ranges] for side, ranges in zip(words, offsets)]
    rows = [np.searchsorted([end for _, end in offsets[k]], links[:, k], side="right") for k in (0, 1)]
    found = align_texts(texts[0], texts[1], links=Evidence(rows[0], rows[1], np.full(len(links), LINK)))
    starts = [[*(start for start, _ in offsets[k]), len(words[k])] for k in (0, 1)]
    return tuple(((starts[0][a], starts[0][b]), (starts[1][c], starts[1][d])) for (a, b), (c, d) in found)
