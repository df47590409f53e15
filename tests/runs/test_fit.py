import warnings

import pytest
import spacy

from spacy_xproj.corpus import read_docs
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.files import replacing_folder
from spacy_xproj.fitting import unfitted
from spacy_xproj.runs.project import fit, project
from tests.conftest import CONFIGS, ents, names

CONFIG = CONFIGS / "project_match.cfg"


def test_fit(corpus):
    assert fit(corpus / "bitext.spacy", corpus / "model", CONFIG, "es").names == ["xproj_aligner"]
    nlp = spacy.load(corpus / "model")
    assert nlp.lang == "es" and unfitted(nlp) == []
    docs = list(nlp.pipe(read_docs(corpus / "bitext.spacy", nlp)))
    assert [ents(doc) for doc in docs[3:]] == [[(0, 1, "PER")], [(3, 4, "LOC")]]
    counts = project(corpus / "bitext.spacy", corpus / "out.spacy", corpus / "model")
    assert counts["projected"] == 2


def test_same_bytes_again(corpus):
    fit(corpus / "bitext.spacy", corpus / "one", CONFIG, "es")
    fit(corpus / "bitext.spacy", corpus / "two", CONFIG, "es")
    for part in ("config.cfg", "xproj_aligner/aligner"):
        assert (corpus / "one" / part).read_bytes() == (corpus / "two" / part).read_bytes()


def test_fit_on_lines(corpus):
    (corpus / "a.tsv").write_text("the house\tla casa\nthe dog\tel perro\n")
    assert fit(corpus / "a.tsv", corpus / "model", CONFIG, "es", "en").names == ["xproj_aligner"]


def test_a_pipeline_is_replaced(corpus):
    fit(corpus / "bitext.spacy", corpus / "model", CONFIG, "es")
    before = (corpus / "model" / "xproj_aligner" / "aligner").read_bytes()
    (corpus / "a.tsv").write_text("the house\tla casa\n")
    with pytest.warns(UserWarning, match="model was made from something else: the input changed"):
        fit(corpus / "a.tsv", corpus / "model", CONFIG, "es")
    assert (corpus / "model" / "xproj_aligner" / "aligner").read_bytes() != before
    assert not [n for n in names(corpus) if ".tmp" in n]


def test_other_files_are_not_removed(corpus):
    """A folder that happens to hold a meta.json was removed before, with all that was in it."""
    for name in ("meta.json", "precious.txt"):
        (corpus / "mine").mkdir(exist_ok=True)
        (corpus / "mine" / name).write_text("mine")
    fit(corpus / "bitext.spacy", corpus / "model", CONFIG, "es")
    (corpus / "model" / "notes.txt").write_text("mine")
    before = names(corpus)
    (corpus / "a.tsv").write_text("the house\tla casa\n")
    for out, message in (("mine", "was not written by xproj"), ("model", r"notes\.txt, which xproj did not write")):
        with pytest.raises(XprojError, match=message):
            fit(corpus / "a.tsv", corpus / out, CONFIG, "es")
    assert names(corpus) == before | {"a.tsv"}


def test_a_fitted_pipeline_is_not_fitted_again(corpus):
    first = fit(corpus / "bitext.spacy", corpus / "model", CONFIG, "es")
    before = (corpus / "model" / "meta.json").stat().st_mtime_ns
    again = fit(corpus / "bitext.spacy", corpus / "model", CONFIG, "es")
    assert again[1:] == first[1:] and (corpus / "model" / "meta.json").stat().st_mtime_ns == before
    (corpus / "model" / "meta.json").write_text("{}")  # damaged
    fit(corpus / "bitext.spacy", corpus / "model", CONFIG, "es")
    assert spacy.load(corpus / "model").lang == "es"


def test_overrides(corpus):
    overrides = {"components.xproj_aligner.aligner.stem": 3}
    fit(corpus / "bitext.spacy", corpus / "model", CONFIG, "es", overrides=overrides)
    assert spacy.load(corpus / "model").get_pipe("xproj_aligner").aligner.stem == 3


def test_nothing_to_fit(corpus):
    with pytest.raises(InputError, match="Nothing in this pipeline learns from a bitext"):
        fit(corpus / "bitext.spacy", corpus / "model", corpus / "match.cfg")
    fit(corpus / "bitext.spacy", corpus / "model", CONFIG, "es")
    assert fit(corpus / "bitext.spacy", corpus / "copy", corpus / "model").names == []


def test_what_cannot_be_used(corpus):
    (corpus / "empty.tsv").write_text("")
    (corpus / "bad.tsv").write_bytes(b"a\tb\nonly one side\n")
    (corpus / "full").mkdir()
    (corpus / "full" / "precious.txt").write_text("mine")
    before = names(corpus)
    for name, out, message in (
        ("empty.tsv", "model", "empty"),
        ("bad.tsv", "model", "bad.tsv, line 2: Expected source<TAB>target"),
        ("nothing.spacy", "model", "no such file"),
        ("bitext.spacy", "full", "not empty, and was not written by xproj"),
        ("bitext.spacy", "match.cfg", "match.cfg"),
    ):
        with pytest.raises((XprojError, NotADirectoryError), match=message):
            fit(corpus / name, corpus / out, CONFIG, "es")
    with pytest.raises(InputError, match="no such config"):
        fit(corpus / "bitext.spacy", corpus / "model", corpus / "nothing.cfg")
    assert names(corpus) == before


def test_over_what_another_verb_wrote(corpus):
    """Such as the best student of self-training, whose note has no key."""
    with replacing_folder(corpus / "model") as new:
        (new / "weights").write_text("")
    with pytest.warns(UserWarning, match="model was made from something else"):
        fit(corpus / "bitext.spacy", corpus / "model", CONFIG, "es")
    assert spacy.load(corpus / "model").pipe_names


def test_a_link_to_a_folder(corpus):
    (corpus / "disk").mkdir()
    (corpus / "model").symlink_to("disk")
    for bitext in ("bitext.spacy", "bitext.spacy", "a.tsv"):
        (corpus / "a.tsv").write_text("the house\tla casa\n")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit(corpus / bitext, corpus / "model", CONFIG, "es")
        assert (corpus / "model").is_symlink() and (corpus / "disk" / "meta.json").exists()
    assert not [name for name in names(corpus) if name.startswith(".")]
