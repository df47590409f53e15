"""Mark, then translate: spans carried through any translator by marks around them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from ..errors import XprojError, check_one_of, check_share
from ..part import as_part
from ..state import State
from ..ty import CharSpan, SpanTranslator, Translation, Translator
from .checks import one_each
from .markers import STYLES, Reading, Style, free_style, likeness, match, outermost, read, write
from .memory import carries

TEXT_COUNTS = ("texts", "marked", "plain_fallback")
FATES = ("carried", "lost_in_translation", "below_threshold", "given_up", "nested", "unmarkable")
PLAIN = ("lost", "check", "never")


class Marking(NamedTuple):
    """A text to translate.

    text (str): As it came.
    spans (list of (start, end, id)): Those that are marked.
    style (Optional[Style]): The marks; None if there are none in it.
    marked (str): The text with its marks.
    wanted (bool): Whether there were any spans.
    """

    text: str
    spans: list[CharSpan]
    style: Optional[Style]
    marked: str
    wanted: bool

    @property
    def by_likeness(self) -> bool:
        """Whether what comes back is told apart by what it is like, not by numbers."""
        return self.style is not None and self.style is not STYLES["numbered"]

    @property
    def contents(self) -> list[str]:
        return [self.text[start:end] for start, end, _ in self.spans]


class Marked(State):
    """`spacy_xproj.Marked.v1`: a translator that carries spans by marks around them, mark-then-translate (EasyProject,
    Chen et al. 2023), around any translator. Texts without spans are translated as they are, and a translator that
    carries spans itself is left to do so.

    What comes back between marks is assigned to the spans by its likeness to their own translations and to their
    source texts, the best assignment of all (see `match`). Of spans that overlap only the outermost are marked. A text
    in which something stands that looks like a mark gets marks of another style.

    translator (Optional[Translator]): Translates the marked texts. One is needed.
    style (str): The marks: "brackets" for `[ ]`, "xml" for `<a> </a>`, "numbered" for `<1> </1>`, "quotes" for `" "`.
    spaced (bool): Put spaces inside the marks, as for the models that were fine-tuned on such texts.
    threshold (float): Least likeness of what comes back between marks to a span or its translation, from 0 to 1.
    plain (str): When to translate the text once more, without marks, and give up its spans. "lost": if no span came
        back or the marks are broken. "check": also if the marked translation, without its marks, is less like that
        translation than `threshold`; all marked texts are then translated twice. "never": only if there is no
        translation at all.
    RAISES (XprojError): If there is no translator, or a setting is unknown.
    """

    state_name = "spacy_xproj.Marked.v1"

    def __init__(
        self,
        translator: Optional[Callable] = None,  # spaCy checks a config's values, and cannot check a protocol
        style: str = "brackets",
        spaced: bool = False,
        threshold: float = 0.5,
        plain: str = "lost",
    ):
        if translator is None:
            raise XprojError(
                "spacy_xproj.Marked.v1 translates with another translator, and got none. Give one in its block "
                '"translator", such as @xproj_translators = "spacy_xproj.Transformers.v1".'
            )
        check_one_of(self.state_name, STYLES, style=style)
        check_one_of(self.state_name, PLAIN, plain=plain)
        check_share(self.state_name, threshold=threshold)
        self.translator: Translator = translator
        self.style = style
        self.spaced = spaced
        self.threshold = threshold
        self.plain = plain
        self._counts = dict.fromkeys((*TEXT_COUNTS, "spans", *FATES), 0)

    @property
    def key(self) -> str:
        """The settings, and the key of the translator."""
        settings = f"{self.style},{self.spaced},{self.threshold},{self.plain}"
        return f"spacy_xproj.Marked.v1({settings}) {as_part(self.translator).key}"

    @property
    def provenance(self) -> str:
        """The translator's, and the marks."""
        return f"{as_part(self.translator).provenance}, {self.style}"

    def __call__(self, texts: Sequence[str], source_lang: str, target_lang: str) -> list[Translation]:
        """Translate texts as they are."""
        return self.translator(texts, source_lang, target_lang)

    def carry(
        self, texts: Sequence[str], spans: Sequence[Sequence[CharSpan]], source_lang: str, target_lang: str
    ) -> list[Translation]:
        """Translate texts, and carry spans through.

        texts (sequence of str): The texts.
        spans (sequence of sequences of (start, end, id)): For each text its spans.
        source_lang, target_lang (str): Language codes, taken as they are.
        RETURNS (list of Translation): One a text, without marks. Its spans are those that came through; None where a
            text with spans could not be marked.
        RAISES (XprojError): If the spans do not fit the texts, or the translator does not give one translation a text.
        """
        _check(texts, spans)
        before = dict(self._counts)
        try:
            return self._carry(texts, spans, source_lang, target_lang)
        except Exception:
            self._counts = before  # the texts may come again, in smaller batches
            raise

    def _carry(
        self, texts: Sequence[str], spans: Sequence[Sequence[CharSpan]], source_lang: str, target_lang: str
    ) -> list[Translation]:
        self._counts["texts"] += len(texts)
        self._counts["spans"] += sum(map(len, spans))
        if carries(self.translator):
            return self._handed_on(texts, spans, source_lang, target_lang)
        markings = [self._marking(text, some) for text, some in zip(texts, spans)]
        asked = [marking.marked for marking in markings]
        asked += [content for marking in markings if marking.by_likeness for content in marking.contents]
        asked += [marking.text for marking in markings if self.plain == "check"]
        known = self._translations(asked, source_lang, target_lang)
        found = [self._read(marking, known) for marking in markings]
        again = [marking.text for marking, result in zip(markings, found) if result is None]
        self._counts["plain_fallback"] += len(again)
        known.update(self._translations([text for text in again if text not in known], source_lang, target_lang))
        return [result or Translation(known[marking.text], []) for marking, result in zip(markings, found)]

    def report(self) -> dict[str, int]:
        """What became of the texts and spans that `carry` of this object was given (each process counts its own).

        RETURNS (dict[str, int]): Of the `texts`, so many were `marked`, and so many of these took the
            `plain_fallback`. `spans` is the sum of the others: `carried`; `lost_in_translation`, as the marks did not
            come back, or the translator that carries spans itself did not list them; `below_threshold`, as what came
            back was not like them; `given_up` with the text when it was replaced by its plain translation; `nested`
            in or overlapping a marked one; and `unmarkable`, blank or in a text with marks of every style.
        """
        return dict(self._counts)

    def _handed_on(
        self, texts: Sequence[str], spans: Sequence[Sequence[CharSpan]], source_lang: str, target_lang: str
    ) -> list[Translation]:
        assert isinstance(self.translator, SpanTranslator)
        got = one_each(self.translator.carry(texts, spans, source_lang, target_lang), texts, self.translator)
        carried = sum(len(translation.spans or ()) for translation in got)
        self._counts["carried"] += carried
        self._counts["lost_in_translation"] += sum(map(len, spans)) - carried
        return got

    def _marking(self, text: str, spans: Sequence[CharSpan]) -> Marking:
        visible = [span for span in spans if text[span[0] : span[1]].strip()]
        style = free_style(text, self.style) if visible else None
        chosen = outermost(visible) if style else []
        self._counts["marked"] += style is not None
        self._counts["nested"] += len(visible) - len(chosen) if style else 0
        self._counts["unmarkable"] += len(spans) - len(visible) if style else len(spans)
        if style is None:
            return Marking(text, [], None, text, bool(spans))
        return Marking(text, chosen, STYLES[style], write(text, chosen, STYLES[style], self.spaced), True)

    def _read(self, marking: Marking, known: dict[str, Optional[str]]) -> Optional[Translation]:
        """The translation of a text, with the spans that came through; None if the plain one is to be taken."""
        translated = known[marking.marked]
        if marking.style is None:
            return Translation(translated, None if marking.wanted else [])
        n = len(marking.spans)
        if translated is None:
            self._counts["lost_in_translation"] += n
            return None
        reading = read(translated, marking.style, n)
        pieces = reading.pieces
        pairs = match(self._scores(marking, reading, known), self.threshold)
        kept = self.plain == "never" or (bool(pairs) and reading.paired and len(pieces) <= n)
        if self.plain == "check" and kept:
            kept = likeness(reading.text, known[marking.text] or reading.text) >= self.threshold
        self._counts["carried" if kept else "given_up"] += len(pairs)
        self._counts["below_threshold"] += min(n, len(pieces)) - len(pairs)
        self._counts["lost_in_translation"] += n - min(n, len(pieces))
        if not kept:
            return None
        spans = [(pieces[j].start, pieces[j].end, marking.spans[i][2]) for i, j in pairs]
        return Translation(reading.text, sorted(spans))

    def _scores(self, marking: Marking, reading: Reading, known: dict[str, Optional[str]]) -> np.ndarray:
        """For each span and piece: how much speaks for it that the piece is the span's translation."""
        if not marking.by_likeness:
            rows = [[float(piece.number == i) for piece in reading.pieces] for i, _ in enumerate(marking.spans, 1)]
        else:
            found = [reading.text[piece.start : piece.end] for piece in reading.pieces]
            rows = [
                [max(likeness(text, content), likeness(text, known[content] or "")) for text in found]
                for content in marking.contents
            ]
        return np.array(rows).reshape(len(marking.spans), len(reading.pieces))

    def _translations(self, texts: Iterable[str], source_lang: str, target_lang: str) -> dict[str, Optional[str]]:
        distinct = list(dict.fromkeys(texts))
        got = self.translator(distinct, source_lang, target_lang) if distinct else []
        return {text: each.text for text, each in zip(distinct, one_each(got, distinct, self.translator))}

    def state_parts(self) -> dict[str, Any]:
        return {"translator": self.translator}


def _check(texts: Sequence[str], spans: Sequence[Sequence[CharSpan]]) -> None:
    if len(texts) != len(spans):
        raise XprojError(f"Expected spans for each of {len(texts)} texts, got them for {len(spans)}.")
    for number, (text, some) in enumerate(zip(texts, spans), 1):
        for start, end, name in some:
            if not 0 <= start < end <= len(text):
                raise XprojError(
                    f"Span {name!r} of text {number} must lie in its {len(text)} characters, got {start} to {end}."
                )
        if len({name for _, _, name in some}) < len(some):
            raise XprojError(f"The spans of text {number} must have different ids, got {[name for *_, name in some]}.")
