"""How much faster two workers are than one: `python -m benchmarks.scale speed`

Wall time of `project` with a fitted pipeline that links and matches, least of `--runs`, on a machine with two idle
cores.
"""

from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree

from benchmarks.common import table

from .corpus import write
from .usage import xproj

SIZE, FITTED_ON, RUNS = 300_000, 3000, 1
WAYS: dict[str, tuple[tuple[str, ...], float]] = {
    "one process": ((), 1),
    "--n-process 2": (("--n-process", "2"), 1.7),
    "--n-process 2 --engine ray": (("--n-process", "2", "--engine", "ray"), 1.6),
}


def speed(folder: Path, size: int = SIZE, runs: int = RUNS) -> bool:
    """Print the table.

    folder (Path): Where corpora and outputs are put. Corpora that are there are used.
    size (int): Sentence pairs.
    runs (int): How often each is run.
    RETURNS (bool): Whether all are as fast as they should be.
    """
    corpus, fitted, out = write(folder / f"plain-{size}", size, links=False), folder / "fitted", folder / "out"
    small = write(folder / f"plain-{FITTED_ON}", FITTED_ON, links=False)
    xproj("fit", small, fitted, "--config", "project_ranker")
    best: dict[str, float] = {}
    for _ in range(runs):
        for way, (options, _) in WAYS.items():
            if "ray" in options and find_spec("ray") is None:
                print("Ray is not installed: pip install 'spacy-xproj[ray]'.")
                continue
            wall = xproj("project", corpus, out, "--config", fitted, *options).wall
            best[way] = min(wall, best.get(way, wall))
            print(f"{way}: {wall:.1f} s", flush=True)
            for path in (out, folder / "out.fitted"):
                rmtree(path, ignore_errors=True)
    times = {way: best["one process"] / wall for way, wall in best.items()}
    rows = [
        [f"`{way}`", f"{wall:.1f}", f"{size / wall:,.0f}", f"{times[way]:.2f}", f"{WAYS[way][1]:.1f}"]
        for way, wall in best.items()
    ]
    header = [f"`project` of {size:,} pairs", "s", "pairs a second", "times as fast", "wanted"]
    print(f"\n{table(header, rows)}")
    return all(times[way] >= WAYS[way][1] for way in best)
