"""NER trained on projections against NER trained on gold, on the shipped corpus: `python -m benchmarks.ner`

The same config, the same gold test split, three seeds. The ratio of the mean F1 comes with a 95 % bootstrap interval
over the test sentences, the same draw for both sides. Development data is a part of the training data of each side.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import spacy
from spacy.cli.train import train

from spacy_xproj.corpus import blank, read_docs, write_file
from spacy_xproj.evaluate.bootstrap import counts, f1
from spacy_xproj.memory_files import import_memory
from spacy_xproj.runs.project import project
from spacy_xproj.runs.split import is_dev
from spacy_xproj.runs.translate import translate

from .common import ROOT, table

SHARE = 0.12


def training_data(lang: str, folder: Path) -> dict[str, Path]:
    """Docs to train on, by where their labels come from."""
    memory, bitext = folder / "memory.sqlite", folder / "bitext.spacy"
    import_memory(memory, ROOT / "assets" / f"memory.en-{lang}.tsv", "en", lang)
    overrides = {"paths.memory": str(memory)}
    source = ROOT / "assets" / "train.en.jsonl"
    translate(source, bitext, lang, ROOT / "configs" / "translate.cfg", overrides=overrides)
    found = {"gold": folder / "gold.spacy"}
    write_file(read_docs(ROOT / "assets" / f"train.{lang}.jsonl", blank(lang)), found["gold"])
    for name in ("match", "heuristic"):
        found[name] = folder / f"{name}.spacy"
        project(bitext, found[name], ROOT / "configs" / f"project_{name}.cfg", lang)
    return found


def trained(data: Path, lang: str, seed: int, folder: Path) -> spacy.Language:
    """A pipeline trained on the Docs with `configs/ner_cpu.cfg`."""
    docs = list(read_docs(data, blank(lang)))
    parts = {part: folder / f"{part}.spacy" for part in ("train", "dev")}
    for part, path in parts.items():
        write_file([doc for doc in docs if is_dev(doc.text, SHARE) == (part == "dev")], path)
    overrides = {"nlp.lang": lang, "system.seed": seed, **{f"paths.{part}": str(path) for part, path in parts.items()}}
    train(ROOT / "configs" / "ner_cpu.cfg", folder / "model", overrides=overrides)
    return spacy.load(folder / "model" / "model-best")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--langs", nargs="+", default=["es", "de"])
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = []
    for lang in args.langs:
        gold = list(read_docs(ROOT / "assets" / f"test.{lang}.jsonl", blank(lang)))
        found: dict[str, np.ndarray] = {}
        with tempfile.TemporaryDirectory() as folder:
            for name, path in training_data(lang, Path(folder)).items():
                runs = []
                for seed in range(args.seeds):
                    nlp = trained(path, lang, seed, Path(folder))
                    runs.append(counts(nlp.pipe([nlp.make_doc(doc.text) for doc in gold]), gold))
                found[name] = np.stack(runs)  # (seeds, Docs, 3)
        draws = rng.integers(len(gold), size=(1000, len(gold)))
        reference = f1(found["gold"]).mean()
        for name, runs in found.items():
            ratios = [f1(runs[:, draw]).mean() / f1(found["gold"][:, draw]).mean() for draw in draws]
            low, high = np.percentile(ratios, [2.5, 97.5])
            each = ", ".join(f"{x:.3f}" for x in f1(runs))
            ratio = f"{f1(runs).mean() / reference:.3f} ({low:.3f} to {high:.3f})"
            rows.append([lang, name, f"{f1(runs).mean():.3f}", each, ratio])
    print(table(["language", "labels from", "F1, mean", "F1 of each seed", "ratio to gold (95 %)"], rows))


if __name__ == "__main__":
    main()
