"""What the fuzz found, one small test a kind."""

import json
import zlib

import numpy as np
import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin, Span, SpanGroup

from spacy_xproj.bitext import encode_bitext
from spacy_xproj.corpus import Report, read_docs, read_file, write_as, write_file
from spacy_xproj.corpus.manifest import Manifest
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.files import sealed, unsealed
from tests.conftest import bitext, payload_doc

NLP = spacy.blank("xx")


def read(path, **options):
    return list(read_docs(path, NLP, **options))


@pytest.mark.parametrize("meta", [7, "a", ["a"], True])
def test_meta_that_is_no_object_is_not_written(tmp_path, meta):
    doc = payload_doc(NLP, "a", "a")
    doc.user_data["meta"] = meta
    with pytest.raises(XprojError, match="to be a dict"):
        write_as([doc], tmp_path / "x.jsonl", "prodigy", report=Report())


@pytest.mark.parametrize("value", ["\ud800", object()])
@pytest.mark.parametrize("name", ["prodigy", "spacy"])
def test_what_no_file_can_hold_is_not_written(tmp_path, name, value):
    docs = [NLP("a"), NLP("b")]
    docs[1].user_data["meta"] = {"a": value}
    with pytest.raises(XprojError, match="Doc 2"):
        write_as(docs, tmp_path / "x", name, report=Report())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["prodigy", "doccano", "huggingface", "spacy-json"])
@pytest.mark.parametrize("meta, message", [('{"a": "\\ud800"}', "surrogate"), (f'{{"a": [{10**20}]}}', str(10**20))])
def test_meta_that_a_docbin_cannot_hold_is_refused(tmp_path, name, meta, message):
    path = tmp_path / "x.jsonl"
    write_as([NLP("a"), NLP("b")], path, name, report=Report())
    first, second = path.read_text().splitlines()
    record = json.loads(second)
    record["meta"] = "HERE"
    path.write_text(first + "\n" + json.dumps(record).replace('"HERE"', meta) + "\n")
    with pytest.raises(InputError, match=rf"line 2: .*{message}"):
        read(path, format=name)


@pytest.mark.parametrize("text", ["[" * 500 + "]" * 500, '{"a":' * 200 + "1" + "}" * 200])
@pytest.mark.parametrize("before", ["", "[\n"], ids=["lines", "array"])
def test_json_that_is_nested_deeply_is_refused(tmp_path, before, text):
    path = tmp_path / "x.jsonl"
    path.write_text(f'{before}{{"text": "a", "spans": [], "meta": {{"a": {text}}}}}\n')
    with pytest.raises(InputError, match="XPROJ_MAX_JSON_DEPTH"):
        read(path, format="prodigy")


def test_brackets_in_texts_are_no_depth(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"text": '[{"\\' * 300, "spans": []}))
    assert len(read(path, format="prodigy")) == 1


def test_an_answer_of_prodigy_that_is_no_string(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "a", "spans": [], "answer": ["accept"]}\n{"text": "b", "spans": []}\n')
    assert [doc.text for doc in read(path, format="prodigy")] == ["b"]


def test_a_first_line_of_conll_without_a_token(tmp_path):
    path = tmp_path / "x.conll"
    path.write_text("1\n" + "1\tAna\tB-PER\n2\tlebt\tO\n\n" * 3)
    with pytest.raises(InputError, match=r"x.conll, line 1"):
        read(path, format="iob2")


def test_brat_without_annotations(tmp_path):
    (tmp_path / "x.txt").write_text("Ana")
    with pytest.raises(InputError, match=r"x.ann"):
        read(tmp_path / "x.txt", format="brat")


@pytest.mark.parametrize("text", ["{", '"x"', '{"names": [1'])
def test_names_of_tags_that_are_no_json(tmp_path, text):
    (tmp_path / "label.json").write_text(text)
    (tmp_path / "x.jsonl").write_text('{"tokens": ["Ana"], "ner_tags": [1]}\n')
    with pytest.raises(InputError):
        read(tmp_path / "x.jsonl", format="huggingface")


@pytest.mark.parametrize(
    "change",
    [
        {"n_shards": "2"},
        {"n_shards": {}},
        {"n_shards": True},
        {"n_shards": 1},
        {"counts": {"projected": "x"}},
        {"counts": {"projected": -1}},
        {"shards": [{"files": {"00000.spacy": "x"}, "docs": "3", "counts": {}}, {}]},
    ],
)
def test_a_manifest_with_other_values(tmp_path, change):
    made = Manifest(tmp_path, {}, 2)
    made.save()
    data = unsealed((tmp_path / "manifest.json").read_bytes())
    (tmp_path / "manifest.json").write_text(json.dumps(sealed({**data, **change})))
    with pytest.raises(InputError, match="manifest"):
        Manifest.read(tmp_path)


def test_one_group_has_one_vote():
    """A span and one nested in it can have the same projection: their scores were summed to more than 1."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("xproj_projector", config={"spans_key": "one"})
    nlp.add_pipe("xproj_merger", config={"keys": ["one"]})
    doc = nlp(payload_doc(nlp, "Roma", "old Rome", [(0, 2, "LOC"), (1, 2, "LOC")], "1-0"))
    assert doc.spans["xproj"].attrs["scores"].tolist() == doc.spans["one"].attrs["scores"].tolist()[:1]
    assert doc._.xproj_report["missing"] == [{"id": "s1", "label": "LOC", "start": 1, "end": 2, "reason": "conflict"}]


GOOD = {"source_spans": 1, "projected": 0, "missing": [], "doubtful": {}, "notes": []}
ROW = {"id": "s0", "label": "LOC", "start": 0, "end": 1, "reason": "no_links"}
REPORTS = [
    7,
    {},
    {**GOOD, "missing": True},
    {**GOOD, "missing": [ROW, {**ROW, "reason": {}}]},
    {**GOOD, "missing": [{}]},
    {**GOOD, "projected": -1},
    {**GOOD, "notes": [1]},
    {**GOOD, "doubtful": {"LOC": "x"}},
    {**GOOD, "answered": {"s0": []}},
]


@pytest.mark.parametrize("report", REPORTS)
def test_a_damaged_report_is_refused(tmp_path, report):
    docs = [payload_doc(NLP, "a", "a", [(0, 1, "LOC")]) for _ in range(2)]
    docs[0]._.xproj_report = {**GOOD, "missing": [ROW]}
    docs[1]._.xproj_report = report
    write_file(docs, tmp_path / "x.spacy")
    with pytest.raises(InputError, match=r"Doc 2: .*[Rr]eport"):
        list(read_file(tmp_path / "x.spacy", NLP.vocab))


@pytest.mark.parametrize("scores", [[0.5, 0.5], [2.0], [float("nan")], ["x"], None], ids=str)
def test_damaged_scores_of_spans_are_refused(tmp_path, scores):
    doc = payload_doc(NLP, "a b", "a b", [(0, 1, "LOC")])
    doc.spans["xproj"] = SpanGroup(doc, name="xproj", spans=[Span(doc, 0, 1, "LOC")], attrs={"scores": scores})
    write_file([doc], tmp_path / "x.spacy")
    with pytest.raises(InputError, match="Doc 1: Expected 1 scores"):
        list(read_file(tmp_path / "x.spacy", NLP.vocab))


CHANGES = [
    {"words": ["a", 1]},
    {"words": [["a"], "b"]},
    {"lang": 7},
    {"spans": [[0, 1, None, "s0", 1.0]]},
    {"spans": [[0, 1, "", "s0", 1.0]]},
    {"spans": [[0, 1, "LOC", {"a": 1}, 1.0]]},
    {"spans": [[0.5, 1, "LOC", "s0", 1.0]]},
    {"spans": [[0, 1, "LOC", "s0", float("nan")]]},
    {"spans": [[0, 1, "LOC", "s0", "x"]]},
    {"spans": [[0, 2**40, "LOC", "s0", 1.0]]},
    {"scores": np.array([float("nan")], "<f4").tobytes()},
    {"scores": np.array([7], "<f4").tobytes()},
    {"evidence": {"forward": np.array([float("inf")], "<f4").tobytes()}},
    {"links": np.array([[0, 9]], "<i4").tobytes()},
    {"links": b"abc"},
    {"provenance": {"a": [1]}},
    {"provenance": {"a": float("nan")}},
    {"source_ids": {"s0": 7}},
    {"sents": [[[0, 1], [0, 9]]]},
]


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_a_damaged_payload_is_refused(tmp_path, change):
    """It used to be read, and to fail somewhere in a pipe, or to give scores that are no numbers."""
    good = encode_bitext(bitext("a b", [(0, 1, "LOC")], "0-0", evidence={"forward": [1.0]}))
    docs = [Doc(NLP.vocab, words=["a", "b"]) for _ in range(2)]
    docs[0]._.xproj, docs[1]._.xproj = good, {**good, **change}
    docbin = DocBin(store_user_data=True)
    for doc in docs:
        docbin.add(doc)
    path = tmp_path / "x.spacy"
    path.write_bytes(docbin.to_bytes())
    with pytest.raises(InputError, match=r"x\.spacy: Doc 2: "):
        list(read_file(path, NLP.vocab))


@pytest.mark.parametrize("cats", [7, ["a"], {"a": "b"}])
def test_damaged_categories_are_refused(tmp_path, cats):
    doc = NLP("a")
    write_file([doc], tmp_path / "x.spacy")
    data = srsly.msgpack_loads(zlib.decompress((tmp_path / "x.spacy").read_bytes()))
    (tmp_path / "x.spacy").write_bytes(zlib.compress(srsly.msgpack_dumps({**data, "cats": [cats]})))
    with pytest.raises(InputError, match=r"Doc 1: doc\.cats"):
        list(read_file(tmp_path / "x.spacy", NLP.vocab))


def test_a_label_that_is_in_no_string_store_is_refused(tmp_path):
    doc = NLP("a b")
    doc.set_ents([Span(doc, 0, 1, "RAREST")])
    path = tmp_path / "x.spacy"
    write_file([doc], path)
    data = srsly.msgpack_loads(zlib.decompress(path.read_bytes()))
    data["strings"] = [text for text in data["strings"] if text != "RAREST"]
    path.write_bytes(zlib.compress(srsly.msgpack_dumps(data)))
    with pytest.raises(InputError, match="Doc 1"):
        list(read_file(path, spacy.blank("xx").vocab))
