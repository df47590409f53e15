"""The payload of a Doc: the other language's side of it, as plain data (never a Doc)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import isfinite
from typing import Any, NamedTuple, Optional, Union

import numpy as np

from .codes import normal_form
from .errors import XprojError

KEY = "__spacy_xproj_bitext__"
LINK_FIELDS = frozenset(("links", "scores", "evidence", "provenance"))
Pair = tuple[tuple[int, int], tuple[int, int]]


class SourceSpan(NamedTuple):
    """An entity of the source side: half-open token offsets into `Bitext.words`; spans may nest.

    id (str): Names the span, and every span projected from it. It is unique in a Bitext (see `with_unique_ids`).
    score (float): How sure the source side is of it, in [0, 1].
    """

    start: int
    end: int
    label: str
    id: str = ""
    score: float = 1.0


class Links(NamedTuple):
    """Word links of one sentence pair.

    links (int32 array (n, 2)): Column 0 indexes the source words, column 1 the target words.
    scores (float32 array (n,)): One score in [0, 1] a link.
    evidence (dict[str, float32 array (n,)]): Further views of the same links.
    """

    links: np.ndarray
    scores: np.ndarray
    evidence: dict[str, np.ndarray]


class SentencePair(NamedTuple):
    """What the backends see: one sentence pair, all offsets counted from its own first words.

    source, target (tuple of str): The words.
    spans (tuple of SourceSpan): The source entities inside this pair.
    links, scores, evidence: As in `Links`.
    places (tuple of int): For each of `spans` its place in `Bitext.spans`.
    offset (tuple of two int): Where source and target begin in the Bitext and the Doc.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    spans: tuple[SourceSpan, ...]
    links: np.ndarray
    scores: np.ndarray
    evidence: dict[str, np.ndarray]
    places: tuple[int, ...]
    offset: tuple[int, int]


def depths(spans: Sequence[SourceSpan]) -> list[int]:
    """Return for each span how many of the others hold it: 0 for an outermost one. Of two over the same words the
    later one counts as held."""
    out = [0] * len(spans)
    around: list[SourceSpan] = []
    for k in sorted(range(len(spans)), key=lambda k: (spans[k].start, -spans[k].end)):
        around = [span for span in around if span.end > spans[k].start]
        out[k] = sum(span.end >= spans[k].end for span in around)
        around.append(spans[k])
    return out


@dataclass(frozen=True, eq=False)
class Bitext:
    """The source side of a Doc, in `doc._.xproj`. The Doc is always the text that is to be annotated.

    lang (str): Language code of the source side. Its spelling is made the usual one (see `normalize_code`).
    words (sequence of str), spaces (sequence of bool): Source tokens, in spaCy's convention.
    spans (sequence of SourceSpan): Source entities, offsets into `words`. A span without an id, or with that of an
        earlier span, gets one by its place: `s0`, `s1`, ….
    links (int32 array (n, 2)): Word links: column 0 indexes `words`, column 1 the Doc's tokens.
    scores (float32 array (n,)): One score in [0, 1] a link; all 1 if not given.
    evidence (dict[str, float32 array (n,)]): Further views of the same links, such as `forward`, `reverse`.
    sents (sequence of ((start, end), (start, end))): Sentence pairs, source and target offsets. Links, candidates
        and matches never cross one. Empty: one pair of everything.
    provenance (dict[str, str or float]): Which backend, model, version and settings made each field.
    source_ids (dict[str, str]): By the id of a span, the id that the entity has in the source Doc, such as that of a
        pattern or of an annotation. It can come many times.
    unknown (sequence of int): Source words of which it is not known whether they are in an entity. Nothing is said of
        the target words that are linked to them.
    RAISES (XprojError): If lengths do not agree or a source offset is out of range.
    """

    lang: str
    words: tuple[str, ...]
    spaces: tuple[bool, ...]
    spans: tuple[SourceSpan, ...] = ()
    links: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), "i4"))
    scores: np.ndarray = None  # type: ignore[assignment]  # never None once made
    evidence: dict[str, np.ndarray] = field(default_factory=dict)
    sents: tuple[Pair, ...] = ()
    provenance: dict[str, Union[str, float]] = field(default_factory=dict)
    source_ids: dict[str, str] = field(default_factory=dict)
    unknown: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        words, spaces, unknown = tuple(self.words), tuple(map(bool, self.spaces)), tuple(map(int, self.unknown))
        source_ids = dict(self.source_ids)
        spans = tuple(s if type(s) is SourceSpan else SourceSpan(*s) for s in self.spans)
        spans = with_unique_ids(spans, source_ids)
        sents = tuple(((int(a), int(b)), (int(c), int(d))) for (a, b), (c, d) in self.sents)
        vars(self).update(
            lang=normal_form(self.lang),
            words=words,
            spaces=spaces,
            spans=spans,
            sents=sents,
            unknown=unknown,
            source_ids=source_ids,
        )
        n_words = len(words)
        if len(spaces) != n_words:
            raise XprojError(f"A Bitext needs one space flag a word: got {n_words} words, {len(spaces)} spaces.")
        self._take_links()
        for span in spans:
            if not 0 <= span.start < span.end <= n_words:
                raise XprojError(f"The source span {tuple(span)} lies outside the {n_words} source words.")
        if unknown and not 0 <= min(unknown) <= max(unknown) < n_words:
            raise XprojError(f"An unknown word lies outside the {n_words} source words: {unknown}.")
        for (a, b), (c, d) in sents:
            if not (0 <= a <= b <= n_words and 0 <= c <= d):
                raise XprojError(f"The sentence pair {((a, b), (c, d))} lies outside the {n_words} source words.")
        for side in (0, 1) if sents else ():
            ends = sorted(pair[side] for pair in sents)
            if any(later[0] < earlier[1] for earlier, later in pairwise(ends)):
                raise XprojError(f"Two sentence pairs share words: {sents}. Join them into one pair.")

    def _take_links(self) -> None:
        """Bring the fields of LINK_FIELDS into their form, and check them."""
        links = np.asarray(self.links, "i4")
        if links.size and links.shape[1:] != (2,):
            raise XprojError(f"Links must be rows of (source word, target word): got the shape {links.shape}.")
        n, n_words = len(links) if links.size else 0, len(self.words)
        scores = np.ones(n, "f4") if self.scores is None else np.asarray(self.scores, "f4").reshape(-1)
        evidence = {k: np.asarray(v, "f4").reshape(-1) for k, v in self.evidence.items()}
        vars(self).update(
            links=links.reshape(-1, 2), scores=scores, evidence=evidence, provenance=dict(self.provenance)
        )
        for name, values in (("scores", scores), *evidence.items()):
            if len(values) != n:
                raise XprojError(f"A Bitext needs one value of {name!r} a link: got {n} links, {len(values)} values.")
        if n and (links.min() < 0 or links[:, 0].max() >= n_words):
            raise XprojError(f"A link lies outside the {n_words} source words (links are counted from 0).")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bitext):
            return NotImplemented
        return (
            (self.lang, self.words, self.spaces, self.spans, self.sents, self.provenance)
            == (other.lang, other.words, other.spaces, other.spans, other.sents, other.provenance)
            and (self.source_ids, self.unknown) == (other.source_ids, other.unknown)
            and np.array_equal(self.links, other.links)
            and np.array_equal(self.scores, other.scores)
            and self.evidence.keys() == other.evidence.keys()
            and all(np.array_equal(v, other.evidence[k]) for k, v in self.evidence.items())
        )

    __hash__ = None  # type: ignore[assignment]

    def __deepcopy__(self, memo: dict) -> "Bitext":
        # `Doc.copy` calls this. Words and spans are immutable, and all is checked already.
        return self._with(
            links=self.links.copy(),
            scores=self.scores.copy(),
            evidence={name: values.copy() for name, values in self.evidence.items()},
            provenance=dict(self.provenance),
            source_ids=dict(self.source_ids),
        )

    def _with(self, **fields: Any) -> "Bitext":
        """A copy with other values in some fields, unchecked."""
        other = object.__new__(Bitext)
        vars(other).update(vars(self), **fields)
        return other

    @property
    def text(self) -> str:
        """The source text."""
        return "".join(w + " " if s else w for w, s in zip(self.words, self.spaces))

    def replace(self, **changes: Any) -> "Bitext":
        """A copy with other values in some fields, checked as a new one is. New links drop the old ones' scores."""
        if "links" in changes:
            changes = {"scores": None, "evidence": {}, **changes}
        if not LINK_FIELDS.issuperset(changes):
            return replace(self, **changes)
        other = self._with(**changes)
        other._take_links()
        return other

    def check(self, n_target: int) -> None:
        """Hold the payload against the Doc that it is on.

        n_target (int): Number of tokens of the Doc.
        RAISES (XprojError): If a link or a sentence pair lies outside the Doc.
        """
        if len(self.links) and self.links[:, 1].max() >= n_target:
            raise XprojError(
                f"A link points at target word {self.links[:, 1].max()}, but the Doc has {n_target} tokens (counted "
                "from 0). Was the text tokenized anew after it was aligned?"
            )
        if self.sents and max(d for _, (_, d) in self.sents) > n_target:
            raise XprojError(f"A sentence pair ends beyond the {n_target} tokens of the Doc.")

    def pairs(self, target: tuple[str, ...]) -> list[SentencePair]:
        """The sentence pairs, each with its own offsets. Spans and links that cross a pair are left out.

        target (tuple of str): The words of the Doc.
        RETURNS (list of SentencePair): In the order of `sents`.
        """
        self.check(len(target))
        if not self.sents:
            everything = tuple(range(len(self.spans)))
            return [
                SentencePair(self.words, target, self.spans, self.links, self.scores, self.evidence, everything, (0, 0))
            ]
        # The pair of each word on either side; one more for the words of none.
        none = len(self.sents)
        owner_m, owner_n = np.full(len(self.words), none), np.full(len(target), none)
        for k, ((a, b), (c, d)) in enumerate(self.sents):
            owner_m[a:b], owner_n[c:d] = k, k
        owner = owner_m[self.links[:, 0]]
        owner[owner != owner_n[self.links[:, 1]]] = none
        order = np.argsort(owner, kind="stable")
        ends = np.searchsorted(owner[order], np.arange(none + 1)).tolist()
        index: list[list[int]] = [[] for _ in range(none + 1)]
        for place, span in enumerate(self.spans):
            first, last = owner_m[span.start], owner_m[span.end - 1]
            index[first if first == last else none].append(place)
        out = []
        for k, ((a, b), (c, d)) in enumerate(self.sents):
            found = [self.spans[place] for place in index[k]]
            spans = tuple(span._replace(start=span.start - a, end=span.end - a) for span in found)
            keep = order[ends[k] : ends[k + 1]]
            links = self.links[keep] - np.array([a, c], "i4")
            evidence = {name: values[keep] for name, values in self.evidence.items()}
            out.append(
                SentencePair(
                    self.words[a:b], target[c:d], spans, links, self.scores[keep], evidence, tuple(index[k]), (a, c)
                )
            )
        return out

    def unknown_targets(self, n_target: int) -> set[int]:
        """Return the target words of which nothing is known: those linked to an unknown source word, and all of a
        sentence pair whose source words are all unknown.

        n_target (int): Number of tokens of the Doc.
        """
        if not self.unknown:
            return set()
        unknown = set(self.unknown)
        found = {int(j) for i, j in self.links if int(i) in unknown}
        for (a, b), (c, d) in self.sents or [((0, len(self.words)), (0, n_target))]:
            if unknown.issuperset(range(a, b)):
                found.update(range(c, d))
        return found

    def with_links(self, parts: list[Links], **provenance: Union[str, float]) -> "Bitext":
        """A copy with the links of its sentence pairs, one `Links` a pair, in the order of `pairs`."""
        offsets = [np.array([a, c], "i4") for (a, _), (c, _) in self.sents] or [np.zeros(2, "i4")]
        if len(parts) != len(offsets):
            raise XprojError(f"Expected the links of {len(offsets)} sentence pairs, got {len(parts)}.")
        names = dict.fromkeys(name for part in parts for name in part.evidence)
        empty = np.zeros(0, "f4")
        return self.replace(
            links=np.concatenate([np.asarray(p.links, "i4").reshape(-1, 2) + o for p, o in zip(parts, offsets)]),
            scores=np.concatenate([p.scores for p in parts] or [empty]),
            evidence={
                k: np.concatenate([p.evidence.get(k, np.zeros(len(p.links), "f4")) for p in parts]) for k in names
            },
            provenance={**self.provenance, **provenance},
        )


def with_unique_ids(spans: tuple[SourceSpan, ...], source_ids: dict[str, str]) -> tuple[SourceSpan, ...]:
    """Give an id to each span that has none or that of an earlier span.

    spans (tuple of SourceSpan): The spans of a Bitext.
    source_ids (dict[str, str]): Those of the Bitext. An id that a span had to give up is added.
    RETURNS (tuple of SourceSpan): The spans, in the same order.
    """
    taken = {span.id for span in spans}
    if len(taken) == len(spans) and "" not in taken:
        return spans
    seen = {""}
    out = []
    for place, span in enumerate(spans):
        if span.id in seen:
            name = f"s{place}"
            while name in taken:
                name += "_"
            taken.add(name)
            if span.id:
                source_ids.setdefault(name, span.id)
            span = span._replace(id=name)
        seen.add(span.id)
        out.append(span)
    return tuple(out)


def encode_bitext(obj: Any, chain: Optional[Callable] = None) -> Any:
    """srsly's msgpack hook. Arrays go as raw little-endian bytes, which is both small and fast."""
    if not isinstance(obj, Bitext):
        return obj if chain is None else chain(obj)
    return {
        KEY: 1,
        "lang": obj.lang,
        "words": obj.words,
        "spaces": bytes(obj.spaces),
        "spans": [tuple(s) for s in obj.spans],
        "links": obj.links.astype("<i4").tobytes(),
        "scores": obj.scores.astype("<f4").tobytes(),
        "evidence": {k: v.astype("<f4").tobytes() for k, v in obj.evidence.items()},
        "sents": obj.sents,
        "provenance": obj.provenance,
        "source_ids": obj.source_ids,
        **({"unknown": obj.unknown} if obj.unknown else {}),
    }


def decode_bitext(obj: Any, chain: Optional[Callable] = None) -> Any:
    """The inverse hook. What went in as tuples may come as lists; the Bitext takes both."""
    if not (isinstance(obj, dict) and KEY in obj):
        return obj if chain is None else chain(obj)
    f4 = lambda b: np.frombuffer(b, "<f4")  # noqa: E731
    found = Bitext(
        lang=obj["lang"],
        words=obj["words"],
        spaces=obj["spaces"],
        spans=obj["spans"],
        links=np.frombuffer(obj["links"], "<i4").reshape(-1, 2),
        scores=f4(obj["scores"]),
        evidence={k: f4(v) for k, v in obj["evidence"].items()},
        sents=obj["sents"],
        provenance=obj["provenance"],
        source_ids=obj.get("source_ids", {}),
        unknown=obj.get("unknown", ()),
    )
    _check_kinds(found)
    return found


def _check_kinds(bitext: Bitext) -> None:
    """Make sure that all values are of their kinds: what a file holds need not be what this package wrote.

    RAISES (XprojError): If not.
    """
    strings = [bitext.lang, *bitext.words, *bitext.evidence, *bitext.provenance, *bitext.source_ids]
    strings += [text for span in bitext.spans for text in (span.label, span.id)]
    if wrong := [kind for kind in {*map(type, strings), *map(type, bitext.source_ids.values())} if kind is not str]:
        raise XprojError(f"Expected words, labels and names of a Bitext to be strings, got {wrong[0].__name__}.")
    for value in bitext.provenance.values():
        if not isinstance(value, str) and not (isinstance(value, (int, float)) and isfinite(value)):
            raise XprojError(f"Expected strings and numbers as provenance of a Bitext, got {value!r}.")
    for start, end, label, _, score in bitext.spans:
        if type(start) is not int or type(end) is not int or not label or not 0 <= score <= 1:
            raise XprojError(f"A source span has the offsets {start!r}, {end!r}, label {label!r} and score {score!r}.")
    for name, values in (("scores", bitext.scores), *bitext.evidence.items()):
        if not np.isfinite(values).all() or (
            name == "scores" and len(values) and not 0 <= values.min() <= values.max() <= 1
        ):
            raise XprojError(f"The {name} of the links of a Bitext are not numbers from 0 to 1.")


def install_extensions() -> None:
    """Give Docs their `doc._.xproj`, `doc._.xproj_report` and `doc._.xproj_soft`. Importing the package does it."""
    # Not by Doc.set_extension: spaCy imports this package while it imports its Doc, to find the msgpack hooks.
    from spacy.tokens.underscore import Underscore, get_ext_args

    for name in ("xproj", "xproj_report", "xproj_soft"):
        Underscore.doc_extensions.setdefault(name, get_ext_args(default=None))
