"""No verb ends well that did not do what it is for: exit code 1, one message, nothing left."""

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_xproj.cli import app
from tests.conftest import CONFIGS, names, said
from tests.runs.test_rounds import SMALL, TEACHERS, Lists, registry, work  # noqa: F401  (a fixture)

CALLS = {
    "translate": ("src.conll", "out.spacy", "--lang", "es"),
    "project": ("bitext.spacy", "out.spacy", "--lang", "es"),
    "evaluate": ("src.conll", "tgt.conll", "--lang", "es"),
    "fit": ("bitext.spacy", "out", "--lang", "es"),
    "teach": ("tgt.conll", "out.spacy", "--lang", "es"),
}
PIPE = '[nlp]\nlang = "es"\npipeline = ["a"]\n[components]\n[components.a]\n'
LACKING = {
    "translate": "has no xproj_translator",
    "project": "Expected a pipeline that projects, with an xproj_matcher, xproj_projector or xproj_merger, but its",
    "evaluate": "Nothing in this pipeline finds entities",
    "fit": "Nothing in this pipeline learns from a bitext",
    "teach": "Expected a pipeline with an xproj_teacher",
}


@registry.xproj_teachers("test.Silent.v1")
def make_silent():
    teacher = Lists()
    teacher.__class__ = Silent
    return teacher


class Silent(Lists):
    """Finds nothing."""

    def __call__(self, docs):
        found = super().__call__(docs)
        for rows in found:
            rows[:] = [0.9] + [0.025] * (rows.shape[1] - 1)
        return found


def call(*words):
    result = CliRunner().invoke(app, [*map(str, words)])
    assert "Traceback" not in result.output and (result.exception is None or isinstance(result.exception, SystemExit))
    return result.exit_code, said(result)


def with_config(verb, corpus, text):
    (corpus / "bad.cfg").write_text(text)
    before = names(corpus)
    words = [corpus / word if "." in word or word == "out" else word for word in CALLS[verb]]
    code, found = call(verb, *words, "--config", corpus / "bad.cfg")
    assert code == 1 and "✔" not in found, found
    assert names(corpus) == before
    return found


@pytest.mark.parametrize("verb", CALLS)
def test_configs_without_the_pipe_that_the_verb_needs(verb, corpus):
    assert LACKING[verb] in with_config(verb, corpus, PIPE + 'factory = "sentencizer"\n')
    if verb == "project":
        assert "its pipes are a." in with_config(verb, corpus, PIPE + 'factory = "xproj_aligner"\n')


@pytest.mark.parametrize("verb", CALLS)
def test_configs_that_cannot_be_made(verb, corpus):
    found = with_config(verb, corpus, PIPE + 'factory = "xproj_matchr"\n')
    assert "bad.cfg: The pipeline cannot be made" in found and "xproj_matchr" in found
    assert "Can't find model 'no_such'" in with_config(verb, corpus, PIPE + 'source = "no_such"\n')
    found = with_config(verb, corpus, PIPE + 'factory = "ner"\n')
    assert "bad.cfg: The pipe 'a' of this config has not been trained. Train it with 'spacy train'" in found


def test_selftraining_that_learns_nothing(work):  # noqa: F811
    args = ["selftrain", work / "raw.txt", work / "out", "--teachers", work / "teach.cfg", "--dev", work / "dev.spacy"]
    args += ["--config", CONFIGS / "student_cpu.cfg", "--lang", "es", "--rounds", 2]
    less = {**SMALL, "training.optimizer.learn_rate": 0.0, "training.max_steps": 2, "training.eval_frequency": 2}
    args += [part for name, value in less.items() if name != "nlp.lang" for part in (f"--{name}", value)]
    code, found = call(*args)
    assert code == 1 and "the first student finds nothing: its F1 is 0" in found and "best student" not in found, found
    assert (work / "out" / "round-1" / "soft.spacy").exists() and not (work / "out" / "best").exists()
    assert call(*args)[0] == 1


def test_teachers_that_find_nothing(work):  # noqa: F811
    (work / "teach.cfg").write_text(TEACHERS.replace("Lists", "Silent"))
    args = ["--teachers", work / "teach.cfg", "--config", CONFIGS / "student_cpu.cfg", "--lang", "es"]
    code, found = call("selftrain", work / "raw.txt", work / "out", *args)
    assert code == 1 and "found not one entity in it" in found and not (work / "out").exists()
    code, found = call("teach", work / "raw.txt", work / "soft.spacy", "--config", work / "teach.cfg")
    assert code == 0 and "✔" not in found and "No entity is likelier than none" in found


def test_soft_labels_that_are_all_masked(work):  # noqa: F811
    """Two teachers that never agree."""
    second = '\n[components.xproj_teacher.teachers.none]\n@xproj_teachers = "test.Other.v1"\n'
    (work / "teach.cfg").write_text(TEACHERS.replace('factory = "xp', 'agreement = "mask"\nfactory = "xp') + second)
    before = names(work)
    code, found = call("teach", work / "raw.txt", work / "soft.spacy", "--config", work / "teach.cfg")
    assert code == 1 and "tokens all are masked" in found and "✔" not in found
    assert names(work) == before


@registry.xproj_teachers("test.Other.v1")
def make_other():
    teacher = Lists()
    teacher.__class__ = Other
    return teacher


class Other(Lists):
    """Never says what the lists say."""

    def __call__(self, docs):
        return [rows[:, [4, 0, 1, 2, 3]] for rows in super().__call__(docs)]


def test_fitting_what_is_fitted(corpus):
    config = ("--config", CONFIGS / "project_match.cfg", "--lang", "es")
    assert call("fit", corpus / "bitext.spacy", corpus / "one", *config)[0] == 0
    code, found = call("fit", corpus / "bitext.spacy", corpus / "two", "--config", corpus / "one")
    assert code == 0 and "Nothing was left to fit" in found and "✔" not in found


@pytest.mark.parametrize("name, text", [("a.jsonl", "\n\n"), ("a.conll", "\n\n"), ("a.txt", ""), ("a.tsv", "\n")])
def test_inputs_without_a_doc(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    code, found = call("convert", tmp_path / name, tmp_path / "out.spacy", "--source-lang", "en")
    assert code == 1 and "✔" not in found and name in found
    assert names(tmp_path) == {name}


def test_a_bitext_without_a_pair(corpus):
    """Nothing is linked and nothing learnt where no Doc has a source side."""
    nlp = spacy.blank("es")
    DocBin(docs=[nlp.make_doc("la casa")]).to_disk(corpus / "plain.spacy")
    before = names(corpus)
    said_so = {"fit": "not one Doc of the input has a source side", "project": "no Doc has a source side"}
    for verb, out in (("fit", "model"), ("project", "out.spacy")):
        for name in ("project_match", "project_ranker"):
            code, found = call(verb, corpus / "plain.spacy", corpus / out, "--config", name, "--lang", "es")
            assert code == 1 and said_so[verb] in found and "✔" not in found, found
            assert names(corpus) == before
