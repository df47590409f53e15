"""Damage files: what a command reads, and what it wrote before it runs once more."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from .lab import Contents, Lab, Outcome, contents, difference, finished_shards, is_sharded
from .verbs import COMMANDS, ONCE

KINDS = ("truncated", "bit-flipped", "swapped")
CHECKED = ("shards/", "fitted/")  # folders of ours, which tell when a file in them is not as it was written


def damaged(lab: Lab, verb: str, times: int, rng: random.Random) -> Iterator[tuple[str, str, str]]:
    """Damage files at random.

    lab (Lab), verb (str): The verb whose command runs.
    times (int): How often, for each kind of damage, to what is read and to what is written.
    rng (random.Random): Chooses file, kind and place.
    YIELDS (str, str, str): The kind; what went wrong, or ""; and what came of it.
    """
    want = lab.undisturbed(verb)[0]
    states = [state for half in (False, True) if (state := _state(lab, verb, half))]
    for kind in KINDS:
        for _ in range(times):
            yield f"{kind} input", *_input(lab, verb, kind, rng, want)
        for _ in range(times if states else 0):
            yield f"{kind} output", *_output(lab, verb, kind, rng, want, rng.choice(states))


def _state(lab: Lab, verb: str, half: bool) -> Path | None:
    """A folder after a command, or after one that was killed half-way; None if there is no such."""
    lab.fresh()
    if half:
        if not is_sharded(verb):
            return None
        child = lab.start(COMMANDS[verb])
        while child.is_alive() and not child.is_begun(verb):
            pass
        child.kill()
        if not finished_shards(lab.work / "out" / "x")[1]:
            return None
    else:
        lab.run(verb)
    state = lab.folder / "states" / f"{verb} {half}"
    shutil.rmtree(state, ignore_errors=True)
    shutil.copytree(lab.work, state)
    return state


def _damage(path: Path, others: list[Path], kind: str, rng: random.Random) -> str:
    """Damage a file, and say how. A file is swapped with another one of its kind, or takes over its content."""
    data = path.read_bytes()
    if kind == "swapped":
        others = [other for other in others if other != path and other.read_bytes() != data]
        like = [other for other in others if other.suffix == path.suffix] or others
        if not like:
            return ""
        other = rng.choice(like)
        path.write_bytes(other.read_bytes())
        if other.suffix == path.suffix:
            other.write_bytes(data)
        return f"{path.name} swapped with {other.name}"
    if not data:
        return ""
    place = rng.randrange(len(data))
    if kind == "truncated":
        path.write_bytes(data[:place])
        return f"{path.name} cut to {place} of {len(data)} bytes"
    bit = rng.randrange(8)
    path.write_bytes(data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :])
    return f"{path.name} with bit {bit} of byte {place} flipped"


def _files(lab: Lab, words: str) -> list[Path]:
    """The inputs that a command names."""
    named = [lab.work / word for word in words.split() if not word.startswith("out/") and (lab.work / word).exists()]
    return sorted(file for path in named for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def _input(lab: Lab, verb: str, kind: str, rng: random.Random, want: Contents) -> tuple[str, str]:
    lab.fresh()
    files = _files(lab, COMMANDS[verb])
    if not files:
        return "", "same"
    path = rng.choice(files)
    near = path.relative_to(lab.work).as_posix().startswith(CHECKED)
    how = _damage(path, [file for file in files if not near or file.parent == path.parent], kind, rng)
    before = contents(lab.work)
    outcome = lab.run(verb)
    if problem := _problem(outcome, before, contents(lab.work)):
        return f"{how}: {problem}", ""
    what = "error"
    if outcome.code == 0:
        is_same = _outputs(contents(lab.work)) == _outputs(want)
        if not is_same and (near or (path.suffix == ".spacy" and kind != "swapped")):
            return f"{how}, and nobody noticed", ""
        what = "same" if is_same else "other text"
    for file in files:
        shutil.copy(lab.inputs / file.relative_to(lab.work), file)
    if verb in ONCE or verb == "memory":  # what was in a damaged text is in the memory now, beside the rest
        lab.fresh()
    again = lab.run(verb)
    if again.code:
        return f"{how}, and mended: exit code {again.code}: {again.text[-3000:]}", ""
    problem = difference(_outputs(contents(lab.work)), _outputs(want))
    return (f"{how}, and mended: {problem}" if problem else "", what)


def _output(lab: Lab, verb: str, kind: str, rng: random.Random, want: Contents, state: Path) -> tuple[str, str]:
    lab.fresh(state)
    files = sorted(file for file in (lab.work / "out").rglob("*") if file.is_file() and file.suffix != ".db")
    if not files:
        return "", "same"
    how = _damage(rng.choice(files), files, kind, rng)
    before = contents(lab.work)
    outcome = lab.run(verb)
    if problem := _problem(outcome, before, contents(lab.work)):
        return f"{how}: {problem}", ""
    if outcome.code == 0 and (problem := difference(contents(lab.work), want)):
        return f"{how}: {problem}", ""
    return "", "error" if outcome.code else "same"


def _problem(outcome: Outcome, before: Contents, after: Contents) -> str:
    """Say what is wrong with how a command ended that met a damaged file; "" if nothing is."""
    if outcome.code == 0:
        return "" if "Traceback" not in outcome.text else outcome.text[-3000:]
    if not outcome.is_clear:
        return f"exit code {outcome.code}: {outcome.text[-3000:]}"
    lost = [name for name, data in before.items() if after.get(name) != data and ".lock" not in name]
    return f"after the error, changed or lost: {', '.join(lost)}" if lost else ""


def _outputs(found: Contents) -> Contents:
    return {name: data for name, data in found.items() if name.startswith("out/")}
