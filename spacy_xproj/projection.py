"""The two functions that most programs need: `translate` and `project`."""

from collections.abc import Iterable, Iterator
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from .errors import XprojError
from .fitting import fit as fit_pipeline
from .fitting import unfitted, xproj_pipes


def translate(
    source_docs: Iterable[Doc], nlp_target: Language, *, source_lang: str = "", batch_size: int = 256
) -> Iterator[Doc]:
    """Make target Docs with the payload, by the `forward` translator of the pipeline's `xproj_translator`.

    source_docs (Iterable[Doc]): Labeled source Docs, with entities in `doc.ents`.
    nlp_target (Language): The target pipeline. Its vocab is the Docs' vocab.
    source_lang (str): The language of the source; empty: as the Docs say.
    YIELDS (Doc): One for each source Doc, in order. An empty Doc is one without a translation.
    RAISES (XprojError): If the pipeline has no `xproj_translator`, or that has no `forward`.
    """
    from .pipeline.translator import PayloadTranslator

    for _, pipe in xproj_pipes(nlp_target):
        if isinstance(pipe, PayloadTranslator):
            return pipe.translate(source_docs, nlp_target, source_lang=source_lang, batch_size=batch_size)
    raise XprojError("The target pipeline has no xproj_translator. Add one whose 'forward' is a translator.")


def project(
    source_docs: Iterable[Doc], nlp_target: Language, *, fit: bool = True, batch_size: int = 256, **options: Any
) -> Iterator[Doc]:
    """Project the entities of source Docs onto their translations (translate-train).

    source_docs (Iterable[Doc]): Labeled source Docs.
    nlp_target (Language): The target pipeline: an `xproj_translator`, an `xproj_aligner`, and an `xproj_projector` or
        `xproj_matcher`. Other pipes in it run too.
    fit (bool): First fit the pipes that are not fitted on the translated Docs, which are held in memory for that. If
        all are fitted, or with `fit=False`, the Docs stream.
    options: `max_fit`, as for `spacy_xproj.fit`.
    YIELDS (Doc): Target Docs with `doc.ents`, one for each source Doc, in order.
    RAISES (NotFittedError): If something is not fitted and `fit` is False.
    """
    docs: Iterable[Doc] = translate(source_docs, nlp_target, batch_size=batch_size)
    if fit and unfitted(nlp_target):
        docs = list(docs)
        fit_pipeline(nlp_target, docs, **options)
    return nlp_target.pipe(docs, batch_size=batch_size)
