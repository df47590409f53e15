"""What is said of a projection adds up to its score and its probability."""

import math

import numpy as np
import pytest

from spacy_xproj.similarities.ranker import Ranker
from spacy_xproj.similarities.ranker.explain import FURTHER, explain, in_words
from spacy_xproj.similarities.ranker.names import FEATURES, GROUPS, NULL
from tests.conftest import bitext

SENTENCES = [
    ("Ana lives in Rome", [(0, 1, "PER"), (3, 4, "LOC")], "0-0 1-1 2-2 3-3", "Ana vive en Roma"),
    ("the European Commission met", [(1, 3, "ORG")], "0-0 1-2 2-1 3-4", "la Comisión Europea se reunió"),
    ("Ana met the Commission", [(0, 1, "PER"), (3, 4, "ORG")], "0-1 3-4", "a Ana vio la Comisión"),
    ("nothing here", [], "0-0", "nada aquí"),
    ("lost", [(0, 1, "X")], "", "perdido del todo"),
    ("Rome", [(0, 1, "LOC")], "", ""),
]


def some_pairs():
    return [bitext(s, spans, links).pairs(tuple(t.split()))[0] for s, spans, links, t in SENTENCES]


STAGES = {"alone": False, "corpus": False, "pairs": True}


@pytest.fixture(params=STAGES)
def ranker(request):
    """A ranker that knows no corpus; its counts; and the lexicon of its projections, too."""
    made = Ranker(lexicon=STAGES[request.param])
    if request.param != "alone":
        made.fit(some_pairs())
    assert made.stage == request.param
    return made


def test_contributions_sum_to_the_score(ranker):
    """The probabilities that project are those of the sums, which this computes anew from all readings."""
    pairs = some_pairs()
    explained = explain(ranker, pairs, most=10_000)
    cells = ranker.score_pairs(pairs)
    seen = 0
    for pair, readings, scored in zip(pairs, explained, cells):
        assert len(readings) == len(pair.spans)
        projected = {(k, a, b): p for k, a, b, p in zip(*(field.tolist() for field in scored[:4]))}
        for k, mine in enumerate(readings):
            if not mine:
                continue
            scores = np.array([sum(one.says.values()) for one in mine])
            expected = np.exp(scores - scores.max())
            expected /= expected.sum()
            assert np.allclose([one.probability for one in mine], expected, atol=1e-9)
            assert [one.probability for one in mine] == sorted((one.probability for one in mine), reverse=True)
            found = {(k, one.start, one.end): one.probability for one in mine if one.end}
            for cell in projected.keys() & found.keys():
                assert math.isclose(projected[cell], found[cell], abs_tol=1e-9)
            assert {cell for cell in projected if cell[0] == k} <= found.keys()
            assert [one.says.keys() <= NULL.keys() for one in mine] == [one.end == 0 for one in mine]
            seen += 1
    assert seen == 5


def test_the_likeliest_alone():
    pairs = some_pairs()
    everything, some = (explain(Ranker(), pairs, most=most) for most in (10_000, 2))
    for all_of_it, mine in zip(everything, some):
        for one, other in zip(all_of_it, mine):
            null = [reading for reading in one if not reading.end]
            rest = [reading for reading in one if reading.end][:2]
            assert sorted(map(str, other)) == sorted(map(str, null + rest))


def test_each_feature_has_a_group_and_words():
    for name in FEATURES:
        group, words = in_words(name)
        assert words and (group in GROUPS or name == "null")
    assert in_words("same_form_PER") == (
        "labels of the source",
        "similarity of form to a word of the span above .85, for the label PER",
    )


def test_evidence_in_words():
    assert in_words("mt") == (FURTHER, "mt: its score")
    assert in_words("mt_gap") == (FURTHER, "mt: how far below its best score")
    assert in_words("null_mt") == (FURTHER, "mt: how far its best score is below 1")
