"""The component, with a teacher that knows a few words, and with tiny models made on the spot."""

import shutil
import warnings

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_xproj.errors import XprojError
from spacy_xproj.registry import registry
from spacy_xproj.teachers import TokenClassifier
from spacy_xproj.ty import Translation
from tests.conftest import ents, state
from tests.teachers.tiny_classifier import IOB1, TEXTS, make_classifier

NAME = "xproj_token_classifier"
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
WORDS = {"Ana": ("B-PER", 0.9), "Torres": ("I-PER", 0.6), "New": ("B-LOC", 0.8), "York": ("I-LOC", 0.7)}


class Table:
    """Gives each word the tag and the probability of a table; the rest goes to the tag that begins such an entity, if
    that is another one, and else to all."""

    def __init__(self, labels=LABELS, words=WORDS):
        self.labels, self.words = list(labels), words

    def __call__(self, docs):
        out = []
        for doc in docs:
            if "!fail" in doc.text:
                raise RuntimeError("told to fail")
            rows = np.zeros((len(doc), len(self.labels)), "f4")
            for token in doc:
                tag, p = self.words.get(token.text, ("O", 0.9))
                begin = "B" + tag[1:]
                rest = [begin] if tag != begin and begin in self.labels else [x for x in self.labels if x != tag]
                rows[token.i, [self.labels.index(label) for label in rest]] = (1 - p) / len(rest)
                rows[token.i, self.labels.index(tag)] = p
            out.append(rows)
        return out


registry.xproj_teachers.register("test.Table.v1", func=Table)
TABLE = {"@xproj_teachers": "test.Table.v1"}


def made(lang="en", teacher=TABLE, **settings):
    nlp = spacy.blank(lang)
    nlp.add_pipe(NAME, config={"teacher": teacher, **settings})
    return nlp


def scored(doc, key=NAME):
    group = doc.spans[key]
    return [(s.text, s.label_, round(float(p), 3)) for s, p in zip(group, group.attrs["scores"])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_classifier(tmp_path_factory.mktemp("model") / "xlm-r")


def with_model(folder, **settings):
    return made(teacher={"@xproj_teachers": "spacy_xproj.TokenClassifier.v1", "model": str(folder)}, **settings)


def test_entities_and_scores():
    doc = made()("Ana Torres left New York . Ana stays")
    assert ents(doc) == [(0, 2, "PER"), (3, 5, "LOC"), (6, 7, "PER")]
    assert scored(doc) == [("Ana Torres", "PER", 0.6), ("New York", "LOC", 0.7), ("Ana", "PER", 0.9)]
    assert [t.ent_iob_ for t in doc] == list("BIOBIOBO")


def test_never_an_orphan():
    nlp = made()
    assert [(t.text, t.ent_type_) for t in nlp("a York b")] == [("a", ""), ("York", "LOC"), ("b", "")]
    assert scored(nlp("a York b")) == [("York", "LOC", 0.3)]  # as B-LOC, for I-LOC cannot be
    nlp = made(scheme="IOB1")
    assert scored(nlp("a York b")) == [("York", "LOC", 0.7)]


def test_labels_as_of_conll_2003():
    words = {"Ana": ("I-PER", 0.9), "Rome": ("I-LOC", 0.9), "Paris": ("B-LOC", 0.8)}
    nlp = made()
    nlp.get_pipe(NAME).teacher = Table(IOB1, words)
    assert ents(nlp("Ana saw Rome Paris")) == [(0, 1, "PER"), (2, 3, "LOC"), (3, 4, "LOC")]
    assert nlp.get_pipe(NAME).tags().scheme == "IOB1"
    assert nlp.pipe_labels[NAME] == ["LOC", "PER"]


def test_white_space_is_passed_over():
    nlp = made()
    doc = Doc(nlp.vocab, words=["\n", "New", " \n", "York", "\t"])
    assert ents(nlp(doc)) == [(1, 4, "LOC")]
    assert scored(doc) == [("New  \n York", "LOC", 0.7)]
    for text in ("", " ", "\n\n"):
        doc = nlp(text)
        assert (ents(doc), scored(doc)) == ([], [])


def test_no_entity_crosses_a_sentence():
    nlp = made()
    words = ["Ana", "Torres", "New", "York"]
    doc = nlp(Doc(nlp.vocab, words=words, sent_starts=[True, False, False, True]))
    assert [(a, b) for a, b, _ in ents(doc)] == [(0, 2), (2, 3), (3, 4)]


def test_label_map():
    doc = made(label_map={"PER": "PERSON", "LOC": "", "ORG": "X"})("Ana Torres left New York")
    assert ents(doc) == [(0, 2, "PERSON")]
    assert scored(doc) == [("Ana Torres", "PERSON", 0.6)]
    nlp = made(label_map={"PER": "X", "LOC": "X"})
    assert ents(nlp("Ana New York")) == [(0, 1, "X"), (1, 3, "X")]  # still two
    assert nlp.get_pipe(NAME).labels == ("X",)


def test_min_score():
    doc = made(min_score=0.65)("Ana Torres left New York")
    assert ents(doc) == [(3, 5, "LOC")]
    assert len(scored(doc)) == 2


def test_entities_that_are_there():
    text = "Ana Torres left New York"
    for overwrite, want in ((True, [(0, 2, "PER"), (3, 5, "LOC")]), (False, [(1, 3, "X"), (3, 5, "LOC")])):
        nlp = made(overwrite=overwrite)
        doc = nlp.make_doc(text)
        doc.ents = [Span(doc, 1, 3, label="X", kb_id="Q1", span_id="mine")]
        assert ents(nlp(doc)) == want
        assert len(scored(doc)) == 2
        assert overwrite or (doc.ents[0].kb_id_, doc.ents[0].id_) == ("Q1", "mine")
        assert ents(nlp(doc)) == want  # twice is once


def test_only_spans_or_only_ents():
    text = "Ana Torres left New York"
    nlp = made(annotate_ents=False, spans_key="found")
    doc = nlp(text)
    assert list(doc.ents) == [] and not doc.has_annotation("ENT_IOB")
    assert len(scored(doc, "found")) == 2 and NAME not in doc.spans
    suggest = registry.misc.get("spacy_xproj.ents_suggester.v1")("found")
    assert suggest([doc]).data.tolist() == [[0, 2], [3, 5]]
    doc = made(spans_key="")(text)
    assert len(doc.ents) == 2 and len(doc.spans) == 0


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"label_map": {"PER": None}}, "label_map must give a label as text for each label, .* got None for 'PER'"),
        ({"label_map": {"PER": 3}}, "got 3 for 'PER'"),
        ({"scheme": "BIO"}, "scheme must be one of auto, IO, IOB1, IOB2, BIOES, not 'BIO'"),
        ({"scheme": "BIOES"}, "cannot be tags of the scheme 'BIOES'"),
        ({"min_score": 2}, "from 0 to 1, not 2"),
        ({"teacher": {**TABLE, "labels": ["O", "B-PER", "LOC"]}}, "'B-PER' says its place .* 'LOC' does not"),
        ({"teacher": {**TABLE, "labels": ["PER"]}}, "one 'O' for words outside"),
        ({"teacher": {"@misc": "spacy_xproj.ents_suggester.v1"}}, "the teacher must have the attribute 'labels'"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(XprojError, match=message):
        made(**settings)


def test_a_teacher_that_gives_too_little():
    nlp = made()
    pipe = nlp.get_pipe(NAME)
    table, pipe.teacher = pipe.teacher, lambda docs: []
    pipe.teacher.labels = LABELS
    with pytest.raises(XprojError, match="the distributions of 0 of 1 Docs"):
        nlp("Ana")
    pipe.teacher = lambda docs: [rows[1:] for rows in table(docs)]
    pipe.teacher.labels = LABELS
    with pytest.raises(XprojError, match=r"the shape \(1, 5\). Expected 5 probabilities for each of 2 tokens"):
        nlp("Ana left")


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_a_doc_that_fails_fails_alone(batch_size, no_warnings):
    nlp = made()
    failed = []
    nlp.set_error_handler(lambda name, proc, docs, err: failed.extend((name, doc.text) for doc in docs))
    docs = list(nlp.pipe(["Ana", "!fail", "New York", "", "Torres"], batch_size=batch_size))
    assert [doc.text for doc in docs] == ["Ana", "New York", "", "Torres"]
    assert [len(doc.ents) for doc in docs] == [1, 1, 0, 1]
    assert failed == [(NAME, "!fail")]


def test_evaluate():
    nlp = made(label_map={"LOC": ""})
    gold = nlp.make_doc("Ana Torres left New York")
    gold.ents = [Span(gold, 0, 2, label="PER"), Span(gold, 3, 5, label="LOC")]
    scores = nlp.evaluate([Example(nlp.make_doc(gold.text), gold)])
    assert (scores["ents_p"], scores["ents_r"]) == (1.0, 0.5)
    assert scores["ents_per_type"]["LOC"]["r"] == 0


# With a model


def test_added_with_defaults(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe(NAME)
    nlp.initialize()
    assert nlp.pipe_labels[NAME] == []
    for text in ("Ana", ""):
        with pytest.raises(XprojError, match=r"TokenClassifier\.v1 has no model"):
            nlp(text)
    nlp.to_disk(tmp_path)
    with pytest.raises(XprojError, match=r"TokenClassifier\.v1 has no model"):
        spacy.load(tmp_path)("Ana")


def test_it_does_what_the_teacher_says(folder):
    nlp = with_model(folder)
    pipe = nlp.get_pipe(NAME)
    total = 0
    for doc in nlp.pipe([*TEXTS, " ".join(TEXTS)]):
        (rows,) = TokenClassifier(folder)([doc])
        path = pipe.tags().best(rows)
        assert ents(doc) == pipe.tags().entities(path)
        scores = doc.spans[NAME].attrs["scores"]
        want = [rows[range(a, b), path[a:b]].min() for a, b, _ in ents(doc)]
        np.testing.assert_allclose(scores, want, atol=1e-5)
        total += len(doc.ents)
    assert total > 5


@pytest.mark.parametrize("used", [False, True])
def test_batches_and_processes(used, folder):
    texts = [*TEXTS, "", " \n", " ".join(TEXTS)] * 2
    want = [state(doc)[:2] for doc in map(with_model(folder), texts)]
    nlp = with_model(folder)
    if used:
        assert [state(nlp(text))[:2] for text in texts] == want
        assert [state(doc)[:2] for doc in nlp.pipe(texts, batch_size=5)] == want
    docs = list(nlp.pipe(texts, batch_size=4, n_process=2))
    assert [state(doc)[:2] for doc in docs] == want
    for doc in docs:
        np.testing.assert_allclose(
            doc.spans[NAME].attrs["scores"], nlp(doc.text).spans[NAME].attrs["scores"], atol=1e-5
        )


def test_saved_and_loaded_elsewhere(folder, tmp_path, no_warnings):
    first = shutil.copytree(folder, tmp_path / "first")
    nlp = with_model(first, label_map={"PER": "PERSON"}, min_score=0.1)
    want = [state(doc) for doc in nlp.pipe(TEXTS)]
    assert any(doc[1] for doc in want)
    nlp.to_disk(tmp_path / "pipeline")
    shutil.rmtree(first)
    (tmp_path / "pipeline").rename(tmp_path / "moved")
    loaded = spacy.load(tmp_path / "moved")
    assert [state(doc) for doc in loaded.pipe(TEXTS)] == want
    assert str(tmp_path) not in (tmp_path / "moved" / "config.cfg").read_text(encoding="utf-8")
    assert loaded.pipe_labels[NAME] == ["PERSON", "LOC"]
    loaded.to_disk(tmp_path / "moved")  # onto itself
    assert [state(doc) for doc in spacy.load(tmp_path / "moved").pipe(TEXTS)] == want


def test_a_model_is_too_large_for_bytes(folder):
    with pytest.raises(XprojError, match=r"TokenClassifier\.v1 holds a whole model.*too large for bytes.*to_disk"):
        with_model(folder).to_bytes()
    empty = with_model("")
    assert with_model("").from_bytes(empty.to_bytes()).get_pipe(NAME).labels == ()


def test_results_survive_docbin(folder):
    nlp = with_model(folder)
    docs = list(nlp.pipe(TEXTS))
    again = DocBin().from_bytes(DocBin(docs=docs, store_user_data=True).to_bytes()).get_docs(nlp.vocab)
    assert [state(doc) for doc in again] == [state(doc) for doc in docs]


class Same:
    """Translates each text into itself."""

    def __call__(self, texts, source_lang, target_lang):
        return [Translation(text) for text in texts]


registry.xproj_translators.register("test.Same.v1", func=Same)


def test_as_the_source_labeler_of_translate_test(folder, tmp_path):
    model = shutil.copytree(folder, tmp_path / "model")
    with_model(model).to_disk(tmp_path / "source")
    shutil.rmtree(model)
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_translator", config={"back": {"@xproj_translators": "test.Same.v1"}})
    nlp.config["initialize"]["components"]["xproj_translator"] = {"source": str(tmp_path / "source")}
    nlp.initialize()
    want = [[s[:3] for s in doc._.xproj.spans] for doc in nlp.pipe(TEXTS)]
    assert want == [ents(doc) for doc in spacy.load(tmp_path / "source").pipe(TEXTS)] and any(want)
    nlp.to_disk(tmp_path / "whole")
    shutil.rmtree(tmp_path / "source")
    loaded = spacy.load(tmp_path / "whole")
    assert [[s[:3] for s in doc._.xproj.spans] for doc in loaded.pipe(TEXTS)] == want
    saved = [path for path in (tmp_path / "whole").rglob("config.cfg") if str(tmp_path) in path.read_text()]
    assert saved == []


def test_no_warnings_without_a_payload(folder):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "xproj|.*payload")
        list(with_model(folder).pipe(TEXTS))
