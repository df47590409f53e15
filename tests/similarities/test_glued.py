"""Made-up agglutination: the words, and where spans and links go."""

import pytest

from scripts.glued import glue
from scripts.ranker_data import Row, glued
from tests.conftest import bitext


@pytest.mark.parametrize(
    "words, expected, places",
    [
        ("en la casa de Ana .", "casaanla Anada .", [0, 0, 0, 1, 1, 2]),
        ("el perro ve", "perroal ve", [0, 0, 1]),  # nothing comes after "ve"
        ("por , mes", "por , mes", [0, 1, 2]),
        ("de 1998", "1998da", [0, 0]),
        ("el pie", "el pie", [0, 1]),
        ("lo Merkel", "Merkelle", [0, 0]),
    ],
)
def test_glue(words, expected, places):
    assert glue(words.split()) == (expected.split(), places)


def test_links_and_gold_go_along():
    pair = bitext("house of Ana", [(2, 3, "PER")], "0-1 1-2 2-3").pairs(("la", "casa", "de", "Ana"))[0]
    row = glued(Row("a/en-es", "x", [pair], [frozenset({(3, 4, "PER")})]))
    assert row.pairs[0].target == ("casala", "Anada")
    assert row.pairs[0].links.tolist() == [[0, 0], [1, 1], [2, 1]]
    assert row.gold == [frozenset({(1, 2, "PER")})] and row.links == "x glued"
