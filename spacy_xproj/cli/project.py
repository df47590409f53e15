"""`xproj project`: fits what learns from the corpus, then aligns and projects."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from spacy.cli._util import parse_config_overrides
from spacy.tokens import Doc
from wasabi import msg

from ..corpus import doc_files, file_hash, split_file, write_docs
from .common import (
    Chain,
    Corpus,
    PathLike,
    config_hash,
    fit_once,
    load_pipeline,
    reasons_of,
    show_counts,
    write_json,
)
from .processing import Work, check_out, process


def project(
    bitext: PathLike,
    out: PathLike,
    config: PathLike,
    lang: Optional[str] = None,
    alignments: Optional[PathLike] = None,
    fit_on: Optional[list[Path]] = None,
    source_lang: str = "en",
    n_process: int = 1,
    shard: int = 0,
    overrides: Optional[dict[str, Any]] = None,
    progress: bool = False,
) -> Counter:
    """Fit, align and project a bitext.

    bitext (str or Path): Target Docs with payload (`xproj translate` makes them): a .spacy file or a folder.
    out (str or Path): A .spacy file, or a folder with one shard for each shard of the input. Beside it stand
        `OUT.report.json`, and `OUT.fitted/`, the pipeline that did it, written before the first output.
    config (str or Path): A `configs/project_*.cfg`, or a saved pipeline.
    lang (Optional[str]): The target language, in place of the config's.
    alignments (Optional[str or Path]): Word links in Pharaoh format, a line a Doc.
    fit_on (Optional[list of Path]): Fit on these bitexts (.tsv, .spacy), not on the input.
    source_lang (str): Source language of a .tsv.
    n_process (int): Worker processes, each of which reads, processes and writes whole shards.
    shard (int): Docs a shard, where one large file is split. 0: 1000.
    overrides (Optional[dict[str, Any]]): Config values by dotted name.
    progress (bool): Show bars.
    RETURNS (Counter): `docs`, `source_spans`, `projected`, and what was not projected by reason.
    RAISES (XprojError): If the input cannot be used.
    """
    out = Path(out)
    check_out(out, n_process)
    nlp = load_pipeline(config, lang, overrides)
    texts = Corpus(bitext, nlp, alignments=alignments)
    key = {"input": file_hash(bitext), "config": config_hash(nlp)}
    key.update({f"fit_on_{i}": file_hash(path) for i, path in enumerate(fit_on or ())})
    if Path(config).is_dir():
        key["pipeline"] = file_hash(config)
    if alignments is not None:
        key["alignments"] = file_hash(alignments)
    fit_docs = Chain([Corpus(path, nlp, source_lang=source_lang) for path in fit_on]) if fit_on else texts
    fitted = out.with_name(f"{out.name}.fitted")
    nlp, state = fit_once(nlp, fit_docs, fitted, key)
    texts.nlp = nlp  # it may have been loaded anew: the Docs belong into its vocab

    def shards(parts: Path) -> list[Path]:
        files = doc_files(bitext)
        if alignments is None:
            return files if len(files) > 1 else split_file(files[0], parts, shard)
        write_docs(texts, parts, shard=shard, key=key)
        return doc_files(parts)

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
    write_json(out.with_name(f"{out.name}.report.json"), {"pipeline": state, **dict(sorted(counts.items()))})
    return counts


def finish(docs: Iterable[Doc], state: str, counts: Counter) -> Iterator[Doc]:
    """Count what was projected and what was not, and name the fitted pipeline in the provenance."""
    for doc in reasons_of(docs, counts):
        if doc._.xproj is not None:
            doc._.xproj = doc._.xproj.replace(provenance={**doc._.xproj.provenance, "pipeline": state})
        yield doc


def project_cli(
    ctx: typer.Context,
    bitext: Annotated[Path, typer.Argument(metavar="BITEXT", help="Target Docs with payload.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .spacy file, or a folder of shards.")],
    config: Annotated[Path, typer.Option(help="Config, or saved pipeline.")],
    lang: Annotated[Optional[str], typer.Option(help="Target language.")] = None,
    alignments: Annotated[Optional[Path], typer.Option(help="Word links (Pharaoh), a line a Doc.")] = None,
    fit_on: Annotated[
        Optional[list[Path]], typer.Option(help="Bitext to fit on in place of the input; can be repeated.")
    ] = None,
    source_lang: Annotated[str, typer.Option(help="Source language of a .tsv to fit on.")] = "en",
    n_process: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    shard: Annotated[int, typer.Option(min=0, help="Docs a shard of a large file. 0: 1000.")] = 0,
) -> None:
    """Fit what learns from the corpus, then align and project the source entities. Config values can be given as
    --section.name VALUE, as for 'spacy train'."""
    overrides = parse_config_overrides(ctx.args)
    counts = project(
        bitext, out, config, lang, alignments, fit_on, source_lang, n_process, shard, overrides, progress=True
    )
    msg.good(f"Projected {counts['projected']} of {counts['source_spans']} entities in {counts['docs']} Docs: {out}")
    show_counts({k: v for k, v in counts.items() if ":" in k})
