"""`xproj evaluate`: projects a source's entities onto the target's own tokens, and scores them against its gold."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from spacy.cli._util import parse_config_overrides
from spacy.training import Example
from wasabi import msg

from ..corpus import blank, read_docs
from ..corpus.examples import with_links
from ..corpus.pairing import gold_doc, pair_docs
from ..errors import InputError
from ..evaluate import score
from ..fitting import fit as fit_pipeline
from .common import Chain, Corpus, PathLike, load_pipeline, show_counts, write_json


def evaluate(
    source: PathLike,
    target: PathLike,
    config: PathLike,
    alignments: Optional[PathLike] = None,
    lang: Optional[str] = None,
    labels: str = "",
    output: Optional[PathLike] = None,
    fit_on: Optional[list[Path]] = None,
    source_lang: str = "en",
    overrides: Optional[dict[str, Any]] = None,
) -> dict[str, Any]:
    """Score a projection.

    source, target (str or Path): Gold on both sides of the same sentences, in any format that `read_docs` reads.
    config (str or Path): A `configs/project_*.cfg`, or a saved pipeline.
    alignments (Optional[str or Path]): Word links in Pharaoh format, a line a sentence.
    lang, source_lang (str): The languages. Tokenized input needs none.
    labels (str): Only these, with commas between them; empty: all.
    output (Optional[str or Path]): Write the scores there as JSON.
    fit_on (Optional[list of Path]): Fit on these bitexts (.tsv, .spacy), not on the input.
    overrides (Optional[dict[str, Any]]): Config values by dotted name.
    RETURNS (dict): See `spacy_xproj.evaluate.score`; also `input`, what reading the files was worth a remark.
    RAISES (XprojError): If the input cannot be used.
    """
    nlp = load_pipeline(config, lang, overrides)
    if not any("doc.ents" in nlp.get_pipe_meta(name).assigns for name in nlp.pipe_names):
        raise InputError(
            config, None, "Nothing in this pipeline finds entities: add an xproj_matcher or xproj_projector."
        )
    kept = [label.strip() for label in labels.split(",") if label.strip()]
    counts: Counter = Counter()
    gold = list(read_docs(target, nlp, counts=counts))
    if not any(doc.has_annotation("ENT_IOB") for doc in gold):
        raise InputError(target, None, "It is not labeled: expected the gold entities of the target side.")
    docs = list(pair_docs(read_docs(source, blank(source_lang), counts=counts), gold, nlp, labels=kept))
    if alignments is not None:
        docs = list(with_links(docs, alignments))
    fit_docs = Chain([Corpus(path, nlp, source_lang=source_lang) for path in fit_on]) if fit_on else docs
    fit_pipeline(nlp, fit_docs)
    examples = [Example(doc, gold_doc(ref, nlp, kept)) for doc, ref in zip(nlp.pipe(docs), gold)]
    scores = {**score(examples), "labels": kept, "input": dict(sorted((+counts).items()))}
    if output is not None:
        write_json(output, scores)
    return scores


def evaluate_cli(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Gold source side.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Gold target side, same sentences.")],
    config: Annotated[Path, typer.Option(help="Config, or saved pipeline.")],
    alignments: Annotated[Optional[Path], typer.Option(help="Word links (Pharaoh), a line a sentence.")] = None,
    lang: Annotated[Optional[str], typer.Option(help="Target language.")] = None,
    labels: Annotated[str, typer.Option(help="Only these labels, such as PER,LOC,ORG.")] = "",
    output: Annotated[Optional[Path], typer.Option(help="Write the scores there, as JSON.")] = None,
    fit_on: Annotated[
        Optional[list[Path]], typer.Option(help="Bitext to fit on in place of the input; can be repeated.")
    ] = None,
    source_lang: Annotated[str, typer.Option(help="Source language.")] = "en",
) -> None:
    """Project the source's entities onto the target's own tokens and score them against the target's gold. Config
    values can be given as --section.name VALUE, as for 'spacy train'."""
    overrides = parse_config_overrides(ctx.args)
    found = evaluate(source, target, config, alignments, lang, labels, output, fit_on, source_lang, overrides)
    rows = [(name, f"{value:.4f}") for name, value in found.items() if isinstance(value, float)]
    msg.table(rows, header=("score", "value"), aligns=("l", "r"), divider=True)
    per_type = [(name, *(f"{v[x]:.4f}" for x in "prf")) for name, v in found["ents_per_type"].items()]
    msg.table(per_type, header=("label", "P", "R", "F"), aligns=("l", "r", "r", "r"), divider=True)
    counts = ("correct", "incorrect", "partial", "missed", "spurious")
    matches = [
        (name, *(f"{v[x]:.4f}" for x in "prf"), *(v[x] for x in counts)) for name, v in found["ents_by_match"].items()
    ]
    msg.table(matches, header=("match", "P", "R", "F", *counts), aligns=["l"] + ["r"] * 8, divider=True)
    show_counts({f"error: {k}": v for k, v in found["errors"].items()})
    show_counts({f"not projected: {k}": v for k, v in found["not_projected"].items()})
    show_counts({f"note: {k}": v for k, v in found["notes"].items()})
    show_counts(found["input"])
