"""Cases: source spans with all that a reviewer needs to say where their projections are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from ..corpus.formats.json_format import as_list, as_object, as_text
from ..corpus.formats.payload_meta import PairIds
from ..errors import InputError, XprojError
from ..files import read_lines
from ..limits import parse_json
from .answers import CharSpan, Question, as_question, as_span, char_span, questions, write_lines
from .page.readings import find_readings, matcher_of
from .page.rows import UNDECIDED, Readings, doubt, found_spans

BATCH = 256
MOST = 5  # candidates of a source span


class Candidate(NamedTuple):
    """A part of the target text and its probability; None where nobody knows it."""

    span: CharSpan
    score: Optional[float]

    def to_json(self) -> dict[str, Any]:
        return {**self.span._asdict(), "score": self.score}


@dataclass(frozen=True)
class Case:
    """A question, and what is known of it.

    question (Question): The question.
    langs (str, str): The source and the target language.
    source, target (str): The two texts.
    tokens (tuple of (int, int)): The characters of each target token: a span begins and ends with one.
    projected (tuple of Candidate): What was projected.
    reason (str): Why nothing was, or it is not among the entities; "" if it is.
    candidates (tuple of Candidate): The likeliest spans, what was projected among them.
    absent (Optional[float]): The probability that the target has no counterpart. None where nobody knows it.
    doubt (float): The probability that what was done is wrong.
    answered (bool): An answer was put into the Doc already.
    like (int): How many cases of the corpus have this source text and label.
    """

    question: Question
    langs: tuple[str, str]
    source: str
    target: str
    tokens: tuple[tuple[int, int], ...]
    projected: tuple[Candidate, ...] = ()
    reason: str = ""
    candidates: tuple[Candidate, ...] = ()
    absent: Optional[float] = None
    doubt: float = UNDECIDED
    like: int = 1
    answered: bool = False

    @property
    def form(self) -> tuple[str, str]:
        """What like cases have in common."""
        return self.question.source.text.casefold(), self.question.label

    def to_json(self) -> dict[str, Any]:
        """Return a line of a queue."""
        return {
            **self.question.to_json(),
            "source_lang": self.langs[0],
            "lang": self.langs[1],
            "source_text": self.source,
            "target_text": self.target,
            "tokens": self.tokens,
            "projected": [each.to_json() for each in self.projected],
            "reason": self.reason,
            "candidates": [each.to_json() for each in self.candidates],
            "absent": self.absent,
            "doubt": self.doubt,
            "like": self.like,
        }


def cases(docs: Iterable[Doc], nlp: Optional[Language] = None) -> Iterator[Case]:
    """Make a case of each source span.

    docs (iterable of Doc): Docs as a projection left them. Those without a payload have no cases.
    nlp (Optional[Language]): The pipeline that projected them, whose matcher tells how likely other candidates are.
        None: the scores of what was projected are all that is known.
    YIELDS (Case): In the order of the Docs and their source spans.
    """
    name, matcher = PairIds(), None if nlp is None else matcher_of(nlp)
    for batch in minibatch(docs, BATCH):
        some = [doc for doc in batch if doc._.xproj is not None]
        known: Iterable[Readings] = [{}] * len(some) if matcher is None else find_readings(some, matcher, MOST)
        for doc, found in zip(some, known):
            yield from _cases(doc, name(doc), found)


def _cases(doc: Doc, name: str, known: Readings) -> Iterator[Case]:
    bitext = doc._.xproj
    found = list(found_spans(doc, {span.id: k for k, span in enumerate(bitext.spans)}))
    report = doc._.xproj_report or {}
    why, answered = {row["id"]: row["reason"] for row in report.get("missing", ())}, report.get("answered", {})
    missing = {k: why[span.id] for k, span in enumerate(bitext.spans) if span.id in why}
    tokens = tuple((token.idx, token.idx + len(token)) for token in doc)
    for place, question in enumerate(questions(doc, name)):
        mine = tuple(_likely(doc, one.start, one.end, one.score) for one in found if one.source == place)
        readings = known.get(place, [])
        yield Case(
            question,
            (bitext.lang, doc.lang_),
            bitext.text,
            doc.text,
            tokens,
            mine,
            missing.get(place, ""),
            tuple(_likely(doc, one.start, one.end, one.probability) for one in readings if one.end),
            next((round(one.probability, 4) for one in readings if not one.end), None),
            round(doubt(place, found, missing, readings), 4),
            answered=bitext.spans[place].id in answered,
        )


def _likely(doc: Doc, start: int, end: int, score: float) -> Candidate:
    return Candidate(char_span(doc[start:end]), round(min(score, 1.0), 4))


def write_queue(path: Union[str, Path], found: Iterable[Case]) -> int:
    """Write cases as JSON, one a line.

    path (str or Path): The file.
    found (iterable of Case): The cases, in the order in which they are to be answered.
    RETURNS (int): How many there are.
    """
    return write_lines(path, (case.to_json() for case in found))


def read_queue(path: Union[str, Path]) -> Iterator[Case]:
    """Read what `write_queue` wrote.

    path (str or Path): The file.
    YIELDS (Case): The cases.
    RAISES (InputError): At the first line that is not a case.
    """
    for number, line in read_lines(path):
        if line.strip():
            try:
                yield as_case(parse_json(line))
            except (ValueError, TypeError) as err:
                message = f"Expected a case, as 'xproj review export --to jsonl' writes it. {err}"
                raise InputError(path, message, number) from None


def as_case(value: Any) -> Case:
    """Make the case that a line tells.

    value: A JSON value.
    RAISES (XprojError): If it tells none.
    """
    value = as_object(value)
    source, target = as_text(value, "source_text"), as_text(value, "target_text")
    question = as_question(value)
    lists = {
        name: tuple(_candidate(item, name) for item in as_list(value, name)) for name in ("projected", "candidates")
    }
    tokens = tuple((start, end) for start, end in as_list(value, "tokens"))
    for text, (start, end, inside) in [
        (source, question.source),
        *((target, each.span) for some in lists.values() for each in some),
        *((target, (start, end, target[start:end])) for start, end in tokens),
    ]:
        if not 0 <= start < end <= len(text) or text[start:end] != inside:
            raise XprojError(f"At {start}-{end} the text has {text[start:end]!r}, and not {inside!r}.")
    langs = as_text(value, "source_lang"), as_text(value, "lang")
    rest = as_text(value, "reason"), lists["candidates"], _number(value, "absent"), _number(value, "doubt") or 0.0
    return Case(question, langs, source, target, tokens, lists["projected"], *rest, int(value.get("like", 1)))


def _candidate(item: Any, name: str) -> Candidate:
    return Candidate(as_span(item, name), _number(item, "score"))


def _number(value: dict[str, Any], name: str) -> Optional[float]:
    found = value.get(name)
    if found is not None and (type(found) not in (int, float) or not 0 <= found <= 1):
        raise XprojError(f"Expected {name!r} to be a number from 0 to 1, got {found!r}.")
    return found
