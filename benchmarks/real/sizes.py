"""Size, speed and F1 of a NER with and without what an encoder knows: `python -m benchmarks.real.sizes`

Each learns in the same number of steps from the Spanish news text (NTREX) onto which `python -m benchmarks.real.routes`
projected entities, and is tested on Spanish Europarl. Word vectors are made for the words of both texts. A pipeline is
saved, loaded, and reads the test text on one thread; nothing is cached then.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch: a process is one thread

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import spacy
from confection import Config
from spacy.tokens import Doc

from benchmarks.common import ROOT, best_of, table
from benchmarks.distillation.data import unlabeled
from spacy_xproj.corpus import write_file
from spacy_xproj.evaluate.bootstrap import counts
from spacy_xproj.runs.vectors import make_vectors

from .routes import Work, blind, kept_docs, trained
from .tables import HEADER, row

NAMES = ("ner_cpu", "ner_cpu_vectors", "ner_frozen")
SPEED = 200  # sentences


def config(work: Work, name: str, vectors: Path) -> Config:
    if name == "ner_frozen":
        return work.config("es", name)
    made = Config().from_disk(ROOT / "configs" / f"{name}.cfg", interpolate=False)
    made["nlp"]["lang"] = "es"
    if name == "ner_cpu_vectors":
        made["paths"]["vectors"] = str(vectors)
    return made


def words_a_second(folder: Path, docs: list[Doc]) -> float:
    nlp = spacy.load(folder)
    least = best_of(2, lambda: list(blind(nlp, docs)), time.process_time)
    return sum(map(len, docs)) / least


def measure(work: Work, name: str, docs: list[Doc], seeds: int, vectors: Path) -> list[str]:
    """F1, size on disk, CPU time of the training, words a second."""
    test, runs, seconds = work.target("es").test, [], []
    for seed in range(seeds):
        start = time.process_time()
        with trained(config(work, name, vectors), docs, seed, work.steps) as nlp, TemporaryDirectory() as folder:
            seconds.append(time.process_time() - start)
            runs.append(counts(blind(nlp, test), test))
            if seed == 0:
                nlp.to_disk(folder)
                size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
                speed = words_a_second(Path(folder), test[:SPEED])
    cells = row(name, np.stack(runs))
    return [*cells, f"{size / 1e6:.1f}", f"{np.mean(seconds):.0f}", f"{speed:,.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=ROOT / "weights", help="made by `make weights`")
    parser.add_argument("--encoder", type=Path, help="another one, such as one that `xproj prune` cut")
    parser.add_argument("--work", type=Path, default=ROOT / "metrics" / "routes", help="that of benchmarks.real.routes")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--limit", type=int, default=0)
    args = parser.parse_args()
    work = Work(args.encoder or args.weights / "e5-small", args.work, args.steps, args.limit)
    docs = kept_docs(work, "projected es 0", list)
    vectors, texts = work.folder / "vectors-es", work.folder / "texts-es.spacy"
    write_file([unlabeled(doc) for doc in (*docs, *work.target("es").test)], texts)
    make_vectors([texts], vectors, work.encoder, "es", device="cpu")
    header = [*HEADER, "MB on disk", "training, CPU s", "words a second"]
    print(table(header, [measure(work, name, docs, args.seeds, vectors) for name in NAMES]), flush=True)


if __name__ == "__main__":
    main()
