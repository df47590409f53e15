"""`spacy_xproj.Translation.v1`: how probable a translation model finds a candidate and a source span as translations of
each other."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Optional

import numpy as np

from ..bitext import SentencePair
from ..codes import normalize_code
from ..errors import XprojError, check_at_least, check_share
from ..part import as_part
from ..state import State
from ..ty import Cells, ScoringTranslator
from .forms import SAME, WordForms, similar
from .links import LinkSimilarity
from .score_cache import Key, Score, ScoreCache
from .surface import SurfaceSimilarity

NAME = "spacy_xproj.Translation.v1"
TextPair = tuple[str, str, str, str]  # source language, target language, source, target


# A plain Callable: spaCy checks a config's values against the annotations, and cannot check a protocol.
class TranslationSimilarity(State):
    """`spacy_xproj.Translation.v1`: score cells by a translation model: NMTScore, direct (Vamvas and Sennrich 2022), as
    T-Projection (García-Ferrero et al. 2023) uses it.

    With A the source span and B the candidate, P(A | B) is the probability of A as a translation of B: the geometric
    mean of those of its tokens, the end token among them. The score is the mean of P(A | B) / P(A | A) and
    P(B | A) / P(B | B), where it is above 1 set to 1. It depends on the two texts alone, not on their sentences. It is
    rounded to four decimals: which texts go through the model together changes only later ones.

    No bound below 1 on the score of a cell follows from what is cheap to know, so alone it scores all cells of a beam.
    In `Fused.v1` the other parts tell which cells can still be chosen (see `lazy.choose`).

    scored (int): How many pairs of texts the translator scored for this object.

    translator (Optional[Translator]): A translator that can score given translations, as `spacy_xproj.Transformers.v1`
        and `spacy_xproj.CTranslate2.v1`. To normalize, its model must know how to translate a language to itself.
    source_lang, target_lang (str): The languages of the source spans and of the Docs, as the model calls them or by any
        code that means the same.
    normalize (bool): Divide P(A | B) by P(A | A).
    both (bool): The mean of both directions. If not: how probable the source span is, given the candidate.
    exponent (float): Each P is raised to it. 1 is the formula of the paper. 0.6931 (the logarithm of 2) is what the
        authors' package computes, and so the scale of scores published with it.
    threshold (float): Cells that score less are left out.
    max_length (int): Longest candidate in words that is proposed.
    extend (int): Largest number of words between the edge of a proposed candidate and its next word with evidence.
    beam (int): Number of candidates to score for each source span, those with the most evidence first. 0: all.
    batch_size (int): Number of pairs of texts in one call of the translator. A stopped run loses few more.
    cache (Optional[str]): A file to keep scores in, which several processes may share. None or "": no file.
    remember (int): Number of scores to keep in memory.
    RAISES (XprojError): If a setting is out of its range, or the translator cannot score.
    """

    state_name = NAME

    def __init__(
        self,
        translator: Optional[Callable] = None,
        source_lang: str = "",
        target_lang: str = "",
        normalize: bool = True,
        both: bool = True,
        exponent: float = 1.0,
        threshold: float = 0.1,
        max_length: int = 10,
        extend: int = 1,
        beam: int = 30,
        batch_size: int = 256,
        cache: Optional[str] = None,
        remember: int = 100_000,
    ):
        if translator is not None and not isinstance(translator, ScoringTranslator):
            raise XprojError(
                f"{NAME}: the translator must have a method score(sources, targets, source_lang, target_lang), as "
                "spacy_xproj.Transformers.v1 and spacy_xproj.CTranslate2.v1 have, but "
                f"{type(translator).__name__} has none. Give such a one itself, not a memory in front of it."
            )
        check_share(NAME, threshold=threshold)
        if not exponent > 0:
            raise XprojError(f"{NAME}: exponent must be above 0, not {exponent}.")
        check_at_least(NAME, 1, max_length=max_length, batch_size=batch_size)
        check_at_least(NAME, 0, extend=extend, beam=beam, remember=remember)
        self.translator: Any = translator
        self.source_lang, self.target_lang = (lang and normalize_code(lang) for lang in (source_lang, target_lang))
        self.normalize, self.both, self.exponent, self.threshold = normalize, both, exponent, threshold
        self.max_length, self.extend, self.beam = max_length, extend, beam
        self.batch_size = batch_size
        self.cache = ScoreCache(cache or "", remember)
        self.scored = 0
        self._hints = LinkSimilarity(), SurfaceSimilarity(threshold=0)

    def __call__(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> Cells:
        """Score the cells of one sentence pair, in order of source span, start, end.

        Without candidates these are the spans up to `max_length` words that hold a word with evidence (one that is
        linked to the source span, or like a word of it), begin and end in such a one or up to `extend` words beyond,
        and do not begin or end in punctuation.

        pair (SentencePair): The sentence pair.
        candidates (Optional[int array (k, 2)]): Score these spans only, no more of them than the beam.
        RETURNS (Cells): Scores from the threshold on, up to 1.
        """
        if candidates is None:
            span, a, b = self.propose(pair)
        else:
            a, b = np.unique(np.asarray(candidates, "i8").reshape(-1, 2), axis=0).T
            span = np.repeat(np.arange(len(pair.spans)), len(a))
            a, b = np.tile(a, len(pair.spans)), np.tile(b, len(pair.spans))
        keep = self.best(pair, span, a, b)
        span, a, b = span[keep], a[keep], b[keep]
        score = self.score_cells(pair, span, a, b)
        keep = score > 0
        return Cells(span[keep], a[keep], b[keep], score[keep])

    def score_cells(self, pair: SentencePair, span: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Score some cells of one sentence pair (see `Costly`).

        RETURNS (float64 array (n,)): In [0, 1]; 0 under the threshold.
        RAISES (XprojError): If there is no translator, or a language is not set.
        """
        if not len(span):
            return np.zeros(0)
        s, t = self.source_lang, self.target_lang
        sources = [text(pair.source[source.start : source.end]) for source in pair.spans]
        texts = [(sources[k], text(pair.target[a:b])) for k, a, b in zip(span.tolist(), start.tolist(), end.tolist())]
        asked: list[list[TextPair]] = [[(t, s, b, a) for a, b in texts]]
        own: list[list[TextPair]] = [[(s, s, a, a) for a, _ in texts]]
        if self.both:
            asked.append([(s, t, a, b) for a, b in texts])
            own.append([(t, t, b, b) for _, b in texts])
        wanted = asked + own if self.normalize else asked
        known = self.log_probabilities(key for some in wanted for key in some)
        logs = np.array([[known[key] for key in some] for some in asked])
        if self.normalize:
            logs = logs - np.array([[known[key] for key in some] for some in own])
        with np.errstate(over="ignore"):
            score = np.exp(self.exponent * logs).mean(axis=0)
        score = np.round(np.clip(np.nan_to_num(score), 0, 1), 4)  # a model in half precision may overflow
        return np.where(score >= self.threshold, score, 0.0)

    def log_probabilities(self, pairs: Iterable[TextPair]) -> dict[TextPair, float]:
        """What the model says of pairs of texts: the mean log-probability of the target's tokens. Equal pairs are
        scored once.

        pairs (iterable of (str, str, str, str)): Source language, target language, source, target.
        RETURNS (dict): One natural logarithm a pair.
        RAISES (XprojError): As `score_cells`.
        """
        self.check()
        backend = as_part(self.translator).key
        keys: dict[Key, None] = dict.fromkeys((backend, *pair) for pair in pairs)
        found = self.cache.get(keys)
        groups: dict[tuple[str, str], list[Key]] = {}
        for key in keys:
            if key not in found:
                groups.setdefault(key[1:3], []).append(key)
        new: dict[Key, Score] = {}
        for langs, group in groups.items():
            for i in range(0, len(group), self.batch_size):
                new.update(self.ask(group[i : i + self.batch_size], *langs))
                if len(new) >= self.batch_size:
                    self.cache.put(new)
                    found.update(new)
                    new = {}
        self.cache.put(new)
        found.update(new)
        return {key[1:]: found[key][0] / max(found[key][1], 1) for key in keys}

    def ask(self, keys: Sequence[Key], source_lang: str, target_lang: str) -> dict[Key, Score]:
        """Let the translator score pairs of texts in the same languages."""
        sources, targets = [key[3] for key in keys], [key[4] for key in keys]
        scores = self.translator.score(sources, targets, source_lang, target_lang)
        if len(scores) != len(keys):
            raise XprojError(f"{NAME}: the translator gave {len(scores)} scores of {len(keys)} pairs of texts.")
        self.scored += len(keys)
        return {key: (float(total), int(tokens)) for key, (total, tokens) in zip(keys, scores)}

    def check(self) -> None:
        """RAISES (XprojError): If there is no translator, or a language is not set."""
        if self.translator is None:
            raise XprojError(
                f"{NAME} has no translator. Set 'translator' to spacy_xproj.Transformers.v1 or "
                "spacy_xproj.CTranslate2.v1."
            )
        for name in ("source_lang", "target_lang"):
            if not getattr(self, name):
                raise XprojError(f"{NAME}: set '{name}' to a language code, such as 'en' or 'es'.")

    # Candidates

    def propose(self, pair: SentencePair) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The cells (span, start, end) that are proposed, in that order."""
        n, spans = len(pair.target), len(pair.spans)
        none = np.zeros(0, "i8")
        if not n or not spans:
            return none, none, none
        target = WordForms(pair.target)
        evidence = similar(WordForms(pair.source), target) >= SAME
        evidence[pair.links[:, 0], pair.links[:, 1]] = True
        place = np.arange(n)
        rows = np.stack([evidence[s.start : s.end].any(axis=0) for s in pair.spans])
        last = np.maximum.accumulate(np.where(rows, place, -n), axis=1)  # with evidence, up to each word
        first = np.minimum.accumulate(np.where(rows, place, 2 * n)[:, ::-1], axis=1)[:, ::-1]  # from each word on
        a, size = np.divmod(np.arange(n * self.max_length), self.max_length)
        b = a + size + 1
        fits = b <= n
        a, b = a[fits], b[fits]
        fits = ~target.punct[a] & ~target.punct[b - 1]
        a, b = a[fits], b[fits]
        holds = (first[:, a] < b) & (first[:, a] - a <= self.extend) & (b - 1 - last[:, b - 1] <= self.extend)
        span, cell = holds.nonzero()
        return span, a[cell], b[cell]

    def best(self, pair: SentencePair, span: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """The indices of the cells in the beam, ascending: for each source span those with the highest sum of the
        scores by links and by form, of equal ones the shorter, then the first."""
        if not self.beam or not len(span) or np.bincount(span).max() <= self.beam:
            return np.arange(len(span))
        evidence: dict[tuple[int, int, int], float] = {}
        for hint in self._hints:
            cells = hint(pair, np.stack([start, end], axis=1))
            for *cell, score in zip(*(x.tolist() for x in cells[:4])):
                evidence[tuple(cell)] = evidence.get(tuple(cell), 0.0) + score
        sums = np.array([evidence.get(cell, 0.0) for cell in zip(span.tolist(), start.tolist(), end.tolist())])
        order = np.lexsort((start, end - start, -sums, span))
        place = np.arange(len(order)) - np.searchsorted(span[order], span[order])
        return np.sort(order[place < self.beam])

    # Serialization: the translator's. The cache is none of the state.

    def state_parts(self) -> dict[str, Any]:
        return {"translator": self.translator}


def text(words: Sequence[str]) -> str:
    """Words as a text, with a question mark for what is not valid Unicode."""
    return " ".join(words).encode("utf8", "replace").decode("utf8")
