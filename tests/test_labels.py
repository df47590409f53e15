"""Labels renamed and left out."""

import json
from collections import Counter

import pytest
import spacy
from spacy.tokens import Span, SpanGroup

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.labels import ALL, LabelFilter
from tests.conftest import ents, payload_doc

NLP = spacy.blank("en")


def labeled(words, *spans, unknown=()):
    doc = NLP.make_doc(words)
    made = [Span(doc, a, b, label=label, span_id=f"q{a}") for a, b, label in spans]
    doc.set_ents(made, missing=[doc[i : i + 1] for i in unknown], default="outside")
    return doc


def test_the_map_comes_first():
    names = LabelFilter.parse("PER, LOC", "PERSON=PER,GPE=LOC,LOC=,ORG=ORG")
    found = {old: names(old) for old in ("PERSON", "GPE", "LOC", "ORG", "PER", "DATE")}
    assert found == {"PERSON": "PER", "GPE": "LOC", "LOC": "", "ORG": "", "PER": "PER", "DATE": ""}
    assert names.labels == ("LOC", "PER") and names and not ALL and not LabelFilter.parse("", " ")
    assert LabelFilter.parse("", "A=")("A") == "" and LabelFilter.parse("A")("A") == "A"


@pytest.mark.parametrize(
    "text",
    [
        "PERSON=PER\nNORP=\n\nGPE = LOC\n",
        "PERSON=PER,NORP=,GPE=LOC",
        "PERSON=PER\r\nNORP=\r\nGPE=LOC\r\n",
        '{"PERSON": "PER", "NORP": "",\n "GPE": "LOC"}',
    ],
)
def test_files(tmp_path, text):
    path = tmp_path / "map"
    path.write_bytes(text.encode())
    assert LabelFilter.parse("", str(path)).label_map == {"PERSON": "PER", "NORP": "", "GPE": "LOC"}


@pytest.mark.parametrize(
    "text, line, message",
    [
        ("A=B\nC\n", 2, "'C' is not the new name of a label"),
        ("A=B\n=C\n", 2, "is not the new name"),
        ("A=B\nA=C\n", 2, "A gets two names, 'B' and 'C'"),
        ('{"A": "B", "A": "C"}', None, "A gets two names"),
        ('{"A": 1}', None, "1 is not the new name"),
        ('{"A": {"B": "C"}}', None, "is not the new name"),
        ('{"A": "B"', None, "no JSON object"),
    ],
)
def test_bad_files(tmp_path, text, line, message):
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        LabelFilter.parse("", str(path))
    assert (caught.value.path, caught.value.line) == (path, line)


@pytest.mark.parametrize("given", ["nothing.json", "PERSON", "A=B,C", "A=B,A=C", "=B"])
def test_bad_pairs(given):
    with pytest.raises(XprojError, match=r"--label-map.*Expected pairs such as PERSON=PER"):
        LabelFilter.parse("", given)


def test_entities():
    doc = labeled("a b c d e", (0, 1, "X"), (1, 2, "Y"), (2, 3, "Z"), unknown=[4])
    (same,) = LabelFilter(("Q", "Z"), {"X": "Q"}).apply([doc])
    assert same is doc and ents(doc) == [(0, 1, "Q"), (2, 3, "Z")]
    assert [token.ent_iob_ for token in doc] == ["B", "O", "B", "O", ""] and [e.id_ for e in doc.ents] == ["q0", "q2"]


def test_what_is_not_labeled_stays_so():
    doc = NLP.make_doc("a b")
    assert not next(LabelFilter(("X",)).apply([doc])).has_annotation("ENT_IOB")


def test_payloads_and_groups():
    doc = payload_doc(NLP, "a b", "c d", [(0, 1, "X"), (1, 2, "Y")], "0-0 1-1")
    spans = [Span(doc, 0, 1, "X", span_id="s0"), Span(doc, 1, 2, "Y", span_id="s1")]
    doc.spans["xproj"] = SpanGroup(doc, name="xproj", spans=spans, attrs={"scores": [0.25, 0.5]})
    doc.spans["other"] = spans
    next(LabelFilter(("Z",), {"Y": "Z"}).apply([doc]))
    assert [(s.label, s.id) for s in doc._.xproj.spans] == [("Z", "s1")] and len(doc._.xproj.links) == 2
    group = doc.spans["xproj"]
    assert [(s.label_, s.id_) for s in group] == [("Z", "s1")] and list(group.attrs["scores"]) == [0.5]
    assert [s.label_ for s in doc.spans["other"]] == ["X", "Y"]


def test_an_entity_inside_of_one_that_is_left_out():
    doc = labeled("a b c", (0, 3, "ORG"))
    doc.spans["gold"] = [doc.ents[0], Span(doc, 1, 2, label="LOC")]
    next(LabelFilter(("LOC",)).apply([doc]))
    assert ents(doc) == [(1, 2, "LOC")] and [s.label_ for s in doc.spans["gold"]] == ["LOC"]


def test_what_occurs_nowhere():
    docs = lambda: [labeled("a b", (0, 1, "PERSON")), labeled("a b", (0, 1, "GPE"), (1, 2, "LOC"))]  # noqa: E731
    fitting = LabelFilter(("PER", "LOC"), {"PERSON": "PER", "GPE": "LOC"})
    assert len(list(fitting.checked(docs()))) == 2
    with pytest.raises(XprojError, match=r"--labels names PERS, but .* this label.*occur are GPE, LOC, PERSON.$"):
        list(LabelFilter(("PERS", "LOC")).checked(docs()))
    with pytest.raises(XprojError, match=r"--label-map names DATE, NORP, but .* these labels"):
        list(LabelFilter((), {"NORP": "", "DATE": "", "GPE": ""}).checked(docs()))
    with pytest.raises(XprojError, match=r"--labels names PERSON,.*GPE \(here left out\), LOC, PERSON \(here PER\)"):
        list(LabelFilter(("PERSON",), {"PERSON": "PER", "GPE": ""}).checked(docs()))
    with pytest.raises(XprojError, match="No entity has any label"):
        list(LabelFilter(("PER",)).checked([labeled("a")]))
    assert len(list(LabelFilter(("DATE", "GPE")).checked(docs(), known=["DATE"]))) == 2


def test_keys():
    a, b = LabelFilter(("X", "Y"), {"A": "B", "C": "D"}), LabelFilter(("Y", "X"), {"C": "D", "A": "B"})
    assert json.dumps(a.options()) == json.dumps(b.options()) and ALL.options() == {}


def test_labels_as_they_were_are_counted():
    seen = Counter()
    list(LabelFilter((), {"X": ""}).apply([labeled("a b", (0, 1, "X"), (1, 2, "Y"))], seen))
    list(ALL.apply([labeled("a b", (0, 1, "Y"))], seen))
    assert seen == {"X": 1, "Y": 2}
