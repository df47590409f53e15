"""Translate-train and translate-test for real: `python -m benchmarks.translation`

Gold English (UNER English EWT: PER, LOC, ORG) is translated to Spanish by Apertium and projected in several ways; a
Spanish NER is trained on each. Against them: the Spanish test text (europarl, the same three labels) translated to
English, labeled by an English NER trained on the same gold, and projected back (translate-test); that English NER on
the Spanish text itself (model transfer); and ensembles. All NERs have one config and no pretrained weights.

The learned matcher has weights that saw no Spanish (`benchmarks.folds`), since the shipped ones were learnt on the test
set as well. F1 is the mean of the seeds; intervals are of the counts of all seeds together, and the bootstrap draws
sentences. Models and Docs are kept in the folder `--work`; remove it after a change that they depend on.
"""

import argparse
import shutil
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import spacy
from spacy.cli.train import train
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from tqdm import tqdm

import spacy_xproj
from scripts.ranker_data import GIVEN
from scripts.train_ranker import ranker_of
from spacy_xproj.corpus import blank, read_docs, read_file, write_file
from spacy_xproj.corpus.pairing import gold_doc
from spacy_xproj.evaluate.bootstrap import counts, difference, f1, interval
from spacy_xproj.runs.label_counts import others
from spacy_xproj.runs.project import count_reports
from spacy_xproj.runs.split import is_dev
from spacy_xproj.similarities.ranker.weights import read_weights

from .common import DATA, ROOT, table
from .folds import fold_weights
from .source_ner import LABELS, english, plain

SHARE = 0.12
TRAINING = {"training.max_steps": 1000, "training.patience": 500}
# way of projecting: pipes and their settings, after an aligner
WAYS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "tags": [("xproj_merger", {"keys": ["xproj_carried"]})],
    "matcher": [("xproj_matcher", {})],
    "heuristic": [("xproj_projector", {})],
    "merged": [
        ("xproj_projector", {"spans_key": "xproj_heuristic"}),
        ("xproj_matcher", {}),
        ("xproj_merger", {"keys": ["xproj_carried", "xproj", "xproj_heuristic"]}),
    ],
    "agreed": [("xproj_matcher", {}), ("xproj_merger", {"min_score": 0.51, "doubtful": "mask"})],
}
APERTIUM = {"@xproj_translators": "spacy_xproj.Apertium.v1"}


class Run(NamedTuple):
    """What one command measures."""

    work: Path
    seeds: int
    limit: int  # sentences of each set; 0: all
    training: dict[str, Any]
    weights: str = ""  # of the matcher; "": they are learnt first, or found in the folder

    def matcher_weights(self) -> dict[str, np.ndarray]:
        """Weights of the learned matcher that saw no Spanish."""
        if self.weights:
            return read_weights(self.weights)
        return fold_weights("en-es", "languages", self.work, tuple(GIVEN))


# Data


def gold_english(run: Run) -> list[Doc]:
    return english("uner")[: run.limit or None]


def test_set(run: Run) -> list[Doc]:
    nlp = blank("es")
    docs = islice(read_docs(DATA / "europarl/en-es/tgt.conll", nlp), run.limit or None)
    return [gold_doc(doc, nlp, LABELS) for doc in docs]


def memory(run: Run) -> dict[str, Any]:
    path = str(run.work / "memory.sqlite")
    return {"@xproj_translators": "spacy_xproj.Memory.v1", "path": path, "translator": APERTIUM, "batch_size": 1000}


# Models


def trained(docs: Sequence[Doc], lang: str, seed: int, model: Path, run: Run) -> Language:
    """A NER trained with `configs/ner_cpu.cfg`, from the folder `model` if it is there. What `is_dev` takes of the text
    tells when to stop."""
    if not model.exists():
        beside = model.with_name(f"{model.name}.training")
        paths = {}
        for part in ("train", "dev"):
            paths[f"paths.{part}"] = str(beside / f"{part}.spacy")
            beside.mkdir(parents=True, exist_ok=True)
            some = [doc for doc in docs if is_dev(doc.text, SHARE) == (part == "dev")]
            DocBin(docs=some).to_disk(paths[f"paths.{part}"])  # without the payload
        overrides = {"nlp.lang": lang, "system.seed": seed, **paths, **run.training}
        train(ROOT / "configs" / "ner_cpu.cfg", beside / "model", overrides=overrides)
        shutil.move(beside / "model" / "model-best", model)
        shutil.rmtree(beside)
    return spacy.load(model)


# Translate-train


def target_pipeline(run: Run, way: str, nlp: Language) -> Language:
    """Translation, alignment and one way of projecting; the matcher has weights that saw no Spanish."""
    nlp.add_pipe("xproj_translator", config={"forward": memory(run)})
    nlp.add_pipe("xproj_aligner")
    for name, settings in WAYS[way]:
        pipe = nlp.add_pipe(name, config=settings)
        if name == "xproj_matcher":
            pipe.similarity = ranker_of(run.matcher_weights())
    return nlp


def projected(run: Run, way: str) -> tuple[list[Doc], Counter]:
    """The translated training text with entities of one way, and what became of the source entities."""
    path, reasons = run.work / f"{way}.spacy", Counter()
    if not path.exists():
        nlp = target_pipeline(run, way, blank("es"))
        write_file(tqdm(spacy_xproj.project(gold_english(run), nlp, batch_size=1000), desc=way, mininterval=10), path)
    docs = list(count_reports(read_file(path, blank("es").vocab), reasons))
    return docs, reasons


# Translate-test


def translated_back(run: Run, source: Language, gold: Sequence[Doc], **settings: Any) -> list[Doc]:
    """The test text with its translation, labeled by an English pipeline, projected by the learned matcher.

    It is aligned together with the training text of translate-train, which is in the same languages.
    """
    nlp = blank("es")
    translator = nlp.add_pipe("xproj_translator", config={"back": memory(run), **settings})
    translator.source = source
    docs = list(translator.pipe([plain(doc, nlp) for doc in gold], batch_size=1000))
    beside = [] if settings else projected(run, "matcher")[0]
    nlp.add_pipe("xproj_aligner")
    matcher = nlp.add_pipe("xproj_matcher")
    matcher.similarity = ranker_of(run.matcher_weights())
    spacy_xproj.fit(nlp, [*docs, *map(unlinked, beside)])
    return list(nlp.pipe(docs))


def unlinked(doc: Doc) -> Doc:
    """A copy whose payload has no links."""
    made = doc.copy()
    made._.xproj = doc._.xproj.replace(links=[], provenance={})
    return made


def ensemble(projections: Sequence[Doc], ner: Sequence[Doc], **settings: Any) -> list[Doc]:
    """Projected Docs merged with the entities of a NER on the same text."""
    nlp = blank("es")
    nlp.add_pipe("xproj_merger", config=settings)
    docs = []
    for doc, other in zip(projections, ner):
        made = doc.copy()
        made.set_ents([Span(made, e.start, e.end, label=e.label_) for e in other.ents], default="outside")
        docs.append(made)
    return list(nlp.pipe(docs))


# The table


def predictions(run: Run, gold: Sequence[Doc], seed: int) -> dict[str, list[Doc]]:
    """The test text as each system labels it, by the system's name."""
    out: dict[str, list[Doc]] = {}
    for way in WAYS:
        nlp = trained(projected(run, way)[0], "es", seed, run.work / f"es {way} {seed}", run)
        out[f"translate-train, {way}"] = list(nlp.pipe([plain(doc, nlp) for doc in gold]))
    source = trained(gold_english(run), "en", seed, run.work / f"en {seed}", run)
    out["model transfer"] = list(source.pipe([plain(doc, source) for doc in gold]))
    out["translate-test"] = back = translated_back(run, source, gold)
    out["translate-test, round trip"] = translated_back(run, source, gold, forward=memory(run), round_trip=True)
    best = out["translate-train, merged"]
    out["ensemble, union"] = ensemble(back, best, keys=["ents", "xproj"])
    out["ensemble, union, translate-test first"] = ensemble(back, best, keys=["xproj", "ents"])
    out["ensemble, agreement"] = ensemble(back, best, keys=["ents", "xproj"], min_score=0.51, doubtful="drop")
    return out


def report(run: Run) -> str:
    """All tables, as Markdown."""
    gold = test_set(run)
    runs: dict[str, list[np.ndarray]] = {}
    for seed in range(run.seeds):
        for name, docs in predictions(run, gold, seed).items():
            runs.setdefault(name, []).append(counts(docs, gold))
    found = {name: np.stack(each) for name, each in runs.items()}
    rows = []
    for name, each in found.items():
        low, high = interval(each.sum(axis=0))
        right, predicted, answers = each.sum(axis=(0, 1))
        rows.append(
            [
                name,
                f"{f1(each).mean():.3f}",
                f"{low:.3f} to {high:.3f}",
                ", ".join(f"{x:.3f}" for x in f1(each)),
                f"{right / max(predicted, 1):.3f}",
                f"{right / max(answers, 1):.3f}",
            ]
        )
    text = table(["system", "F1, mean", "95 %", "F1 of each seed", "precision", "recall"], rows)
    pairs = [
        ("translate-train, merged", "translate-train, matcher"),
        ("translate-train, merged", "translate-train, tags"),
        ("translate-train, matcher", "translate-train, heuristic"),
        ("translate-train, merged", "model transfer"),
        ("translate-test", "translate-train, merged"),
        ("translate-test", "translate-test, round trip"),
        ("ensemble, union", "translate-train, merged"),
        ("ensemble, union", "translate-test"),
    ]
    rows = []
    for ours, theirs in pairs:
        gain = difference(found[ours].sum(axis=0), found[theirs].sum(axis=0))
        rows.append(
            [
                ours,
                theirs,
                f"{100 * gain.gain:+.1f}",
                f"{100 * gain.low:+.1f} to {100 * gain.high:+.1f}",
                f"{gain.p:.3f}",
            ]
        )
    text += "\n\n" + table(["system", "against", "F1 points", "95 %", "p"], rows)
    rows = []
    for way in WAYS:
        reasons = projected(run, way)[1]
        lost = "; ".join(f"{k.removeprefix('not_projected:')} {n}" for k, n in others(reasons).items() if ":" in k)
        share = f"{reasons['projected']} ({reasons['projected'] / max(reasons['source_spans'], 1):.1%})"
        rows.append([way, reasons["source_spans"], share, lost])
    return text + "\n\n" + table(["way", "source spans", "kept", "lost"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=ROOT / "metrics" / "translation")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=0, help="sentences of each set; 0: all")
    parser.add_argument("--steps", type=int, default=TRAINING["training.max_steps"])
    parser.add_argument("--weights", default="", help="weights of the matcher, from an earlier run")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    training = {**TRAINING, "training.max_steps": args.steps}
    print(report(Run(args.work, args.seeds, args.limit, training, args.weights)))


if __name__ == "__main__":
    main()
