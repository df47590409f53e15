"""Gold projections to learn from: sentence pairs with links, and the gold spans of the target."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import spacy
from anyascii import anyascii
from spacy.tokens import Doc

from scripts.cut import cut_gold, cut_pair
from scripts.glued import glued_gold, glued_pair
from spacy_xproj.aligners.statistical import StatisticalAligner
from spacy_xproj.bitext import Links, SentencePair
from spacy_xproj.corpus import blank, read_docs
from spacy_xproj.corpus.pairing import pair_docs
from spacy_xproj.pharaoh import read_pharaoh
from spacy_xproj.similarities.ranker.training import Gold

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("XPROJ_DATA") or ROOT.parent / "shared" / "data")
STATISTICAL = "statistical"
ENCIPHERED = ("eflomal-gdfa", STATISTICAL, "weak")
GLUED = ("eflomal-gdfa", "awesome", STATISTICAL)
CUT = ("eflomal-gdfa", STATISTICAL)
REMADE = ("en-es", "en-de")  # pairs of languages with spaces and little inflection
# Links worse than given ones, for the weights to have seen such: few rounds, no cognates, links grown
WEAK = {
    "weak": {
        "stem": 0,
        "cognate": 0.0,
        "jumps": 0,
        "iterations": 2,
        "diagonal": 2.0,
        "symmetrization": "grow-diag-final-and",
    },
    "weaker": {"stem": 0, "cognate": 0.0, "jumps": 0, "iterations": 1, "diagonal": 4.0, "symmetrization": "union"},
}

# set, and the links that are given with it
GIVEN = {
    "europarl/en-es": ("eflomal-gdfa", "eflomal-inter"),
    "europarl/en-de": ("eflomal-gdfa", "eflomal-inter"),
    "absa/en-es": ("awesome", "simalign", "eflomal-gdfa", "eflomal-inter", "mgiza", "fast_align"),
    **{f"{domain}/en-{lang}": () for lang in ("es", "de") for domain in ("assets", "reviews", "agenda")},
    **{f"{domain}/en-{lang}": () for lang in ("ru", "tr") for domain in ("reviews", "agenda")},
}
SHIPPED = {"assets": "train", "reviews": "reviews", "agenda": "agenda"}  # the beginnings of their files' names


class Row(NamedTuple):
    """One set with the links of one aligner.

    name, links (str): Of the set (`domain/languages`) and of the aligner.
    pairs (list of SentencePair), gold (list of Gold): Line by line.
    """

    name: str
    links: str
    pairs: list[SentencePair]
    gold: list[Gold]

    @property
    def domain(self) -> str:
        return self.name.split("/")[0]

    @property
    def languages(self) -> str:
        return self.name.split("/")[1]


def sides(name: str, nlp) -> tuple[list[Doc], list[Doc]]:
    """Source and gold target Docs of a set."""
    domain, languages = name.split("/")
    if domain in SHIPPED:
        both = [(ROOT / "assets" / f"{SHIPPED[domain]}.{lang}.jsonl", blank(lang)) for lang in languages.split("-")]
        source, target = (list(read_docs(path, nlp)) for path, nlp in both)
        return source, target
    folder = DATA / name
    return list(read_docs(folder / "src.conll", blank("en"))), list(read_docs(folder / "tgt.conll", nlp))


def training_rows(names: Sequence[str] = tuple(GIVEN)) -> list[Row]:
    """The rows to learn from: all, some without capitals and likeness, and some of languages that inflect little with
    agglutination made up, or cut into pieces."""
    found = list(rows(names))
    remade = [row for row in found if row.languages in REMADE]
    return [
        *found,
        *(enciphered(row) for row in found if row.links in ENCIPHERED),
        *(glued(row) for row in remade if row.links in GLUED),
        *(cut(row) for row in remade if row.links in CUT),
    ]


def rows(names: Sequence[str] = tuple(GIVEN)) -> Iterator[Row]:
    """Every set with each of its aligners, and with links of `Statistical.v1` fitted on its own text. Shipped sets of
    two languages are one text."""
    texts: dict[str, list[str]] = {}
    for name in names:
        yield from given_rows(name, GIVEN[name])
        domain, languages = name.split("/")
        texts.setdefault(languages if domain in SHIPPED else name, []).append(name)
    for together in texts.values():
        yield from statistical_rows(together)


def statistical_rows(names: Sequence[str]) -> Iterator[Row]:
    """Sets with links of `Statistical.v1`, and with worse ones, fitted on the text of all of them."""
    sets = {name: gold_docs(name) for name in names}
    plain = {name: sentence_pairs(docs) for name, (docs, _) in sets.items()}
    for links, settings in {STATISTICAL: {}, **WEAK}.items():
        aligner = StatisticalAligner(**settings)  # type: ignore[arg-type]
        aligner.fit([pair for pairs in plain.values() for pair in pairs])
        for name, pairs in plain.items():
            found = aligner(pairs)
            if links != STATISTICAL:  # as links from a file: without scores
                found = [Links(each.links, np.ones(len(each.links), "f4"), {}) for each in found]
            aligned = [
                pair._replace(links=each.links, scores=each.scores, evidence=each.evidence)
                for pair, each in zip(pairs, found)
            ]
            yield Row(name, links, aligned, sets[name][1])


def given_rows(name: str, aligners: Sequence[str]) -> Iterator[Row]:
    """A set with links from files."""
    docs, gold = gold_docs(name)
    for links in aligners:
        for doc, given in zip(docs, read_pharaoh(DATA / name / f"align.{links}.pharaoh")):
            doc._.xproj = doc._.xproj.replace(links=given)
        yield Row(name, links, sentence_pairs(docs), gold)


def gold_docs(name: str) -> tuple[list[Doc], list[Gold]]:
    """Target Docs with a payload but without links, and their gold spans."""
    nlp = spacy.blank("xx")
    source, target = sides(name, nlp)
    gold = [frozenset((e.start, e.end, e.label_) for e in doc.ents) for doc in target]
    return list(pair_docs(source, target, nlp)), gold


def sentence_pairs(docs: Sequence[Doc]) -> list[SentencePair]:
    return [pair for doc in docs for pair in doc._.xproj.pairs(tuple(t.text for t in doc))]


def enciphered(row: Row) -> Row:
    """The row without capitals, and with a target whose words are like no source words: opinion targets, terms and
    other scripts have neither kind of evidence."""
    pairs = [
        p._replace(source=tuple(w.lower() for w in p.source), target=tuple(map(cipher, p.target))) for p in row.pairs
    ]
    return row._replace(links=f"{row.links} enciphered", pairs=pairs)


def glued(row: Row) -> Row:
    """The row with its target side glued: see `scripts.glued`."""
    gold = [glued_gold(pair.target, spans) for pair, spans in zip(row.pairs, row.gold)]
    return row._replace(links=f"{row.links} glued", pairs=[glued_pair(pair) for pair in row.pairs], gold=gold)


def cut(row: Row) -> Row:
    """The row with its target words cut into pieces: see `scripts.cut`."""
    gold = [cut_gold(pair.target, spans) for pair, spans in zip(row.pairs, row.gold)]
    return row._replace(links=f"{row.links} cut", pairs=[cut_pair(pair) for pair in row.pairs], gold=gold)


def cipher(word: str) -> str:
    """A word that stands for this one: other letters, no capitals; digits and signs as they are."""
    return anyascii(word).lower().translate(SHIFT) or word


SHIFT = str.maketrans("abcdefghijklmnopqrstuvwxyz", "nopqrstuvwxyzabcdefghijklm")
