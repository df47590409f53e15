"""What the result of a run depends on, and how a change of it is told."""

import json
import sqlite3
import sys
from contextlib import closing

import pytest
import spacy

import spacy_xproj.keys
from spacy_xproj.corpus import read_docs
from spacy_xproj.errors import XprojError
from spacy_xproj.keys import changes, config_key, run_key
from spacy_xproj.runs.pipelines import keyed_pipeline
from spacy_xproj.runs.project import project
from spacy_xproj.translators.memory import Memory
from spacy_xproj.ty import Translation
from tests.conftest import ents

LEXICON = """
[components.xproj_matcher.similarity]
@xproj_similarities = "spacy_xproj.Lexicon.v1"
path = "{}"
min_score = 0.0
"""


def parts(config):
    return config_key("config", config)


def test_files_at_any_depth(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a long path would stand in the key as a hash
    (tmp_path / "a.tsv").write_text("a")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "meta.json").write_text("{}")
    config = {"one": {"two": [{"path": "./a.tsv"}, "./model"]}, "text": "a"}
    before = parts(config)
    assert before["config.text"] == "a" and before["config.one.two.0.path"] == "./a.tsv"
    (tmp_path / "a.tsv").write_text("b")
    (tmp_path / "model" / "weights").write_text("b")
    assert changes(before, parts(config)) == [
        "the config's one.two.0.path file changed",
        "the config's one.two.1 file changed",
    ]


@pytest.mark.parametrize("value", ["x" * 300, "x/" * 200, "a\0b", "", "/", ".", "..", "es", "\n", "💥" * 200])
def test_texts_that_name_no_file(tmp_path, monkeypatch, value):
    """Texts that cannot be names, and words that are by chance the name of a folder."""
    (tmp_path / "es").mkdir()
    (tmp_path / "es" / "thesis.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert list(parts({"text": value})) == ["config.text"]
    assert parts({"text": value}) != parts({"text": value + "y"})


def test_what_a_run_fills_by_itself(tmp_path):
    """A cache, and what translators put into a memory, make no other run of one that was stopped."""
    path = tmp_path / "memory.sqlite"
    config = {"path": str(path), "cache": str(tmp_path / "cache")}
    before = parts(config)
    memory = Memory(path, translator=lambda texts, *_: [Translation(text) for text in texts])
    memory(["a", "b"], "en", "es")
    (tmp_path / "cache").write_text("filled")
    assert parts(config) == before
    memory.add([("c", "d")], "en", "es")
    people = parts(config)
    assert changes(before, people) == ["the config's path file changed"]
    memory(["e"], "en", "es")
    assert parts(config) == people


def test_packages(tmp_path, monkeypatch):
    """A pipeline that is installed as a package counts by its version and its files."""
    package = tmp_path / "xx_tiny"
    package.mkdir()
    (package / "__init__.py").write_text("")
    info = tmp_path / "xx_tiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: xx_tiny\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    config = {"components": {"teacher": {"model": "xx_tiny"}}, "label": "xx_tiny"}
    before = parts(config)
    assert before["config.components.teacher.model file"].startswith("1.0 ") and "config.label file" not in before
    (package / "weights").write_text("a")
    assert changes(before, parts(config)) == ["the config's components.teacher.model file changed"]
    monkeypatch.delitem(sys.modules, "xx_tiny", raising=False)


def test_how_changes_are_told(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("a")
    old = run_key({"input": tmp_path / "a", "alignments": None}, {"limit": 1}, {"nlp": {"batch_size": 1}, "paths": {}})
    assert changes(old, old) == []
    (tmp_path / "a").write_text("b")
    monkeypatch.setattr(spacy_xproj.keys, "__version__", "9.9.9")
    new = run_key({"input": tmp_path / "a"}, {"limit": 2}, {"nlp": {"batch_size": 3}, "paths": {"x": 1}})
    assert changes(old, new) == [
        "the config's nlp.batch_size: 1 → 3",
        "the input changed",
        "the limit: 1 → 2",
        f"spacy-xproj {spacy_xproj.__version__} → 9.9.9",
    ]
    assert json.loads(json.dumps(new)) == new


@pytest.mark.parametrize("out", ["out.spacy", "out"])
def test_an_edited_lexicon_gives_a_new_projection(corpus, out):
    """Found by the config alone before: an edited file that it names gave the old projection."""
    lexicon = corpus / "lexicon.tsv"
    lexicon.write_text("Ana\tAna\t5\nRome\tRoma\t5\n")
    text = (corpus / "match.cfg").read_text()
    config = corpus / "lexicon.cfg"
    config.write_text(text[: text.index("[components.xproj_matcher.similarity]")] + LEXICON.format(lexicon))

    def run():
        project(corpus / "bitext.spacy", corpus / out, config, "es")
        return [ents(doc) for doc in read_docs(corpus / out, spacy.blank("es"))]

    first = run()
    assert run() == first
    lexicon.write_text("Ana\tperro\t5\nRome\tcasa\t5\n")
    with pytest.warns(UserWarning, match=r"the config's components\.xproj_matcher\.similarity\.path file changed"):
        second = run()
    assert first[3] == [(0, 1, "PER")] and second[3] == [(3, 4, "PER")]


def test_the_source_pipeline_is_part_of_the_key(corpus):
    source = spacy.blank("en")
    source.to_disk(corpus / "source")
    config = (corpus / "match.cfg").read_text()
    config = config.replace('["xproj_matcher"]', '["xproj_translator","xproj_matcher"]')
    config += '\n[components.xproj_translator]\nfactory = "xproj_translator"\n'
    config += '\n[paths]\nsource = "' + str(corpus / "source") + '"\n'
    config += "\n[initialize]\n\n[initialize.components]\n"
    config += "\n[initialize.components.xproj_translator]\nsource = ${paths.source}\n"
    (corpus / "with_source.cfg").write_text(config)
    nlp, before = keyed_pipeline(corpus / "with_source.cfg")
    assert nlp.get_pipe("xproj_translator").source.pipe_names == []
    assert keyed_pipeline(corpus / "with_source.cfg")[1] == before
    source.add_pipe("sentencizer")
    source.to_disk(corpus / "source")
    nlp, after = keyed_pipeline(corpus / "with_source.cfg")
    assert nlp.get_pipe("xproj_translator").source.pipe_names == ["sentencizer"]
    assert changes(before, after) == ["the config's initialize.components.xproj_translator.source file changed"]


def test_a_saved_pipeline_counts_by_its_content(corpus):
    nlp, _ = keyed_pipeline(corpus / "match.cfg")
    nlp.to_disk(corpus / "model")
    _, before = keyed_pipeline(corpus / "model")
    (corpus / "model" / "README.md").write_text("edited")
    assert changes(before, keyed_pipeline(corpus / "model")[1]) == ["the pipeline changed"]


def test_the_folder_of_a_sourced_pipe_is_part_of_the_key(corpus):
    """spaCy puts the settings of the sourced pipe into the pipeline's config, in place of where it came from."""
    nlp = spacy.blank("es")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "Ana"}])
    nlp.to_disk(corpus / "rules")
    config = corpus / "project.cfg"
    config.write_text(
        '[paths]\nrules = "{}"\n[nlp]\nlang = "es"\npipeline = ["names"]\n[components]\n[components.names]\n'
        'source = ${{paths.rules}}\ncomponent = "entity_ruler"\n'.format(corpus / "rules")
    )
    before = keyed_pipeline(config)[1]
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Roma"}])
    nlp.to_disk(corpus / "rules")
    assert changes(before, keyed_pipeline(config)[1]) == ["the config's components.names.source file changed"]


@pytest.mark.parametrize("data", [None, b"SQLite format 3\0 and then nonsense"])
def test_databases_that_are_no_memories(tmp_path, data):
    path = tmp_path / "mine.sqlite"
    for table in ("a", "b"):
        before = parts({"path": str(path)})
        if data is None:
            with closing(sqlite3.connect(path)) as database:
                database.execute(f"CREATE TABLE {table} (x)")
        else:
            path.write_bytes(data + table.encode())
        assert parts({"path": str(path)}) != before


def test_paths_of_what_a_saved_pipeline_holds_cannot_be_overridden(tmp_path):
    for name in ("old", "new"):
        (tmp_path / f"{name}.tsv").write_text("dog\tperro\t1.0\n")
    similarity = {"@xproj_similarities": "spacy_xproj.Lexicon.v1", "path": str(tmp_path / "old.tsv")}
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher", config={"similarity": similarity})
    nlp.to_disk(tmp_path / "saved")
    keyed_pipeline(tmp_path / "saved", "es", {"components.xproj_matcher.similarity.min_score": 0.1})
    with pytest.raises(XprojError, match=r"no setting of this saved pipeline names paths.lexicon any more"):
        keyed_pipeline(tmp_path / "saved", "es", {"paths.lexicon": str(tmp_path / "new.tsv")})
    with pytest.raises(XprojError, match=r"similarity.path had named, so that .*new.tsv' would not be read"):
        keyed_pipeline(
            tmp_path / "saved", "es", {"components.xproj_matcher.similarity.path": str(tmp_path / "new.tsv")}
        )
