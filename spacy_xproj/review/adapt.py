"""Adapt a fitted matcher to answers, and project again what was not answered."""

from collections.abc import Iterable, Iterator, Sequence
from math import sqrt
from typing import NamedTuple

from confection import Config
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config, minibatch, registry

from ..corpus.pairing import bare_copy
from ..errors import XprojError
from ..files import text_hash
from ..pipeline.matcher import ProjectionMatcher
from ..pipeline.projection_pipe import SPANS_KEY
from ..progress import steps
from ..shipped import find_config
from .page.readings import matcher_of

FOLDS = 5
EPOCHS = 20
BATCH = 16
CHANCE = 1.645  # of a standard normal distribution, 5 % are above


def trainable_matcher(nlp: Language) -> ProjectionMatcher:
    """Return the matcher of a pipeline.

    RAISES (XprojError): If it has none, or one that learns nothing from answers.
    """
    matcher = matcher_of(nlp)
    if matcher is None or not matcher.is_trainable:
        raise XprojError(
            "Expected a pipeline whose xproj_matcher learns from answers, as with spacy_xproj.Ranker.v1, but its "
            f"pipes are {', '.join(nlp.pipe_names)}."
        )
    return matcher


def adapt(matcher: ProjectionMatcher, docs: Sequence[Doc]) -> None:
    """Train the matcher on answers, with the optimizer of `configs/matcher.cfg`. It starts from the weights that it
    has, and its prior keeps it close to them. What it knows of the corpus stays.

    matcher (ProjectionMatcher): The matcher, changed in place.
    docs (sequence of Doc): What `example` made of answers.
    """
    config: Config = load_config(find_config("matcher"))
    sgd = registry.resolve(config["training"], validate=False)["optimizer"] if docs else None
    examples = [Example(bare(doc), doc) for doc in docs]
    if docs:
        matcher.similarity.begin(pair for eg in examples for pair in _pairs(eg.predicted))  # type: ignore[attr-defined]
    for epoch in steps(range(EPOCHS if docs else 0), "adapting", EPOCHS):
        order = sorted(examples, key=lambda eg: text_hash(f"{epoch} {eg.reference.text}"))
        for batch in minibatch(order, BATCH):
            matcher.update(batch, sgd=sgd)


def _pairs(doc: Doc) -> list:
    return doc._.xproj.pairs(tuple(token.text for token in doc))


def bare(doc: Doc) -> Doc:
    """A copy of a Doc with its payload and without entities."""
    new = bare_copy(doc, doc.vocab)
    new._.xproj = doc._.xproj
    return new


def projected_again(nlp: Language, docs: Iterable[Doc]) -> Iterator[Doc]:
    """Project Docs anew, with the links that they have. Those without a payload pass as they are."""
    for doc, new in zip(kept := list(docs), nlp.pipe(map(bare, kept))):
        if doc._.xproj is None:
            yield doc
            continue
        if "meta" in doc.user_data:
            new.user_data["meta"] = doc.user_data["meta"]
        yield new


def right(found: Iterable[Doc], gold: Iterable[Doc]) -> list[bool]:
    """Say of each source span whether its projections are those of `example` (gold), no more and no less.

    found (iterable of Doc): Such Docs, projected.
    gold (iterable of Doc): The same Docs with the answers as entities, in the same order.
    """
    out = []
    for doc, ref in zip(found, gold):
        entities = {(ent.start, ent.end, ent.label_) for ent in ref.ents}
        labels = [span.label for span in doc._.xproj.spans]
        for span in doc._.xproj.spans:
            mine = {(s.start, s.end, s.label_) for s in doc.spans[SPANS_KEY] if s.id_ == span.id}
            spare = labels.count(span.label) > sum(entity[2] == span.label for entity in entities)
            out.append(mine <= entities if mine else spare)
    return out


class Check(NamedTuple):
    """What adapting does to answered source spans whose answers the matcher did not see.

    spans (int): How many there are.
    before, after (int): How many of them are projected right, before the matcher adapts and after.
    better (bool): More became right than wrong, and by more than chance would have it (McNemar 1947, one-sided, 5 %).
    """

    spans: int
    before: int
    after: int
    better: bool


def cross_validated(nlp: Language, docs: Sequence[Doc]) -> Check:
    """Tell what adapting to answers does to source spans whose answers the matcher did not see.

    nlp (Language): The pipeline. It stays as it is.
    docs (sequence of Doc): What `example` made of answers.
    """
    matcher = trainable_matcher(nlp)
    state = matcher.to_bytes()
    fold = [int(text_hash(doc.text)[:8], 16) % FOLDS for doc in docs]
    before: list[bool] = []
    after: list[bool] = []
    for k in sorted(set(fold)):
        held = [doc for doc, f in zip(docs, fold) if f == k]
        before += right(nlp.pipe(map(bare, held)), held)
        adapt(matcher, [doc for doc, f in zip(docs, fold) if f != k])
        after += right(nlp.pipe(map(bare, held)), held)
        matcher.from_bytes(state)
    changed = sum(a != b for a, b in zip(before, after))
    better = sum(after) - sum(before) > CHANCE * sqrt(changed)
    return Check(len(before), sum(before), sum(after), better)
