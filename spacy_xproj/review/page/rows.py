"""Docs as rows of the page: one for each sentence pair, as plain data. All offsets are tokens of the row."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, Optional

from spacy.tokens import Doc

from ...bitext import Bitext, Pair
from ...evaluate.errors import errors
from ...similarities.ranker.explain import Reading
from ..answers import target_hash

SPANS_KEY = "xproj"
UNDECIDED = 0.5  # the doubt of a source span that was not projected, where no probability tells more
SURE_LINK = 0.005  # links that score less are not drawn


class Found(NamedTuple):
    """A projected span.

    start, end (int), label (str): The target span.
    source (int): The place of its source span; -1: it has none.
    score (float): Its score.
    kept (bool): It is an entity of the Doc. False: it was left out of them, as doubtful or for another one.
    """

    start: int
    end: int
    label: str
    source: int
    score: float
    kept: bool


class Row(NamedTuple):
    """A sentence pair, or a Doc without a payload.

    doc (str), text (str): The id of the Doc, and the hash of its text, as answers name them.
    source, target (tuple of str): The words, each with the white space after it.
    at (tuple of two int): Where both begin in their texts, in characters.
    spans (tuple of (int, int, str)): The source spans.
    found (tuple of Found): What was projected.
    missing (dict[int, str]): Why source spans are no entities of the target, by place.
    masked (tuple of int): Target words of which nothing is known.
    links (tuple of (int, int, float)): Links of the words of source spans.
    readings (dict[int, list of Reading]): The likeliest readings of source spans, where they are known.
    doubt (tuple of float): How likely what was made of a source span is wrong, by its own probability.
    gold (Optional[tuple of (int, int, str)]): The gold entities. None: there is no gold of this text.
    errors (tuple of (str, Optional[span], Optional[span])): See `spacy_xproj.evaluate.errors`: type, found and gold.
    other (Optional[tuple of Found]): What another projection found. None: it does not have this pair of texts.
    asked (Optional[tuple of int]): The source spans that are to be answered, by place. None: all.
    notes (tuple of str): Of the report.
    provenance (dict[str, str or float]): Of the payload.
    """

    doc: str
    text: str
    source: tuple[str, ...]
    target: tuple[str, ...]
    at: tuple[int, int] = (0, 0)
    spans: tuple[tuple[int, int, str], ...] = ()
    found: tuple[Found, ...] = ()
    missing: Mapping[int, str] = {}
    masked: tuple[int, ...] = ()
    links: tuple[tuple[int, int, float], ...] = ()
    readings: Mapping[int, list[Reading]] = {}
    doubt: tuple[float, ...] = ()
    gold: Optional[tuple[tuple[int, int, str], ...]] = None
    errors: tuple[tuple[str, Any, Any], ...] = ()
    other: Optional[tuple[Found, ...]] = None
    asked: Optional[tuple[int, ...]] = None
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = {}


Readings = Mapping[int, list[Reading]]


def rows(
    doc: Doc,
    name: str,
    *,
    readings: Optional[Readings] = None,
    gold: Optional[Doc] = None,
    other: Optional[Doc] = None,
) -> list[Row]:
    """Make the rows of a Doc: one a sentence pair. If a span crosses sentence pairs, the whole Doc is one row.

    doc (Doc): As a projection left it.
    name (str): Its id. See `PairIds`.
    readings (Optional[mapping of int to list of Reading]): Those of its source spans, by place; Doc token offsets.
    gold, other (Optional[Doc]): The same tokens with gold entities, and as another projection left them.
    RETURNS (list of Row): The rows, in the order of the sentence pairs.
    """
    bitext: Optional[Bitext] = doc._.xproj
    if bitext is None:
        whole = Row(name, target_hash(doc), (), words_of(doc), found=tuple(found_spans(doc, {})))
        return [whole._replace(**_gold(doc, gold, ((0, 0), (0, len(doc)))))]
    everything: Pair = ((0, len(bitext.words)), (0, len(doc)))
    pairs = list(bitext.sents) or [everything]
    places = {span.id: k for k, span in enumerate(bitext.spans)}
    found = list(found_spans(doc, places))
    others = None if other is None else list(found_spans(other, places))
    if not _each_in_one(pairs, bitext, [*found, *(others or ()), *(_entities(gold) if gold is not None else ())]):
        pairs = [everything]
    report = doc._.xproj_report or {}
    why = {row["id"]: row["reason"] for row in report.get("missing", ())}
    missing = {k: why[span.id] for k, span in enumerate(bitext.spans) if span.id in why}
    doubts = [doubt(k, found, missing, (readings or {}).get(k)) for k in range(len(bitext.spans))]
    ends = [0]
    for word, space in zip(bitext.words, bitext.spaces):
        ends.append(ends[-1] + len(word) + space)
    out = []
    for (a, b), (c, d) in pairs:
        mine = [k for k, span in enumerate(bitext.spans) if a <= span.start and span.end <= b]
        place = {k: n for n, k in enumerate(mine)}
        out.append(
            Row(
                name,
                target_hash(doc),
                tuple(word + " " * space for word, space in zip(bitext.words[a:b], bitext.spaces[a:b])),
                words_of(doc)[c:d],
                (ends[a], doc[c].idx if c < len(doc) else 0),
                tuple((s.start - a, s.end - a, s.label) for s in (bitext.spans[k] for k in mine)),
                _moved(found, place, c, d),
                {place[k]: reason for k, reason in missing.items() if k in place},
                tuple(t.i - c for t in doc[c:d] if t.ent_iob == 0) if doc.has_annotation("ENT_IOB") else (),
                _links(bitext, [bitext.spans[k] for k in mine], (a, b), (c, d)),
                {
                    place[k]: [_shifted(r, c) for r in (readings or {}).get(k, ())]
                    for k in mine
                    if (readings or {}).get(k)
                },
                tuple(doubts[k] for k in mine),
                other=None if others is None else _moved(others, place, c, d),
                notes=tuple(report.get("notes", ())),
                provenance=dict(bitext.provenance),
                **_gold(doc, gold, ((a, b), (c, d))),
            )
        )
    return out


def asking(found: Iterable[Row], keys: Collection[tuple[str, int, int, str]]) -> Iterator[Row]:
    """Choose the rows that some questions are about. The page takes answers to these questions alone.

    found (iterable of Row): The rows.
    keys (collection of (str, int, int, str)): The keys of the questions, see `Question`.
    """
    for row in found:
        ends = list(accumulate(map(len, row.source), initial=0))
        places = []
        for place, (start, end, label) in enumerate(row.spans):
            first, last = row.at[0] + ends[start], row.at[0] + ends[end - 1] + len(row.source[end - 1].rstrip())
            places += [place] if (row.doc, first, last, label) in keys else []
        if places:
            yield row._replace(asked=tuple(places))


def doubt(place: int, found: Sequence[Found], missing: Mapping[int, str], readings: Optional[list[Reading]]) -> float:
    """Return the probability that what was made of a source span is wrong.

    place (int): The source span.
    found (sequence of Found), missing (mapping of int to str): What the Doc has.
    readings (Optional[list of Reading]): The readings of the source span.
    """
    mine = [one for one in found if one.source == place]
    if mine:
        best = min(max(one.score for one in mine), 1.0)
        return best if place in missing else 1 - best
    null = [reading.probability for reading in readings or () if not reading.end]
    # Where spans contend for the same words, the probabilities of one alone do not tell which of them is right.
    return 1 - null[0] if null and missing.get(place) != "conflict" else UNDECIDED


def found_spans(doc: Doc, places: Mapping[str, int]) -> Iterator[Found]:
    """The projected spans of a Doc, then its other entities.

    places (mapping of str to int): The places of the source spans, by their ids.
    """
    ents = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
    seen = set()
    if SPANS_KEY in doc.spans:
        group = doc.spans[SPANS_KEY]
        for span, score in zip(group, [float(x) for x in group.attrs.get("scores", [1.0] * len(group))]):
            at = (span.start, span.end, span.label_)
            seen.add(at)
            yield Found(*at, places.get(span.id_, -1), score, at in ents)
    for at in sorted(ents - seen):
        yield Found(*at, -1, 1.0, True)


def words_of(doc: Doc) -> tuple[str, ...]:
    """The words of a Doc, each with the white space after it."""
    return tuple(token.text_with_ws for token in doc)


def _entities(doc: Doc) -> list[tuple[int, int, str]]:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def _each_in_one(pairs: Sequence[Pair], bitext: Bitext, target: Iterable[Sequence[Any]]) -> bool:
    """Whether each source span and each target span lies in one of the sentence pairs."""
    sides = (
        ([(s.start, s.end) for s in bitext.spans], [pair[0] for pair in pairs]),
        ([(span[0], span[1]) for span in target], [pair[1] for pair in pairs]),
    )
    return all(any(a <= start and end <= b for a, b in side) for spans, side in sides for start, end in spans)


def _moved(found: Iterable[Found], place: Mapping[int, int], c: int, d: int) -> tuple[Found, ...]:
    inside = [one for one in found if c <= one.start and one.end <= d]
    return tuple(one._replace(start=one.start - c, end=one.end - c, source=place.get(one.source, -1)) for one in inside)


def _shifted(reading: Reading, by: int) -> Reading:
    return reading._replace(start=reading.start - by, end=reading.end - by) if reading.end else reading


def _links(bitext: Bitext, spans: Sequence[Any], source: tuple[int, int], target: tuple[int, int]) -> tuple:
    inside = {i for span in spans for i in range(span.start, span.end)}
    return tuple(
        (i - source[0], j - target[0], float(score))
        for (i, j), score in zip(bitext.links.tolist(), bitext.scores.tolist())
        if i in inside and target[0] <= j < target[1] and score >= SURE_LINK
    )


def _gold(doc: Doc, gold: Optional[Doc], pair: Pair) -> dict[str, Any]:
    """The fields of a row that come from gold."""
    if gold is None:
        return {}
    c, d = pair[1]

    def mine(span: Any) -> Any:
        return None if span is None else (span[0] - c, span[1] - c, span[2])

    wrong = [(e.type, e.found, e.gold, e.found or e.gold) for e in errors(doc, gold)] if doc._.xproj is not None else []
    inside = [(kind, f, g) for kind, f, g, at in wrong if at is not None and c <= at[0] and at[1] <= d]
    return {
        "gold": tuple(mine(ent) for ent in _entities(gold) if c <= ent[0] and ent[1] <= d),
        "errors": tuple((kind, mine(f), mine(g)) for kind, f, g in inside),
    }
