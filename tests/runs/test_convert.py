import json
import os

import pytest
import typer
from typer.testing import CliRunner

from spacy_xproj.cli.common import handle_errors
from spacy_xproj.cli.convert import convert_cli, validate_cli
from spacy_xproj.corpus import blank, doc_files, read_docs
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.runs.convert import convert
from tests.conftest import DATA, said

CONLL = "New\tB-LOC\n10\u00a0000\tI-LOC\nx\tO\n\nAna\tB-PER\n\n#\tO\n\n"


@pytest.fixture
def conll(tmp_path):
    path = tmp_path / "a.conll"
    path.write_bytes(CONLL.encode())
    return path


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("between", ["b.spacy", "b.jsonl", "b"])
def test_round_trip(tmp_path, conll, between):
    counts = convert(conll, tmp_path / between)
    assert counts == {"docs": 3, "tokens": 5, "ents": 2, "by_label:entities:LOC": 1, "by_label:entities:PER": 1}
    convert(tmp_path / between, tmp_path / "c.conll")
    assert (tmp_path / "c.conll").read_bytes() == conll.read_bytes()


def test_shards(tmp_path, conll):
    convert(conll, tmp_path / "out", shard=2)
    assert [p.name for p in doc_files(tmp_path / "out")] == ["00000.spacy", "00001.spacy"]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    labels = {"by_label:entities:LOC": 1, "by_label:entities:PER": 1}
    assert manifest["totals"] == {"docs": 3, "ents": 2, "tokens": 5, **labels}
    assert len(list(read_docs(tmp_path / "out", blank("en")))) == 3


def test_bitext(tmp_path):
    (tmp_path / "a.tsv").write_text("Good day\tBuenos días\n")
    convert(tmp_path / "a.tsv", tmp_path / "a.spacy", lang="es", source_lang="en")
    (doc,) = read_docs(tmp_path / "a.spacy", blank("es"))
    assert (doc.text, doc._.xproj.lang, doc._.xproj.text) == ("Buenos días", "en", "Good day")
    assert convert(tmp_path / "a.spacy", tmp_path / "a.jsonl")["payloads_left_out"] == 1


def test_nothing_is_left_of_a_failure(tmp_path, conll):
    conll.write_bytes(CONLL.encode() + b"\xff\tO\n")
    for name in ("b.spacy", "b.jsonl", "b.conll", "b"):
        with pytest.raises(InputError) as caught:
            convert(conll, tmp_path / name, shard=1 if name == "b" else 0)
        assert caught.value.line == 9
    assert names(tmp_path) == ["a.conll"]


def test_what_cannot_be_written(tmp_path, conll):
    with pytest.raises(XprojError, match="cannot write"):
        convert(conll, tmp_path / "b.tsv")
    with pytest.raises(XprojError, match="--shard"):
        convert(conll, tmp_path / "b.spacy", shard=2)
    with pytest.raises(XprojError, match="language code"):
        convert(conll, tmp_path / "b.spacy", lang="English!")
    assert names(tmp_path) == ["a.conll"]


def test_command_line(tmp_path, conll):
    app = typer.Typer()
    app.command("convert")(convert_cli)
    conll.write_text("a\tI-X\n\n")
    os.rename(conll, tmp_path / "a.txt")
    arguments = [
        str(tmp_path / "a.txt"),
        str(tmp_path / "out"),
        "--format",
        "conll",
        "--shard",
        "1",
        "--lang",
        "de",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "orphan i" in said(result)
    assert names(tmp_path / "out") == ["00000.spacy", "manifest.json"]


@pytest.mark.skipif(not DATA.exists(), reason="the data folder is absent (XPROJ_DATA)")
def test_real_data_round_trip(tmp_path):
    path = DATA / "masakha" / "en-lug" / "tgt.conll"
    assert convert(path, tmp_path / "a", lang="lug", shard=500)["docs"] == 1411
    assert len(doc_files(tmp_path / "a")) == 3
    convert(tmp_path / "a", tmp_path / "b.conll", lang="lug")
    assert (tmp_path / "b.conll").read_bytes() == path.read_bytes()


def run(verb, *arguments):
    app = typer.Typer()
    app.command("verb")(handle_errors(verb))
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_report_lists_all_repairs(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("-DOCSTART-\tO\n\na\tB-X\nb\tI-Y\nc\tI-Y\nd\tI-X\n\ne\tB-X\n")
    result = run(convert_cli, path, tmp_path / "a.spacy", "--report", tmp_path / "r.jsonl")
    assert result.exit_code == 0 and "orphan i (line 4, 6) 2" in said(result)
    rows = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert [(row["kind"], row["line"]) for row in rows] == [("docstart_lines", 1), ("orphan_i", 4), ("orphan_i", 6)]


def test_validate_lists_every_problem(tmp_path):
    path = tmp_path / "a.jsonl"
    good = {"text": "Rom", "spans": [{"start": 0, "end": 3, "label": "X"}]}
    bad = {"text": "Rom", "spans": [{"start": 0, "end": 9, "label": "X"}]}
    path.write_text("\n".join(map(json.dumps, [good, bad, good, {"text": ""}, bad])))
    result = run(validate_cli, path, "--report", tmp_path / "r.jsonl")
    assert result.exit_code == 1 and "3 problems" in said(result)
    assert all(f"a.jsonl, line {line}" in said(result) for line in (2, 4, 5))
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 3
    path.write_text(json.dumps(good))
    assert run(validate_cli, path).exit_code == 0
    path.write_bytes(json.dumps(good).encode() + b"\n\xff\n")
    result = run(validate_cli, path)
    assert result.exit_code == 1 and "line 2" in said(result) and "0xff" in said(result)
    path.write_text(json.dumps(bad))
    assert "1 problems" in said(run(validate_cli, path))
    path.write_text("")
    assert "empty" in said(run(validate_cli, path))


def test_sentences_and_license_follow_the_docs(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "Yes. " * 60, "spans": [], "meta": {"n": 1}}))
    result = run(convert_cli, path, tmp_path / "a.spacy")
    assert "--sentences" in said(result)
    result = run(convert_cli, path, tmp_path / "b.spacy", "--sentences", "--licence", "CC BY-NC 4.0")
    assert result.exit_code == 0
    result = run(convert_cli, path, tmp_path / "a.spacy", "--sentences", "--license", "CC BY-NC 4.0")
    assert (tmp_path / "b.spacy").read_bytes() == (tmp_path / "a.spacy").read_bytes()
    assert "--sentences" not in said(result)
    (doc,) = read_docs(tmp_path / "a.spacy", blank("en"))
    assert len(list(doc.sents)) == 60 and doc.user_data["meta"] == {"n": 1, "license": "CC BY-NC 4.0"}


@pytest.mark.parametrize(
    "to", ["doccano", "label-studio", "huggingface", "spacy-json", "prodigy", "conllu", "iob2", "iob-line", "brat"]
)
def test_to_and_back(tmp_path, to):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "Ana met Bo.", "spans": [{"start": 0, "end": 3, "label": "PER"}]}))
    convert(path, tmp_path / "b", to=to)
    convert(tmp_path / "b", tmp_path / "c.spacy", format=to)
    (doc,) = read_docs(tmp_path / "c.spacy", blank("en"))
    assert doc.text == "Ana met Bo." and [(e.text, e.label_) for e in doc.ents] == [("Ana", "PER")]
    with pytest.raises(XprojError, match="--shard"):
        convert(path, tmp_path / "d", to=to, shard=1)


@pytest.mark.parametrize("out", ["out.spacy", "out.conll", "out"])
def test_what_was_counted_stands_beside_the_output(corpus, out):
    """Whatever it is: one file of any format, or a folder of shards."""
    counts = convert(corpus / "src.conll", corpus / out)
    report = json.loads((corpus / f"{out}.report.json").read_text(encoding="utf-8"))
    assert report["docs"] == counts["docs"] == 5 and report["by_label"] == {
        "LOC": {"entities": 1},
        "PER": {"entities": 1},
    }
