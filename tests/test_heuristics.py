import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xproj.errors import XprojError
from spacy_xproj.heuristics import OVERLAPS, Heuristic, is_punctuation

WORDS = ["Ana", "de", ",", "!?", "€", "10", "—", "a.", "「"]


def reference(spans, links, target, *, merge_gap, trim_punctuation, min_ratio, max_ratio, max_runs, overlap):
    """The rules as they read, one after the other. Gives (span, start, end) rows and reasons."""
    runs, reasons = [], {}
    for k, (start, end, _) in enumerate(spans):
        reached = {j for i, j in links if start <= i < end}
        kept = sorted(
            j for j in reached if not (trim_punctuation and all(unicodedata.category(c)[0] in "PS" for c in target[j]))
        )
        if not kept:
            reasons[k] = "punctuation" if reached else "no_links"
            continue
        mine = [[kept[0], kept[0] + 1]]
        for j in kept[1:]:
            if j - mine[-1][1] <= merge_gap:
                mine[-1][1] = j + 1
            else:
                mine.append([j, j + 1])
        ratios = [(b - a) / (end - start) for a, b in mine]
        mine = [r for r, x in zip(mine, ratios) if x > min_ratio and (max_ratio == 0 or x <= max_ratio)]
        if not mine:
            reasons[k] = "length_ratio"
        while max_runs and len(mine) > max_runs:
            shortest = min(b - a for a, b in mine)
            mine.remove([r for r in mine if r[1] - r[0] == shortest][-1])
        runs += [(k, a, b) for a, b in mine]
    if overlap == "overwrite":
        tags = ["O"] * len(target)
        owners = [None] * len(target)
        for k, a, b in runs:
            for j in range(a, b):
                tags[j], owners[j] = ("B-" if j == a else "I-") + spans[k][2], k
        kept_runs = []
        before = "O"
        for j, tag in enumerate(tags):
            if tag != "O" and (tag[0] == "B" or before == "O" or before[2:] != tag[2:]):
                kept_runs.append((owners[j], j, j + 1))
            elif tag != "O":
                kept_runs[-1] = (*kept_runs[-1][:2], j + 1)
            before = tag
    else:
        order = sorted(runs, key=lambda r: -(r[2] - r[1])) if overlap == "longest" else runs
        kept_runs = []
        for k, a, b in order:
            if all(b <= c or d <= a for _, c, d in kept_runs):
                kept_runs.append((k, a, b))
    for k, _, _ in runs:
        if k not in {row[0] for row in kept_runs}:
            reasons[k] = "conflict"
    return sorted(kept_runs, key=lambda r: r[1]), reasons


@st.composite
def problems(draw):
    n, m = draw(st.integers(1, 8)), draw(st.integers(1, 10))
    starts = draw(st.lists(st.integers(0, n - 1), max_size=4))
    spans = [(a, draw(st.integers(a + 1, n)), draw(st.sampled_from("XY"))) for a in starts]
    links = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, m - 1)), max_size=16, unique=True))
    target = draw(st.lists(st.sampled_from(WORDS), min_size=m, max_size=m))
    options = {
        "merge_gap": draw(st.integers(0, 3)),
        "trim_punctuation": draw(st.booleans()),
        "min_ratio": draw(st.sampled_from([0, 0, 0.5, 0.8, 1])),
        "max_ratio": draw(st.sampled_from([0, 0, 1, 1.5, 2])),
        "max_runs": draw(st.integers(0, 2)),
        "overlap": draw(st.sampled_from(OVERLAPS)),
    }
    return spans, links, target, options


def project(spans, links, target, **options):
    return Heuristic(**options)(spans, np.array(links, "i4").reshape(-1, 2), target)


@given(problems())
def test_against_the_reference(problem):
    spans, links, target, options = problem
    runs, reasons = project(spans, links, target, **options)
    assert ([run[:3] for run in runs], reasons) == reference(spans, links, target, **options)


@given(problems())
def test_scores(problem):
    spans, links, target, options = problem
    for k, a, b, score in project(spans, links, target, **{**options, "overlap": "longest"})[0]:
        start, end, _ = spans[k]
        inside = [(i, j) for i, j in links if start <= i < end and a <= j < b]
        covered = len({i for i, _ in inside}) + len({j for _, j in inside})
        assert score == covered / (end - start + b - a)
        assert 0 < score <= 1


@given(problems())
def test_each_source_span_is_accounted_for_and_none_overlap(problem):
    spans, links, target, options = problem
    runs, reasons = project(spans, links, target, **options)
    if options["overlap"] != "overwrite":  # where a tag can also be read as a part of the span before
        assert {run.span for run in runs} | set(reasons) == set(range(len(spans)))
    assert not {run.span for run in runs} & set(reasons)
    words = [j for run in runs for j in range(run.start, run.end)]
    assert len(words) == len(set(words))


@given(problems())
def test_the_order_of_the_links_does_not_matter(problem):
    spans, links, target, options = problem
    assert project(spans, links, target, **options) == project(spans, links[::-1], target, **options)


# Overlaps, by hand: spans, runs by their links, and what stays.
LATER_TAKES = ([(0, 3, "X"), (3, 4, "Y")], "0-0 1-1 2-2 3-1")
SAME_LABEL = ([(0, 3, "X"), (3, 4, "X")], "0-0 1-1 2-2 3-1")
COVERED = ([(0, 1, "X"), (1, 4, "Y")], "0-1 1-0 2-1 3-2")


def rows(spans, links, **options):
    links = [tuple(map(int, link.split("-"))) for link in links.split()]
    runs, reasons = project(spans, links, ["w"] * 6, **options)
    return [(run.start, run.end, spans[run.span][2]) for run in runs], reasons


def test_overwrite_keeps_what_is_left():
    kept = rows(*LATER_TAKES, overlap="overwrite")
    # B-X B-Y I-X: the last I-X continues nothing and opens a span of its own
    assert kept == ([(0, 1, "X"), (1, 2, "Y"), (2, 3, "X")], {})


def test_overwrite_with_one_label_joins_what_follows():
    # B-X B-X I-X: the I-X is read as part of the later span
    assert rows(*SAME_LABEL, overlap="overwrite") == ([(0, 1, "X"), (1, 3, "X")], {})


def test_overwrite_covers_the_earlier_span():
    assert rows(*COVERED, overlap="overwrite") == ([(0, 3, "Y")], {0: "conflict"})


def test_overwritten_begin_leaves_an_inside_tag():
    # X is on words 0 and 1, Y then takes word 0: B-Y I-X
    spans, links = [(0, 2, "X"), (2, 3, "Y")], "0-0 1-1 2-0"
    assert rows(spans, links, overlap="overwrite") == ([(0, 1, "Y"), (1, 2, "X")], {})


def test_overwrite_does_not_join_over_a_gap():
    spans, links = [(0, 2, "X"), (2, 3, "X")], "0-0 1-1 2-3"
    assert rows(spans, links, overlap="overwrite") == ([(0, 2, "X"), (3, 4, "X")], {})


def test_first_and_longest():
    assert rows(*LATER_TAKES, overlap="first") == ([(0, 3, "X")], {1: "conflict"})
    assert rows(*COVERED, overlap="first") == ([(1, 2, "X")], {1: "conflict"})
    assert rows(*COVERED, overlap="longest") == ([(0, 3, "Y")], {0: "conflict"})
    tie = [(0, 1, "X"), (1, 2, "Y")], "0-0 1-0"
    assert rows(*tie, overlap="longest") == ([(0, 1, "X")], {1: "conflict"})


def test_one_option_at_a_time():
    spans = [(0, 2, "X")]
    assert rows(spans, "0-0 1-3", merge_gap=2)[0] == [(0, 4, "X")]
    assert rows(spans, "0-0 1-3", merge_gap=1)[0] == [(0, 1, "X")]  # of equal runs the first
    assert rows(spans, "0-0 1-3", merge_gap=1, max_runs=0)[0] == [(0, 1, "X"), (3, 4, "X")]
    assert rows(spans, "0-0 1-3 1-4", merge_gap=1)[0] == [(3, 5, "X")]
    assert rows(spans, "0-0", min_ratio=0.5) == ([], {0: "length_ratio"})
    assert rows(spans, "0-0", min_ratio=0.49)[0] == [(0, 1, "X")]
    assert rows(spans, "0-0 0-1 1-2", max_ratio=1.5)[0] == [(0, 3, "X")]
    assert rows(spans, "0-0 0-1 1-2 1-3", max_ratio=1.5) == ([], {0: "length_ratio"})


def test_nested_spans():
    spans = [(0, 3, "ORG"), (1, 2, "LOC")]
    assert rows(spans, "0-0 1-1 2-2") == ([(0, 3, "ORG")], {1: "conflict"})
    assert rows(spans, "0-0 1-1 2-2", overlap="overwrite")[0] == [(0, 1, "ORG"), (1, 2, "LOC"), (2, 3, "ORG")]


def test_punctuation():
    assert [is_punctuation(w) for w in WORDS] == [False, False, True, True, True, False, True, False, True]
    assert not is_punctuation("")
    links = [(0, 0), (0, 1)]
    assert project([(0, 1, "X")], links, ["Ana", ","], trim_punctuation=True)[0][0][:3] == (0, 0, 1)
    assert project([(0, 1, "X")], [(0, 0)], [","], trim_punctuation=True) == ([], {0: "punctuation"})
    assert project([(0, 1, "X")], links, ["Ana", ","])[0][0][:3] == (0, 0, 2)


@pytest.mark.parametrize(
    "options", [{"overlap": "last"}, {"merge_gap": -1}, {"max_runs": -1}, {"min_ratio": -0.1}, {"max_ratio": -1}]
)
def test_bad_settings(options):
    with pytest.raises(XprojError, match="|".join(options)):
        Heuristic(**options)
