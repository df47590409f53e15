"""`xproj_translator`: makes the payload, from the Doc's own language back to the source language or forth from it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import SimpleFrozenList, load_model, minibatch

from ..bitext import Bitext, SourceSpan
from ..errors import XprojError
from ..registry import registry  # noqa: F401  (makes the registries that configs name)
from ..ty import Translation, Translator
from .base import BatchPipe

DEFAULTS = {"forward": None, "back": None, "source_lang": "en"}


@Language.factory("xproj_translator", assigns=["doc._.xproj"], default_config=DEFAULTS)
def make_translator(
    nlp: Language, name: str, forward: Optional[Translator], back: Optional[Translator], source_lang: str
) -> "PayloadTranslator":
    """Make the pipe.

    forward (Optional[Translator]): Source to target, for `spacy_xproj.translate` and `spacy_xproj.project`.
    back (Optional[Translator]): Target to source, for Docs that come without a payload.
    source_lang (str): The source language that `back` translates into.
    """
    return PayloadTranslator(nlp, name, forward, back, source_lang=source_lang)


class PayloadTranslator(BatchPipe):
    """A Doc with a payload passes untouched. One without is translated back, sentence by sentence where it has
    sentences, and the source pipeline labels the translation (translate-test). Without `back` it passes untouched too.

    The source pipeline is given in `[initialize.components.xproj_translator]` as `source`, or set as the attribute
    `source`; it is saved with this pipe.
    """

    def __init__(
        self,
        nlp: Language,
        name: str,
        forward: Optional[Translator],
        back: Optional[Translator],
        *,
        source_lang: str,
    ):
        super().__init__(nlp, name)
        self.forward = forward
        self.back = back
        self.source_lang = source_lang
        self.source: Optional[Language] = None
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

    def process(self, docs: list[Doc]) -> None:
        """Translate back the Docs of one batch that have no payload."""
        todo = [doc for doc in docs if doc._.xproj is None]
        if self.back is None or not todo:
            return
        if self.source is None:
            raise XprojError(
                f"{self.name} has a translator in 'back' but no source pipeline to label the translation. Give one as "
                f"'source' in [initialize.components.{self.name}], or set nlp.get_pipe({self.name!r}).source."
            )
        sents = [sentences(doc) for doc in todo]
        texts = [doc[a:b].text for doc, spans in zip(todo, sents) for a, b in spans]
        found = checked(self.back(texts, str(self._meta.get("xproj_lang") or docs[0].lang_), self.source_lang), texts)
        translated = [[next(found) for _ in spans] for spans in sents]
        sources = iter(list(self.source.pipe(t.text or "" for parts in translated for t in parts)))
        for doc, spans in zip(todo, sents):
            parts = [next(sources) for _ in spans]
            doc._.xproj = joined_bitext(parts, self.source_lang, spans, provenance(self.back))

    def translate(
        self, docs: Iterable[Doc], nlp: Language, *, source_lang: str = "", batch_size: int = 64
    ) -> Iterator[Doc]:
        """Translate labelled source Docs into target Docs with the payload, sentence by sentence.

        docs (Iterable[Doc]): Source Docs, with their entities in `doc.ents`.
        nlp (Language): The target pipeline: its tokenizer and its vocab.
        source_lang (str): Their language; empty: as the Docs say. spaCy knows some languages by another code.
        YIELDS (Doc): One for each source Doc, in order. A sentence without a translation has an empty target side, and
            a Doc with nothing translated is an empty Doc: what it held is then reported as not translated.
        """
        if self.forward is None:
            raise XprojError(
                f"{self.name} has no translator in 'forward'. Set one in the config, such as "
                '[components.xproj_translator.forward] @xproj_translators = "spacy_xproj.Memory.v1".'
            )
        target_lang = str(nlp.meta.get("xproj_lang") or nlp.lang)
        for batch in minibatch(docs, size=batch_size):
            sents = [sentences(doc) for doc in batch]
            texts = [doc[a:b].text for doc, spans in zip(batch, sents) for a, b in spans]
            langs = {source_lang or str(doc.lang_) for doc in batch}
            if len(langs) > 1:
                raise XprojError(f"The source Docs are in several languages: {', '.join(sorted(langs))}.")
            found = checked(self.forward(texts, langs.pop(), target_lang), texts)
            for doc, spans in zip(batch, sents):
                yield target_doc(doc, spans, [next(found) for _ in spans], nlp, provenance(self.forward))

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = SimpleFrozenList()) -> None:
        Path(path).mkdir(parents=True, exist_ok=True)
        if self.source is not None:
            self.source.to_disk(Path(path) / "source")

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = SimpleFrozenList()) -> "PayloadTranslator":
        if (Path(path) / "source").exists():
            self.source = load_model(Path(path) / "source")
        return self

    def to_bytes(self, *, exclude: Iterable[str] = SimpleFrozenList()) -> bytes:
        import srsly

        source = self.source
        config = source.config.to_str() if source else ""
        return srsly.msgpack_dumps({"config": config, "source": source.to_bytes() if source else b""})

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = SimpleFrozenList()) -> "PayloadTranslator":
        import srsly
        from spacy.util import load_model_from_config
        from thinc.api import Config

        message: Any = srsly.msgpack_loads(data)
        if message["config"]:
            config = Config().from_str(message["config"], interpolate=False)
            self.source = load_model_from_config(config, auto_fill=True).from_bytes(message["source"])
        return self


def provenance(translator: Translator) -> dict[str, Union[str, float]]:
    return {"translator": getattr(translator, "provenance", type(translator).__name__)}


def checked(translations: Sequence[Translation], texts: Sequence[str]) -> Iterator[Translation]:
    if len(translations) != len(texts):
        raise XprojError(f"The translator gave {len(translations)} translations of {len(texts)} texts.")
    return iter(translations)


def sentences(doc: Doc) -> list[tuple[int, int]]:
    """Token offsets of the sentences; the whole Doc where it has none marked."""
    if doc.has_annotation("SENT_START"):
        return [(s.start, s.end) for s in doc.sents]
    return [(0, len(doc))] if len(doc) else []


def source_spans(doc: Doc) -> tuple[SourceSpan, ...]:
    """The Doc's entities, each with the id it has or a number of its own."""
    return tuple(SourceSpan(e.start, e.end, e.label_, e.ent_id_ or e.id_ or f"s{k}") for k, e in enumerate(doc.ents))


def joined_bitext(
    parts: Sequence[Doc], lang: str, target: Sequence[tuple[int, int]], origin: dict[str, Union[str, float]]
) -> Bitext:
    """The payload made of one source Doc a sentence of the target."""
    words: list[str] = []
    spaces: list[bool] = []
    spans: list[SourceSpan] = []
    sents = []
    for part, (c, d) in zip(parts, target):
        start, known = len(words), len(spans)
        words.extend(t.text for t in part)
        spaces.extend(bool(t.whitespace_) for t in part)
        spans.extend(
            SourceSpan(e.start + start, e.end + start, e.label_, f"s{known + k}") for k, e in enumerate(part.ents)
        )
        sents.append(((start, len(words)), (c, d)))
    return Bitext(lang, tuple(words), tuple(spaces), tuple(spans), sents=tuple(sents), provenance=origin)


def target_doc(
    source: Doc,
    sents: Sequence[tuple[int, int]],
    translations: Sequence[Translation],
    nlp: Language,
    origin: dict[str, Union[str, float]],
) -> Doc:
    """The target Doc of a source Doc, one translation a sentence, joined by single spaces."""
    words: list[str] = []
    spaces: list[bool] = []
    pairs = []
    for (a, b), translation in zip(sents, translations):
        start = len(words)
        if words and translation.text:
            spaces[-1] = True
        for token in nlp.make_doc(translation.text or ""):
            words.append(token.text)
            spaces.append(bool(token.whitespace_))
        pairs.append(((a, b), (start, len(words))))
    target = Doc(nlp.vocab, words=words, spaces=spaces)
    if len(pairs) > 1:
        starts = {c for _, (c, _) in pairs}
        for token in target:
            token.is_sent_start = token.i in starts
    target._.xproj = Bitext(
        source.lang_,
        tuple(t.text for t in source),
        tuple(bool(t.whitespace_) for t in source),
        source_spans(source),
        sents=() if len(pairs) == 1 and pairs[0][1][1] else tuple(pairs),
        provenance=origin,
    )
    if "meta" in source.user_data:
        target.user_data["meta"] = source.user_data["meta"]
    return target
