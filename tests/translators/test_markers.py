from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xproj.translators.markers import STYLES, comparable, free_style, likeness, match, outermost, read, write

WORD = st.text("abcdñéжب中'-", min_size=1, max_size=5)
WORDS = st.lists(WORD, min_size=1, max_size=10)


@st.composite
def marked_words(draw):
    """A text of words between single spaces, and spans of whole words that do not overlap."""
    words = draw(WORDS)
    cuts = sorted(draw(st.sets(st.integers(0, len(words)), max_size=8)))
    starts = [len(" ".join(words[:k])) + (k > 0) for k in range(len(words) + 1)]
    spans = [(starts[a], starts[b] - 1, f"s{a}") for a, b in zip(cuts[::2], cuts[1::2])]
    text = " ".join(words)
    return text, [(a, min(b, len(text)), name) for a, b, name in spans]


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@given(marked_words())
def test_what_was_written_is_read(style, spaced, case):
    text, spans = case
    marked = write(text, spans, style, spaced)
    reading = read(marked, style, len(spans))
    assert reading.text == text and reading.paired
    assert [(p.start, p.end) for p in reading.pieces] == [(a, b) for a, b, _ in spans]
    if style is STYLES["numbered"]:
        assert [p.number for p in reading.pieces] == list(range(1, len(spans) + 1))


MARKS = [
    "[",
    "]",
    "[[",
    "【",
    "】",
    "<a>",
    "</a>",
    "<A >",
    "<1>",
    "</1>",
    "</2>",
    '"',
    "«",
    " ",
    "  ",
    "\n",
    "ab",
    ".",
    "中",
]


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@given(st.lists(st.sampled_from(MARKS), max_size=15).map("".join), st.integers(0, 3))
def test_any_text_is_read(style, text, count):
    reading = read(text, style, count)
    assert not style.exact.search(reading.text)
    assert reading.text == reading.text.strip()
    ends = [0, *(x for p in reading.pieces for x in (p.start, p.end)), len(reading.text)]
    assert ends == sorted(ends)
    for piece in reading.pieces:
        content = reading.text[piece.start : piece.end]
        assert content and content == content.strip()
    if style is STYLES["brackets"]:  # whatever is not a mark or white space stays, in order
        marks = "[]" if any(c in reading.text for c in "【】") else "[]【】"
        assert "".join(reading.text.split()) == "".join(c for c in "".join(text.split()) if c not in marks)


@pytest.mark.parametrize(
    ("style", "marked"),
    [
        ("brackets", "vio a [Ana] ayer"),
        ("brackets", "vio a [ Ana ] ayer"),
        ("brackets", "vio a[ Ana ]ayer"),
        ("brackets", "vio a  [[Ana ]]  ayer"),
        ("brackets", "vio a 【Ana】 ayer"),
        ("brackets", "vio a 「 Ana 」 ayer"),
        ("brackets", "vio a 《Ana] ayer"),
        ("brackets", "vio a ［Ana］ ayer"),
        ("xml", "vio a <a>Ana</a> ayer"),
        ("xml", "vio a < A > Ana < / A > ayer"),
        ("xml", "vio a ＜а＞Ana＜／а＞ ayer"),
        ("xml", "vio a &lt;a&gt;Ana&lt;/a&gt; ayer"),
        ("numbered", "vio a <1> Ana </1> ayer"),
        ("numbered", "vio a < ١ >Ana</ ١ > ayer"),
        ("quotes", 'vio a "Ana" ayer'),
        ("quotes", "vio a « Ana » ayer"),
        ("quotes", "vio a „Ana“ ayer"),
        ("quotes", "vio a ``Ana'' ayer"),
        ("quotes", "vio a &quot;Ana&quot; ayer"),
    ],
)
def test_altered_marks_are_read(style, marked):
    reading = read(marked, STYLES[style], 1)
    assert reading.text == "vio a Ana ayer" and reading.paired
    assert [(p.start, p.end) for p in reading.pieces] == [(6, 9)]


@pytest.mark.parametrize(
    ("marked", "text"),
    [
        ("[Ana]", "Ana"),
        ("[ Ana ]'s", "Ana's"),
        ("l'[ Ana ]", "l'Ana"),
        ("([ Ana ])", "(Ana)"),
        ("y [ Ana ] .", "y Ana."),
        ("y [Ana] ?", "y Ana ?"),
        ("[Ankara]da", "Ankarada"),
        ("他见了[安娜]。", "他见了安娜。"),
        ("[Ana][Eva]", "AnaEva"),
        ("[ Ana ] [ Eva ]", "Ana Eva"),
        ("[ Ana ][ Eva ]", "Ana Eva"),
        ("हम [दिल्ली] गए", "हम दिल्ली गए"),
    ],
)
def test_white_space_around_marks(marked, text):
    assert read(marked, STYLES["brackets"], marked.count("[")).text == text


@pytest.mark.parametrize(
    ("marked", "text", "contents"),
    [
        ("[Ana vio a Eva", "Ana vio a Eva", []),
        ("Ana] vio a [Eva]", "Ana vio a Eva", ["Eva"]),
        ("[Ana vio a [Eva]", "Ana vio a Eva", ["Eva"]),
        ("[Ana] vio ] a Eva", "Ana vio a Eva", ["Ana"]),
        ("[ ] Ana [Eva]", "Ana Eva", ["Eva"]),
        ("[]", "", []),
    ],
)
def test_marks_without_a_partner_are_taken_out(marked, text, contents):
    reading = read(marked, STYLES["brackets"], 2)
    assert (reading.text, reading.paired) == (text, False)
    assert [reading.text[p.start : p.end] for p in reading.pieces] == contents


def test_numbers_must_agree():
    reading = read("<1>Ana</2> y <2>Eva</2>", STYLES["numbered"], 2)
    assert reading.text == "Ana y Eva" and not reading.paired
    assert [p.number for p in reading.pieces] == [2]


def test_a_number_too_long_is_none():
    text = f"<{'1' * 5000}>Ana"
    assert read(text, STYLES["numbered"], 1).text == text


def test_brackets_of_another_kind_stay_where_all_marks_came_back():
    assert read("[安娜]读《红楼梦》", STYLES["brackets"], 1).text == "安娜读《红楼梦》"
    assert read("〈安娜〉读《红楼梦》", STYLES["brackets"], 1).text == "〈安娜〉读红楼梦"


@pytest.mark.parametrize(
    ("text", "preferred", "free"),
    [
        ("plain", "brackets", "brackets"),
        ("plain", "quotes", "quotes"),
        ("a [sic] b", "brackets", "xml"),
        ("「東京」", "brackets", "xml"),
        ('5" long', "quotes", "brackets"),
        ("[1] <A>", "brackets", "numbered"),
        ("[1] <a> <2>", "brackets", "quotes"),
        ('[1] <a> <2> "', "brackets", None),
    ],
)
def test_a_style_that_does_not_stand_in_the_text(text, preferred, free):
    assert free_style(text, preferred) == free


def test_outermost_spans():
    spans = [(5, 9, "d"), (0, 3, "inner"), (0, 5, "a"), (0, 5, "same"), (4, 6, "crossing")]
    assert outermost(spans) == [(0, 5, "a"), (5, 9, "d")]


def test_texts_are_compared_without_case_and_outer_punctuation():
    assert comparable("  «Ｓão  Paulo».") == "são paulo"
    assert comparable("?!") == "?!" and comparable("") == ""
    assert comparable("दिल्ली") == "दिल्ली"
    assert likeness("[ROMA].", "Roma") == 1.0
    assert likeness("abcd", "abxx") == pytest.approx(0.5)


# Assignment


def matched(rows, threshold=0.5):
    return match(np.array(rows, float), threshold)


def test_the_highest_sum_wins():
    assert matched([[0.9, 0.8], [0.85, 0.1]]) == [(0, 1), (1, 0)]


def test_scores_below_the_threshold_do_not_draw():
    # With them 0.45 + 0.55 would outweigh 0.9 alone.
    assert matched([[0.9, 0.45, 0.0], [0.55, 0.0, 0.0]]) == [(0, 0)]


def test_equal_spans_keep_their_order():
    assert matched(np.ones((4, 4))) == [(k, k) for k in range(4)]
    assert matched([[1, 1]] * 3) == [(0, 0), (1, 1)]
    assert matched([[1, 1, 1]]) == [(0, 0)]
    # spans a b a, pieces b a a
    assert matched([[0, 1, 1], [1, 0, 0], [0, 1, 1]]) == [(0, 1), (1, 0), (2, 2)]


def test_a_better_score_outweighs_order():
    rows = np.full((30, 30), 0.7)
    rows[0, 29] = 0.701
    assert (0, 29) in matched(rows)


def test_one_left_over_on_both_sides():
    assert matched([[0.0]]) == [(0, 0)]
    assert matched([[0.9, 0, 0], [0, 0, 0.1], [0, 0.9, 0]]) == [(0, 0), (1, 2), (2, 1)]
    assert matched([[0.9, 0, 0], [0, 0, 0.1], [0, 0.1, 0]]) == [(0, 0)]  # two are left over
    assert matched([[0.9, 0], [0, 0.1], [0, 0.1]]) == [(0, 0)]  # which of the two?
    assert matched([[0.1, 0.1]]) == []
    assert matched(np.zeros((2, 0))) == []


def test_threshold_zero_assigns_everything():
    assert matched(np.zeros((2, 3)), 0.0) == [(0, 0), (1, 1)]


MATRICES = st.integers(1, 5).flatmap(
    lambda m: st.lists(st.lists(st.sampled_from([0, 0.3, 0.5, 0.8, 1]), min_size=m, max_size=m), min_size=1, max_size=5)
)


@given(MATRICES)
def test_the_sum_is_the_highest_there_is(rows):
    scores = np.array(rows, float)
    found = match(scores, 0.5)
    spans, pieces = zip(*found) if found else ((), ())
    assert len(set(spans)) == len(spans) and len(set(pieces)) == len(pieces)
    counting = np.where(scores >= 0.5, scores, 0.0)
    n, m = scores.shape
    wide = counting if n <= m else counting.T
    best = max(sum(wide[k, j] for k, j in enumerate(order)) for order in permutations(range(max(n, m)), min(n, m)))
    assert sum(counting[i, j] for i, j in found) == pytest.approx(best)
    low = [(i, j) for i, j in found if scores[i, j] < 0.5]
    assert not low or (len(low) == 1 and len(found) == n == m)


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=9), st.lists(st.sampled_from("abc"), max_size=9))
def test_equal_spans_never_cross(spans, pieces):
    found = match(np.array([[a == b for b in pieces] for a in spans], float).reshape(len(spans), len(pieces)), 0.5)
    for letter in "ab":
        order = [j for i, j in found if spans[i] == pieces[j] == letter]
        assert order == sorted(order)
        assert len(order) == min(spans.count(letter), pieces.count(letter))
