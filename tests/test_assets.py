"""The shipped corpus: offsets, the three languages side by side, labels, counts, and how new the test split is."""

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import spacy

ASSETS = Path(__file__).resolve().parent.parent / "assets"
LANGS = ("en", "es", "de")
SPLITS = ("train", "test")
LABELS = {"PER", "ORG", "LOC", "MISC"}
DOMAINS = {"news", "sport", "business", "travel", "science", "culture"}
README = (ASSETS / "README.md").read_text(encoding="utf-8")
FILES = [(split, lang) for split in SPLITS for lang in LANGS]
MORE_LANGS = (*LANGS, "ru", "tr")
MORE = {"reviews": ("TARGET",), "agenda": ("PER", "LOC", "ORG", "MISC", "PRODUCT", "EVENT", "DATE")}
ALL = [*FILES, *((domain, lang) for domain in MORE for lang in MORE_LANGS)]


def read(split, lang):
    lines = (ASSETS / f"{split}.{lang}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def forms(split, lang):
    return {r["text"][s["start"] : s["end"]].lower() for r in read(split, lang) for s in r["spans"]}


@pytest.mark.parametrize("split,lang", ALL)
def test_spans_are_tokens_and_disjoint(split, lang):
    nlp = spacy.blank(lang)
    for record in read(split, lang):
        doc, end = nlp.make_doc(record["text"]), 0
        assert set(record) == {"text", "spans", "meta"}
        for span in record["spans"]:
            assert set(span) == {"start", "end", "label"}
            assert span["start"] >= end, record
            end = span["end"]
            assert doc.char_span(span["start"], end) is not None, (record["text"], span)


@pytest.mark.parametrize("split,lang", ALL)
def test_texts_are_clean(split, lang):
    texts = [record["text"] for record in read(split, lang)]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert text == " ".join(text.split()) and "\t" not in text and text


def test_same_sentences_in_all_languages():
    ids = {(split, lang): [record["meta"] for record in read(split, lang)] for split, lang in FILES}
    for split in SPLITS:
        assert ids[split, "en"] == ids[split, "es"] == ids[split, "de"]
    everything = [meta["id"] for split in SPLITS for meta in ids[split, "en"]]
    assert len(set(everything)) == len(everything)
    assert all(meta["id"].startswith(meta["domain"]) for split in SPLITS for meta in ids[split, "en"])


@pytest.mark.parametrize("lang", LANGS)
def test_counts(lang, record_property):
    counts = {split: len(read(split, lang)) for split in SPLITS}
    assert counts["train"] >= 400 and counts["test"] >= 100 and sum(counts.values()) >= 500
    for split in SPLITS:
        records = read(split, lang)
        labels = Counter(span["label"] for record in records for span in record["spans"])
        domains = Counter(record["meta"]["domain"] for record in records)
        assert set(labels) == LABELS and min(labels.values()) >= 30
        assert set(domains) == DOMAINS and len(set(domains.values())) == 1
        empty = sum(not record["spans"] for record in records)
        row = [len(records), empty, *(labels[x] for x in ("LOC", "PER", "ORG", "MISC")), sum(labels.values())]
        assert f"| `{split}.{lang}` | " + " | ".join(map(str, row)) + " |" in README
        record_property(f"{split}.sentences", len(records))
        record_property(f"{split}.labels", dict(labels))


@pytest.mark.parametrize("domain,lang", [(domain, lang) for domain in MORE for lang in MORE_LANGS])
def test_more_kinds_of_spans(domain, lang):
    records, english = read(domain, lang), read(domain, "en")
    assert [r["meta"] for r in records] == [r["meta"] for r in english] and len(records) == 150
    labels = Counter(span["label"] for record in records for span in record["spans"])
    assert set(labels) == set(MORE[domain]) and min(labels.values()) >= 20
    row = [len(records), sum(not r["spans"] for r in records), *(labels[label] for label in MORE[domain])]
    assert f"| `{domain}.{lang}` | " + " | ".join(map(str, row)) + " |" in README


@pytest.mark.parametrize("lang", LANGS)
def test_test_entities_are_mostly_new(lang, record_property):
    train, test = forms("train", lang), forms("test", lang)
    share = len(test & train) / len(test)
    record_property("test_forms_in_train", round(share, 3))
    assert share <= 0.5


def test_splits_are_mixed():
    first = Counter(record["meta"]["domain"] for record in read("train", "en")[:72])
    assert set(first) == DOMAINS


@pytest.mark.parametrize("lang", LANGS[1:])
def test_memory_is_the_train_split(lang):
    lines = (ASSETS / f"memory.en-{lang}.tsv").read_text(encoding="utf-8").splitlines()
    pairs = zip(read("train", "en"), read("train", lang))
    assert [tuple(line.split("\t")) for line in lines] == [(en["text"], other["text"]) for en, other in pairs]


@pytest.mark.parametrize("lang", LANGS[1:])
def test_each_word_has_a_vector(lang):
    """Those of the test split as well, and no other: the README says so."""
    nlp = spacy.blank(lang)
    words = {token.text for split in SPLITS for record in read(split, lang) for token in nlp(record["text"])}
    header, *lines = gzip.decompress((ASSETS / f"vectors.{lang}.txt.gz").read_bytes()).decode("utf-8").splitlines()
    table = {word: [float(x) for x in values] for word, *values in (line.split(" ") for line in lines)}
    assert set(table) == words and header == f"{len(words)} 64"
    lengths = np.linalg.norm(np.array(list(table.values())), axis=1)
    assert np.abs(lengths - 1).max() < 0.01
    assert (ASSETS / f"vectors.{lang}.txt.gz").stat().st_size < 500_000


@pytest.mark.parametrize("lang", LANGS)
def test_constructions(lang):
    """What the corpus is meant to hold is there: long names, adjacent names, one surface under two labels."""
    records = [record for split in SPLITS for record in read(split, lang)]
    spans = [(r["text"], s["start"], s["end"], s["label"]) for r in records for s in r["spans"]]
    assert sum(text[a:b].count(" ") >= 3 for text, a, b, _ in spans) >= 20
    pairs = [(r["text"], x["end"], y["start"]) for r in records for x, y in zip(r["spans"], r["spans"][1:])]
    assert any(not text[a:b].strip() for text, a, b in pairs)
    labels: dict[str, set] = {}
    for text, a, b, label in spans:
        labels.setdefault(text[a:b], set()).add(label)
    assert sum(len(found) > 1 for found in labels.values()) >= 10
    lengths = [len(record["text"].split()) for record in records]
    assert min(lengths) <= 4 and max(lengths) >= 30
