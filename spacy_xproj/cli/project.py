"""`xproj project`: fits what learns from the corpus, then aligns and projects."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Optional

import spacy
import typer
from spacy.cli._util import parse_config_overrides
from spacy.tokens import Doc
from tqdm import tqdm
from wasabi import msg

from ..corpus import doc_files, file_hash, read_file, run_shards, split_file, write_docs, write_file
from ..errors import XprojError
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
    single = out.suffix.lower() == ".spacy"
    if single and n_process > 1:
        raise XprojError(f"{out}: several processes write shards. Give OUT as a folder, or --n-process 1.")
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
    counts: Counter = Counter()
    if single:
        docs = (stamp(doc, state) for doc in reasons_of(nlp.pipe(texts), counts))
        write_docs(tqdm(docs, unit="doc", disable=not progress), out)
    else:
        files = doc_files(bitext)
        if alignments is not None or len(files) == 1:
            parts = out.with_name(f"{out.name}.input")
            if alignments is None:
                files = split_file(files[0], parts, shard)
            else:
                write_docs(texts, parts, shard=shard, key=key)
                files = doc_files(parts)
        with tqdm(total=len(files), unit="shard", disable=not progress) as bar:
            counts = run_shards(
                files,
                out,
                Work(fitted, state),
                key={**key, "state": state, "shard": str(shard)},
                n_process=n_process,
                progress=lambda done, total: bar.update(done - bar.n),
            )
    write_json(out.with_name(f"{out.name}.report.json"), {"pipeline": state, **dict(sorted(counts.items()))})
    return counts


def stamp(doc: Doc, state: str) -> Doc:
    """Name the fitted pipeline in the provenance."""
    if doc._.xproj is not None:
        doc._.xproj = doc._.xproj.replace(provenance={**doc._.xproj.provenance, "pipeline": state})
    return doc


@dataclass
class Work:
    """What a worker does with one shard. The pipeline is loaded once in each process."""

    folder: Path
    state: str

    def __call__(self, source: Path, out: Path) -> dict:
        nlp = _LOADED.get(self.state)
        if nlp is None:
            nlp = _LOADED[self.state] = spacy.load(self.folder)
        counts: Counter = Counter()
        docs = reasons_of(nlp.pipe(read_file(source, nlp.vocab)), counts)
        write_file((stamp(doc, self.state) for doc in docs), out)
        return dict(counts)


_LOADED: dict[str, Any] = {}


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
