"""Tag schemes: what the labels tell, and the best valid sequence."""

from itertools import pairwise, product

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_xproj.errors import XprojError
from spacy_xproj.labels import rename_types
from spacy_xproj.tags import (
    TagScheme,
    convert_types,
    make_tags,
    previous_words,
    spans_to_iob2,
    split_tags,
    to_iob2,
)

LABELS = {
    "IO": ["O", "PER", "LOC"],
    "IOB1": ["B-LOC", "I-LOC", "I-PER", "O"],
    "IOB2": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
    "BIOES": ["O", "B-X", "I-X", "E-X", "S-X"],
}


def probabilities(n, labels, seed):
    return np.random.default_rng(seed).dirichlet(np.full(labels, 0.4), n).astype("f4")


def brute_force(tags, rows):
    """The highest product of probabilities of any valid sequence, by trying them all."""
    paths = np.array([p for p in product(range(len(tags.labels)), repeat=len(rows)) if tags.valid(np.array(p))])
    return np.log(rows)[np.arange(len(rows)), paths].sum(1).max()


@pytest.mark.parametrize(
    "labels, scheme, types",
    [
        ("O PER LOC", "IO", "PER LOC"),
        ("I-PER O I-LOC", "IO", "PER LOC"),
        ("B-LOC B-MISC B-ORG I-LOC I-MISC I-ORG I-PER O", "IOB1", "LOC MISC ORG PER"),
        ("O B-PER I-PER B-LOC", "IOB2", "PER LOC"),
        ("O PER-B PER-I", "IOB2", "PER"),
        ("B-PER O", "IOB2", "PER"),
        ("O B-A I-A L-A U-A", "BIOES", "A"),
        ("O B-A I-A E-A S-A", "BIOES", "A"),
        ("O B-A M-A E-A S-A", "BIOES", "A"),
        ("O B-A-B I-A-B", "IOB2", "A-B"),
        ("O", "IO", ""),
    ],
)
def test_the_labels_tell_the_scheme(labels, scheme, types):
    tags = TagScheme(labels.split())
    assert (tags.scheme, tags.types) == (scheme, types.split())


@pytest.mark.parametrize(
    "labels, scheme, message",
    [
        ("A B", "auto", "one 'O' for words outside"),
        ("O B-A O", "auto", "one 'O'"),
        ("O B-A PER", "auto", "'B-A' says its place in the entity and 'PER' does not"),
        ("O E-A I-A", "auto", "none begins an entity"),
        ("O B-A I-A", "BIO", "'auto', 'IO', 'IOB1', 'IOB2', 'BIOES', got 'BIO'"),
        ("O B-A I-A", "BIOES", "only of 'IOB2' or 'IOB1'"),
        ("O I-A B-B I-B", "IOB2", "only of 'IOB1'"),
    ],
)
def test_unknown_schemes(labels, scheme, message):
    with pytest.raises(XprojError, match=message):
        TagScheme(labels.split(), scheme)


@pytest.mark.parametrize(
    "name, path, ok",
    [
        ("IOB2", "O B-PER I-PER B-PER O B-LOC B-PER", True),
        ("IOB2", "I-PER", False),
        ("IOB2", "O I-PER", False),
        ("IOB2", "B-LOC I-PER", False),
        ("IOB1", "I-PER I-LOC B-LOC I-LOC O I-PER", True),
        ("IOB1", "B-LOC", False),
        ("IOB1", "O B-LOC", False),
        ("IOB1", "I-PER B-LOC", False),
        ("IO", "PER LOC O LOC", True),
        ("BIOES", "S-X B-X I-X I-X E-X B-X E-X O", True),
        ("BIOES", "B-X", False),
        ("BIOES", "B-X S-X", False),
        ("BIOES", "B-X I-X O", False),
        ("BIOES", "O E-X", False),
        ("BIOES", "E-X", False),
        ("BIOES", "S-X I-X E-X", False),
    ],
)
def test_valid_sequences(name, path, ok):
    tags = TagScheme(LABELS[name])
    assert tags.scheme == name
    assert tags.valid(np.array([tags.labels.index(tag) for tag in path.split()])) == ok


@pytest.mark.parametrize(
    "labels, path, entities",
    [
        ("O PER LOC", "PER PER LOC O LOC", [(0, 2, "PER"), (2, 3, "LOC"), (4, 5, "LOC")]),
        ("B-LOC I-LOC I-PER O", "I-LOC I-LOC B-LOC I-LOC I-PER", [(0, 2, "LOC"), (2, 4, "LOC"), (4, 5, "PER")]),
        ("O B-A I-A", "B-A B-A I-A O B-A", [(0, 1, "A"), (1, 3, "A"), (4, 5, "A")]),
        ("O B-A I-A L-A U-A", "U-A B-A L-A U-A B-A I-A L-A", [(0, 1, "A"), (1, 3, "A"), (3, 4, "A"), (4, 7, "A")]),
        ("O", "O O", []),
    ],
)
def test_entities(labels, path, entities):
    tags = TagScheme(labels.split())
    path = np.array([tags.labels.index(tag) for tag in path.split()])
    assert tags.valid(path)
    assert tags.entities(path) == entities


def test_scheme_by_name():
    labels = ["O", "B-A", "I-A"]
    rows = np.array([[0.1, 0.3, 0.6], [0.1, 0.2, 0.7], [0.1, 0.7, 0.2]])
    assert TagScheme(labels).best(rows).tolist() == [1, 2, 1]
    assert TagScheme(labels, "IOB1").best(rows).tolist() == [2, 2, 1]


@pytest.mark.parametrize("name", LABELS)
@given(n=st.integers(1, 5), seed=st.integers(0, 10**6))
def test_best_is_that_of_brute_force(name, n, seed):
    tags = TagScheme(LABELS[name])
    rows = probabilities(n, len(tags.labels), seed)
    path = tags.best(rows)
    assert tags.valid(path)
    rows = np.maximum(rows, np.finfo("f4").tiny)
    assert np.log(rows)[np.arange(n), path].sum() == pytest.approx(brute_force(tags, rows), abs=1e-4)


@pytest.mark.parametrize("name", LABELS)
@given(n=st.integers(0, 60), seed=st.integers(0, 10**6), zeros=st.booleans())
def test_never_invalid(name, n, seed, zeros):
    tags = TagScheme(LABELS[name])
    rows = probabilities(n, len(tags.labels), seed)
    if zeros:  # all on one tag
        rows = np.eye(len(tags.labels), dtype="f4")[rows.argmax(1)]
    path = tags.best(rows)
    assert len(path) == n and tags.valid(path)
    spans = tags.entities(path)
    assert all(a < b for a, b, _ in spans) and all(x[1] <= y[0] for x, y in pairwise(spans))
    inside = {i for a, b, _ in spans for i in range(a, b)}
    assert inside == {i for i in range(n) if tags.labels[path[i]] != "O"}


def test_equal_probabilities_are_decided_by_the_order_of_the_labels():
    tags = TagScheme(["I-A", "O", "B-A"])
    rows = np.full((3, 3), 1 / 3)
    assert tags.best(rows).tolist() == tags.best(rows.copy()).tolist()
    assert tags.labels[tags.best(rows)[-1]] == "I-A"


# Conversion of distributions


def test_bioes_adds_up():
    tags = TagScheme(["S-X", "O", "B-X", "E-X", "I-X"])
    rows = np.array([[0.1, 0.2, 0.3, 0.25, 0.15], [0, 1, 0, 0, 0]])
    np.testing.assert_allclose(to_iob2(rows, tags), [[0.2, 0.4, 0.4], [1, 0, 0]])


def test_io_goes_on_with_what_was_before():
    tags = TagScheme(["O", "X", "Y"])
    rows = np.array([[0.3, 0.5, 0.2], [0.2, 0.8, 0.0], [0.0, 0.5, 0.5]])
    want = [[0.3, 0.5, 0, 0.2, 0], [0.2, 0.4, 0.4, 0, 0], [0, 0.1, 0.4, 0.5, 0]]
    np.testing.assert_allclose(to_iob2(rows, tags), want)
    alone = to_iob2(rows, tags, np.array([-1, -1, 0]))  # a sentence starts at 1, and 1 is white space
    np.testing.assert_allclose(alone[1], [0.2, 0.8, 0, 0, 0])
    np.testing.assert_allclose(alone[2], [0, 0.25, 0.25, 0.4, 0.1])


def test_iob1_keeps_its_b():
    tags = TagScheme(["O", "I-X", "B-X"], "IOB1")
    rows = np.array([[0.5, 0.5, 0], [0.1, 0.6, 0.3]])
    np.testing.assert_allclose(to_iob2(rows, tags), [[0.5, 0.5, 0], [0.1, 0.6, 0.3]])
    rows[0] = [0, 1, 0]
    np.testing.assert_allclose(to_iob2(rows, tags), [[0, 1, 0], [0.1, 0.3, 0.6]])


@pytest.mark.parametrize("scheme, labels", [("IO", "O X Y"), ("IOB1", "O I-X I-Y B-Y"), ("BIOES", "S-X O B-X E-X I-X")])
def test_rows_keep_their_sum_and_certain_tags_their_entities(scheme, labels):
    tags = TagScheme(labels.split(), scheme)
    rng = np.random.default_rng(0)
    rows = to_iob2(rng.dirichlet(np.ones(len(tags.labels)), 20), tags)
    np.testing.assert_allclose(rows.sum(1), 1)
    assert (rows >= 0).all()
    new = TagScheme(make_tags(tags.types))
    for path in product(range(len(tags.labels)), repeat=4):
        path = np.array(path)
        if tags.valid(path):
            certain = to_iob2(np.eye(len(tags.labels))[path], tags)
            assert new.entities(new.best(certain)) == tags.entities(path)


def test_white_space_and_sentences_before():
    starts = [True, False, False, True, False]
    doc = Doc(spacy.blank("es").vocab, words=["a", "\n", "b", "c", " "], sent_starts=starts)
    assert previous_words(doc).tolist() == [-1, 0, 0, -1, 3]


def test_other_names():
    assert rename_types(["X", "Y", "Z"], {"X": "A", "Z": ""}) == ["A", "Y"]
    rows = np.array([[0.1, 0.2, 0.3, 0.1, 0.05, 0.15, 0.1]])
    found = convert_types(rows, "XYZ", ["A", "Q"], {"X": "A", "Y": "A"})
    np.testing.assert_allclose(found, [[0.35, 0.3, 0.35, 0, 0]])


def test_tags_are_made_and_split():
    assert make_tags(["LOC", "PER"]) == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert make_tags(["PER"], "BIOES") == ["O", "B-PER", "I-PER", "E-PER", "S-PER"]
    assert split_tags(make_tags(["A-U-B"], "BIOES")) == (["O", "B", "I", "E", "S"], ["", *["A-U-B"] * 4])


def test_spans_to_iob2():
    labels = ["B-X", "I-X", "O", "B-Y", "I-Y"]
    assert spans_to_iob2([(1, 3, "Y"), (3, 4, "X")], 5, labels).tolist() == [2, 3, 4, 0, 2]
    assert spans_to_iob2([], 0, labels).tolist() == []
