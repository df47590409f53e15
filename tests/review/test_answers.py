"""The protocol of reviewers: what is written is read back, and what is no answer is refused with its line."""

import json

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.review.answers import (
    Answer,
    CharSpan,
    as_answer,
    latest,
    questions,
    read_answers,
    target_spans,
    write_answers,
)
from tests.conftest import payload_doc

NLP = spacy.blank("es")
DOC = payload_doc(NLP, "Ana vive en la Roma antigua", "Ana lives in ancient Rome", [(0, 1, "PER"), (3, 5, "LOC")])


def answer(kind="span", targets=("Roma",), which=1, label="LOC", reviewer="person", doc=DOC):
    question = questions(doc, "d1", "doubt")[which]
    spans = tuple(CharSpan(doc.text.index(t), doc.text.index(t) + len(t), t) for t in targets)
    return Answer(question, kind, spans, label, reviewer)


def line(**changes):
    return {**answer().to_json(), **changes}


def test_questions_tell_characters():
    found = questions(DOC, "d1")
    assert [q.source for q in found] == [CharSpan(0, 3, "Ana"), CharSpan(13, 25, "ancient Rome")]
    assert found[1].to_json()["source"] == {"start": 13, "end": 25, "text": "ancient Rome", "label": "LOC"}


def test_source_spaces_count():
    doc = payload_doc(NLP, "x", "a b", [(1, 2, "X")])
    doc._.xproj = doc._.xproj.replace(words=("(", "b", ")"), spaces=(False, False, True), spans=[(1, 2, "X", "s0")])
    assert questions(doc, "d")[0].source == CharSpan(1, 2, "b")


def test_written_answers_are_read_back(tmp_path):
    found = [answer(), answer("absent", ()), answer("skip", (), reviewer="model:m/7b"), answer("accept", ("Ana",), 0)]
    assert write_answers(tmp_path / "a.jsonl", found) == 4
    assert [one for _, one in read_answers(tmp_path / "a.jsonl")] == found
    assert [number for number, _ in read_answers(tmp_path / "a.jsonl")] == [1, 2, 3, 4]


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(lambda t: "\0" not in t))
def test_any_text_survives(text):
    question = questions(DOC, "d1")[0]
    found = Answer(question, "span", (CharSpan(2, 2 + len(text), text),), "LOC", "gold")
    assert as_answer(json.loads(json.dumps(found.to_json()))) == found


WRONG = [
    ([], "Expected a JSON object, got list"),
    (line(answer="maybe"), "one of accept, span, absent, skip"),
    (line(answer="absent"), "Expected no target spans"),
    (line(targets=[]), "Expected one target span at least"),
    (line(answer="accept", targets=[]), "Expected one target span at least"),
    (line(targets=[{"start": 5, "end": 4, "text": ""}]), "Expected a span in 'targets'"),
    (line(targets=[{"start": True, "end": 2, "text": "n"}]), "Expected a span in 'targets'"),
    (line(targets=[{"start": 0, "end": 3, "text": "Anna"}]), "Expected a span in 'targets'"),
    (line(targets=[{"start": 0.0, "end": 3.0, "text": "Ana"}]), "Expected a span in 'targets'"),
    (line(source={"start": 0, "end": 3, "text": "Ana"}), "'label'"),
    (line(reviewer="somebody"), "'reviewer'"),
    (line(reviewer="model:a\nb"), "'reviewer'"),
    (line(doc="x" * 201), "'doc'"),
    (line(doc=7), "'doc'"),
    (line(label=""), "'label'"),
    (line(label="\u2028"), "'label'"),
    (line(asked="never"), "'asked'"),
]


@pytest.mark.parametrize("value, message", WRONG, ids=range(len(WRONG)))
def test_what_is_no_answer_is_refused(value, message):
    with pytest.raises(XprojError, match=message):
        as_answer(value)


@pytest.mark.parametrize(
    "text", ["{", "1", "[" * 100_000, '{"text": "\\ud800"}', '{"doc": NaN}', '{"a": "' + "x" * 1_000_001 + '"}']
)
def test_a_wrong_line_is_named(tmp_path, text):
    (tmp_path / "a.jsonl").write_text(json.dumps(line()) + "\n\n" + text + "\n", encoding="utf-8")
    found = read_answers(tmp_path / "a.jsonl")
    assert next(found)[0] == 1
    with pytest.raises(InputError, match="line 3"):
        next(found)


def test_targets_are_spans_of_the_doc():
    found = target_spans(answer(targets=("Roma antigua", "Ana")), DOC)
    assert [(span.start, span.end, span.label_) for span in found] == [(0, 1, "LOC"), (4, 6, "LOC")]


@pytest.mark.parametrize(
    "targets, message",
    [
        ((CharSpan(15, 18, "Rom"),), "does not begin and end with a token"),
        ((CharSpan(15, 19, "Rome"),), "where the text has 'Roma'"),
        ((CharSpan(400, 401, "x"),), "where the text has ''"),
        ((CharSpan(15, 19, "Roma"), CharSpan(15, 19, "Roma")), "overlap"),
    ],
)
def test_targets_that_are_no_spans(targets, message):
    with pytest.raises(XprojError, match=message):
        target_spans(Answer(questions(DOC, "d1")[1], "span", targets, "LOC", "person"), DOC)


def test_an_edited_text_is_noticed():
    other = payload_doc(NLP, "Ana vive en la Roma moderna", "Ana lives in ancient Rome", [(3, 5, "LOC")])
    with pytest.raises(XprojError, match="edited"):
        target_spans(answer(), other)


def test_people_go_before_models_and_later_before_earlier():
    person, model = answer("absent", ()), answer(reviewer="model:m")
    assert list(latest([person, model]).values()) == [person]
    assert list(latest([model, person]).values()) == [person]
    assert list(latest([person, answer()]).values()) == [answer()]


def test_a_skip_takes_back_and_leaves_the_model_s_answer():
    person, model, skip = answer("absent", ()), answer(reviewer="model:m"), answer("skip", ())
    assert latest([person, skip]) == {}
    assert list(latest([model, person, skip]).values()) == [model]
