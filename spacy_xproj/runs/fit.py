"""Fit a pipeline on a bitext and save it."""

from pathlib import Path
from typing import Any, Optional

from ..codes import normalize_code
from ..errors import InputError
from ..files import locked
from ..fitting import xproj_pipes
from ..keys import run_key
from ..labels import ALL, LabelFilter
from .pipelines import DocReader, Fitted, PathLike, fit_once, keyed_pipeline
from .sources import check_labels


def fit(
    bitext: PathLike,
    out: PathLike,
    config: PathLike,
    lang: Optional[str] = None,
    source_lang: str = "en",
    overrides: Optional[dict[str, Any]] = None,
    *,
    labels: LabelFilter = ALL,
    sentences: bool = False,
) -> Fitted:
    """Fit a pipeline on a bitext and save it. One that was saved with the same key is not fitted again.

    bitext (str or Path): Target Docs with payload, or a .tsv of source<TAB>target lines.
    out (str or Path): The folder to write: new, empty, or written by an earlier call.
    config (str or Path): A `configs/project_*.cfg`, or a saved pipeline.
    lang, source_lang (str): The languages.
    overrides (Optional[dict[str, Any]]): Config values by dotted name.
    labels (LabelFilter): New names of the labels of source entities, and those to keep.
    sentences (bool): Find and align the sentences of Docs that have no sentence pairs.
    RETURNS (Fitted): The pipeline, and which pipes were fitted.
    RAISES (XprojError): If the input cannot be used, nothing in the pipeline learns from it, or the folder holds other
        things.
    """
    nlp, key = keyed_pipeline(config, lang, overrides)
    if not any(pipe.fittable() for _, pipe in xproj_pipes(nlp)):
        raise InputError(
            config,
            "Nothing in this pipeline learns from a bitext, so there is nothing to fit. Use it as it is, or add an "
            "xproj_aligner or another pipe that learns.",
        )
    options = {**labels.options(), **({"sentences": True} if sentences else {})}
    key |= run_key({"input": bitext}, {"source language": normalize_code(source_lang), **options})
    docs = DocReader([bitext], nlp, source_lang=source_lang, labels=labels, sentences=sentences)
    check_labels(docs)
    with locked(out, [bitext]):
        return fit_once(nlp, docs, Path(out), key)
