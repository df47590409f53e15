import json

import numpy as np
import pytest
import spacy

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.fitting import unfitted
from spacy_xproj.registry import registry
from spacy_xproj.similarities.ranker import Ranker
from spacy_xproj.similarities.ranker.corpus import CorpusStats
from spacy_xproj.similarities.ranker.features import worth
from spacy_xproj.similarities.ranker.names import FEATURES, PAIRS, PIECES, PLACE, STAGES
from spacy_xproj.similarities.ranker.training import Group, learn
from spacy_xproj.similarities.ranker.weights import AGAINST, FOR, bounds, write_weights
from spacy_xproj.ty import Similarity
from tests.conftest import bitext, ents, payload_doc

SETTINGS = {"similarity": {"@xproj_similarities": "spacy_xproj.Ranker.v1"}}


def some_pairs():
    rows = [
        ("Ana lives in Rome", [(0, 1, "PER"), (3, 4, "LOC")], "0-0 1-1 2-2 3-3", "Ana vive en Roma"),
        ("the European Commission met", [(1, 3, "ORG")], "0-0 1-2 2-1 3-4", "la Comisión Europea se reunió"),
        ("Ana met the Commission", [(0, 1, "PER"), (3, 4, "ORG")], "0-1 3-4", "a Ana vio la Comisión"),
        ("nothing here", [], "0-0", "nada aquí"),
        ("lost", [(0, 1, "X")], "", "perdido del todo"),
    ]
    return [bitext(s, spans, links).pairs(tuple(t.split()))[0] for s, spans, links, t in rows]


def plain(cells):
    return [x.tolist() for x in (*cells[:4], cells.worth)]


def test_advertised():
    assert registry.xproj_similarities.get("spacy_xproj.Ranker.v1") is Ranker
    ranker = Ranker()
    assert isinstance(ranker, Similarity) and ranker.fittable


def test_works_without_a_corpus():
    ranker = Ranker()
    assert not ranker.fitted
    cells = ranker(some_pairs()[0])
    best = {k: max(zip(*plain(cells)[:4]), key=lambda row: (row[0] == k, row[3])) for k in (0, 1)}
    assert best[0][:3] == (0, 0, 1) and best[1][:3] == (1, 3, 4)
    assert best[0][3] > 0.5 and (cells.objective > 0).all()


def test_null_takes_part():
    ranker = Ranker()
    for pair in some_pairs():
        if pair.spans:
            found = ranker.score(pair)
            assert found.null + np.bincount(found.cells.span, found.probs, len(pair.spans)) == pytest.approx(1)
            cells = ranker(pair)
            null = found.null[cells.span]
            assert (cells.score > null).all()
            assert cells.objective == pytest.approx(np.log(cells.score / null))
    assert not len(ranker(some_pairs()[-1]).span)


def test_given_candidates_only():
    cells = Ranker()(some_pairs()[0], np.array([[0, 1], [0, 2], [2, 4], [1, 2]]))
    assert set(zip(*plain(cells)[1:3])) <= {(0, 1), (0, 2), (2, 4)}
    assert len(cells.span)


def test_the_same_bits_alone_and_in_any_batch():
    pairs = some_pairs() + [pair._replace(target=pair.target * 9) for pair in some_pairs()]
    given = [None if k % 3 else np.array([[0, 1], [1, 2], [0, 3]]) for k in range(len(pairs))]
    for ranker, corpus in ((Ranker(), []), (Ranker(lexicon=False), pairs), (Ranker(), pairs[:5])):
        ranker.fit(corpus)
        alone = [plain(ranker(pair, spans)) for pair, spans in zip(pairs, given)]
        assert list(map(plain, ranker.score_pairs(pairs, given))) == alone
        assert list(map(plain, ranker.score_pairs(pairs[::-1], given[::-1])))[::-1] == alone
        assert any(len(cells[0]) for cells in alone)


def test_rows_times_weights_are_what_cells_are_worth():
    """The quick way of scoring and the rows that training sees say the same."""
    ranker = Ranker()
    ranker.fit(some_pairs())
    for _, found in ranker.passes(some_pairs()):
        rows, null = ranker.rows(found)
        quick = worth(found.batch, found.cells, found.features, ranker.weight("pairs"), ranker.place)
        for these, those in zip(quick, (rows, null)):
            assert these == pytest.approx(those @ ranker.weight("pairs"), abs=1e-9)


def test_sentences_of_punctuation():
    pair = bitext(". Rome .", [(0, 1, "X"), (1, 2, "LOC")], "0-0 1-0").pairs((",",))[0]
    assert plain(Ranker().score_pairs([pair, some_pairs()[0]])[0]) == plain(Ranker()(pair))


def test_empty():
    pair = some_pairs()[3]
    assert not len(Ranker()(pair).span)
    assert not len(Ranker()(pair._replace(target=())).span)


def test_fit_is_deterministic_and_saved(tmp_path):
    ranker, other = Ranker(), Ranker()
    ranker.fit(iter(some_pairs()))
    other.fit(some_pairs())
    assert ranker.fitted and ranker.to_bytes() == other.to_bytes() != Ranker().to_bytes()
    again = Ranker().from_bytes(ranker.to_bytes())
    assert again.fitted and again.to_bytes() == ranker.to_bytes()
    ranker.to_disk(tmp_path / "state")
    third = Ranker().from_disk(tmp_path / "state")
    for pair in some_pairs():
        assert plain(third(pair)) == plain(again(pair)) == plain(ranker(pair))


def test_an_empty_corpus_teaches_nothing():
    ranker = Ranker()
    ranker.fit([])
    assert not ranker.fitted


def test_unfitted_state_survives():
    again = Ranker().from_bytes(Ranker().to_bytes())
    assert not again.fitted and again.lexicon is None


def test_own_votes_are_taken_out():
    ranker = Ranker()
    pairs = some_pairs()
    ranker.fit(pairs)
    (key,) = {"rome"}
    assert set(ranker.lexicon.pairs[key]) & {"roma"}
    found = ranker.score(pairs[0])  # the only sentence with Rome
    assert not ranker.rows(found)[0][:, PLACE["pair_share"]][found.cells.span == 1].any()
    alike = pairs[0]._replace(target=("Ana", "vive", "hoy", "en", "Roma"))
    found = ranker.score(alike._replace(links=np.array([[0, 0], [3, 4]], "i4"), scores=np.ones(2, "f4")))
    assert ranker.rows(found)[0][:, PLACE["pair_share"]][found.cells.span == 1].any()


def test_own_votes_for_a_form_that_stands_twice_are_taken_out():
    pair = bitext("Rome is Rome", [(0, 1, "LOC")], "0-0 0-2").pairs(("Roma", "es", "Roma"))[0]
    ranker = Ranker()
    ranker.fit([*some_pairs()[1:], pair])
    assert ranker.lexicon.pairs["rome"]["roma"] > 0.5
    cells, null = ranker.rows(ranker.score(pair))
    assert cells[:, PLACE["pair_of_form"]] == pytest.approx(0)
    assert null[:, PLACE["null_pair_share"]] == pytest.approx(0)


def test_what_the_lexicon_says_is_bounded():
    """Weights learnt from small corpora must hold for large ones."""
    pairs = some_pairs()
    many = [pairs[0]._replace(target=(f"x{k}", *pairs[0].target[1:])) for k in range(300)]
    ranker = Ranker()
    ranker.fit([*many, *pairs])
    cells, null = ranker.rows(ranker.score(pairs[0]))
    known = cells[:, PLACE["pair_of_form"]]
    assert known.max() > 0.99
    assert np.abs(cells[:, [PLACE[name] for name in PAIRS if name != "edge_unlinked"]]).max() <= 1
    assert np.abs(null[:, PLACE["null_pair_share"]]).max() <= 1


@pytest.mark.parametrize("data", [b"", b"\x80", b"rubbish"])
def test_other_data_is_refused(data, tmp_path):
    with pytest.raises(XprojError, match=r"Ranker.v1"):
        Ranker().from_bytes(data)
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(InputError):
        Ranker().from_disk(tmp_path / "x")


@pytest.mark.parametrize("settings", [{"max_length": 0}, {"floor": 1.0}, {"floor": -0.1}])
def test_settings_out_of_range(settings):
    with pytest.raises(XprojError, match=next(iter(settings))):
        Ranker(**settings)


def test_weights_from_a_file(tmp_path):
    path = tmp_path / "w.json"
    write_weights(path, {stage: np.arange(len(FEATURES)) / 8 for stage in STAGES}, {"data": ["toy"]})
    assert Ranker(str(path)).weights["pairs"].tolist() == (np.arange(len(FEATURES)) / 8).tolist()
    data = json.loads(path.read_text())
    data["weights"]["alone"]["no_such_feature"] = 1.0
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="no_such_feature"):
        Ranker(str(path))


def in_pieces(pairs):
    """Sentence pairs, enough of them, with a target of single letters."""
    found = []
    for pair in pairs:
        letters = [letter for word in pair.target for letter in word]
        found.append(pair._replace(target=tuple(letters), links=np.zeros((0, 2), "i8"), scores=np.zeros(0, "f4")))
    return found * 20


def test_text_in_pieces_has_weights_of_its_own(tmp_path):
    ranker = Ranker()
    words, pieces = (({stage: ranker.weights[stage] for stage in each}) for each in (STAGES, PIECES.values()))
    for stage, name in PIECES.items():
        assert (ranker.weight(stage) == words[stage]).all() and (words[stage] != pieces[name]).any()
    ranker.fit(some_pairs())
    assert ranker.stats.pieces == 0
    assert all((ranker.weight(stage) == words[stage]).all() for stage in STAGES)
    ranker.fit(in_pieces(some_pairs()))
    assert ranker.stats.pieces == 1
    assert (ranker.weight("alone") == words["alone"]).all()
    for stage, name in PIECES.items():
        assert ranker.weight(stage) == pytest.approx(pieces[name])
    other = Ranker().from_bytes(ranker.to_bytes())
    assert (other.weight("pairs") == ranker.weight("pairs")).all()
    other.fit(some_pairs())
    assert (other.weight("pairs") == words["pairs"]).all()
    path = tmp_path / "w.json"
    write_weights(path, words, {})
    other = Ranker(str(path))
    other.fit(in_pieces(some_pairs()))
    assert other.weight("pairs") == pytest.approx(words["pairs"], abs=1e-5)


def test_how_far_text_is_in_pieces():
    pair = some_pairs()[0]
    assert CorpusStats([]).pieces == CorpusStats([pair]).pieces == 0
    long = [pair._replace(target=pair.target * 10)]
    assert CorpusStats(long).pieces < 1  # a few words do not tell
    shares = [CorpusStats([pair._replace(target=("x",) * (4 + k))] * 10000).pieces for k in range(5)]
    assert shares[0] == 0 < shares[1] < shares[2] < shares[3] == 1 == shares[4]


def test_shipped_weights():
    weights = Ranker().weights
    assert set(weights) == {*STAGES, *PIECES.values()}
    for stage in weights:
        assert weights[stage].shape == (len(FEATURES),) and np.isfinite(weights[stage]).all() and weights[stage].any()


def test_shipped_weights_are_within_their_bounds():
    low, high = bounds()
    assert (low[[PLACE[name] for name in FOR]] == 0).all() and (high[[PLACE[name] for name in AGAINST]] == 0).all()
    assert not set(FOR) & set(AGAINST)
    for weights in Ranker().weights.values():
        assert (weights >= low).all() and (weights <= high).all()


def test_learning_within_bounds():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(200, 5, 2)).astype("f4")
    groups = [Group(row, int(np.argmax(row @ [1.0, -1.0]))) for row in rows]
    free = learn(groups, l2=1e-3)
    held = learn(groups, l2=1e-3, bounds=(np.array([-np.inf, 0.0]), np.array([np.inf, np.inf])))
    assert free[1] < 0 and held[1] == 0 and held[0] > 0


def test_learning_recovers_a_separable_problem():
    rng = np.random.default_rng(0)
    true = np.array([2.0, -3.0, 0.0, 1.0])
    groups = []
    for _ in range(300):
        rows = rng.normal(size=(6, 4)).astype("f4")
        groups.append(Group(rows, int(np.argmax(rows @ true))))
    found = learn(groups, l2=1e-4)
    assert all(int(np.argmax(g.rows @ found)) == g.right for g in groups[:50])
    assert found @ true / np.linalg.norm(found) / np.linalg.norm(true) > 0.99
    assert learn(groups, l2=1e-4).tolist() == found.tolist()
    near = learn(groups[:5], prior=true, l2=1e3)
    assert near == pytest.approx(true, abs=0.01)


def test_in_the_matcher():
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config=SETTINGS)
    assert unfitted(nlp) == ["xproj_matcher"]
    doc = nlp(payload_doc(nlp, "Ana vive en Roma", "Ana lives in Rome", [(0, 1, "PER"), (3, 4, "LOC")], "0-0 1-1 3-3"))
    assert ents(doc) == [(0, 1, "PER"), (3, 4, "LOC")]
    scores = doc.spans["xproj"].attrs["scores"]
    assert ((scores > 0) & (scores <= 1)).all()  # probabilities, not what the solver maximizes


def test_joint_decoding_shares_the_words():
    """Two equal source spans and two equal words: each gets one, though both prefer the first."""
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config=SETTINGS)
    doc = payload_doc(nlp, "Roma y Roma", "Rome and Rome", [(0, 1, "LOC"), (2, 3, "LOC")], "0-0 1-1 2-0")
    assert ents(nlp(doc)) == [(0, 1, "LOC"), (2, 3, "LOC")]
