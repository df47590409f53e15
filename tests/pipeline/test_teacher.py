"""The component, with teachers that are tables, and with tiny pipelines trained on the spot."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_xproj import fit
from spacy_xproj.errors import XprojError
from spacy_xproj.fitting import unfitted
from spacy_xproj.registry import registry
from spacy_xproj.soft import SoftLabels
from tests.conftest import ents
from tests.teachers.tiny_pipelines import make_ner

NAME = "xproj_teacher"
TAGS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


class Words:
    """Each word has a distribution in a table; the others are "O"."""

    provenance = "words"

    def __init__(self, words=None, labels=TAGS):
        self.labels, self.words = list(labels), words or {}
        self.calls = []

    def __call__(self, docs):
        self.calls.append(len(docs))
        out = []
        for doc in docs:
            if "!fail" in doc.text:
                raise RuntimeError("told to fail")
            rows = np.zeros((len(doc), len(self.labels)), "f4")
            rows[:, self.labels.index("O")] = 1
            for token in doc:
                for tag, p in self.words.get(token.text, {}).items():
                    rows[token.i, self.labels.index(tag)] = p
                    rows[token.i, self.labels.index("O")] -= p
            out.append(rows)
        return out


class LearnedWeights:
    """The first teacher counts by the share of the Docs that it saw with the word "en"."""

    provenance = "learned"

    def __init__(self):
        self.fitted, self.share, self.names = False, 0.0, []

    def fit(self, docs, names):
        texts = [doc.text for doc in docs]
        assert texts == [doc.text for doc in docs]  # it can be read again
        self.fitted, self.names = True, list(names)
        self.share = sum("en" in text.split() for text in texts) / len(texts)

    def __call__(self, docs, names):
        assert self.fitted and list(names) == self.names
        return np.tile([self.share, 1 - self.share], (len(docs), 1))

    def to_bytes(self):
        return f"{self.fitted} {self.share} {' '.join(self.names)}".encode()

    def from_bytes(self, data):
        fitted, share, *self.names = data.decode().split(" ")
        self.fitted, self.share = fitted == "True", float(share)
        return self

    def to_disk(self, path):
        Path(path).write_bytes(self.to_bytes())

    def from_disk(self, path):
        return self.from_bytes(Path(path).read_bytes())


class BadWeights:
    def __call__(self, docs, names):
        return np.full((len(docs), len(names)), 0.9)


registry.xproj_teachers.register("test.Words.v1", func=Words)
registry.misc.register("test.learned_weights.v1", func=LearnedWeights)
registry.misc.register("test.bad_weights.v1", func=BadWeights)

ENGLISH = {
    "Ana": {"B-PER": 0.8},
    "Torres": {"I-PER": 0.6, "B-PER": 0.2},
    "Roma": {"B-LOC": 0.6},
    "azul": {"B-PER": 0.6},
}
GERMAN = {"Ana": {"B-PER": 0.6}, "Torres": {"I-PER": 0.8}, "Roma": {"B-LOC": 0.8}}
TEXT = "Ana Torres vio Roma azul"


def words(table=None, **settings):
    return {"@xproj_teachers": "test.Words.v1", "words": table or {}, **settings}


BOTH = {"en": words(ENGLISH), "de": words(GERMAN)}


def made(teachers=BOTH, lang="es", **settings):
    nlp = spacy.blank(lang)
    nlp.add_pipe(NAME, config={"teachers": teachers, **settings})
    return nlp


def soft(doc):
    assert doc._.xproj_soft.probs.dtype == np.float16
    return doc._.xproj_soft


def row(doc, i):
    """What is above zero in a row."""
    return {tag: round(float(p), 2) for tag, p in zip(soft(doc).labels, soft(doc).probs[i]) if p}


def labeled(nlp, text, *spans):
    doc = nlp.make_doc(text)
    doc.set_ents([Span(doc, *span) for span in spans], default="outside")
    return doc


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers")
    return make_ner(folder / "en"), make_ner(folder / "de", seed=1, steps=8, lang="de")


def with_pipelines(pipelines, **settings):
    name = "spacy_xproj.Pipeline.v1"
    english, german = map(str, pipelines)
    teachers = {
        "english": {"@xproj_teachers": name, "model": english},
        "both": {"@xproj_teachers": name, "models": [english, german]},
    }
    return made(teachers, **settings)


def test_the_mean():
    doc = made()(TEXT)
    assert soft(doc).labels == tuple(TAGS)
    assert row(doc, 0) == {"O": 0.3, "B-PER": 0.7}
    assert row(doc, 1) == {"O": 0.2, "B-PER": 0.1, "I-PER": 0.7}
    assert row(doc, 2) == {"O": 1}
    assert row(doc, 4) == {"O": 0.7, "B-PER": 0.3}
    want = {"teacher.de": "words", "weight.de": 0.5, "teacher.en": "words", "weight.en": 0.5, "weights": "average"}
    assert soft(doc).provenance == want
    assert list(doc.ents) == [] and not doc.has_annotation("ENT_IOB")


def test_fixed_weights():
    weights = {"@misc": "spacy_xproj.fixed_weights.v1", "weights": {"en": 3, "de": 1}}
    doc = made(weights=weights)(TEXT)
    assert row(doc, 0) == {"O": 0.25, "B-PER": 0.75}
    assert soft(doc).provenance["weight.en"] == 0.75
    with pytest.raises(XprojError, match="there are weights for de, en, but the teachers are en, fr"):
        made({"en": words(), "fr": words()}, weights=weights)(TEXT)


def test_the_order_in_the_config_makes_no_difference():
    assert soft(made()(TEXT)) == soft(made(dict(reversed(BOTH.items())))(TEXT))


def test_other_schemes_and_types():
    bioes = words({"Roma": {"S-LOC": 0.8, "B-LOC": 0.1}}, labels=["O", "B-LOC", "I-LOC", "E-LOC", "S-LOC"])
    plain = words({"Ana": {"PERSON": 0.5}, "Torres": {"PERSON": 0.8}}, labels=["PERSON", "O"])
    doc = made({"a": bioes, "b": plain})(TEXT)
    assert soft(doc).labels == ("O", "B-LOC", "I-LOC", "B-PERSON", "I-PERSON")
    assert row(doc, 1) == {"O": 0.6, "B-PERSON": 0.2, "I-PERSON": 0.2}
    assert row(doc, 3) == {"O": 0.55, "B-LOC": 0.45}
    doc = made({"a": bioes, "b": plain}, label_map={"PERSON": "PER", "LOC": ""})(TEXT)
    assert soft(doc).labels == ("O", "B-PER", "I-PER")
    assert row(doc, 3) == {"O": 1}


def test_only_some_labels():
    doc = made(labels=["PER", "ORG"])(TEXT)
    assert soft(doc).labels == ("O", "B-ORG", "I-ORG", "B-PER", "I-PER")
    assert row(doc, 0) == {"O": 0.3, "B-PER": 0.7}
    assert row(doc, 3) == {"O": 1}


def test_agreement():
    doc = made(agreement="mask")(TEXT)
    assert soft(doc).known.tolist() == [True, True, True, True, False]
    assert row(doc, 0) == {"O": 0.3, "B-PER": 0.7}
    assert soft(doc).provenance["agreement"] == "mask"
    doc = made(agreement="hard")(TEXT)
    assert [row(doc, i) for i in range(4)] == [{"B-PER": 1}, {"I-PER": 1}, {"O": 1}, {"B-LOC": 1}]
    assert row(doc, 4) == {"O": 0.7, "B-PER": 0.3}


def test_hard_labels_are_valid():
    one = {"en": words({"Torres": {"I-PER": 0.6, "B-PER": 0.3}})}
    assert row(made(one)(TEXT), 1) == {"O": 0.1, "B-PER": 0.3, "I-PER": 0.6}
    doc = made(one, hard=True)(TEXT)
    assert row(doc, 1) == {"B-PER": 1}  # I-PER cannot be
    assert soft(doc).provenance["hard"] == "best path"
    nlp = made({"en": words({**ENGLISH, "\n": {}})}, hard=True)
    doc = nlp(Doc(nlp.vocab, words=["Ana", "\n", "Torres", "\n"]))
    assert [row(doc, i) for i in range(4)] == [{"B-PER": 1}, {"I-PER": 1}, {"I-PER": 1}, {"O": 1}]
    doc = nlp(Doc(nlp.vocab, words=["Ana", "Torres"], sent_starts=[True, True]))
    assert row(doc, 1) == {"B-PER": 1}


def test_against_a_projection():
    nlp = made(projection="mask")
    doc = nlp(labeled(nlp, TEXT, (0, 2, "PER"), (4, 5, "LOC")))
    assert soft(doc).known.tolist() == [True, True, True, False, False]
    nlp = made(projection="mix", projection_weight=0.2)
    doc = nlp(labeled(nlp, TEXT, (0, 2, "PER"), (4, 5, "LOC")))
    assert row(doc, 0) == {"O": 0.24, "B-PER": 0.76}
    assert row(doc, 3) == {"O": 0.44, "B-LOC": 0.56}
    assert row(doc, 4) == {"O": 0.56, "B-LOC": 0.2, "B-PER": 0.24}
    for how in ("mask", "mix"):
        nlp = made(projection=how)
        assert np.array_equal(soft(nlp(TEXT)).probs, soft(made()(TEXT)).probs)  # nothing was projected
        doc = labeled(nlp, TEXT, (0, 2, "PER"))
        doc.set_ents([], missing=[doc[2:5]], default="unmodified")
        assert np.array_equal(soft(nlp(doc)).probs[2:], soft(made()(TEXT)).probs[2:])


def test_a_projection_with_labels_that_no_teacher_knows():
    nlp = made(projection="mix")
    with pytest.raises(XprojError, match=r"the label 'ORG', which no teacher knows \(they know LOC, PER\)"):
        nlp(labeled(nlp, TEXT, (0, 1, "ORG")))
    nlp = made(projection="mix", labels=["LOC", "ORG"])
    doc = nlp(labeled(nlp, TEXT, (0, 1, "ORG"), (1, 2, "PER")))
    assert row(doc, 0) == {"O": 0.5, "B-ORG": 0.5}
    assert row(doc, 1) == {"O": 1}


def test_one_teacher_of_several():
    nlp = made(only=["en"], agreement="mask", weights={"@misc": "test.learned_weights.v1"})
    assert unfitted(nlp) == []
    doc = nlp(TEXT)
    assert soft(doc).known.all() and row(doc, 0) == {"O": 0.2, "B-PER": 0.8}
    assert soft(doc).provenance == {"teacher.en": "words", "weight.en": 1.0}
    assert nlp.get_pipe(NAME).teachers["de"].calls == []


def test_entities_too():
    nlp = made(annotate_ents=True)
    assert ents(nlp(TEXT)) == [(0, 2, "PER"), (3, 4, "LOC")]
    doc = nlp(labeled(nlp, TEXT, (2, 3, "LOC")))
    assert ents(doc) == [(0, 2, "PER"), (3, 4, "LOC")]


def test_soft_labels_that_are_there():
    for overwrite in (False, True):
        nlp = made(overwrite=overwrite)
        doc = nlp.make_doc(TEXT)
        old = SoftLabels(("O",), np.ones((5, 1)))
        doc._.xproj_soft = old
        assert (soft(nlp(doc)) is old) is not overwrite


def test_empty_docs():
    for settings in ({}, {"hard": True}, {"agreement": "mask"}, {"projection": "mix"}, {"annotate_ents": True}):
        doc = made(**settings)("")
        assert soft(doc).probs.shape == (0, 5)
    assert list(made({}).pipe([])) == []


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"agreement": "all"}, "agreement must be one of none, mask, hard, not 'all'"),
        ({"projection": "use"}, "projection must be one of ignore, mask, mix, not 'use'"),
        ({"projection_weight": 1.5}, "projection_weight must be from 0 to 1, not 1.5"),
        ({"only": ["fr"]}, "there is no teacher 'fr' to use only: expected names out of de, en"),
        ({"label_map": {"PER": 1}}, "label_map must give a label as text"),
        ({"teachers": {"a/b": words()}}, "the name of a teacher is letters, digits, '_' and '-', not 'a/b'"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(XprojError, match=message):
        made(**settings)


def test_teachers_that_cannot_be_used():
    with pytest.raises(XprojError, match=r"has no teachers. Give one block each, such as \[components.xproj_teacher"):
        made({})(TEXT)
    with pytest.raises(XprojError, match="the teacher 'x' has no tags"):
        made({"x": {"@xproj_teachers": "spacy_xproj.Pipeline.v1"}})(TEXT)
    with pytest.raises(XprojError, match="weights of 2 teachers for each of 1 Docs that sum to 1"):
        made(weights={"@misc": "test.bad_weights.v1"})(TEXT)
    nlp = made()
    teacher = nlp.get_pipe(NAME).teachers["en"]
    nlp.get_pipe(NAME).teachers["en"] = short = lambda docs: [rows[1:] for rows in teacher(docs)]
    short.labels = TAGS
    with pytest.raises(XprojError, match=r"'en' gave an array of the shape \(4, 5\). Expected 5 probabilities for"):
        nlp(TEXT)
    nlp.get_pipe(NAME).teachers["en"] = none = lambda docs: []
    none.labels = TAGS
    with pytest.raises(XprojError, match="'en' gave the distributions of 0 of 1 Docs"):
        nlp(TEXT)


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_a_doc_that_fails_fails_alone(batch_size):
    nlp = made()
    failed = []
    nlp.set_error_handler(lambda name, proc, docs, err: failed.extend((name, doc.text) for doc in docs))
    docs = list(nlp.pipe([TEXT, "!fail", "Ana"], batch_size=batch_size))
    assert [doc.text for doc in docs] == [TEXT, "Ana"] and all(doc._.xproj_soft is not None for doc in docs)
    assert failed == [(NAME, "!fail")]


def test_batches():
    nlp = made()
    assert len(list(nlp.pipe([TEXT] * 5, batch_size=5))) == 5
    assert nlp.get_pipe(NAME).teachers["en"].calls == [5]


# Fitting


def corpus(nlp):
    return [nlp.make_doc(text) for text in ("Ana en Roma", "Ana Torres", "Roma azul", "vio Roma")]


@pytest.mark.parametrize("how", ["fit", "initialize"])
def test_weights_that_learn(how):
    nlp = made(weights={"@misc": "test.learned_weights.v1"})
    assert unfitted(nlp) == [NAME]
    docs = corpus(nlp)
    if how == "fit":
        assert fit(nlp, docs) == [NAME]
        assert fit(nlp, docs) == []
    else:
        nlp.initialize(lambda: [Example(doc, doc) for doc in docs])
    assert nlp.get_pipe(NAME).weights.names == ["de", "en"] and all(doc._.xproj_soft is None for doc in docs)
    doc = nlp(TEXT)
    assert soft(doc).provenance["weight.de"] == 0.25 and row(doc, 0) == {"O": 0.25, "B-PER": 0.75}
    again = made(weights={"@misc": "test.learned_weights.v1"}).from_bytes(nlp.to_bytes())
    assert soft(again(TEXT)) == soft(doc)


# Serialization


def test_soft_labels_survive(pipelines, tmp_path):
    nlp = with_pipelines(pipelines, agreement="mask")
    doc = nlp("Ana Torres vio Roma")
    want = soft(doc)
    assert soft(Doc(nlp.vocab).from_bytes(doc.to_bytes())) == want
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "docs.spacy")
    (read,) = DocBin().from_disk(tmp_path / "docs.spacy").get_docs(spacy.blank("es").vocab)
    assert soft(read) == want
    assert soft(doc.copy()) == want


def test_two_processes_give_the_same(pipelines):
    nlp = with_pipelines(pipelines)
    texts = ["Ana Torres vio Roma", "New York", "", "Leo"] * 5
    want = [soft(doc) for doc in nlp.pipe(texts)]
    assert [soft(doc) for doc in nlp.pipe(texts, n_process=2, batch_size=3)] == want
    assert [soft(doc) for doc in with_pipelines(pipelines).pipe(texts, n_process=2, batch_size=3)] == want


def test_saved_with_its_teachers(pipelines, tmp_path):
    for k, folder in enumerate(pipelines):
        shutil.copytree(folder, tmp_path / f"teacher{k}")
    copies = [tmp_path / "teacher0", tmp_path / "teacher1"]
    nlp = with_pipelines(copies)
    want = soft(nlp("Ana vio Roma"))
    nlp.to_disk(tmp_path / "saved")
    for folder in copies:
        shutil.rmtree(folder)
    shutil.move(tmp_path / "saved", tmp_path / "moved")
    assert str(tmp_path) not in (tmp_path / "moved" / "config.cfg").read_text()
    loaded = spacy.load(tmp_path / "moved")
    assert soft(loaded("Ana vio Roma")) == want
    loaded.to_disk(tmp_path / "again")
    assert soft(spacy.load(tmp_path / "again")("Ana vio Roma")) == want


def test_only_the_teachers_in_use_are_saved(pipelines, tmp_path):
    nlp = with_pipelines(pipelines, only=["english"])
    nlp.to_disk(tmp_path / "saved")
    assert [p.name for p in (tmp_path / "saved" / NAME / "teachers").iterdir() if p.is_dir()] == ["english"]
    assert soft(spacy.load(tmp_path / "saved")("Ana vio Roma")) == soft(nlp("Ana vio Roma"))


def test_bytes_hold_the_pipelines(pipelines):
    nlp = with_pipelines(pipelines)
    data = nlp.to_bytes()
    other = made({name: {"@xproj_teachers": "spacy_xproj.Pipeline.v1"} for name in ("english", "both")})
    assert soft(other.from_bytes(data)("Ana vio Roma")) == soft(nlp("Ana vio Roma"))
