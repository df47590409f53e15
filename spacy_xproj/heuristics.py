"""Projection along word links alone: runs of linked target words (García-Ferrero et al. 2022; Politov et al. 2025)."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .errors import check_at_least, check_one_of

OVERLAPS = ("longest", "first", "overwrite")


class TargetRun(NamedTuple):
    """A target span for source span number `span`; `score` is the share of words covered on both sides (Dice)."""

    span: int
    start: int
    end: int
    score: float


@lru_cache(100_000)
def is_punctuation(word: str) -> bool:
    """True if every character is punctuation or a symbol, in any script (Unicode categories P and S)."""
    return bool(word) and all(unicodedata.category(c)[0] in "PS" for c in word)


@dataclass(frozen=True)
class Heuristic:
    """The settings of the heuristic.

    merge_gap (int): Merge two runs if the gap between them is at most this many words.
    trim_punctuation (bool): Links to words that are all punctuation do not count.
    min_ratio (float): Keep a run only if target length / source length is above this.
    max_ratio (float): Keep a run only if that ratio is at most this; 0 is no limit.
    max_runs (int): Number of target runs to keep for each source span, longest first, then first. 0 keeps all.
    overlap (str): What happens where runs of several source spans overlap. "longest": the longer run wins, then the
        earlier source span. "first": the earlier source span wins. "overwrite": the later source span takes the
        words, and what is left of the earlier one stays, read as lenient IOB2 (Politov et al. 2025).
    """

    merge_gap: int = 2
    trim_punctuation: bool = False
    min_ratio: float = 0.0
    max_ratio: float = 0.0
    max_runs: int = 1
    overlap: str = "longest"

    def __post_init__(self) -> None:
        check_one_of("xproj_projector", OVERLAPS, overlap=self.overlap)
        check_at_least("xproj_projector", 0, merge_gap=self.merge_gap, max_runs=self.max_runs)
        check_at_least("xproj_projector", 0, min_ratio=self.min_ratio, max_ratio=self.max_ratio)

    def __call__(
        self, spans: Sequence[tuple], links: np.ndarray, target: Sequence[str]
    ) -> tuple[list[TargetRun], dict[int, str]]:
        """Project the source spans of one sentence pair.

        spans (sequence of (start, end, label, …)): Half-open source offsets.
        links (int array (n, 2)): Word links, source then target.
        target (sequence of str): The target words.
        RETURNS (list of TargetRun, dict[int, str]): The runs in target order, and the reason for each span without one.
        """
        by_source: dict[int, list[int]] = {}
        for i, j in links.tolist():
            by_source.setdefault(i, []).append(j)
        found, reasons = [], {}
        for k, (start, end, *_) in enumerate(spans):
            linked = {j for i in range(start, end) for j in by_source.get(i, ())}
            kept = {j for j in linked if not is_punctuation(target[j])} if self.trim_punctuation else linked
            if not kept:
                reasons[k] = "punctuation" if linked else "no_links"
                continue
            runs = [(a, b) for a, b in self.runs(sorted(kept)) if self.fits((b - a) / (end - start))]
            if not runs:
                reasons[k] = "length_ratio"
            if self.max_runs:
                runs = sorted(sorted(runs, key=lambda r: r[0] - r[1])[: self.max_runs])
            for a, b in runs:
                covered = sum(any(a <= j < b for j in by_source.get(i, ())) for i in range(start, end))
                inside = sum(a <= j < b for j in linked)
                found.append(TargetRun(k, a, b, (covered + inside) / (end - start + b - a)))
        kept_runs = self.overwrite(found, spans) if self.overlap == "overwrite" else self.disjoint(found)
        reasons.update({run.span: "conflict" for run in found})
        for run in kept_runs:
            reasons.pop(run.span, None)
        return sorted(kept_runs, key=lambda r: r.start), reasons

    def runs(self, positions: list[int]) -> list[tuple[int, int]]:
        """Half-open runs of sorted positions; those with at most `merge_gap` words between them are merged."""
        runs: list[tuple[int, int]] = []
        for j in positions:
            if runs and j - runs[-1][1] <= self.merge_gap:
                runs[-1] = (runs[-1][0], j + 1)
            else:
                runs.append((j, j + 1))
        return runs

    def fits(self, ratio: float) -> bool:
        return ratio > self.min_ratio and (not self.max_ratio or ratio <= self.max_ratio)

    def disjoint(self, found: list[TargetRun]) -> list[TargetRun]:
        if self.overlap == "longest":
            found = sorted(found, key=lambda r: r.start - r.end)
        taken: set[int] = set()
        kept = []
        for run in found:
            words = range(run.start, run.end)
            if taken.isdisjoint(words):
                taken.update(words)
                kept.append(run)
        return kept

    def overwrite(self, found: list[TargetRun], spans: Sequence[tuple]) -> list[TargetRun]:
        """Write the runs as IOB2 tags one over the other, and read the tags as lenient IOB2."""
        owner: dict[int, tuple[bool, TargetRun]] = {}  # target word -> (is it a B- tag, run)
        for run in found:
            for j in range(run.start, run.end):
                owner[j] = (j == run.start, run)
        kept: list[TargetRun] = []
        for j in sorted(owner):
            begins, run = owner[j]
            same = kept and kept[-1].end == j and spans[kept[-1].span][2] == spans[run.span][2]
            if begins or not same:
                kept.append(run._replace(start=j, end=j + 1))
            else:
                kept[-1] = kept[-1]._replace(end=j + 1)
        return kept
