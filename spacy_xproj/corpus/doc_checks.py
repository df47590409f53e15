"""What a .spacy file may say of a Doc beside spaCy's own data: all else is refused before anything works with it."""

from collections.abc import Mapping
from typing import Any, Union

import numpy as np
from spacy.tokens import Doc

from ..bitext import Bitext
from ..errors import XprojError
from ..limits import check_limit
from ..soft import SoftLabels

Fields = Mapping[str, Union[type, tuple[type, ...]]]
# What the report of a projection can hold. See `ProjectionPipe.set_annotations`.
REPORT: Fields = {
    "source_spans": int,
    "projected": int,
    "missing": (list, tuple),
    "doubtful": dict,
    "notes": (list, tuple),
}
ROW: Fields = {"id": str, "label": str, "start": int, "end": int, "reason": str}


def check_doc(doc: Doc) -> None:
    """Make sure that what stands in a file about a Doc is of the right kind, fits it, and is within the limits.

    doc (Doc): The Doc.
    RAISES (XprojError): If not. Labels that are in no string store raise a `KeyError`.
    """
    bitext, soft, report = doc._.xproj, doc._.xproj_soft, doc._.xproj_report
    for name, found, wanted in (("xproj", bitext, Bitext), ("xproj_soft", soft, SoftLabels)):
        if found is not None and not isinstance(found, wanted):
            raise XprojError(f"Expected doc._.{name} to be {wanted.__name__}, got {type(found).__name__}.")
    if bitext is not None:
        check_limit("doc_tokens", len(bitext.words), "Its source side has {n} tokens")
        check_limit("doc_entities", len(bitext.spans), "Its source side has {n} entities")
        bitext.check(len(doc))
        check_limit("entity_depth", most_over_a_word(bitext), "Of its source entities {n} hold the same word")
    if soft is not None:
        soft.check(len(doc))
    if report is not None:
        check_fields("The report", report, REPORT)
        for row in report["missing"]:
            check_fields("A row of the report", row, ROW)
        if not all(isinstance(note, str) for note in report["notes"]):
            raise XprojError("The notes of the report are no strings.")
        for name, kind in (("doubtful", int), ("answered", str)):
            values = report.get(name, {})
            check_fields(f"{name!r} of the report", values, dict.fromkeys(values, kind))
    check_fields("doc.cats", doc.cats, dict.fromkeys(doc.cats if isinstance(doc.cats, dict) else (), (int, float)))
    check_limit("doc_entities", len(doc.ents), "It has {n} entities")
    for ent in doc.ents:
        ent.label_, ent.id_  # noqa: B018
    for key, group in doc.spans.items():
        check_limit("doc_entities", len(group), f"It has {{n}} spans under {key!r}")
        for span in group:
            span.label_, span.id_  # noqa: B018
        if key == "xproj" and "scores" in group.attrs:
            check_scores(group.attrs["scores"], len(group))


def most_over_a_word(bitext: Bitext) -> int:
    """Return how many source spans hold the same word, at most."""
    places = np.array([(span.start, span.end) for span in bitext.spans], "i8").reshape(-1, 2)
    starts, ends = (np.bincount(column, minlength=len(bitext.words) + 1) for column in places.T)
    return int(np.cumsum(starts - ends).max())


def check_fields(what: str, found: Any, fields: Fields) -> None:
    """Make sure that a value is a dict with fields of these types.

    what (str): What it is, for the message.
    found (Any): The value.
    fields (mapping of str to type): The types by the names of the fields.
    RAISES (XprojError): If it is not.
    """
    if not isinstance(found, dict):
        raise XprojError(f"{what} is no dict, but {type(found).__name__}.")
    for name, kind in fields.items():
        value = found.get(name)
        if not isinstance(value, kind) or isinstance(value, bool) or (isinstance(value, int) and value < 0):
            raise XprojError(f"{what} has {value!r} as {name!r}.")


def check_scores(scores: Any, n: int) -> None:
    """Make sure that there is one score from 0 to 1 for each span. RAISES (XprojError): If not."""
    values = np.asarray(scores)
    if values.shape != (n,) or values.dtype.kind not in "fiu" or not ((values >= 0) & (values <= 1)).all():
        raise XprojError(f"Expected {n} scores from 0 to 1 for the spans under 'xproj', got others.")
