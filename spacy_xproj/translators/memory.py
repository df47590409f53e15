"""The translation memory: what people translated, and what a backend translated before."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from ..errors import XprojError, check_at_least
from ..part import as_part
from ..state import State
from ..store import Store
from ..texts import IGNORED, normalize, pair_problem
from ..ty import CharSpan, Found, SpanTranslator, Translation, Translator
from .checks import one_each

MAX_MISSING = 10_000
Spans = tuple[CharSpan, ...]
Item = tuple[str, Spans]  # a text in its normal form, and the spans to carry through


def carries(translator: Optional[Translator]) -> bool:
    """Whether a translator carries spans itself: of a memory, whether the one behind it does.

    translator (Optional[Translator]): Any translator, or none.
    """
    if isinstance(translator, Memory):
        return carries(translator.translator)
    return isinstance(translator, SpanTranslator)


class Memory(State):
    """`spacy_xproj.Memory.v1`: a bitext as translator, and a cache in front of another translator. Texts are the same
    if their normal forms are (see `normalize`). A text that is not found is looked up once more among those that people
    gave, without heed to spaces beside punctuation, kinds of quotes, and case. The entry that differs in the least of
    that is taken; if there are several with different translations, none.

    A text that is not found goes once to the translator behind the memory, if there is one, in its normal form. So
    the result does not depend on the order of the texts, the batches or the number of processes.

    path (str or Path): The file, made if it is not there. "": the entries are kept in memory, and saved with a
        pipeline.
    translator (Optional[Translator]): Translates the texts that the memory does not hold. null: they stay
        untranslated.
    batch_size (int): Number of texts that go to the translator at once. Their translations are kept before the next
        ones go.
    read_only (bool): Never write to the file: keep nothing of what the translator gives.
    ignore_spaces (bool): Find texts that have other spaces beside punctuation, as tokenized text has, or between
        characters of scripts without spaces.
    ignore_quotes (bool): Find texts with other kinds of quotes.
    ignore_case (bool): Find texts in other case.
    RAISES (InputError): If the file is there and is not a translation memory.
    """

    state_name = "spacy_xproj.Memory.v1"

    def __init__(
        self,
        path: Union[str, Path] = "",
        translator: Optional[Callable] = None,  # spaCy checks a config's values, and cannot check a protocol
        batch_size: int = 64,
        read_only: bool = False,
        ignore_spaces: bool = True,
        ignore_quotes: bool = True,
        ignore_case: bool = True,
    ):
        check_at_least(self.state_name, 1, batch_size=batch_size)
        # There is nothing to protect in a memory without a file, and a saved one is read into such.
        self.store = Store(path, read_only and bool(str(path)))
        self.translator: Optional[Translator] = translator
        self.batch_size = batch_size
        self.ignore = [name for name, wanted in zip(IGNORED, (ignore_spaces, ignore_quotes, ignore_case)) if wanted]
        self._clear()

    def _clear(self) -> None:
        self._counts = {"looked_up": 0, "found": 0, "translated": 0, "missing": 0}
        self._remarks: Counter = Counter()
        self._missing: dict[str, None] = {}
        self._seen: set[int] = set()

    @property
    def key(self) -> str:
        """The key of the translator behind it: whoever wraps a memory wraps that."""
        return as_part(self.translator).key if self.translator else "spacy_xproj.Memory.v1"

    @property
    def provenance(self) -> str:
        """Names the translator behind it, too: which of the two gave a text is in the file."""
        return f"Memory, {as_part(self.translator).provenance}" if self.translator else "Memory"

    def __call__(self, texts: Sequence[str], source_lang: str, target_lang: str) -> list[Translation]:
        """Translate texts.

        texts (sequence of str): The texts.
        source_lang, target_lang (str): Language codes, in any spelling.
        RETURNS (list of Translation): One a text; its text is None where there is none.
        RAISES (XprojError): If the translator behind does not give one translation a text.
        """
        return self._look_up([(normalize(text), ()) for text in texts], source_lang, target_lang)

    def carry(
        self, texts: Sequence[str], spans: Sequence[Sequence[CharSpan]], source_lang: str, target_lang: str
    ) -> list[Translation]:
        """Translate texts with spans in them. A translation that people gave comes first, without spans. What the
        translator behind carries spans through is kept for these spans; without such a translator the spans make no
        difference.

        texts, source_lang, target_lang: As in `__call__`.
        spans (sequence of sequences of (start, end, id)): For each text its spans.
        RETURNS (list of Translation): One a text; its spans are those that came through, or None.
        """
        if not carries(self.translator):
            return self(texts, source_lang, target_lang)
        items = [(normalize(text), normal_spans(text, some)) for text, some in zip(texts, spans)]
        return self._look_up(items, source_lang, target_lang)

    def _look_up(self, items: list[Item], source_lang: str, target_lang: str) -> list[Translation]:
        known = self._known(items, source_lang, target_lang)
        misses = [item for item in dict.fromkeys(items) if item not in known]
        new: dict[Item, Translation] = {}
        for start in range(0, len(misses) if self.translator else 0, self.batch_size):
            new.update(self._translate(misses[start : start + self.batch_size], source_lang, target_lang))
        self._count(items, known, new)
        nothing = Translation(None)
        return [known.get(item) or new.get(item, nothing) for item in items]

    def _known(self, items: list[Item], source_lang: str, target_lang: str) -> dict[Item, Found]:
        backends = {spans: self._filed_under(spans) for spans in {spans for _, spans in items}}
        rows = {(source, spans): (source, backends[spans]) for source, spans in items}
        found = self.store.lookup(rows.values(), source_lang, target_lang, self.ignore)
        known = {item: found[row] for item, row in rows.items() if row in found}
        self._remarks["ambiguous"] += sum(translation.text is None for translation in known.values())
        return {item: translation for item, translation in known.items() if translation.text is not None}

    def find_people(self, texts: Sequence[str], source_lang: str, target_lang: str) -> list[Translation]:
        """Look texts up among those that people gave. The translator behind is not asked, and those that are not found
        are not counted.

        texts, source_lang, target_lang, RETURNS: As in `__call__`.
        """
        items: list[Item] = [(normalize(text), ()) for text in texts]
        found = self.store.lookup([(text, "") for text, _ in items], source_lang, target_lang, self.ignore)
        known: dict[Item, Found] = {(text, ()): each for (text, _), each in found.items() if each.text is not None}
        self._count([item for item in items if item in known], known, {})
        return [known.get(item, Translation(None)) for item in items]

    def _filed_under(self, spans: Spans) -> str:
        """The backend key of texts with these spans: tags and markers in a text can change its translation."""
        if self.translator is None:
            return ""
        return f"{self.key} {json.dumps(spans)}" if spans else self.key

    def _translate(self, batch: list[Item], source_lang: str, target_lang: str) -> list[tuple[Item, Translation]]:
        assert self.translator is not None
        texts = [source for source, _ in batch]
        if isinstance(self.translator, SpanTranslator) and any(spans for _, spans in batch):
            got = self.translator.carry(texts, [spans for _, spans in batch], source_lang, target_lang)
        else:
            got = self.translator(texts, source_lang, target_lang)
        rows = list(zip(batch, one_each(got, texts, self.translator)))
        if not self.store.read_only:
            keep = [(*item, translation) for item, translation in rows if translation.text is not None]
            filed = [(source, self._filed_under(spans), translation) for source, spans, translation in keep]
            self.store.cache(filed, source_lang, target_lang, type(self.translator).__name__)
        return rows

    def _count(self, items: list[Item], known: dict[Item, Found], new: dict[Item, Translation]) -> None:
        for item in items:
            source = item[0]
            translated = item in new and new[item].text is not None
            name = "found" if item in known else "translated" if translated else "missing"
            self._counts["looked_up"] += 1
            self._counts[name] += 1
            if name == "found" and known[item].ignored:
                self._remarks.update(f"found_ignoring_{what}" for what in known[item].ignored.split(", "))
            if name == "missing":
                self._seen.add(hash(source))
                if len(self._missing) < MAX_MISSING:
                    self._missing[source] = None

    @property
    def missing(self) -> list[str]:
        """The texts that were asked for and not found, in normal form, each once, in the order in which they
        came; the first 10,000."""
        return list(self._missing)

    def report(self) -> dict[str, int]:
        """What became of the texts that this object was asked for (each process counts its own).

        RETURNS (dict[str, int]): `looked_up` is the sum of `found`, `translated` (by the translator behind
            it) and `missing`, counted with repetitions; `missing_distinct` counts each missing text once. Where there
            are any: `found_ignoring_spaces`, `..._quotes` and `..._case` count those of the found texts that differ in
            it, and `ambiguous` those of the others for which several entries had different translations.
        """
        return {**self._counts, "missing_distinct": len(self._seen), **+self._remarks}

    def explain(self, text: str, source_lang: str, target_lang: str) -> str:
        """Say why a text is not found.

        text (str): The text.
        source_lang, target_lang (str): Language codes.
        RETURNS (str): A sentence: that the memory has nothing from this language to that one, or the text in it that is
            most like this one.
        """
        try:
            self.store.check_languages(source_lang, target_lang)
        except XprojError as err:
            return str(err)
        near, likeness = self.store.nearest(normalize(text), source_lang, target_lang)
        return f"The nearest text in the memory is {near!r} ({likeness:.0f} % alike)." if near else ""

    def add(
        self,
        pairs: Iterable[tuple[str, str]],
        source_lang: str,
        target_lang: str,
        origin: str = "",
        overwrite: bool = False,
        both: bool = False,
        on_conflict: Optional[Callable[[str, str, str], None]] = None,
    ) -> dict[str, int]:
        """Add translations made by people: all of them, or none if one of them is bad.

        pairs (iterable of (str, str)): Source text and target text.
        source_lang, target_lang (str): Language codes.
        origin (str): Where they come from, for the reader of the file.
        overwrite (bool): Replace the target of a text that is there with another one. If not, the first one
            stays.
        both (bool): Add the other direction as well; a pair then counts twice.
        on_conflict (Optional[Callable]): Called for each conflict with the text, its target in the memory, and the
            target that was left out.
        RETURNS (dict[str, int]): How many were `added`, `known` (there with the same target), `conflicts`
            (there with another target, left as it was) and `replaced`.
        RAISES (XprojError): If a text is empty or not valid Unicode, or the memory is read-only.
        """
        return self.store.add(_checked(pairs), source_lang, target_lang, origin, overwrite, both, on_conflict)

    # Serialization: what the translator behind gave is a cache, and not saved

    def state(self) -> dict[str, Any]:
        """What people translated."""
        return {"people": list(self.store.people())}

    def set_state(self, state: dict[str, Any]) -> None:
        """Add what people translated to what the memory holds already, unless it is read-only."""
        if not self.store.read_only:
            self.store.restore(state["people"])

    def state_parts(self) -> dict[str, Any]:
        return {"translator": self.translator}

    def __getstate__(self) -> dict[str, Any]:
        return {
            "store": self.store,
            "translator": self.translator,
            "batch_size": self.batch_size,
            "ignore": self.ignore,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._clear()


def normal_spans(text: str, spans: Sequence[CharSpan]) -> Spans:
    """Spans of a text as spans of its normal form, in text order.

    text (str): Any text.
    spans (sequence of (start, end, id)): Half-open character offsets into it. A span of white space is left out.
    """
    out = []
    for start, end, name in spans:
        content = normalize(text[start:end])
        if content:  # a letter stands in for what follows: white space at the end of a text has no normal form
            before = len(normalize(text[:start] + text[start:end].lstrip()[:1])) - 1
            out.append((before, before + len(content), name))
    return tuple(sorted(out))


def _checked(pairs: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for number, (source, target) in enumerate(pairs, 1):
        message = pair_problem(source, target)
        if message:
            raise XprojError(f"Pair {number} cannot be added. {message}")
        yield source, target
