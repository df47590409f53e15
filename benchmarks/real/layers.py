"""Which layers of a frozen encoder a model of English takes: `python -m benchmarks.real.layers`

The students of `benchmarks.real.routes` learn from English gold, and are tested on the first 400 sentences of Spanish
and German Europarl, which that benchmark does not report.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.common import ROOT, table
from spacy_xproj.evaluate.bootstrap import counts

from .routes import Work, blind, student
from .tables import HEADER, row
from .texts import gold

LAYERS = ("0,4,8,12", "8")
LANGS = ("es", "de")


def measure(work: Work, seeds: int) -> list[list[str]]:
    """A row for each language."""
    runs: dict[str, list[np.ndarray]] = {lang: [] for lang in LANGS}
    for seed in range(seeds):
        with student(work, "en", gold("en", work.limit), seed) as nlp:
            for lang, found in runs.items():
                test = gold(lang, work.limit)
                found.append(counts(blind(nlp, test), test))
    return [[lang, *row("", np.stack(found))[1:4]] for lang, found in runs.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=ROOT / "weights", help="made by `make weights`")
    parser.add_argument("--encoder", type=Path, help="another one, such as one that `xproj prune` cut")
    parser.add_argument("--work", type=Path, default=ROOT / "metrics" / "routes")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--limit", type=int, default=0, help="sentences of each part, to try the command")
    parser.add_argument("--layers", nargs="+", default=LAYERS, help='such as "8" or "0,4,8,12"')
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    encoder = args.encoder or args.weights / "e5-small"
    rows = []
    for layers in args.layers:
        chosen = [int(layer) for layer in layers.split(",")]
        work = Work(encoder, args.work, args.steps, args.limit, layers=chosen)
        rows += [[layers, *cells] for cells in measure(work, args.seeds)]
    print(table(["layers", "test", *HEADER[1:4]], rows), flush=True)


if __name__ == "__main__":
    main()
