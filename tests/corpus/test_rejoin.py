"""JSONL that comes back meets its payloads by id."""

import json
import random

import pytest
import spacy

from spacy_xproj.corpus import read_docs
from spacy_xproj.corpus.examples import GoldCorpus
from spacy_xproj.errors import InputError
from tests.cli.test_app import good
from tests.conftest import VERSES, conll


@pytest.fixture
def back(corpus):
    """The folder `corpus` with `o.spacy`, projected, and `back.jsonl`, its records in another order."""
    links = "--alignments", corpus / "links.pharaoh"
    args = "--lang", "es", "--config", corpus / "match.cfg"
    good("project", corpus / "bitext.spacy", corpus / "o.spacy", *args, *links)
    good("convert", corpus / "o.spacy", corpus / "o.jsonl", "--lang", "es")
    lines = (corpus / "o.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    random.Random(2).shuffle(lines)
    (corpus / "back.jsonl").write_text("".join(lines), encoding="utf-8")
    return corpus


def records(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def examples(folder, source="o.spacy"):
    return list(GoldCorpus(str(folder / "back.jsonl"), source=str(folder / source))(spacy.blank("es")))


def test_what_a_record_says(back):
    meta = records(back / "o.jsonl")[3]["meta"]["xproj"]
    assert meta["source"].strip() == "Ana saw a dog" and meta["source_lang"] == "en"
    assert meta["entities"] == [{"id": "s0", "label": "PER", "text": "Ana", "score": 1.0}]
    good("project", back / "bitext.spacy", back / "none.spacy", "--lang", "es", "--config", back / "match.cfg")
    good("convert", back / "none.spacy", back / "none.jsonl", "--lang", "es")
    assert records(back / "none.jsonl")[3]["meta"]["xproj"]["entities"][0]["reason"] == "no_links"


def test_joined_by_id(back):
    found = [(eg.reference.text.strip(), eg.predicted._.xproj.text.strip()) for eg in examples(back)]
    assert sorted(found) == sorted((target, source) for source, target in VERSES)
    assert found != [(target, source) for source, target in VERSES]
    assert sum(len(eg.reference.ents) for eg in examples(back)) == 2


def test_the_same_pair_twice(back):
    """Each has an id of its own."""
    nlp = spacy.blank("es")
    docs = [*read_docs(back / "o.spacy", nlp)] * 2
    spacy.tokens.DocBin(docs=docs, store_user_data=True).to_disk(back / "o.spacy")
    good("convert", back / "o.spacy", back / "back.jsonl", "--lang", "es")
    assert len({record["meta"]["xproj"]["id"] for record in records(back / "back.jsonl")}) == 10
    assert len(examples(back)) == 10


@pytest.mark.parametrize(
    "change, line, message",
    [
        (lambda rows: [*rows[:2], {**rows[2], "meta": {}}, *rows[3:]], 3, "has no id in meta.xproj"),
        (lambda rows: [*rows, rows[1]], 6, "comes twice"),
        (lambda rows: [rows[0], {**rows[1], "meta": {"xproj": {"id": "x"}}}], 2, "No Doc of"),
        (lambda rows: [{**rows[0], "text": "otra", "tokens": None, "spans": []}], 1, "tokens are not those"),
    ],
)
def test_ids_that_cannot_be_used(back, change, line, message):
    rows = change(records(back / "back.jsonl"))
    (back / "back.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        examples(back)
    assert caught.value.line == line


def test_never_by_line(back):
    with pytest.raises(InputError, match="records have ids in"):
        examples(back, "src.conll")
    rows = [{key: value for key, value in row.items() if key != "meta"} for row in records(back / "o.jsonl")]
    (back / "back.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (back / "src.conll").write_text(conll(source for source, _ in VERSES), encoding="utf-8")
    assert len(examples(back, "src.conll")) == 5
