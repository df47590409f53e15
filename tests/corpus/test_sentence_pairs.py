"""Sentences of two sides, and lines that should agree."""

import random

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

from spacy_xproj.bitext import Bitext
from spacy_xproj.corpus.length_alignment import Evidence, align_texts
from spacy_xproj.corpus.parting import find_partings
from spacy_xproj.corpus.sentence_pairs import sentence_marker, set_sentence_pairs, with_sentence_pairs
from tests.conftest import payload_doc


def lines(data, name, n=600):
    return (data / name).read_text(encoding="utf-8").split("\n")[:n]


def texts(letter, lengths):
    """Texts of given lengths, which share no word with those of another letter."""
    return [[letter * 10] * (length // 10) for length in lengths]


@pytest.mark.parametrize(
    "source, target, expected",
    [
        ([50, 90], [50, 90], [(1, 1), (1, 1)]),
        ([50, 200, 90], [50, 90], [(1, 1), (1, 0), (1, 1)]),
        ([50, 90], [50, 200, 90], [(1, 1), (0, 1), (1, 1)]),
        ([150, 150, 70], [300, 70], [(2, 1), (1, 1)]),
        ([300, 70], [150, 150, 70], [(1, 2), (1, 1)]),
        ([300, 100, 60], [100, 300, 60], [(2, 2), (1, 1)]),
    ],
)
def test_moves(source, target, expected):
    """What is joined between sentences that agree."""
    around = [60, 70, 80, 90, 100] * 2
    found = align_texts(texts("s", [*around, *source, *around]), texts("t", [*around, *target, *around]))
    assert [(b - a, d - c) for (a, b), (c, d) in found][10:-10] == expected


def test_sides_without_texts():
    assert align_texts([["a"]], []) == [((0, 1), (0, 0))]
    assert align_texts([], [["a"]]) == [((0, 0), (0, 1))]
    assert align_texts([], []) == []


def test_links_decide():
    """Lengths and words say nothing here: the links do."""
    sides = texts("s", [50] * 3), texts("t", [50] * 2)
    for rows in ([0, 2], [0, 1], [1, 2]):
        links = Evidence(np.array(rows * 9), np.array([0, 1] * 9), np.ones(18))
        found = align_texts(*sides, links=links)
        for row, column in zip(rows, (0, 1)):
            assert [c for (a, b), (c, d) in found if a <= row < b and c <= column < d], (rows, found)


@pytest.mark.parametrize("name", ["ntrex/spa.txt", "ntrex/tsn.txt"])
def test_sentences_of_real_documents(data, name):
    """Sides of 60 lines each, of which either lacks some. Tokens whose line is on both sides meet it."""
    both = lines(data, "ntrex/eng.txt"), lines(data, name)
    rng, nlp, mark = random.Random(0), spacy.blank("en"), sentence_marker()
    met = total = 0
    for start in range(0, 600, 60):
        sides, numbers = [], []
        for side in both:
            kept = [i for i in range(start, start + 60) if rng.random() > 0.04]
            parts = [nlp.make_doc(side[i]) for i in kept]
            words = [token.text for part in parts for token in part]
            sides.append(mark(Doc(nlp.vocab, words=words)))
            numbers.append([i for i, part in zip(kept, parts) for _ in part])
        source, doc = sides
        doc._.xproj = Bitext("en", [t.text for t in source], [True] * len(source))
        set_sentence_pairs(doc, source, doc)
        for (a, b), (c, d) in doc._.xproj.sents:
            there = set(numbers[1][c:d])
            met += sum(i in there for i in numbers[0][a:b])
            total += sum(i in numbers[1] for i in numbers[0][a:b])
    assert met / total > 0.97  # .985 of the sets as a whole


@pytest.mark.parametrize(
    "pair", [("ntrex/eng.txt", "ntrex/deu.txt"), ("mafand/en-lug/train.en", "mafand/en-lug/train.lug")]
)
def test_where_lines_part(data, pair):
    """A line taken out of one side, or put into one, is found."""
    both = [[line.split() for line in lines(data, name)] for name in pair]
    assert find_partings(*both) == []
    rng = random.Random(1)
    near = []
    for turn in range(12):
        sides, at = [list(side) for side in both], rng.randrange(600)
        if turn % 2:
            del sides[turn // 2 % 2][at]
        else:
            sides[turn // 2 % 2].insert(at, rng.choice(both[turn // 2 % 2]))
        near.append(abs(find_partings(*sides)[0][0] - at) <= 2)
    assert sum(near) >= 11


def test_the_cost_is_linear(monkeypatch):
    """Twice the texts are twice the cells."""
    from spacy_xproj.corpus import length_alignment

    cells = []
    made = length_alignment._Band.__init__

    def count(self, *args):
        made(self, *args)
        cells[-1] += len(self.i)

    monkeypatch.setattr(length_alignment._Band, "__init__", count)
    for n in (500, 1000, 2000):
        cells.append(0)
        side = [[f"w{i}", "x" * (i % 7 + 1)] for i in range(n)]
        assert align_texts(side, side) == [((i, i + 1), (i, i + 1)) for i in range(n)]
    assert cells[2] / cells[1] < 2.2 > cells[1] / cells[0]


@pytest.mark.parametrize(
    "words, starts",
    [
        ("Ana duerme . Leo canta ! Sí", [0, 3, 6]),
        ("राम आया । सीता गई ।", [0, 3]),
        ("ἐγώ ; σύ", [0]),
        ("ខ្ញុំ ។ អ្នក ។", [0, 2]),
        ("你好 。 再见 。", [0, 2]),
        ("ང ། ཁྱེད །", [0, 2]),
        ("no marks at all", [0]),
    ],
)
def test_marks(words, starts):
    doc = sentence_marker()(Doc(spacy.blank("xx").vocab, words=words.split()))
    assert [sent.start for sent in doc.sents] == starts


def test_lines_and_entities():
    vocab = spacy.blank("xx").vocab
    title = Doc(vocab, words=["Oslo", "\n\n", "Marta", "lives", "."])
    assert [sent.start for sent in sentence_marker()(title).sents] == [0, 2]
    saint = Doc(vocab, words=["St", ".", "John", "sleeps"], ents=["B-LOC", "I-LOC", "I-LOC", "O"])
    assert [sent.start for sent in sentence_marker()(saint).sents] == [0]
    marked = Doc(vocab, words=["a", ".", "b", "c"], sent_starts=[True, False, False, True])
    assert [sent.start for sent in sentence_marker()(marked).sents] == [0, 3]


def test_a_payload_gets_sentence_pairs_once(nlp):
    docs = [
        payload_doc(nlp, "la casa . el perro .", "the house . the dog .", [(4, 5, "X")]),
        payload_doc(nlp, "la casa . el perro .", "the house . the dog .", sents=[((0, 6), (0, 6))]),
        nlp.make_doc("la casa"),
    ]
    found = [doc._.xproj and doc._.xproj.sents for doc in with_sentence_pairs(docs)]
    assert found == [(((0, 3), (0, 3)), ((3, 6), (3, 6))), (((0, 6), (0, 6)),), None]
