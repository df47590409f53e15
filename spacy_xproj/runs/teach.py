"""Label raw target text softly, by the teachers of a pipeline."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Optional

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc

from ..corpus import LINES
from ..errors import InputError
from ..files import write_json
from ..fitting import xproj_pipes
from ..keys import run_key
from ..labels import ALL, LabelFilter
from ..locks import locked
from ..pipeline.teacher import SoftLabeler
from ..shipped import find_config, read_config
from .convert import prepared
from .engines import HERE, Workers
from .pipelines import PathLike, fitted_beside, keyed_pipeline
from .process import PipelineStep, check_processes, process
from .reading import DocReader, Inputs
from .rejected import SET_ASIDE
from .shards import Progress

MICRO = 1_000_000  # sums of whole numbers do not depend on their order


def teach(
    raw: PathLike,
    out: PathLike,
    config: PathLike,
    lang: Optional[str] = None,
    only: Sequence[str] = (),
    workers: Workers = HERE,
    shard: int = 0,
    overrides: Optional[dict[str, Any]] = None,
    progress: Optional[Progress] = None,
    *,
    labels: LabelFilter = ALL,
    license: Optional[str] = None,
) -> dict[str, Any]:
    """Label text by the teachers of a pipeline with an `xproj_teacher`, after fitting what learns from the text.

    raw (str or Path): Text of the target language, in any format that `read_docs` reads. User data is kept.
    out (str or Path): A .spacy file, or a folder of shards. Beside it stand `OUT.report.json`, and `OUT.fitted/`, the
        pipeline that did it, with its teachers, written before the first output.
    config (str or Path): A config such as `configs/teach.cfg`, or a saved pipeline.
    lang (Optional[str]): The target language, in place of the config's.
    only (sequence of str): Use these of the teachers.
    workers (Workers): Who makes the shards.
    shard (int): Docs a shard, where one file is split. 0: 1000.
    overrides (Optional[dict[str, Any]]): Config values by dotted name.
    progress (Optional[Progress]): Called with the numbers of finished and of all shards, or of Docs.
    labels (LabelFilter): New names of the teachers' labels, and those to keep.
    license (Optional[str]): The license of the text, which follows it as `meta["license"]`.
    RETURNS (dict): What stands in the report: see `report`.
    RAISES (XprojError): If the input cannot be used, the pipeline has no `xproj_teacher`, or all tokens are masked.
    """
    out = Path(out)
    check_processes(out, workers)
    nlp, key = keyed_pipeline(config, lang, {**(overrides or {}), **teacher_settings(config, only, labels)})
    if not any(isinstance(pipe, SoftLabeler) and pipe.used() for _, pipe in xproj_pipes(nlp)):
        raise InputError(config, "Expected a pipeline with an xproj_teacher, but it has none.")
    check_teacher_labels(nlp, labels)
    inputs = Inputs([raw])
    key |= run_key({"input": raw}, {"license": license})
    fitting = fitted_beside(nlp, DocReader([raw], nlp, default=LINES), out, key, inputs=inputs)
    with locked(out, [raw]), fitting as fitted:
        docs = DocReader([raw], fitted.nlp, default=LINES)
        step = PipelineStep(fitted.folder, fitted.state, partial(with_state, license=license))
        key["fitted pipeline"] = fitted.state

        def check(found: Counter) -> None:
            if found["masked"] < found["tokens"]:
                return
            raise InputError(
                raw,
                f"Of its {found['tokens']} tokens all are masked: no student can learn from that. Do the "
                "teachers agree on nothing, or have they never seen this language? See 'agreement' and 'projection' in "
                "the config, and try one teacher alone with --only.",
            )

        made = process(
            docs, out, step, key=key, inputs=inputs, shard=shard, workers=workers, progress=progress, check=check
        )
        found = {"pipeline": fitted.state, **fitted.sample, **report(made)}
        write_json(f"{out}.report.json", found)
    return found


def with_state(docs: Iterable[Doc], state: str, counts: Counter, license: Optional[str] = None) -> Iterator[Doc]:
    """Mark the license, name the pipeline in the provenance, and count what the soft labels say.

    The counts are `docs`, `tokens`, `masked`; of the tokens that are not masked those with "O" as the most probable tag
    as `outside`, and the sum of the entropies in millionths of a nat as `entropy`; and the entities of each type in the
    most probable valid sequence as `entity:TYPE`."""
    for doc in prepared(docs, license=license):
        soft = doc._.xproj_soft
        doc._.xproj_soft = replace(soft, provenance={**soft.provenance, "pipeline": state})
        known = soft.known
        rows = soft.probs[known].astype("f8")
        logs = np.log(rows, out=np.zeros_like(rows), where=rows > 0)
        counts["docs"] += 1
        counts["tokens"] += len(doc)
        counts["masked"] += int(len(doc) - known.sum())
        counts["outside"] += int((rows.argmax(axis=1) == soft.labels.index("O")).sum())
        counts["entropy"] += round(-float((rows * logs).sum()) * MICRO)
        counts.update(f"entity:{entity.label}" for entity in soft.entities(doc))
        yield doc


def report(counts: Counter) -> dict[str, Any]:
    """The counts as a report.

    counts (Counter): From `with_state`.
    RETURNS (dict): `docs`, `tokens`; `masked_share` (of all tokens), `outside_share` and `mean_entropy` in nats (of
        those that are not masked); `entities`, by type.
    """
    known = max(counts["tokens"] - counts["masked"], 1)
    prefix = "entity:"
    aside = {SET_ASIDE: counts[SET_ASIDE]} if counts[SET_ASIDE] else {}
    return {
        "docs": counts["docs"],
        **aside,
        "tokens": counts["tokens"],
        "masked_share": round(counts["masked"] / max(counts["tokens"], 1), 6),
        "outside_share": round(counts["outside"] / known, 6),
        "mean_entropy": round(counts["entropy"] / MICRO / known, 6),
        "entities": {key[len(prefix) :]: n for key, n in sorted(counts.items()) if key.startswith(prefix)},
    }


def teacher_settings(config: PathLike, only: Sequence[str] = (), labels: LabelFilter = ALL) -> dict[str, Any]:
    """Return the config values that make each `xproj_teacher` use some teachers and labels.

    config (str or Path): A config, or a saved pipeline.
    only (sequence of str): The teachers to use. Empty: as the config says.
    labels (LabelFilter): New names of labels, and those to keep. Empty: as the config says.
    RETURNS (dict[str, Any]): Values by their dotted names.
    """
    given = {"only": list(only), "labels": list(labels.labels), "label_map": dict(labels.label_map)}
    values = {setting: value for setting, value in given.items() if value}
    if not values:
        return {}
    path = find_config(config)
    path = path / "config.cfg" if path.is_dir() else path
    blocks = read_config(path).get("components", {})
    names = [name for name, block in blocks.items() if block.get("factory") == "xproj_teacher"]
    return {f"components.{name}.{setting}": value for name in names for setting, value in values.items()}


def check_teacher_labels(nlp: Language, labels: LabelFilter, also: Iterable[str] = ()) -> None:
    """Make sure that teachers know the labels that a run names.

    nlp (Language): The pipeline of the teachers, made with `teacher_settings`.
    labels (LabelFilter): New names of labels, and those to keep.
    also (iterable of str): Labels that occur elsewhere in the input.
    RAISES (XprojError): If a label that is named occurs nowhere. See `LabelFilter.check`.
    """
    if not labels:
        return
    known = set(also)
    for _, pipe in xproj_pipes(nlp):
        if isinstance(pipe, SoftLabeler):
            types = {kind for name in pipe.used() for kind in pipe.scheme(name).types}
            # A map in the config renames the teachers' labels where there is none in the options.
            known |= types if labels.label_map else {pipe.label_map.get(kind, kind) for kind in types} - {""}
    labels.check(known)
