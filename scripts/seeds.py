"""Train a config on each kind of labels with several seeds and score each on gold: one seed says little of so small a
corpus.

A score file is as that of `spacy evaluate`, of means over the seeds, with each seed's F1 and an interval over the
gold Docs beside it. All seeds train for the same number of steps, and the last model counts: on a few development
sentences, chance decides which one is best. As many trainings run side by side as there are processors.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch, here and in the processes that train

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from itertools import islice, repeat
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Optional

import numpy as np
import spacy
import typer
from spacy.cli.train import train
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Example

from spacy_xproj.cli.common import handle_errors
from spacy_xproj.corpus import blank, read_docs
from spacy_xproj.errors import InputError
from spacy_xproj.evaluate.bootstrap import counts, f1, interval
from spacy_xproj.files import write_json

STEPS = 300  # with 200, F1 on the test data of the demo is .04 lower
Job = tuple[Path, dict[str, Any], int]  # training config, overrides, seed


def trained(config: Path, overrides: dict[str, Any], seed: int = 0) -> Language:
    """Train a config in silence, and return the last model. `paths.dev` is `paths.train`: nothing is chosen by it."""
    steps = overrides.get("training.max_steps", STEPS)
    fixed = {"training.max_steps": steps, "training.eval_frequency": steps, "training.patience": 0}
    paths = {"paths.dev": overrides["paths.train"], "corpora.dev.limit": 1, "system.seed": seed}
    with TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        train(config, Path(folder), overrides={**overrides, **fixed, **paths})
        return spacy.load(Path(folder) / "model-last")


def found_by(job: Job, gold: Path) -> list[bytes]:
    """What the model of a job finds in the texts of gold Docs, as bytes of Docs."""
    nlp = trained(*job)
    return [doc.to_bytes() for doc in nlp.pipe([nlp.make_doc(doc.text) for doc in read_docs(gold, nlp)])]


def runs(jobs: Sequence[Job], gold: Path) -> Iterator[list[Doc]]:
    """The Docs that `found_by` gives for each job, in order."""
    vocab = blank("xx").vocab
    workers = min(len(jobs), len(os.sched_getaffinity(0)))
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for found in pool.map(found_by, jobs, repeat(gold)):
            yield [Doc(vocab).from_bytes(content) for content in found]


def mean_scores(docs: Sequence[Sequence[Doc]], gold: Sequence[Doc]) -> dict[str, Any]:
    """The means of spaCy's scores over runs, each run's F1, and the 95 % interval of their mean over the Docs."""
    scores = [Scorer.score_spans(map(Example, run, gold), "ents") for run in docs]
    labels = sorted({label for score in scores for label in score["ents_per_type"]})
    tables = np.stack([counts(run, gold) for run in docs])
    return {
        **{key: float(np.mean([score[key] for score in scores])) for key in ("ents_p", "ents_r", "ents_f")},
        "ents_per_type": {
            label: {
                key: float(np.mean([s["ents_per_type"].get(label, {}).get(key, 0.0) for s in scores])) for key in "prf"
            }
            for label in labels
        },
        "ents_f_seeds": [float(x) for x in f1(tables)],
        "ents_f_interval": interval(tables.sum(axis=0)),
    }


def labels_f1(path: Path, gold: Path) -> float:
    """F1 of the labels of Docs, against those of the Docs of the same text.

    RAISES (InputError): If there is no such Doc.
    """
    nlp = blank("xx")
    right = {doc.text: doc for doc in read_docs(gold, nlp)}
    docs = list(read_docs(path, nlp))
    if missing := next((doc.text for doc in docs if doc.text not in right), None):
        raise InputError(gold, f"Expected a Doc of each text of {path}, and there is none of {missing[:60]!r}.")
    return float(f1(counts(docs, [right[doc.text] for doc in docs])))


@handle_errors
def main(
    gold: Annotated[Path, typer.Argument(help="Gold Docs to score on, .spacy.", exists=True)],
    output: Annotated[Path, typer.Argument(help="Where scores are written: of NAME to OUTPUT.NAME.json.")],
    labels: Annotated[list[str], typer.Argument(help="NAME=DOCS.spacy, one or more: labeled Docs to train on.")],
    config: Annotated[Path, typer.Option(help="Training config.", exists=True)],
    lang: Annotated[str, typer.Option(help="Language of the pipeline.")],
    vectors: Annotated[Optional[Path], typer.Option(help="Pipeline with word vectors.", exists=True)] = None,
    labeled: Annotated[
        Optional[Path], typer.Option(help="The same Docs with gold labels, .spacy.", exists=True)
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="How many steps each trains.")] = STEPS,
) -> None:
    overrides: dict[str, Any] = {"nlp.lang": lang, "training.max_steps": steps}
    if vectors:
        overrides["paths.vectors"] = str(vectors)
    data = {name: Path(path) for name, _, path in (each.partition("=") for each in labels)}
    quality = {name: {"labels_f": labels_f1(path, labeled)} if labeled else {} for name, path in data.items()}
    jobs = [(config, {**overrides, "paths.train": str(path)}, seed) for path in data.values() for seed in range(seeds)]
    found, right = runs(jobs, gold), list(read_docs(gold, blank(lang)))
    for name in data:
        scores = mean_scores(list(islice(found, seeds)), right)
        write_json(output.with_name(f"{output.name}.{name}.json"), {**quality[name], **scores})


if __name__ == "__main__":
    typer.run(main)
