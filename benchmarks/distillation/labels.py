"""Labels of teachers on raw text, and how good the labels of each route are before any student has learnt them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from benchmarks.source_ner import plain
from spacy_xproj import fit
from spacy_xproj.corpus import blank, read_docs
from spacy_xproj.evaluate.bootstrap import counts, f1
from spacy_xproj.students.supervision import gold_rows, soft_rows

from .data import unlabeled
from .training import Bench

FLOOR = 1e-4  # of a probability, where its logarithm is taken
Models = Mapping[str, Sequence[str]]  # folders, by the teacher's name


def teacher(lang: str, models: Models, **settings: Any) -> Language:
    """A pipeline with `xproj_teacher`, each teacher of which is the mean of some models."""
    nlp = blank(lang)
    block = {name: {"@xproj_teachers": "spacy_xproj.Pipeline.v1", "models": list(m)} for name, m in models.items()}
    nlp.add_pipe("xproj_teacher", config={"teachers": block, **settings})
    return nlp


def soft(bench: Bench, lang: str, docs: Sequence[Doc], models: Models, **settings: Any) -> str:
    """The file of Docs with soft labels. Entities that they have are used (`projection`), and stay.

    models (mapping): See `Models`.
    settings (Any): Of `xproj_teacher`.
    """

    def make() -> Iterable[Doc]:
        nlp = teacher(lang, models, **settings)
        own = [copy(doc, nlp) for doc in docs]
        fit(nlp, own)
        return nlp.pipe(own)

    names = {name: [Path(model).name for model in some] for name, some in models.items()}
    return bench.made([lang, Path(bench.put(docs)).name, names, settings], make)


def copy(doc: Doc, nlp: Language) -> Doc:
    """The Doc with its entities, if it is labeled, and nothing else."""
    made = plain(doc, nlp)
    if doc.has_annotation("ENT_IOB"):
        made.set_ents(
            [Span(made, e.start, e.end, label=e.label_) for e in doc.ents],
            missing=[made[t.i : t.i + 1] for t in doc if not t.ent_iob],
            default="outside",
        )
    return made


def transferred(lang: str, docs: Sequence[Doc], models: Models, **settings: Any) -> list[Doc]:
    """The Docs as the teachers themselves label them."""
    nlp = teacher(lang, models, annotate_ents=True, **settings)
    own = [plain(doc, nlp) for doc in docs]
    fit(nlp, own)
    return list(nlp.pipe(own))


def quality(path: str, gold: Sequence[Doc], projection: Optional[Sequence[Doc]] = None) -> dict[str, Any]:
    """How good the labels of a training text are. Its first Docs are those of `gold`.

    path (str): Docs with soft labels, else with entities.
    gold (sequence of Doc): The right entities.
    projection (Optional[sequence of Doc]): The same text, or its first Docs, with projected entities.
    RETURNS (dict): `f1`, `precision` and `recall` of the entities of the most probable valid tags; of the tokens that
        are not masked: `nll`, the mean negative log-likelihood of the gold tag (probabilities of `FLOOR` at least),
        `entropy`, the mean one in nats, and `agreement`, the share of them whose tag is that of the projection, of
        those only that one of the two finds in an entity; `projection_right` and `labels_right`, of those where they
        differ, the share that each has right; `masked`, the share of tokens.
    """
    nlp = blank("xx")
    types = sorted({e.label_ for doc in gold for e in doc.ents})
    found, nll, entropy, same, masked, theirs_right, ours_right = [], [], [], [], [], [], []
    for k, (doc, right) in enumerate(zip(read_docs(path, nlp), gold)):
        rows = token_rows(doc, types)
        known = rows.any(axis=1)
        answers = gold_rows(Example(right, right), types, "IOB2")
        nll += (-np.log(np.maximum((rows * answers).sum(1), FLOOR)))[known & answers.any(1)].tolist()
        entropy += (-(rows * np.log(np.maximum(rows, 1e-12))).sum(1))[known].tolist()
        masked += (~known).tolist()
        found.append(entities(doc))
        if projection is not None and k < len(projection):
            rows_there = gold_rows(Example(projection[k], projection[k]), types, "IOB2")
            ours, theirs, answer = rows.argmax(1), rows_there.argmax(1), answers.argmax(1)
            some = known & rows_there.any(1) & answers.any(1) & ((ours > 0) | (theirs > 0))
            same += (ours == theirs)[some].tolist()
            theirs_right += (theirs == answer)[some & (ours != theirs)].tolist()
            ours_right += (ours == answer)[some & (ours != theirs)].tolist()
    table = counts(found, gold[: len(found)])
    right_spans, predicted, answers_n = table.sum(axis=0).tolist()
    share = lambda values: float(np.mean(values)) if values else None  # noqa: E731
    return {
        "f1": float(f1(table)),
        "precision": right_spans / max(predicted, 1),
        "recall": right_spans / max(answers_n, 1),
        "nll": share(nll),
        "entropy": share(entropy),
        "masked": share(masked),
        "agreement": share(same),
        "projection_right": share(theirs_right),
        "labels_right": share(ours_right),
    }


def token_rows(doc: Doc, types: Sequence[str]) -> np.ndarray:
    """The soft labels of a Doc, or its entities as such: float32 array (tokens, tags)."""
    labels = doc._.xproj_soft
    if labels is None:
        return gold_rows(Example(doc, doc), types, "IOB2")
    return soft_rows(Example(doc, doc), labels, types, "IOB2")


def entities(doc: Doc) -> Doc:
    """The Doc with the entities of its soft labels, if it has some."""
    labels = doc._.xproj_soft
    if labels is None:
        return doc
    made = unlabeled(doc)
    made.set_ents([Span(made, e.start, e.end, label=e.label) for e in labels.entities(doc)], default="outside")
    return made
