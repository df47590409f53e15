"""`xproj_translator`: makes the payload, by translation back into the source language or forward from it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

from spacy.attrs import SPACY
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.util import filter_spans, load_model, minibatch

from ..bitext import Bitext, SourceSpan
from ..codes import normalize_code
from ..errors import XprojError
from ..labels import LabelFilter, check_label_map, mapped_spans, source_ids, unknown_words
from ..languages import lang_code
from ..models.pipelines import SpacyPipeline
from ..part import as_part
from ..sentences import sentence_offsets
from ..translators.checks import one_each
from ..translators.memory import Memory, carries
from ..ty import CharSpan, Found, SpanTranslator, Translation, Translator
from ..zones import memory_zones
from .base import BatchPipe
from .batches import Step

CARRIED = "xproj_carried"  # doc.spans: what the translator itself carried over
DEFAULTS: dict[str, Any] = {
    "forward": None,
    "back": None,
    "source_lang": "en",
    "label_map": {},
    "labels": [],
    "round_trip": False,
}


class Translated(NamedTuple):
    """A Doc whose sentences were translated.

    doc (Doc): The Doc.
    sents (list of (int, int)): The token offsets of its sentences.
    translations (list of Translation): One a sentence.
    spans (tuple of SourceSpan): The entities of a source Doc, under the labels of the target.
    source_lang (str): The language of a source Doc.
    origin (dict[str, str or float]): What made the translations: the provenance of the payload.
    """

    doc: Doc
    sents: list[tuple[int, int]]
    translations: list[Translation]
    spans: tuple[SourceSpan, ...] = ()
    source_lang: str = ""
    origin: Mapping[str, Union[str, float]] = {}


@Language.factory("xproj_translator", assigns=["doc._.xproj"], default_config=DEFAULTS)
class PayloadTranslator(BatchPipe):
    """A Doc with a payload passes untouched. One without is translated back, sentence by sentence where it has
    sentences, and the source pipeline labels the translation (translate-test). Without `back` it passes untouched too.

    The source pipeline is given in `[initialize.components.xproj_translator]` as `source`, or set as the attribute
    `source`; it is saved with this pipe, and so are the models of the two translators.

    A `forward` that can carry spans (`SpanTranslator`) is given the source entities; those that it carried over are in
    `doc.spans["xproj_carried"]`, named after their source spans.

    forward (Optional[Translator]): Source to target, for `spacy_xproj.translate` and `spacy_xproj.project`.
    back (Optional[Translator]): Target to source, for Docs that come without a payload.
    source_lang (str): The source language that `back` translates into.
    label_map (dict[str, str]): Labels of source entities that go by another name here; "" leaves them out. Labels that
        are not in it stay as they are.
    labels (list of str): Keep the source entities with these labels, by their names here. Empty: all.
    round_trip (bool): Translate the labeled translation once more, into the target language, its entities with it, and
        make that the payload: both sides are then in one language (the tgt2tgt setting of Politov et al. 2025). It
        measures no better: see the docs. `forward` must be able to carry spans.
    RAISES (XprojError): If `round_trip` is set and `forward` cannot carry spans.
    """

    parts = ("forward", "back")

    def __init__(
        self,
        nlp: Language,
        name: str,
        forward: Optional[Translator],
        back: Optional[Translator],
        *,
        source_lang: str,
        label_map: dict[str, Any],
        labels: list[str],
        round_trip: bool,
    ):
        super().__init__(nlp, name)
        self.forward = forward
        self.back = back
        self.source_lang = normalize_code(source_lang)
        self.names = LabelFilter(tuple(labels), check_label_map(name, label_map))
        self.round_trip = round_trip
        if round_trip and not carries(forward):
            raise XprojError(
                f"{name}: round_trip needs a 'forward' that carries entities along: spacy_xproj.Apertium.v1, or "
                "spacy_xproj.Marked.v1 around another translator."
            )
        self._source = SpacyPipeline(who=name)
        self._tokenizer = nlp.tokenizer
        self._meta = nlp.meta  # looked at late: the language may be named after the pipe was made

    def initialize(
        self,
        get_examples: Optional[Callable[[], Iterable[Example]]] = None,
        *,
        nlp: Optional[Language] = None,
        source: Optional[Union[str, Path]] = None,
    ) -> None:
        """Load the source pipeline.

        source (Optional[str or Path]): A pipeline's package name or folder.
        """
        if source is not None:
            self.source = load_model(source)
            if nlp is not None:  # it is saved with the pipe: where it lay says nothing to who loads that
                nlp.config["initialize"]["components"].get(self.name, {}).pop("source", None)

    def steps(self) -> list[Step]:
        """Return the steps from Docs without a payload to Docs with one. Without `back` there are none."""
        return [] if self.back is None else [self.translate_back, self.set_payloads]

    def translate_back(self, docs: list[Doc]) -> list[Translated]:
        """Translate the sentences of the Docs that have no payload."""
        assert self.back is not None
        sents = [sentence_offsets(doc) if doc._.xproj is None else [] for doc in docs]
        if self.source is None and any(doc._.xproj is None for doc in docs):
            raise XprojError(
                f"{self.name} has a translator in 'back' but no source pipeline to label the translation. Give one as "
                f"'source' in [initialize.components.{self.name}], or set nlp.get_pipe({self.name!r}).source."
            )
        target_lang = normalize_code(self._meta.get("xproj_lang") or docs[0].lang_)
        whole = find_whole(self.back, docs, sents, target_lang, self.source_lang)
        texts = [doc[a:b].text for doc, rows in zip(docs, sents) for a, b in rows if doc not in whole]
        found = iter(one_each(self.back(texts, target_lang, self.source_lang), texts, self.back) if texts else ())
        return [
            whole.get(doc) or translated(self.back, doc, rows, [next(found) for _ in rows])
            for doc, rows in zip(docs, sents)
        ]

    def set_payloads(self, batch: list[Translated]) -> list[Doc]:
        """Label the translations of the Docs that have no payload, and make their payloads."""
        vocab = self.source.vocab if self.source is not None else self.vocab
        with memory_zones(*([vocab] if vocab is not self.vocab else [])):  # the words of translations do not pile up
            return self._set_payloads(batch)

    def _set_payloads(self, batch: list[Translated]) -> list[Doc]:
        texts = [translation.text or "" for each in batch for translation in each.translations]
        labeled = list(self.source.pipe(texts)) if self.source is not None else []
        if len(labeled) != len(texts):
            raise XprojError(
                f"{self.name}: the source pipeline gave {len(labeled)} Docs for {len(texts)} translations. It must "
                "raise its errors, not pass over the Docs that fail."
            )
        lang, more = self.source_lang, {}
        if self.round_trip:
            lang = normalize_code(self._meta.get("xproj_lang") or batch[0].doc.lang_)
            labeled = self.round_trips(labeled, lang)
            both = (as_part(translator).provenance for translator in (self.back, self.forward))
            more = {"translator": ", then ".join(both)}
        sources = iter(labeled)
        made = [
            (doc, joined_bitext([next(sources) for _ in sents], lang, sents, self.names, {**origin, **more}))
            for doc, sents, *_, origin in batch
            if doc._.xproj is None
        ]
        for doc, bitext in made:
            doc._.xproj = bitext
        return [each.doc for each in batch]

    def round_trips(self, docs: list[Doc], target_lang: str) -> list[Doc]:
        """Labeled source Docs, a sentence each, in the target language, with the entities that came along."""
        assert isinstance(self.forward, SpanTranslator)
        texts = [doc.text for doc in docs]
        marked = [[(e.start_char, e.end_char, str(k)) for k, e in enumerate(doc.ents)] for doc in docs]
        found = one_each(self.forward.carry(texts, marked, self.source_lang, target_lang), texts, self.forward)
        out = []
        for doc, translation in zip(docs, found):
            target = self._tokenizer(translation.text or "")
            spans = carried_spans(target, translation)
            target.set_ents(filter_spans([Span(target, a, b, label=doc.ents[k].label_) for a, b, k in spans]))
            out.append(target)
        return out

    def translate(
        self, docs: Iterable[Doc], nlp: Language, *, source_lang: str = "", batch_size: int = 256
    ) -> Iterator[Doc]:
        """Translate labeled source Docs into target Docs with the payload, sentence by sentence.

        docs (Iterable[Doc]): Source Docs, with their entities in `doc.ents`.
        nlp (Language): The target pipeline: its tokenizer and its vocab.
        source_lang (str): Their language; empty: as the Docs say. spaCy knows some languages by another code.
        YIELDS (Doc): One for each source Doc, in order. A sentence without a translation has an empty target side, and
            a Doc with nothing translated is an empty Doc: what it held is then reported as not translated. A Doc that
            fails goes to the pipe's error handler, as in `nlp.pipe`, and is left out if that does not raise.
        RAISES (XprojError): If there is no `forward`, or the Docs are in several languages.
        """
        if self.forward is None:
            raise XprojError(
                f"{self.name} has no translator in 'forward'. Set one in the config, such as "
                '[components.xproj_translator.forward] @xproj_translators = "spacy_xproj.Memory.v1".'
            )
        target_lang = lang_code(nlp)
        self._warned.clear()
        known = source_lang and normalize_code(source_lang)
        # One batch ahead: a translator that works in another process, or without the interpreter's lock, need not wait.
        with ThreadPoolExecutor(1) as ahead:
            waiting: Optional[tuple[list[Doc], Future, Callable[..., Future]]] = None
            for batch in minibatch(docs, size=batch_size):
                known = known or normalize_code(batch[0].lang_)
                if langs := {normalize_code(doc.lang_) for doc in batch if not source_lang} - {known}:
                    raise XprojError(f"The source Docs are in several languages: {', '.join(sorted({known, *langs}))}.")
                translate = partial(self.translate_forward, known, target_lang)
                sent = batch, ahead.submit(translate, batch), partial(ahead.submit, translate)
                if waiting is not None:
                    yield from self.target_docs(*waiting, nlp)
                waiting = sent
            if waiting is not None:
                yield from self.target_docs(*waiting, nlp)

    def target_docs(self, docs: list[Doc], whole: Future, send: Callable[..., Future], nlp: Language) -> Iterator[Doc]:
        """Make the target Docs of a batch of source Docs whose translation was sent for. If that fails, send the parts
        of the batch one after the other. A Doc that fails alone goes to the error handler."""
        translate = lambda some: (whole if len(some) == len(docs) else send(some)).result()  # noqa: E731
        make = lambda batch: [target_doc(each, nlp) for each in batch]  # noqa: E731
        return self.results(docs, [translate, make])

    def translate_forward(self, source_lang: str, target_lang: str, docs: Sequence[Doc]) -> list[Translated]:
        """Translate the sentences of labeled source Docs, their entities with them where the translator can."""
        assert self.forward is not None
        sents = [sentence_offsets(doc) for doc in docs]
        whole = find_whole(self.forward, docs, sents, source_lang, target_lang)
        spans = [mapped_spans(doc, self.names) for doc in docs]
        rows = [(doc, a, b, mine) for doc, some, mine in zip(docs, sents, spans) if doc not in whole for a, b in some]
        texts = [doc[a:b].text for doc, a, b, _ in rows]
        if isinstance(self.forward, SpanTranslator):
            marked = [char_spans(*row) for row in rows]
            found = iter(one_each(self.forward.carry(texts, marked, source_lang, target_lang), texts, self.forward))
        else:
            found = iter(one_each(self.forward(texts, source_lang, target_lang), texts, self.forward))
        made = [
            whole.get(doc) or translated(self.forward, doc, some, [next(found) for _ in some])
            for doc, some in zip(docs, sents)
        ]
        return [each._replace(spans=mine, source_lang=source_lang) for each, mine in zip(made, spans)]

    def explain(self, text: str, source_lang: str, target_lang: str) -> str:
        """Say why a text has no translation (see `Memory.explain`), as far as the translator knows.

        text (str), source_lang, target_lang (str): The text and its languages.
        RETURNS (str): A sentence, or "".
        """
        if not isinstance(self.forward, Memory):
            return ""
        return self.forward.explain(text, source_lang, target_lang)

    @property
    def source(self) -> Optional[Language]:
        """The source pipeline (Optional[Language]). It can be set."""
        return self._source.nlp if self._source else None

    @source.setter
    def source(self, source: Optional[Language]) -> None:
        self._source.nlp = source

    def state_parts(self) -> dict[str, Any]:
        """The two translators, and the source pipeline."""
        return {**super().state_parts(), "source": self._source}


def find_whole(
    translator: Translator,
    docs: Sequence[Doc],
    sents: Sequence[list[tuple[int, int]]],
    source_lang: str,
    target_lang: str,
) -> dict[Doc, Translated]:
    """Look up Docs of several sentences as whole texts, which people may have translated so."""
    if not isinstance(translator, Memory):
        return {}
    several = [doc for doc, rows in zip(docs, sents) if len(rows) > 1]
    found = translator.find_people([doc.text for doc in several], source_lang, target_lang)
    return {
        doc: translated(translator, doc, [(0, len(doc))], [translation], {"translated": "as one text"})
        for doc, translation in zip(several, found)
        if translation.text is not None
    }


def translated(
    translator: Translator,
    doc: Doc,
    sents: list[tuple[int, int]],
    translations: list[Translation],
    origin: Mapping[str, Union[str, float]] = {},
) -> Translated:
    """A translated Doc, with the provenance of its payload."""
    ignored = {name for each in translations if isinstance(each, Found) for name in each.ignored.split(", ")} - {""}
    origin = {"translator": as_part(translator).provenance, **origin}
    if ignored:
        origin["ignored"] = ", ".join(sorted(ignored))
    return Translated(doc, sents, translations, origin=origin)


def inside(spans: Sequence[SourceSpan], start: int, end: int) -> list[SourceSpan]:
    """The spans inside the tokens [start, end)."""
    return [s for s in spans if start <= s.start and s.end <= end]


def char_spans(doc: Doc, start: int, end: int, spans: Sequence[SourceSpan]) -> list[CharSpan]:
    """The spans inside a sentence, as character offsets into its text, each with its number there: ids of the Doc
    would make the same sentence another one elsewhere."""
    base = doc[start].idx
    ends = ((doc[s.start].idx, doc[s.end - 1].idx + len(doc[s.end - 1])) for s in inside(spans, start, end))
    return [(first - base, last - base, str(k)) for k, (first, last) in enumerate(ends)]


def carried_spans(doc: Doc, translation: Translation) -> Iterator[tuple[int, int, int]]:
    """The spans of a translation as tokens of its Doc, each with its number."""
    for start, end, number in translation.spans or ():
        span = doc.char_span(start, end, alignment_mode="expand")
        if span is not None:
            yield span.start, span.end, int(number)


def joined_bitext(
    parts: Sequence[Doc],
    lang: str,
    target: Sequence[tuple[int, int]],
    names: LabelFilter,
    origin: Mapping[str, Union[str, float]],
) -> Bitext:
    """The payload made of one source Doc a sentence of the target."""
    words: list[str] = []
    spaces: list[bool] = []
    spans: list[SourceSpan] = []
    ids: dict[str, str] = {}
    sents = []
    for part, (c, d) in zip(parts, target):
        start, known = len(words), len(spans)
        words.extend(t.text for t in part)
        spaces.extend(bool(t.whitespace_) for t in part)
        mine = [s._replace(id=f"s{known + k}") for k, s in enumerate(mapped_spans(part, names))]
        ids.update(source_ids(part, mine))
        spans.extend(s._replace(start=s.start + start, end=s.end + start) for s in mine)
        sents.append(((start, len(words)), (c, d)))
    return Bitext(
        lang, tuple(words), tuple(spaces), tuple(spans), sents=tuple(sents), provenance=dict(origin), source_ids=ids
    )


def target_doc(translated: Translated, nlp: Language) -> Doc:
    """The target Doc of a source Doc, one translation a sentence, joined by single spaces."""
    source, sents, translations, spans, source_lang, origin = translated
    parts, pairs, end = [], [], 0
    carried: list[tuple[int, int, SourceSpan]] = []
    for (a, b), translation in zip(sents, translations):
        part, start = nlp.make_doc(translation.text or ""), end
        end += len(part)
        pairs.append(((a, b), (start, end)))
        if len(part):
            parts.append(part)
            known = inside(spans, a, b)
            carried.extend((c + start, d + start, known[k]) for c, d, k in carried_spans(part, translation))
    target = parts[0] if len(parts) == 1 else Doc.from_docs(parts) or Doc(nlp.vocab)
    if len(pairs) > 1:
        starts = {c for _, (c, _) in pairs}
        for token in target:
            token.is_sent_start = token.i in starts
    target._.xproj = Bitext(
        source_lang,
        tuple([t.text for t in source]),
        tuple(source.to_array(SPACY).tolist()),
        spans,
        sents=() if len(pairs) == 1 and pairs[0][1][1] else tuple(pairs),
        provenance=dict(origin),
        source_ids=source_ids(source, spans),
        unknown=unknown_words(source),
    )
    if any(translation.spans is not None for translation in translations):
        group = [Span(target, a, b, label=s.label, span_id=s.id) for a, b, s in carried]
        target.spans[CARRIED] = SpanGroup(target, name=CARRIED, spans=group)
    if "meta" in source.user_data:
        target.user_data["meta"] = source.user_data["meta"]
    return target
