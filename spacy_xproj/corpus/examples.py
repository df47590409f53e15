"""`spacy_xproj.Corpus.v1`: Examples for `spacy train` that keep the payload and the soft labels."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import tee
from pathlib import Path
from typing import Optional, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.augment import dont_augment
from spacy.util import logger

from ..errors import InputError, XprojError
from ..languages import blank
from ..soft import SoftLabels
from ..tags import split_tags
from .formats.payload_meta import payload_id
from .pairing import bare_copy, gold_doc, pair_docs, with_links
from .readers import read_docs
from .rejoin import rejoin

PathLike = Union[str, Path]


class GoldCorpus:
    """`spacy_xproj.Corpus.v1`: reads gold projections, and Docs with soft labels, anew each time it is called.
    `predicted` has the tokens and the payload of the Doc, and no entities; `reference` has the gold and the soft
    labels, whichever there are.

    path (Optional[str]): Target Docs with gold entities, in any format that `read_docs` reads.
    source (Optional[str]): The labeled source side, line by line with it; or the Docs with payload of which JSONL was
        written that comes back in `path`, which are found by their ids. None: the Docs have a payload already, or soft
        labels, or both.
    alignments (Optional[str]): Word links in Pharaoh format, see `with_links`. None: those of the payload, or an
        aligner in the pipeline finds them.
    source_lang (str): Language code of `source`.
    labels (sequence of str): Take the entities with these labels only, on both sides; none: all. In soft labels the
        others are added to O.
    limit (int): Read no more Docs than this. 0: all.
    shuffle (bool): Give them in random order (`spacy train` shuffles by itself where it does not stream).
    max_length (int): Split Docs of at least this many tokens into their sentences, with their soft labels. 0: none.
        What has no sentences stays whole, however long, and so does a Doc with a payload, whose source side is of the
        whole.
    augmenter (Optional[Callable]): Changes or adds Examples, as that of `spacy.Corpus.v1`.
    RAISES (XprojError): If there is no path.
    """

    def __init__(
        self,
        path: Optional[str],
        source: Optional[str] = None,
        alignments: Optional[str] = None,
        source_lang: str = "en",
        labels: Sequence[str] = (),
        limit: int = 0,
        shuffle: bool = False,
        max_length: int = 0,
        augmenter: Optional[Callable] = None,
    ):
        if path is None:
            raise XprojError(
                "spacy_xproj.Corpus.v1 has no path. Give one, on the command line as --paths.train or such."
            )
        self.path, self.source, self.alignments = path, source, alignments
        self.source_lang, self.labels = source_lang, tuple(labels)
        self.limit, self.shuffle, self.max_length = limit, shuffle, max_length
        self.augmenter = augmenter or dont_augment
        self.told = False  # how the two sides were joined

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read the Examples.

        nlp (Language): Its vocab is that of the Docs, and its tokenizer splits raw text.
        YIELDS (Example): One a Doc, or one a sentence (see `max_length`).
        RAISES (InputError): If the files do not agree line by line, a Doc has no source side, or none is labeled.
        """
        if not self.shuffle:
            return self.examples(nlp)
        examples = list(self.examples(nlp))
        random.shuffle(examples)
        return iter(examples)

    def examples(self, nlp: Language) -> Iterator[Example]:
        """The Examples in order."""
        docs, gold = tee(read_docs(self.path, nlp, limit=self.limit))
        labeled, found = False, self.predicted(docs, nlp, self.limit)
        if self.alignments is not None:  # the file of links is about all Docs, also those beyond the limit
            found = with_links(found, self.predicted(read_docs(self.path, nlp), nlp), self.alignments)
        for predicted, doc in zip(found, gold):
            labeled = labeled or doc.has_annotation("ENT_IOB") or doc._.xproj_soft is not None
            reference = gold_doc(doc, nlp, self.labels)
            reference._.xproj_soft = self.soft(doc)
            eg = Example(predicted, reference)
            split = 0 < self.max_length <= len(doc) and predicted._.xproj is None and doc.has_annotation("SENT_START")
            for part in split_sentences(eg, doc) if split else [eg]:
                yield from self.augmenter(nlp, part)
        if not labeled:
            raise InputError(
                self.path, "It is not labeled: expected the gold entities of the target side, or soft labels."
            )

    def soft(self, doc: Doc) -> Optional[SoftLabels]:
        """A Doc's soft labels, of the entity types that are asked for."""
        soft = doc._.xproj_soft
        if soft is None:
            return None
        soft.check(len(doc))
        if not self.labels:
            return soft
        kept = [i for i, kind in enumerate(split_tags(soft.labels)[1]) if kind in ("", *self.labels)]
        others = [i for i in range(len(soft.labels)) if i not in kept]
        probs = soft.probs.astype("f4")
        probs[:, soft.labels.index("O")] += probs[:, others].sum(1)
        return SoftLabels(tuple(soft.labels[i] for i in kept), probs[:, kept].clip(0, 1), soft.provenance)

    def predicted(self, docs: Iterator[Doc], nlp: Language, limit: int = 0) -> Iterator[Doc]:
        """New Docs with the payload and without entities."""
        if self.source is None:
            return self.with_payload(docs, nlp)
        source_nlp = blank(self.source_lang)
        first = next(read_docs(self.source, source_nlp, source_nlp=source_nlp))
        if first._.xproj is not None:
            return self.rejoined(docs, nlp)
        source = read_docs(self.source, source_nlp, limit=limit)
        docs = pair_docs(source, self.without_ids(docs), nlp, labels=self.labels)
        return naming(f"{self.source} and {self.path}", self.by_line(docs))

    def by_line(self, docs: Iterable[Doc]) -> Iterator[Doc]:
        """The Docs. The log says once how many there are: nothing but their number shows that the sides agree."""
        number = 0
        for number, doc in enumerate(docs, 1):  # noqa: B007
            yield doc
        if not self.told:
            self.told = True
            logger.info("%s and %s have no ids: joined line by line, %d Docs", self.source, self.path, number)

    def rejoined(self, docs: Iterator[Doc], nlp: Language) -> Iterator[Doc]:
        """New Docs with the payloads that those of `source` have, by their ids."""
        if self.alignments is not None:
            raise InputError(
                self.alignments,
                f"The payloads in {self.source} have links, and meet the Docs by ids. Leave 'alignments' out.",
            )
        source_nlp = blank(self.source_lang)
        source = read_docs(self.source or "", source_nlp, source_nlp=source_nlp)
        return self.with_payload(rejoin(docs, self.path, source, self.source or "", nlp.vocab), nlp)

    def without_ids(self, docs: Iterable[Doc]) -> Iterator[Doc]:
        """The Docs. Those with an id must not be joined line by line: their order can be another one."""
        for doc in docs:
            if payload_id(doc.user_data.get("meta")):
                raise InputError(
                    self.path,
                    f"Its records have ids in meta.xproj, but {self.source} has no payloads to find by them. Give the "
                    ".spacy file that the records were made from as 'source'.",
                )
            yield doc

    def with_payload(self, docs: Iterable[Doc], nlp: Language) -> Iterator[Doc]:
        """Docs that came with their payload or with soft labels."""
        for number, doc in enumerate(docs, 1):
            bitext = doc._.xproj
            if bitext is None and doc._.xproj_soft is None:
                raise InputError(
                    self.path,
                    f"Doc {number} has no source side in doc._.xproj, nor soft labels in doc._.xproj_soft. Give the "
                    "labeled source side as 'source', line by line with it, or Docs that have one of the two (a "
                    ".spacy file with user data).",
                )
            if bitext is not None and self.labels:
                bitext = bitext.replace(spans=tuple(s for s in bitext.spans if s.label in self.labels))
            predicted = bare_copy(doc, nlp.vocab)
            predicted._.xproj = bitext
            yield predicted


def split_sentences(eg: Example, doc: Doc) -> Iterator[Example]:
    """Split an Example by the sentences of a Doc with the same tokens. Each part has its soft labels."""
    for sent in doc.sents:
        predicted, reference = (side[sent.start : sent.end].as_doc() for side in (eg.predicted, eg.reference))
        soft = eg.reference._.xproj_soft
        reference._.xproj_soft = soft if soft is None else soft[sent.start : sent.end]
        yield Example(predicted, reference)


def naming(files: str, docs: Iterator[Doc]) -> Iterator[Doc]:
    """The Docs, with the names of the files in the errors that name none."""
    try:
        yield from docs
    except InputError:
        raise
    except XprojError as err:
        raise InputError(files, str(err)) from None
