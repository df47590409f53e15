"""Gold as a reviewer: what a person would have answered, for trying how much answers help."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from spacy.tokens import Doc

from ..bitext import Bitext
from ..corpus.formats.payload_meta import PairIds
from ..evaluate.spans import Entity, entities, shared
from ..pipeline.projection_pipe import SPANS_KEY
from .answers import GOLD, Answer, Key, char_span, questions

OTHER_LABEL = "other label"


def gold_answers(docs: Iterable[Doc], gold: Iterable[Doc], reviewer: str = GOLD) -> Iterator[tuple[Answer, str]]:
    """Answer all questions about some Docs.

    docs (iterable of Doc): As a projection left them.
    gold (iterable of Doc): The same Docs with gold entities, in the same order.
    reviewer (str): Whose name the answers have.
    YIELDS (Answer, str): The answer, and what was wrong with the projection: "" nothing; "span" another span is right;
        "absent" there is nothing; "other label" the gold has another label there.
    """
    name = PairIds()
    for doc, ref in zip(docs, gold, strict=True):
        if doc._.xproj is None:
            continue
        found = projections(doc)
        counterparts = partners(doc._.xproj, found, entities(ref))
        for place, question in enumerate(questions(doc, name(doc))):
            right, mine = counterparts.get(place), found[place]
            if right is not None:
                targets = (char_span(doc[right[0] : right[1]]),)
                wrong = "" if mine == [right] else "span" if right[2] == question.label else OTHER_LABEL
                kind = "accept" if not wrong else "span"
                yield Answer(question, kind, targets, right[2], reviewer), wrong
            else:
                yield Answer(question, "absent", (), question.label, reviewer), "absent" if mine else ""


def projections(doc: Doc) -> list[list[Entity]]:
    """Return the projections of each source span."""
    group = doc.spans.get(SPANS_KEY, ())
    return [[(s.start, s.end, s.label_) for s in group if s.id_ == span.id] for span in doc._.xproj.spans]


def partners(bitext: Bitext, found: Sequence[Sequence[Entity]], gold: Sequence[Entity]) -> dict[int, Entity]:
    """Find the gold entity of each source span: its projection if that is gold; else, of those of its label that are
    left in its sentence pair, the one that shares most words with its projection, then with its links. A gold entity
    of another label counts if a projection shares words with it.

    bitext (Bitext): The payload.
    found (sequence of sequences of (int, int, str)): The projections of each source span.
    gold (sequence of (int, int, str)): The gold entities of the Doc.
    RETURNS (dict[int, (int, int, str)]): By the places of source spans; those without a partner are left out.
    """
    left, out = list(gold), {}
    for place, mine in enumerate(found):
        for span in mine[:1]:
            if span in left:
                left.remove(span)
                out[place] = span
    ranked = []
    for place, source in enumerate(bitext.spans):
        if place in out:
            continue
        inside = [j for i, j in bitext.links.tolist() if source.start <= i < source.end]
        home = next((pair[1] for pair in bitext.sents if pair[0][0] <= source.start < pair[0][1]), None)
        for entity in left:
            same = entity[2] == source.label
            if (same and (home is None or home[0] <= entity[0] < home[1])) or any(
                shared(mine, entity) for mine in found[place]
            ):
                overlap = sum(shared(mine, entity) for mine in found[place])
                linked = sum(entity[0] <= j < entity[1] for j in inside)
                apart = abs((source.start + source.end) / len(bitext.words) - sum(entity[:2]) / max(e[1] for e in gold))
                ranked.append((not same, -overlap, -linked, apart, place, entity))
    for *_, place, entity in sorted(ranked):
        if place not in out and entity in left:
            out[place] = entity
            left.remove(entity)
    return out


def mistaken(answers: Sequence[Answer], share: float, others: dict[Key, list], seed: int = 0) -> list[Answer]:
    """Return the answers of a reviewer who is right in some of the cases alone, as a language model is.

    answers (sequence of Answer): The right answers.
    share (float): The share of wrong ones.
    others (dict[Key, list of CharSpan]): Spans that such a reviewer could take for the right one.
    seed (int): For the choice.
    """
    from dataclasses import replace

    rng, out = np.random.default_rng(seed), []
    for answer in answers:
        if rng.random() < share:
            wrong = [span for span in others.get(answer.question.key, ()) if (span,) != answer.targets]
            absent = replace(answer, answer="absent", targets=(), label=answer.question.label)
            choices = [replace(answer, answer="span", targets=(span,), label=answer.question.label) for span in wrong]
            choices += [absent] if answer.targets else []
            if choices:
                answer = choices[int(rng.integers(len(choices)))]
        out.append(answer)
    return out
