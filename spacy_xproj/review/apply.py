"""Answers put into the Docs that they are about, and what the matcher and the lexicon learn from them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup
from spacy.util import filter_spans

from ..bitext import Bitext, depths
from ..corpus.formats.payload_meta import PairIds
from ..corpus.pairing import bare_copy
from ..errors import XprojError
from ..pipeline.projection_pipe import SPANS_KEY
from ..similarities.lexicon_table import Entry, LexiconTable, form_key, form_text
from .answers import Answer, Key, Question, char_span, questions, target_spans

ANSWERED = "answered"  # in the report of a Doc: who answered, by the ids of source spans
ABSENT = "answered_absent"  # the reason of a source span that a reviewer found nowhere


class Reviewed(NamedTuple):
    """A Doc and the answers about it.

    doc (Doc): As the projection left it, until `correct` changes it.
    answers (dict[int, (Answer, list of Span)]): By the place of the source span, the answer and its spans of the Doc.
    """

    doc: Doc
    answers: dict[int, tuple[Answer, list[Span]]]


def reviewed(docs: Iterable[Doc], answers: Mapping[Key, Answer], problems: list[str]) -> Iterator[Reviewed]:
    """Bring Docs and answers together.

    docs (iterable of Doc): Docs as a projection left them.
    answers (mapping of Key to Answer): One a question, see `latest`.
    problems (list of str): Gets a sentence for each answer that cannot be used, once all Docs came.
    YIELDS (Reviewed): One a Doc, in order. What was put into a Doc by an earlier call counts, too, where no new answer
        is about it.
    """
    name, left = PairIds(), dict(answers)
    for doc in docs:
        mine: dict[int, tuple[Answer, list[Span]]] = {}
        asked = questions(doc, name(doc)) if doc._.xproj is not None else []
        before = answered_before(doc, asked)
        for place, question in enumerate(asked):
            left.pop(question.key, None)
            if (answer := answers.get(question.key, before.get(place))) is not None:
                try:
                    mine[place] = answer, target_spans(answer, doc)
                except XprojError as err:
                    problems.append(f"{question.doc}, {question.source.text!r}: {err}")
        yield Reviewed(doc, mine)
    for doc_id, start, end, label in left:
        problems.append(f"{doc_id}: no Doc has this id and a source span {start}-{end} with the label {label}.")


def answered_before(doc: Doc, asked: Sequence[Question]) -> dict[int, Answer]:
    """Return the answers that were put into a Doc already, by the places of the source spans.

    doc (Doc): A Doc with a payload.
    asked (sequence of Question): Its questions.
    """
    who, out = (doc._.xproj_report or {}).get(ANSWERED, {}), {}
    for place, (span, question) in enumerate(zip(doc._.xproj.spans, asked)):
        if span.id in who:
            mine = [each for each in doc.spans.get(SPANS_KEY, ()) if each.id_ == span.id]
            label = mine[0].label_ if mine else span.label
            kind = "span" if mine else "absent"
            out[place] = Answer(question, kind, tuple(map(char_span, mine)), label, who[span.id])
    return out


def correct(found: Reviewed, mask_below: float = 0.0) -> Doc:
    """Put the answers into the Doc: what they say wins over what was projected.

    found (Reviewed): The Doc, which is changed in place. Its answered spans have the score 1.
    mask_below (float): The tokens of projections that were not answered and score below this become missing values.
    RETURNS (Doc): The Doc.
    """
    doc, bitext = found.doc, found.doc._.xproj
    if bitext is None:
        return doc
    place_of = {span.id: k for k, span in enumerate(bitext.spans)}
    group = list(doc.spans.get(SPANS_KEY, ()))
    points = doc.spans[SPANS_KEY].attrs.get("scores", np.ones(len(group))) if group else ()
    is_old = [place_of.get(span.id_) in found.answers for span in group]
    old = [span for span, gone in zip(group, is_old) if gone]
    kept = [(span, float(score)) for span, score, gone in zip(group, points, is_old) if not gone]
    answered = [
        Span(doc, span.start, span.end, label=answer.label, span_id=bitext.spans[k].id)
        for k, (answer, spans) in found.answers.items()
        for span in spans
    ]
    depth = depths(bitext.spans)
    answered.sort(key=lambda span: (depth[place_of[span.id_]], span.start))
    complete = len(found.answers) == len(bitext.spans) and not bitext.unknown
    set_entities(doc, answered, old, kept, mask_below, complete)
    rows = sorted([*((span, 1.0) for span in answered), *kept], key=lambda row: (row[0].start, row[0].end))
    scores = np.array([score for _, score in rows], "f4")
    doc.spans[SPANS_KEY] = SpanGroup(doc, name=SPANS_KEY, spans=[span for span, _ in rows], attrs={"scores": scores})
    if found.answers:
        who = Counter(answer.reviewer for answer, _ in found.answers.values())
        told = ", ".join(f"{name}: {many}" for name, many in sorted(who.items()))
        doc._.xproj = bitext.replace(provenance={**bitext.provenance, "review": told})
        doc._.xproj_report = _report(doc, bitext, found)
    return doc


def set_entities(
    doc: Doc,
    answered: Sequence[Span],
    old: Sequence[Span],
    kept: Sequence[tuple[Span, float]],
    mask_below: float,
    complete: bool,
) -> None:
    """Set `doc.ents`.

    doc (Doc): The Doc.
    answered (sequence of Span): What answers say. Of those that overlap the first is an entity.
    old (sequence of Span): The projections of the answered source spans, which go.
    kept (sequence of (Span, float)): The others, with their scores.
    mask_below (float): Tokens of those that score below this become missing values.
    complete (bool): Whether all source spans are answered. Then no token is unknown.
    """
    doubtful = [span for span, score in kept if score < mask_below]
    gone = {_place(span) for span in (*old, *doubtful)} - {_place(span) for span, _ in kept if span not in doubtful}
    ents: list[Span] = []
    taken: set[int] = set()
    for span in [*answered, *(ent for ent in doc.ents if _place(ent) not in gone)]:
        at = range(span.start, span.end)
        if taken.isdisjoint(at):
            ents.append(span)
            taken.update(at)
    unknown = {token.i for token in doc if not token.ent_iob}.difference(*(range(s.start, s.end) for s in old))
    unknown.update(*(range(span.start, span.end) for span in doubtful))
    missing = [] if complete else [Span(doc, i, i + 1) for i in sorted(unknown - taken)]
    doc.set_ents(sorted(ents), missing=missing, default="outside")


def _place(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.label_


def _report(doc: Doc, bitext: Bitext, found: Reviewed) -> dict:
    """The report of a Doc whose entities are corrected: see `ProjectionPipe.set_annotations`."""
    before = doc._.xproj_report or {}
    reasons = {row["id"]: row["reason"] for row in before.get("missing", ())}
    projected = {ent.id_ for ent in doc.ents}
    rows = []
    for place, span in enumerate(bitext.spans):
        if span.id not in projected:
            answered = place in found.answers and not found.answers[place][1]
            reason = ABSENT if answered else reasons.get(span.id, "conflict")
            rows.append({"id": span.id, "label": span.label, "start": span.start, "end": span.end, "reason": reason})
    counts = {"source_spans": len(bitext.spans), "projected": len(bitext.spans) - len(rows)}
    who = {bitext.spans[place].id: answer.reviewer for place, (answer, _) in sorted(found.answers.items())}
    return {**before, **counts, "missing": rows, ANSWERED: who}


def example(found: Reviewed) -> Optional[Doc]:
    """Return what the matcher can learn from a Doc: its payload with the answered source spans alone, and their
    entities as gold. So a source span of which nobody said anything teaches nothing. None if no answer says anything.

    found (Reviewed): The Doc and its answers. The Doc stays as it is.
    """
    bitext = found.doc._.xproj
    places = [k for k, (answer, _) in sorted(found.answers.items()) if answer.label == bitext.spans[k].label]
    if not places:
        return None
    new = bare_copy(found.doc, found.doc.vocab)
    new._.xproj = bitext.replace(spans=tuple(bitext.spans[k] for k in places), unknown=())
    spans = [
        Span(new, span.start, span.end, label=found.answers[k][0].label) for k in places for span in found.answers[k][1]
    ]
    new.set_ents(filter_spans(spans), default="outside")
    return new


def lexicon(found: Iterable[Reviewed]) -> LexiconTable:
    """Return the entity pairs that answers tell. A pair that reviewers called wrong, and never right, has the count 0:
    it is never to be found.

    found (iterable of Reviewed): Docs, as yet not corrected, and their answers.
    """
    right: list[tuple[str, str, str]] = []
    wrong: list[tuple[str, str, str]] = []
    for doc, answers in found:
        bitext = doc._.xproj
        for place, (answer, spans) in answers.items():
            source = form_text(bitext.words[bitext.spans[place].start : bitext.spans[place].end])
            right += [(source, form_text(token.text for token in span), answer.label) for span in spans]
            said = {(span.start, span.end) for span in spans}
            wrong += [
                (source, form_text(token.text for token in span), span.label_)
                for span in doc.spans.get(SPANS_KEY, ())
                if span.id_ == bitext.spans[place].id and (span.start, span.end) not in said
            ]
    table = LexiconTable.counted(pair for pair in right if all(form_key(text.split()) for text in pair[:2]))
    no = LexiconTable.counted(pair for pair in wrong if all(form_key(text.split()) for text in pair[:2]))
    for source, row in no.rows.items():
        for target, entry in row.items():
            table.rows.setdefault(source, {}).setdefault(target, Entry(0.0, entry.label))
    for texts, more in zip(table.texts, no.texts):
        for key, text in more.items():
            texts.setdefault(key, text)
    return table
