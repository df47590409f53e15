"""What it takes to fine-tune an encoder on a CPU: `python -m benchmarks.real.finetuning --encoder FOLDER`

Trains `ner_trf` or `student_trf` on 3,000 English sentences of UNER, scored on the part that `benchmarks.source_ner`
stops by, with evaluations in between. The learning rate rises for a tenth of the steps and then falls to 0. Prints the
memory of the process (GB) and the CPU time after each evaluation, then peak memory, CPU time and F1. One thread.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Optional

import numpy as np
import spacy
from spacy.cli.train import train

from benchmarks.common import ROOT, table
from benchmarks.source_ner import EN, SHARE, TEXTS, english
from spacy_xproj.corpus import write_file
from spacy_xproj.runs.split import is_dev

CONFIGS = ("ner_trf", "student_trf")


class Step(NamedTuple):
    """After a step: memory now and at most so far (GB), CPU time since the first step (s), and what an evaluation says
    (dict, or None)."""

    memory: float
    peak: float
    seconds: float
    info: Optional[dict[str, Any]]


def memory() -> tuple[float, float]:
    """Memory of this process, now and at most so far (GB). Linux."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    sizes = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if "kB" in value}
    return int(sizes["VmRSS"]) / 1e6, int(sizes["VmHWM"]) / 1e6


STEPS: list[Step] = []


@spacy.registry.loggers("benchmarks.finetuning.v1")
def make_logger() -> Callable:
    """A logger for `[training.logger]` that adds to `STEPS`."""

    def setup(nlp: Any, *streams: Any) -> tuple[Callable, Callable]:
        start = time.process_time()

        def log(info: Optional[dict[str, Any]]) -> None:
            STEPS.append(Step(*memory(), time.process_time() - start, info))
            if info:
                print("#", *line(len(STEPS), STEPS[-1]), flush=True)

        return log, lambda: None

    return setup


def line(number: int, step: Step) -> list[str]:
    assert step.info is not None
    score = step.info["other_scores"]["ents_f"]
    cells = [f"{step.info['words'] / 1000:.0f}", f"{step.memory:.2f}", f"{step.peak:.2f}", f"{step.seconds:.0f}"]
    return [str(number), str(step.info["epoch"]), *cells, f"{score:.3f}"]


def run(config: str, encoder: Path, steps: int, every: int, limit: int) -> None:
    STEPS.clear()
    docs = english(TEXTS[0])
    parts = {part: [doc for doc in docs if is_dev(doc.text, SHARE) == (part == "dev")] for part in ("train", "dev")}
    rate = "training.optimizer.learn_rate"
    settings: dict[str, Any] = {
        "nlp.lang": EN.lang,
        "paths.transformer": str(encoder),
        "training.max_steps": steps,
        "training.eval_frequency": every,
        "training.patience": 0,
        "training.logger": {"@loggers": "benchmarks.finetuning.v1"},
        f"{rate}.warmup_steps": steps // 10,
        f"{rate}.total_steps": steps,
    }
    with TemporaryDirectory() as folder:
        for part, some in parts.items():
            path = Path(folder) / f"{part}.spacy"
            write_file(some[:limit], path)
            settings[f"paths.{part}"] = str(path)
        train(ROOT / "configs" / f"{config}.cfg", Path(folder) / "out", overrides=settings)
    print(table(["step", "epoch", "1,000 words", "GB now", "GB peak", "CPU s", "F1"], rows()))
    print(f"\n{config}, {encoder.name}: {summary()}")


def rows() -> list[list[str]]:
    return [line(number, step) for number, step in enumerate(STEPS, 1) if step.info]


def summary() -> str:
    """Peak memory, how it grows, CPU time of 1,000 words without the evaluations, and F1."""
    *_, (number, last) = ((number, step) for number, step in enumerate(STEPS, 1) if step.info)
    assert last.info is not None
    spans = np.diff([0.0, *(step.seconds for step in STEPS)])
    plain = np.mean([seconds for seconds, step in zip(spans, STEPS) if not step.info])
    half = STEPS[len(STEPS) // 2 :]
    growth = np.polyfit(range(len(half)), [step.memory for step in half], 1)[0]
    return (
        f"peak {last.peak:.2f} GB; {1000 * growth:+.1f} MB a step in the second half; "
        f"{plain * number / last.info['words'] * 1000:.1f} s of CPU time for 1,000 words of training; "
        f"F1 {last.info['other_scores']['ents_f']:.3f} after {number} steps"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, default=ROOT / "weights" / "e5-small")
    parser.add_argument("--config", choices=CONFIGS, default=CONFIGS[0])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--every", type=int, default=25, help="steps between evaluations")
    parser.add_argument("--limit", type=int, default=3000, help="sentences to train on")
    args = parser.parse_args()
    run(args.config, args.encoder, args.steps, args.every, args.limit)


if __name__ == "__main__":
    main()
