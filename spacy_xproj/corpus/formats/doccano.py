"""JSONL of doccano: a text and `label` as `[start, end, label]`, or `entities` beside `relations`."""

from collections.abc import Iterable, Iterator
from typing import Any, Optional

from spacy.tokens import Doc

from . import CERTAIN, NO, POSSIBLE, Record, Report, Source, to_json
from .base import meta_of
from .json_format import JsonFormat, as_list, as_mark, as_meta, as_object, as_text, looks_like_span, refuse_other_labels
from .prodigy import written_spans

TEXTS = ("text", "data", "content", "sentence")
OTHERS = ("meta", "metadata", "relations", "Comments", "comments", "cats")
KEYS = ("label", "labels", "entities", "annotations")


class Doccano(JsonFormat):
    """`{"id": 1, "text": ..., "label": [[0, 5, "PER"]]}`; also `labels` and, with relations, `entities` with
    `start_offset`, `end_offset` and `label`. Where it has no `meta`, its other fields are the meta: doccano writes the
    columns that were imported beside the text in this way."""

    name = "doccano"
    about = "doccano's JSONL, with text and label"

    def claims(self, value: Any) -> int:
        if not isinstance(value, dict) or not any(isinstance(value.get(key), str) for key in TEXTS):
            return NO
        key = _key(value)
        if key is None:
            return POSSIBLE if "spans" not in value else NO
        if key == "entities" and not all("start_offset" in item for item in value[key] if isinstance(item, dict)):
            return NO
        items = value[key]
        if not items:
            return CERTAIN if key != "entities" or "relations" in value else POSSIBLE
        dicts = all(isinstance(item, dict) and "start_offset" in item for item in items)
        lists = key != "entities" and all(isinstance(item, list) and looks_like_span(item) for item in items)
        return CERTAIN if dicts or lists else NO

    def record(self, value: Any, line: int, source: Source, report: Report) -> Optional[Record]:
        value = as_object(value)
        text = as_text(value, next((key for key in TEXTS if isinstance(value.get(key), str)), "text"))
        beside = {k: v for k, v in value.items() if k not in ("id", *TEXTS) and isinstance(v, (str, int, float))}
        record, key = Record(line, text, meta=as_meta(value) or beside), _key(value)
        if key is None:
            refuse_other_labels(
                value, ("label", *TEXTS, "meta", "metadata", "relations", "Comments", "comments", "cats")
            )
        else:
            record.marks = [as_mark(item) for item in as_list(value, key)]
        return record

    def pieces(self, docs: Iterable[Doc], report: Report) -> Iterator[str]:
        for number, doc in enumerate(docs, 1):
            spans = written_spans(doc, report)
            record: dict[str, Any] = {"id": number, "text": doc.text}
            if spans is not None:
                record["label"] = [[span.start_char, span.end_char, span.label_] for span in spans]
            yield to_json({**record, **meta_of(doc)})


def _key(value: dict) -> Optional[str]:
    return next((key for key in KEYS if isinstance(value.get(key), list)), None)
