import json
from pathlib import Path

import pytest
import spacy

from spacy_xproj.corpus import doc_files, read_docs
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.runs.engines import HERE, Workers
from spacy_xproj.runs.project import project
from spacy_xproj.runs.translate import translate
from spacy_xproj.translators.memory import Memory
from tests.conftest import CONFIGS, VERSES, conll, ents, names

CONFIG = CONFIGS / "translate.cfg"


@pytest.fixture
def memory(corpus):
    path = corpus / "memory.db"
    memory = Memory(path)
    memory.add(VERSES[1:], "en", "es")
    return {"components.xproj_translator.forward.path": str(path)}


def read(path):
    return list(read_docs(path, spacy.blank("es")))


def rejected(out):
    rows = [json.loads(line) for line in Path(f"{out}.rejected.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["reason"] for row in rows} == {"no translation"}
    return [(row["text"], row["number"], row["shard"]) for row in rows]


@pytest.mark.parametrize("out", ["out.spacy", "out"])
def test_translate(corpus, memory, out):
    counts = translate(corpus / "src.conll", corpus / out, "es", CONFIG, shard=2, overrides=memory)
    own = {"source_docs": 5, "docs": 4, "docs_not_translated": 1, "sentences_not_translated": 1}
    assert counts == {**own, "by_label:source:PER": 1, "by_label:source:LOC": 1}
    report = json.loads((corpus / f"{out}.report.json").read_text())
    assert report == {**own, "by_label": {"LOC": {"source": 1}, "PER": {"source": 1}}}
    docs = read(corpus / out)
    assert [doc.text for doc in docs] == [target for _, target in VERSES[1:]]
    assert [doc._.xproj.text.strip() for doc in docs] == [source for source, _ in VERSES[1:]]
    assert [len(doc._.xproj.spans) for doc in docs] == [0, 0, 1, 1]
    assert all(not doc.ents and doc._.xproj.lang == "en" for doc in docs)
    assert rejected(corpus / out) == [("the house is red", 0, 0 if out == "out" else None)]
    if out == "out":
        assert len(doc_files(corpus / "out")) == 3  # one for each two Docs of the source
        key = json.loads((corpus / "out" / "manifest.json").read_text())["key"]
        assert {"input", "spacy-xproj", "config.components.xproj_translator.forward.path file"} <= set(key)


def test_then_project(corpus, memory):
    translate(corpus / "src.conll", corpus / "bitext", "es", CONFIG, overrides=memory)
    counts = project(corpus / "bitext", corpus / "train.spacy", CONFIGS / "project_match.cfg", "es")
    assert counts["projected"] == 2
    assert [ents(doc) for doc in read(corpus / "train.spacy")] == [[], [], [(0, 1, "PER")], [(3, 4, "LOC")]]


def test_the_list_of_what_is_missing_is_made_anew(corpus, memory):
    translate(corpus / "src.conll", corpus / "out.spacy", "es", CONFIG, overrides=memory)
    assert (corpus / "out.spacy.rejected.jsonl").exists()
    (corpus / "src.conll").write_text(conll([VERSES[1][0]]))
    counts = translate(corpus / "src.conll", corpus / "out.spacy", "es", CONFIG, overrides=memory)
    assert counts["docs"] == 1 and not (corpus / "out.spacy.rejected.jsonl").exists()


def test_a_document_of_several_sentences(corpus, memory):
    nlp = spacy.blank("en")
    doc = spacy.tokens.Doc(
        nlp.vocab,
        words=["the", "house", "is", "red", "Ana", "saw", "a", "dog", "the", "house", "is", "red"],
        sent_starts=[k % 4 == 0 for k in range(12)],
        ents=["O"] * 4 + ["B-PER"] + ["O"] * 7,
    )
    spacy.tokens.DocBin(docs=[doc]).to_disk(corpus / "doc.spacy")
    counts = translate(corpus / "doc.spacy", corpus / "out.spacy", "es", CONFIG, overrides=memory)
    assert (counts["docs"], counts["sentences_not_translated"]) == (1, 2)
    (out,) = read(corpus / "out.spacy")
    assert out.text == "Ana vio un perro"
    assert out._.xproj.sents == (((0, 4), (0, 0)), ((4, 8), (0, 4)), ((8, 12), (4, 4)))
    assert rejected(corpus / "out.spacy") == [("the house is red", 0, None)] * 2


def test_languages_are_passed_on(corpus):
    path = corpus / "memory.db"
    memory = Memory(path)
    memory.add(VERSES, "lug", "qaa")
    overrides = {"components.xproj_translator.forward.path": str(path)}
    with pytest.warns(UserWarning, match="'qaa'"):
        counts = translate(corpus / "src.conll", corpus / "out.spacy", "qaa", CONFIG, "lug", overrides=overrides)
    assert counts["docs"] == 5


def test_nothing_is_left_of_a_failure(corpus, memory):
    (corpus / "bad.conll").write_bytes(conll([VERSES[1][0]]).encode() + b"\n\xff\tO\n")
    before = files(corpus)
    for out in ("out.spacy", "out"):
        with pytest.raises(InputError, match="UTF-8") as caught:
            translate(corpus / "bad.conll", corpus / out, "es", CONFIG, shard=1, overrides=memory)
        assert caught.value.line == 7
    with pytest.raises(XprojError, match="no translator in 'forward'"):
        overrides = {"components.xproj_translator.forward": None}
        translate(corpus / "src.conll", corpus / "out.spacy", "es", CONFIG, overrides=overrides)
    with pytest.raises(XprojError, match="no xproj_translator"):
        translate(corpus / "src.conll", corpus / "out.spacy", "es", CONFIGS / "project_match.cfg")
    assert files(corpus) == before


def files(folder):
    """All but the memory and what SQLite keeps beside it."""
    return {name for name in names(folder) if not name.startswith("memory.db")}


@pytest.mark.parametrize("out", ["out.spacy", "out"])
def test_documents_and_a_memory_of_sentences(tmp_path, out):
    path, memory = tmp_path / "a.jsonl", Memory(tmp_path / "m.db")
    memory.add([("Ana sang.", "Ana cant\u00f3."), ("Bo left.", "Bo sali\u00f3.")], "en", "es")
    path.write_text(json.dumps({"text": "Ana sang. Bo left.", "spans": [{"start": 10, "end": 12, "label": "PER"}]}))
    settings = {"components.xproj_translator.forward.path": str(tmp_path / "m.db")}
    with pytest.raises(XprojError, match=r"Nothing was translated of 1 Docs.*'Ana sang. Bo left.'.* --sentences"):
        translate(path, tmp_path / out, "es", CONFIG, overrides=settings)
    assert not (tmp_path / "out.spacy").exists()
    assert [text for text, *_ in rejected(tmp_path / out)] == ["Ana sang. Bo left."]
    assert translate(path, tmp_path / f"b{out}", "es", CONFIG, overrides=settings, sentences=True)["docs"] == 1
    (doc,) = read(tmp_path / f"b{out}")
    assert doc.text == "Ana cant\u00f3. Bo sali\u00f3." and len(doc._.xproj.sents) == 2


@pytest.mark.slow
def test_worker_processes_load_the_models_themselves(corpus, memory):
    for out, workers in (("one", HERE), ("two", Workers(2))):
        counts = translate(corpus / "src.conll", corpus / out, "es", CONFIG, workers=workers, shard=2, overrides=memory)
        assert counts["docs"] == 4
    assert rejected(corpus / "one") == rejected(corpus / "two")
    assert names(corpus / "one") == names(corpus / "two")
    assert all((corpus / "one" / n).read_bytes() == (corpus / "two" / n).read_bytes() for n in names(corpus / "one"))
