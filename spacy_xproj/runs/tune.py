"""Fine-tune an encoder on the parallel text of a corpus."""

from collections.abc import Iterator

from ..aligners.tuning import Tuned, TuningSettings
from ..aligners.tuning import tune as tune_model
from ..bitext import SentencePair
from ..corpus import blank
from ..errors import InputError
from ..locks import locked
from .pipelines import PathLike
from .reading import DocReader

DEFAULTS = TuningSettings()


def tune(
    bitext: PathLike,
    out: PathLike,
    model: PathLike,
    settings: TuningSettings = DEFAULTS,
    lang: str = "xx",
    source_lang: str = "en",
    limit: int = 0,
    device: str = "auto",
) -> Tuned:
    """Fine-tune an encoder on parallel text without labels.

    bitext (str or Path): Target Docs with payload, or a .tsv of source<TAB>target lines.
    out (str or Path): The folder for the model, which `spacy_xproj.Embedding.v1` takes. A run that was stopped goes on
        from `OUT.checkpoint`; one that was finished is not done again.
    model (str or Path): The folder of the model to begin with.
    settings (TuningSettings): How to tune.
    lang, source_lang (str): The languages of a .tsv, whose rules split it into words.
    limit (int): Read no more Docs than this. 0: all.
    device (str): "cpu", "cuda", "cuda:1" ..., or "auto": a GPU if there is one.
    RETURNS (Tuned): How it went.
    RAISES (XprojError): If the input, the model or OUT cannot be used.
    """
    docs = DocReader([bitext], blank(lang), source_lang=source_lang, limit=limit)
    with locked(out, [bitext, model]):
        return tune_model(_pairs(docs), out, model, settings, device=device)


def _pairs(docs: DocReader) -> Iterator[SentencePair]:
    for number, doc in enumerate(docs, 1):
        if doc._.xproj is None:
            raise InputError(docs.paths[0], f"Expected Docs with their source as payload, but Doc {number} has none.")
        yield from doc._.xproj.pairs(tuple(token.text for token in doc))
