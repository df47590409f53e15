"""Words cut into pieces: the words, and where spans and links go."""

from scripts.cut import cut
from scripts.ranker_data import Row
from scripts.ranker_data import cut as cut_row
from tests.conftest import bitext


def test_cut():
    assert cut(["la", "casas", "."]) == (["la", "cas", "as", "."], [0, 1, 3, 4])
    assert cut([]) == ([], [0])


def test_links_and_gold_go_along():
    pair = bitext("house of Ana", [(2, 3, "PER")], "0-0 1-1 2-2").pairs(("casa", "de", "Anita"))[0]
    row = cut_row(Row("a/en-es", "x", [pair], [frozenset({(2, 3, "PER")})]))
    assert row.pairs[0].target == ("cas", "a", "de", "Ani", "ta")
    assert row.pairs[0].links.tolist() == [[0, 0], [0, 1], [1, 2], [2, 3], [2, 4]]
    assert row.gold == [frozenset({(3, 5, "PER")})] and row.links == "x cut"
