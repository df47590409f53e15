"""Gold projections to learn from: sentence pairs with links, and the gold spans of the target."""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import spacy
from anyascii import anyascii
from spacy.tokens import Doc

from spacy_xproj.aligners.statistical import make_statistical
from spacy_xproj.bitext import SentencePair, install_extensions
from spacy_xproj.corpus import blank, read_docs
from spacy_xproj.evaluate import pair_docs
from spacy_xproj.pharaoh import read_pharaoh

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("XPROJ_DATA") or ROOT.parent / "shared" / "data")
STATISTICAL = "statistical"
# Links worse than given ones, for the weights to have seen such: few rounds, no cognates, links grown
WEAK = {
    "weak": {"stem": 0, "cognate": 0.0, "iterations": 2, "diagonal": 2.0, "symmetrization": "grow-diag-final-and"},
    "weaker": {"stem": 0, "cognate": 0.0, "iterations": 1, "diagonal": 4.0, "symmetrization": "union"},
}

# set, and the links that are given with it
GIVEN = {
    "europarl/en-es": ("eflomal-gdfa", "eflomal-inter"),
    "europarl/en-de": ("eflomal-gdfa", "eflomal-inter"),
    "absa/en-es": ("awesome", "simalign", "eflomal-gdfa", "eflomal-inter", "mgiza", "fast_align"),
    "assets/en-es": (),
    "assets/en-de": (),
}
Gold = frozenset[tuple[int, int, str]]


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
    if domain == "assets":
        paths = [ROOT / "assets" / f"train.{lang}.jsonl" for lang in languages.split("-")]
        return list(read_docs(paths[0], blank("en"))), list(read_docs(paths[1], blank(languages.split("-")[1])))
    folder = DATA / name
    return list(read_docs(folder / "src.conll", blank("en"))), list(read_docs(folder / "tgt.conll", nlp))


def rows(names=tuple(GIVEN)) -> Iterator[Row]:
    """Every set with each of its aligners, and with the links of `Statistical.v1` fitted on its own text."""
    install_extensions()
    nlp = spacy.blank("xx")
    for name in names:
        source, target = sides(name, nlp)
        gold = [frozenset((e.start, e.end, e.label_) for e in doc.ents) for doc in target]
        docs = list(pair_docs(source, target, nlp))
        plain = list(chain.from_iterable(doc._.xproj.pairs(tuple(t.text for t in doc)) for doc in docs))
        for links in GIVEN[name]:
            given = read_pharaoh(DATA / name / f"align.{links}.pharaoh")
            bitexts = [doc._.xproj.replace(links=x) for doc, x in zip(docs, given)]
            pairs = [p for doc, b in zip(docs, bitexts) for p in b.pairs(tuple(t.text for t in doc))]
            yield Row(name, links, pairs, gold)
        for links, settings in {STATISTICAL: {}, **WEAK}.items():
            aligner = make_statistical(**settings)
            aligner.fit(plain)
            found = aligner(plain)
            pairs = [p._replace(links=x.links) for p, x in zip(plain, found)]
            if links == STATISTICAL:
                pairs = [p._replace(scores=x.scores, evidence=x.evidence) for p, x in zip(pairs, found)]
            else:
                pairs = [p._replace(scores=np.ones(len(p.links), "f4")) for p in pairs]
            yield Row(name, links, pairs, gold)


def enciphered(row: Row) -> Row:
    """The row without capitals, and with a target whose words are like no source words: opinion targets, terms and
    other scripts have neither kind of evidence."""
    pairs = [
        p._replace(source=tuple(w.lower() for w in p.source), target=tuple(map(cipher, p.target))) for p in row.pairs
    ]
    return row._replace(links=f"{row.links} enciphered", pairs=pairs)


def cipher(word: str) -> str:
    """A word that stands for this one: other letters, no capitals; digits and signs as they are."""
    return anyascii(word).lower().translate(SHIFT) or word


SHIFT = str.maketrans("abcdefghijklmnopqrstuvwxyz", "nopqrstuvwxyzabcdefghijklm")
