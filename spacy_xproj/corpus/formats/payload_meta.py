"""What JSON says of a payload, and the ids by which Docs that come back meet their payloads again."""

from collections import Counter
from typing import Any

from spacy.tokens import Doc

from ...files import text_hash

META = "xproj"  # in the meta of a record


class PairIds:
    """Names each pair of texts of a corpus: by a hash of them, and a number from the second one on that is the same."""

    def __init__(self) -> None:
        self.seen: Counter = Counter()

    def __call__(self, doc: Doc) -> str:
        """Return the id of the next Doc with a payload."""
        name = text_hash(f"{doc._.xproj.text}\n{doc.text}")[:16]
        self.seen[name] += 1
        return name if self.seen[name] == 1 else f"{name}-{self.seen[name]}"


def payload_meta(doc: Doc, name: str) -> dict[str, Any]:
    """Return what a person may want to know of a payload: the source, its entities, and how they were projected.

    doc (Doc): A Doc with a payload.
    name (str): Its id.
    RETURNS (dict[str, Any]): Plain data.
    """
    bitext, report = doc._.xproj, doc._.xproj_report or {}
    scores: dict[str, float] = {}
    if "xproj" in doc.spans:
        group = doc.spans["xproj"]
        scores = {span.id_: float(score) for span, score in zip(group, group.attrs.get("scores", ()))}
    reasons = {row["id"]: row["reason"] for row in report.get("missing", ())}
    entities = []
    for span in bitext.spans:
        text = "".join(bitext.words[i] + " " * bitext.spaces[i] for i in range(span.start, span.end)).strip()
        found: dict[str, Any] = {"id": span.id, "label": span.label, "text": text}
        if span.id in scores:
            found["score"] = round(scores[span.id], 4)
        if span.id in reasons:
            found["reason"] = reasons[span.id]
        entities.append(found)
    return {"id": name, "source_lang": bitext.lang, "source": bitext.text, "entities": entities}


def payload_id(meta: Any) -> str:
    """Return the id in the meta of a record or Doc, or ""."""
    found = meta.get(META) if isinstance(meta, dict) else None
    return str(found.get("id") or "") if isinstance(found, dict) else ""
