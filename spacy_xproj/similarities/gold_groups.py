"""From gold entities to groups of rows with a right one."""

import numpy as np

from .feature_names import PLACE
from .learning import Group
from .pair_signals import Candidates

Gold = frozenset[tuple[int, int, str]]


def right_row(rows: np.ndarray, start: np.ndarray, end: np.ndarray, label: str, gold: Gold) -> int:
    """The row of the gold answer to one source span.

    rows (float array (n, features)): Its candidates.
    start, end (int arrays (n,)): Where they are.
    label (str): Its label.
    gold (frozenset of (int, int, str)): The target's entities.
    RETURNS (int): 1 + the place of the gold candidate, of several of that label the one with most evidence; 0 (null)
        without one.
    """
    hits = [k for k, (i, j) in enumerate(zip(start.tolist(), end.tolist())) if (i, j, label) in gold]
    if not hits:
        return 0
    weight = 2 * rows[:, PLACE["certain"]] + rows[:, PLACE["uncertain"]] + 0.5 * rows[:, PLACE["same_form"]]
    return 1 + max(hits, key=lambda k: weight[k])


def gold_groups(
    cells: Candidates, rows: np.ndarray, null: np.ndarray, labels: list[str], gold: Gold, complete: bool = True
) -> list[Group]:
    """One group for each source span whose answer is known.

    cells, rows, null: As in `Scored`. The rows are copied.
    labels (list of str): Of the source spans.
    gold (frozenset of (int, int, str)), complete (bool): As in `GoldPair`.
    """
    out = []
    for span, label in enumerate(labels):
        here = np.flatnonzero(cells.span == span)
        right = right_row(rows[here], cells.start[here], cells.end[here], label, gold)
        if len(here) and (right or complete):
            out.append(Group(np.concatenate([null[span : span + 1], rows[here]]).astype("f4"), right))
    return out
