"""The sets that quality is measured on, with the links of each aligner."""

from functools import cache
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span

from scripts.cut import cut
from scripts.glued import glue
from scripts.ranker_data import GIVEN, SHIPPED, STATISTICAL
from spacy_xproj import fit
from spacy_xproj.aligners.eflomal import EflomalAligner
from spacy_xproj.bitext import Bitext

from .common import config, gold_pair

WEAK = ("mgiza", "fast_align")
EFLOMAL, GLUED, CUT = "eflomal", " glued", " cut"
FITTED = (STATISTICAL, EFLOMAL)  # on the text that they align
UNGIVEN = tuple(name for name in GIVEN if not GIVEN[name] and name.split("/")[1] in ("en-ru", "en-tr", "en-de"))
STRESSED = ("europarl/en-es", "absa/en-es")
CUTTING = (*STRESSED, "europarl/en-de")
KINDS = {
    "given": "On given links:",
    "weak": "On given links of weak aligners:",
    STATISTICAL: "On links of `Statistical.v1`, fitted on the same text:",
    EFLOMAL: "On links of `Eflomal.v1`, fitted on the same text. eflomal takes no seed: they differ a little from "
    "run to run:",
    "glued": "Stress test: target text with agglutination made up (`scripts/glued.py`):",
    "cut": "Stress test: target words cut into pieces of three letters (`scripts/cut.py`):",
}


def links_of(name: str) -> tuple[str, ...]:
    """The links that a set is measured with."""
    found = (*GIVEN[name], STATISTICAL)
    if name in UNGIVEN and find_spec("eflomal"):
        found += (EFLOMAL,)
    if name in STRESSED:
        found += (GIVEN[name][0] + GLUED, STATISTICAL + GLUED)
    if name in CUTTING:
        found += (GIVEN[name][0] + CUT,)
    return found


def kind(links: str) -> str:
    """Which of `KINDS` links are of."""
    for made, name in ((GLUED, "glued"), (CUT, "cut")):
        if links.endswith(made):
            return name
    return links if links in FITTED else "weak" if links in WEAK else "given"


@cache
def payloads(name: str, links: str) -> list[Bitext]:
    """The payloads of a set with the links of one aligner. An aligner is fitted once, for all methods, and for shipped
    sets of two languages on all of their text."""
    nlp = config("project_match.cfg")
    base = links.removesuffix(GLUED).removesuffix(CUT)
    docs = sides_of(name, links, nlp, "" if base in FITTED else base)[0]
    if base in FITTED:
        if base == EFLOMAL:
            nlp.get_pipe("xproj_aligner").aligner = EflomalAligner()  # type: ignore[attr-defined]
        fit(nlp, [doc for other in text_of(name) for doc in sides_of(other, links, nlp)[0]])
        docs = list(nlp.pipe(docs, disable=["xproj_matcher"]))
    return [doc._.xproj for doc in docs]


def text_of(name: str) -> list[str]:
    """The sets that are one text with a set."""
    domain, languages = name.split("/")
    return [other for each in SHIPPED if (other := f"{each}/{languages}") in GIVEN] if domain in SHIPPED else [name]


def linked(name: str, links: str, nlp: Language) -> tuple[list[Doc], list[Doc]]:
    """A set's Docs with the links of one aligner, and the gold Docs."""
    docs, gold = sides_of(name, links, nlp)
    for doc, payload in zip(docs, payloads(name, links)):
        doc._.xproj = payload
    return docs, gold


def sides_of(name: str, links: str, nlp: Language, given: str = "") -> tuple[list[Doc], list[Doc]]:
    """As `gold_pair`, with the target glued or cut where the links say so."""
    docs, gold = gold_pair(name, nlp, given)
    for ending, remake in ((GLUED, glued_words), (CUT, cut_words)):
        if links.endswith(ending):
            docs, gold = ([remade(doc, *remake([t.text for t in doc])) for doc in some] for some in (docs, gold))
    return docs, gold


def glued_words(words: list[str]) -> tuple[list[str], list[range]]:
    """The words of a glued sentence, and which of them each old word is in."""
    new, places = glue(words)
    return new, [range(place, place + 1) for place in places]


def cut_words(words: list[str]) -> tuple[list[str], list[range]]:
    """The pieces of the words of a sentence, and which are of which word."""
    new, begins = cut(words)
    return new, [range(*each) for each in pairwise(begins)]


def remade(doc: Doc, words: list[str], places: list[range]) -> Doc:
    """A Doc of other words, with its links and entities where its own have gone."""
    out = Doc(doc.vocab, words=words)
    out.ents = [Span(out, places[e.start].start, places[e.end - 1].stop, label=e.label_) for e in doc.ents]
    if doc._.xproj is not None:
        links = doc._.xproj.links
        found = np.array([(i, place) for i, j in links.tolist() for place in places[j]], links.dtype).reshape(-1, 2)
        found = np.unique(found, axis=0)
        out._.xproj = doc._.xproj.replace(links=found, scores=np.ones(len(found), "f4"), evidence={})
    return out
