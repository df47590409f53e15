"""Language codes on the command line: any spelling of one is the same language."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import spacy

from spacy_xproj import languages
from spacy_xproj.corpus import read_docs
from spacy_xproj.languages import spacy_lang
from spacy_xproj.runs.pipelines import load_pipeline
from spacy_xproj.translators.memory import Memory
from tests.cli.test_app import CONFIG, bad, good
from tests.conftest import MATCH, VERSES

# The table that version 1 of a memory had. Its codes are as they were given.
VERSION_1 = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, source_lang TEXT NOT NULL, target_lang TEXT NOT NULL, backend TEXT NOT NULL,
    source TEXT NOT NULL, target TEXT NOT NULL, spans TEXT, origin TEXT NOT NULL,
    UNIQUE (source_lang, target_lang, source, backend)
);
CREATE INDEX without_spaces ON entries (source_lang, target_lang, replace(source, ' ', ''));
PRAGMA application_id = 2020637293;
PRAGMA user_version = 1;
"""
ENTRY = "INSERT INTO entries (source_lang, target_lang, backend, source, target, origin) VALUES (?, ?, ?, ?, ?, '')"


def old_memory(path, lang="lug", source_lang="eng", pairs=VERSES, backend=""):
    """A memory of version 1."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(VERSION_1)
        connection.executemany(ENTRY, [(source_lang, lang, backend, source, target) for source, target in pairs])
    return path


def translate(corpus, lang, *more, memory="memory.db"):
    path = ("--components.xproj_translator.forward.path", corpus / memory)
    return "translate", corpus / "src.conll", corpus / "b.spacy", "--lang", lang, "--config", "translate", *path, *more


@pytest.mark.parametrize("filled, asked", [("lug", "lg"), ("lg", "lug"), ("lug_Latn", "lg"), ("LG", "lug-Latn")])
def test_a_memory_is_found_by_any_spelling_of_its_languages(corpus, filled, asked):
    Memory(corpus / "memory.db").add(VERSES, "eng", filled)
    text = good(*translate(corpus, asked, "--source-lang", "en"))
    assert "Wrote 5 of 5 Docs" in text
    assert (f"Language {asked} → lg (Ganda)" in text) == (asked != "lg")


def test_old_memories_are_found_by_any_spelling(corpus):
    old_memory(corpus / "memory.db")
    assert "Wrote 5 of 5" in good(*translate(corpus, "lg"))
    assert Memory(corpus / "memory.db").add([(VERSES[0][0], "x")], "en", "lg")["conflicts"] == 1


def test_old_memories_that_must_not_be_written_to(corpus):
    before = old_memory(corpus / "memory.db").read_bytes()
    memory = Memory(corpus / "memory.db", read_only=True)
    found = memory(["the house is red", "the house is red ."], "en", "lg")
    assert [each.text for each in found] == ["la casa es roja", None]
    assert (corpus / "memory.db").read_bytes() == before


def test_of_two_spellings_in_an_old_memory_the_first_entry_stays(corpus):
    with closing(sqlite3.connect(old_memory(corpus / "memory.db"))) as connection, connection:
        connection.execute(ENTRY, ("en", "lg", "", VERSES[0][0], "another"))
    with pytest.warns(UserWarning, match="1 of 6 entries"):
        memory = Memory(corpus / "memory.db")
    assert memory([VERSES[0][0]], "en", "lg")[0].text == "la casa es roja"


def test_a_fitted_pipeline_is_for_any_spelling_of_its_language(corpus):
    text = good("fit", corpus / "bitext.spacy", corpus / "model", "--config", CONFIG, "--lang", "lug")
    assert "Language lug → lg (Ganda)" in text
    assert spacy.load(corpus / "model").lang == "lg"
    args = ("project", corpus / "bitext.spacy", corpus / "out.spacy", "--config", corpus / "model")
    assert "Projected" in good(*args, "--lang", "lg") and "Projected" in good(*args, "--lang", "lug-Latn")
    assert "the pipeline is for 'lg', not for 'de'" in bad(*args, "--lang", "deu")


def test_codes_in_configs_and_among_their_values(corpus):
    path = corpus / "match.cfg"
    path.write_text(Path(CONFIG).read_text().replace('lang = "xx"', 'lang = "lug"'))
    good("fit", corpus / "bitext.spacy", corpus / "one", "--config", path)
    good("fit", corpus / "bitext.spacy", corpus / "two", "--config", CONFIG, "--nlp.lang", "lug")
    assert [spacy.load(corpus / name).lang for name in ("one", "two")] == ["lg", "lg"]


def test_the_source_language_goes_into_the_payload_by_its_usual_code(corpus):
    Memory(corpus / "memory.db").add(VERSES, "pcm", "es")
    good(*translate(corpus, "spa", "--source-lang", "pcm"))  # Nigerian Pidgin, for which spaCy has no data
    docs = list(read_docs(corpus / "b.spacy", spacy.blank("es")))
    assert {doc._.xproj.lang for doc in docs} == {"pcm"}


def test_languages_that_spacy_has_no_data_for(corpus, monkeypatch):
    monkeypatch.setattr(languages, "_warned", set())
    Memory(corpus / "memory.db").add(VERSES, "en", "pcm")
    assert "cannot make a blank pipeline for 'pcm'" in good(*translate(corpus, "pcm"))
    good("fit", corpus / "b.spacy", corpus / "model", "--config", CONFIG, "--lang", "pcm")
    assert json.loads((corpus / "model/meta.json").read_text())["xproj_lang"] == "pcm"
    assert spacy.load(corpus / "model").lang == spacy_lang("pcm") == "xx"
    assert "not for 'lg'" in bad("fit", corpus / "b.spacy", corpus / "o", "--config", corpus / "model", "--lang", "lug")


@pytest.mark.filterwarnings("ignore:spaCy cannot make")
def test_translators_are_told_the_true_language(corpus):
    """Also where the config takes it from that of the pipeline, which is another one."""
    path = corpus / "nmt.cfg"
    similarity = MATCH.replace("Links", "Translation") + 'source_lang = "eng"\ntarget_lang = ${system.target_lang}\n'
    path.write_text(similarity + "[system]\ntarget_lang = ${nlp.lang}\n")
    similarity = load_pipeline(path, "pcm").get_pipe("xproj_matcher").similarity
    assert (similarity.source_lang, similarity.target_lang) == ("en", "pcm")


@pytest.mark.parametrize(
    "code, near",
    [("luganda", "'lg' (Ganda)"), ("spanish", "'es' (Spanish)"), ("English!", "'en' (English)"), ("zzz", "got 'zzz'.")],
)
@pytest.mark.parametrize("option", ["--lang", "--source-lang"])
def test_wrong_codes(corpus, code, near, option):
    args = ("project", corpus / "bitext.spacy", corpus / "out.spacy", "--config", CONFIG)
    text = bad(*args, option, code)
    assert f"Expected a language code of ISO 639, such as 'en' or 'tn', got {code!r}." in text and near in text
    assert not (corpus / "out.spacy").exists()
