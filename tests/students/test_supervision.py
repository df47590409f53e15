"""Soft labels and gold as rows over a student's tags."""

import numpy as np
import pytest
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_xproj.errors import XprojError
from spacy_xproj.soft import SoftLabels
from spacy_xproj.students.supervision import as_mass, as_rows, gold_rows, soft_labels, soft_rows
from spacy_xproj.tags import make_tags

TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
TYPES = ["LOC", "PER"]


def row(**probs):
    """A row over TAGS."""
    return [probs.get(tag.replace("-", "_"), 0.0) for tag in TAGS]


def hard(tags, labels):
    return SoftLabels(labels, np.array([[float(tag == label) for label in labels] for tag in tags]))


def named(rows, tags):
    return ["-" if not row.any() else tags[row.argmax()] for row in rows]


def pair(nlp, predicted, reference, rows, labels=TAGS):
    """An Example with tokens between strokes on either side, and the soft labels of the reference."""
    x, y = (
        Doc(nlp.vocab, words=side.split("|"), spaces=[False] * len(side.split("|"))) for side in (predicted, reference)
    )
    y._.xproj_soft = SoftLabels(labels, np.array(rows))
    return Example(x, y), y._.xproj_soft


def approx(rows):
    return pytest.approx(np.array(rows), abs=1e-3)  # float16


def test_columns_go_by_name(nlp):
    eg, soft = pair(nlp, "a|b", "a|b", [[0.5, 0.25, 0.25], [0, 0, 0]], ("I-PER", "O", "B-PER"))
    assert soft_rows(eg, soft, ["PER"], "IOB2").tolist() == [[0.25, 0.25, 0.5], [0, 0, 0]]
    # a type that the soft labels do not have, and one that the student does not have
    assert soft_rows(eg, soft, TYPES, "IOB2").tolist() == [[0.25, 0, 0, 0.25, 0.5], [0] * 5]
    assert soft_rows(eg, soft, ["LOC"], "IOB2").tolist() == [[1, 0, 0], [0, 0, 0]]


def test_rows_of_float16_sum_to_one(nlp):
    eg, soft = pair(nlp, "a", "a", [[1 / 3, 1 / 3, 1 / 3]], ("O", "B-PER", "I-PER"))
    for types in (["PER"], TYPES):
        rows = soft_rows(eg, soft, types, "IOB2")
        assert rows.sum() == pytest.approx(1, abs=1e-6) and rows.dtype == np.float32


def test_predicted_token_that_is_several(nlp):
    """The mean, and the begin of the first."""
    rows = [row(B_LOC=1), row(I_LOC=0.5, O=0.5), row(O=1)]
    eg, soft = pair(nlp, "NuevaYork|x", "Nueva|York|x", rows)
    assert soft_rows(eg, soft, TYPES, "IOB2") == approx([row(B_LOC=0.75, O=0.25), row(O=1)])
    eg, soft = pair(nlp, "deRoma", "de|Roma", [row(O=1), row(B_LOC=1)])
    assert soft_rows(eg, soft, TYPES, "IOB2") == approx([row(B_LOC=0.5, O=0.5)])
    eg, soft = pair(nlp, "a|bc", "a|b|c", [row(B_LOC=1), row(I_LOC=1), row(I_LOC=1)])
    assert soft_rows(eg, soft, TYPES, "IOB2") == approx([row(B_LOC=1), row(I_LOC=1)])


def test_predicted_tokens_that_are_one(nlp):
    """The later ones go on where the first begins."""
    eg, soft = pair(nlp, "New|-|York|x", "New-York|x", [row(B_LOC=0.5, I_LOC=0.25, O=0.25), row(O=1)])
    want = [row(B_LOC=0.5, I_LOC=0.25, O=0.25), *[row(I_LOC=0.75, O=0.25)] * 2, row(O=1)]
    assert soft_rows(eg, soft, TYPES, "IOB2") == approx(want)


def test_tokens_that_cross(nlp):
    eg, soft = pair(nlp, "ab|cd", "a|bc|d", [row(O=1), row(B_PER=1), row(O=1)])
    assert soft_rows(eg, soft, TYPES, "IOB2") == approx([row(O=0.5, B_PER=0.5), row(O=0.5, I_PER=0.5)])


def test_what_is_not_known(nlp):
    """Tokens without a partner, and those of which a part is masked."""
    doc = Doc(nlp.vocab, words=["a", "b", "c"], spaces=[True, False, False])
    doc._.xproj_soft = SoftLabels(TAGS, np.array([row(O=1), row(B_PER=1), row()]))
    for words, spaces, want in (
        (["a", " ", "bc"], [True, False, False], [row(O=1), row(), row()]),
        (["a", " ", "b", "c"], [True, False, False, False], [row(O=1), row(), row(B_PER=1), row()]),
    ):
        eg = Example(Doc(nlp.vocab, words=words, spaces=spaces), doc)
        assert soft_rows(eg, doc._.xproj_soft, TYPES, "IOB2").tolist() == want


def test_rows_of_a_retokenized_gold_are_the_gold_rows(nlp):
    y = Doc(
        nlp.vocab, words=["Ana-Luz", "vive", "en", "la", "Nueva", "York"], spaces=[True, True, True, True, True, False]
    )
    y.set_ents([Span(y, 0, 1, label="PER"), Span(y, 4, 6, label="LOC")], default="outside")
    words = ["Ana", "-", "Luz", "vive en", "la", "Nueva", "Yo", "rk"]
    x = Doc(nlp.vocab, words=words, spaces=[False, False, True, True, True, True, False, False])
    for scheme in ("IOB2", "BIOES"):
        rows = gold_rows(Example(y, y), TYPES, scheme)
        y._.xproj_soft = SoftLabels(make_tags(TYPES, scheme), rows)
        for student in ("IOB2", "BIOES"):
            want = gold_rows(Example(x, y), TYPES, student)
            assert soft_rows(Example(x, y), y._.xproj_soft, TYPES, student) == approx(want)
            assert want.any(1).all()


IOB2 = "B-PER I-PER B-PER O B-LOC I-LOC I-LOC O"
BIOES = "B-PER E-PER S-PER O B-LOC I-LOC E-LOC O"
BILOU = "PER-B PER-L PER-U O LOC-B LOC-I LOC-L O"
IOB1 = "I-PER I-PER B-PER O I-LOC I-LOC I-LOC O"


@pytest.mark.parametrize("tags", [IOB2, BIOES, BILOU, IOB1], ids=["IOB2", "BIOES", "BILOU", "IOB1"])
def test_hard_labels_of_any_scheme(nlp, tags):
    labels = tuple(sorted(set(tags.split())))  # I-LOC without B-LOC tells IOB1
    words = "|".join("abcdefgh")
    eg, soft = pair(nlp, words, words, hard(tags.split(), labels).probs, labels)
    assert named(soft_rows(eg, soft, TYPES, "IOB2"), TAGS) == IOB2.split()
    assert named(soft_rows(eg, soft, TYPES, "BIOES"), make_tags(TYPES, "BIOES")) == BIOES.split()


def test_plain_types(nlp):
    """In IO a run is one entity; where the teacher is not sure, as likely as the token before is of the type."""
    labels = ("O", "PER", "LOC")
    eg, soft = pair(nlp, "a|b|c", "a|b|c", [[0.5, 0.5, 0], [0.25, 0.75, 0], [0, 0.25, 0.75]], labels)
    want = [row(O=0.5, B_PER=0.5), row(O=0.25, I_PER=0.375, B_PER=0.375)]
    want.append(row(I_PER=0.1875, B_PER=0.0625, B_LOC=0.75))
    assert soft_rows(eg, soft, TYPES, "IOB2") == approx(want)


def test_soft_rows_in_bioes(nlp):
    """An entity goes on as far as the next token says."""
    rows = [[0.2, 0.8, 0], [0.6, 0, 0.4], [1, 0, 0]]
    eg, soft = pair(nlp, "a|b|c", "a|b|c", rows, ("O", "B-PER", "I-PER"))
    want = [[0.2, 0.4, 0, 0, 0.4], [0.6, 0, 0, 0.4, 0], [1, 0, 0, 0, 0]]
    assert soft_rows(eg, soft, ["PER"], "BIOES") == approx(want)
    # its own tags are taken as they are, and lose nothing in IOB2
    labels = tuple(make_tags(["PER"], "BIOES"))
    eg, soft = pair(nlp, "a|b|c", "a|b|c", [[0.1, 0.2, 0.3, 0.3, 0.1]] * 3, labels)
    assert soft_rows(eg, soft, ["PER"], "BIOES") == approx([[0.1, 0.2, 0.3, 0.3, 0.1]] * 3)
    assert soft_rows(eg, soft, ["PER"], "IOB2") == approx([[0.1, 0.3, 0.6]] * 3)


def test_masked_neighbors_where_the_scheme_needs_them(nlp):
    known = lambda rows: rows.any(1).tolist()  # noqa: E731
    eg, soft = pair(nlp, "a|b|c", "a|b|c", [[0.5, 0.5, 0], [0, 0, 0], [1, 0, 0]], ("O", "B-PER", "I-PER"))
    assert known(soft_rows(eg, soft, ["PER"], "IOB2")) == [True, False, True]
    assert known(soft_rows(eg, soft, ["PER"], "BIOES")) == [False, False, True]
    eg, soft = pair(nlp, "a|b|c", "a|b|c", [[0.5, 0.5], [0, 0], [0, 1]], ("O", "PER"))
    assert known(soft_rows(eg, soft, ["PER"], "IOB2")) == [True, False, False]


def test_mass_and_rows_are_inverse(nlp):
    random = np.random.default_rng(0)
    probs = random.dirichlet(np.ones(5), 20)
    assert as_rows(as_mass(SoftLabels(TAGS, probs), TYPES), "IOB2") == approx(probs)
    rows = as_rows(as_mass(SoftLabels(TAGS, probs), TYPES), "BIOES")
    assert rows.sum(1) == pytest.approx(np.ones(20)) and (rows >= 0).all()


def test_gold_rows(nlp):
    doc = Doc(nlp.vocab, words=["Ana", "Soto", "vive", "en", "Roma", "hoy"])
    spans = [Span(doc, 0, 2, label="PER"), Span(doc, 4, 5, label="LOC")]
    doc.set_ents(spans, missing=[doc[5:6]], default="outside")
    eg = Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc)
    tags = make_tags(TYPES, "BIOES")
    assert named(gold_rows(eg, TYPES, "IOB2"), TAGS) == ["B-PER", "I-PER", "O", "O", "B-LOC", "-"]
    assert named(gold_rows(eg, TYPES, "BIOES"), tags) == ["B-PER", "E-PER", "O", "O", "S-LOC", "-"]
    assert named(gold_rows(eg, ["LOC"], "IOB2"), TAGS) == ["O", "O", "O", "O", "B-LOC", "-"]
    plain = Doc(nlp.vocab, words=["a"])
    assert not gold_rows(Example(plain, plain), TYPES, "IOB2").any()


def test_soft_labels_of_either_side(nlp):
    """Those of a teacher in the pipeline are on the predicted Doc."""
    x, y = Doc(nlp.vocab, words=["ab"]), Doc(nlp.vocab, words=["a", "b"], spaces=[False, False])
    eg = Example(x, y)
    assert soft_labels(eg) is None
    x._.xproj_soft = SoftLabels(("O", "B-PER", "I-PER"), [[0.5, 0.5, 0]])
    assert soft_rows(eg, soft_labels(eg), ["PER"], "IOB2") == approx([[0.5, 0.5, 0]])
    y._.xproj_soft = SoftLabels(("O", "B-PER", "I-PER"), [[0, 1, 0], [0, 0, 1]])
    assert soft_rows(eg, soft_labels(eg), ["PER"], "IOB2") == approx([[0, 1, 0]])
    y._.xproj_soft = SoftLabels(("O", "B-PER", "I-PER"), [[0, 1, 0]])
    with pytest.raises(XprojError, match="1 rows, but the Doc has 2 tokens"):
        soft_labels(eg)
    y._.xproj_soft = {"labels": []}
    with pytest.raises(XprojError, match="must be SoftLabels, not dict"):
        soft_labels(eg)


def test_no_tokens(nlp):
    empty = Doc(nlp.vocab)
    empty._.xproj_soft = SoftLabels(("O", "PER"), np.zeros((0, 2)))
    some = Doc(nlp.vocab, words=[" "])
    for x in (empty, some):
        for scheme in ("IOB2", "BIOES"):
            rows = soft_rows(Example(x, empty), empty._.xproj_soft, TYPES, scheme)
            assert rows.shape == (len(x), len(make_tags(TYPES, scheme))) and not rows.any()
