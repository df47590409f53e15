import random

import numpy as np
import pytest

from spacy_xproj.aligners import lexical
from spacy_xproj.aligners.statistical import NAME, StatisticalAligner
from spacy_xproj.bitext import Bitext
from spacy_xproj.errors import InputError, NotFittedError, XprojError
from spacy_xproj.registry import registry

METHODS = ["posterior", "intersection", "union", "grow-diag-final-and"]
LEXICON = {
    "the": "lo",
    "house": "baita",
    "dog": "hund",
    "cat": "micio",
    "red": "rosso",
    "green": "verde",
    "sees": "vede",
    "sleeps": "dorme",
    "runs": "corre",
    "garden": "orto",
    "river": "fiume",
    "small": "minuto",
}


def pair(source, target):
    source, target = source.split(), target.split()
    return Bitext("en", tuple(source), (True,) * len(source)).pairs(tuple(target))[0]


def corpus(n=300, seed=0):
    """Word for word translations, with two neighbors exchanged, and a word that has no counterpart."""
    choose = random.Random(seed)
    for _ in range(n):
        source = choose.sample(list(LEXICON), 5)
        order = [1, 0, 2, 3, 4] if choose.random() < 0.5 else [0, 1, 2, 4, 3]
        target = [LEXICON[source[k]] for k in order] + ["ecco"] * (choose.random() < 0.3)
        yield pair(" ".join(source), " ".join(target))


def gold(p):
    back = {target: source for source, target in LEXICON.items()}
    return sorted([p.source.index(back[t]), j] for j, t in enumerate(p.target) if t in back)


@pytest.fixture(scope="module")
def fitted():
    aligner = StatisticalAligner()
    aligner.fit(corpus())
    return aligner


def same(one, other):
    assert np.array_equal(one.links, other.links) and np.array_equal(one.scores, other.scores)
    assert one.evidence.keys() == other.evidence.keys()
    assert all(np.array_equal(one.evidence[k], other.evidence[k]) for k in one.evidence)


def test_registered():
    assert registry.xproj_aligners.get(NAME) is StatisticalAligner
    assert StatisticalAligner().fittable


@pytest.mark.parametrize("method", METHODS)
def test_finds_the_links(method):
    aligner = StatisticalAligner(symmetrization=method)
    aligner.fit(corpus())
    pairs = list(corpus(50, seed=1))
    found = aligner(pairs)
    assert len(found) == len(pairs)
    exact = [links.links.tolist() == gold(p) for p, links in zip(pairs, found)]
    assert sum(exact) >= 49  # the word without a counterpart is now and then in doubt


def test_symmetrizations_are_ordered_by_inclusion():
    pairs = list(corpus(8))  # too few for all to be certain
    found = {}
    for method in METHODS[1:]:
        aligner = StatisticalAligner(symmetrization=method, iterations=1)
        aligner.fit(pairs)
        found[method] = [set(map(tuple, x.links.tolist())) for x in aligner(pairs)]
    for a, b, c in zip(found["intersection"], found["grow-diag-final-and"], found["union"]):
        assert a <= b <= c
    assert found["intersection"] != found["union"]


def test_threshold_and_evidence(fitted):
    pairs = list(corpus(20, seed=2))
    for p, links in zip(pairs, fitted(pairs)):
        n = len(links.links)
        assert links.links.dtype == np.int32 and links.links.tolist() == sorted(links.links.tolist())
        assert list(links.evidence) == ["forward", "reverse", "posterior"]
        for values in (links.scores, *links.evidence.values()):
            assert values.dtype == np.float32 and values.shape == (n,)
            assert (values >= 0).all() and (values <= 1 + 1e-6).all()
        forward, reverse = links.evidence["forward"], links.evidence["reverse"]
        np.testing.assert_allclose(links.scores, np.sqrt(forward * reverse), rtol=1e-5)
        assert (links.scores > 0.3).all()
        # of one target word, the forward probabilities of its links cannot sum to more than 1
        assert (np.bincount(links.links[:, 1], forward, len(p.target)) <= 1 + 1e-6).all()
        assert (np.bincount(links.links[:, 0], reverse, len(p.source)) <= 1 + 1e-6).all()


def test_evidence_belongs_to_its_link():
    # "green" comes twice on the source side: its target word is shared out, its source words are not.
    aligner = StatisticalAligner(threshold=0.0)
    aligner.fit(corpus())
    (links,) = aligner([pair("green the green", "verde lo")])
    cells = {tuple(link): k for k, link in enumerate(links.links.tolist())}
    assert len(cells) == 6
    forward, reverse = links.evidence["forward"], links.evidence["reverse"]
    assert forward[cells[0, 0]] + forward[cells[2, 0]] > 0.9 > forward[cells[0, 0]] > forward[cells[2, 0]]
    assert min(reverse[cells[0, 0]], reverse[cells[2, 0]]) > 0.9


def test_unfitted():
    aligner = StatisticalAligner()
    assert not aligner.fitted
    with pytest.raises(NotFittedError, match=r"Statistical\.v1"):
        aligner([pair("the dog", "lo hund")])


@pytest.mark.parametrize("method", METHODS)
def test_empty_sides(method):
    aligner = StatisticalAligner(symmetrization=method)
    aligner.fit([*corpus(50), pair("", "lo"), pair("the", ""), pair("", "")])
    found = aligner([pair("", "lo"), pair("the", "lo"), pair("the", ""), pair("", "")])
    assert [x.links.tolist() for x in found] == [[], [[0, 0]], [], []]
    assert all(x.links.shape[1] == 2 and len(x.scores) == len(x.links) for x in found)
    assert aligner([]) == []


def test_pairs_with_an_empty_side_change_nothing(fitted):
    aligner = StatisticalAligner()
    aligner.fit([pair("", "unerhört"), *corpus(), pair("unheard", "")])
    assert aligner.to_bytes() == fitted.to_bytes()


@pytest.mark.parametrize("pairs", [[], [pair("", ""), pair("the", ""), pair("", "lo")]])
def test_nothing_to_fit_on(pairs):
    aligner = StatisticalAligner()
    with pytest.raises(XprojError, match="words on both sides"):
        aligner.fit(pairs)
    assert not aligner.fitted


@pytest.mark.parametrize(
    "source, target, links",
    [
        ("the dog Vukovar", "Vukovar lo hund", {(0, 1), (1, 2), (2, 0)}),  # alike
        ("the 1997 dog 1996", "1996 hund lo 1997", {(1, 3), (3, 0)}),  # numbers are whole
        ("Vukovar sees Tirana", "Tirana vede Vukovar", {(0, 2), (1, 1), (2, 0)}),
        ("the dog sees Copenhagen", "lo hund vede Kobenhavnu", {(0, 0), (1, 1), (2, 2), (3, 3)}),  # left over
        ("Germans sleeps", "dorme Germania", {(0, 1), (1, 0)}),  # begin alike
    ],
)
def test_unseen_words(fitted, source, target, links):
    (found,) = fitted([pair(source, target)])
    assert links <= set(map(tuple, found.links.tolist()))


def test_deterministic_and_independent_of_the_batch(fitted):
    again = StatisticalAligner()
    again.fit(corpus())
    assert again.to_bytes() == fitted.to_bytes()
    pairs = [*corpus(40, seed=3), pair("", "lo"), pair("the Vukovar dog Osijek", "Osijek hund lo Vukovar")]
    together = fitted(pairs)
    for p, links in zip(pairs, together):
        same(fitted([p])[0], links)
    for links, other in zip(fitted(pairs[::-1]), together[::-1]):
        same(links, other)


@pytest.mark.parametrize("method", METHODS)
def test_chunks_do_not_change_the_result(fitted, monkeypatch, method):
    aligner = StatisticalAligner(symmetrization=method).from_bytes(fitted.to_bytes())
    pairs = list(corpus(30, seed=4))
    whole = aligner(pairs)
    monkeypatch.setattr(lexical, "CHUNK", 60)  # two sentence pairs
    for links, other in zip(aligner(pairs), whole):
        same(links, other)
    parts = StatisticalAligner()
    parts.fit(corpus())
    np.testing.assert_allclose(parts.table.strength, fitted.table.strength, rtol=1e-5)


def test_long_sentences_are_cut_to_a_band(monkeypatch):
    rows = list(corpus(300))
    long = pair(*(" ".join(w for p in rows for w in getattr(p, side)) for side in ("source", "target")))
    for name in ("CHUNK", "MOST"):
        monkeypatch.setattr(lexical, name, 30_000)
    seen = []
    cells_of = lexical.cells_of

    def watched(batch, diagonal):
        seen.append(cells_of(batch, diagonal))
        return seen[-1]

    monkeypatch.setattr(lexical, "cells_of", watched)
    aligner = StatisticalAligner()
    aligner.fit([*rows, long])
    (found,) = aligner([long])
    assert len(long.source) * len(long.target) > 2_000_000
    assert max(len(cells.source) for cells in seen) <= 30_000
    assert len(found.links) > 500
    distance = np.abs(found.links[:, 0] / len(long.source) - found.links[:, 1] / len(long.target))
    assert distance.max() < 0.02
    right = [LEXICON[long.source[i]] == long.target[j] for i, j in found.links]
    assert np.mean(right) > 0.9


def test_more_words_than_cells(monkeypatch):
    monkeypatch.setattr(lexical, "MOST", 4)
    aligner = StatisticalAligner()
    p = pair("the dog sees the red house now", "lo hund vede rosso baita")
    aligner.fit([p])
    (found,) = aligner([p])
    assert (found.links < [7, 5]).all()


@pytest.mark.parametrize("method", METHODS)
def test_serialization(fitted, tmp_path, method):
    data = fitted.to_bytes()
    aligner = StatisticalAligner(symmetrization=method)
    assert aligner.from_bytes(data) is aligner and aligner.fitted
    assert aligner.to_bytes() == data
    aligner.to_disk(tmp_path / "aligner")
    assert (tmp_path / "aligner").read_bytes() == data
    loaded = StatisticalAligner(symmetrization=method).from_disk(tmp_path / "aligner")
    assert loaded.provenance == aligner.provenance
    pairs = [*corpus(20, seed=5), pair("the Vukovar", "Vukovar lo")]
    for links, other in zip(loaded(pairs), aligner(pairs)):
        same(links, other)
    if method == "posterior":
        for links, other in zip(loaded(pairs), fitted(pairs)):
            same(links, other)


def test_unfitted_state_round_trip(fitted):
    aligner = StatisticalAligner().from_bytes(fitted.to_bytes())
    aligner.from_bytes(StatisticalAligner().to_bytes())
    assert not aligner.fitted


def test_state_that_does_not_fit(fitted, tmp_path):
    with pytest.raises(XprojError, match=r"stem = 5.*stem = 4"):
        StatisticalAligner(stem=4).from_bytes(fitted.to_bytes())
    for data in (b"", b"\x80", b"\xc1", b"\x93\x01\x02\x03"):
        with pytest.raises(XprojError, match="state"):
            StatisticalAligner().from_bytes(data)
    with pytest.raises(InputError, match="absent"):
        StatisticalAligner().from_disk(tmp_path / "absent")


def test_refitting_forgets(fitted):
    aligner = StatisticalAligner()
    aligner.fit([pair("unheard of", "nie gehört")])
    before = aligner.provenance
    aligner.fit(corpus())
    assert aligner.to_bytes() == fitted.to_bytes()
    assert aligner.provenance == fitted.provenance != before


def test_counts_of_a_table(fitted):
    from scipy.special import digamma

    links = np.array([0.15, 0.5, 1.0, 7.25, 4000.0])
    table = fitted.table._replace(keys=np.arange(5), strength=np.exp(digamma(links)).astype("f4"))
    np.testing.assert_allclose(lexical.counts_of(table).links, links, rtol=1e-4)


@pytest.fixture
def prior(fitted, tmp_path):
    fitted.to_disk(tmp_path / "prior")
    return str(tmp_path / "prior")


def test_prior(prior, tmp_path):
    text = [pair("the sofa", "lo divan"), pair("garden the", "lo orto")]
    alone, with_prior = StatisticalAligner(), StatisticalAligner(prior=prior)
    alone.fit(text)
    with_prior.fit(text)
    new = list(corpus(50, seed=1))
    right = [sum(x.links.tolist() == gold(p) for p, x in zip(new, aligner(new))) for aligner in (alone, with_prior)]
    assert right[1] > 45 > 20 > right[0]
    # the text decides where the prior leaves a choice, and its words are known
    (links,) = with_prior([pair("sofa the dog", "hund divan lo")])
    assert links.links.tolist() == [[0, 1], [1, 2], [2, 0]]
    # what was fitted needs the file no longer
    data = with_prior.to_bytes()
    again = StatisticalAligner(prior=str(tmp_path / "absent")).from_bytes(data)
    for links, other in zip(again(new), with_prior(new)):
        same(links, other)


def test_prior_weight_and_counts(fitted, prior):
    p = pair("zz", "qq")
    key = fitted.stems["the"] << 32 | fitted.stems["lo"]
    links = lexical.counts_of(fitted.table).links[fitted.table.keys == key]
    for weight in (0.5, 2.0):
        aligner = StatisticalAligner(prior=prior, prior_weight=weight)
        aligner.fit([p])
        assert list(aligner.stems)[:2] == ["zz", "qq"]
        found = lexical.counts_of(aligner.table)
        key = aligner.stems["the"] << 32 | aligner.stems["lo"]
        np.testing.assert_allclose(found.links[found.keys == key], weight * links, rtol=1e-3)
        total = aligner.table.source_total[aligner.stems["the"]] - 1
        np.testing.assert_allclose(total, weight * (fitted.table.source_total[fitted.stems["the"]] - 1), rtol=0.02)


def test_no_weight_left_by_a_faint_prior(fitted, prior):
    plain, faint = StatisticalAligner(), StatisticalAligner(prior=prior, prior_weight=1e-9)
    pairs = list(corpus(30, seed=8))
    plain.fit(pairs)
    faint.fit(pairs)
    for links, other in zip(plain(pairs), faint(pairs)):
        assert np.array_equal(links.links, other.links)
        np.testing.assert_allclose(links.scores, other.scores, rtol=1e-3)


def test_prior_that_cannot_be_used(fitted, prior, tmp_path):
    StatisticalAligner().to_disk(tmp_path / "unfitted")
    (tmp_path / "text").write_text("the dog")
    for aligner, message in (
        (StatisticalAligner(prior=str(tmp_path / "absent")), "absent"),
        (StatisticalAligner(prior=str(tmp_path / "unfitted")), "fitted"),
        (StatisticalAligner(prior=str(tmp_path / "text")), "state"),
        (StatisticalAligner(prior=prior, stem=4), "stem = 5.*stem = 4"),
    ):
        with pytest.raises(InputError, match=message):
            aligner.fit(corpus(5))
        assert not aligner.fitted


@pytest.mark.parametrize("stem, n", [(4, 2), (5, 4), (0, 4)])
def test_stems(stem, n):
    aligner = StatisticalAligner(stem=stem)
    aligner.fit([pair("Houses", "Haus"), pair("HOUSE hous", "hauses")])
    assert len(aligner.stems) == n + (stem == 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"symmetrization": "itermax"},
        {"threshold": 1.0},
        {"threshold": -0.1},
        {"iterations": 0},
        {"jumps": -1},
        {"stem": -1},
        {"null": 1.0},
        {"diagonal": -1.0},
        {"alpha": 0.0},
        {"cognate": -0.5},
        {"prior_weight": 0.0},
        {"threshold": float("nan")},
        {"alpha": float("nan")},
    ],
)
def test_bad_settings(settings):
    ((name, value),) = settings.items()
    with pytest.raises(XprojError, match=name) as err:
        StatisticalAligner(**settings)
    assert str(value) in str(err.value)
