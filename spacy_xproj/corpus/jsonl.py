"""JSONL files in Prodigy's format: a text or its tokens, and spans."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Optional, Union

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ..errors import InputError, XprojError
from ..files import read_lines, replacing
from .conll import has_payload

GOLD = "gold"


def read_jsonl(path: Union[str, Path], nlp: Language, *, counts: Optional[Counter] = None) -> Iterator[Doc]:
    """Read a JSONL file, one Doc a line, as `make_doc` does.

    path (str or Path): The file. Blank lines are passed over.
    nlp (Language): Its tokenizer splits texts that come without tokens.
    counts (Optional[Counter]): Is added to.
    YIELDS (Doc): One a line.
    RAISES (InputError): If a line cannot be read.
    """
    counts = Counter() if counts is None else counts
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            doc = make_doc(json.loads(line), nlp, counts)
        except json.JSONDecodeError as err:
            raise InputError(path, number, f"Expected a JSON object on one line: {err}.") from None
        except (ValueError, RecursionError) as err:
            raise InputError(path, number, str(err)) from err
        yield doc


def make_doc(record: Any, nlp: Language, counts: Counter) -> Doc:
    """Make a Doc of one record.

    It has either `text` (str) or `tokens`: strings, with `spaces` (list of bool) beside them if wanted, or
    Prodigy's objects with `text` and `ws`. Its `spans` are objects with `label` (str), `id` if wanted, and
    `start` and `end`, half-open character offsets into the text; beside tokens also `token_start` and
    `token_end`, and as in Prodigy `token_end` is the last token of the span, not the one after it. A record
    without `spans` is not labeled.

    Spans that do not meet token boundaries grow to the tokens that they touch and are counted as
    `expanded_spans`. All spans are in `doc.spans["gold"]`; of those that overlap, the longest and then the
    first are in `doc.ents`, and the others are counted as `overlapping_spans`. Spans of nothing but white
    space are left out and counted as `blank_spans`. `meta` is in `doc.user_data["meta"]`.

    record (dict): The record.
    nlp (Language): Its tokenizer splits the text.
    counts (Counter): Is added to.
    RETURNS (Doc): The Doc.
    RAISES (XprojError): If the record is not like this.
    """
    if not isinstance(record, dict):
        raise XprojError(f"Expected a JSON object, got {type(record).__name__}.")
    has_tokens = record.get("tokens") is not None
    doc = _from_tokens(record, nlp) if has_tokens else nlp.make_doc(_text(record, "text"))
    if not doc.text.strip():
        raise XprojError("The text is empty. Remove the record.")
    if record.get("spans") is not None:
        spans = []
        for item in _list(record, "spans"):
            span = _span(doc, item, has_tokens, counts)
            if span is not None:
                spans.append(span)
        doc.spans[GOLD] = spans
        kept = filter_spans(spans)
        counts["overlapping_spans"] += len(spans) - len(kept)
        doc.set_ents(kept, default="outside")
    meta = record.get("meta")
    if meta is not None:
        if not isinstance(meta, dict):
            raise XprojError(f"Expected 'meta' to be a JSON object, got {type(meta).__name__}.")
        doc.user_data["meta"] = meta
    return doc


def write_jsonl(docs: Iterable[Doc], path: Union[str, Path], *, counts: Optional[Counter] = None) -> int:
    """Write Docs in Prodigy's format, with text, tokens, spans and meta. Docs that are not labeled have no
    `spans`.

    The spans are those of `doc.spans["gold"]` if `doc.ents` is made of them, and of `doc.ents` otherwise.
    Masked tokens of labeled Docs and payloads, which the format cannot hold, are counted as
    `masked_tokens_left_out` and `payloads_left_out`.

    docs (iterable of Doc): The Docs.
    path (str or Path): The file.
    counts (Optional[Counter]): Is added to.
    RETURNS (int): How many were written.
    """
    counts = Counter() if counts is None else counts
    n = 0
    with replacing(path) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
        for doc in docs:
            n += 1
            counts["payloads_left_out"] += has_payload(doc)
            file.write(json.dumps(_record(doc, counts), ensure_ascii=False) + "\n")
    return n


def _text(record: dict, name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise XprojError(f"Expected {name!r} to be a string, got {value!r}.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise XprojError(f"{name!r} holds half of a surrogate pair: {value!r}.") from None
    return value


def _list(record: dict, name: str) -> list:
    value = record.get(name)
    if not isinstance(value, list):
        raise XprojError(f"Expected {name!r} to be a list, got {value!r}.")
    return value


def _from_tokens(record: dict, nlp: Language) -> Doc:
    tokens = [t if isinstance(t, dict) else {"text": t} for t in _list(record, "tokens")]
    words = [_text(t, "text") for t in tokens]
    spaces = [t.get("ws", True) for t in tokens] if record.get("spaces") is None else _list(record, "spaces")
    if "" in words or not all(isinstance(s, bool) for s in spaces) or len(words) != len(spaces):
        raise XprojError(
            "Expected tokens that are not empty and true or false for each in 'spaces', got "
            f"{len(words)} tokens and {len(spaces)} spaces: {words}, {spaces}."
        )
    doc = Doc(nlp.vocab, words=words, spaces=spaces)
    if record.get("text") is not None and _text(record, "text").rstrip() != doc.text.rstrip():
        raise XprojError(f"The tokens and their spaces give {doc.text!r}, but the text is {record['text']!r}.")
    return doc


def _span(doc: Doc, item: Any, has_tokens: bool, counts: Counter) -> Optional[Span]:
    if not isinstance(item, dict):
        raise XprojError(f"Expected a span to be a JSON object, got {item!r}.")
    label, span_id = _text(item, "label"), item.get("id")
    if not label:
        raise XprojError(f"The label of a span is empty: {item}.")
    span_id = "" if span_id is None else str(span_id)
    if has_tokens and "token_start" in item:
        start, last = _offsets(item, "token_start", "token_end", len(doc) - 1)
        return Span(doc, start, last + 1, label=label, span_id=span_id)
    start, end = _offsets(item, "start", "end", len(doc.text))
    text = doc.text[start:end]
    if not text.strip():
        counts["blank_spans"] += 1
        return None
    # A space belongs to the token before it: a span that begins with one must not grow over that token.
    first, last = start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())
    span = doc.char_span(first, last, label=label, span_id=span_id, alignment_mode="expand")
    assert span is not None  # there is text in it
    counts["expanded_spans"] += (span.start_char, span.end_char) != (start, end)
    return span


def _offsets(item: dict, first: str, second: str, limit: int) -> tuple[int, int]:
    a, b = item.get(first), item.get(second)
    least = 0 if first == "token_start" else 1
    if type(a) is not int or type(b) is not int or not 0 <= a <= b - least <= limit - least:
        raise XprojError(
            f"Expected {first!r} and {second!r} to be offsets from 0 to {limit}, the second "
            f"not before the first and the span not empty, got {a!r} and {b!r}."
        )
    return a, b


def _record(doc: Doc, counts: Counter) -> dict:
    tokens = [
        {"text": t.text, "start": t.idx, "end": t.idx + len(t), "id": t.i, "ws": bool(t.whitespace_)} for t in doc
    ]
    record: dict[str, Any] = {"text": doc.text, "tokens": tokens}
    n_missing = sum(t.ent_iob == 0 for t in doc)
    if n_missing < len(doc):
        counts["masked_tokens_left_out"] += n_missing
        gold = list(doc.spans.get(GOLD, []))
        same = [_key(s) for s in filter_spans(gold)] == [_key(s) for s in doc.ents]
        record["spans"] = [_span_record(s) for s in (gold if same else doc.ents)]
    if "meta" in doc.user_data:
        record["meta"] = doc.user_data["meta"]
    return record


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
