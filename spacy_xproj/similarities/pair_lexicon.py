"""A lexicon of entity pairs, and of words at the edges of entities, from a first pass over a corpus."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .forms import WordForms

EDGES = ("before", "first", "inside", "last", "after")  # where a word stands to a candidate
BEFORE, FIRST, INSIDE, LAST, AFTER = range(len(EDGES))
NULL = ""  # the target form of "not projected"


class Vote(NamedTuple):
    """One reading of a source span: its probability, and the candidate's words with one more on either side."""

    mass: float
    before: str
    forms: tuple[str, ...]
    after: str


def votes(probs: np.ndarray, start: np.ndarray, end: np.ndarray, target: WordForms, most: int = 5) -> list[Vote]:
    """The likeliest readings of one source span.

    probs (float array (n + 1,)): Of null, then of the candidates.
    start, end (int arrays (n,)): The candidates.
    RETURNS (list of Vote): Those above .05, at most five; null has no forms.
    """
    out = []
    for k in np.argsort(-probs, kind="stable")[:most].tolist():
        if probs[k] < 0.05:
            break
        if k == 0:
            out.append(Vote(float(probs[0]), "", (), ""))
            continue
        a, b = int(start[k - 1]), int(end[k - 1])
        before = target.forms[a - 1] if a else ""
        after = target.forms[b] if b < len(target.forms) else ""
        out.append(Vote(float(probs[k]), before, tuple(target.forms[a:b]), after))
    return out


class PairLexicon:
    """Sums of votes.

    pairs (dict): Source form → target form → mass; the target form "" is null.
    forms (dict): Target form → mass, whatever the source.
    edges (dict): Word form → for each of `EDGES` the mass of the candidates where it stands there.
    """

    def __init__(self) -> None:
        self.pairs: dict[str, dict[str, float]] = {}
        self.forms: dict[str, float] = defaultdict(float)
        self.edges: dict[str, list[float]] = {}

    def add(self, key: str, found: Iterable[Vote]) -> None:
        row = self.pairs.setdefault(key, defaultdict(float))
        for vote in found:
            form = " ".join(vote.forms)
            row[form] += vote.mass
            if vote.forms:
                self.forms[form] += vote.mass
        for form, masses in edge_masses(found).items():
            row_of_word = self.edges.setdefault(form, [0.0] * len(EDGES))
            for place, mass in enumerate(masses):
                row_of_word[place] += mass

    def state(self) -> dict[str, Any]:
        """Plain data, equal for equal lexicons."""
        plain = lambda d: [[k, float(d[k])] for k in sorted(d)]  # noqa: E731
        return {
            "pairs": [[key, plain(self.pairs[key])] for key in sorted(self.pairs)],
            "forms": plain(self.forms),
            "edges": [[form, *self.edges[form]] for form in sorted(self.edges)],
        }

    @classmethod
    def load(cls, state: dict[str, Any]) -> "PairLexicon":
        self = cls()
        self.pairs = {key: defaultdict(float, map(tuple, row)) for key, row in state["pairs"]}
        self.forms = defaultdict(float, map(tuple, state["forms"]))
        self.edges = {form: list(masses) for form, *masses in state["edges"]}
        return self


def edge_masses(found: Iterable[Vote]) -> dict[str, list[float]]:
    """Masses of the words of some votes: word form → for each of `EDGES` the mass with which it stands there."""
    out: dict[str, list[float]] = {}

    def add(form: str, place: int, mass: float) -> None:
        out.setdefault(form, [0.0] * len(EDGES))[place] += mass

    for mass, before, forms, after in found:
        if not forms:
            continue
        add(before, BEFORE, mass)
        add(forms[0], FIRST, mass)
        add(forms[-1], LAST, mass)
        add(after, AFTER, mass)
        for form in forms:
            add(form, INSIDE, mass)
    return out
