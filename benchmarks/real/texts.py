"""The texts that routes are compared on: what each model may learn from, and what it is tested on."""

from collections.abc import Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from spacy.tokens import Doc

from benchmarks.common import DATA
from benchmarks.distillation.data import labeled, unlabeled
from benchmarks.source_ner import LABELS, english
from spacy_xproj.corpus import blank, read_docs

PAIRS = 1200  # of parallel text, the first ones
HALF = 400  # of Europarl's 799 sentences: for a second source and to choose settings on; tested are the others
PARALLEL = {
    "es": ("ntrex/eng.txt", "ntrex/spa.txt"),
    "de": ("ntrex/eng.txt", "ntrex/deu.txt"),
    "lug": ("mafand/en-lug/train.en", "mafand/en-lug/train.lug"),
    "tsn": ("ntrex/eng.txt", "ntrex/tsn.txt"),
}
TESTS = {
    "es": "europarl/en-es/tgt.conll",
    "de": "europarl/en-de/tgt.conll",
    "lug": "masakha/en-lug/tgt.conll",
    "tsn": "masakha/en-tsn/tgt.conll",
}


class Target(NamedTuple):
    """A target language.

    source, target (sequence of Doc): The two sides of parallel text, without labels.
    test (sequence of Doc): Gold of `LABELS`.
    """

    lang: str
    source: Sequence[Doc]
    target: Sequence[Doc]
    test: Sequence[Doc]


@cache
def target(lang: str, limit: int = 0) -> Target:
    """A target language, of each part the first sentences. limit (int): 0: all."""
    sides = [lines(DATA / path, code) for path, code in zip(PARALLEL[lang], ("en", lang))]
    pairs = [pair for pair in zip(*sides, strict=True) if all(len(doc) for doc in pair)][: limit or PAIRS]
    test = labeled(read_docs(DATA / TESTS[lang], blank(lang)), lang, LABELS)
    start = HALF if TESTS[lang].startswith("europarl") else 0
    return Target(lang, *zip(*pairs), test[start:][: limit or None])


def lines(path: Path, lang: str) -> list[Doc]:
    """Each line of a text, with a place for lines that are empty."""
    nlp = blank(lang)
    with path.open(encoding="utf-8") as file:
        return [unlabeled(nlp.make_doc(" ".join(line.split()))) for line in islice(file, 2 * PAIRS)]


@cache
def gold(lang: str, limit: int = 0) -> list[Doc]:
    """Labeled text that is not tested on: English web text (UNER), or the first sentences of Europarl (es, de)."""
    if lang == "en":
        return labeled(english("uner"), "en")[: limit or None]
    return labeled(read_docs(DATA / TESTS[lang], blank(lang)), lang, LABELS)[: limit or HALF]
