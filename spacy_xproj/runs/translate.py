"""Translate labeled source text into target Docs that carry the source as payload."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Optional

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..codes import normalize_code
from ..corpus import blank, lang_code
from ..errors import XprojError
from ..fitting import xproj_pipes
from ..keys import Key, run_key
from ..labels import ALL, LabelFilter
from ..locks import locked
from ..pipeline.translator import PayloadTranslator
from ..projection import translate as translate_docs
from .convert import prepared
from .engines import HERE, Workers
from .label_counts import by_label, count_entities, count_labels, write_report
from .pipelines import PathLike, keyed_pipeline
from .process import check_processes, process
from .reading import Inputs
from .rejected import SET_ASIDE, first_rejected, rejected_file
from .shards import Progress
from .source_labels import SourceLabeler, source_reader
from .steps import Tally


def translate(
    source: PathLike,
    out: PathLike,
    lang: str,
    config: PathLike,
    source_lang: str = "en",
    workers: Workers = HERE,
    shard: int = 0,
    overrides: Optional[dict[str, Any]] = None,
    progress: Optional[Progress] = None,
    *,
    sentences: bool = False,
    labels: LabelFilter = ALL,
    source_model: Optional[PathLike] = None,
    license: Optional[str] = None,
) -> Counter:
    """Translate a labeled corpus with the `forward` translator of the config.

    source (str or Path): Labeled source corpus, of any format that `read_docs` reads.
    out (str or Path): A .spacy file, or a folder of shards. Texts without a translation are listed in
        `OUT.rejected.jsonl` beside it; a Doc with nothing translated is left out and counted. What was counted
        stands in `OUT.report.json`.
    lang, source_lang (str): Language codes of the target and of the source.
    config (str or Path): A config with an `xproj_translator`, or a saved pipeline.
    workers (Workers): Who makes the shards.
    shard (int): Docs of the source a shard. 0: 1000.
    overrides (Optional[dict[str, Any]]): Config values by dotted name.
    progress (Optional[Progress]): Called with the numbers of finished and of all shards, or of Docs.
    sentences (bool): Mark sentences, by punctuation, in source Docs that have none marked, and translate each.
    labels (LabelFilter): New names of the labels, and those to keep.
    source_model (Optional[str or Path]): Labels the source, which must be unlabeled. See `SourceLabeler`.
    license (Optional[str]): The license of the data, which follows them as `meta["license"]`.
    RETURNS (Counter): `docs`, `source_docs`, `docs_not_translated`, `sentences_not_translated`, and what `by_label`
        reads; of a memory also `docs_translated_as_one_text`, which have several sentences, and
        `docs_found_ignoring_spaces`, `..._quotes` and `..._case`, whose text or a sentence of it is there with others.
    RAISES (XprojError): If the input cannot be used, nothing was translated, or all its entities were left out by the
        settings of the translator.
    """
    out = Path(out)
    lang, source_lang = normalize_code(lang), normalize_code(source_lang)
    check_processes(out, workers)
    step = TranslationStep(config, lang, overrides, source_lang, sentences, labels, source_model, license)
    key = step.keyed[1]
    options = {"source language": source_lang, "sentences": sentences, "license": license, **labels.options()}
    inputs = Inputs([source])
    key |= run_key({"input": source}, options)
    key |= step.labeler.key if step.labeler else {}
    docs = source_reader(source, step.source_nlp, labels, step.labeler)
    with locked(out, [source]):
        check = partial(_check, step, out)
        found = process(
            docs, out, step, key=key, inputs=inputs, shard=shard, workers=workers, progress=progress, check=check
        )
        write_report(out, found)
    return +found


def _check(step: "TranslationStep", out: Path, found: Counter) -> None:
    """RAISES (XprojError): If nothing was translated, or no entity is left."""
    pipes = [pipe for _, pipe in xproj_pipes(step.nlp) if isinstance(pipe, PayloadTranslator)]
    if not found["docs"]:
        lang, asked = lang_code(step.nlp), first_rejected(out)
        why = " ".join(pipe.explain(asked, step.source_lang, lang) for pipe in pipes)
        hint = "" if step.sentences else " A memory of sentences needs Docs with sentences: give --sentences."
        raise XprojError(
            f"Nothing was translated of {found['source_docs']} Docs, from {step.source_lang!r} to {lang!r}. The "
            f"first text that was asked for is {asked!r}; all are listed in {rejected_file(out)}. {why}{hint}"
        )
    labels = by_label(found)
    if labels and not any(row.get("source") for row in labels.values()):
        raise XprojError(
            f"The settings 'labels' and 'label_map' of the xproj_translator leave out all entities of the source. "
            f"Its labels are {', '.join(labels)}."
        )


@dataclass
class TranslationStep:
    """Source Docs into those target Docs in which something is translated.

    config (str or Path), lang (str), overrides (Optional[dict]): Those of the target pipeline. See `keyed_pipeline`.
    source_lang (str): The language of the source.
    sentences (bool): Mark sentences in Docs that have none marked.
    labels (LabelFilter), source_model (Optional[str or Path]): For a `SourceLabeler`, if the source is to be labeled.
    license (Optional[str]): The license of the data.

    Each process loads the models once.
    """

    config: PathLike
    lang: str
    overrides: Optional[dict[str, Any]]
    source_lang: str
    sentences: bool = False
    labels: LabelFilter = ALL
    source_model: Optional[PathLike] = None
    license: Optional[str] = None

    @cached_property
    def keyed(self) -> tuple[Language, Key]:
        """The target pipeline, with an `xproj_translator`, and its part of the key of a run."""
        return keyed_pipeline(self.config, self.lang, self.overrides)

    @property
    def nlp(self) -> Language:
        """The target pipeline."""
        return self.keyed[0]

    @cached_property
    def labeler(self) -> Optional[SourceLabeler]:
        """What labels the source."""
        return SourceLabeler(self.source_model, self.source_lang, self.labels) if self.source_model else None

    @cached_property
    def source_nlp(self) -> Language:
        """What the source is read with."""
        return self.labeler.reader if self.labeler else blank(self.source_lang)

    def __getstate__(self) -> dict[str, Any]:
        """What other processes need to load the models themselves."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def vocabs(self) -> Sequence[Vocab]:
        labeler = [self.labeler.nlp.vocab] if self.labeler else []
        return [self.source_nlp.vocab, self.nlp.vocab, *labeler]

    def __call__(self, docs: Iterable[Doc], tally: Tally) -> Iterator[Doc]:
        """Label the source, translate it, and reject the sentences that have no translation."""
        docs = prepared(docs, sentences=self.sentences, license=self.license)
        origin: dict[str, Any] = {}
        if self.labeler is not None:
            docs, origin = self.labeler(docs), self.labeler.provenance
        docs = self.count_left_out(docs, tally.counts)
        for doc in translate_docs(docs, self.nlp, source_lang=self.source_lang):
            bitext = doc._.xproj = doc._.xproj.replace(provenance={**doc._.xproj.provenance, **origin})
            number = tally.counts["source_docs"] + tally.counts[SET_ASIDE]
            tally.counts["source_docs"] += 1
            if bitext.provenance.get("translated"):
                tally.counts["docs_translated_as_one_text"] += 1
            if ignored := bitext.provenance.get("ignored"):
                tally.counts.update(f"docs_found_ignoring_{name}" for name in str(ignored).split(", "))
            for (a, b), (c, d) in bitext.sents:
                if b > a and d == c:
                    tally.counts["sentences_not_translated"] += 1
                    text = "".join(bitext.words[i] + " " * bitext.spaces[i] for i in range(a, b))
                    tally.reject(doc, number, "no translation", text.strip())
            tally.counts["docs" if len(doc) else "docs_not_translated"] += 1
            if len(doc):
                count_entities(doc, tally.counts)
                yield doc

    def count_left_out(self, docs: Iterable[Doc], counts: Counter) -> Iterator[Doc]:
        """Count in passing the labels that the settings of the translator leave out."""
        names = [pipe.names for _, pipe in xproj_pipes(self.nlp) if isinstance(pipe, PayloadTranslator)]
        for doc in docs:
            for each in names[:1]:  # the first one translates
                count_labels(counts, "left_out", (ent.label_ for ent in doc.ents if not each(ent.label_)))
            yield doc
