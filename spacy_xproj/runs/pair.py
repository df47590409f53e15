"""A labeled source file and target lines into target Docs that carry the source as payload."""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from typing import Optional

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..codes import normalize_code
from ..corpus import Report, blank
from ..corpus.pairing import pair_docs, with_links
from ..corpus.sentence_pairs import LONG, sentence_marker, set_sentence_pairs, source_doc
from ..corpus.sides import LINES, Agreement, Side, agree
from ..errors import InputError
from ..keys import run_key
from ..labels import ALL, LabelFilter, mapped_spans, source_ids
from ..locks import locked
from .convert import prepared
from .label_counts import count_entities, write_report
from .pipelines import PathLike
from .process import process
from .reading import Inputs
from .shards import Progress
from .source_labels import SourceLabeler
from .steps import Tally


def pair(
    source: PathLike,
    target: PathLike,
    out: PathLike,
    lang: str,
    source_lang: str = "en",
    alignments: Optional[PathLike] = None,
    shard: int = 0,
    progress: Optional[Progress] = None,
    *,
    format: Optional[str] = None,
    target_format: Optional[str] = None,
    tokens: bool = False,
    sentences: bool = False,
    license: Optional[str] = None,
    encoding: Optional[str] = None,
    labels: LabelFilter = ALL,
    source_model: Optional[PathLike] = None,
) -> Counter:
    """Pair a labeled source file with target lines.

    source (str or Path): Labeled source corpus, of any format that `read_docs` reads.
    target (str or Path): The target side, a line or a Doc for each source Doc: raw text, or any other format. Its
        labels are left out.
    out (str or Path): A .spacy file, or a folder of shards.
    lang, source_lang (str): Language codes of the target and of the source.
    alignments (Optional[str or Path]): Word links in Pharaoh format. See `with_links`.
    shard (int): Docs a shard. 0: 1000.
    progress (Optional[Progress]): Called with the numbers of finished and of all shards, or of Docs.
    format, target_format (Optional[str]): The formats of the files. None: by their content.
    tokens (bool): Raw text has blanks between its tokens. Do not tokenize it.
    sentences (bool): Find the sentences of both sides, and align them.
    license (Optional[str]): The license of the data, which follows them as `meta["license"]`.
    encoding (Optional[str]): The encoding of both files. None: UTF-8, or what the byte order mark says.
    labels (LabelFilter): New names of the labels, and those to keep.
    source_model (Optional[str or Path]): Labels the source, which must be unlabeled. See `SourceLabeler`.
    RETURNS (Counter): Counts: `docs`, `source_spans`, and each kind of remark.
    RAISES (XprojError): If the sides do not agree line by line, or the source is not labeled.
    """
    out = Path(out)
    lang, source_lang = normalize_code(lang), normalize_code(source_lang)
    labeler = SourceLabeler(source_model, source_lang, labels) if source_model else None
    sides = (
        Side(source, labeler.reader if labeler else blank(source_lang), format, tokens, encoding),
        Side(target, blank(lang), target_format or (LINES if tokens else None), tokens, encoding, "--target-format"),
    )
    options = {
        "language": lang,
        "source language": source_lang,
        "format": format,
        "target format": target_format,
        "tokens": tokens,
        "sentences": sentences,
        "license": license,
        "encoding": encoding,
        **labels.options(),
    }
    inputs = {"input": source, "target": target, "alignments": alignments}
    files = Inputs(inputs.values())
    key = {**run_key(inputs, options), **(labeler.key if labeler else {})}
    with locked(out, inputs.values()):
        agreed = agree(*sides)
        check_source(agreed, labels, labeler)
        if agreed.warning:
            warnings.warn(agreed.warning, stacklevel=2)
        reader = PairReader(agreed, source_lang, alignments, sentences)
        step = PairStep(sides[1].nlp.vocab, labels, labeler, license)
        counts = +process(reader, out, step, key=key, inputs=files, shard=shard, progress=progress)
        write_report(out, counts)
    return counts


def check_source(sides: Agreement, labels: LabelFilter, labeler: Optional[SourceLabeler]) -> None:
    """Make sure that the source has labels, or that a model can label it.

    RAISES (XprojError): If not, or if a label that is named occurs nowhere.
    """
    path = sides.source.path
    if labeler is not None:
        if sides.labeled:
            raise InputError(
                path,
                "It is labeled, so that --source-model has nothing to label. Leave the option out to keep these "
                "labels, or give the text without them.",
            )
    elif not sides.labeled:
        raise InputError(
            path,
            "It is not labeled: expected entities to project. Give --source-model, an NER pipeline of its language by "
            "name or folder, to label it.",
        )
    else:
        labels.check(sides.labels)
        if not any(labels(label) for label in sides.labels):
            raise InputError(path, "It is labeled, but has no entity to project.")


@dataclass
class PairReader:
    """Target Docs with their payload, which can be read again and again, in the vocabs of the target side. One of the
    sides of a Doc can be empty.

    sides (Agreement): The two sides.
    source_lang (str): The language of the source.
    alignments (Optional[str or Path]): Word links in Pharaoh format.
    sentences (bool): Find the sentences of both sides, and align them.
    """

    sides: Agreement
    source_lang: str
    alignments: Optional[PathLike] = None
    sentences: bool = False

    def apart(self) -> "PairReader":
        return self  # as the sides are

    def shards(self) -> list[Path]:
        return []

    def read(self, counts: Counter) -> Iterator[Doc]:
        """Read the Docs, and count what in the input is worth a remark."""
        for_docs, for_sentences = tee(self.pairs(Report(counts)))
        docs = self.payloads(for_docs)
        if self.alignments is not None:
            docs = with_links(docs, self.payloads(self.pairs(Report())), self.alignments, counts)
        for doc, (source, target) in zip(docs, for_sentences):
            doc._.xproj = doc._.xproj.replace(lang=self.source_lang)
            long = max(len(source), len(target)) > LONG
            if self.sentences and len(source) and len(target):
                set_sentence_pairs(doc, source, target)
            elif long:
                counts["long_docs_without_sentences"] += 1
            meta = {**target.user_data.get("meta", {}), **source.user_data.get("meta", {})}
            if meta:
                doc.user_data["meta"] = meta
            yield doc

    def pairs(self, report: Report) -> Iterator[tuple[Doc, Doc]]:
        mark = sentence_marker() if self.sentences else lambda doc: doc
        return ((mark(source), mark(target)) for source, target in self.sides.docs(report))

    def payloads(self, pairs: Iterable[tuple[Doc, Doc]]) -> Iterator[Doc]:
        sources, targets = tee(pairs)
        return pair_docs((source for source, _ in sources), (target for _, target in targets))


@dataclass
class PairStep:
    """Leave out the Docs one side of which is empty, label the others, and count.

    vocab (Vocab): That of the Docs.
    labels (LabelFilter): New names of the labels, and those to keep.
    labeler (Optional[SourceLabeler]): Labels the source.
    license (Optional[str]): The license of the data.
    """

    vocab: Vocab
    labels: LabelFilter = ALL
    labeler: Optional[SourceLabeler] = None
    license: Optional[str] = None

    @property
    def vocabs(self) -> Sequence[Vocab]:
        return [self.vocab, *([self.labeler.nlp.vocab] if self.labeler else [])]

    def __call__(self, docs: Iterable[Doc], tally: Tally) -> Iterator[Doc]:
        docs = (doc for doc in docs if _is_pair(doc, tally.counts))
        docs = self.labels.apply(docs) if self.labeler is None else label_payloads(docs, self.labeler)
        for doc in prepared(docs, license=self.license):
            bitext = doc._.xproj
            tally.counts.update(docs=1, source_spans=len(bitext.spans))
            count_entities(doc, tally.counts)
            tally.counts["source_docs_without_labels"] += len(bitext.unknown) == len(bitext.words)
            for (a, b), (c, d) in bitext.sents:
                tally.counts["source_sentences_without_a_partner"] += c == d
                tally.counts["target_sentences_without_a_partner"] += a == b
            yield doc


def label_payloads(docs: Iterable[Doc], labeler: SourceLabeler) -> Iterator[Doc]:
    """Label the source sides of Docs that are not labeled."""
    targets, docs = tee(docs)
    for doc, source in zip(targets, labeler(source_doc(doc._.xproj, labeler.nlp.vocab) for doc in docs)):
        bitext = doc._.xproj
        spans, origin = mapped_spans(source), {**bitext.provenance, **labeler.provenance}
        ids = source_ids(source, spans)
        doc._.xproj = bitext.replace(spans=spans, source_ids=ids, unknown=(), provenance=origin)
        yield doc


def _is_pair(doc: Doc, counts: Counter) -> bool:
    """Whether there is text on both sides."""
    counts["blank_source_lines"] += not doc._.xproj.words
    counts["blank_target_lines"] += not len(doc)
    return bool(len(doc) and doc._.xproj.words)
