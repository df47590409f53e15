"""What the verbs count by label, doubtful spans, and inputs without entities."""

import json

import pytest

from spacy_xproj.translators.memory import Memory
from tests.cli.test_app import CONFIG, bad, evaluate_args, good, project_args
from tests.conftest import VERSES, conll, names

MATCHER = "--components.xproj_matcher."


def report(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_convert(corpus):
    assert "label entities LOC 1 PER 1" in plain(good("convert", corpus / "src.conll", corpus / "a.spacy"))
    assert "label source LOC 1 PER 1" in plain(good("convert", corpus / "bitext.spacy", corpus / "b"))
    assert "label entities LOC 1 PER 1" in plain(good("validate", corpus / "src.conll"))


def translate_args(corpus, *more):
    memory = Memory(corpus / "memory.db")
    memory.add(VERSES, "en", "es")
    path = ("--components.xproj_translator.forward.path", corpus / "memory.db")
    return "translate", corpus / "src.conll", corpus / "t.spacy", "--lang", "es", "--config", "translate", *path, *more


def test_translate(corpus):
    keep = ("--components.xproj_translator.labels", '["PER"]')
    assert "label source left out LOC 0 1 PER 1 0" in plain(good(*translate_args(corpus, *keep)))
    found = report(corpus / "t.spacy.report.json")
    assert found["by_label"] == {"LOC": {"source": 0, "left_out": 1}, "PER": {"source": 1, "left_out": 0}}
    assert found["docs"] == 5


def test_a_translator_that_leaves_out_all(corpus):
    call = translate_args(corpus, "--components.xproj_translator.labels", '["PERS"]')
    before = names(corpus)
    message = bad(*call)
    assert "leave out all entities of the source. Its labels are LOC, PER." in message
    assert {n for n in names(corpus) - before if not n.startswith("memory.db")} == set()


def test_a_source_without_entities_is_no_success(corpus):
    call = translate_args(corpus)
    (corpus / "src.conll").write_text("\n".join("\n".join(text.split()) + "\n" for text, _ in VERSES))
    text = good(*call)
    assert "no entity to project in them. Give --source-model" in text and "✔" not in text


def test_project(corpus):
    (corpus / "links.pharaoh").write_text("0-0 1-1 2-2 3-3\n" * 4 + "0-0\n")
    text = plain(good(*project_args(corpus, "--alignments", corpus / "links.pharaoh")))
    assert "label source projected not projected entities LOC 1 0 1 0 PER 1 1 0 1" in text
    found = report(corpus / "out.spacy.report.json")
    assert found["by_label"]["LOC"] == {"source": 1, "projected": 0, "not_projected": 1, "entities": 0}
    assert found["doubtful"] == 0


def test_evaluate(corpus):
    output = corpus / "m.json"
    args = ("--alignments", corpus / "links.pharaoh", "--output", output, f"{MATCHER}min_score", "1.5")
    text = plain(good(*evaluate_args(corpus, *args)))
    assert "label source doubtful not projected gold LOC 1 1 1 1 PER 1 1 1 1" in text
    assert report(output)["doubtful"] == 2 and "doubtful 2" in text


def plain(text):
    """Without the lines of tables."""
    return " ".join(word for word in text.split() if not set(word) <= set("-"))


@pytest.mark.parametrize("verb", [project_args, evaluate_args])
def test_min_score_alone_leaves_out(corpus, verb):
    args = ("--alignments", corpus / "links.pharaoh", f"{MATCHER}min_score", "1.5")
    text = good(*verb(corpus, *args))
    assert "low score 2" in text or "low_score 2" in text
    assert "changes nothing" not in text and "leaves out no span" not in text


def test_settings_that_change_nothing(corpus):
    args = ("--alignments", corpus / "links.pharaoh", f"{MATCHER}min_score", "1.5", f"{MATCHER}doubtful", "keep")
    text = good(*project_args(corpus, *args))
    assert text.count("min_score = 1.5 leaves out no span while doubtful = 'keep'") == 1
    assert "Projected 2 of 2" in text and "doubtful 2" in plain(text)
    text = good(*evaluate_args(corpus, f"{MATCHER}doubtful", "mask"))
    assert "doubtful = 'mask' masks nothing while min_score = 0" in text


def test_a_bitext_without_source_entities(corpus):
    (corpus / "b.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in VERSES))
    (corpus / "none.conll").write_text(conll(text for text, _ in VERSES[:3]))
    before = names(corpus)

    def fails(bitext, *more, out="o.spacy"):
        message = bad("project", corpus / bitext, corpus / out, "--config", CONFIG, "--lang", "es", *more)
        assert names(corpus) == before
        return message

    for out in ("o.spacy", "o"):
        assert "5 Docs: its source side was never labeled" in fails("b.tsv", out=out)
    assert "3 Docs: no Doc has a source side. Is it the right file?" in fails("none.conll")
    assert "left out all 2 of them (LOC, PER)" in fails("bitext.spacy", "--label-map", "PER=,LOC=")


def test_a_bitext_of_a_source_without_entities(corpus):
    call = translate_args(corpus)
    (corpus / "src.conll").write_text(conll(text for text, _ in VERSES[:3]))
    good(*call)
    message = bad("project", corpus / "t.spacy", corpus / "o", "--config", CONFIG, "--lang", "es")
    assert "its source side is labeled, but as without entities" in message


@pytest.mark.parametrize(
    "file, text, options, message",
    [
        ("tgt.conll", "{bare}", (), "tgt.conll: It is not labeled"),
        (
            "tgt.conll",
            "{none}",
            (),
            "tgt.conll: There is no entity to score by: its 5 sentences are labeled as without",
        ),
        ("src.conll", "{bare}", (), "src.conll: There is no entity to project: it was never labeled"),
        ("src.conll", "{none}", (), "src.conll: There is no entity to project: its 5 sentences are labeled as without"),
        ("src.conll", "{loc}", ("--labels", "PER"), "left out all 1 of them (LOC)"),
        ("tgt.conll", "{loc}", ("--labels", "PER"), "tgt.conll: There is no entity to score by: --labels and"),
        ("tgt.conll", "{other}", (), "No label is on both sides: the source has LOC, PER, and the target PERSON."),
    ],
)
def test_evaluate_without_entities(corpus, file, text, options, message):
    verses = [pair[file == "tgt.conll"] for pair in VERSES]
    texts = {
        "bare": "\n".join("\n".join(verse.split()) + "\n" for verse in verses),
        "none": conll(verses).replace("B-PER", "O").replace("B-LOC", "O"),
        "loc": conll(verses).replace("B-PER", "O"),
        "other": conll(verses).replace("B-PER", "B-PERSON").replace("B-LOC", "O"),
    }
    (corpus / file).write_text(texts[text.strip("{}")])
    before = names(corpus)
    assert message in bad(*evaluate_args(corpus, *options, "--output", corpus / "m.json"))
    assert names(corpus) == before
