"""Rows as one HTML file: the template `page.html` with the rows as JSON in it."""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Optional, Union

from spacy.displacy.render import DEFAULT_LABEL_COLORS, EntityRenderer

from ...evaluate.errors import TYPES
from ...files import replacing
from ...similarities.ranker.explain import Reading, in_words
from .rows import Found, Row

PLACE = "{{data}}"
SMALL = 0.05  # what a feature adds is named from this on; smaller ones are added up
ALIASES = {"PER": "PERSON", "MISC": "WORK_OF_ART"}  # labels that displaCy has other names for
REASONS = {
    "no_links": "No word of it is linked.",
    "no_candidate": "Its links lead to no words that could be its projection.",
    "null_wins": "Not projecting it is likelier than each candidate.",
    "punctuation": "All its links lead to punctuation.",
    "length_ratio": "What it is linked to is too short or too long.",
    "conflict": "Other spans took the words.",
    "low_score": "Its projection scores below min_score and was dropped.",
    "masked": "Its projection scores below min_score. Its words are masked.",
    "crosses_sentences": "It is not inside one sentence pair.",
    "not_translated": "The sentence has no translation.",
    "not_carried": "No pipe before the merger projected it.",
    "too_long": "The sentence pair is too long to match.",
}


def write_page(path: Union[str, Path], rows: Iterable[Row], **about: Any) -> None:
    """Write a page. Arguments and errors are those of `html`.

    path (str or Path): The HTML file. It is written whole or not at all.
    """
    text = html(rows, **about)
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def html(
    rows: Iterable[Row],
    *,
    title: str = "Projection",
    other: str = "",
    source_lang: str = "",
    target_lang: str = "",
    colors: Optional[Mapping[str, str]] = None,
    small: bool = False,
    asked: str = "",
) -> str:
    """Make a page.

    rows (iterable of Row): The rows.
    title (str): The title, such as the name of the file.
    other (str): The name of the other projection, if the rows have one.
    source_lang, target_lang (str): Language codes, by which a browser chooses fonts and a screen reader its voice.
    colors (Optional[mapping of str to str]): CSS colors of labels in place of displaCy's.
    asked (str): Why questions are asked, for the answers: see `Question`.
    small (bool): Leave out what filters and saves answers, as for a few Docs in a notebook.
    RETURNS (str): One HTML document. It loads nothing.
    """
    table = Table()
    data: dict[str, Any] = {"rows": [table.row(row) for row in rows]}
    labels = sorted(table.labels)
    data |= {
        "title": title,
        "other": other,
        "langs": [source_lang, target_lang],
        "colors": label_colors(labels, colors),
        "reasons": {reason: REASONS.get(reason, reason) for reason in sorted(table.reasons)},
        "errors": list(TYPES),
        "features": [[group, words] for group, words in map(in_words, table.features)],
        "provenance": table.provenance,
        "small": small,
        "asked": asked,
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    name = hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]  # answers in the browser are kept under it
    text = f'{{"id":"{name}",{text[1:]}'.replace("<", "\\u003c")  # so that no text ends the script
    before, after = files(__package__).joinpath("page.html").read_text(encoding="utf-8").split(PLACE)
    return before + text + after


class Table:
    """Rows as JSON, with what comes often in lists beside them.

    labels, reasons (set of str): Those that occur.
    features (dict[str, int]), provenance (list of dict): What rows name by its place.
    """

    def __init__(self) -> None:
        self.labels: set[str] = set()
        self.reasons: set[str] = set()
        self.features: dict[str, int] = {}
        self.provenance: list[Mapping[str, Any]] = []

    def row(self, row: Row) -> dict[str, Any]:
        """The JSON of a row. What is empty is left out."""
        self.reasons.update(row.missing.values())
        self.labels.update(span[2] for some in (row.spans, row.found, row.gold or (), row.other or ()) for span in some)
        if row.provenance not in self.provenance:
            self.provenance.append(row.provenance)
        rtl = [is_rtl(words) for words in (row.source, row.target)]
        out = {
            "doc": row.doc,
            "text": row.text,
            "source": row.source,
            "target": row.target,
            "at": row.at if any(row.at) else None,
            "rtl": rtl if any(rtl) else None,
            "spans": row.spans,
            "found": [found(one) for one in row.found],
            "missing": dict(row.missing),
            "masked": row.masked,
            "links": [x for i, j, score in row.links for x in (i, j, round(100 * score))],
            "readings": {k: [self.reading(one) for one in some] for k, some in row.readings.items()},
            "doubt": [round(1000 * value) for value in row.doubt],
            "errors": [[TYPES.index(kind), *spans] for kind, *spans in row.errors],
            "asked": row.asked,
            "notes": row.notes,
            "provenance": self.provenance.index(row.provenance),
        }
        out = {name: value for name, value in out.items() if value not in (None, (), [], {}, 0)}
        if row.gold is not None:
            out["gold"] = row.gold
        if row.other is not None:
            out["other"] = [found(one) for one in row.other]
        return out

    def reading(self, one: Reading) -> list[Any]:
        """Start, end, thousandths of the probability, and pairs of a feature and the hundredths that it adds.

        The features that add little are put together as the feature -1, so that the numbers sum to the score."""
        hundredths = {name: round(100 * value) for name, value in one.says.items() if abs(value) >= SMALL}
        rest = round(100 * one.score) - sum(hundredths.values())
        says = [x for name, n in hundredths.items() for x in (self.features.setdefault(name, len(self.features)), n)]
        return [one.start, one.end, round(1000 * one.probability), *says, *((-1, rest) if rest else ())]


def found(one: Found) -> list[Any]:
    """Start, end, label, source span, thousandths of the score, and 0 if it is no entity."""
    return [one.start, one.end, one.label, one.source, round(1000 * one.score), int(one.kept)]


def label_colors(labels: Sequence[str], colors: Optional[Mapping[str, str]] = None) -> dict[str, str]:
    """Return displaCy's colors of labels. Those that it does not know take its other colors in turn.

    labels (sequence of str): The labels.
    colors (Optional[mapping of str to str]): Colors in place of these.
    """
    known = EntityRenderer(options={"colors": dict(colors or {})}).colors
    own = {label: known.get(label.upper()) or known.get(ALIASES.get(label.upper(), "")) for label in labels}
    spare = [color for color in dict.fromkeys(DEFAULT_LABEL_COLORS.values()) if color not in own.values()]
    spare = spare or list(dict.fromkeys(DEFAULT_LABEL_COLORS.values()))
    new = [label for label in labels if own[label] is None]
    return {**own, **{label: spare[k % len(spare)] for k, label in enumerate(new)}}  # type: ignore[dict-item]


def is_rtl(words: Sequence[str]) -> bool:
    """Whether most letters of a text belong to a script that runs from right to left."""
    kinds = [unicodedata.bidirectional(char) for word in words for char in word]
    right = sum(kind in ("R", "AL") for kind in kinds)
    return right > sum(kind == "L" for kind in kinds)
