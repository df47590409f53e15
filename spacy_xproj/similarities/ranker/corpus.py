"""What a corpus with word links says about words: how frequent they are, and which are linked to which."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ...bitext import SentencePair
from ..forms import WordForms

LENGTHS = 5  # classes of source spans by length: one word, two, up to five or more
RARE = 300  # sentence pairs that a word is taken to be missing from, so that once in a small corpus is not frequent
# Log of target words by source words: above the first the target may be words in pieces, above the second it is.
# Between languages with spaces it is below the first; in scripts without, by characters, about the second or above.
WHOLE, PIECES = 0.2, 0.45
MANY = 100.0  # words of both languages in addition to those of the corpus
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

    def state(self) -> list:
        return [list(self.index), self.values.tobytes()]

    @classmethod
    def load(cls, state: list) -> "FormCounts":
        self = cls({})
        self.index = {form: k for k, form in enumerate(state[0])}
        self.values = np.frombuffer(state[1], "<f4")
        return self


class Tally(NamedTuple):
    """What `LinkCounts` is made of: sentence pairs by source form and by target form, links by source form and by both.

    source, target, linked, together (Counter): The counts.
    """

    source: Counter
    target: Counter
    linked: Counter
    together: Counter

    def add(self, source: Sequence[str], target: Sequence[str], links: Iterable[Sequence[int]]) -> None:
        """Count the words of a sentence pair."""
        self.source.update(set(source))
        self.target.update(set(target))
        for i, j in links:
            self.linked[source[i]] += 1
            self.together[source[i], target[j]] += 1


def tally() -> Tally:
    return Tally(Counter(), Counter(), Counter(), Counter())


class LinkCounts:
    """How often words are linked, counted by their forms or by their stems.

    source, target (FormCounts): In how many sentence pairs a form stands.
    linked (float32 array): How many links a source form has, by the places of `source`.
    keys, links (int64 array (n,), float32 array (n,)): How often two forms are linked, by
        source id · number of target ids + target id.
    """

    def __init__(self, counted: "Tally"):
        source, target, linked, together = counted
        self.source, self.target = FormCounts(source), FormCounts(target)
        self.linked = np.array([*(linked[form] for form in self.source.index), 0.0], "f4")
        n = len(self.target.index) + 1
        keys = np.array([self.source.index[a] * n + self.target.index[b] for a, b in together], "i8")
        order = np.argsort(keys)
        self.keys, self.links = keys[order], np.array(list(together.values()), "f4")[order]

    def share(self, source: np.ndarray, target: np.ndarray, hits: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Return the share of the links of each source word's form that lead to each target word's form.

        source, target (int arrays (B, M), (B, N)): The places of the forms in B sentence pairs.
        hits (int array (links,)): Their links, as places in a flat array (B, M, N).
        own (bool array (B,)): Those of the corpus. Their own links are taken out.
        RETURNS (float array (B, M, N)): In [0, 1).
        """
        m, n = source.shape[1], target.shape[1]
        total = self.linked[source].astype("f8")
        count = self.together(source, target)
        mine = hits[own[hits // (m * n)]]
        flat = count.reshape(-1)
        flat[mine] = np.maximum(flat[mine] - 1, 0)
        total -= np.bincount(mine // n, minlength=total.size).reshape(total.shape)
        np.maximum(total, 0, out=total)
        total += 1
        count /= total[:, :, None]
        return count

    def together(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """How often forms are linked: float array (B, M, N). Each source form's row of links is read once."""
        rows, of_row = numbered(source, len(self.source.values))
        columns, of_column = numbered(target, len(self.target.values))
        begin, end = self.begin[rows], self.begin[rows + 1]
        entry = ranges(begin, end - begin)
        self.column[columns] = np.arange(len(columns))
        column = self.column[self.targets[entry]]
        self.column[columns] = -1
        table = np.zeros((len(rows), len(columns)))
        keep = np.flatnonzero(column >= 0)
        table[np.repeat(np.arange(len(rows)), end - begin)[keep], column[keep]] = self.links[entry[keep]]
        return table.reshape(-1)[(of_row * len(columns))[:, :, None] + of_column[:, None]]

    @cached_property
    def begin(self) -> np.ndarray:
        """Where the entries of each source form begin (int array (source forms + 2,)): those that are not there have
        none."""
        size = len(self.target.index) + 1
        return np.append(np.searchsorted(self.keys, np.arange(len(self.source.index) + 1) * size), [len(self.keys)])

    @cached_property
    def targets(self) -> np.ndarray:
        """The target form of each entry (int array (n,))."""
        return self.keys % (len(self.target.index) + 1)

    @cached_property
    def column(self) -> np.ndarray:
        """Room for the columns of target forms in a table (int array (target forms + 1,)), -1 between calls."""
        return np.full(len(self.target.index) + 1, -1)

    def state(self) -> dict[str, Any]:
        return {
            "source": self.source.state(),
            "target": self.target.state(),
            "linked": self.linked.astype("<f4").tobytes(),
            "keys": self.keys.astype("<i8").tobytes(),
            "links": self.links.astype("<f4").tobytes(),
        }

    @classmethod
    def load(cls, state: dict[str, Any]) -> "LinkCounts":
        self = cls(tally())
        self.source, self.target = (FormCounts.load(state[name]) for name in ("source", "target"))
        self.linked = np.frombuffer(state["linked"], "<f4")
        self.keys, self.links = np.frombuffer(state["keys"], "<i8"), np.frombuffer(state["links"], "<f4")
        return self


def numbered(ids: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Number ids anew, without gaps: what np.unique does, without sorting them.

    ids (int array), size (int): The ids, and a number above all of them.
    RETURNS (int array (n,), int array): Those that occur, ascending; and of each its place among them.
    """
    there = np.zeros(size, "i8")
    there[ids] = 1
    found = np.flatnonzero(there)
    there[found] = np.arange(len(found))
    return found, there[ids]


class CorpusStats:
    """Counts over the sentence pairs of a corpus.

    size (int): Number of sentence pairs.
    forms, stems (LinkCounts): Of their words.
    stretch (float array (LENGTHS,)): Mean log of the target words that the links of a source span extend over, by the
        number of its own words (one, two, up to LENGTHS or more), minus the log of that number.
    chars (float): Mean log ratio of target to source characters of a sentence pair.
    words (float): Log ratio of target to source words.
    seen (frozenset of int): The keys of the sentence pairs, whose own votes are taken out.
    """

    def __init__(self, pairs: Iterable[SentencePair]):
        forms, stems, seen = tally(), tally(), []
        extents, many = np.zeros(LENGTHS), np.full(LENGTHS, STEADY)
        chars, words = 0.0, np.full(2, MANY)
        for pair in pairs:
            s, t = WordForms(pair.source), WordForms(pair.target)
            links = pair.links.tolist()
            forms.add(s.forms, t.forms, links)
            stems.add(s.stems, t.stems, links)
            seen.append(pair_key(pair))
            for place, extent in span_extents(pair):
                extents[place] += extent
                many[place] += 1
            words += len(pair.target), len(pair.source)
            if s.chars.sum() and t.chars.sum():
                chars += np.log((t.chars + 1).sum() / (s.chars + 1).sum())
        self.size = len(seen)
        self.forms, self.stems = LinkCounts(forms), LinkCounts(stems)
        self.stretch = extents / many
        self.chars = float(chars / max(len(seen), 1))
        self.words = float(np.log(words[0] / words[1]))
        self.seen = frozenset(seen)

    @property
    def pieces(self) -> float:
        """How far the target text is in pieces of words, as one without spaces is where no tokenizer knows it: from 0,
        words, to 1."""
        return float(np.clip((self.words - WHOLE) / (PIECES - WHOLE), 0, 1))

    def rarity(self, target: np.ndarray) -> np.ndarray:
        """Log document frequency of target forms, scaled; negative, and the lower the rarer.

        target (int array (n,)): Their places.
        """
        return np.log((self.forms.target.values[target].astype("f8") + 0.5) / (self.size + RARE)) / 5

    def state(self) -> dict[str, Any]:
        """Plain data, equal for equal statistics."""
        return {
            "size": self.size,
            "forms": self.forms.state(),
            "stems": self.stems.state(),
            "stretch": self.stretch.astype("<f8").tobytes(),
            "chars": self.chars,
            "words": self.words,
            "seen": np.array(sorted(self.seen), "<i8").tobytes(),
        }

    @classmethod
    def load(cls, state: dict[str, Any]) -> "CorpusStats":
        self = cls(())
        self.size, self.chars, self.words = (state[name] for name in ("size", "chars", "words"))
        self.stretch = np.frombuffer(state["stretch"], "<f8")
        self.forms, self.stems = (LinkCounts.load(state[name]) for name in ("forms", "stems"))
        self.seen = frozenset(np.frombuffer(state["seen"], "<i8").tolist())
        return self


def ranges(begin: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The whole numbers from each beginning on, one range after the other (int array)."""
    ends = np.cumsum(size)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(begin - ends + size, size)


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
