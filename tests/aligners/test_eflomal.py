import sys

import numpy as np
import pytest
import spacy

import spacy_xproj
from spacy_xproj.aligners import eflomal_run
from spacy_xproj.aligners.eflomal import NAME, make_eflomal
from spacy_xproj.errors import InputError, NotFittedError, XprojError
from spacy_xproj.registry import registry
from spacy_xproj.ty import Fittable
from tests.aligners.test_statistical import corpus, gold, pair, same
from tests.conftest import payload_doc, state

METHODS = ["intersection", "union", "grow-diag-final-and"]


@pytest.fixture
def eflomal():
    return pytest.importorskip("eflomal", reason="the package eflomal is absent (the extra `eflomal`)")


@pytest.fixture(scope="module")
def fitted():
    pytest.importorskip("eflomal", reason="the package eflomal is absent (the extra `eflomal`)")
    aligner = make_eflomal()
    aligner.fit(corpus())
    return aligner


@pytest.fixture
def no_run(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("eflomal was run")

    monkeypatch.setattr(eflomal_run, "run", fail)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "eflomal", None)
    with pytest.raises(XprojError, match=r"pip install 'spacy-xproj\[eflomal\]'") as err:
        make_eflomal()
    assert NAME in str(err.value)


def test_registered(eflomal):
    assert registry.xproj_aligners.get(NAME) is make_eflomal
    assert isinstance(make_eflomal(), Fittable)


@pytest.mark.parametrize("method", METHODS)
def test_finds_the_links(fitted, method):
    aligner = make_eflomal(symmetrization=method).from_bytes(fitted.to_bytes())
    pairs = list(corpus())
    found = aligner(pairs)
    assert np.mean([links.links.tolist() == gold(p) for p, links in zip(pairs, found)]) > 0.8
    for links in found:
        assert links.links.dtype == np.int32 and links.links.tolist() == sorted(links.links.tolist())
        assert list(links.evidence) == ["forward", "reverse"]
        forward, reverse = links.evidence.values()
        assert np.array_equal(links.scores, (forward + reverse) / 2)
        assert {x.dtype for x in (links.scores, forward, reverse)} == {np.dtype("f4")}
        assert (links.scores >= (1 if method == "intersection" else 0.5)).all()


@pytest.mark.parametrize("method, scores", [("intersection", {(0, 2): 1.0}), ("union", {(0, 2): 1.0, (1, 0): 0.5})])
def test_evidence_belongs_to_its_link(eflomal, method, scores):
    links = make_eflomal(symmetrization=method)._links(np.array([1, -1, 0], "i2"), np.array([2, -1], "i2"))
    assert dict(zip(map(tuple, links.links.tolist()), links.scores.tolist())) == scores
    assert links.evidence["forward"].tolist() == [1.0] * len(scores)
    assert links.evidence["reverse"].tolist() == [1.0, 0.0][: len(scores)]


@pytest.mark.parametrize("model", [1, 2, 3])
def test_new_pairs_are_aligned_by_the_priors(eflomal, model):
    aligner = make_eflomal(model=model)
    aligner.fit(corpus(200))
    new = [p for p in corpus(60, seed=7) if all(p.source != q.source for q in corpus(200))]
    assert len(new) > 40
    right = sum(len(set(map(tuple, x.links.tolist())) & set(map(tuple, gold(p)))) for p, x in zip(new, aligner(new)))
    assert right > 0.85 * sum(len(gold(p)) for p in new)


def test_a_new_pair_teaches_the_others_nothing(fitted):
    # a hundred pairs that say that "the" is "hund", and one in question
    wrong = [pair(f"the zz{k}", f"hund yy{k}") for k in range(100)]
    (*_, links) = fitted([*wrong, pair("the dog sees", "lo hund vede")])
    assert links.links.tolist() == [[0, 0], [1, 1], [2, 2]]


def test_new_words_that_begin_alike(fitted):
    words = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("abar", "obor", "ubur")]  # twelve times three
    new = [pair(f"the {x} {y} sees", f"lo {y}a {x}a vede") for x, y in zip(words, words[::-1])]
    swapped = [{(1, 2), (2, 1)} <= set(map(tuple, links.links.tolist())) for links in fitted(new)]
    plain = make_eflomal(cognate=0.0).from_bytes(fitted.to_bytes())
    in_order = [{(1, 2), (2, 1)} <= set(map(tuple, links.links.tolist())) for links in plain(new)]
    assert sum(swapped) > 30 > 20 > sum(in_order)


def test_a_pair_of_the_corpus_keeps_its_links(fitted, no_run):
    pairs = list(corpus())
    together = fitted(pairs)
    for links, other in zip(fitted(pairs[::-1])[::-1], together):
        same(links, other)
    for p, links in zip(pairs[:20], together):
        same(fitted([p])[0], links)
    shouted = [p._replace(source=tuple(w.upper() for w in p.source)) for p in pairs[:5]]
    for links, other in zip(fitted(shouted), together):  # the same stems
        same(links, other)


def test_a_pair_that_comes_twice_has_the_same_links(fitted):
    odd = pair("qq the ww dog sees rr", "vede uu lo ii")
    one, other = fitted([odd, odd])
    same(one, other)


def test_other_words_or_places_of_words_are_another_pair(fitted, monkeypatch):
    seen = []
    align = eflomal_run.align

    def watched(source, *rest):
        seen.extend(source.length.tolist())
        return align(source, *rest)

    monkeypatch.setattr(eflomal_run, "align", watched)
    p = next(corpus())
    fitted([p, p._replace(source=p.source[::-1]), p._replace(target=(*p.target, "ecco"))])
    assert seen == [5, 5]


def test_empty_and_long_sides(eflomal, fitted):
    long = pair("the dog " * 600, "lo hund")
    aligner = make_eflomal()
    aligner.fit([*corpus(50), pair("", "lo"), pair("the", ""), pair("", ""), long])
    for made in (aligner, fitted):
        found = made([pair("", "lo"), pair("the", ""), pair("", ""), long])
        assert [x.links.shape for x in found] == [(0, 2)] * 4
        assert all(x.scores.shape == x.evidence["forward"].shape == (0,) for x in found)
        assert made([]) == []


@pytest.mark.parametrize("pairs", [[], [pair("", ""), pair("the", ""), pair("", "lo")]])
def test_nothing_to_fit_on(eflomal, pairs):
    aligner = make_eflomal()
    with pytest.raises(XprojError, match="words on both sides"):
        aligner.fit(pairs)
    assert not aligner.fitted
    with pytest.raises(NotFittedError, match=r"Eflomal\.v1"):
        aligner([pair("the dog", "lo hund")])


def test_more_words_than_fit_into_one_run(fitted, monkeypatch):
    monkeypatch.setattr(eflomal_run, "VOCABULARY", 40)
    pairs = [pair(f"zz {' '.join(p.source)}", f"qq {' '.join(p.target)}") for p in corpus(30, seed=9)]
    found = fitted(pairs)
    assert len(found) == 30
    right = [len(set(map(tuple, x.links.tolist())) & set(map(tuple, gold(p)))) for p, x in zip(pairs, found)]
    assert sum(right) > 0.8 * 5 * 30


def test_priors_are_the_counts_of_the_links():
    sides = [
        eflomal_run.Side(np.array(stem), np.zeros(len(stem), "i4"), np.array(length))
        for stem, length in (([0, 1, 2, 0], [3, 1]), ([0, 1, 1], [2, 1]))
    ]
    at, by, jumps, fertility = eflomal_run.directed_counts(*sides, np.array([2, -1, 0]))
    assert (at.tolist(), by.tolist()) == ([2, 3], [0, 2])
    found = {k - eflomal_run.ZERO: n for k, n in enumerate(jumps.tolist()) if n}
    assert found == {3: 1, 1: 3 - 1 + 0 + 1}  # into word 2 and out of it; into word 0 and out of it
    assert fertility.reshape(3, -1)[:, :2].tolist() == [[1, 1], [1, 0], [0, 1]]


def test_serialization(fitted, tmp_path, no_run):
    data = fitted.to_bytes()
    aligner = make_eflomal()
    assert aligner.from_bytes(data) is aligner and aligner.fitted
    assert aligner.to_bytes() == data
    aligner.to_disk(tmp_path / "aligner")
    assert (tmp_path / "aligner").read_bytes() == data
    loaded = make_eflomal().from_disk(tmp_path / "aligner")
    assert loaded.provenance == fitted.provenance
    pairs = list(corpus(40))
    for links, other in zip(loaded(pairs), fitted(pairs)):
        same(links, other)
    assert not loaded.from_bytes(make_eflomal().to_bytes()).fitted


def test_a_loaded_one_aligns_new_pairs(fitted):
    loaded = make_eflomal().from_bytes(fitted.to_bytes())
    (links,) = loaded([pair("the dog sees zz", "lo hund vede")])
    assert links.links.tolist() == [[0, 0], [1, 1], [2, 2]]


def test_state_that_does_not_fit(fitted, tmp_path):
    with pytest.raises(XprojError, match=r"stem = 5.*stem = 4"):
        make_eflomal(stem=4).from_bytes(fitted.to_bytes())
    for data in (b"", b"\x80", b"\xc1", b"\x93\x01\x02\x03"):
        with pytest.raises(XprojError, match="state"):
            make_eflomal().from_bytes(data)
    with pytest.raises(InputError, match="absent"):
        make_eflomal().from_disk(tmp_path / "absent")


def test_eflomal_that_fails(eflomal, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("no such program")

    monkeypatch.setattr(eflomal, "align", fail)
    aligner = make_eflomal()
    with pytest.raises(XprojError, match=r"failed on 20 sentence pairs.*no such program"):
        aligner.fit(corpus(20))
    assert not aligner.fitted


def test_in_a_pipeline(eflomal, tmp_path):
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_aligner", config={"aligner": {"@xproj_aligners": NAME}})
    docs = [payload_doc(nlp, p.target, p.source) for p in corpus(60)]
    assert spacy_xproj.fit(nlp, docs) == ["xproj_aligner"]
    want = [state(doc) for doc in nlp.pipe([doc.copy() for doc in docs], batch_size=7)]
    assert all(len(doc[3].links) for doc in want)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert [state(doc) for doc in loaded.pipe([doc.copy() for doc in docs], batch_size=60)] == want


@pytest.mark.parametrize(
    "settings",
    [
        {"symmetrization": "posterior"},
        {"model": 4},
        {"length": 0.0},
        {"length": float("nan")},
        {"samplers": 0},
        {"stem": -1},
        {"cognate": -0.5},
        {"cognate": float("nan")},
    ],
)
def test_bad_settings(settings):
    ((name, value),) = settings.items()
    with pytest.raises(XprojError, match=name) as err:
        make_eflomal(**settings)
    assert str(value) in str(err.value)
