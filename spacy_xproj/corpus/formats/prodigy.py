"""JSONL in Prodigy's format: a text, its tokens, and spans. Also what this package writes."""

from collections.abc import Iterable, Iterator
from typing import Any, Optional

from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ...errors import XprojError
from . import CERTAIN, NO, POSSIBLE, Mark, Record, Report, Source, to_json
from .base import has_payload, meta_of
from .build import GOLD
from .json_format import JsonFormat, as_list, as_mark, as_meta, as_object, as_text, refuse_other_labels
from .payload_meta import META, PairIds, payload_meta

KNOWN = ("spans", "text", "tokens", "meta", "spaces", "relations", "options", "accept", "config")


class Prodigy(JsonFormat):
    """A record has `text`, or `tokens` with `spaces`, or both, and `spans` with `start`, `end` and `label`. One
    without `spans` is not labeled. Records and spans whose `answer` is not "accept" are left out and counted."""

    name = "prodigy"
    about = "Prodigy's JSONL, with text and spans"

    def claims(self, value: Any) -> int:
        if not isinstance(value, dict) or not (isinstance(value.get("text"), str) or "tokens" in value):
            return NO
        spans = value.get("spans")
        if spans is None:
            found = value.get("label") or value.get("entities") or value.get("labels") or value.get("ner_tags")
            return NO if isinstance(found, list) or "annotations" in value else POSSIBLE
        return CERTAIN if isinstance(spans, list) and all(isinstance(span, dict) for span in spans) else NO

    def record(self, value: Any, line: int, source: Source, report: Report) -> Optional[Record]:
        value = as_object(value)
        answer = value.get("answer", "accept")
        if answer != "accept":
            report.note(
                {"reject": "rejected_records", "ignore": "ignored_records"}.get(str(answer), "other_answers"), line
            )
            return None
        text = as_text(value, "text") if value.get("text") is not None or value.get("tokens") is None else None
        record = Record(line, text, meta=as_meta(value))
        if value.get("tokens") is not None:
            add_tokens(record, value)
        if value.get("spans") is None:
            refuse_other_labels(value, KNOWN)
            return record
        record.marks = []
        for item in as_list(value, "spans"):
            if isinstance(item, dict) and item.get("answer", "accept") != "accept":
                report.note("rejected_spans", line, str(item.get("label", "")))
            else:
                record.marks.append(_mark(item, record.words))
        return record

    def pieces(self, docs: Iterable[Doc], report: Report) -> Iterator[str]:
        ids = PairIds()
        for doc in docs:
            tokens = [
                {"text": t.text, "start": t.idx, "end": t.idx + len(t), "id": t.i, "ws": bool(t.whitespace_)}
                for t in doc
            ]
            record: dict[str, Any] = {"text": doc.text, "tokens": tokens}
            spans = written_spans(doc, report)
            if spans is not None:
                record["spans"] = [_span_record(span) for span in spans]
            record |= meta_of(doc)
            if has_payload(doc):
                record["meta"] = {**record.get("meta", {}), META: payload_meta(doc, ids(doc))}
            yield to_json(record)


def written_spans(doc: Doc, report: Report) -> Optional[list[Span]]:
    """The spans of a Doc for formats that hold spans: those of `doc.spans["gold"]` if `doc.ents` is made of them, and
    otherwise those of `doc.ents`. Masked tokens of labeled Docs and payloads, which the formats cannot hold, are
    counted as `masked_tokens_left_out` and `payloads_left_out`.

    doc (Doc): The Doc.
    report (Report): Is told what is left out.
    RETURNS (Optional[list[Span]]): The spans; None for a Doc that is not labeled.
    """
    if has_payload(doc):
        report.note("payloads_left_out")
    n_missing = sum(token.ent_iob == 0 for token in doc)
    if n_missing == len(doc):
        return None
    if n_missing:
        report.note("masked_tokens_left_out", n=n_missing)
    gold = list(doc.spans.get(GOLD, []))
    same = [_key(s) for s in filter_spans(gold)] == [_key(s) for s in doc.ents]
    return gold if same else list(doc.ents)


def add_tokens(record: Record, value: dict) -> None:
    """Take the words of a record, and where spaces are: from `ws`, `spaces`, the offsets of the tokens, or the text.

    record (Record): The record, with its text if it has one.
    value (dict): The JSON object.
    RAISES (XprojError): If they do not go together.
    """
    tokens = [t if isinstance(t, dict) else {"text": t} for t in as_list(value, "tokens")]
    words = [as_text(token, "text") for token in tokens]
    spaces: Optional[list] = None
    if value.get("spaces") is not None:
        spaces = as_list(value, "spaces")
    elif any("ws" in token for token in tokens):
        spaces = [token.get("ws", True) for token in tokens]
    elif record.text is None and all(type(token.get(key)) is int for token in tokens for key in ("start", "end")):
        starts = [token["start"] for token in tokens[1:]]
        spaces = [token["end"] < start for token, start in zip(tokens, starts)] + [False] * bool(tokens)
    fits = spaces is None or (len(spaces) == len(words) and all(isinstance(space, bool) for space in spaces))
    if "" in words or not fits:
        raise XprojError(
            "Expected tokens that are not empty and true or false for each in 'spaces', got "
            f"{len(words)} tokens and the spaces {spaces}: {words}."
        )
    if spaces is not None and record.text is not None:
        made = "".join(word + " " * space for word, space in zip(words, spaces))
        if made.rstrip() != record.text.rstrip():
            spaces = None  # `locate` sees whether the words make up the text in another way
    record.words, record.spaces = words, spaces


def _mark(item: Any, words: Optional[list[str]]) -> Mark:
    if words is None or not isinstance(item, dict) or "token_start" not in item:
        return as_mark(item)
    start, last = item.get("token_start"), item.get("token_end")
    if type(start) is not int or type(last) is not int or not 0 <= start <= last < len(words):
        raise XprojError(
            f"Expected 'token_start' and 'token_end' to be tokens from 0 to {len(words) - 1}, the second not before "
            f"the first, got {start!r} and {last!r}."
        )
    mark = as_mark({"start": 0, "end": 1, **item})
    return Mark(start, last + 1, mark.label, mark.id, words=True)


def _key(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.label_


def _span_record(span: Span) -> dict:
    record = {
        "start": span.start_char,
        "end": span.end_char,
        "token_start": span.start,
        "token_end": span.end - 1,
        "label": span.label_,
    }
    return {**record, "id": span.id_} if span.id_ else record
