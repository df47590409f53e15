"""How good a projection is, told by answers about a random sample of it."""

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import NamedTuple

from spacy.tokens import Doc

from ..corpus.formats.payload_meta import PairIds
from ..errors import XprojError
from ..pipeline.projection_pipe import SPANS_KEY
from .answers import Answer, Key, char_span, questions

Z = 1.959964  # of a 95 % interval


class Share(NamedTuple):
    """A share of a sample, and the 95 % interval of that of the whole."""

    right: int
    of: int
    value: float
    low: float
    high: float


class Quality(NamedTuple):
    """What a sample tells of a projection.

    precision (Share): Of the projected source spans, those whose projections are right, label and borders included.
    recall (Share): Of the source spans that the target text has a counterpart of, those whose projections are right.
    sample (int): Answers about the random sample.
    others (int): Answers that were left out because nobody drew their questions at random.
    spans (int): Source spans of the corpus.
    labels (dict[str, (Share, Share)]): Precision and recall by the label of the source span.
    """

    precision: Share
    recall: Share
    sample: int
    others: int
    spans: int
    labels: dict[str, tuple[Share, Share]]


def share(right: int, of: int) -> Share:
    """A share with its 95 % interval (Wilson 1927). The order in which the sample is
    drawn makes the true one narrower.

    right, of (int): How many, of how many. Of 0: the interval is from 0 to 1.
    """
    if not of:
        return Share(0, 0, 0.0, 0.0, 1.0)
    p, n, z2 = right / of, of, Z * Z
    center, half = (p + z2 / (2 * n)) / (1 + z2 / n), Z / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Share(right, of, p, max(0.0, center - half), min(1.0, center + half))


def quality(docs: Iterable[Doc], answers: Mapping[Key, Answer]) -> Quality:
    """Estimate precision and recall of a projection.

    docs (iterable of Doc): Docs as the projection left them.
    answers (mapping of Key to Answer): One a question. Only those asked at random count: doubtful spans are worse than
        the rest, so that answers about them tell nothing about all.
    RETURNS (Quality): The estimate.
    RAISES (XprojError): If no answer is about a random sample, or none fits the Docs.
    """
    random = {key: answer for key, answer in answers.items() if answer.question.asked == "random"}
    if not random:
        raise XprojError(
            f"Not one of the {len(answers)} answers is about a question that was drawn at random. Answers about the "
            "most doubtful ones would make the projection look worse than it is. Draw a sample by 'xproj review export "
            "--sample N', and have it answered."
        )
    name, spans = PairIds(), 0
    rows: list[tuple[str, bool, bool, bool]] = []
    for doc in docs:
        if doc._.xproj is None:
            continue
        for span, question in zip(doc._.xproj.spans, questions(doc, name(doc))):
            spans += 1
            if (answer := random.get(question.key)) is not None and answer.question.text == question.text:
                found = {(char_span(s), s.label_) for s in doc.spans.get(SPANS_KEY, ()) if s.id_ == span.id}
                right = bool(found) and found == {(target, answer.label) for target in answer.targets}
                rows.append((question.label, bool(found), right, bool(answer.targets)))
    if not rows:
        raise XprojError(
            f"Not one of the {len(random)} answers is about these Docs. Are they the ones that were reviewed?"
        )
    labels = sorted({row[0] for row in rows})
    by_label = {label: _both([row for row in rows if row[0] == label]) for label in labels}
    return Quality(*_both(rows), len(rows), len(answers) - len(random), spans, by_label)


def _both(rows: list[tuple[str, bool, bool, bool]]) -> tuple[Share, Share]:
    right = sum(row[2] for row in rows)
    return share(right, sum(row[1] for row in rows)), share(right, sum(row[3] for row in rows))
