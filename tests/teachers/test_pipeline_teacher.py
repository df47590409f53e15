"""spaCy pipelines as teachers: where the distribution comes from, and whose words it is of."""

import pickle
import shutil

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Config

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.registry import registry
from spacy_xproj.tags import TagScheme, convert_types, make_tags, to_iob2
from spacy_xproj.teachers.marginals import Moves, marginals
from spacy_xproj.teachers.pipeline import PipelineTeacher
from spacy_xproj.ty import Teacher
from tests.teachers.tiny_classifier import make_classifier
from tests.teachers.tiny_pipelines import TRAIN, make_ner, make_student

TAGS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


@pytest.fixture(scope="module")
def ner(tmp_path_factory):
    return make_ner(tmp_path_factory.mktemp("ner") / "one")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return make_ner(tmp_path_factory.mktemp("ner") / "two", seed=1, steps=6, shared=True)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """It finds all sequences about as likely, which is what a test of sums wants."""
    return make_ner(tmp_path_factory.mktemp("ner") / "raw", steps=2)


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    return make_student(tmp_path_factory.mktemp("student") / "one")


def docs_of(*texts, lang="es"):
    vocab = spacy.blank(lang).vocab
    return [Doc(vocab, words=text.split()) for text in texts]


def tags_of(rows, labels):
    return [labels[k] for k in rows.argmax(1)]


# The marginals of spaCy's NER


def by_enumeration(ner, doc):
    """The marginals from each sequence of actions, one by one."""
    moves = Moves(ner)
    rows = np.zeros((len(doc), 1 + 2 * len(moves.types)))
    step = ner.model.predict([doc])
    count = 0

    def walk(state, p, path):
        nonlocal count
        if len(path) == len(doc):
            count += 1
            rows[np.arange(len(doc)), path] += p
            return
        scores = step.predict([state])[0].astype("f8")
        allowed = moves.allowed(state)
        shares = np.exp(scores[allowed]) / np.exp(scores[allowed]).sum()
        for action, share in zip(allowed, shares):
            walk(moves.next(state, action), p * share, [*path, moves.columns[action]])

    walk(moves.system.init_batch([doc])[0], 1.0, [])
    return rows, count


@pytest.mark.parametrize("text", ["Ana", "Ana Torres saw", "New York saw Ana Rome"])
def test_marginals_are_the_sums_over_all_sequences(untrained, text):
    nlp = spacy.load(untrained)
    ner = nlp.get_pipe("ner")
    doc = Doc(nlp.vocab, words=text.split())
    want, count = by_enumeration(ner, doc)
    got = marginals(ner, [doc], density=0, width=1000)[0]
    np.testing.assert_allclose(got, want, atol=1e-6)
    np.testing.assert_allclose(got.sum(1), 1)
    assert count == {1: 3, 3: 41, 5: 571}[len(doc)]
    assert (got[:, 1:].sum(1) > 0.05).all()  # it was in doubt
    pruned = marginals(ner, [doc], density=0, width=1)[0]
    np.testing.assert_allclose(pruned.sum(1), 1)
    assert len(doc) < 3 or np.abs(pruned - want).max() > 1e-3


def test_sentence_bounds_and_white_space_are_kept(untrained):
    nlp = spacy.load(untrained)
    doc = Doc(nlp.vocab, words=["Ana", "\n", "Torres", "New", "York"], sent_starts=[1, 0, 0, 1, 0])
    rows = marginals(nlp.get_pipe("ner"), [doc])[0]
    begin, inside = [1, 3], [2, 4]
    assert rows[1, begin].sum() == 0 and rows[1, inside].sum() > 0
    assert rows[3, inside].sum() == 0 and rows[4, inside].sum() > 0


def test_a_trained_ner(ner):
    teacher = PipelineTeacher(str(ner))
    assert isinstance(teacher, Teacher)
    assert (teacher.labels, teacher.estimate) == (TAGS, "marginals")
    docs = docs_of(*(text for text, _ in TRAIN))
    before = [doc.to_bytes() for doc in docs]
    found = teacher(docs)
    assert [doc.to_bytes() for doc in docs] == before
    for (text, spans), rows in zip(TRAIN, found):
        assert rows.dtype == np.float32 and rows.shape == (len(text.split()), 5)
        np.testing.assert_allclose(rows.sum(1), 1, rtol=1e-5)
        scheme = TagScheme(TAGS)
        assert scheme.entities(scheme.best(rows)) == spans
    assert 0 < max(rows.max(1).min() for rows in found) < 1


def test_which_docs_come_together_does_not_matter(ner, other):
    teacher = PipelineTeacher(models=[ner, other])
    docs = docs_of(*(text for text, _ in TRAIN), "")
    together = teacher(docs)
    assert together[-1].shape == (0, 5)
    for rows, doc in zip(together, docs):
        np.testing.assert_allclose(teacher([doc])[0], rows, atol=1e-6)
    assert teacher([]) == []


def test_sentence_by_sentence(untrained):
    teacher = PipelineTeacher(untrained)
    vocab = spacy.blank("es").vocab
    words = ["Ana", "saw", "New", "York", "is", "far"]
    whole = Doc(vocab, words=words)
    parts = Doc(vocab, words=words, sent_starts=[True, False, True, False, False, False])
    alone = teacher([Doc(vocab, words=words[:2]), Doc(vocab, words=words[2:])])
    np.testing.assert_allclose(teacher([parts])[0], np.concatenate(alone), atol=1e-6)
    assert np.abs(teacher([whole])[0] - teacher([parts])[0]).max() > 1e-4


def test_a_ner_that_listens(other):
    nlp = spacy.load(other)
    doc = Doc(nlp.vocab, words=["Ana", "lives", "in", "Rome"])
    doc = nlp.get_pipe("tok2vec")(doc)
    want = marginals(nlp.get_pipe("ner"), [doc])[0]
    np.testing.assert_allclose(PipelineTeacher(other)(docs_of("Ana lives in Rome"))[0], want, atol=1e-6)


# Ensembles and other components


def test_an_ensemble_is_the_mean(ner, other):
    docs = docs_of("Ana Torres saw Rome", "we saw Leo")
    parts = [PipelineTeacher(str(path))(docs) for path in (ner, other)]
    for teacher in (PipelineTeacher(models=[str(ner), str(other)]), PipelineTeacher(str(ner), [str(other)])):
        for rows, one, two in zip(teacher(docs), *parts):
            np.testing.assert_allclose(rows, (one + two) / 2, atol=1e-6)


def test_words_do_not_pile_up_in_its_pipelines(ner, student, ruler):
    docs = docs_of("Oltra saw Bixby", "Bixby is near Oltra")
    for path in (ner, student, ruler):
        teacher = PipelineTeacher(str(path))
        want, (pipeline,) = teacher(docs), teacher.pipelines
        known = len(pipeline.nlp.vocab.strings)
        more = teacher(docs_of(*(f"Quambo{k} saw Zeppo{k}" for k in range(9))))
        assert "Quambo3" not in pipeline.nlp.vocab.strings and len(pipeline.nlp.vocab.strings) == known
        assert len(more) == 9
        for one, other in zip(want, teacher(docs)):
            np.testing.assert_array_equal(one, other)


def test_votes(ner, other, tmp_path):
    third = make_ner(tmp_path / "three", seed=5, steps=1)
    docs = docs_of("Ana Torres saw New York", "dog Leo Paris")
    teacher = PipelineTeacher(models=[ner, other, third], estimate="hard")
    assert teacher.estimate == "hard"
    votes = np.zeros((5, 5))
    for path in (ner, other, third):
        nlp = spacy.load(path)
        for token in nlp(Doc(nlp.vocab, words=[t.text for t in docs[0]])):
            votes[token.i, TAGS.index(f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O")] += 1
    np.testing.assert_allclose(teacher(docs)[0], votes / 3, atol=1e-6)


def test_types_that_not_all_know(ner, tmp_path):
    place = make_ner(tmp_path / "place", names={"PER": "PERSON"}, steps=5)
    docs = docs_of("Ana saw Rome")
    plain = PipelineTeacher(models=[ner, place])
    assert plain.labels == [*TAGS, "B-PERSON", "I-PERSON"]
    named = PipelineTeacher(models=[ner, place], label_map={"PERSON": "PER", "LOC": ""})
    assert named.labels == ["O", "B-PER", "I-PER"]
    rows, want = named(docs)[0], plain(docs)[0]
    np.testing.assert_allclose(rows[:, 0], want[:, :3].sum(1), atol=1e-6)
    np.testing.assert_allclose(rows[:, 1:], want[:, 3:5] + want[:, 5:], atol=1e-6)


def test_a_student(student):
    teacher = PipelineTeacher(student)
    assert (teacher.labels, teacher.estimate) == (TAGS, "distribution")
    nlp = spacy.load(student)
    pipe = nlp.get_pipe("xproj_student")
    docs = docs_of("Ana Torres saw New York", "")
    rows = pipe.distributions([Doc(nlp.vocab, words=[t.text for t in docs[0]])])[0]
    order = [pipe.tag_names.index(tag) for tag in TAGS]
    np.testing.assert_allclose(teacher(docs)[0], rows[:, order], atol=1e-5)
    assert tags_of(teacher(docs)[0], TAGS) == ["B-PER", "I-PER", "O", "B-LOC", "I-LOC"]


def test_a_token_classifier(tmp_path):
    model = make_classifier(tmp_path / "hf")
    nlp = spacy.blank("en")
    config = {"@xproj_teachers": "spacy_xproj.TokenClassifier.v1", "model": str(model), "device": "cpu"}
    pipe = nlp.add_pipe("xproj_token_classifier", config={"teacher": config, "label_map": {"PER": "PERSON"}})
    nlp.to_disk(tmp_path / "nlp")
    teacher = PipelineTeacher(tmp_path / "nlp")
    docs = docs_of("Ana saw Rome")
    rows = convert_types(
        to_iob2(pipe.teacher(docs)[0], pipe.tags()), pipe.tags().types, sorted(pipe.labels), {"PER": "PERSON"}
    )
    assert teacher.estimate == "distribution" and teacher.labels == make_tags(sorted(pipe.labels))
    np.testing.assert_allclose(teacher(docs)[0], rows, atol=1e-6)


@pytest.fixture(scope="module")
def ruler(tmp_path_factory):
    nlp, folder = spacy.blank("en"), tmp_path_factory.mktemp("ruler") / "nlp"
    patterns = [{"label": "LOC", "pattern": "New York"}, {"label": "PER", "pattern": "Ana"}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    nlp.to_disk(folder)
    return folder


def test_any_other_pipeline_is_hard(ruler):
    teacher = PipelineTeacher(ruler, smoothing=0.1)
    assert (teacher.labels, teacher.estimate) == (TAGS, "hard")
    rows = teacher(docs_of("Ana saw New York"))[0]
    assert tags_of(rows, TAGS) == ["B-PER", "O", "B-LOC", "I-LOC"]
    np.testing.assert_allclose(rows.max(1), 0.92)
    np.testing.assert_allclose(rows.min(1), 0.02)


def test_a_ruler_before_a_ner(ner, tmp_path):
    nlp = spacy.load(ner)
    nlp.add_pipe("entity_ruler", before="ner").add_patterns([{"label": "DOG", "pattern": "dog"}])
    nlp.to_disk(tmp_path / "nlp")
    docs = docs_of("the dog saw Rome")
    np.testing.assert_allclose(PipelineTeacher(tmp_path / "nlp")(docs)[0], PipelineTeacher(ner)(docs)[0], atol=1e-6)
    hard = PipelineTeacher(tmp_path / "nlp", estimate="hard")
    assert hard.labels == make_tags(["DOG", "LOC", "PER"])
    assert tags_of(hard(docs)[0], hard.labels)[1] == "B-DOG"


# Settings and files


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"estimate": "beam"}, "estimate must be one of auto, distribution, marginals, hard, not 'beam'"),
        ({"beam_width": 0}, "beam_width must be at least 1, not 0"),
        ({"beam_density": 1}, "beam_density must be at least 0 and below 1"),
        ({"smoothing": -0.1}, "smoothing must be at least 0 and below 1"),
        ({"label_map": {"PER": None}}, "label_map must give a label as text"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(XprojError, match=message):
        PipelineTeacher(**settings)


def test_pipelines_that_cannot_teach(ner, ruler, tmp_path):
    with pytest.raises(XprojError, match=r"has no pipeline\. Set 'model'"):
        PipelineTeacher()(docs_of("a"))
    assert PipelineTeacher().labels == []
    with pytest.raises(XprojError, match=r"expected the folder .* got 'no_such_pipeline'\. Nothing is downloaded"):
        PipelineTeacher("no_such_pipeline").labels  # noqa: B018
    with pytest.raises(InputError, match="no component 'senter', only ner"):
        PipelineTeacher(ner, pipe="senter").load()
    with pytest.raises(InputError, match="cannot give the estimate 'distribution', only 'marginals' and 'hard'"):
        PipelineTeacher(ner, estimate="distribution").load()
    with pytest.raises(InputError, match=r"cannot give the estimate 'marginals', only 'hard'\. Set"):
        PipelineTeacher(ruler, estimate="marginals").load()
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(InputError, match="No component of it sets entities: it has none"):
        PipelineTeacher(tmp_path / "blank").load()
    nlp = spacy.load(ner)
    nlp.add_pipe("ner", name="more", source=spacy.load(ner))
    nlp.to_disk(tmp_path / "both")
    with pytest.raises(InputError, match="several components that find entities: ner, more"):
        PipelineTeacher(tmp_path / "both").load()
    assert PipelineTeacher(tmp_path / "both", pipe="more").labels == TAGS


def test_saved_and_loaded(ner, other, tmp_path):
    teacher = PipelineTeacher(models=[ner, other])
    docs = docs_of("Ana saw Rome")
    want, key = teacher(docs)[0], teacher.key
    teacher.to_disk(tmp_path / "saved")
    files = {p.relative_to(ner) for p in ner.rglob("*")}
    assert {p.relative_to(tmp_path / "saved" / "00") for p in (tmp_path / "saved" / "00").rglob("*")} == files
    loaded = PipelineTeacher().from_disk(tmp_path / "saved")
    assert loaded._members == []  # not before it is used
    np.testing.assert_array_equal(loaded(docs)[0], want)
    assert loaded.key == key and loaded.provenance == teacher.provenance
    loaded.to_disk(tmp_path / "saved")  # onto itself
    np.testing.assert_array_equal(PipelineTeacher().from_disk(tmp_path / "saved")(docs)[0], want)
    PipelineTeacher(ner).to_disk(tmp_path / "saved")
    assert sorted(p.name for p in (tmp_path / "saved").iterdir()) == ["00", "state.msgpack"]
    PipelineTeacher().to_disk(tmp_path / "none")
    assert PipelineTeacher().from_disk(tmp_path / "none").labels == []


def test_bytes(ner, ruler, tmp_path):
    """With a ruler whose patterns are texts: spaCy 3.8 forgets to use these after `nlp.from_bytes`."""
    teacher = PipelineTeacher(models=[ner, ruler])
    docs = docs_of("Ana saw New York")
    data = teacher.to_bytes()
    assert data == PipelineTeacher(models=[ner, ruler]).to_bytes()
    again = PipelineTeacher().from_bytes(data)
    np.testing.assert_array_equal(again(docs)[0], teacher(docs)[0])
    assert again.key == teacher.key and again.labels == teacher.labels
    again.to_disk(tmp_path / "saved")
    np.testing.assert_array_equal(PipelineTeacher().from_disk(tmp_path / "saved")(docs)[0], teacher(docs)[0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(again))(docs)[0], teacher(docs)[0])
    assert PipelineTeacher().from_bytes(PipelineTeacher().to_bytes()).labels == []


def test_a_pipeline_with_a_whole_model_has_no_bytes(tmp_path):
    nlp = spacy.blank("en")
    config = {"@xproj_teachers": "spacy_xproj.TokenClassifier.v1", "model": str(make_classifier(tmp_path / "hf"))}
    nlp.add_pipe("xproj_token_classifier", config={"teacher": config})
    nlp.to_disk(tmp_path / "nlp")
    with pytest.raises(XprojError, match=r"Pipeline.v1 holds a pipeline with a whole model.*to_disk"):
        PipelineTeacher(tmp_path / "nlp").to_bytes()


def test_the_key_tells_files_and_settings(ner, other, tmp_path):
    key = PipelineTeacher(ner).key
    shutil.copytree(ner, tmp_path / "copy")
    assert PipelineTeacher(tmp_path / "copy").key == key
    for changed in (
        PipelineTeacher(other),
        PipelineTeacher(ner, smoothing=0.1),
        PipelineTeacher(ner, pipe="ner"),
    ):
        assert changed.key != key


def test_a_copy_for_a_worker_has_no_weights(ner):
    teacher = PipelineTeacher(ner)
    docs = docs_of("Ana saw Rome")
    want = teacher(docs)[0]
    data = pickle.dumps(teacher)
    assert len(data) < 2000
    np.testing.assert_array_equal(pickle.loads(data)(docs)[0], want)


def test_from_a_config(ner):
    block = f'[t]\n@xproj_teachers = "spacy_xproj.Pipeline.v1"\nmodel = "{ner}"\nlabel_map = {{"PER": "X"}}'
    assert registry.resolve(Config().from_str(block))["t"].labels == make_tags(["LOC", "X"])
