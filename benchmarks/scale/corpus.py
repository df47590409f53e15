"""A synthetic parallel corpus of any size, with links and entities, whose vocabulary grows as that of real text.

Concepts are drawn by a Pitman-Yor process (Teh 2006): the n-th word is a new one with probability (concentration +
discount · types) / (concentration + n), and else an earlier one, in proportion to its count minus the discount. So
frequencies follow Zipf's law, and types grow with n to the power of the discount, which is Heaps' law. Names have a
process of their own, with a higher discount: most names are rare. A concept has a word in each language, the second one
sometimes another form of it; names are mostly spelled alike. The target has the words in another local order, lacks
some, and has function words of its own.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xproj.bitext import Bitext, SourceSpan
from spacy_xproj.runs.shards import write_shards

BLOCK = 1000  # sentence pairs that are drawn at once, from the counts before them
LABELS = ("PER", "LOC", "ORG", "MISC")
SYLLABLES = {
    "en": [a + b for a in ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "th", "st") for b in "aeiou"],
    "xx": [a + b for a in ("c", "ch", "d", "j", "l", "ll", "m", "n", "p", "qu", "r", "s", "t", "v") for b in "aeiou"],
}


class PitmanYor:
    """Types 0, 1, 2, … in the order of their first token.

    discount, concentration (float): The two parameters.
    rng (numpy.random.Generator): The source of randomness.
    """

    def __init__(self, discount: float, concentration: float, rng: np.random.Generator):
        self.discount, self.concentration, self.rng = discount, concentration, rng
        self.tokens = np.zeros(1024, "i4")
        self.first = np.ones(1024, bool)  # whether a token is the first of its type
        self.n = self.types = 0

    def draw(self, size: int) -> np.ndarray:
        """Draw some tokens: types (int32 array)."""
        begin, end = self.n, self.n + size
        while self.n < end:
            self._draw(min(end - self.n, 8 + self.n // 8))
        return self.tokens[begin:end].copy()

    def _draw(self, size: int) -> None:
        """Draw so few that the counts before them will do."""
        chance = (self.concentration + self.discount * self.types) / (self.concentration + self.n)
        new = self.rng.random(size) < (chance if self.n else 2)
        place, again = np.zeros(size, int), np.flatnonzero(~new)
        while len(again):
            place[again] = self.rng.integers(self.n, size=len(again))
            # A type with the count c comes with the weight c - discount: its first token counts 1 - discount.
            again = again[self.first[place[again]] & (self.rng.random(len(again)) < self.discount)]
        out = self.tokens[place]
        out[new] = self.types + np.arange(new.sum(), dtype="i4")
        self._add(out, new)

    def _add(self, tokens: np.ndarray, new: np.ndarray) -> None:
        end = self.n + len(tokens)
        if end > len(self.tokens):
            self.tokens, self.first = (np.concatenate([x, np.zeros(end, x.dtype)]) for x in (self.tokens, self.first))
        self.tokens[self.n : end], self.first[self.n : end] = tokens, new
        self.n, self.types = end, self.types + int(new.sum())


def spelled(number: int, lang: str) -> str:
    """The word of a number: different for different numbers, the shorter the lower."""
    syllables = SYLLABLES[lang]
    word = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, len(syllables))
        word += syllables[rest]
    return word


def sentence_pairs(size: int, seed: int = 0) -> Iterator[tuple[list[str], list[str], list[SourceSpan], np.ndarray]]:
    """Draw sentence pairs: words of both sides, source entities, and links (int32 array (n, 2)).

    size (int): How many. The first ones are the same whatever the size.
    seed (int): The seed.
    """
    rng = np.random.default_rng(seed)
    words, names = PitmanYor(0.6, 100.0, rng), PitmanYor(0.8, 50.0, rng)
    for begin in range(0, size, BLOCK):
        lengths = np.clip(rng.lognormal(3.0, 0.5, BLOCK), 4, 80).astype(int)
        concepts = words.draw(lengths.sum())
        n_names = np.minimum(rng.poisson(1.3, BLOCK), lengths // 4)
        parts = [rng.choice((1, 2, 3), size=n, p=(0.55, 0.35, 0.1)) for n in n_names]
        name_words = names.draw(int(sum(p.sum() for p in parts)) or 1)
        at = name_at = 0
        for k in range(BLOCK):
            mine, at = concepts[at : at + lengths[k]].tolist(), at + lengths[k]
            found = []
            for part in parts[k].tolist():
                found.append(name_words[name_at : name_at + part].tolist())
                name_at += part
            pair = sentence_pair(mine, found, rng)
            if begin + k < size:
                yield pair


def sentence_pair(
    concepts: list[int], names: list[list[int]], rng: np.random.Generator
) -> tuple[list[str], list[str], list[SourceSpan], np.ndarray]:
    """Write down one sentence pair, with its names at random places."""
    source: list[str] = []
    units: list[tuple[list[int], list[str]]] = []  # source words, and the target words that they become
    spans = []
    places = sorted(rng.integers(len(concepts) + 1, size=len(names)).tolist())
    chance = rng.random((len(concepts), 3)).tolist()
    for k in range(len(concepts) + 1):
        while places and places[0] == k:
            places.pop(0)
            name = names[len(spans)]
            alike = [number % 4 > 0 for number in name]
            spans.append(SourceSpan(len(source), len(source) + len(name), LABELS[name[0] % len(LABELS)]))
            target = [spelled(x, "en" if same else "xx").capitalize() for x, same in zip(name, alike)]
            units.append(([*range(len(source), len(source) + len(name))], target))
            source += [spelled(x, "en").capitalize() for x in name]
        if k < len(concepts):
            word, (inflected, dropped, extra) = concepts[k], chance[k]
            target = [] if dropped < 0.08 else [spelled(word, "xx") + ("s" if inflected < 0.15 else "")]
            units.append(([len(source)], target))
            if extra < 0.1:
                units.append(([], [spelled(int(extra * 100), "xx")]))
            source.append(spelled(word, "en"))
    order = np.argsort(np.arange(len(units)) + rng.normal(0, 0.8, len(units)), kind="stable").tolist()
    target_words: list[str] = []
    links = []
    for k in order:
        sources, targets = units[k]
        links += [(s, len(target_words) + min(n, len(targets) - 1)) for n, s in enumerate(sources) if targets]
        target_words += targets
    return source, target_words or ["."], spans, np.array(links, "i4").reshape(-1, 2)


def docs(size: int, seed: int = 0, *, links: bool = True) -> Iterator[Doc]:
    """The corpus as target Docs with payload. Each BLOCK has a vocab of its own, so that memory does not grow."""
    vocab = Vocab()
    for k, (source, target, spans, found) in enumerate(sentence_pairs(size, seed)):
        if k % BLOCK == 0:
            vocab = Vocab()
        doc = Doc(vocab, words=target)
        given = {"links": found, "provenance": {"aligner": "given"}} if links else {}
        doc._.xproj = Bitext("en", tuple(source), (True,) * len(source), tuple(spans), **given)
        yield doc


def write(folder: Path, size: int, seed: int = 0, *, links: bool = True, shard: int = 1000) -> Path:
    """Write a corpus to a folder of shards, if it is not there.

    folder (Path): Where to write it.
    RETURNS (Path): The folder.
    """
    key = {"size": str(size), "seed": str(seed), "links": str(links), "shard": str(shard)}
    write_shards(docs(size, seed, links=links), folder, key=key, shard=shard)
    return folder
