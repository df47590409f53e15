"""What a corpus with word links says about words: how frequent they are, and which are linked to which."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Optional

import numpy as np

from ...bitext import SentencePair
from ..forms import WordForms, similar

ANCHOR = 0.92  # forms of names as like as this are taken for translations of each other
ANCHOR_CHARS = 4
USUAL, FEW = 0.9, 50  # the quality that is taken for granted where there are few such words
LENGTHS = 5  # classes of source spans by length: one word, two, up to so many or more
STEADY = 5.0  # extents that are as many words as the source span, in addition to those of the corpus


def pair_key(pair: SentencePair) -> int:
    """A number that tells a sentence pair from others by its words."""
    text = "\0".join(pair.source) + "\1" + "\0".join(pair.target)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") >> 1


class FormCounts:
    """A number for each form, and a last one, 0, for those that are not there.

    index (dict[str, int]), values (float32 array (forms + 1,)): Which form has which place, and the numbers.
    """

    def __init__(self, counts: Mapping[str, float]):
        self.index = {form: k for k, form in enumerate(sorted(counts))}
        self.values = np.array([*(counts[form] for form in self.index), 0.0], "f4")

    def ids(self, forms: Iterable[Optional[str]]) -> np.ndarray:
        """The places of forms; of None, too, which is never there."""
        unknown = len(self.index)
        return np.array([unknown if form is None else self.index.get(form, unknown) for form in forms], "i8")

    def state(self) -> list:
        return [list(self.index), self.values.tobytes()]

    @classmethod
    def load(cls, state: list) -> "FormCounts":
        self = cls({})
        self.index = {form: k for k, form in enumerate(state[0])}
        self.values = np.frombuffer(state[1], "<f4")
        return self


class CorpusStats:
    """Counts over the sentence pairs of a corpus.

    size (int): Number of sentence pairs.
    source, target (FormCounts): In how many of them a form stands.
    linked (float32 array): How many links a source form has, by the places of `source`.
    keys, links (int64 array (n,), float32 array (n,)): How often two forms are linked, by
        source id · number of target ids + target id.
    stretch (float array (LENGTHS,)): Mean log of the target words that the links of a source span extend over, by the
        number of its own words (one, two, up to LENGTHS or more), minus the log of that number.
    chars (float): Mean log ratio of target to source characters of a sentence pair.
    quality (float): How well the links agree with word pairs that are certain by their form, an F1 in [0, 1].
    seen (frozenset of int): The keys of the sentence pairs, whose own votes are taken out.
    """

    def __init__(self, pairs: Iterable[SentencePair]):
        source: Counter = Counter()
        target: Counter = Counter()
        linked: Counter = Counter()
        together: Counter = Counter()
        seen = []
        hits = found = anchors = 0
        extents, many = np.zeros(LENGTHS), np.full(LENGTHS, STEADY)
        chars = 0.0
        for pair in pairs:
            s, t = WordForms(pair.source), WordForms(pair.target)
            source.update(set(s.forms))
            target.update(set(t.forms))
            seen.append(pair_key(pair))
            for i, j in pair.links.tolist():
                together[s.forms[i], t.forms[j]] += 1
                linked[s.forms[i]] += 1
            for place, extent in span_extents(pair):
                extents[place] += extent
                many[place] += 1
            if s.chars.sum() and t.chars.sum():
                chars += np.log((t.chars + 1).sum() / (s.chars + 1).sum())
            agree = anchored(pair, s, t)
            hits, found, anchors = hits + agree[0], found + agree[1], anchors + agree[2]
        self.size = len(seen)
        self.source, self.target = FormCounts(source), FormCounts(target)
        self.linked = np.array([*(linked[form] for form in self.source.index), 0.0], "f4")
        n = len(self.target.index) + 1
        keys = [self.source.index[a] * n + self.target.index[b] for a, b in together]
        order = np.argsort(np.array(keys, "i8"))
        self.keys = np.array(keys, "i8")[order]
        self.links = np.array(list(together.values()), "f4")[order]
        self.stretch = extents / many
        self.chars = float(chars / max(len(seen), 1))
        self.quality = (2 * hits + USUAL * FEW) / (found + anchors + FEW)
        self.seen = frozenset(seen)

    def rarity(self, target: np.ndarray) -> np.ndarray:
        """Log document frequency of target forms, scaled; negative, and the lower the rarer.

        target (int array (n,)): Their places.
        """
        return np.log((self.target.values[target].astype("f8") + 0.5) / max(self.size, 1)) / 5

    def share(self, source: np.ndarray, target: np.ndarray, linked: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Return the share of the links of each source word's form that lead to each target word's form.

        source, target (int arrays (B, M), (B, N)): The places of the forms in B sentence pairs.
        linked (bool array (B, M, N)): Which words are linked.
        own (bool array (B,)): Those of the corpus. Their own links are taken out.
        RETURNS (float array (B, M, N)): In [0, 1).
        """
        count = np.zeros(linked.shape)
        if len(self.keys):
            wanted = source[:, :, None] * (len(self.target.index) + 1) + target[:, None]
            place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
            count = np.where(self.keys[place] == wanted, self.links[place], 0.0)
        total = self.linked[source].astype("f8")
        if own.any():
            mine = linked & own[:, None, None]
            count = np.maximum(count - mine, 0)
            total = np.maximum(total - mine.sum(2), 0)
        return count / (total[:, :, None] + 1)

    def state(self) -> dict[str, Any]:
        """Plain data, equal for equal statistics."""
        return {
            "size": self.size,
            "source": self.source.state(),
            "target": self.target.state(),
            "linked": self.linked.astype("<f4").tobytes(),
            "keys": self.keys.astype("<i8").tobytes(),
            "links": self.links.astype("<f4").tobytes(),
            "quality": self.quality,
            "stretch": self.stretch.astype("<f8").tobytes(),
            "chars": self.chars,
            "seen": np.array(sorted(self.seen), "<i8").tobytes(),
        }

    @classmethod
    def load(cls, state: dict[str, Any]) -> "CorpusStats":
        self = cls(())
        self.size, self.quality, self.chars = state["size"], state["quality"], state["chars"]
        self.stretch = np.frombuffer(state["stretch"], "<f8")
        self.source, self.target = (FormCounts.load(state[name]) for name in ("source", "target"))
        self.linked = np.frombuffer(state["linked"], "<f4")
        self.keys, self.links = np.frombuffer(state["keys"], "<i8"), np.frombuffer(state["links"], "<f4")
        self.seen = frozenset(np.frombuffer(state["seen"], "<i8").tolist())
        return self


def anchored(pair: SentencePair, source: WordForms, target: WordForms) -> tuple[int, int, int]:
    """Links that agree with words alike in form and unique in that, links that touch such words, and such words."""
    if not source.forms or not target.forms:
        return 0, 0, 0
    like = similar(source, target) >= ANCHOR
    like[source.chars < ANCHOR_CHARS] = False
    i, j = np.nonzero(like & (like.sum(1, keepdims=True) == 1) & (like.sum(0) == 1))
    grid = np.zeros(like.shape, bool)
    grid[pair.links[:, 0], pair.links[:, 1]] = True
    touching = grid[i].sum() + grid[:, j].sum() - grid[i, j].sum()
    return int(grid[i, j].sum()), int(touching), len(i)


def span_extents(pair: SentencePair) -> list[tuple[int, float]]:
    """For each source span with links its class of length, and the log ratio of the target words that these extend over
    to its own words. Extents of more than twice as many words come from stray links, as a rule, and are left out."""
    out = []
    for span in pair.spans:
        length = span.end - span.start
        i = pair.links[:, 0]
        hit = pair.links[(i >= span.start) & (i < span.end), 1]
        if len(hit) and (extent := int(hit.max() - hit.min()) + 1) <= 2 * length + 1:
            out.append((min(length, LENGTHS) - 1, float(np.log(extent / length))))
    return out
