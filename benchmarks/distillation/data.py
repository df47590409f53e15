"""The texts of the studies: the shipped corpus, europarl, and English web text (UNER)."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

import srsly
from spacy.tokens import Doc

from benchmarks.common import DATA, ROOT, config
from benchmarks.source_ner import LABELS, english
from spacy_xproj import fit
from spacy_xproj.corpus import blank, read_docs
from spacy_xproj.corpus.pairing import bare_copy, gold_doc, pair_docs
from spacy_xproj.errors import XprojError

MORE = 600  # sentences of news beside the text itself
NEWS = {"es": "spa", "de": "deu", "en": "eng"}  # in NTREX
EUROPARL = 400  # of the 799 lines: training text; the rest is for testing


Part = tuple[list[Doc], tuple[str, ...]]


class Setting(NamedTuple):
    """One target language and domain.

    name, lang (str): Its name, and the target language.
    sources (dict of list of Doc): Labeled text of other languages, to train teachers on, by language.
    gold (list of Doc): The target's training text with its gold, which only training on gold and figures about labels
        may use.
    projected (list of Doc): The same text with the labels of the English side, projected.
    more (list of Doc): More target text, without labels.
    tests (dict of (list of Doc, tuple of str)): Gold by name, the most important first, and the labels that count
        (none: all).
    home (sequence of Doc): Gold of the first source's language, to see what its teacher can do there; may be empty.
    teacher_steps (int): Of the training of teachers. 0: as of the students.
    """

    name: str
    lang: str
    sources: dict[str, list[Doc]]
    gold: list[Doc]
    projected: list[Doc]
    more: list[Doc]
    tests: dict[str, Part]
    home: Sequence[Doc] = ()
    teacher_steps: int = 0

    @property
    def raw(self) -> list[Doc]:
        """The training text without labels."""
        return [unlabeled(doc) for doc in self.gold]

    @property
    def types(self) -> list[str]:
        """The entity types of the sources: those that all models have."""
        return sorted({e.label_ for docs in self.sources.values() for doc in docs for e in doc.ents})

    def cut(self, limit: int) -> "Setting":
        """The first sentences of each part. 0: all."""
        if not limit:
            return self
        parts = {name: getattr(self, name)[:limit] for name in ("gold", "projected", "more", "home")}
        tests = {name: (docs[:limit], labels) for name, (docs, labels) in self.tests.items()}
        return self._replace(sources={k: docs[:limit] for k, docs in self.sources.items()}, tests=tests, **parts)


def unlabeled(doc: Doc) -> Doc:
    """The same tokens without anything else: nothing is known of their labels."""
    return bare_copy(doc, doc.vocab)


def labeled(docs: Iterable[Doc], lang: str, labels: Sequence[str] = ()) -> list[Doc]:
    """The same tokens and entities without anything else."""
    nlp = blank(lang)
    return [gold_doc(doc, nlp, labels) for doc in docs]


@cache
def shipped(name: str, lang: str) -> list[Doc]:
    """A part of the shipped corpus."""
    return labeled(read_docs(ROOT / "assets" / f"{name}.{lang}.jsonl", blank(lang)), lang)


@cache
def domains(name: str) -> list[str]:
    """The domain of each sentence of a part of the shipped corpus."""
    return [row["meta"]["domain"] for row in srsly.read_jsonl(ROOT / "assets" / f"{name}.en.jsonl")]


@cache
def europarl(lang: str) -> list[Doc]:
    """The 799 sentences with their gold, the same in each language."""
    name = "en-es/src" if lang == "en" else f"en-{lang}/tgt"
    return labeled(read_docs(need("europarl") / f"{name}.conll", blank(lang)), lang)


@cache
def news(lang: str) -> list[Doc]:
    """News (NTREX), without labels, and without white space that would be tokens."""
    nlp = blank(lang)
    found = read_docs(need("ntrex") / f"{NEWS[lang]}.txt", nlp, limit=MORE)
    return [nlp.make_doc(" ".join(doc.text.split())) for doc in found]


@cache
def web() -> list[Doc]:
    """English web text (UNER EWT) with its gold."""
    return labeled(english("uner"), "en")


def need(folder: str):
    """A folder of the data, which is not a part of the repository."""
    if not (DATA / folder).exists():
        raise XprojError(f"There is no data folder {DATA / folder}. Set XPROJ_DATA.")
    return DATA / folder


def projected(source: Sequence[Doc], target: Sequence[Doc], lang: str, beside: Iterable[Doc] = ()) -> list[Doc]:
    """The target's text with the labels of the source, by `configs/project_match.cfg`. Its aligner is fitted on this
    text, which takes no labels; the learned matcher is not used, for its shipped weights saw the gold of these texts.

    beside (iterable of Doc): More pairs to fit the aligner on.
    """
    nlp = config("project_match.cfg")
    docs = list(pair_docs(source, target, nlp))
    fit(nlp, [*docs, *beside])
    return labeled(nlp.pipe(docs), lang)


def pairs(source: Sequence[Doc], target: Sequence[Doc]) -> list[Doc]:
    """Parallel text without labels."""
    return list(pair_docs(map(unlabeled, source), target, config("project_match.cfg")))


@cache
def shipped_setting(lang: str, others: tuple[str, ...] = ()) -> Setting:
    """The shipped corpus: teachers and projections from its English side, and teachers from its other sides."""
    beside = [doc for name in ("agenda", "reviews") for doc in pairs(shipped(name, "en"), shipped(name, lang))]
    return Setting(
        f"shipped, {lang}",
        lang,
        {other: shipped("train", other) for other in ("en", *others)},
        shipped("train", lang),
        projected(shipped("train", "en"), shipped("train", lang), lang, beside),
        news(lang),
        {"test": (shipped("test", lang), ())},
        shipped("test", "en"),
    )


@cache
def scarce_setting(lang: str, share: int = 4) -> Setting:
    """The shipped corpus where only the first sentences, one in so many, have a translation to project from. Labeled
    English and raw target text are as many as ever."""
    whole = shipped_setting(lang)
    n = len(whole.gold) // share
    return whole._replace(
        name=f"shipped, {lang}, one sentence in {share} translated",
        projected=projected(shipped("train", "en")[:n], shipped("train", lang)[:n], lang),
        more=[unlabeled(doc) for doc in whole.gold[n:]],
    )


@cache
def europarl_setting(lang: str, others: tuple[str, ...] = ()) -> Setting:
    """Europarl: the first half of the lines is text to train on, the second to test on."""
    half, test = slice(EUROPARL), europarl(lang)[EUROPARL:]
    return Setting(
        f"europarl, {lang}",
        lang,
        {other: europarl(other)[half] for other in ("en", *others)},
        europarl(lang)[half],
        projected(europarl("en"), europarl(lang), lang)[half],
        news(lang),
        {"test": (test, ()), ", ".join(LABELS): (labeled(test, lang, LABELS), LABELS)},
        europarl("en")[EUROPARL:],
    )
