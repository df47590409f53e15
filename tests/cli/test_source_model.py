"""--source-model: a model labels the source."""

import pytest
import spacy

from spacy_xproj.corpus import read_docs
from spacy_xproj.errors import XprojError
from spacy_xproj.labels import LabelFilter
from spacy_xproj.runs.source_labels import SourceLabeler
from spacy_xproj.translators.memory import Memory
from tests.cli.test_app import bad, good
from tests.conftest import VERSES, ents, names
from tests.teachers.tiny_classifier import make_classifier
from tests.teachers.tiny_pipelines import TRAIN, make_ner

PATTERNS = [{"label": "PERSON", "pattern": "Ana"}, {"label": "GPE", "pattern": "Rome"}]


def make_ruler(folder, lang="en", patterns=PATTERNS):
    """A pipeline that sets sentences and entities."""
    nlp = spacy.blank(lang)
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    nlp.to_disk(folder)
    return folder


@pytest.fixture
def call(tmp_path):
    memory = Memory(tmp_path / "memory.db")
    memory.add([*VERSES, ("Ana saw a dog. It is in Rome.", "Ana vio un perro. Está en Roma.")], "en", "es")
    source = [text for text, _ in VERSES] + ["Ana saw a dog. It is in Rome."]
    (tmp_path / "src.txt").write_text("\n".join(source) + "\n")
    path = ("--components.xproj_translator.forward.path", tmp_path / "memory.db")
    model = make_ruler(tmp_path / "model")
    return lambda *more, source="src.txt", out="out.spacy", model=model: (
        "translate", tmp_path / source, tmp_path / out, "--lang", "es", "--config", "translate", *path,
        "--source-model", model, *more,
    )  # fmt: skip


def docs(path):
    return list(read_docs(path, spacy.blank("es")))


@pytest.mark.parametrize("out", ["out.spacy", "out"])
def test_translate(tmp_path, call, out):
    text = good(*call("--label-map", "PERSON=PER,GPE=LOC", "--shard", 2, out=out))
    assert "Wrote 6 of 6 Docs" in text  # the line of two sentences too, though the model sets sentences
    found = docs(tmp_path / out)
    assert [[(s.start, s.end, s.label) for s in doc._.xproj.spans] for doc in found] == [
        *([[]] * 3), [(0, 1, "PER")], [(3, 4, "LOC")], [(0, 1, "PER"), (8, 9, "LOC")],
    ]  # fmt: skip
    assert found[-1]._.xproj.sents == () and not found[-1]._.xproj.unknown
    assert found[0]._.xproj.provenance["source_model"].startswith("en_pipeline 0.0.0 (")


def test_what_is_labeled_is_refused(tmp_path, call):
    (tmp_path / "labeled.conll").write_text("Ana\tB-PER\nsaw\tO\n\n")
    before = names(tmp_path)
    assert "'Ana saw' is labeled already" in bad(*call(source="labeled.conll"))
    assert names(tmp_path) == before


def test_labels_that_do_not_fit(tmp_path, call):
    before = names(tmp_path)
    message = bad(*call("--labels", "PERSON,LOC"))
    assert "does not find all labels" in message and "--labels names LOC" in message
    assert "The labels that occur are GPE, PERSON" in message and names(tmp_path) == before
    assert "Wrote" in good(*call("--labels", "PERSON"))
    assert {s.label for doc in docs(tmp_path / "out.spacy") for s in doc._.xproj.spans} == {"PERSON"}


def test_a_label_that_the_model_knows_and_does_not_find(tmp_path, call):
    (tmp_path / "src.txt").write_text("a house in Rome\n")
    good(*call("--labels", "PERSON,GPE"))


def test_other_languages(tmp_path, call):
    before = names(tmp_path)
    message = bad(*call("--source-lang", "fr"))
    assert "is a pipeline for 'en', but the language of the source is 'fr'" in message and names(tmp_path) == before
    good(*call("--source-lang", "en", model=make_ruler(tmp_path / "any", "xx")))
    assert docs(tmp_path / "out.spacy")[0]._.xproj.lang == "en"


def test_another_model_is_another_run(tmp_path, call):
    good(*call(out="out"))
    make_ruler(tmp_path / "model", patterns=PATTERNS[:1])
    assert "the source model file changed" in good(*call(out="out"))
    assert [s.label for doc in docs(tmp_path / "out") for s in doc._.xproj.spans] == ["PERSON"] * 2
    (tmp_path / "model").rename(tmp_path / "moved")
    assert "made from something else" not in good(*call(out="out", model=tmp_path / "moved"))


@pytest.mark.parametrize(
    "model, message",
    [("no_such_package", "'no_such_package'"), ("src.txt", "src.txt"), ("blank", "its components are sentencizer")],
)
def test_bad_models(tmp_path, call, model, message):
    blank = spacy.blank("en")
    blank.add_pipe("sentencizer")
    blank.to_disk(tmp_path / "blank")
    before = names(tmp_path)
    assert message in bad(*call(model=tmp_path / model if (tmp_path / model).exists() else model))
    assert names(tmp_path) == before


def test_a_token_classifier(tmp_path, call):
    folder = make_classifier(tmp_path / "classifier", labels=("O", "B-PER", "I-PER", "B-LOC", "I-LOC"))
    good(*call("--labels", "PER", model=folder))
    assert {s.label for doc in docs(tmp_path / "out.spacy") for s in doc._.xproj.spans} == {"PER"}
    assert "--labels names ORG" in bad(*call("--labels", "PER,ORG", model=folder))


def test_docs_in_docs_out(tmp_path):
    """Of any vocab and in batches of any size. Only the pipes that are needed run, and sentences stay as they are."""
    nlp = spacy.load(make_ner(tmp_path / "ner", shared=True))
    nlp.add_pipe("sentencizer", first=True)
    nlp.add_pipe("entity_linker", config={"incl_prior": False})
    nlp.to_disk(tmp_path / "ner2")
    labeler = SourceLabeler(tmp_path / "ner2", "en", LabelFilter((), {"PER": "PERSON"}))
    assert labeler.nlp.pipe_names == ["tok2vec", "ner"] and labeler.labels == ["LOC", "PER"]
    other = spacy.blank("en")
    made = lambda: [other(text) for text, _ in TRAIN]  # noqa: E731
    found = []
    for size in (1, 3, 100):
        labeler.nlp.batch_size = size
        found.append([ents(doc) for doc in labeler(made())])
    assert found[0] == found[1] == found[2] and found[0][0] == [(0, 1, "PERSON"), (3, 4, "LOC")]
    (doc,) = labeler(made()[:1])
    assert doc.vocab is other.vocab and not doc.has_annotation("SENT_START")
    with pytest.raises(XprojError, match="labeled already"):
        list(labeler([doc]))
