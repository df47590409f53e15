"""`xproj memory`: fills, exports and shows a translation memory."""

import json

import pytest
import spacy

from spacy_xproj.corpus import read_docs
from spacy_xproj.translators.memory import Memory
from tests.cli.test_app import bad, good
from tests.conftest import VERSES, names

TSV = "".join(f"{source}\t{target}\n" for source, target in VERSES)
JSONL = "".join(json.dumps({"source": source, "target": target}) + "\n" for source, target in VERSES)
LANG = ("--lang", "es")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.tsv").write_text(TSV, encoding="utf-8")
    (tmp_path / "a.jsonl").write_text(JSONL, encoding="utf-8")
    (tmp_path / "a.en").write_text("".join(f"{source}\n" for source, _ in VERSES), encoding="utf-8")
    (tmp_path / "a.es").write_text("".join(f"{target}\n" for _, target in VERSES), encoding="utf-8")
    return tmp_path


def texts(path, *asked, lang="es"):
    return [each.text for each in Memory(path, read_only=True)(asked, "en", lang)]


@pytest.mark.parametrize("name", ["a.tsv", "a.jsonl"])
def test_fill_and_export(folder, name):
    db = folder / "new" / "m.db"
    text = good("memory", folder / name, db, *LANG)
    assert "added 5 entries from en to es" in text and "skipped 0" in text and "conflicts 0" in text
    assert texts(db, "the house is red") == ["la casa es roja"]
    for end in ("tsv", "jsonl", "tmx"):
        assert f"Wrote 5 entries to {folder}/b.{end}" in good("memory", db, "--export", folder / f"b.{end}", *LANG)
        assert "known 5" in good("memory", folder / f"b.{end}", db, *LANG)
    assert (folder / "b.tsv").read_text(encoding="utf-8") == TSV


def test_several_files_and_languages_in_any_spelling(folder):
    (folder / "b.tsv").write_text("x\ty\n")
    text = good("memory", folder / "a.tsv", folder / "b.tsv", folder / "m.db", "--lang", "lug", "--source-lang", "eng")
    assert "Language lug → lg (Ganda)" in text and "added 6 entries from en to lg" in text
    assert texts(folder / "m.db", "x", lang="lg") == ["y"]
    good("memory", folder / "a.tsv", folder / "m.db", *LANG, "--both")
    shown = good("memory", folder / "m.db")
    assert "en → es 5 0" in shown and "en → lg 6 0" in shown and "es → en 5 0" in shown


def test_parallel_lines(folder):
    args = ("memory", folder / "a.en", folder / "a.es", folder / "m.db", *LANG)
    assert "give it by name" in bad(*args)
    text = good(*args, "--parallel")
    assert "added 5" in text and texts(folder / "m.db", VERSES[4][0]) == [VERSES[4][1]]
    (folder / "a.es").write_text("uno\n\ntres\n")
    (folder / "a.en").write_text("one\ntwo\nthree\n")
    assert "added 2" in (text := good(*args, "--parallel")) and "skipped 1" in text
    (folder / "a.en").write_text("one\ntwo\nthree\nfour\n")
    text = bad(*args[:3], folder / "n.db", *LANG, "--parallel")
    assert "a.en, line 4" in text and "a.es ends at line 3" in text and not (folder / "n.db").exists()
    assert "got 1 files" in bad("memory", folder / "a.en", folder / "m.db", *LANG, "--parallel")


def test_conflicts_are_counted_listed_and_replaced_on_request(folder):
    (folder / "b.tsv").write_text("the house is red\tes roja la casa\nnew\tnuevo\n")
    good("memory", folder / "a.tsv", folder / "m.db", *LANG)
    args = ("memory", folder / "b.tsv", folder / "m.db", *LANG)
    text = good(*args, "--conflicts", folder / "c.jsonl")
    assert "added 1 known 0 replaced 0" not in text and "conflicts 1" in text and "listed in" in text
    assert [json.loads(line) for line in (folder / "c.jsonl").read_text().splitlines()] == [
        {"source": "the house is red", "target": "la casa es roja", "left_out": "es roja la casa", "file": "b.tsv"}
    ]
    assert texts(folder / "m.db", "the house is red") == ["la casa es roja"]
    text = good(*args, "--overwrite")
    assert "replaced 1" in text and "conflicts 0" in text
    assert texts(folder / "m.db", "the house is red") == ["es roja la casa"]


def test_what_is_wrong(folder):
    (folder / "bad.tsv").write_text("a\tb\nc\n")
    text = bad("memory", folder / "a.tsv", folder / "bad.tsv", folder / "m.db", *LANG)
    assert "bad.tsv, line 2" in text and not (folder / "m.db").exists()
    good("memory", folder / "a.tsv", folder / "m.db", *LANG)
    before = names(folder)
    assert "Give --lang" in bad("memory", folder / "a.tsv", folder / "m.db")
    assert "Give --lang" in bad("memory", folder / "m.db", "--export", folder / "b.tsv")
    text = bad("memory", folder / "m.db", "--export", folder / "b.tsv", "--lang", "lg")
    assert "nothing from 'en' to 'lg', only en → es" in text
    assert "no such file" in bad("memory", folder / "none.db")
    assert "Expected a translation memory" in bad("memory", folder / "a.en")
    assert names(folder) == before


# A memory as translator


def translate(folder, *more, text=None):
    if text is not None:
        (folder / "text.jsonl").write_text(json.dumps({"text": text, "spans": []}) + "\n")
    path = ("--components.xproj_translator.forward.path", folder / "m.db")
    return "translate", folder / "text.jsonl", folder / "b.spacy", *LANG, "--config", "translate", *path, *more


def docs(folder):
    return list(read_docs(folder / "b.spacy", spacy.blank("es")))


def test_a_whole_text_is_looked_up_before_its_sentences(folder):
    pairs = [("It rains. Ana saw it.", "Llueve, y Ana lo vio."), ("It rains.", "Llueve."), ("Go.", "Ve.")]
    Memory(folder / "m.db").add(pairs, "en", "es")
    text = good(*translate(folder, "--sentences", text="It rains. Ana saw it."))
    assert "docs translated as one text 1" in text
    (doc,) = docs(folder)
    assert doc.text == "Llueve, y Ana lo vio." and doc._.xproj.provenance["translated"] == "as one text"
    assert not doc._.xproj.sents and doc._.xproj.text == "It rains. Ana saw it."
    text = good(*translate(folder, "--sentences", text="It rains. Go."))
    assert "as one text" not in text and "not translated" not in text
    (doc,) = docs(folder)
    assert doc.text == "Llueve. Ve." and len(doc._.xproj.sents) == 2 and "translated" not in doc._.xproj.provenance


def test_a_whole_text_is_looked_up_on_the_way_back_too():
    nlp = spacy.blank("es")
    nlp.add_pipe("sentencizer")
    pipe = nlp.add_pipe("xproj_translator", config={"back": {"@xproj_translators": "spacy_xproj.Memory.v1"}})
    pipe.source = spacy.blank("en")
    pipe.back.add([("Llueve. Ana lo vio.", "It rains, and Ana saw it."), ("Llueve.", "It rains.")], "es", "en")
    bitext = nlp("Llueve. Ana lo vio.")._.xproj
    assert bitext.text == "It rains, and Ana saw it." and bitext.provenance["translated"] == "as one text"
    assert nlp("Llueve. Llueve.")._.xproj.text.split() == ["It", "rains.It", "rains."]


def test_what_is_passed_over_is_counted_and_can_be_kept_apart(folder):
    Memory(folder / "m.db").add([("\u201cGo, BBC!\u201d", "\u00a1Ve!")], "en", "es")
    text = good(*translate(folder, text='"Go , bbc !"'))
    assert all(f"docs found ignoring {name} 1" in text for name in ("spaces", "quotes", "case"))
    assert docs(folder)[0]._.xproj.provenance["ignored"] == "case, quotes, spaces"
    off = "--components.xproj_translator.forward.ignore_case"
    assert "Nothing was translated" in bad(*translate(folder, off, "false"))


def test_nothing_found_names_the_nearest_text_and_the_languages(folder):
    good("memory", folder / "a.tsv", folder / "m.db", *LANG)
    text = bad(*translate(folder, text="the house is rad"))
    assert "first text that was asked for is 'the house is rad'" in text
    assert "The nearest text in the memory is 'the house is red' (94 % alike)." in text and "--sentences" in text
    assert "--sentences" not in bad(*translate(folder, "--sentences"))
    text = bad(*translate(folder, "--lang", "lug"))
    assert "m.db has nothing from 'en' to 'lg', only en \u2192 es." in text
    assert "m.db has nothing from 'de' to 'es', only en \u2192 es." in bad(*translate(folder, "--source-lang", "de"))
