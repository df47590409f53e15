"""Label projection, teacher-student, and both: `python -m benchmarks.distillation`

Five studies: 1, the routes of one source; 2, several sources; 3, size and speed; 4, domain shift; 5, checks of
correctness. All students have one config (`configs/student_cpu.cfg`) and the same number of steps, but for study 3.
There are no pretrained weights. F1 is the mean of the seeds; intervals are of the counts of all seeds together, and the
bootstrap draws test sentences. A teacher is the mean of models of all seeds, the same for all students.

Tables (`distillation.md`), all numbers (`study-N.json`) and figures are written to a folder. Training data, results and
the models of teachers are kept there, too: a run that was stopped goes on where it was.
"""

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch: a process is one thread

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Optional

import srsly

from benchmarks.common import DATA, ROOT
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.errors import XprojError
from spacy_xproj.files import replacing

from . import checks, domains, figures, routes, sizes, sources
from .report import report
from .training import Bench

STUDIES = {1: routes.study, 2: sources.study, 3: sizes.study, 4: domains.study, 5: checks.study}
ORDER = (5, 1, 2, 4, 3)  # the checks first, for without them the rest means nothing
STEPS = 200
OUTPUT = ROOT / "metrics" / "distillation"
QUICK = {"limit": 40, "steps": 10}


def write(folder: Path) -> None:
    """Tables and figures of all studies that are in the folder."""
    found = {k: srsly.read_json(path) for k in STUDIES if (path := folder / f"study-{k}.json").exists()}
    try:
        drawn = figures.draw(found, folder)
    except XprojError as err:
        drawn = []
        print(f"# no figures: {err}", flush=True)
    with replacing(folder / "distillation.md") as beside:
        beside.write_text(report(found, [path.name for path in drawn if path.suffix == ".svg"]), encoding="utf-8")
    print(f"# written: {folder}", flush=True)


@handle_errors
def main(args: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", nargs="+", type=int, choices=tuple(STUDIES), default=list(STUDIES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once, each in a process of its own")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--quick", action="store_true", help="a few sentences and steps, to try the command itself")
    given = parser.parse_args(args)
    if not DATA.exists():
        raise XprojError(f"There is no data folder {DATA}. Set XPROJ_DATA.")
    size: dict[str, Any] = QUICK if given.quick else {"steps": STEPS}
    bench = Bench(given.output.resolve(), given.seeds, given.jobs, **size)
    about = {
        "versions": {name: version(name) for name in ("spacy-xproj", "spacy", "thinc", "numpy")},
        "seeds": list(bench.seeds),
        "steps": bench.steps,
        "quick": bench.quick,
    }
    for number in (k for k in ORDER if k in given.studies):
        print(f"# study {number}", flush=True)
        found = {**about, **STUDIES[number](bench)}
        with replacing(given.output / f"study-{number}.json") as beside:
            beside.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        write(given.output)


if __name__ == "__main__":
    main()
