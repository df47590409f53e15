"""Memory and time of `project` by the size of the corpus: `python -m benchmarks.scale memory`. Memory of verbs that
read a corpus as a whole: `python -m benchmarks.scale reading`

The corpora are synthetic (see `corpus`). Peak memory is that of the process, which loads the pipeline, fits it and
processes all shards. Time is CPU time, and that of a pair is what comes on top of `fit`, so that neither the start nor
fitting on a sample, which takes as long for any larger corpus, hides how it grows. Both corpora are larger than the
sample, so that choosing it is in both.
"""

from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

from benchmarks.common import table

from .corpus import write
from .usage import xproj

SIZES = (30_000, 300_000)
LINKS = {"given": (), "Statistical.v1": ("--components.xproj_aligner.overwrite", "true")}
READING = {
    "project --labels": ("project", "pairs", "projected", "--config", "project_ranker", "--labels", "PER,LOC"),
    "split": ("split", "projected", "train", "dev"),
    "convert": ("convert", "projected", "converted"),
}
PLACES = ("pairs", "projected", "train", "dev", "converted")  # folders of a size; the first is kept
GROWTH, MOST, LINEAR = 1.2, 1500, 0.1  # wanted: times the peak of the small corpus; MB; share of the time of a pair


def memory(folder: Path, sizes: Sequence[int] = SIZES, max_fit: int = SIZES[0] // 2) -> bool:
    """Print the table.

    folder (Path): Where corpora and outputs are put. Corpora that are there are used.
    sizes (sequence of int): Sentence pairs of the corpora, the small one first.
    max_fit (int): Sentence pairs that are fitted on.
    RETURNS (bool): Whether all is as it is wanted.
    """
    good, rows = True, []
    for links, override in LINKS.items():
        options = ("--config", "project_ranker", "--max-fit", max_fit, *override)
        found = []
        for size in sizes:
            corpus = write(folder / f"pairs-{size}", size)
            fitted, out = folder / "fitted", folder / "out"
            if not found:
                start = xproj("fit", corpus, fitted, *options)
                rows.append([links, f"{min(size, max_fit):,} (fit alone)", start.peak, "", f"{start.cpu:.0f}", "", ""])
            used = xproj("project", corpus, out, *options)
            for path in (fitted, out, folder / "out.fitted"):
                rmtree(path, ignore_errors=True)
            found.append((used.peak, 1000 * (used.cpu - start.cpu) / size))
            peak, pace = found[-1]
            growth, slower = peak / found[0][0], pace / found[0][1]
            good &= growth <= GROWTH and peak <= MOST and abs(slower - 1) <= LINEAR
            rows.append([links, f"{size:,}", peak, f"{growth:.2f}", f"{used.cpu:.0f}", f"{pace:.2f}", f"{slower:.2f}"])
            print(f"{links}: {size:,} pairs, {peak} MB, {used.cpu:.0f} s", flush=True)
    header = [
        "links",
        "sentence pairs",
        "peak, MB",
        "times the first",
        "CPU, s",
        "ms a pair, fitted",
        "times the first",
    ]
    print(f"\n{table(header, rows)}\n\nWanted: at most {GROWTH} times the memory, {MOST} MB, time within {LINEAR:.0%}.")
    print("All of it holds." if good else "Not all of it holds.")
    return good


def reading(folder: Path, sizes: Sequence[int] = SIZES, max_fit: int = SIZES[0] // 2) -> bool:
    """Print the table of verbs that read a folder of shards to check, to change or to part it. See `memory`."""
    good, rows = True, []
    for size in sizes:
        write(folder / f"pairs-{size}", size)
    for name, words in READING.items():
        first = 0
        for size in sizes:
            given = {place: folder / f"{place}-{size}" for place in PLACES}
            fit = ("--max-fit", max_fit) if words[0] == "project" else ()
            used = xproj(*(given.get(word, word) for word in words), *fit)
            first = first or used.peak
            good &= used.peak <= min(MOST, GROWTH * first)
            rows.append([name, f"{size:,}", used.peak, f"{used.peak / first:.2f}", f"{used.cpu:.0f}"])
            print(f"{name}: {size:,} pairs, {used.peak} MB, {used.cpu:.0f} s", flush=True)
    for path in (path for place in PLACES[1:] for path in folder.glob(f"{place}-*")):
        rmtree(path) if path.is_dir() else path.unlink()
    print(f"\n{table(['verb', 'sentence pairs', 'peak, MB', 'times the first', 'CPU, s'], rows)}\n")
    print(f"Wanted: at most {GROWTH} times the memory, {MOST} MB. {'It holds.' if good else 'It does not hold.'}")
    return good
