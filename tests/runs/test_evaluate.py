import json

import pytest

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.labels import LabelFilter
from spacy_xproj.runs.evaluate import evaluate
from tests.conftest import CONFIGS, DATA, conll, names

CONFIG = CONFIGS / "project_match.cfg"


def run(corpus, **options):
    options = {"config": CONFIG, "alignments": corpus / "links.pharaoh", **options}
    return evaluate(corpus / "src.conll", corpus / "tgt.conll", **options)


def test_scores(corpus):
    got = run(corpus, output=corpus / "m" / "scores.json")
    assert (got["ents_f"], got["n_docs"], got["n_source"], got["n_gold"]) == (1.0, 5, 2, 2)
    assert got["not_projected"] == {} and got["labels"] == [] and got["input"] == {}
    assert json.loads((corpus / "m" / "scores.json").read_text(encoding="utf-8")) == got


def test_labels(corpus):
    got = run(corpus, labels=LabelFilter(("PLACE",), {"LOC": "PLACE"}))
    assert (got["labels"], got["n_source"], got["n_gold"], list(got["ents_per_type"])) == (["PLACE"], 1, 1, ["PLACE"])
    with pytest.raises(XprojError, match="--labels names ORG"):
        run(corpus, labels=LabelFilter(("LOC", "ORG")))


def test_overrides(corpus):
    strict = {"components.xproj_matcher.min_score": 2, "components.xproj_matcher.doubtful": "drop"}
    got = run(corpus, overrides=strict)
    assert (got["ents_f"], got["not_projected"]) == (0.0, {"low_score": 2})


def test_fits_on_the_input_or_on_other_text(corpus):
    assert run(corpus, alignments=None)["n_docs"] == 5
    (corpus / "other.tsv").write_text("Ana saw Rome\tAna vio Roma\n" * 3)
    got = run(corpus, alignments=None, fit_on=[corpus / "other.tsv"], lang="es")
    assert got["ents_f"] == 1.0
    with pytest.raises(InputError, match="empty"):
        (corpus / "other.tsv").write_text("")
        run(corpus, alignments=None, fit_on=[corpus / "other.tsv"])


def test_given_links_need_no_fitting(corpus):
    config = corpus / "match.cfg"
    assert run(corpus, config=config)["ents_f"] == 1.0
    got = run(corpus, config=config, alignments=None)
    assert got["not_projected"] == {"no_links": 2}


def test_remarks_on_the_input(corpus):
    (corpus / "src.conll").write_text(conll(["Ana"], tag="I"))
    (corpus / "tgt.conll").write_text(conll(["Ana"]))
    (corpus / "links.pharaoh").write_text("0-0\n")
    assert run(corpus)["input"] == {"orphan_i": 1}


def test_a_target_that_is_not_labeled(corpus):
    (corpus / "tgt.conll").write_text("la\n\nel\n\n")
    with pytest.raises(InputError, match=r"tgt\.conll: It is not labeled"):
        run(corpus)


def test_tokens_that_are_not_known_are_passed_over(corpus):
    (corpus / "src.conll").write_text(conll(["Ana Rome"]))
    (corpus / "tgt.conll").write_text("Ana\tB-PER\nRoma\t-\n\n")
    (corpus / "links.pharaoh").write_text("0-0 1-1\n")
    assert run(corpus)["ents_f"] == 1.0


@pytest.mark.parametrize(
    "file, text, line, message",
    [
        ("src.conll", conll(["a b c d"]), None, "1 source and 5 target lines"),
        ("tgt.conll", conll(["a b c d"] * 3), None, "5 source and 3 target lines"),
        ("links.pharaoh", "0-0\n" * 4, None, "but it has 4 lines"),
        ("links.pharaoh", "0-0\n" * 6, None, "but it has 6 lines"),
        ("links.pharaoh", "0-0\n0-0\n0-9\n0-0\n0-0\n", 3, "target word 9"),
        ("links.pharaoh", "0-0\n4-0\n0-0\n0-0\n0-0\n", 2, "source word 4"),
        ("links.pharaoh", "0-0\n0:0\n0-0\n0-0\n0-0\n", 2, "'0:0'"),
    ],
)
def test_what_cannot_be_used(corpus, file, text, line, message):
    (corpus / file).write_text(text)
    before = names(corpus)
    with pytest.raises(XprojError, match=message) as caught:
        run(corpus, output=corpus / "scores.json")
    if line is not None:
        assert (caught.value.path, caught.value.line) == (corpus / file, line)
    assert names(corpus) == before


def test_real_sides(data, tmp_path):
    folder = DATA / "europarl" / "en-de"
    got = evaluate(
        folder / "src.conll",
        folder / "tgt.conll",
        CONFIG,
        folder / "align.eflomal-inter.pharaoh",
        lang="de",
        labels=LabelFilter(("PER",)),
        output=tmp_path / "m.json",
    )
    assert got["n_docs"] == 799 and got["ents_f"] > 0.9
