"""What a run reads, and what an earlier run wrote, stays if the run fails; and nothing is written over what is read."""

import json
import shutil

import pytest

from spacy_xproj.corpus.manifest import Manifest
from spacy_xproj.runs import shards, steps
from spacy_xproj.translators.memory import Memory
from tests.cli.test_app import bad, good, invoke, said
from tests.conftest import CONFIGS, VERSES, names

MATCH = CONFIGS / "project_match.cfg"


@pytest.fixture
def filled(corpus):
    """The folder `corpus`, with a memory, and a source of which it has nothing."""
    Memory(corpus / "memory.sqlite").add(VERSES, "en", "es")
    (corpus / "other.conll").write_text("Nobody B-PER\nknows O\n", encoding="utf-8")
    return corpus


def translate_args(folder, source, out, *more):
    config = ("--config", CONFIGS / "translate.cfg", "--paths.memory", folder / "memory.sqlite")
    return "translate", folder / source, folder / out, "--lang", "es", *config, *more


def contents(folder):
    return {name: (folder / name).read_bytes() for name in names(folder)}


@pytest.mark.parametrize(
    "verb, source, more",
    [
        ("project", "bitext.spacy", ("--lang", "es", "--config", MATCH)),
        ("convert", "bitext.spacy", ("--lang", "es")),
        ("convert", "src.conll", ("--lang", "es")),
        ("project", "shards", ("--lang", "es", "--config", MATCH)),
        ("convert", "shards", ("--lang", "es")),
    ],
)
def test_nothing_is_written_over_what_is_read(corpus, verb, source, more):
    good("convert", corpus / "bitext.spacy", corpus / "shards", "--shard", 2)
    before = contents(corpus)
    assert "would be written over" in bad(verb, corpus / source, corpus / "." / source, *more)
    assert contents(corpus) == before


def test_neither_side_of_a_pair_is_written_over(corpus):
    good("convert", corpus / "src.conll", corpus / "src.spacy")
    good("convert", corpus / "tgt.conll", corpus / "tgt.spacy", "--lang", "es")
    before = contents(corpus)
    for out in ("src.spacy", "tgt.spacy"):
        text = bad("pair", corpus / "src.spacy", corpus / "tgt.spacy", corpus / out, "--lang", "es")
        assert "would be written over" in text and contents(corpus) == before
    link = corpus / "link.spacy"
    link.symlink_to(corpus / "src.spacy")
    assert "would be written over" in bad("pair", corpus / "src.spacy", corpus / "tgt.spacy", link, "--lang", "es")


@pytest.mark.parametrize("out", ["out.spacy", "out"])
def test_a_translation_that_finds_nothing_leaves_what_was_there(filled, out):
    good(*translate_args(filled, "src.conll", out, "--license", "CC0"))
    before = contents(filled)
    assert "Nothing was translated" in bad(*translate_args(filled, "other.conll", out))
    labels = ("--components.xproj_translator.labels", '["ORG"]')
    assert "leave out all entities" in bad(*translate_args(filled, "src.conll", out, *labels))
    after = contents(filled)
    assert json.loads(after.pop(f"{out}.rejected.jsonl"))["text"] == "Nobody knows"
    assert after == before


def test_a_translation_that_finds_nothing_leaves_no_folder(filled):
    before = names(filled)
    for _ in range(2):
        assert "Nothing was translated" in bad(*translate_args(filled, "other.conll", "out"))
        assert names(filled) == before | {"out.rejected.jsonl"} and not (filled / "out").exists()


def test_an_output_that_cannot_be_one_leaves_no_pieces(corpus):
    shutil.copy(corpus / "bitext.spacy", corpus / "b.spacy")
    (corpus / "full").mkdir()
    (corpus / "full" / "notes.txt").write_text("mine")
    before = contents(corpus)
    for out, message in (("links.pharaoh", "is a file"), ("full", "is not empty and has no manifest.json")):
        text = bad("pair", corpus / "src.conll", corpus / "tgt.conll", corpus / out, "--lang", "es")
        assert message in text and contents(corpus) == before
        text = bad("project", corpus / "b.spacy", corpus / out, "--lang", "es", "--config", MATCH)
        assert message in text and not (corpus / f"{out}.input").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("memory", "t.tsv", "m.sqlite", "--lang", "es", "--conflicts", "t.tsv"),
        ("memory", "t.tsv", "m.sqlite", "--lang", "es", "--conflicts", "m.sqlite"),
        ("memory", "t.tsv", "m.sqlite", "--lang", "es", "--export", "t.tsv"),
        ("memory", "m.sqlite", "--lang", "es", "--export", "m.sqlite", "--format", "tsv"),
        ("evaluate", "src.conll", "tgt.conll", "--config", MATCH, "--output", "tgt.conll"),
        ("convert", "src.conll", "o.spacy", "--report", "src.conll"),
        ("convert", "src.conll", "o.jsonl", "--report", "./o.jsonl"),
        ("validate", "src.conll", "--report", "src.conll"),
        ("split", "shards", "train.spacy", "shards/00000.spacy"),
        ("project", "shards", "shards/new.spacy", "--lang", "es", "--config", MATCH),
    ],
)
def test_no_file_beside_the_output_is_written_over_what_is_read(corpus, words, monkeypatch):
    good("convert", corpus / "bitext.spacy", corpus / "shards", "--shard", 2)
    monkeypatch.chdir(corpus)
    (corpus / "t.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in VERSES))
    Memory("m.sqlite").add([("one", "uno")], "en", "es")
    before = contents(corpus)
    assert "would be written over" in bad(*words)
    assert contents(corpus) == before


def test_nothing_projected_gets_no_green_tick(corpus):
    (corpus / "no.pharaoh").write_text("\n" * len(VERSES))
    args = ("--lang", "es", "--config", MATCH, "--alignments", corpus / "no.pharaoh")
    text = good("project", corpus / "bitext.spacy", corpus / "out.spacy", *args)
    assert "⚠ Projected 0 of" in text and "✔" not in text


def test_an_option_that_was_forgotten_removes_no_unfinished_shards(corpus, monkeypatch):
    """And the right options go on where they were stopped."""
    convert = ("convert", corpus / "src.conll", corpus / "out", "--shard", 1)
    made, write = [], shards.write_file

    def interrupted(docs, path):
        made.append(path.name)
        if path.name == "00003.spacy":
            raise KeyboardInterrupt
        return write(docs, path)

    for more in ((), ("--license", "CC0")):
        with monkeypatch.context() as patch:
            patch.setattr(shards, "write_file", interrupted)
            result = invoke(*convert, *more)
            assert result.exit_code == 130 and "goes on from shard 4" in said(result)
    assert "was made from something else" in said(result)
    made.clear()
    monkeypatch.setattr(shards, "write_file", lambda docs, path: made.append(path.name) or write(docs, path))
    good(*convert)
    assert made == ["00003.spacy", "00004.spacy"] and not [*corpus.glob(".out*")]


def test_an_input_that_another_verb_replaces_meanwhile(corpus, monkeypatch):
    good("convert", corpus / "bitext.spacy", corpus / "in", "--shard", 2, "--lang", "es")
    write = steps.write_file

    def replaced(docs, path):
        found = write(docs, path)
        if path.name == "00001.spacy":
            shutil.copy(corpus / "in" / "00000.spacy", corpus / "in" / "00001.spacy")
        return found

    monkeypatch.setattr(steps, "write_file", replaced)
    text = bad("project", corpus / "in", corpus / "out", "--lang", "es", "--config", MATCH)
    assert "It was changed, replaced or removed while this run was reading it" in text
    assert [bool(shard) for shard in Manifest.read(corpus / "out").shards] == [True, False, False]


def test_a_run_that_another_host_took_over_changes_nothing_more(corpus, monkeypatch):
    lock, left, write = corpus / ".out.lock", {}, steps.write_file

    def held_up(docs, path):
        if path.name == "00001.spacy":
            shutil.copy(lock, corpus / "other")
            (corpus / "other").replace(lock)
            left.update(contents(corpus))
        return write(docs, path)

    monkeypatch.setattr(steps, "write_file", held_up)
    text = bad("project", corpus / "bitext.spacy", corpus / "out", "--lang", "es", "--config", MATCH, "--shard", 1)
    assert "this run was held up, and another one took over" in text
    assert contents(corpus) == left and "out/00000.spacy" in left
