"""Evaluate a projection: onto the target's own tokens, against its gold."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Optional

from spacy.training import Example

from ..corpus import blank, read_docs
from ..corpus.pairing import gold_doc, pair_docs, with_links
from ..errors import InputError
from ..evaluate import score
from ..files import write_json
from ..fitting import fit
from ..labels import ALL, LabelFilter
from .pipelines import DocReader, PathLike, load_pipeline


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
    RETURNS (dict): See `spacy_xproj.evaluate.score`; also `input`, what reading the files was worth a remark.
    RAISES (XprojError): If the input cannot be used.
    """
    nlp = load_pipeline(config, lang, overrides)
    if not any("doc.ents" in nlp.get_pipe_meta(name).assigns for name in nlp.pipe_names):
        raise InputError(
            config, None, "Nothing in this pipeline finds entities: add an xproj_matcher or xproj_projector."
        )
    counts: Counter = Counter()
    seen: Counter = Counter()
    gold = list(labels.apply(read_docs(target, nlp, counts=counts), seen))
    if not any(doc.has_annotation("ENT_IOB") for doc in gold):
        raise InputError(target, None, "It is not labeled: expected the gold entities of the target side.")
    docs = list(pair_docs(labels.apply(read_docs(source, blank(source_lang), counts=counts), seen), gold, nlp))
    labels.check(seen)
    if alignments is not None:
        docs = list(with_links(docs, docs, alignments))
    fit(nlp, DocReader(fit_on, nlp, source_lang=source_lang) if fit_on else docs)
    examples = [Example(doc, gold_doc(ref, nlp)) for doc, ref in zip(nlp.pipe(docs), gold)]
    scores = {**score(examples), "labels": list(labels.labels), "input": dict(sorted((+counts).items()))}
    if output is not None:
        write_json(output, scores)
    return scores
