"""Evaluate a projection: onto the target's own tokens, against its gold."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Optional

from spacy.tokens import Doc
from spacy.training import Example

from ..corpus import blank, read_docs
from ..corpus.pairing import gold_doc, pair_docs, with_links
from ..corpus.parting import disagreement
from ..corpus.sentence_pairs import with_sentence_pairs
from ..errors import InputError
from ..evaluate import score
from ..files import check_apart, write_json
from ..fitting import fit
from ..labels import ALL, LabelFilter
from ..progress import steps
from .label_counts import by_label, count_labels, count_projected
from .pipelines import PathLike, load_pipeline
from .process import run_pipes
from .reading import DocReader


def evaluate(
    source: PathLike,
    target: PathLike,
    config: PathLike,
    alignments: Optional[PathLike] = None,
    lang: Optional[str] = None,
    labels: LabelFilter = ALL,
    output: Optional[PathLike] = None,
    fit_on: Sequence[PathLike] = (),
    source_lang: str = "en",
    overrides: Optional[dict[str, Any]] = None,
    *,
    sentences: bool = False,
) -> dict[str, Any]:
    """Score a projection.

    source, target (str or Path): Gold on both sides of the same sentences, in any format that `read_docs` reads.
    config (str or Path): A `configs/project_*.cfg`, or a saved pipeline.
    alignments (Optional[str or Path]): Word links in Pharaoh format. See `with_links`.
    lang, source_lang (str): The languages. Tokenized input needs none.
    labels (LabelFilter): New names of the labels on both sides, and those to keep.
    output (Optional[str or Path]): Write the scores there as JSON.
    fit_on (sequence of str or Path): Fit on these bitexts (.tsv, .spacy). Empty: on the input.
    overrides (Optional[dict[str, Any]]): Config values by dotted name.
    sentences (bool): Find and align the sentences of documents.
    RETURNS (dict): See `spacy_xproj.evaluate.score`; also `by_label`, and `input`, what in reading the files was worth
        a remark.
    RAISES (XprojError): If the input cannot be used, or has no entities to project or to score by.
    """
    if output is not None:
        check_apart(output, [source, target, alignments, *fit_on])
    nlp = load_pipeline(config, lang, overrides)
    if not any("doc.ents" in nlp.get_pipe_meta(name).assigns for name in nlp.pipe_names):
        raise InputError(config, "Nothing in this pipeline finds entities: add an xproj_matcher or xproj_projector.")
    counts: Counter = Counter()
    in_gold: Counter = Counter()
    in_source: Counter = Counter()
    gold = list(labels.apply(read_docs(target, nlp, counts=counts), in_gold))
    if not any(doc.has_annotation("ENT_IOB") for doc in gold):
        raise InputError(target, "It is not labeled: expected the gold entities of the target side.")
    sources = list(labels.apply(read_docs(source, blank(source_lang), counts=counts), in_source))
    if len(sources) != len(gold):
        raise disagreement(f"{source} and {target}", [doc.text for doc in sources], [doc.text for doc in gold])
    docs = list(pair_docs(sources, gold, nlp))
    labels.check(in_gold + in_source)
    check_entities(source, target, docs, gold, in_source, in_gold)
    if alignments is not None:
        docs = list(with_links(docs, docs, alignments, counts))
    if sentences:
        docs = list(with_sentence_pairs(docs))
    fit(nlp, DocReader(fit_on, nlp, source_lang=source_lang, sentences=sentences) if fit_on else docs)
    projected = run_pipes(nlp, steps(docs, "projecting", len(docs)))
    examples = [Example(doc, gold_doc(ref, nlp)) for doc, ref in zip(projected, gold)]
    per_label: Counter = Counter()
    for eg in examples:
        count_projected(eg.predicted, per_label)
        count_labels(per_label, "gold", (ent.label_ for ent in eg.reference.ents))
    scores = {
        **score(examples),
        "by_label": by_label(per_label),
        "labels": list(labels.labels),
        "input": dict(sorted((+counts).items())),
    }
    if output is not None:
        write_json(output, scores)
    return scores


def check_entities(
    source: PathLike, target: PathLike, docs: Sequence[Doc], gold: Sequence[Doc], in_source: Counter, in_gold: Counter
) -> None:
    """Make sure that both sides have entities, and a label in common.

    source, target (str or Path): The files.
    docs (sequence of Doc): The target Docs with the source as payload.
    gold (sequence of Doc): The target Docs with their gold.
    in_source, in_gold (Counter): The labels in the two files, before they were renamed and left out.
    RAISES (InputError): If they have not. It names the likelier cause.
    """
    here = {span.label for doc in docs for span in doc._.xproj.spans}
    there = {ent.label_ for doc in gold for ent in doc.ents}
    sides = (
        (source, here, in_source, all(len(doc._.xproj.unknown) == len(doc._.xproj.words) for doc in docs), "project"),
        (target, there, in_gold, False, "score by"),
    )
    for path, labels, seen, unlabeled, purpose in sides:
        if labels:
            continue
        if seen:
            cause = f"--labels and --label-map left out all {seen.total()} of them ({', '.join(sorted(seen))})."
        elif unlabeled:
            cause = "it was never labeled. Give the labeled source of the same sentences."
        else:
            cause = f"its {len(docs)} sentences are labeled as without entities. Is it the right file?"
        raise InputError(path, f"There is no entity to {purpose}: {cause}")
    if not here & there:
        raise InputError(
            target,
            f"No label is on both sides: the source has {', '.join(sorted(here))}, and the target "
            f"{', '.join(sorted(there))}. Give --label-map to call them the same.",
        )
