"""What the JSON formats of annotation tools have in common."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

from ...errors import InputError, XprojError
from ...limits import parse_json
from .base import CERTAIN, LIKELY, NO, Format
from .json_values import json_values
from .record import Mark, Record
from .report import Report
from .source import Source
from .tagging import TAG

STARTS = ("start", "start_offset", "begin")
ENDS = ("end", "end_offset")
LABELS = ("label", "labels", "tag", "type", "entity_type")
# What may hold labels. A record without entities that has one of these must not pass as one without labels.
KEYS = ("spans", "label", "labels", "entities", "ner_tags", "tags", "annotations", "annotation", "ents", "result")


class JsonFormat(Format):
    """A format whose records are JSON values, one a line or all in an array."""

    suffixes = (".jsonl", ".json", ".ndjson", ".jsonlines")

    def claims(self, value: Any) -> int:
        """Say of one JSON value how sure it is that it is of this format: NO, POSSIBLE or CERTAIN."""
        raise NotImplementedError

    def record(self, value: Any, line: int, source: Source, report: Report) -> Optional[Record]:
        """Make the record of a JSON value; None leaves it out.

        RAISES (XprojError): If the value is not of the format.
        """
        raise NotImplementedError

    def detect(self, source: Source) -> int:
        verdicts = [self.claims(value) for value in source.records if isinstance(value, (dict, list))]
        if not verdicts or len(verdicts) * 2 < len(source.records):
            return NO
        # Records without labels are possible in any of these formats.
        if CERTAIN in verdicts and verdicts.count(NO) * 3 <= len(verdicts):
            return CERTAIN if verdicts.count(NO) * 10 <= len(verdicts) else LIKELY
        return min(verdicts)

    def read(self, source: Source, report: Report) -> Iterator[Record]:
        values = json_values(lambda: source.lines(report), lambda: source.chunks(report), source.head, report)
        for line, value in values:
            try:
                record = self.record(value, line, source, report)
            except XprojError as err:
                report.problem(line, str(err))
            else:
                if record is not None:
                    yield record


def as_object(value: Any) -> dict:
    """The value, if it is a JSON object.

    RAISES (XprojError): Otherwise.
    """
    if not isinstance(value, dict):
        raise XprojError(f"Expected a JSON object, got {type(value).__name__}.")
    return value


def as_text(value: dict, name: str) -> str:
    """A string of a JSON object.

    RAISES (XprojError): If it is no string.
    """
    text = value.get(name)
    if not isinstance(text, str):
        raise XprojError(f"Expected {name!r} to be a string, got {text!r}.")
    return text.replace("\0", "\ufffd")


def as_list(value: dict, name: str) -> list:
    """A list of a JSON object.

    RAISES (XprojError): If it is none.
    """
    found = value.get(name)
    if not isinstance(found, list):
        raise XprojError(f"Expected {name!r} to be a list, got {found!r}.")
    return found


def as_meta(value: dict) -> dict[str, Any]:
    """The `meta` of a JSON object.

    RAISES (XprojError): If it is there and no object.
    """
    meta = value.get("meta")
    if meta is not None and not isinstance(meta, dict):
        raise XprojError(f"Expected 'meta' to be a JSON object, got {type(meta).__name__}.")
    return meta or {}


def as_mark(item: Any) -> Mark:
    """The span that a list `[start, end, label]` or an object with such keys tells.

    RAISES (XprojError): If it tells none.
    """
    if isinstance(item, list) and len(item) >= 3:
        item = dict(zip(("start", "end", "label"), item))
    if isinstance(item, dict) and isinstance(item.get("span"), list) and len(item["span"]) == 2:
        item = {"text": item.get("name"), **item, "start": item["span"][0], "end": item["span"][1]}
    if not isinstance(item, dict):
        raise XprojError(f"Expected a span to be [start, end, label] or a JSON object, got {item!r}.")
    label = next((item[key] for key in LABELS if item.get(key) is not None), None)
    if isinstance(label, list):
        if len(label) != 1:
            raise XprojError(f"Expected one label a span, got {label!r}.")
        label = label[0]
    if type(label) is int:
        raise XprojError(f"The label of a span is the number {label}, and the file does not tell its name.")
    if not isinstance(label, str) or not label:
        raise XprojError(f"Expected the 'label' of a span to be a string that is not empty, got {label!r}.")
    span_id, text = item.get("id"), item.get("text")
    return Mark(
        next((item[key] for key in STARTS if key in item), None),  # type: ignore[arg-type]
        next((item[key] for key in ENDS if key in item), None),  # type: ignore[arg-type]
        label.strip(),
        "" if span_id is None else str(span_id),
        text if isinstance(text, str) else None,
    )


def looks_like_span(item: Any) -> bool:
    """Whether a JSON value has the shape of a labeled span: a list, or an object with two offsets."""
    if isinstance(item, list):
        return len(item) >= 3 and [type(x) for x in item[:2]] == [int, int] and isinstance(item[2], str)
    if not isinstance(item, dict) or not any(key in item for key in LABELS):
        return False
    return isinstance(item.get("span"), list) or any(key in item for key in STARTS)


def refuse_other_labels(value: dict, known: Sequence[str]) -> None:
    """Stop at a record whose labels are under a key that the format does not have.

    value (dict): The record.
    known (sequence of str): The keys that are read.
    RAISES (XprojError): If another key may hold labels.
    """
    for key, found in value.items():
        if key in known or not isinstance(found, (list, dict)) or not found:
            continue
        first = found[0] if isinstance(found, list) else None
        classes = isinstance(first, str) and not TAG.fullmatch(first)  # of the whole text
        if (key in KEYS and not classes) or looks_like_span(first):
            raise XprojError(
                f"The record has no {known[0]!r}, but {key!r} looks like labels: {json.dumps(found)[:80]}. Give the "
                "format of the file with --format."
            )


def names_beside(path: Path) -> list[str]:
    """The names of numbered tags, from a file that data sets bring along: `label.json`, `label2id.json`,
    `dataset_info.json` or `dataset_infos.json`.

    path (Path): The file of the records.
    RETURNS (list of str): The names in order; none if no file tells them.
    RAISES (InputError): If such a file is not JSON.
    """
    for folder in (path.parent, path.parent.parent):
        for name in ("label.json", "label2id.json", "dataset_info.json", "dataset_infos.json"):
            if (folder / name).is_file():
                try:
                    found = _find_names(parse_json((folder / name).read_text(encoding="utf-8")))
                except ValueError as err:
                    raise InputError(folder / name, f"Expected the names of tags as JSON. {err}") from None
                if found:
                    return found
    return []


def _find_names(value: Any) -> list[str]:
    if isinstance(value, dict):
        numbers = list(value.values())
        if numbers and all(type(n) is int for n in numbers) and sorted(numbers) == list(range(len(numbers))):
            return sorted(value, key=value.__getitem__)
        if isinstance(value.get("names"), list) and "O" in value["names"]:
            return value["names"]
        return next((found for item in value.values() if (found := _find_names(item))), [])
    return []
