"""The labels of the source: whether an input has those that a run needs, and a model that the user names to make them.
It is a spaCy pipeline or a Hugging Face token classifier."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Optional

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..codes import match_level
from ..corpus import LINES, blank, lang_code
from ..errors import InputError, XprojError
from ..fitting import xproj_pipes
from ..keys import Key
from ..labels import ALL, LabelFilter
from ..models.pipelines import SpacyPipeline
from ..pipeline.translator import PayloadTranslator
from ..teachers.members import FINDERS
from ..zones import memory_zones
from .pipelines import PathLike
from .reading import DocReader

WHO = "--source-model"
# Statistical models of entities look at the words alone. What these pipes say of a text is nothing to them, and takes
# most of the time; the sentences that some of them set would only cut entities.
NOT_NEEDED = {
    *["attribute_ruler", "entity_linker", "lemmatizer", "morphologizer", "parser", "sentencizer"],
    *["senter", "tagger", "textcat", "textcat_multilabel", "trainable_lemmatizer"],
}


class SourceLabeler:
    """Labels unlabeled source Docs.

    model (str or Path): An installed spaCy pipeline by its name, the folder of one, or the folder of a Hugging Face
        token classifier.
    lang (str): The language of the source.
    names (LabelFilter): New names of the model's labels, and those to keep.
    RAISES (XprojError): If the model cannot be loaded, finds no entities or is for another language, or its labels do
        not fit `names`.

    Attributes: `nlp` (Language), the model, with the pipes enabled that the entities depend on; `reader` (Language),
    what the source is to be read with, so that raw text is split as the model knows it; `labels` (list of str), what it
    can find, by its own names; `key` (dict[str, str]), its part of the key of a run; `provenance` (dict[str, str]), for
    that of the payload.
    """

    def __init__(self, model: PathLike, lang: str, names: LabelFilter = ALL):
        self.names = names
        self.nlp, name, content = _load(model, lang)
        self.key: Key = {"source model": name, "source model file": content}
        self.provenance = {"source_model": f"{name} ({content[:12]})"}
        plain = blank(lang)
        self.reader = self.nlp if self.nlp.lang == plain.lang else plain
        setters = [pipe for pipe in self.nlp.pipe_names if "doc.ents" in self.nlp.get_pipe_meta(pipe).assigns]
        if not setters:
            listed = ", ".join(self.nlp.pipe_names) or "none"
            raise XprojError(
                f"{WHO} {model}: expected a pipeline that finds entities, but its components are {listed}."
            )
        labels = [self.nlp.pipe_labels.get(pipe, ()) for pipe in setters]
        self.labels = sorted({label for found in labels for label in found})
        if all(labels):  # a component of another package may not tell its labels
            try:
                names.check(self.labels)
            except XprojError as err:
                raise XprojError(f"{WHO} {model} does not find all labels that are named. {err}") from None
        self.nlp.select_pipes(enable=needed_pipes(self.nlp, setters))

    def __call__(self, docs: Iterable[Doc]) -> Iterator[Doc]:
        """Set the entities of source Docs, in place. Nothing else of them changes: of sentences that the model would
        set, they keep those that they have.

        docs (iterable of Doc): Source Docs of any vocab, unlabeled.
        YIELDS (Doc): The Docs, labeled.
        RAISES (XprojError): If one is labeled already.
        """
        pairs = self.nlp.pipe(((self._copy(doc), doc) for doc in docs), as_tuples=True)
        return self.names.apply(_take_entities(labeled, doc) for labeled, doc in pairs)

    def _copy(self, doc: Doc) -> Doc:
        check_unlabeled(doc)
        copy = Doc(self.nlp.vocab, [t.text for t in doc], [bool(t.whitespace_) for t in doc])
        if doc.has_annotation("SENT_START"):
            for token, other in zip(copy, doc):
                token.is_sent_start = other.is_sent_start
        return copy


def source_reader(source: PathLike, nlp: Language, names: LabelFilter, labeler: Optional[SourceLabeler]) -> DocReader:
    """Make the reader of a source corpus, which is read once to make sure that the run can use it.

    source (str or Path): The corpus, in any format that `read_docs` reads.
    nlp (Language): What it is read with: the `reader` of the labeler, if there is one.
    names (LabelFilter): New names of the labels, and those to keep.
    labeler (Optional[SourceLabeler]): What is to label it, with the same `names`.
    RETURNS (DocReader): The reader.
    RAISES (XprojError): If a label that is named occurs nowhere, or if there is a labeler and a text is labeled.
    """
    if labeler is None:
        docs = DocReader([source], nlp, source_lang=None, labels=names)
        check_labels(docs)
    else:
        docs = DocReader([source], nlp, source_lang=None, default=LINES)
        with memory_zones(nlp.vocab):
            for doc in docs.apart():
                check_unlabeled(doc)
    return docs


def check_unlabeled(doc: Doc) -> None:
    """RAISES (XprojError): If a Doc that a model is to label has labels."""
    if doc.has_annotation("ENT_IOB"):
        raise XprojError(
            f"{WHO} labels text without labels, but the text that begins with {doc.text[:40]!r} is labeled already. "
            "Leave the option out to keep these labels, or give the text without them."
        )


def needed_pipes(nlp: Language, setters: list[str]) -> list[str]:
    """Return the pipes that the entities depend on, in order: those up to the last that sets entities. Where all that
    set entities are statistical models, others that only annotate words and sentences are left out.

    nlp (Language): The pipeline.
    setters (list of str): Its pipes that set entities.
    """
    factory = {name: nlp.get_pipe_meta(name).factory for name in nlp.pipe_names}
    found = nlp.pipe_names[: nlp.pipe_names.index(setters[-1]) + 1]
    if not all(factory[name] in FINDERS for name in setters):
        return found
    return [name for name in found if factory[name] not in NOT_NEEDED]


def _load(model: PathLike, lang: str) -> tuple[Language, str, str]:
    """Load the model, and return it with its name and the hash of its content."""
    folder = Path(model)
    if (folder / "config.json").is_file() and not (folder / "meta.json").exists():
        nlp = blank(lang)
        teacher = {"@xproj_teachers": "spacy_xproj.TokenClassifier.v1", "model": str(folder)}
        pipe = nlp.add_pipe("xproj_token_classifier", config={"teacher": teacher, "spans_key": ""})
        return nlp, "token classifier", pipe.teacher.key.split(":")[-1]  # type: ignore[attr-defined]
    pipeline = SpacyPipeline(model, who=WHO)
    nlp = pipeline.nlp
    if lang_code(nlp) != "xx" and not match_level(lang_code(nlp), lang):
        raise XprojError(
            f"{WHO} {model} is a pipeline for {lang_code(nlp)!r}, but the language of the source is {lang!r}. Give "
            "--source-lang, or another model."
        )
    return nlp, f"{nlp.meta['lang']}_{nlp.meta['name']} {nlp.meta['version']}", pipeline.hash


def _take_entities(labeled: Doc, doc: Doc) -> Doc:
    ents = [Span(doc, e.start, e.end, label=e.label_, span_id=e.ent_id_ or e.id_) for e in labeled.ents]
    doc.set_ents(ents, default="outside")
    return doc


def makes_payloads(nlp: Language) -> bool:
    """Whether a pipeline finds the source side of a text by itself, by translating it back."""
    return any(isinstance(pipe, PayloadTranslator) and pipe.back is not None for _, pipe in xproj_pipes(nlp))


def check_labels(docs: DocReader) -> None:
    """Read an input as a whole if the run names labels.

    docs (DocReader): The input.
    RAISES (XprojError): If a label that is named occurs nowhere. See `LabelFilter.check`.
    """
    if docs.labels:
        seen: Counter = Counter()
        with memory_zones(docs.nlp.vocab):
            for _ in docs.apart().read_plain(Counter(), seen):
                pass
        docs.labels.check(seen)


def check_source_entities(docs: DocReader) -> None:
    """Make sure that a bitext has an entity on its source side, and the labels that the run names.

    docs (DocReader): The bitext. It is read up to the first source entity, and as a whole if the run names labels.
    RAISES (XprojError): If it has none, or a label that is named occurs nowhere. It names the likelier cause.
    """
    check_labels(docs)
    seen: Counter = Counter()
    n_docs = payloads = labeled = 0
    with memory_zones(docs.nlp.vocab):
        for doc in docs.apart().read_plain(Counter(), seen):
            n_docs += 1
            bitext = doc._.xproj
            if bitext is not None:
                if bitext.spans:
                    return
                payloads += 1
                labeled += len(bitext.unknown) < len(bitext.words)
    path = docs.paths[0]
    if not payloads:
        cause = (
            "no Doc has a source side. Is it the right file? A bitext is made by 'xproj translate' or 'xproj pair', of "
            "labeled source text and its translation."
        )
    elif seen.total() and docs.labels:
        cause = f"--labels and --label-map left out all {seen.total()} of them ({', '.join(sorted(seen))})."
    elif not labeled:
        cause = (
            "its source side was never labeled. Make it from labeled text, or give 'xproj translate' or 'xproj pair' a "
            "--source-model that labels the source."
        )
    else:
        cause = (
            "its source side is labeled, but as without entities. Were their labels left out when it was made, by "
            "--labels, --label-map or the settings of xproj_translator?"
        )
    raise InputError(path, f"There is no source entity to project in {n_docs} Docs: {cause}")
