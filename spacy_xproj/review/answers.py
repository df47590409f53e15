"""Answers of reviewers, the one thing that a person, a language model and gold all give: `answers.jsonl`.

A line is about one source span. All offsets are those of characters, in the source text and in the target text:

    {"doc": "5f3c…", "text": "91ab…", "source": {"start": 0, "end": 3, "text": "Ana", "label": "PER"}, "asked": "doubt",
     "answer": "span", "targets": [{"start": 0, "end": 3, "text": "Ana"}], "label": "PER", "reviewer": "person"}
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple, Union

from spacy.tokens import Doc, Span

from ..bitext import Bitext
from ..corpus.formats.json_format import as_list, as_object, as_text
from ..errors import InputError, XprojError
from ..files import read_lines, replacing, text_hash
from ..limits import parse_json

ANSWERS = ("accept", "span", "absent", "skip")
ASKED = ("", "doubt", "random")
PERSON, GOLD, MODEL = "person", "gold", "model:"
NAME_LENGTH = 200  # characters of an id, a label or a reviewer
LINE_LENGTH = 1_000_000
Key = tuple[str, int, int, str]


class CharSpan(NamedTuple):
    """A part of a text by its characters, half-open, with the text that it has."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Question:
    """Where is the projection of this source span?

    doc (str): Names the Doc in its corpus: see `PairIds`.
    text (str): The hash of the target text, by which a text that was edited is noticed: see `target_hash`.
    source (CharSpan), label (str): The source span and its label.
    asked (str): Why it is asked: by "doubt", at "random", or "" where nobody chose.
    """

    doc: str
    text: str
    source: CharSpan
    label: str
    asked: str = ""

    @property
    def key(self) -> Key:
        """What names it among all questions of a corpus."""
        return self.doc, self.source.start, self.source.end, self.label

    def to_json(self) -> dict[str, Any]:
        """Return the part of a line of `answers.jsonl` that tells the question."""
        asked = {"asked": self.asked} if self.asked else {}
        return {"doc": self.doc, "text": self.text, "source": {**self.source._asdict(), "label": self.label}, **asked}


@dataclass(frozen=True)
class Answer:
    """What a reviewer says of a source span.

    question (Question): The question.
    answer (str): "accept": what was projected is right, and is in `targets`; "span": `targets` are right; "absent":
        the target text has no counterpart; "skip": the reviewer does not say.
    targets (tuple of CharSpan): The right spans of the target text; none if absent or skipped.
    label (str): The label that they have, which can be another one than that of the source span.
    reviewer (str): "person", "gold", or "model:" and its name.
    """

    question: Question
    answer: str
    targets: tuple[CharSpan, ...]
    label: str
    reviewer: str

    def to_json(self) -> dict[str, Any]:
        """Return the line of `answers.jsonl`."""
        rest = {"answer": self.answer, "targets": [span._asdict() for span in self.targets]}
        return {**self.question.to_json(), **rest, "label": self.label, "reviewer": self.reviewer}


def target_hash(doc: Doc) -> str:
    """The hash by which an edited target text is noticed."""
    return text_hash(doc.text)[:16]


def questions(doc: Doc, name: str, asked: str = "") -> list[Question]:
    """Return a question for each source span of a Doc, in the order of `Bitext.spans`.

    doc (Doc): A Doc with a payload.
    name (str): What names it in its corpus: see `PairIds`.
    asked (str): Why they are asked.
    """
    bitext, text = doc._.xproj, target_hash(doc)
    return [Question(name, text, source_chars(bitext, s.start, s.end), s.label, asked) for s in bitext.spans]


def source_chars(bitext: Bitext, start: int, end: int) -> CharSpan:
    """Return where source words stand in the source text.

    bitext (Bitext): The payload.
    start, end (int): Half-open offsets into its words.
    """
    places = [0, *accumulate(len(word) + space for word, space in zip(bitext.words, bitext.spaces))]
    first, last = places[start], places[end - 1] + len(bitext.words[end - 1])
    return CharSpan(first, last, bitext.text[first:last])


def char_span(span: Span) -> CharSpan:
    """Return where a span of a Doc stands in its text."""
    return CharSpan(span.start_char, span.end_char, span.text)


def target_spans(answer: Answer, doc: Doc) -> list[Span]:
    """Return the spans of an answer as spans of its Doc.

    answer (Answer): The answer.
    doc (Doc): The Doc that its question is about.
    RAISES (XprojError): If the target text was edited, or a span does not have the text that the answer says, does not
        meet the borders of tokens or overlaps another one.
    """
    if answer.question.text != target_hash(doc):
        raise XprojError("The target text is not the one that was asked about. It was edited.")
    spans: list[Span] = []
    for start, end, text in answer.targets:
        if doc.text[start:end] != text:
            raise XprojError(f"The answer says {text!r} at {start}-{end}, where the text has {doc.text[start:end]!r}.")
        span = doc.char_span(start, end, label=answer.label)
        if span is None:
            raise XprojError(f"The span {text!r} at {start}-{end} does not begin and end with a token.")
        spans.append(span)
    spans.sort()
    if any(a.end > b.start for a, b in pairwise(spans)):
        raise XprojError(f"Two spans of the answer overlap: {[span.text for span in spans]}.")
    return spans


def latest(answers: Iterable[Answer]) -> dict[Key, Answer]:
    """Return one answer a question: that of gold or a person before that of a model, then the last one. A "skip" leaves
    the question open, and takes back what the same kind of reviewer said before."""
    by_rank: dict[bool, dict[Key, Answer]] = {False: {}, True: {}}
    for answer in answers:
        by_rank[not answer.reviewer.startswith(MODEL)][answer.question.key] = answer
    kept = [{key: one for key, one in found.items() if one.answer != "skip"} for found in by_rank.values()]
    return {**kept[0], **kept[1]}


def read_answers(path: Union[str, Path]) -> Iterator[tuple[int, Answer]]:
    """Read a file of answers.

    path (str or Path): The file.
    YIELDS (tuple of int and Answer): The number of the line and the answer.
    RAISES (InputError): At the first line that is not an answer.
    """
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            if len(line) > LINE_LENGTH:
                raise XprojError(f"The line is longer than {LINE_LENGTH:,} characters.")
            yield number, as_answer(parse_json(line))
        except ValueError as err:
            raise InputError(path, f"Expected an answer as a JSON object. {err}", number) from None


def write_answers(path: Union[str, Path], answers: Iterable[Answer]) -> int:
    """Write a file of answers, whole or not at all.

    path (str or Path): The file.
    answers (iterable of Answer): The answers.
    RETURNS (int): How many there are.
    """
    return write_lines(path, (answer.to_json() for answer in answers))


def write_lines(path: Union[str, Path], records: Iterable[Any]) -> int:
    """Write values as JSON, one a line, the file as a whole or not at all. RETURNS (int): How many there are."""
    n = 0
    with replacing(path) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
        for n, record in enumerate(records, 1):  # noqa: B007
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return n


def as_answer(value: Any) -> Answer:
    """Make the answer that a line tells.

    value: A JSON value.
    RAISES (XprojError): If it tells none.
    """
    value = as_object(value)
    answer, targets = as_text(value, "answer"), [as_span(item, "targets") for item in as_list(value, "targets")]
    if answer not in ANSWERS:
        raise XprojError(f"Expected 'answer' to be one of {', '.join(ANSWERS)}, got {answer[:NAME_LENGTH]!r}.")
    if bool(targets) != (answer in ("accept", "span")):
        needs = "one target span at least" if not targets else "no target spans"
        raise XprojError(f"Expected {needs} in an answer that is {answer!r}, got {len(targets)}.")
    reviewer = _name(value, "reviewer")
    if reviewer not in (PERSON, GOLD) and not reviewer.startswith(MODEL):
        raise XprojError(f"Expected 'reviewer' to be {PERSON!r}, {GOLD!r} or '{MODEL}NAME', got {reviewer!r}.")
    return Answer(as_question(value), answer, tuple(targets), _name(value, "label"), reviewer)


def as_question(value: dict[str, Any]) -> Question:
    """Make the question that a JSON object tells. Arguments and errors are those of `as_answer`."""
    asked, source = value.get("asked", ""), value.get("source")
    if asked not in ASKED:
        raise XprojError(f"Expected 'asked' to be one of {', '.join(ASKED[1:])}, got {asked!r}.")
    span = as_span(source, "source")
    return Question(_name(value, "doc"), _name(value, "text"), span, _name(as_object(source), "label"), asked)


def as_span(item: Any, name: str) -> CharSpan:
    """Make the span that a JSON value tells.

    item: A JSON value.
    name (str): Where it stands, for the error.
    RAISES (XprojError): If it tells none.
    """
    item = as_object(item)
    start, end, text = item.get("start"), item.get("end"), as_text(item, "text")
    if type(start) is not int or type(end) is not int or not 0 <= start < end or len(text) != end - start:
        raise XprojError(
            f"Expected a span in {name!r} with 'start' and 'end' in characters and a 'text' as long as that, got "
            f"{start!r}, {end!r} and {text[:NAME_LENGTH]!r}."
        )
    return CharSpan(start, end, text)


def _name(value: dict[str, Any], key: str) -> str:
    text = as_text(value, key)
    if not 0 < len(text) <= NAME_LENGTH or not text.isprintable() or text != text.strip():
        raise XprojError(
            f"Expected {key!r} to be a word or name of up to {NAME_LENGTH} characters, got {text[:NAME_LENGTH]!r}."
        )
    return text
