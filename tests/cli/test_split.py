"""xproj split."""

import pytest
import spacy
from spacy.tokens import DocBin, Span
from typer.testing import CliRunner

from spacy_xproj.cli import app
from spacy_xproj.runs.split import is_dev
from spacy_xproj.soft import SoftLabels
from tests.conftest import bitext, names, said

TEXTS = [f"Ana saw house {n} ." for n in range(40)]


def call(*args):
    result = CliRunner().invoke(app, ["split", *map(str, args)])
    return result.exit_code, said(result)


def corpus(path, label=lambda text: "PER", soft=False):
    """Docs whose first word is an entity, with a payload and, if asked for, soft labels in place of entities."""
    nlp = spacy.blank("es")
    docs = list(nlp.pipe(TEXTS))
    for doc in docs:
        doc.user_data["meta"] = {"license": "CC0"}
        doc._.xproj = bitext("one")
        if soft:
            doc._.xproj_soft = SoftLabels(("O", "B-PER"), [[0, 1], *[[1, 0]] * (len(doc) - 1)])
        elif name := label(doc.text):
            doc.ents = [Span(doc, 0, 1, label=name)]
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


def read(path):
    return list(DocBin().from_disk(path).get_docs(spacy.blank("es").vocab))


def test_split(tmp_path):
    out = tmp_path / "new" / "train.spacy", tmp_path / "new" / "dev.spacy"
    code, text = call(corpus(tmp_path / "all.spacy"), *out, "--share", "0.3")
    docs = [read(path) for path in out]
    assert code == 0 and [[doc.text for doc in part] for part in docs] == [
        [text for text in TEXTS if is_dev(text, 0.3) == dev] for dev in (False, True)
    ]
    assert f"train.spacy: {len(docs[0])} Docs" in text and f"PER {len(docs[0])} {len(docs[1])}" in text
    assert all(doc.user_data == {"meta": {"license": "CC0"}} and len(doc.ents) == 1 for part in docs for doc in part)
    assert names(tmp_path) == {"all.spacy", "new/train.spacy", "new/dev.spacy"}


def test_a_text_stays_in_its_part(tmp_path):
    """Whatever the share, the development data of a smaller one are part of those of a larger one."""
    source, found = corpus(tmp_path / "all.spacy"), []
    for share in (0.2, 0.5):
        assert call(source, tmp_path / "train.spacy", tmp_path / "dev.spacy", "--share", share)[0] == 0
        found.append({doc.text for doc in read(tmp_path / "dev.spacy")})
    assert found[0] < found[1]


def test_soft_labels(tmp_path):
    source, out = corpus(tmp_path / "all.spacy", soft=True), (tmp_path / "train.spacy", tmp_path / "dev.spacy")
    code, text = call(source, *out, "--user-data")
    assert code == 0 and "no entity but those of the soft labels" in text
    for doc in read(out[0]) + read(out[1]):
        assert doc._.xproj_soft is not None and doc._.xproj is not None and doc.user_data["meta"]


def test_a_label_of_one_part_is_said(tmp_path):
    source = corpus(tmp_path / "all.spacy", lambda text: "LOC" if text == TEXTS[0] else "PER")
    code, text = call(source, tmp_path / "train.spacy", tmp_path / "dev.spacy")
    assert code == 0 and f"LOC is in {'DEV' if is_dev(TEXTS[0], 0.12) else 'TRAIN'} alone" in text


@pytest.mark.parametrize(
    "label, more, message",
    [
        (lambda text: "PER", ("--share", "0"), "the development data are empty. It has 40 Docs and 40 entities"),
        (lambda text: "PER", ("--share", "1"), "the training data are empty"),
        (lambda text: "", (), "the training data have no entity"),
        (lambda text: "" if is_dev(text, 0.12) else "PER", (), "Docs of the development data have no entity"),
        (lambda text: "", ("--user-data",), "the training data have no entity"),
    ],
)
def test_a_part_without_entities_is_an_error(label, more, message, tmp_path):
    source = corpus(tmp_path / "all.spacy", label)
    (tmp_path / "dev.spacy").write_bytes(b"before")
    code, text = call(source, tmp_path / "train.spacy", tmp_path / "dev.spacy", *more)
    assert code == 1 and message in text and "Give another --share" in text
    assert names(tmp_path) == {"all.spacy", "dev.spacy"} and (tmp_path / "dev.spacy").read_bytes() == b"before"


def test_labels(tmp_path):
    source = corpus(tmp_path / "all.spacy", lambda text: "PERSON" if int(text[14:-2]) % 2 else "THING")
    out = (tmp_path / "train.spacy", tmp_path / "dev.spacy", "--share", "0.3")
    code, text = call(source, *out, "--label-map", "PERSON=PER", "--labels", "PER")
    assert code == 0 and "THING" not in text
    assert {ent.label_ for path in out[:2] for doc in read(path) for ent in doc.ents} == {"PER"}
    code, text = call(source, *out, "--labels", "PERS")
    assert code == 1 and "--labels names PERS" in text and "PERSON, THING" in text


def test_names_that_cannot_be(tmp_path):
    source = corpus(tmp_path / "all.spacy")
    assert "three different files" in call(source, source, tmp_path / "dev.spacy")[1]
    assert "three different files" in call(source, *[tmp_path / "dev.spacy"] * 2)[1]
    (tmp_path / "a.conll").write_text("Ana\tB-PER\n")
    assert "`xproj convert` makes either" in call(tmp_path / "a.conll", tmp_path / "t.spacy", tmp_path / "d.spacy")[1]
    assert "no such file" in call(tmp_path / "b.spacy", tmp_path / "t.spacy", tmp_path / "d.spacy")[1]


def test_folders_of_shards(tmp_path):
    source = corpus(tmp_path / "all.spacy")
    assert call(source, tmp_path / "train.spacy", tmp_path / "dev.spacy", "--share", "0.3")[0] == 0
    for _ in range(2):  # the second time all is there
        code, text = call(source, tmp_path / "train", tmp_path / "dev", "--share", "0.3")
        assert code == 0 and "PER" in text
    for part in ("train", "dev"):
        assert (tmp_path / part / "manifest.json").exists()
        assert read(tmp_path / part / "00000.spacy")[3].to_json() == read(tmp_path / f"{part}.spacy")[3].to_json()
        assert (tmp_path / part / "00000.spacy").read_bytes() == (tmp_path / f"{part}.spacy").read_bytes()


def test_too_many_docs_for_one_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XPROJ_MAX_FILE_DOCS", "20")
    code, text = call(corpus(tmp_path / "all.spacy"), tmp_path / "train.spacy", tmp_path / "dev.spacy")
    assert code == 1 and "more than 20 Docs for one .spacy file" in text and "Give OUT as a folder of shards" in text
    assert names(tmp_path) == {"all.spacy"}
