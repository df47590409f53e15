"""Bad days, many times over: processes that are killed, disks that are full, files that are damaged, folders that
cannot be written. After each, the same command must give the bytes of an undisturbed run, or one clear error. And
workers that break on a Doc, which must be set aside.

    python -m benchmarks.scale.faults [--part kill] [--times 50] [--verbs "project;convert"] [--seed 0]

It prints a table of counts, and what went wrong. Exit code 1: something did.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes are forked: none may have started threads before

from .breaking import VERBS, broken
from .damage import damaged
from .lab import Lab, Outcome, contents, difference, finished_shards, is_sharded
from .verbs import COMMANDS, ONCE, RAY, SHARDED

SAME, ERROR, WRONG = "same", "error", "WRONG"  # the bytes of an undisturbed run; one clear error
TIMES = {SHARDED: 5}  # times as often as the others
TRIES = 8  # for each kill that counts


class Tables:
    """What came of the faults, counted by part and verb."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], Counter] = {}
        self.problems: list[str] = []

    def add(self, part: str, verb: str, what: str, problem: str = "") -> None:
        """Count one fault, and keep what went wrong."""
        if problem:
            what = WRONG
            self.problems.append(f"{part}, {verb}: {problem}")
        self.counts.setdefault((part, verb), Counter())[what] += 1
        print(".!"[bool(problem)], end="", file=sys.stderr, flush=True)

    def markdown(self) -> str:
        """A table with a row for each verb and a column for each fault, for the docs."""
        faults = [*dict.fromkeys(fault for fault, _ in self.counts)]
        rows = {verb: [verb] for _, verb in self.counts}
        for verb, row in rows.items():
            found = [self.counts.get((fault, verb), Counter()) for fault in faults]
            row += [", ".join(f"{n} {what}" for what, n in sorted(one.items()) if n) or "–" for one in found]
        lines = [("verb", *faults), ["---"] * (1 + len(faults)), *rows.values()]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def kill(lab: Lab, verb: str, times: int, rng: random.Random, tables: Tables) -> None:
    """Kill a command at random moments. It counts if one shard was finished and one was not; where there are no shards,
    if the command had opened a file and was on its way."""
    want, first, whole = lab.undisturbed(verb)
    counted, tries, span = 0, times * TRIES, max(whole - first, 0.001)
    while counted < times and tries:
        tries -= 1
        lab.fresh()
        child = lab.start(COMMANDS[verb])
        while not child.is_begun(verb) and child.is_alive():
            time.sleep(0.0005)
        time.sleep(rng.uniform(0, span))
        if not child.is_alive():
            span /= 2  # the undisturbed run was slower
            continue
        child.kill()
        files, left = finished_shards(lab.work / "out" / "x")
        if is_sharded(verb) and not (files and left):
            span /= 2
            continue
        counted += 1
        before = {file: file.stat().st_mtime_ns for file in files}
        outcome = lab.run(verb)
        problem = wrong(outcome, want, contents(lab.work), may_fail=verb in ONCE)
        if not problem and outcome.code:
            problem = difference(contents(lab.work), want)  # it was in its place already
        if not problem and any(file.stat().st_mtime_ns != then for file, then in before.items()):
            problem = "a finished shard was made anew"
        tables.add("SIGKILL", verb, ERROR if outcome.code else SAME, problem)
    if counted < times:
        tables.add("SIGKILL", verb, "", f"only {counted} of {times} kills came at a moment that counts")


def wrong(outcome: Outcome, want: dict[str, bytes], got: dict[str, bytes], *, may_fail: bool) -> str:
    """Say what is wrong with how a command ended, after a fault that is over, or one that is not; "" if nothing is."""
    if outcome.code == 0:
        return difference(got, want)
    if may_fail and outcome.is_clear:
        return ""
    return f"exit code {outcome.code}: {outcome.text[-3000:]}"


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    """Mount something at a folder for a while."""
    subprocess.run(["mount", *options, str(place)], check=True, capture_output=True, text=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def mount_problem(folder: Path) -> str:
    """Why nothing can be mounted here; "" if it can be."""
    place = folder / "mount"
    place.mkdir()
    try:
        with mounted(place, "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
            return ""
    except (OSError, subprocess.CalledProcessError) as err:
        return str(getattr(err, "stderr", "") or err).strip()


def disk(lab: Lab, verb: str, times: int, rng: random.Random, tables: Tables) -> None:
    """Run a command on disks with too little room, and once more after some was made."""
    want = lab.undisturbed(verb)[0]
    pages = sum(-(-len(data) // 4096) + 1 for name, data in want.items() if name.startswith("out/"))
    for _ in range(times):
        lab.fresh()
        out = lab.work / "out"
        with mounted(out, "-t", "tmpfs", "-o", f"size={rng.randint(1, pages) * 4}k", "tmpfs"):
            outcome = lab.run(verb)
            what = SAME if outcome.code == 0 else ERROR
            problem = wrong(outcome, want, contents(lab.work), may_fail=True)
            left = {name for name in contents(out) if name.endswith((".tmp", ".lock"))}
            if not problem and left:
                problem = f"left over: {', '.join(sorted(left))}"
            subprocess.run(["mount", "-o", "remount,size=100m", str(out)], check=True)
            is_once = verb in ONCE and outcome.code == 0
            if (
                not problem
                and not is_once
                and (problem := wrong(lab.run(verb), want, contents(lab.work), may_fail=False))
            ):
                problem = f"with room again, {problem}"
        tables.add("disk full", verb, what, problem)


def read_only(lab: Lab, verb: str, times: int, rng: random.Random, tables: Tables) -> None:
    """Run a command that cannot write, and once more where it can."""
    want = lab.undisturbed(verb)[0]
    lab.fresh()
    before = contents(lab.work)
    with mounted(lab.work, "--bind", str(lab.work)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(lab.work)], check=True)
        outcome = lab.run(verb)
    problem = "" if outcome.is_clear else f"exit code {outcome.code}: {outcome.text[-3000:]}"
    if not problem and not (problem := difference(contents(lab.work), before)):
        problem = wrong(lab.run(verb), want, contents(lab.work), may_fail=False)
    tables.add("read-only", verb, ERROR, problem)


def damage(lab: Lab, verb: str, times: int, rng: random.Random, tables: Tables) -> None:
    """Damage a file that a command reads or wrote, and run it once more."""
    for kind, problem, what in damaged(lab, verb, times, rng):
        tables.add(kind, verb, what, problem)


def breaking(lab: Lab, verb: str, times: int, rng: random.Random, tables: Tables) -> None:
    """Break the workers of a command that has some."""
    if verb in VERBS:
        for way, problem in broken(lab, verb, times, rng):
            tables.add(way, verb, "set aside", problem)


PARTS = {"kill": kill, "disk": disk, "read-only": read_only, "damage": damage, "break": breaking}


def main(args: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=[*PARTS], action="append", help="only this kind of fault")
    parser.add_argument("--verbs", default="", help="only these, with semicolons between them")
    parser.add_argument("--times", type=int, default=10, help=f"faults a verb; five times as many of {SHARDED}")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(args)
    verbs = [verb.strip() for verb in given.verbs.split(";") if verb.strip()] or [
        verb for verb in COMMANDS if verb != RAY
    ]
    if unknown := [verb for verb in verbs if verb not in COMMANDS]:
        parser.error(f"there is no verb {unknown[0]!r}: {'; '.join(COMMANDS)}")
    tables = Tables()
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder).resolve() / "lab")
        no_mount = mount_problem(lab.folder)
        with suppress(KeyboardInterrupt):  # what was counted is printed
            for part in given.part or PARTS:
                if no_mount and part in ("disk", "read-only"):
                    print(f"{part}: left out, nothing can be mounted here ({no_mount})")
                    continue
                for verb in verbs:
                    begin = time.monotonic()
                    times = given.times * (TIMES.get(verb, 1) if part == "kill" else 1)
                    PARTS[part](lab, verb, times, random.Random(f"{given.seed} {part} {verb}"), tables)
                    print(f" {part} {verb} {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    print(tables.markdown())
    for problem in tables.problems:
        print(f"\n{problem}")
    return bool(tables.problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
