"""`spacy_xproj.Context.v1`: how alike a multilingual encoder finds a source span and a candidate in their sentences."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Optional, Union

import numpy as np

from ..bitext import SentencePair
from ..errors import check_at_least, check_below_one, check_share
from ..models.encoder import Encoder, Sentence
from ..ty import Cells
from .forms import WordForms

NAME = "spacy_xproj.Context.v1"
AHEAD = 4  # batches whose words are encoded together
NOTHING = 1e-4  # of the longest vector of a word: what is shorter may be rounding


class ContextSimilarity(Encoder):
    """`spacy_xproj.Context.v1`: score cells by the cosine of the mean vectors of their words, each read in its whole
    sentence, in any encoder of Hugging Face, such as mBERT or XLM-R.

    A word's vector is the mean of those of its sub-words, and words of white space have none.

    With `center`, what is compared is how a span differs from the rest of its sentence. Where there is no such rest, as
    the source span is all of its sentence, or the target is one word, the plain cosine counts.

    model (str): The folder of the model, with its tokenizer and weights in safetensors. "": none yet (see `from_disk`).
    layer (int): The layer whose output is compared, counted from 1. Those above it are not loaded.
    center (bool): Subtract the mean vector of its sentence from each word. All vectors in context point much the same
        way (Ethayarajh 2019), and those of a language have a part in common (Libovický et al. 2020), so that the plain
        cosine tells little.
    baseline (float): The cosine that scores 0. Lower ones also score 0, and 1 scores 1 (as in Zhang et al. 2020).
    threshold (float): Cells that score less are left out.
    max_length (int): Longest candidate in words that is proposed.
    beam (int): Number of candidates to propose for each source span, highest scores first. 0: all.
    device (str): "cpu", "cuda", "cuda:1" ..., or "auto": a GPU if there is one.
    dtype (str): "float32", "float16", "bfloat16", or "int8", which is for the CPU only. With "int8" the scale of
        rounding depends on what else is in the batch, so that scores can depend on it, too.
    batch_tokens (int): Largest number of sub-words in a batch, padding included. Raise it on a GPU.
    window (int): Longest input in sub-words, with the special ones; `max_length` of `spacy_xproj.Embedding.v1`. 0: what
        the model can read. Longer sentences are read in windows.
    overlap (int): Least number of sub-words that two windows share; at most half a window.
    download (bool): Take a `model` that is not a folder for a name on the Hugging Face Hub, and fetch it.
    RAISES (XprojError): If a setting is out of its range, or the folder is not that of an encoder.
    """

    who = NAME

    def __init__(
        self,
        model: str = "",
        layer: int = 8,
        center: bool = True,
        baseline: float = 0.0,
        threshold: float = 0.3,
        max_length: int = 10,
        beam: int = 20,
        device: str = "auto",
        dtype: str = "float32",
        batch_tokens: int = 2048,
        window: int = 0,
        overlap: int = 128,
        download: bool = False,
    ):
        check_share(NAME, threshold=threshold)
        check_below_one(NAME, -1, baseline=baseline)
        check_at_least(NAME, 1, max_length=max_length)
        check_at_least(NAME, 0, beam=beam, window=window)
        super().__init__(model, layer, device, dtype, batch_tokens, window, overlap, download)
        self.center, self.baseline, self.threshold = center, baseline, threshold
        self.longest, self.beam = max_length, beam
        self._warned = False
        self._forget()

    def _forget(self) -> None:
        self._known: dict[Sentence, np.ndarray] = {}  # the least recently used first
        self._ahead: dict[Sentence, None] = {}

    def __call__(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> Cells:
        """Score the cells of one sentence pair, in order of source span, start, end.

        Without candidates these are the spans up to `max_length` words that do not begin or end in punctuation or white
        space, no more of them for a source span than the beam.

        pair (SentencePair): The sentence pair.
        candidates (Optional[int array (k, 2)]): Score these spans only.
        RETURNS (Cells): Scores from the threshold on and above 0, up to 1, rounded to four decimals.
        RAISES (XprojError): If the model or its device is not to be had.
        """
        if not pair.spans or not pair.target or (candidates is not None and not len(candidates)):
            none = np.zeros(0, "i8")
            return Cells(none, none, none, np.zeros(0))
        source, target = self.vectors(pair.source, pair.target)
        if candidates is None:
            a, b = self.propose(~WordForms(pair.target).punct & target.any(axis=1))
        else:
            a, b = np.unique(np.asarray(candidates, "i8").reshape(-1, 2), axis=0).T
        start, end = np.array([s[:2] for s in pair.spans], "i8").T
        cosine = cosines(source, target, (start, end), (a, b), self.center)
        found = np.round(np.clip((cosine - self.baseline) / (1 - self.baseline), 0, 1), 4)
        span, cell = np.nonzero((found >= self.threshold) & (found > 0))
        a, b, score = a[cell], b[cell], found[span, cell]
        if candidates is None and self.beam:
            order = np.lexsort((a, b - a, -score, span))  # of equal ones the shorter, then the first
            place = np.arange(len(order)) - np.searchsorted(span[order], span[order])
            keep = np.sort(order[place < self.beam])
            span, a, b, score = span[keep], a[keep], b[keep], score[keep]
        return Cells(span, a, b, score)

    def propose(self, edge: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The spans (start, end) up to `max_length` words that begin and end in an `edge` (bool array (n,))."""
        a, size = np.divmod(np.arange(len(edge) * self.longest), self.longest)
        b = a + size + 1
        fits = b <= len(edge)
        a, b = a[fits], b[fits]
        fits = edge[a] & edge[b - 1]
        return a[fits], b[fits]

    # Vectors: those of many sentences together, as this is faster

    def prepare(self, pairs: Iterable[SentencePair]) -> None:
        """Take note of what will be asked for next, in about this order, in place of what was noted before. Nothing is
        computed yet: the next sentence that is asked for goes through the encoder together with those that follow.

        pairs (iterable of SentencePair): The sentence pairs.
        """
        self._ahead = {words: None for pair in pairs for words in (pair.source, pair.target)}

    def vectors(self, *sentences: Sentence) -> list[np.ndarray]:
        """The vectors of words, with some room kept for what was asked for last.

        sentences (tuples of str): The words of each sentence.
        RETURNS (list of float32 array (words, dim)): For each sentence.
        RAISES (XprojError): If the model or its device is not to be had.
        """
        room = AHEAD * self.batch_tokens
        for words in sentences:
            if words in self._known:
                self._known[words] = self._known.pop(words)
        missing = [words for words in dict.fromkeys(sentences) if words not in self._known]
        if missing:
            more = self._next(missing, room)
            found = self._together([*missing, *more]) if more else self.encode(missing)
            if found is None:  # until the next batch one pair at a time, so that only the bad one fails
                more = self._ahead = {}
                found = self.encode(missing)
            self._known.update(zip([*missing, *more], found))
        out = [self._known[words] for words in sentences]
        size = sum(map(len, self._known))
        while size > 2 * room and (oldest := next(iter(self._known))) not in sentences:
            size -= len(self._known.pop(oldest))
        return out

    def _together(self, sentences: list[Sentence]) -> Optional[list[np.ndarray]]:
        """Encode the sentences of several pairs. If it fails, warn once and return None."""
        try:
            return self.encode(sentences)
        except Exception as err:
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"{NAME}: {len(sentences)} sentences could not be encoded together ({type(err).__name__}: {err}). "
                    "Those of each sentence pair are encoded alone instead, which is slower.",
                    stacklevel=2,
                )
            return None

    def _next(self, missing: list[Sentence], room: int) -> dict[Sentence, None]:
        """Take sentences that were noted, up to so many words, if those that are missing were noted, too."""
        more: dict[Sentence, None] = {}
        if self._ahead.keys().isdisjoint(missing):
            return more
        room -= sum(map(len, missing))
        while self._ahead and room > 0:
            words = next(iter(self._ahead))
            del self._ahead[words]
            if words not in self._known and words not in missing:
                more[words] = None
                room -= len(words)
        return more

    def from_disk(self, path: Union[str, Path]) -> "ContextSimilarity":
        self._forget()
        return super().from_disk(path)


Bounds = tuple[np.ndarray, np.ndarray]


class Spans:
    """The sums of vectors over any span of a sentence, by those up to each word. A sum points where the mean does, so
    that for cosines it is as good.

    rows (float array (words, dim)): The vectors. Those of zeros are words without one.
    center (bool): Subtract the mean of the others from them.
    """

    def __init__(self, rows: np.ndarray, center: bool = False):
        rows = rows.astype("f8")
        sizes = np.linalg.norm(rows, axis=1)
        self.least = NOTHING * sizes.max(initial=0)
        there = sizes > 0
        if center and there.any():
            rows[there] -= rows[there].mean(axis=0)
        self.sums = np.concatenate([np.zeros((1, rows.shape[1])), rows.cumsum(axis=0)])
        self.products = self.sums @ self.sums.T

    def lengths(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The lengths of the sums over [a, b); 0 where all that is left is rounding."""
        squares = self.products.diagonal()[a] + self.products.diagonal()[b] - 2 * self.products[a, b]
        return np.sqrt(np.where(squares > self.least**2, squares, 0))


def cosines(source: np.ndarray, target: np.ndarray, spans: Bounds, cells: Bounds, center: bool) -> np.ndarray:
    """The cosine of the mean vector of each source span with that of each candidate.

    source, target (float arrays (words, dim)): The vectors of the words.
    spans, cells (two int arrays (n,), (k,)): Start and end of the source spans and of the candidates.
    center (bool): See `ContextSimilarity`.
    RETURNS (float64 array (n, k)): In [-1, 1]; 0 where there is no vector.
    """
    plain = _cosines(Spans(source), Spans(target), spans, cells)
    if not center:
        return plain
    x, y = Spans(source, center), Spans(target, center)
    word = np.arange(len(target))
    if not y.lengths(word, word + 1).any():
        return plain
    return np.where(x.lengths(*spans)[:, None] > 0, _cosines(x, y, spans, cells), plain)


def _cosines(x: Spans, y: Spans, spans: Bounds, cells: Bounds) -> np.ndarray:
    dots = (x.sums[spans[1]] - x.sums[spans[0]]) @ y.sums.T
    dots = dots[:, cells[1]] - dots[:, cells[0]]
    lengths = x.lengths(*spans)[:, None] * y.lengths(*cells)
    return np.clip(np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0), -1, 1)
