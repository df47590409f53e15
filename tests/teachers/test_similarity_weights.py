"""Weights of sources: the model by hand and by finite differences, its state, and related languages in real text."""

from itertools import pairwise

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xproj.errors import InputError, NotFittedError, XprojError
from spacy_xproj.registry import registry
from spacy_xproj.teachers.similarity import SimilarityWeights, objective, train
from spacy_xproj.teachers.vectors import EncoderVectors, NgramVectors
from spacy_xproj.ty import SourceWeights
from tests.aligners.tiny_encoders import make_encoder
from tests.conftest import DATA, names

VOCAB = Vocab()
TEXTS = {
    "english": ["the house is red", "the dog and the cat", "a house in the south", "who is there with the dog"],
    "german": ["das Haus ist rot", "der Hund und die Katze", "ein Haus im Süden", "wer ist dort mit dem Hund"],
    "luganda": ["omusajja agenze mu nnyumba", "abaana bazannya ebweru", "ekibuga kinene nnyo", "omukazi afumba emmere"],
}
DUTCH = ["het huis is rood", "de hond en de kat", "een huis in het zuiden", "wie is daar met de hond"]


def docs(texts):
    return [Doc(VOCAB, words=text.split()) for text in texts]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return write(tmp_path_factory.mktemp("sources"), TEXTS)


def write(folder, texts):
    for name, lines in texts.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {name: str(folder / f"{name}.txt") for name in texts}


def make(sources, **settings):
    """With a rate of learning for so little text."""
    return SimilarityWeights(sources, **{"vectors": NgramVectors(size=256), "learn_rate": 0.01, **settings})


def fitted(sources, texts=DUTCH, **settings):
    made = make(sources, **settings)
    made.fit(docs(texts), list(sources))
    return made


# The model


def problem(seed=0, n=7, dim=5, rank=3, k=3):
    rng = np.random.default_rng(seed)
    params = {"U": rng.normal(size=(rank, dim)), "V": rng.normal(size=(rank, dim)), "P": rng.normal(size=(k, dim))}
    return params, rng.normal(size=(n, dim)), rng.integers(0, k, n), rng.uniform(0.5, 2, n)


@pytest.mark.parametrize("gamma", [0.0, 0.3])
def test_the_gradient_against_finite_differences(gamma):
    params, vectors, answers, shares = problem()
    _, gradient = objective(params, vectors, answers, shares, gamma)
    for name, values in params.items():
        for cell in np.ndindex(values.shape):
            sides = []
            for step in (1e-5, -1e-5):
                moved = {**params, name: values.copy()}
                moved[name][cell] += step
                sides.append(objective(moved, vectors, answers, shares, gamma)[0])
            assert gradient[name][cell] == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-5, abs=1e-6)


def test_the_logits_and_the_cross_entropy_by_hand():
    params, vectors, answers, shares = problem()
    value = 0.0
    for g, answer, share in zip(vectors, answers, shares):
        logits = [(params["U"] @ g) @ (params["V"] @ mu) for mu in params["P"]]
        value -= share * np.log(np.exp(logits[answer]) / np.exp(logits).sum())
    assert objective(params, vectors, answers, shares, 0.0)[0] == pytest.approx(value)


def test_the_orthogonality_term_by_hand():
    """P P^T = [[5, 2], [2, 1]], less I: [[4, 2], [2, 0]], which squared makes 16 + 4 + 4."""
    params, vectors, answers, shares = problem(dim=3, k=2)
    params["P"] = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 0.0]])
    terms = [objective(params, vectors, answers, shares, gamma) for gamma in (0.0, 0.5)]
    assert terms[1][0] - terms[0][0] == pytest.approx(0.5 * 24)
    added = terms[1][1]["P"] - terms[0][1]["P"]
    np.testing.assert_allclose(added, 0.5 * 4 * np.array([[4.0, 2.0], [2.0, 0.0]]) @ params["P"])


def test_both_published_penalties_differ_by_a_constant():
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(5):
        p = rng.normal(size=(3, 8))
        of_features, of_sources = ((a @ a.T - np.eye(len(a))) ** 2 for a in (p.T, p))
        differences.append(of_features.sum() - of_sources.sum())
    np.testing.assert_allclose(differences, 8 - 3)


def test_training_tells_the_sources_apart():
    rng = np.random.default_rng(0)
    centers = 3 * rng.normal(size=(3, 20))
    found = [(c + rng.normal(size=(n, 20))).astype("f4") for c, n in zip(centers, (100, 20, 40))]
    slopes, offsets = train(found, 4, 0.01, 10, 0.01, 0)
    assert slopes.dtype == np.float32 and slopes.shape == (20, 3)
    for k, rows in enumerate(found):
        assert ((rows @ slopes + offsets).argmax(axis=1) == k).mean() > 0.95


def test_each_source_adds_as_much_as_any_other(monkeypatch):
    """The text of one source ten times over changes nothing, where all is one batch."""
    monkeypatch.setattr("spacy_xproj.teachers.similarity.BATCH", 1000)
    rng = np.random.default_rng(0)
    found = [(k + rng.normal(size=(30, 4))).astype("f4") for k in range(3)]
    plain = train(found, 4, 0.01, 20, 0.01, 0)
    many = train([np.tile(found[0], (10, 1)), *found[1:]], 4, 0.01, 20, 0.01, 0)
    for one, other in zip(plain, many):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_training_does_not_depend_on_the_scale_and_the_place_of_the_vectors():
    rng = np.random.default_rng(0)
    found = [(k + rng.normal(size=(30, 6))).astype("f4") for k in range(2)]
    slopes, offsets = train(found, 4, 0.01, 3, 0.01, 0)
    moved = train([100 * rows + 7 for rows in found], 4, 0.01, 3, 0.01, 0)
    np.testing.assert_allclose((100 * found[0] + 7) @ moved[0] + moved[1], found[0] @ slopes + offsets, atol=1e-2)


# The weights


def test_a_related_source_counts_more(sources):
    weights = fitted(sources)
    got = weights(docs(DUTCH), ["english", "german", "luganda"])
    assert isinstance(weights, SourceWeights)
    assert got.shape == (4, 3) and np.allclose(got.sum(axis=1), 1)
    assert (got == got[0]).all()  # at the domain's level
    assert got[0, 2] < min(got[0, :2])


def test_the_order_of_names_is_that_of_the_columns(sources):
    weights = fitted(sources)
    one, two = (
        weights(docs(DUTCH), ["english", "german", "luganda"]),
        weights(docs(DUTCH), ["luganda", "english", "german"]),
    )
    assert np.array_equal(one[:, [2, 0, 1]], two)
    backwards = fitted(dict(reversed(sources.items())))
    assert backwards.to_bytes() == weights.to_bytes()


@pytest.mark.parametrize("temperature", ["variance", "deviation", 0.7])
def test_the_temperature_by_hand(sources, temperature):
    weights = fitted(sources, temperature=temperature, level="sentence")
    logits = (weights.vectors(docs(DUTCH)) @ weights.slopes + weights.offsets).astype("f8")
    variance = ((logits - logits.mean()) ** 2).sum() / (logits.size - 1)
    divisor = {"variance": variance, "deviation": variance**0.5}.get(temperature, temperature)
    expected = np.exp(logits / divisor)
    expected /= expected.sum(axis=1, keepdims=True)
    got = weights(docs(DUTCH), weights.names)
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    weights.level = "domain"
    np.testing.assert_allclose(weights(docs(DUTCH), weights.names)[0], expected.mean(axis=0), rtol=1e-4)
    assert not np.allclose(got[0], got[1])


def test_a_text_without_letters_has_the_weights_of_the_domain(sources):
    weights = fitted(sources, level="sentence")
    got = weights([*docs(["12 !"]), Doc(VOCAB), *docs(DUTCH)], weights.names)
    assert np.array_equal(got[:2], [weights.domain] * 2) and not np.array_equal(got[2], weights.domain)
    assert weights([], weights.names).shape == (0, 3)
    assert np.array_equal(fitted(sources, [*DUTCH, "12 !"]).domain, fitted(sources).domain)


def test_one_teacher_has_all_the_weight(sources):
    one = {"german": sources["german"]}
    assert fitted(one)(docs(DUTCH), ["german"]).tolist() == [[1.0]] * 4


def test_no_more_texts_than_asked_for(sources, monkeypatch):
    seen = []
    weights = make(
        sources,
        max_sentences=2,
        vectors=lambda texts: seen.extend(d.text.strip() for d in texts) or np.eye(4)[: len(texts)],
    )
    weights.fit(docs(DUTCH), list(sources))
    assert seen == [text for name in sorted(TEXTS) for text in TEXTS[name][:2]] + DUTCH[::2]
    monkeypatch.setattr("spacy_xproj.teachers.similarity.AT_ONCE", 3)
    parts = []
    make(sources, max_sentences=0, vectors=lambda texts: parts.append(len(texts)) or np.eye(4)[: len(texts)]).fit(
        iter(docs(DUTCH)), list(sources)
    )
    assert parts == [3, 1] * 4


def test_labeled_text_serves_as_well(sources, tmp_path):
    rows = ("".join(f"{word}\tO\n" for word in text.split()) for text in TEXTS["english"])
    (tmp_path / "english.conll").write_text("\n".join(rows))
    other = fitted({**sources, "english": str(tmp_path / "english.conll")})
    np.testing.assert_allclose(other.domain, fitted(sources).domain, atol=1e-6)


def test_over_an_encoder(sources, tmp_path):
    model = make_encoder(tmp_path / "model")
    make_vectors = lambda path: EncoderVectors(path, layer=2, device="cpu")  # noqa: E731
    weights = fitted(sources, vectors=make_vectors(str(model)), level="sentence")
    got = weights(docs(DUTCH), list(sources))
    assert np.allclose(got.sum(axis=1), 1)
    weights.to_disk(tmp_path / "saved")
    again = make(None, vectors=make_vectors(""), level="sentence").from_disk(tmp_path / "saved")
    np.testing.assert_allclose(again(docs(DUTCH), list(sources)), got, atol=1e-5)
    with pytest.raises(XprojError, match="to_disk"):
        weights.to_bytes()


# State


def test_it_is_deterministic_by_seed(sources):
    states = [fitted(sources, seed=seed).to_bytes() for seed in (0, 0, 1)]
    assert states[0] == states[1] != states[2]
    again = make(sources)
    for _ in range(2):  # what was learnt before is forgotten
        again.fit(docs(DUTCH), list(sources))
    assert again.to_bytes() == states[0]


@pytest.mark.parametrize("idf", [False, True])
def test_state(sources, tmp_path, idf):
    weights = fitted(sources, vectors=NgramVectors(size=256, idf=idf), level="sentence")
    for text in sources.values():
        assert text.encode() not in weights.to_bytes()  # paths of this machine
    expected = weights(docs(DUTCH), list(sources))
    weights.to_disk(tmp_path / "state")
    assert names(tmp_path / "state") == {"state.msgpack", "vectors"}
    blank = lambda: make(None, vectors=NgramVectors(size=256, idf=idf), level="sentence")  # noqa: E731
    for again in (blank().from_bytes(weights.to_bytes()), blank().from_disk(tmp_path / "state")):
        assert again.fitted and again.to_bytes() == weights.to_bytes() and again.provenance == weights.provenance
        assert np.array_equal(again(docs(DUTCH), list(sources)), expected)
    assert not blank().from_bytes(blank().to_bytes()).fitted


def test_vectors_without_state_of_their_own(sources, tmp_path):
    lengths = lambda texts: np.array([[len(d), len(d.text)] for d in texts])  # noqa: E731
    weights = fitted(sources, vectors=lengths)
    weights.to_disk(tmp_path / "state")
    for again in (make(None, vectors=lengths).from_bytes(weights.to_bytes()), make(None, vectors=lengths)):
        again.from_disk(tmp_path / "state")
        assert again.to_bytes() == weights.to_bytes()


def test_a_state_that_does_not_fit(sources, tmp_path):
    weights = fitted(sources)
    for bad in (b"", b"\x80", b"other"):
        with pytest.raises(XprojError, match="other data"):
            make(None).from_bytes(bad)
    with pytest.raises(XprojError, match="size"):
        make(None, vectors=NgramVectors(size=128)).from_bytes(weights.to_bytes())
    weights.to_disk(tmp_path / "state")
    (tmp_path / "state" / "state.msgpack").write_bytes(b"other")
    with pytest.raises(InputError, match="other data"):
        make(None).from_disk(tmp_path / "state")
    with pytest.raises(InputError):
        make(None).from_disk(tmp_path / "nothing")


# Errors


def test_what_cannot_be_fitted(sources, tmp_path):
    with pytest.raises(NotFittedError):
        make(sources)(docs(DUTCH), list(sources))
    with pytest.raises(XprojError, match="the teachers are 'english', 'german', and 'sources' has 'english'"):
        make({"english": sources["english"]}).fit(docs(DUTCH), ["german", "english"])
    with pytest.raises(XprojError, match="'sources' has none"):
        make(None).fit(docs(DUTCH), ["english"])
    for texts in ([], ["12 !"]):
        with pytest.raises(XprojError, match="no target text"):
            make(sources).fit(docs(texts), list(sources))
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "digits.txt").write_text("1 2 3\n")
    for file, message in (("none.txt", "no such file"), ("empty.txt", "empty"), ("digits.txt", "no words")):
        with pytest.raises(InputError, match=message):
            fitted({**sources, "german": str(tmp_path / file)})


def test_other_teachers_than_those_fitted_on(sources):
    weights = fitted(sources)
    for other in (["english"], ["english", "german", "dutch"], ["english", "german", "luganda", "luganda"]):
        with pytest.raises(XprojError, match="Fit it again"):
            weights(docs(DUTCH), other)


@pytest.mark.parametrize(
    "settings",
    [
        {"level": "document"},
        {"rank": 0},
        {"gamma": -1.0},
        {"epochs": -1},
        {"learn_rate": 0.0},
        {"temperature": "mean"},
        {"temperature": 0.0},
        {"max_sentences": -1},
        {"seed": -1},
    ],
)
def test_settings_out_of_range(settings):
    with pytest.raises(XprojError, match=next(iter(settings))):
        SimilarityWeights(**settings)


def test_it_is_registered(sources):
    spacy.blank("xx")
    block = {"@misc": "spacy_xproj.similarity_weights.v1", "temperature": 2.0, "sources": sources}
    block["vectors"] = {"@misc": "spacy_xproj.ngram_vectors.v1", "size": 64}
    made = registry.resolve({"weights": block})["weights"]
    assert made.sources == sources and made.temperature == 2.0 and made.vectors.size == 64


# Real text, all of it news: of NTREX, and for Luganda of MAFAND. The target has other lines than the sources


def lines(path, start, end):
    found = (DATA / path).read_text(encoding="utf-8").split("\n")[start:end]
    return [line.replace("\t", " ") for line in found if line.strip()]


FILES = {
    "english": "ntrex/eng.txt",
    "german": "ntrex/deu.txt",
    "spanish": "ntrex/spa.txt",
    "setswana": "ntrex/tsn.txt",
    "luganda": "mafand/en-lug/train.lug",
}
RANKINGS = [  # target; sources in groups, those of a group before those of the next
    ("spanish", ["english"], ["luganda", "setswana"]),
    ("spanish", ["german"], ["luganda", "setswana"]),
    ("german", ["english"], ["luganda", "setswana"]),
    ("german", ["english"], ["spanish"], ["luganda"]),
    ("luganda", ["setswana"], ["english", "german"]),
    ("luganda", ["setswana"], ["english", "spanish"]),
    ("setswana", ["luganda"], ["english", "german"]),
]


@pytest.mark.parametrize("target, groups", [(row[0], row[1:]) for row in RANKINGS])
def test_related_languages_come_before_others_in_real_text(data, tmp_path, target, groups):
    teachers = [name for group in groups for name in group]
    texts = write(tmp_path, {name: lines(FILES[name], 0, 300) for name in teachers})
    held_out = docs(lines(FILES[target], 1000, 1300))
    weights = SimilarityWeights(texts, level="sentence")
    weights.fit(held_out, teachers)
    assert weights.domain.sum() == pytest.approx(1, abs=1e-5)
    mean = dict(zip(weights.names, weights.domain))
    best = np.array(weights.names)[weights(held_out, weights.names).argmax(axis=1)]
    for better, worse in pairwise(groups):
        assert min(mean[name] for name in better) > max(mean[name] for name in worse), mean
    assert np.isin(best, groups[0]).mean() > 0.6
