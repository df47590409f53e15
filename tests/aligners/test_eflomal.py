import sys
from types import ModuleType

import numpy as np
import pytest
import spacy

import spacy_xproj
from spacy_xproj.aligners.eflomal import NAME, EflomalAligner
from spacy_xproj.errors import InputError, NotFittedError, XprojError
from spacy_xproj.registry import registry
from tests.aligners.test_statistical import corpus, gold, pair, same
from tests.conftest import payload_doc, state

METHODS = ["intersection", "union", "grow-diag-final-and"]


@pytest.fixture
def eflomal():
    return pytest.importorskip("eflomal", reason="the package eflomal is absent (the extra `eflomal`)")


@pytest.fixture(scope="module")
def fitted():
    pytest.importorskip("eflomal", reason="the package eflomal is absent (the extra `eflomal`)")
    aligner = EflomalAligner()
    aligner.fit(corpus())
    return aligner


@pytest.fixture
def runs(monkeypatch):
    """The number of sentence pairs of each run of eflomal."""
    seen, run = [], EflomalAligner._run

    def counted(self, texts, priors):
        seen.append(len(texts))
        return run(self, texts, priors)

    monkeypatch.setattr(EflomalAligner, "_run", counted)
    return seen


class FakeAligner:
    """Links each word to the word in its place, as far as both sides go. The reverse direction links no first word."""

    def __init__(self, **settings):
        self.settings = settings

    def align(self, source, target, forward, reverse, priors_input=None):
        FakeAligner.priors = priors_input
        for file, start in ((forward, 0), (reverse, 1)):
            rows = [range(start, min(len(a.split()), len(b.split()))) for a, b in zip(source, target)]
            with open(file, "w", encoding="ascii") as f:
                f.writelines(" ".join(f"{k}-{k}" for k in row) + "\n" for row in rows)


@pytest.fixture
def fake(monkeypatch):
    """A package in the place of eflomal, so that these tests run without it."""
    package = ModuleType("eflomal")
    package.Aligner = FakeAligner
    package.calculate_priors = lambda *texts_and_links: [list(map(list, texts_and_links))]
    package.write_priors = lambda file, counts: print("LEX\tthe\tlo\t2", file=file)
    monkeypatch.setitem(sys.modules, "eflomal", package)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "eflomal", None)
    with pytest.raises(XprojError, match=r"pip install 'spacy-xproj\[eflomal\]'") as err:
        EflomalAligner()
    assert NAME in str(err.value)


def test_registered(eflomal):
    assert registry.xproj_aligners.get(NAME) is EflomalAligner
    assert EflomalAligner().fittable


@pytest.mark.parametrize("method", METHODS)
def test_finds_the_links(fitted, method):
    aligner = EflomalAligner(symmetrization=method).from_bytes(fitted.to_bytes())
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
def test_evidence_belongs_to_its_link(fake, method, scores):
    links = EflomalAligner(symmetrization=method)._combined("1-0 0-2", "0-2")
    assert dict(zip(map(tuple, links.links.tolist()), links.scores.tolist())) == scores
    assert links.evidence["forward"].tolist() == [1.0] * len(scores)
    assert links.evidence["reverse"].tolist() == [1.0, 0.0][: len(scores)]


def test_what_eflomal_reads_and_writes(fake):
    aligner = EflomalAligner(model=2, length=0.5, samplers=4, symmetrization="union")
    assert (aligner.model, aligner.length, aligner.samplers) == (2, 0.5, 4)
    aligner.fit([pair("The dog barks", "lo dogue"), pair("", "lo")])
    assert FakeAligner.priors == ["LEX\tdog\tdogue\t0.3"]
    assert aligner.priors == ["LEX\tthe\tlo\t2"]
    (links,) = aligner([pair("the Dog", "lo cane 7")])
    assert FakeAligner.priors == aligner.priors
    assert links.links.tolist() == [[0, 0], [1, 1]]
    assert (links.evidence["reverse"].tolist(), links.scores.tolist()) == ([0.0, 1.0], [0.5, 1.0])
    plain = EflomalAligner(cognate=0.0)
    plain.fit([pair("The dog barks", "lo dogue")])
    assert FakeAligner.priors is None


def test_words_reach_eflomal_as_single_words(fake):
    words = ("Ab\u00a0cde", "\u3000")
    assert EflomalAligner(stem=4)._text(pair("a", "b")._replace(source=words)) == ("ab_c _", "b")
    assert EflomalAligner(stem=0)._text(pair("Whole words", "b")) == ("whole words", "b")


@pytest.mark.parametrize("model", [1, 2, 3])
def test_new_pairs_are_aligned_by_the_priors(eflomal, model):
    aligner = EflomalAligner(model=model)
    aligner.fit(corpus(200))
    new = [p for p in corpus(60, seed=7) if all(p.source != q.source for q in corpus(200))]
    assert len(new) > 40
    right = sum(len(set(map(tuple, x.links.tolist())) & set(map(tuple, gold(p)))) for p, x in zip(new, aligner(new)))
    assert right > 0.85 * sum(len(gold(p)) for p in new)


def test_new_words_that_begin_alike(fitted):
    words = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("abar", "obor", "ubur")]  # twelve times three
    new = [pair(f"the {x} {y} sees", f"lo {y}a {x}a vede") for x, y in zip(words, words[::-1])]
    swapped = [{(1, 2), (2, 1)} <= set(map(tuple, links.links.tolist())) for links in fitted(new)]
    plain = EflomalAligner(cognate=0.0).from_bytes(fitted.to_bytes())
    in_order = [{(1, 2), (2, 1)} <= set(map(tuple, links.links.tolist())) for links in plain(new)]
    assert sum(swapped) > 30 > 20 > sum(in_order)


def test_a_pair_of_the_corpus_keeps_its_links(fitted, runs):
    pairs = list(corpus())
    together = fitted(pairs)
    for links, other in zip(fitted(pairs[::-1])[::-1], together):
        same(links, other)
    for p, links in zip(pairs[:20], together):
        same(fitted([p])[0], links)
    shouted = [p._replace(source=tuple(w.upper() for w in p.source)) for p in pairs[:5]]
    for links, other in zip(fitted(shouted), together):  # the same stems
        same(links, other)
    assert not runs


def test_a_pair_that_comes_twice_has_the_same_links(fitted):
    odd = pair("qq the ww dog sees rr", "vede uu lo ii")
    one, other = fitted([odd, odd])
    same(one, other)


def test_other_words_or_places_of_words_are_another_pair(fitted, runs):
    p = next(corpus())
    fitted([p, p._replace(source=p.source[::-1]), p._replace(target=(*p.target, "ecco"))])
    assert runs == [2]


def test_empty_and_long_sides(eflomal, fitted):
    long = pair("the dog " * 600, "lo hund")
    aligner = EflomalAligner()
    aligner.fit([*corpus(50), pair("", "lo"), pair("the", ""), pair("", ""), long])
    for made in (aligner, fitted):
        found = made([pair("", "lo"), pair("the", ""), pair("", ""), long])
        assert [x.links.shape for x in found] == [(0, 2)] * 4
        assert all(x.scores.shape == x.evidence["forward"].shape == (0,) for x in found)
        assert made([]) == []


@pytest.mark.parametrize("pairs", [[], [pair("", ""), pair("the", ""), pair("", "lo")]])
def test_nothing_to_fit_on(eflomal, pairs):
    aligner = EflomalAligner()
    with pytest.raises(XprojError, match="words on both sides"):
        aligner.fit(pairs)
    assert not aligner.fitted
    with pytest.raises(NotFittedError, match=r"Eflomal\.v1"):
        aligner([pair("the dog", "lo hund")])


def test_serialization(fitted, tmp_path, runs):
    data = fitted.to_bytes()
    aligner = EflomalAligner()
    assert aligner.from_bytes(data) is aligner and aligner.fitted
    assert aligner.to_bytes() == data
    aligner.to_disk(tmp_path / "aligner")
    assert (tmp_path / "aligner").read_bytes() == data
    loaded = EflomalAligner().from_disk(tmp_path / "aligner")
    assert loaded.provenance == fitted.provenance
    pairs = list(corpus(40))
    for links, other in zip(loaded(pairs), fitted(pairs)):
        same(links, other)
    assert not runs
    assert not loaded.from_bytes(EflomalAligner().to_bytes()).fitted


def test_a_loaded_one_aligns_new_pairs(fitted):
    loaded = EflomalAligner().from_bytes(fitted.to_bytes())
    (links,) = loaded([pair("the dog sees zz", "lo hund vede")])
    assert links.links.tolist() == [[0, 0], [1, 1], [2, 2]]


def test_state_that_does_not_fit(fitted, tmp_path):
    with pytest.raises(XprojError, match=r"stem = 5.*stem = 4"):
        EflomalAligner(stem=4).from_bytes(fitted.to_bytes())
    for data in (b"", b"\x80", b"\xc1", b"\x93\x01\x02\x03"):
        with pytest.raises(XprojError, match="state"):
            EflomalAligner().from_bytes(data)
    with pytest.raises(InputError, match="absent"):
        EflomalAligner().from_disk(tmp_path / "absent")


def test_eflomal_that_fails(fake, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("no such program")

    monkeypatch.setattr(FakeAligner, "align", fail)
    aligner = EflomalAligner()
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
        EflomalAligner(**settings)
    assert str(value) in str(err.value)
