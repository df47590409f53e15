"""--labels and --label-map in the verbs that read or write labels."""

import json

import pytest
import spacy

from spacy_xproj.corpus import read_docs
from spacy_xproj.translators.memory import Memory
from tests.cli.test_app import CONFIG, bad, good
from tests.conftest import VERSES, ents, names
from tests.runs.test_rounds import SMALL, work  # noqa: F401  (a fixture)
from tests.teachers.tiny_pipelines import make_ner

RENAMED = ("--label-map", "PER=PERSON", "--labels", "PERSON")


def docs(path):
    return list(read_docs(path, spacy.blank("es"), source_nlp=spacy.blank("en")))


@pytest.fixture
def calls(corpus):
    memory = Memory(corpus / "memory.db")
    memory.add(VERSES, "en", "es")
    path = ("--components.xproj_translator.forward.path", corpus / "memory.db")
    lang = ("--lang", "es")
    return {
        "convert": ("convert", corpus / "src.conll", corpus / "out.conll"),
        "translate": ("translate", corpus / "src.conll", corpus / "t.spacy", "--config", "translate", *path, *lang),
        "project": ("project", corpus / "bitext.spacy", corpus / "p", "--config", CONFIG, *lang),
        "fit": ("fit", corpus / "bitext.spacy", corpus / "f", "--config", CONFIG, *lang),
        "evaluate": ("evaluate", corpus / "src.conll", corpus / "tgt.conll", "--config", CONFIG, "--output"),
    }


def test_convert(corpus, calls):
    good(*calls["convert"], *RENAMED)
    assert (corpus / "out.conll").read_text().count("B-PERSON") == 1
    assert "LOC" not in (corpus / "out.conll").read_text()


def test_translate_and_project(corpus, calls):
    good(*calls["translate"], *RENAMED)
    assert [s.label for doc in docs(corpus / "t.spacy") for s in doc._.xproj.spans] == ["PERSON"]
    good(*calls["project"], *RENAMED, "--alignments", corpus / "links.pharaoh")
    assert [ents(doc) for doc in docs(corpus / "p")] == [[], [], [], [(0, 1, "PERSON")], []]


def test_a_folder_of_shards(corpus, calls):
    good("convert", corpus / "bitext.spacy", corpus / "shards", "--shard", 2, "--source-lang", "en")
    call = ("project", corpus / "shards", corpus / "p", *calls["project"][3:])
    good(*call, *RENAMED)
    assert [s.label for doc in docs(corpus / "p") for s in doc._.xproj.spans] == ["PERSON"]
    assert "the labels: PERSON → LOC" in good(*call, "--labels", "LOC")
    assert [s.label for doc in docs(corpus / "p") for s in doc._.xproj.spans] == ["LOC"]


def test_evaluate(corpus, calls):
    good(*calls["evaluate"], corpus / "m.json", *RENAMED, "--alignments", corpus / "links.pharaoh")
    found = json.loads((corpus / "m.json").read_text())
    assert (found["ents_f"], found["labels"], list(found["ents_per_type"])) == (1.0, ["PERSON"], ["PERSON"])


def test_a_map_in_a_file(corpus, calls):
    (corpus / "map.txt").write_text("PER=PERSON\nLOC=\n")
    good(*calls["convert"], "--label-map", corpus / "map.txt")
    assert "PERSON" in (corpus / "out.conll").read_text() and "LOC" not in (corpus / "out.conll").read_text()
    (corpus / "map.txt").write_text("PER=PERSON\nLOC\n")
    assert "map.txt, line 2: 'LOC' is not" in bad(*calls["convert"], "--label-map", corpus / "map.txt")


@pytest.mark.parametrize("verb", ["convert", "translate", "project", "fit", "evaluate"])
def test_a_label_that_occurs_nowhere(corpus, calls, verb):
    call = (*calls[verb], *([corpus / "m.json"] if verb == "evaluate" else []))
    before = names(corpus)
    message = bad(*call, "--labels", "PERS,LOC")
    assert "--labels names PERS, but no entity" in message and "The labels that occur are LOC, PER." in message
    assert "--label-map names PERS, but no entity" in bad(*call, "--label-map", "PERS=PER")
    assert names(corpus) == before


def test_labels_of_the_translator(corpus, calls):
    setting = ("--components.xproj_translator.labels", '["LOC"]')
    good(*calls["translate"], *setting)
    assert [s.label for doc in docs(corpus / "t.spacy") for s in doc._.xproj.spans] == ["LOC"]


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers")
    return make_ner(folder / "en"), make_ner(folder / "de", seed=1, steps=8, lang="de")


def test_teach(corpus, teachers):
    (corpus / "raw.txt").write_text("Ana vio Roma\nNew York es grande\nAna Torres\n")
    paths = [part for name, path in zip(("english", "other"), teachers) for part in (f"--paths.{name}", path)]
    call = ("teach", corpus / "raw.txt", corpus / "soft", "--config", "teach", "--lang", "es", *paths)
    before = names(corpus)
    message = bad(*call, "--labels", "PERS")
    assert "--labels names PERS" in message and "The labels that occur are LOC, PER." in message
    assert "--label-map names GPE" in bad(*call, "--label-map", "GPE=LOC") and names(corpus) == before
    text = good(*call, *RENAMED)
    assert "entities: PERSON" in text and "LOC" not in text
    assert docs(corpus / "soft")[0]._.xproj_soft.labels == ("O", "B-PERSON", "I-PERSON")
    # a map in the config comes before the labels that an option keeps
    mapped = ("--components.xproj_teacher.label_map", '{"PER":"PERSON"}')
    good(*call, *mapped, "--labels", "PERSON")
    assert docs(corpus / "soft")[0]._.xproj_soft.labels == ("O", "B-PERSON", "I-PERSON")


@pytest.mark.slow
def test_selftrain(work):  # noqa: F811
    args = ("selftrain", work / "raw.txt", work / "out", "--config", "student_cpu", "--teachers", work / "teach.cfg")
    args += ("--dev", work / "dev.spacy", "--rounds", 2, "--lang", "es")
    args += tuple(part for name, value in SMALL.items() if name != "nlp.lang" for part in (f"--{name}", value))
    assert "dev.spacy: --labels and --label-map leave out all" in bad(*args, "--labels", "PERS")
    assert "--labels names PERS" in bad(*args, "--labels", "PERS,PER") and not (work / "out").exists()
    good(*args, *RENAMED)
    for number in (1, 2):
        soft = docs(work / "out" / f"round-{number}" / "soft.spacy")[0]._.xproj_soft
        assert soft.labels == ("O", "B-PERSON", "I-PERSON")
    assert {ent.label_ for doc in docs(work / "out" / "dev.spacy") for ent in doc.ents} == {"PERSON"}
    assert spacy.load(work / "out" / "best").get_pipe("xproj_student").labels == ("PERSON",)


def test_pair(corpus):
    (corpus / "tgt.txt").write_text("".join(f"{target}\n" for _, target in VERSES))
    call = ("pair", corpus / "src.conll", corpus / "tgt.txt", corpus / "pairs.spacy", "--lang", "es")
    good(*call, *RENAMED)
    assert [s.label for doc in docs(corpus / "pairs.spacy") for s in doc._.xproj.spans] == ["PERSON"]
    report = json.loads((corpus / "pairs.spacy.report.json").read_text())
    assert report["by_label"] == {"PERSON": {"source": 1}} and report["docs"] == 5
    assert "The labels that occur are LOC, PER." in bad(*call, "--labels", "PERS")
