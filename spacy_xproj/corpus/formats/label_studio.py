"""Exports of Label Studio: JSON with tasks and their annotations, and JSON-MIN."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Optional

from spacy.tokens import Doc

from ...errors import XprojError
from . import CERTAIN, NO, POSSIBLE, Mark, Record, Report, Source, to_json
from .base import meta_of
from .json_format import JsonFormat, as_list, as_mark, as_object, as_text
from .prodigy import written_spans

# What JSON-MIN has of its own beside the data of a task.
KEPT = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time")


class LabelStudio(JsonFormat):
    """Tasks with `data` and `annotations` (in old versions `completions`), of which the last that was not cancelled
    counts; or JSON-MIN, with the text and the spans in one object."""

    name = "label-studio"
    about = "an export of Label Studio"

    def claims(self, value: Any) -> int:
        if not isinstance(value, dict):
            return NO
        if isinstance(value.get("data"), dict) and _lists(value) is not None:
            return CERTAIN
        key = _min_key(value)
        if key is not None:
            return CERTAIN
        return POSSIBLE if any(k in value for k in ("annotator", "annotation_id", "lead_time")) else NO

    def record(self, value: Any, line: int, source: Source, report: Report) -> Optional[Record]:
        value = as_object(value)
        if isinstance(value.get("data"), dict):
            return self.task(value, line, report)
        key = _min_key(value)
        record = Record(line, as_text(value, "text"), meta=_scalars(value, ("text", *KEPT)))
        if key is not None or value.get("annotation_id") is not None:  # an annotation without spans leaves out the key
            record.marks = [as_mark(item) for item in as_list(value, key)] if key is not None else []
        return record

    def task(self, value: dict, line: int, report: Report) -> Optional[Record]:
        """The record of a task of the full export."""
        data, lists = value["data"], _lists(value)
        done = [a for a in (lists or []) if isinstance(a, dict) and not a.get("was_cancelled") and not a.get("skipped")]
        if lists and not done:
            report.note("ignored_records", line, "the annotation was cancelled")
            return None
        if len(done) > 1:
            report.note("other_annotations", line, f"the last of {len(done)} annotations is read", n=len(done) - 1)
        results = as_list(done[-1], "result") if done else []
        items = [item for item in results if isinstance(item, dict) and isinstance(item.get("value"), dict)]
        named = sorted({str(item.get("to_name")) for item in items if _labels(item["value"])})
        strings = [key for key, found in data.items() if isinstance(found, str)]
        name = "text"
        if name not in data and (named or not items):
            # Results name the control of the page, which often goes by the name of the field that it shows.
            name = next((key for key in named if key in data), strings[0] if len(strings) == 1 else name)
        record = Record(line, as_text(data, name))
        record.meta = data["meta"] if isinstance(data.get("meta"), dict) else _scalars(data, (name,))
        if done:
            record.marks = [mark for item in items for mark in _marks(item, line, report)]
        return record

    def pieces(self, docs: Iterable[Doc], report: Report) -> Iterator[str]:
        yield "[\n"
        for number, doc in enumerate(docs, 1):
            spans = written_spans(doc, report)
            task: dict[str, Any] = {"id": number, "data": {"text": doc.text, **meta_of(doc)}, "annotations": []}
            if spans is not None:
                result = [
                    {
                        "value": {"start": s.start_char, "end": s.end_char, "text": s.text, "labels": [s.label_]},
                        "id": s.id_ or f"{number}-{i}",
                        "from_name": "label",
                        "to_name": "text",
                        "type": "labels",
                    }
                    for i, s in enumerate(spans)
                ]
                task["annotations"] = [{"result": result, "was_cancelled": False}]
            yield ",\n" * (number > 1) + to_json(task).rstrip("\n")
        yield "\n]\n"


def _scalars(value: dict, names: Sequence[str]) -> dict[str, Any]:
    """The other fields of an object that are a text or a number."""
    return {k: found for k, found in value.items() if k not in names and isinstance(found, (str, int, float))}


def _lists(value: dict) -> Optional[list]:
    """The annotations of a task; None if it is none."""
    return next((value[key] for key in ("annotations", "completions") if isinstance(value.get(key), list)), None)


def _labels(value: dict) -> Optional[list]:
    found = value.get("labels") or value.get("hypertextlabels")
    return found if isinstance(found, list) and "start" in value else None


def _marks(item: dict, line: int, report: Report) -> Iterator[Mark]:
    value, labels = item["value"], _labels(item["value"])
    if labels is None:
        if value.get("start") is not None and item.get("type") == "labels":
            report.note("spans_without_label", line, str(value.get("text")))
        return
    if value.get("startOffset") is not None and not isinstance(value["start"], int):
        raise XprojError("The spans are those of a web page (XPath), and not of plain text.")
    for label in labels:
        yield as_mark({**value, "labels": None, "label": label, "id": item.get("id")})


def _min_key(value: dict) -> Optional[str]:
    """The key of JSON-MIN that holds spans."""
    for key, found in value.items():
        if isinstance(found, list) and found and all(isinstance(x, dict) and _labels(x) is not None for x in found):
            return key
    return None
