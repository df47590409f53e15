"""Fuzz the readers, the matcher, the solvers, the page, answers and manifests with random and damaged inputs.

    python -m benchmarks.scale.fuzz --inputs 500000 --seeds 1 2 3

Each input is named by its target, seed and number, and made again by them: `--target read:conll --seeds 1 --only 17`.
A finding is any exception that is not the package's own error, and any invariant that does not hold (see
`fuzz_targets.py`). `--coverage` lets atheris choose the inputs of the readers instead, if it is installed."""

import argparse
import functools
import inspect
import json
import random
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import catalogue

from . import fuzz_projection  # noqa: F401  # it adds its targets
from .fuzz_files import read_bytes
from .fuzz_targets import TARGETS

SHOWN = 3  # findings of one kind that are shown


def run_one(name: str, seed: int, number: int, folder: Path) -> str:
    """Try one input.

    name (str): The target.
    seed, number (int): Name the input.
    folder (Path): An empty folder. It is empty again afterwards.
    RETURNS (str): What was found, as a traceback; "" if nothing was.
    """
    try:
        TARGETS[name](random.Random(f"{name} {seed} {number}"), folder)
    except Exception:
        return traceback.format_exc(limit=-12)
    finally:
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return ""


def kind_of(found: str) -> str:
    """The last place and the type of a traceback: findings that agree in it count as one."""
    lines = found.strip().splitlines()
    places = [line.strip() for line in lines if line.lstrip().startswith("File")]
    own = [place for place in places if "spacy_xproj" in place] or places
    return f"{own[-1].partition('spacy_xproj/')[2] or own[-1]}: {lines[-1][:60]}"


def fuzz(targets: list[str], seeds: list[int], inputs: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Try all targets by turns.

    targets (list of str): Their names.
    seeds (list of int): Seeds. The inputs are shared evenly among them.
    inputs (int): How many inputs in all.
    seconds (float): Stop after this many. 0: never.
    folder (Path): Where files are put.
    RETURNS (dict): `inputs` by target, and `findings`: by their kind, how many and the first few.
    """
    done: Counter = Counter()
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    counts: Counter = Counter()
    start = time.monotonic()
    each = inputs // (len(targets) * len(seeds)) or 1
    for number in range(each):
        for seed in seeds:
            for name in targets:
                done[name] += 1
                if error := run_one(name, seed, number, folder):
                    kind = kind_of(error)
                    counts[kind] += 1
                    if len(found[kind]) < SHOWN:
                        found[kind].append((f"--target {name} --seeds {seed} --only {number}", error))
        if seconds and time.monotonic() - start > seconds:
            break
    findings = {kind: {"n": counts[kind], "examples": found[kind]} for kind in sorted(found, key=counts.__getitem__)}
    return {"inputs": dict(done), "seconds": time.monotonic() - start, "findings": findings}


def by_coverage(name: str, seconds: float, folder: Path) -> None:
    """Let atheris choose the bytes of a reader's file: it keeps those that reach new lines of the package.

    name (str): A reader, such as "read:conll".
    seconds (float): How long.
    folder (Path): Where the files are put.
    """
    import atheris

    for module in [module for name, module in sys.modules.items() if name.startswith("spacy_xproj.corpus")]:
        for key, function in [(key, each) for key, each in vars(module).items() if inspect.isfunction(each)]:
            setattr(module, key, atheris.instrument_func(function))
    options = [f"-max_total_time={seconds:.0f}", "-max_len=2000", "-timeout=60"]
    atheris.Setup([sys.argv[0], *options], lambda data: read_bytes(name, data, folder))
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=500_000, help="how many inputs in all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--target", nargs="+", default=[], help="targets, or beginnings of their names; all by default")
    parser.add_argument("--only", type=int, default=-1, help="try the input of this number alone")
    parser.add_argument("--seconds", type=float, default=0, help="stop after this many")
    parser.add_argument("--json", type=Path, help="write what was found to this file")
    parser.add_argument("--coverage", action="store_true", help="let atheris choose the inputs of one reader")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names = [name for name in TARGETS if not options.target or name.startswith(tuple(options.target))]
    if not names:
        parser.error(f"Expected targets out of {', '.join(TARGETS)}.")
    # Each lookup in a registry would search all installed packages anew, which takes most of the time.
    catalogue.Registry._get_entry_points = functools.cache(catalogue.Registry._get_entry_points)
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="xproj-fuzz-", dir=memory) as temporary:
        folder = Path(temporary)
        if options.coverage:
            return by_coverage(names[0], options.seconds or 60, folder)
        if options.only >= 0:
            print(run_one(names[0], options.seeds[0], options.only, folder) or "nothing was found")
            return
        result = fuzz(names, options.seeds, options.inputs, options.seconds, folder)
    for kind, rows in result["findings"].items():
        print(f"\n== {rows['n']} × {kind}")
        for call, error in rows["examples"][:1]:
            print(f"{call}\n{error}")
    print(f"\n{'target':20} inputs")
    for name, n in result["inputs"].items():
        print(f"{name:20} {n:,}")
    total = sum(result["inputs"].values())
    print(f"{'all':20} {total:,} in {result['seconds']:.0f} s; {len(result['findings'])} kinds of findings")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1, ensure_ascii=False), encoding="utf-8")
    raise SystemExit(bool(result["findings"]))


if __name__ == "__main__":
    main()
