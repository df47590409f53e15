"""Make sure that an input has the labels that a run needs, before the run begins."""

from collections import Counter

from spacy.language import Language

from ..errors import InputError
from ..fitting import xproj_pipes
from ..pipeline.translator import PayloadTranslator
from .pipelines import DocReader


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
        for _ in docs.read_plain(Counter(), seen):
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
    for doc in docs.read_plain(Counter(), seen):
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
