"""Which questions to ask, and in which order: by what an answer is worth, or at random."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from ..errors import XprojError
from .cases import Case


def counted(found: Iterable[Case]) -> list[Case]:
    """Return the cases with the numbers of those that are like each."""
    found = list(found)
    many = Counter(case.form for case in found)
    return [replace(case, like=many[case.form]) for case in found]


def by_worth(found: Sequence[Case], limit: int = 0) -> list[Case]:
    """Return the cases without an answer that are most worth one, in order: the most doubtful first, and of those that
    are as doubtful, to one per cent, the ones with more like cases.

    found (sequence of Case): All cases of a corpus.
    limit (int): How many. 0: all.
    """
    unanswered = [case for case in found if not case.answered]
    order = sorted(unanswered, key=lambda case: (-round(case.doubt, 2), -case.like, -case.doubt, case.question.key))
    return [asked(case, "doubt") for case in order[: limit or None]]


def at_random(found: Sequence[Case], size: int, seed: int = 0) -> list[Case]:
    """Return a random sample of the cases, from which the quality of all can be told.

    The cases are put in order of label and score, and every n-th of them is drawn, from a random start on. So all
    labels and scores are in the sample as they are in the corpus, and each case is drawn with the same probability.

    found (sequence of Case): All cases of a corpus.
    size (int): How many to draw.
    seed (int): Another one gives another sample.
    RETURNS (list of Case): The cases, in random order.
    RAISES (XprojError): If there are fewer.
    """
    if not 0 < size <= len(found):
        raise XprojError(
            f"Expected a sample of 1 to {len(found)} source spans, which is all that there are, not {size}."
        )
    order = sorted(found, key=lambda case: (case.question.label, bool(case.projected), case.doubt, case.question.key))
    rng = np.random.default_rng(seed)
    start = rng.random()
    drawn = [order[int((k + start) * len(order) / size)] for k in range(size)]
    return [asked(drawn[k], "random") for k in rng.permutation(size).tolist()]


def asked(case: Case, why: str) -> Case:
    """Return a case with the reason why it is asked."""
    return replace(case, question=replace(case.question, asked=why))
