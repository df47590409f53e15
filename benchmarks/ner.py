"""NER trained on projections and on gold, with and without word vectors: `python -m benchmarks.ner`

The shipped corpus, trained as for the table of `spacy project run all`; the gold test split is the same for all.
Intervals are 95 % bootstrap intervals over the test sentences, on the counts of all seeds together, with the same draws
for both sides. The vectors have the words of the test texts (`assets/README.md`); "known words" leaves out those that
the training texts lack. What is trained is kept as counts in the folder `--work`; remove it after a change that they
depend on.
"""

import argparse
import time
from collections import deque
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from spacy.training.initialize import convert_vectors
from spacy.vectors import Vectors

from scripts.seeds import runs, trained
from spacy_xproj.corpus import blank, read_docs, write_file
from spacy_xproj.evaluate.bootstrap import counts, difference, f1
from spacy_xproj.memory_files import import_memory
from spacy_xproj.runs.project import project
from spacy_xproj.runs.translate import translate

from .common import ROOT, table

LABELS = ("gold", "match", "heuristic")
# What is trained, and the folder of its vectors: those of all words, or of the training texts' words alone.
CONFIGS = {
    "ner_cpu": ("ner_cpu", ""),
    "ner_cpu_vectors": ("ner_cpu_vectors", "vectors"),
    "known words": ("ner_cpu_vectors", "known"),
}
PLAIN, VECTORS, KNOWN = CONFIGS


def training_data(lang: str, folder: Path) -> dict[str, Path]:
    """Docs to train on, by where their labels come from; `test`, to score on; folders with word vectors: `vectors` of
    all words, `known` of those of the training texts."""
    found = {name: folder / f"{name}.spacy" for name in (*LABELS, "test")}
    found |= {name: folder / name for name in ("vectors", "known")}
    if all(path.exists() for path in found.values()):
        return found
    memory, bitext = folder / "memory.sqlite", folder / "bitext.spacy"
    import_memory(memory, ROOT / "assets" / f"memory.en-{lang}.tsv", "en", lang)
    overrides = {"paths.memory": str(memory)}
    source = ROOT / "assets" / "train.en.jsonl"
    translate(source, bitext, lang, ROOT / "configs" / "translate.cfg", overrides=overrides)
    for name, part in (("gold", "train"), ("test", "test")):
        write_file(read_docs(ROOT / "assets" / f"{part}.{lang}.jsonl", blank(lang)), found[name])
    for name in LABELS[1:]:
        project(bitext, found[name], ROOT / "configs" / f"project_{name}.cfg", lang)
    nlp = blank(lang)
    convert_vectors(nlp, ROOT / "assets" / f"vectors.{lang}.txt.gz", truncate=-1, prune=-1)
    nlp.to_disk(found["vectors"])
    known = {token.orth for doc in read_docs(found["gold"], nlp) for token in doc}
    rows = [(key, row) for key, row in nlp.vocab.vectors.key2row.items() if key in known]
    data = nlp.vocab.vectors.data[[row for _, row in rows]]
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=[key for key, _ in rows], name="known")
    nlp.to_disk(found["known"])
    return found


def settings(data: dict[str, Path], labels: str, config: str, lang: str) -> dict[str, Any]:
    vectors = CONFIGS[config][1]
    paths = {"paths.vectors": str(data[vectors])} if vectors else {}
    return {"nlp.lang": lang, "paths.train": str(data[labels]), **paths}


def path_of(config: str) -> Path:
    return ROOT / "configs" / f"{CONFIGS[config][0]}.cfg"


def seed_counts(data: dict[str, Path], labels: str, config: str, lang: str, seeds: int, folder: Path) -> np.ndarray:
    """Right, predicted and gold spans of each seed and test Doc: int array (seeds, Docs, 3)."""
    files = [folder / f"{labels} {config} {seed}.npy" for seed in range(seeds)]
    if left := [seed for seed in range(seeds) if not files[seed].exists()]:
        gold = list(read_docs(data["test"], blank(lang)))
        jobs = [(path_of(config), settings(data, labels, config, lang), seed) for seed in left]
        for seed, docs in zip(left, runs(jobs, data["test"])):
            np.save(files[seed], counts(docs, gold))
    return np.stack([np.load(path) for path in files])


def words_a_second(data: dict[str, Path], lang: str, rounds: int = 5) -> list[float]:
    """How many words a NER labels in a second of CPU time, without and with vectors, best of some rounds."""
    models = []
    for config in (PLAIN, VECTORS):
        short = {"training.max_steps": 20, **settings(data, "gold", config, lang)}
        models.append(trained(path_of(config), short))
    texts = [doc.text for doc in read_docs(data["gold"], blank(lang))]
    words = sum(len(doc) for doc in models[0].pipe(texts))
    least = [float("inf")] * len(models)
    for _, (place, nlp) in product(range(rounds), enumerate(models)):
        start = time.process_time()
        deque(nlp.pipe(texts), maxlen=0)
        least[place] = min(least[place], time.process_time() - start)
    return [words / seconds for seconds in least]


def ratio(ours: np.ndarray, theirs: np.ndarray) -> str:
    """The ratio of two mean F1 of counts (seeds, Docs, 3), with its interval over the Docs."""
    draws = np.random.default_rng(0).integers(ours.shape[1], size=(1000, ours.shape[1]))
    low, high = np.percentile([f1(ours[:, d]).mean() / f1(theirs[:, d]).mean() for d in draws], [2.5, 97.5])
    return f"{f1(ours).mean() / f1(theirs).mean():.3f} ({low:.3f} to {high:.3f})"


def gain(ours: np.ndarray, theirs: np.ndarray) -> str:
    """F1 points of counts over others, with the interval over the Docs."""
    found = difference(ours.sum(axis=0), theirs.sum(axis=0))
    points = 100 * (f1(ours).mean() - f1(theirs).mean())
    return f"{points:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f}), p {found.p:.4f}"


def rows_of(lang: str, found: dict[tuple[str, str], np.ndarray]) -> list[list[str]]:
    rows: list[list[str]] = []
    for (labels, config), each in found.items():
        cells = [lang, labels, config, f"{f1(each).mean():.3f}", ", ".join(f"{x:.3f}" for x in f1(each))]
        gold, plain = found.get(("gold", config)), found.get((labels, PLAIN))
        cells.append("" if gold is None else ratio(each, gold))
        rows.append([*cells, "" if plain is None or config == PLAIN else gain(each, plain)])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=ROOT / "metrics" / "ner")
    parser.add_argument("--langs", nargs="+", default=["es", "de"])
    parser.add_argument("--labels", nargs="+", choices=LABELS, default=LABELS)
    parser.add_argument("--configs", nargs="+", choices=CONFIGS, default=[*CONFIGS])
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    rows, speeds = [], []
    for lang in args.langs:
        folder = args.work / lang
        folder.mkdir(parents=True, exist_ok=True)
        data = training_data(lang, folder)
        pairs = list(product(args.labels, args.configs))
        rows += rows_of(lang, {pair: seed_counts(data, *pair, lang, args.seeds, folder) for pair in pairs})
        plain, vectors = words_a_second(data, lang)
        speeds.append([lang, f"{plain:,.0f}", f"{vectors:,.0f}", f"{vectors / plain:.2f}"])
    header = ["language", "labels from", "config", "F1, mean", "F1 of each seed", "ratio to gold (95 %)"]
    print(table([*header, "F1 points over ner_cpu (95 %)"], rows))
    print(f"\n{table(['language', 'words/s, ner_cpu', 'words/s, ner_cpu_vectors', 'ratio'], speeds)}")


if __name__ == "__main__":
    main()
