"""What annotation tools exported, read back as answers. Label Studio 1.23.2 and doccano 1.8.4 wrote the files."""

from pathlib import Path

import pytest

from spacy_xproj.corpus.formats import Report
from spacy_xproj.review.answers import CharSpan
from spacy_xproj.review.cases import cases
from spacy_xproj.review.exchange import asked_of, label_studio, read_records
from tests.review.exchanged import projected

EXPORTS = Path(__file__).parent / "exports"
ACCEPTED = ("Red Cross", "accept", "ORG", [CharSpan(18, 27, "Cruz Roja")])
ABSENT = ("ancient Rome", "absent", "LOC", [])
CHANGED = ("Rome", "span", "MISC", [CharSpan(18, 22, "Roma")])


def read(name):
    report = Report()
    found = list(read_records(EXPORTS / name, asked_of(projected()), report))
    assert {answer.reviewer for answer in found} == {"person"}
    assert {answer.question.asked for answer in found} == {"doubt"}
    return [(a.question.source.text, a.answer, a.label, list(a.targets)) for a in found], dict(report.counts)


def test_label_studio():
    """One task accepted, one without a mark, one marked anew, one skipped, one not looked at."""
    found, notes = read("label_studio.json")
    assert found == [ACCEPTED, ABSENT, CHANGED]
    assert notes == {"ignored_records": 1, "unanswered": 1, "utf16_offsets": 1}


def test_label_studio_min():
    """It leaves out what was skipped, and the key of the marks where there are none."""
    found, notes = read("label_studio_min.json")
    assert found == [ACCEPTED, ABSENT, CHANGED]
    assert notes == {"unanswered": 1, "utf16_offsets": 1}


def test_label_studio_counts_units_of_javascript():
    case = next(case for case in cases(projected()) if "🏛" in case.target)
    value = label_studio(case, 1)["predictions"][0]["result"][0]["value"]
    assert (value["start"], value["end"], value["text"]) == (19, 23, "Roma")


@pytest.mark.parametrize("name", ["doccano.jsonl", "prodigy.jsonl"])
def test_others(name):
    assert read(name)[0] == [ACCEPTED, ABSENT, CHANGED]
