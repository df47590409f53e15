"""Luganda as a new user would do it: parallel text and an English NER in, a packaged pipeline and its score out.

`python -m benchmarks.new_user --model en_core_web_sm` makes a project folder by `xproj init` and runs its steps as
`spacy project run all` does, and for further seeds those from the training on. The parallel text is MAFAND without its
test part, the gold MasakhaNER 2.0. The label map was chosen by the English dev part of Universal NER, without a look at
Luganda: `--map` measures it.
"""

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Optional

import numpy as np
import spacy
import srsly
from spacy.tokens import Doc
from spacy.training import Example

from spacy_xproj.corpus import blank, read_docs
from spacy_xproj.corpus.pairing import bare_copy, gold_doc
from spacy_xproj.evaluate import score
from spacy_xproj.labels import LabelFilter

from .common import DATA, table

LABELS = ("PER", "LOC", "ORG")
MAP = "PERSON=PER,GPE=LOC,FAC=LOC"
TRAINED = ("train", "evaluate", "package")  # the steps that a seed changes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="en_core_web_sm", help="An English pipeline with the labels of OntoNotes.")
    parser.add_argument("--encoder", type=Path, help="The folder of an encoder whose vectors of the words to train on.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="Keep the project folder there.")
    parser.add_argument("--map", action="store_true", help="Only measure label maps on Universal NER.")
    args = parser.parse_args()
    if args.map:
        print(table(("label", *LABELS), label_maps(args.model)))
        return
    with TemporaryDirectory() as folder:
        trial(args.model, args.encoder, args.seeds, args.work or Path(folder))


def trial(model: str, encoder: Optional[Path], seeds: int, work: Path) -> None:
    """Make the project, run it, and print what each command took and how good each seed is."""
    work.mkdir(parents=True, exist_ok=True)
    for side, code in (("source", "en"), ("target", "lug")):
        parts = [(DATA / f"mafand/en-lug/{part}.{code}").read_bytes() for part in ("train", "dev")]
        (work / f"{side}.txt").write_bytes(b"".join(parts))
    files = "--source", "source.txt", "--target", "target.txt", "--gold", str(DATA / "masakha/en-lug/tgt.conll")
    options = "--source-model", model, "--labels", ",".join(LABELS), "--label-map", MAP
    options += ("--encoder", str(encoder.resolve())) if encoder else ()
    took = {"init": run(work, "-m", "spacy_xproj", "init", "luganda", "--lang", "lg", *files, *options)}
    project = work / "luganda"
    steps = srsly.read_yaml(project / "project.yml")["workflows"]["all"]
    scores, strict = [], []
    for seed in range(seeds):
        for step in steps if not seed else TRAINED:
            took[f"{step}, seed {seed}" if step in TRAINED else step] = run(
                project, "-m", "spacy", "project", "run", step, ".", "--vars.seed", str(seed)
            )
        scores.append(srsly.read_json(project / "metrics/scores.json"))
        strict.append(on_gold_tokens(project))
    print(table(("command", "CPU s"), [(name, f"{seconds:.0f}") for name, seconds in took.items()]))
    once = sum(seconds for name, seconds in took.items() if ", seed" not in name or name.endswith("seed 0"))
    print(f"\nFrom files to the wheel: {once:.0f} s of CPU time\n")
    rows = [(f"seed {seed}", *columns(a), *columns(b)[:1]) for seed, (a, b) in enumerate(zip(scores, strict))]
    means = np.mean([[float(x) for x in row[1:]] for row in rows], axis=0)
    print(table(("", "F1", *LABELS, "F1 on gold tokens"), [*rows, ("mean", *(f"{x:.4f}" for x in means))]))
    print(f"\n{next((project / 'packages').rglob('*.whl'))}")


def run(folder: Path, *words: str) -> float:
    """Run Python in a folder. Return the CPU time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], cwd=folder, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{' '.join(words)}: {seconds:.0f} s of CPU time", flush=True)
    return seconds


def columns(scores: dict[str, Any]) -> list[str]:
    """F1 over all labels and of each."""
    return [f"{scores['ents_f']:.4f}", *(f"{scores['ents_per_type'][label]['f']:.4f}" for label in LABELS)]


def on_gold_tokens(project: Path) -> dict[str, Any]:
    """Score the pipeline on the tokens of the gold, as MasakhaNER does. `spacy evaluate` lets the pipeline tokenize."""
    nlp = spacy.load(project / "training/model-best")
    gold = list(read_docs(project / "corpus/gold/test.spacy", nlp))
    docs = nlp.pipe([bare_copy(doc, nlp.vocab) for doc in gold])
    return score([Example(doc, gold_doc(ref, nlp)) for doc, ref in zip(docs, gold)])


def label_maps(model: str) -> list[tuple[str, ...]]:
    """F1 on the dev part of Universal NER with each further label of the model renamed to each of `LABELS`."""
    nlp = spacy.load(model)
    gold = list(read_docs(DATA / "uner-en-ewt/dev.iob2", blank("en"), format="iob2"))
    found = list(nlp.pipe([bare_copy(doc, nlp.vocab) for doc in gold]))
    base = {"PERSON": "PER", "GPE": "LOC"}
    others = sorted({ent.label_ for doc in found for ent in doc.ents} - {*base, *LABELS})
    rows = [("none more", *[f"{mapped_f1(found, gold, base):.4f}"] * 3)]
    return rows + [
        (other, *(f"{mapped_f1(found, gold, {**base, other: label}):.4f}" for label in LABELS)) for other in others
    ]


def mapped_f1(found: list[Doc], gold: list[Doc], names: dict[str, str]) -> float:
    """Strict F1 of entities under other names, those of `LABELS` kept."""
    kept = LabelFilter(LABELS, names)
    spans = [
        (
            {(e.start, e.end, kept(e.label_)) for e in doc.ents if kept(e.label_)},
            {(e.start, e.end, e.label_) for e in ref.ents},
        )
        for doc, ref in zip(found, gold)
    ]
    return 2 * sum(len(a & b) for a, b in spans) / sum(len(a) + len(b) for a, b in spans)


if __name__ == "__main__":
    main()
