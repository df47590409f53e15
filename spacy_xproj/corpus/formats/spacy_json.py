"""JSON of spaCy v2: a text and `entities` as `[start, end, label]`, one record a line or all in an array."""

from collections.abc import Iterable, Iterator
from typing import Any, Optional

from spacy.tokens import Doc

from ...errors import XprojError
from . import CERTAIN, NO, POSSIBLE, Record, Report, Source, to_json
from .base import meta_of
from .json_format import JsonFormat, as_list, as_mark, as_meta, as_object, as_text, looks_like_span, refuse_other_labels
from .prodigy import written_spans


class SpacyJson(JsonFormat):
    """`{"text": ..., "entities": [[0, 5, "PER"]]}`, `["text", {"entities": [...]}]`, the two in an array, or the
    `{"classes": ..., "annotations": [...]}` that some annotation tools make of them."""

    name = "spacy-json"
    about = "spaCy v2 training data, with text and entities"

    def claims(self, value: Any) -> int:
        if isinstance(value, dict) and "classes" in value and isinstance(value.get("annotations"), list):
            return CERTAIN
        try:
            found = _entities(value)
        except XprojError:
            return NO
        if found is None:
            plain = isinstance(value, dict) and isinstance(value.get("text"), str) and "spans" not in value
            return POSSIBLE if plain else NO
        # doccano's entities are objects as well, with other keys.
        good = all(looks_like_span(item) and "start_offset" not in item for item in found[1])
        return CERTAIN if good else NO

    def read(self, source: Source, report: Report) -> Iterator[Record]:
        wrapped = any(isinstance(value, dict) and "classes" in value for value in source.records)
        for record in super().read(source, report):
            if not wrapped:
                yield record
                continue
            # The whole file is one object: the annotations stand in the meta that `record` made.
            for value in record.meta["annotations"]:
                try:
                    if value is not None and (found := self.record(value, record.line, source, report)) is not None:
                        yield found
                except XprojError as err:
                    report.problem(record.line, str(err))

    def record(self, value: Any, line: int, source: Source, report: Report) -> Optional[Record]:
        if isinstance(value, dict) and "classes" in value:
            return Record(line, "", meta={"annotations": as_list(value, "annotations")})
        found = _entities(value)
        if found is None:
            text, items = as_text(as_object(value), "text"), None
            refuse_other_labels(value, ("entities", "text", "meta", "cats", "tokens", "sents"))
        else:
            text, items = found
        marks = None if items is None else [as_mark(item) for item in items]
        return Record(line, text, marks=marks, meta=as_meta(value) if isinstance(value, dict) else {})

    def pieces(self, docs: Iterable[Doc], report: Report) -> Iterator[str]:
        for doc in docs:
            spans = written_spans(doc, report)
            record: dict[str, Any] = {"text": doc.text}
            if spans is not None:
                record["entities"] = [[span.start_char, span.end_char, span.label_] for span in spans]
            yield to_json({**record, **meta_of(doc)})


def _entities(value: Any) -> Optional[tuple[str, list]]:
    """The text and the entities of a record, if it has any."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict):
        value = {"text": value[0], **value[1]}
    if not isinstance(value, dict):
        raise XprojError(f"Expected an object or [text, {{'entities': ...}}], got {type(value).__name__}.")
    if isinstance(value.get("annotations"), dict):
        value = {**value, **value["annotations"]}
    key = next((key for key in ("entities", "ents") if value.get(key) is not None), None)
    return None if key is None else (as_text(value, "text"), as_list(value, key))
