"""Words cut into pieces: the words, and where spans and links go."""

import pytest

from scripts.cut import cut
from scripts.ranker_data import Row
from scripts.ranker_data import cut as cut_row
from scripts.train_ranker import train
from spacy_xproj.similarities.ranker.corpus import CorpusStats
from spacy_xproj.similarities.ranker.names import PIECES, STAGES
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


@pytest.mark.slow
def test_weights_for_words_are_the_same_whether_there_is_text_in_pieces():
    pairs, gold = [], []
    for name in ("Anita", "Roberto", "Carmela", "Fernando", "Ludovica") * 5:
        source, target = f"yesterday {name} went home", f"ayer {name} fue hacia casita"
        pairs += bitext(source, [(1, 2, "PER")], "0-0 1-1 2-2 3-4").pairs(tuple(target.split()))
        gold.append(frozenset({(1, 2, "PER")}))
    row = Row("a/en-es", "x", pairs, gold)
    assert CorpusStats(row.pairs).pieces == 0 < CorpusStats(cut_row(row).pairs).pieces
    without, found = train([row]), train([row, cut_row(row)])
    assert set(without) == set(STAGES) and set(found) == {*STAGES, *PIECES.values()}
    assert all((found[stage] == without[stage]).all() for stage in STAGES)
    assert all((found[name] != found[stage]).any() for stage, name in PIECES.items())
