"""Sentence vectors, counted by hand, and of a tiny encoder."""

from collections import Counter

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.models.encoder import Encoder
from spacy_xproj.registry import registry
from spacy_xproj.teachers.vectors import EncoderVectors, NgramVectors
from tests.aligners.tiny_encoders import TEXTS, make_encoder
from tests.conftest import names

VOCAB = Vocab()
SIZE = 1 << 20  # so large that no two n-grams of a test share a place


def docs(*texts):
    return [Doc(VOCAB, words=text.split()) for text in texts]


def by_hand(text, min_n, max_n):
    """The n-grams of words, and of a text the spaces at both ends of each word."""
    found = Counter()
    for word in text.split():
        for n in range(min_n, max_n + 1):
            shown = f" {word} "
            found.update(shown[i : i + n] for i in range(len(shown) - n + 1) if shown[i : i + n] != " ")
    return found


def test_the_ngrams_of_a_text_by_hand():
    vectors = NgramVectors(1, 3, SIZE)
    counts = vectors.counts("Anna, can  4 run!")
    assert not vectors.counts("4 !").any()
    assert sorted(counts[counts > 0]) == sorted(by_hand("anna can run", 1, 3).values())


def test_equal_ngrams_have_equal_places_and_others_others():
    vectors = NgramVectors(3, 3, SIZE)
    place = {text: np.flatnonzero(vectors.counts(text)).tolist() for text in ("abc", "xabcx", "bca", "Abc.")}
    assert place["abc"] == place["Abc."] and len(place["abc"]) == 3  # " ab", "abc", "bc "
    assert len(set(place["abc"]) & set(place["xabcx"])) == 1
    assert not set(place["abc"]) & set(place["bca"])


def test_sublinear_counts_times_idf_at_length_1():
    vectors = NgramVectors(1, 1, SIZE, idf=True)
    texts = docs("aaab", "ac", "7 !")
    vectors.fit(texts)
    place = {c: int(np.flatnonzero(vectors.counts(c))[0]) for c in "abc"}
    row = np.array([(1 + np.log(3)) * (np.log(4 / 3) + 1), np.log(4 / 2) + 1])
    got = vectors(texts)
    assert got.dtype == np.float32 and got.shape == (3, SIZE)
    np.testing.assert_allclose(got[0, [place["a"], place["b"]]], row / np.linalg.norm(row), rtol=1e-5)
    assert got[0, place["c"]] == 0 and not got[2].any()
    assert np.count_nonzero(got[0]) == 2


def test_without_idf_nothing_is_learnt():
    vectors = NgramVectors(1, 1, SIZE, idf=False)
    assert vectors.fitted
    before = vectors(docs("aaab"))
    vectors.fit(docs("aaab", "a"))
    assert np.array_equal(before, vectors(docs("aaab")))
    assert sorted(before[before > 0]) == pytest.approx(
        sorted(np.array([1 + np.log(3), 1]) / np.hypot(1 + np.log(3), 1))
    )


def test_marks_belong_to_letters_and_scripts_all_work():
    vectors = NgramVectors(1, 3, SIZE, idf=False)
    rows = vectors(docs("हिन्दी", "हनद", "東京", "Москва", "ñ"))
    assert np.allclose(np.linalg.norm(rows, axis=1), 1)
    assert vectors.counts("हिन्दी").sum() == by_hand("हिन्दी", 1, 3).total()


def test_the_hash_is_the_same_everywhere():
    def plain(ngram):
        """FNV's loop and the last steps of MurmurHash3, in Python's own numbers."""
        value = len(ngram)
        for char in ngram:
            value = (value * 0x100000001B3 + ord(char)) % 2**64
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53, 1):
            value = ((value ^ (value >> 33)) * factor) % 2**64
        return value

    counts = np.zeros(1000, int)
    for ngram, count in by_hand("häuser 東京", 1, 3).items():
        counts[plain(ngram) % 1000] += count
    assert NgramVectors(1, 3, 1000).counts("Häuser, 東京").tolist() == counts.tolist()


def test_ngram_settings_out_of_range():
    for bad in ({"min_n": 0}, {"min_n": 3, "max_n": 2}, {"size": 1}):
        with pytest.raises(XprojError, match=r"min_n|size"):
            NgramVectors(**bad)
    with pytest.raises(XprojError, match="not been fitted"):
        NgramVectors(idf=True)(docs("a"))


def test_ngram_state(tmp_path):
    one, two = NgramVectors(idf=True), NgramVectors(idf=True)
    assert not two.from_bytes(one.to_bytes()).fitted
    one.fit(docs(*TEXTS))
    assert two.from_bytes(one.to_bytes()).to_bytes() == one.to_bytes()
    assert np.array_equal(one(docs(*TEXTS)), two(docs(*TEXTS)))
    one.to_disk(tmp_path / "state")
    assert NgramVectors(idf=True).from_disk(tmp_path / "state").to_bytes() == one.to_bytes()
    with pytest.raises(XprojError, match="size"):
        NgramVectors(size=512, idf=True).from_bytes(one.to_bytes())
    for bad in (b"", b"\x80", b"other"):
        with pytest.raises(XprojError, match="other data"):
            two.from_bytes(bad)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_encoder(tmp_path_factory.mktemp("models") / "bert")


def test_the_mean_of_the_vectors_of_words(folder):
    vectors = EncoderVectors(str(folder), layer=3, device="cpu")
    texts = [Doc(VOCAB, words=["Ana", "\n", "Torres", "lives"]), Doc(VOCAB, words=["\n"]), Doc(VOCAB), *docs(TEXTS[1])]
    got = vectors(texts)
    words = Encoder(folder, layer=3, device="cpu").encode([["Ana", "\n", "Torres", "lives"]])[0]
    np.testing.assert_allclose(got[0], words[[0, 2, 3]].mean(axis=0), atol=1e-6)
    assert got.dtype == np.float32 and got.shape == (4, 16)
    assert not got[1:3].any() and got[3].any()


def test_many_texts_are_encoded_in_parts(folder, monkeypatch):
    vectors = EncoderVectors(str(folder), layer=3, device="cpu")
    whole = vectors(docs(*TEXTS))
    monkeypatch.setattr("spacy_xproj.teachers.vectors.AT_ONCE", 2)
    np.testing.assert_allclose(vectors(docs(*TEXTS)), whole, atol=1e-5)
    assert len(vectors([])) == 0


def test_the_model_is_loaded_at_first_use_and_travels(folder, tmp_path):
    vectors = EncoderVectors(str(folder), layer=3, device="cpu")
    vectors.to_disk(tmp_path / "copy")
    assert "model.safetensors" in names(tmp_path / "copy")
    again = EncoderVectors("", layer=3, device="cpu")
    with pytest.raises(XprojError, match="no model"):
        again(docs("a"))
    again.from_disk(tmp_path / "copy")
    assert np.array_equal(again(docs(*TEXTS)), vectors(docs(*TEXTS)))
    with pytest.raises(XprojError, match="to_disk"):
        vectors.to_bytes()
    with pytest.raises(InputError, match="no such folder"):
        EncoderVectors("no-such-model")


def test_they_are_registered():
    spacy.blank("xx")
    assert registry.misc.get("spacy_xproj.ngram_vectors.v1") is NgramVectors
    assert registry.misc.get("spacy_xproj.encoder_vectors.v1") is EncoderVectors
