"""Fit what learns from a bitext, then align and project it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

from spacy.tokens import Doc

from ..codes import normalize_code
from ..errors import InputError
from ..fitting import MAX_FIT, xproj_pipes
from ..keys import run_key
from ..labels import ALL, LabelFilter
from ..locks import locked
from ..pipeline.base import check_whole
from .engines import HERE, Workers
from .label_counts import count_projected, write_report
from .pipelines import Fitted, PathLike, check_projects, fit_once, fitted_beside, is_single, keyed_pipeline
from .process import PipelineStep, check_processes, process
from .reading import DocReader, Inputs
from .shards import Progress
from .source_labels import check_labels, check_source_entities, makes_payloads


def project(
    bitext: PathLike,
    out: PathLike,
    config: PathLike,
    lang: Optional[str] = None,
    alignments: Optional[PathLike] = None,
    fit_on: Sequence[PathLike] = (),
    source_lang: str = "en",
    workers: Workers = HERE,
    shard: int = 0,
    overrides: Optional[dict[str, Any]] = None,
    progress: Optional[Progress] = None,
    *,
    labels: LabelFilter = ALL,
    sentences: bool = False,
    max_fit: int = MAX_FIT,
) -> Counter:
    """Fit, align and project a bitext.

    bitext (str or Path): Target Docs with payload (`xproj translate` makes them): a .spacy file or a folder.
    out (str or Path): A .spacy file, or a folder with one shard for each shard of the input. Beside it stand
        `OUT.report.json`, and `OUT.fitted/`, the pipeline that did it, written before the first output.
    config (str or Path): A `configs/project_*.cfg`, or a saved pipeline.
    lang (Optional[str]): The target language, in place of the config's.
    alignments (Optional[str or Path]): Word links in Pharaoh format. See `with_links`.
    fit_on (sequence of str or Path): Fit on these bitexts (.tsv, .spacy). Empty: on the input.
    source_lang (str): Source language of a .tsv.
    workers (Workers): Who makes the shards.
    shard (int): Docs a shard, where one large file is split. 0: 1000.
    overrides (Optional[dict[str, Any]]): Config values by dotted name.
    progress (Optional[Progress]): Called with the numbers of finished and of all shards, or of Docs.
    labels (LabelFilter): New names of the labels of source entities, and those to keep.
    sentences (bool): Find and align the sentences of Docs that have no sentence pairs.
    max_fit (int): Largest number of Docs to fit on. See `spacy_xproj.fit`.
    RETURNS (Counter): See `count_reports`.
    RAISES (XprojError): If the input cannot be used, or the pipeline does not project.
    """
    out = Path(out)
    check_processes(out, workers)
    nlp, key = keyed_pipeline(config, lang, overrides)
    check_projects(nlp, config)
    if fit_on or not is_single(out):
        check_whole(nlp, "Give OUT as one .spacy file and no --fit-on, or give the links as --alignments.")
    inputs = {"input": bitext, "alignments": alignments, **{f"--fit-on text {i}": p for i, p in enumerate(fit_on, 1)}}
    options = {"source language": normalize_code(source_lang), "sentences": sentences, **labels.options()}
    options["max fit"] = max_fit
    files = Inputs(inputs.values())
    key |= run_key(inputs, options)
    check = check_labels if makes_payloads(nlp) else check_source_entities
    check(DocReader([bitext], nlp, source_lang=source_lang, labels=labels))
    given = None if fit_on else alignments
    reading: dict[str, Any] = {"source_lang": source_lang, "labels": labels, "sentences": sentences}
    fit_docs = DocReader(fit_on or [bitext], nlp, alignments=given, **reading)
    fitting = fitted_beside(nlp, fit_docs, out, key, inputs=files, max_fit=max_fit)
    with locked(out, inputs.values()), fitting as fitted:
        docs = DocReader([bitext], fitted.nlp, alignments=alignments, **reading)
        step = PipelineStep(fitted.folder, fitted.state, with_state)
        key["fitted pipeline"] = fitted.state
        counts = process(docs, out, step, key=key, inputs=files, shard=shard, workers=workers, progress=progress)
        write_report(out, counts, pipeline=fitted.state, **fitted.sample)
    return counts


def with_state(docs: Iterable[Doc], state: str, counts: Counter) -> Iterator[Doc]:
    """Count what was projected and what was not, and name the fitted pipeline in the provenance."""
    for doc in count_reports(docs, counts):
        if doc._.xproj is not None:
            doc._.xproj = doc._.xproj.replace(provenance={**doc._.xproj.provenance, "pipeline": state})
        yield doc


def count_reports(docs: Iterable[Doc], counts: Counter) -> Iterator[Doc]:
    """Count in passing what the reports on the Docs say: `docs`, `source_spans`, `projected`, `doubtful`,
    `not_projected:REASON`, `note:NOTE`, and what `by_label` reads."""
    for doc in docs:
        report = doc._.xproj_report or {}
        counts["docs"] += 1
        counts["source_spans"] += report.get("source_spans", 0)
        counts["projected"] += report.get("projected", 0)
        counts["doubtful"] += sum(report.get("doubtful", {}).values())
        counts.update(f"not_projected:{row['reason']}" for row in report.get("missing", ()))
        counts.update(f"note:{note}" for note in report.get("notes", ()))
        count_projected(doc, counts)
        yield doc


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
    max_fit: int = MAX_FIT,
) -> Fitted:
    """Fit a pipeline on a bitext and save it. One that was saved with the same key is not fitted again.

    bitext (str or Path): Target Docs with payload, or a .tsv of source<TAB>target lines.
    out (str or Path): The folder to write: new, empty, or written by an earlier call.
    config (str or Path): A `configs/project_*.cfg`, or a saved pipeline.
    lang, source_lang (str): Language codes of the target and of the source.
    overrides (Optional[dict[str, Any]]): Config values by dotted name.
    labels (LabelFilter): New names of the labels of source entities, and those to keep.
    sentences (bool): Find and align the sentences of Docs that have no sentence pairs.
    max_fit (int): Largest number of Docs to fit on. See `spacy_xproj.fit`.
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
    options = {"source language": normalize_code(source_lang), "sentences": sentences, **labels.options()}
    options["max fit"] = max_fit
    files = Inputs([bitext])
    key |= run_key({"input": bitext}, options)
    docs = DocReader([bitext], nlp, source_lang=source_lang, labels=labels, sentences=sentences)
    check_labels(docs)
    with locked(out, [bitext]):
        return fit_once(nlp, docs, Path(out), key, inputs=files, max_fit=max_fit)
