"""A small English NER (PER, LOC, ORG), without pretrained weights or on a frozen encoder, for benchmarks that project
predicted labels."""

import random
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Optional

import numpy as np
import spacy
from spacy.cli.train import train
from spacy.language import Language
from spacy.tokens import Doc, Span

from spacy_xproj.corpus import blank, read_docs, write_file
from spacy_xproj.corpus.pairing import bare_copy, gold_doc
from spacy_xproj.evaluate.bootstrap import counts, f1
from spacy_xproj.runs.split import is_dev

from .common import DATA, ROOT

LABELS = ("PER", "LOC", "ORG")
TEXTS = ("uner", "uner and assets")
FROZEN = "uner, frozen encoder"
SHARE = 0.12
FEW_STEPS = {"nlp.lang": "en", "training.max_steps": 300}  # on an encoder that knows what words mean
TRAINING = {"nlp.lang": "en", "training.max_steps": 1500, "training.patience": 600}
EN = blank("en")


def english(text: str) -> list[Doc]:
    """Gold English: web text (UNER), or that and the train part of the shipped corpus, without its MISC."""
    docs = [doc for part in ("dev", "test") for doc in read_docs(DATA / f"uner-en-ewt/{part}.iob2", EN, format="iob2")]
    return docs if text == TEXTS[0] else docs + assets("train")


def assets(part: str) -> list[Doc]:
    return [gold_doc(doc, EN, LABELS) for doc in read_docs(ROOT / "assets" / f"{part}.en.jsonl", EN)]


def plain(doc: Doc, nlp: Language) -> Doc:
    """The same tokens without anything else."""
    return bare_copy(doc, nlp.vocab)


def made_up(doc: Doc, rng: random.Random) -> Doc:
    """A copy in which names of persons and places have their letters shuffled, for the NER to go by shape and context:
    it knows few names, and none of another continent."""
    words = [t.text for t in doc]
    for token in doc:
        if token.ent_type_ in ("PER", "LOC") and token.is_alpha and token.text[0].isupper():
            words[token.i] = token.text[0] + "".join(rng.sample(token.text[1:], len(token) - 1))
    made = Doc(doc.vocab, words=words, spaces=[bool(t.whitespace_) for t in doc])
    made.set_ents([Span(made, e.start, e.end, label=e.label_) for e in doc.ents], default="outside")
    return made


def source_model(text: str, seed: int, work: Path, encoder: Optional[Path] = None) -> Language:
    """The NER of a training text and a seed, from the folder `work` if it is there.

    text (str): One of `TEXTS`, or `FROZEN`. What `is_dev` takes of it tells when to stop; the rest is learnt from, by
        a NER without an encoder once more with names made up.
    seed (int): Of spaCy's training.
    work (Path): Where models are kept.
    encoder (Optional[Path]): The folder of the encoder, for `FROZEN`.
    RETURNS (Language): The NER.
    """
    model = work / f"ner {text} {seed}"
    if not model.exists():
        rng, beside, docs = random.Random(0), work / "training", english(TEXTS[0] if text == FROZEN else text)
        parts = {part: [doc for doc in docs if is_dev(doc.text, SHARE) == (part == "dev")] for part in ("train", "dev")}
        if text != FROZEN:
            parts["train"] += [made_up(doc, rng) for doc in parts["train"] if doc.ents]
        for part, some in parts.items():
            write_file(some, work / f"{part}.spacy")
        settings = {"system.seed": seed, **{f"paths.{part}": str(work / f"{part}.spacy") for part in parts}}
        if text == FROZEN:
            settings |= {**FEW_STEPS, "paths.encoder": str(encoder), "paths.cache": str(work / "vectors.sqlite")}
        else:
            settings |= TRAINING
        train(ROOT / "configs" / f"{'ner_frozen' if text == FROZEN else 'ner_cpu'}.cfg", beside, overrides=settings)
        shutil.move(beside / "model-best", model)
        shutil.rmtree(beside)
    return spacy.load(model)


def source_quality(name: str, label: Callable[[int, list[Doc]], Iterable[Doc]], seeds: int) -> list[str]:
    """F1 on the part of UNER that training stopped by, and on the test part of the shipped corpus.

    name (str): That of the model, for the row.
    label: Labels Docs by the model of a seed.
    seeds (int): How many.
    RETURNS (list of str): The name and both figures, each with the range of the seeds.
    """
    cells = []
    for gold in ([doc for doc in english(TEXTS[0]) if is_dev(doc.text, SHARE)], assets("test")):
        runs = [float(f1(counts(label(seed, [plain(doc, EN) for doc in gold]), gold))) for seed in range(seeds)]
        cells.append(f"{np.mean(runs):.3f} ({min(runs):.3f} to {max(runs):.3f})")
    return [name, *cells]
