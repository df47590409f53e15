import warnings

import pytest

from spacy_xproj.translators.checks import looping, warn_about


@pytest.mark.parametrize(
    "text, expected",
    [
        ("no no no no no no", True),
        ("it said no no no no no", False),  # five times
        ("it was " + "in the house " * 6, True),
        ("it was " + "in the house " * 6 + "in th", True),  # cut off
        ("the red big dog " * 6 + "the", True),
        ("one two three four five " * 8, False),  # five words
        ("no no no no no no, said Ana in Rome", False),  # not at the end
        ("在在在在在在", True),
        ("他在罗马", False),
        ("1000000", False),
        ("", False),
        ("hello", False),
    ],
)
def test_loops_are_the_same_few_words_at_the_end(text, expected):
    assert looping(text) is expected


def test_a_warning_counts_and_names_the_first(no_warnings):
    warn_about([], 5, "are long")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_about(["a" * 200, "b"], 5, "are long")
    (only,) = caught
    assert str(only.message) == f"2 of 5 texts are long; first: '{'a' * 100}'"
