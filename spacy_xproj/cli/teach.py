"""`xproj teach`: raw target text into Docs with soft labels by teachers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import typer
from spacy.cli._util import parse_config_overrides
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_config
from wasabi import msg

from ..corpus import doc_files, file_hash, split_file, write_docs
from ..errors import InputError
from ..fitting import payload_pipes
from ..pipeline.teacher import SoftLabeler
from .common import Corpus, PathLike, config_hash, fit_once, load_pipeline, show_counts, write_json
from .processing import Work, check_out, process

MICRO = 1_000_000  # sums of whole numbers do not depend on their order


def teach(
    raw: PathLike,
    out: PathLike,
    config: PathLike,
    lang: Optional[str] = None,
    only: Sequence[str] = (),
    n_process: int = 1,
    shard: int = 0,
    overrides: Optional[dict[str, Any]] = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Label text by the teachers of a pipeline with an `xproj_teacher`, after fitting what learns from the text.

    raw (str or Path): Text of the target language, in any format that `read_docs` reads. User data is kept.
    out (str or Path): A .spacy file, or a folder of shards. Beside it stand `OUT.report.json`, and `OUT.fitted/`, the
        pipeline that did it, with its teachers, written before the first output.
    config (str or Path): A config such as `configs/teach.cfg`, or a saved pipeline.
    lang (Optional[str]): The target language, in place of the config's.
    only (sequence of str): Use these of the teachers.
    n_process (int): Worker processes, each of which reads, labels and writes whole shards.
    shard (int): Docs a shard, where one file is split. 0: 1000.
    overrides (Optional[dict[str, Any]]): Config values by dotted name.
    progress (bool): Show bars.
    RETURNS (dict): What stands in the report: see `report`.
    RAISES (XprojError): If the input cannot be used, or the pipeline has no `xproj_teacher`.
    """
    out = Path(out)
    check_out(out, n_process)
    nlp = load_pipeline(config, lang, {**(overrides or {}), **only_these(config, only)})
    texts = Corpus(raw, nlp)
    key = {"input": file_hash(raw), "config": config_hash(nlp), **teachers_key(nlp, config)}
    fitted = out.with_name(f"{out.name}.fitted")
    nlp, state = fit_once(nlp, texts, fitted, key)
    texts.nlp = nlp  # it may have been loaded anew: the Docs belong into its vocab

    def shards(parts: Path) -> list[Path]:
        if not Path(raw).is_dir() and Path(raw).suffix.lower() != ".spacy":
            write_docs(texts, parts, shard=shard, key=key)
            return doc_files(parts)
        files = doc_files(raw)
        return files if len(files) > 1 else split_file(files[0], parts, shard)

    counts = process(
        nlp,
        texts,
        shards,
        out,
        Work(fitted, state, finish),
        key={**key, "state": state, "shard": str(shard)},
        n_process=n_process,
        progress=progress,
    )
    found = {"pipeline": state, **report(counts)}
    write_json(out.with_name(f"{out.name}.report.json"), found)
    return found


def only_these(config: PathLike, only: Sequence[str]) -> dict[str, list[str]]:
    """The config values that make each `xproj_teacher` use some of its teachers."""
    path = Path(config) / "config.cfg" if Path(config).is_dir() else Path(config)
    if not only or not path.exists():
        return {}
    blocks = load_config(path, interpolate=False).get("components", {})
    names = [name for name, block in blocks.items() if block.get("factory") == "xproj_teacher"]
    return {f"components.{name}.only": list(only) for name in names}


def teachers_key(nlp: Language, config: PathLike) -> dict[str, str]:
    """What the soft labels depend on beside the config: the content of the models."""
    pipes = [(name, pipe) for name, pipe in payload_pipes(nlp) if isinstance(pipe, SoftLabeler)]
    if not pipes:
        raise InputError(config, None, "Expected a pipeline with an xproj_teacher, but it has none.")
    key = {
        f"{pipe_name}.{name}": str(getattr(teacher, "key", ""))
        for pipe_name, pipe in pipes
        for name, teacher in pipe.used().items()
    }
    return {**key, "pipeline": file_hash(config)} if Path(config).is_dir() else key


def finish(docs: Iterable[Doc], state: str, counts: Counter) -> Iterator[Doc]:
    """Name the pipeline in the provenance, and count what the soft labels say.

    The counts are `docs`, `tokens`, `masked`; of the tokens that are not masked those with "O" as the most probable tag
    as `outside`, and the sum of the entropies in millionths of a nat as `entropy`; and the entities of each type in the
    most probable valid sequence as `entity:TYPE`."""
    for doc in docs:
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

    counts (Counter): From `finish`.
    RETURNS (dict): `docs`, `tokens`; `masked_share` (of all tokens), `outside_share` and `mean_entropy` in nats (of
        those that are not masked); `entities`, by type.
    """
    known = max(counts["tokens"] - counts["masked"], 1)
    prefix = "entity:"
    return {
        "docs": counts["docs"],
        "tokens": counts["tokens"],
        "masked_share": round(counts["masked"] / max(counts["tokens"], 1), 6),
        "outside_share": round(counts["outside"] / known, 6),
        "mean_entropy": round(counts["entropy"] / MICRO / known, 6),
        "entities": {key[len(prefix) :]: n for key, n in sorted(counts.items()) if key.startswith(prefix)},
    }


def teach_cli(
    ctx: typer.Context,
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="Text of the target language, in any format.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .spacy file, or a folder of shards.")],
    config: Annotated[Path, typer.Option(help="Config with an xproj_teacher, or a saved pipeline.")],
    lang: Annotated[Optional[str], typer.Option(help="Target language.")] = None,
    only: Annotated[Optional[list[str]], typer.Option(help="Use this teacher only; can be repeated.")] = None,
    n_process: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    shard: Annotated[int, typer.Option(min=0, help="Docs a shard of a large file. 0: 1000.")] = 0,
) -> None:
    """Label raw target text by teachers, softly: a distribution over tags for each token. Config values can be given
    as --section.name VALUE, as for 'spacy train'."""
    found = teach(raw, out, config, lang, only or [], n_process, shard, parse_config_overrides(ctx.args), progress=True)
    msg.good(f"Labeled {found['tokens']} tokens in {found['docs']} Docs: {out}")
    entities = {f"entities: {kind}": n for kind, n in found["entities"].items()}
    show_counts({**{key: found[key] for key in ("masked_share", "outside_share", "mean_entropy")}, **entities})
