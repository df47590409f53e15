"""Cases as records of annotation tools, and answers out of what the tools export.

A record is about one source span: its text is the target text, in which what was projected is marked, and its other
fields show the source. So what a person marks in it is the answer, whatever the tool does to the ids of spans.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

from spacy.tokens import Doc

from ..corpus.formats import Mark, Record, Report, Source, find_format, named_format
from ..corpus.formats.offsets import resolve
from ..corpus.formats.payload_meta import PairIds
from ..errors import InputError, XprojError
from ..files import replacing, text_hash
from .answers import ASKED as ASKS
from .answers import PERSON, Answer, CharSpan, Question, char_span, questions, target_spans
from .cases import Case

ID, ASKED, SOURCE, ASK = "xproj_id", "xproj_asked", "source", "question"
OPEN, CLOSE = "⟦", "⟧"  # around the source span


class Asked(NamedTuple):
    """A question that a record is about, its Doc, and what was projected."""

    question: Question
    doc: Doc
    projected: frozenset[CharSpan]


def record_id(question: Question) -> str:
    """Return what names the record of a question."""
    doc, start, end, label = question.key
    return f"{doc}:{start}-{end}:{label}"


def fields(case: Case) -> dict[str, str]:
    """Return what the record of a case shows beside the target text, and what it is found by when it comes back."""
    (start, end, text), source = case.question.source, case.source
    marked = f"{source[:start]}{OPEN}{text}{CLOSE}{source[end:]}"
    ask = f"Where is {OPEN}{text}{CLOSE} ({case.question.label})? Mark it, or leave nothing marked if it is not there."
    return {ID: record_id(case.question), ASKED: case.question.asked, SOURCE: marked, ASK: ask}


def prodigy(case: Case, number: int) -> dict[str, Any]:
    """The record of a case for Prodigy, such as for its recipe `ner.manual`. Its hashes are those of the case: two
    cases of one text would else count as one task."""
    starts, ends = ({place[side]: k for k, place in enumerate(case.tokens)} for side in (0, 1))
    tokens = [
        {"text": case.target[start:end], "start": start, "end": end, "id": k, "ws": case.target[end : end + 1] == " "}
        for k, (start, end) in enumerate(case.tokens)
    ]
    spans = [
        {
            "start": each.span.start,
            "end": each.span.end,
            "token_start": starts[each.span.start],
            "token_end": ends[each.span.end],
            "label": case.question.label,
        }
        for each in case.projected
    ]
    name = int(text_hash(record_id(case.question))[:7], 16)
    hashes = {"_input_hash": name, "_task_hash": name}
    return {"text": case.target, "tokens": tokens, "spans": spans, "meta": fields(case), **hashes}


def label_studio(case: Case, number: int) -> dict[str, Any]:
    """The task of a case for Label Studio, with what was projected as a prediction, its offsets in UTF-16 units, which
    a tool in JavaScript counts. `label_studio_config` makes the labeling interface."""
    result = [
        {
            "id": f"{number}-{k}",
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {**_utf16(case.target, each.span)._asdict(), "labels": [case.question.label]},
        }
        for k, each in enumerate(case.projected)
    ]
    prediction = {"model_version": "spacy-xproj", "score": round(1 - case.doubt, 4), "result": result}
    return {"data": {"text": case.target, **fields(case)}, "predictions": [prediction]}


def _utf16(text: str, span: CharSpan) -> CharSpan:
    start, end = (len(text[:at].encode("utf-16-le")) // 2 for at in span[:2])
    return CharSpan(start, end, span.text)


def doccano(case: Case, number: int) -> dict[str, Any]:
    """The record of a case for doccano (sequence labeling, JSONL)."""
    spans = [[each.span.start, each.span.end, case.question.label] for each in case.projected]
    return {"text": case.target, "label": spans, **fields(case)}


def label_studio_config(labels: Iterable[str]) -> str:
    """Return the labeling interface of Label Studio for these labels, as XML."""
    from xml.sax.saxutils import quoteattr

    listed = "\n".join(f"    <Label value={quoteattr(label)}/>" for label in sorted(set(labels)))
    return (
        f'<View>\n  <Header value="${ASK}"/>\n  <Text name="source" value="${SOURCE}"/>\n'
        f'  <Labels name="label" toName="text">\n{listed}\n  </Labels>\n'
        '  <Text name="text" value="$text" granularity="word"/>\n</View>\n'
    )


TOOLS: Mapping[str, Callable[[Case, int], dict[str, Any]]] = {
    "prodigy": prodigy,
    "label-studio": label_studio,
    "doccano": doccano,
}


def write_records(path: Union[str, Path], found: Iterable[Case], tool: str) -> int:
    """Write the records of cases for an annotation tool: an array for Label Studio, else one a line. For Label Studio
    the labeling interface is written beside it, as `PATH.xml`.

    path (str or Path): The file.
    found (iterable of Case): The cases, in order.
    tool (str): One of `TOOLS`.
    RETURNS (int): How many there are.
    """
    make, array, n = TOOLS[tool], tool == "label-studio", 0
    labels: Counter = Counter()
    with replacing(path) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
        file.write("[\n" * array)
        for n, case in enumerate(found, 1):
            labels[case.question.label] += 1
            # ASCII alone: doccano guesses encodings, and wrongly
            line = json.dumps(make(case, n), ensure_ascii=tool == "doccano")
            file.write(",\n" * (n > 1) + line if array else f"{line}\n")
        file.write("\n]\n" * array)
    if array:
        with replacing(f"{path}.xml") as beside:
            beside.write_text(label_studio_config(labels), encoding="utf-8")
    return n


def asked_of(docs: Iterable[Doc]) -> dict[str, Asked]:
    """Return all questions that a corpus allows, by the ids of their records.

    docs (iterable of Doc): Docs as a projection left them.
    """
    name, out = PairIds(), {}
    for doc in docs:
        if doc._.xproj is not None:
            group = doc.spans.get("xproj", ())
            for span, question in zip(doc._.xproj.spans, questions(doc, name(doc))):
                mine = frozenset(char_span(each) for each in group if each.id_ == span.id)
                out[record_id(question)] = Asked(question, doc, mine)
    return out


def read_records(
    path: Union[str, Path], known: Mapping[str, Asked], report: Report, format: Optional[str] = None
) -> Iterator[Answer]:
    """Read the answers in what a tool exported.

    path (str or Path): The export: Prodigy's JSONL, Label Studio's JSON or JSON-MIN, doccano's JSONL.
    known (mapping of str to Asked): From `asked_of`, of the corpus that was exported.
    report (Report): Is told what cannot be used, by kind: `unknown_ids`, `edited_texts`, `off_tokens`,
        `several_labels`; what was not answered, `unanswered`; and what the reader of the format notes.
    format (Optional[str]): One of `TOOLS`. None: found by content.
    YIELDS (Answer): One for each record that can be used.
    RAISES (InputError): If the file is not such an export, or none of its records has an id.
    """
    source = Source(path)
    form = named_format(format, source) if format else find_format(source)
    if form.name not in TOOLS:
        raise InputError(path, f"Expected an export of {', '.join(TOOLS)}, got the format {form.name!r}.")
    report.path, report.format = source.path, form.name
    n_records = n_named = 0
    for record in form.read(source, report):
        assert isinstance(record, Record)
        n_records += 1
        name = record.meta.get(ID)
        n_named += name is not None
        found = known.get(str(name))
        if found is None:
            report.note("unknown_ids", record.line, f"No source span has the id {name!r}.")
        elif record.marks is None:
            report.note("unanswered", record.line)
        elif record.text != found.doc.text:
            report.note("edited_texts", record.line, f"{record.text!r} was {found.doc.text!r}.")
        elif answer := _answer(record, found, report):
            yield answer
    if n_records and not n_named:
        raise InputError(
            path,
            f"Not one of its {n_records} records has an {ID!r}. Is it an export of what 'xproj review export' wrote, "
            "with its other fields?",
        )


def _answer(record: Record, found: Asked, report: Report) -> Optional[Answer]:
    asked, label = record.meta.get(ASKED), found.question.label
    question = replace(found.question, asked=asked if asked in ASKS else "")
    try:
        marks = resolve(found.doc.text, [_by_characters(m, record, found.doc) for m in record.marks or ()], report, 0)
        labels = {mark.label for mark in marks} or {label}
        if len(labels) > 1:
            report.note("several_labels", record.line, f"One answer has the labels {', '.join(sorted(labels))}.")
            return None
        places = sorted({(mark.start, mark.end) for mark in marks})
        targets = tuple(CharSpan(a, b, found.doc.text[a:b]) for a, b in places)
        same = labels == {label} and found.projected == set(targets)
        kind = "absent" if not targets else "accept" if same else "span"
        answer = Answer(question, kind, targets, labels.pop(), PERSON)
        target_spans(answer, found.doc)
    except XprojError as err:
        report.note("off_tokens", record.line, str(err))
        return None
    return answer


def _by_characters(mark: Mark, record: Record, doc: Doc) -> Mark:
    if not mark.words:
        return mark
    if record.words != [token.text for token in doc]:
        raise XprojError(f"The tokens were {[token.text for token in doc]}, and now they are {record.words}.")
    span = doc[mark.start : mark.end]
    return replace(mark, start=span.start_char, end=span.end_char, words=False)
