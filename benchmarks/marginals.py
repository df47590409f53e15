"""How well spaCy's `ner` tells how sure it is, by each estimate of a distribution: `python -m benchmarks.marginals`

Small English NERs are trained on UNER EWT (test, and dev from sentence 1,000 on) with several seeds, and their
distributions over IOB2 tags are held against the gold of 1,000 other sentences (dev): the entities alone, the parses in
spaCy's beam, and the marginals that `Pipeline.v1` takes; of one NER (mean over the seeds), and the mean of all. NLL is
the mean negative log-likelihood of the gold tag, with probabilities of 0.0001 at least.
"""

import argparse
import random
from pathlib import Path

import numpy as np
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed, minibatch

from spacy_xproj.corpus import read_docs
from spacy_xproj.corpus.pairing import bare_copy
from spacy_xproj.tags import make_tags, spans_to_iob2
from spacy_xproj.teachers.marginals import Moves, marginals

from .common import DATA, table

SENTENCES, EPOCHS, BEAM, BINS = 1000, 6, 64, 15


def trained(docs: list[Doc], seed: int, folder: Path) -> Language:
    """A NER of a seed, from the folder if it is there."""
    if (folder / str(seed)).exists():
        return spacy.load(folder / str(seed))
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    examples = [Example(bare_copy(doc, nlp.vocab), doc) for doc in docs]
    nlp.initialize(lambda: examples)
    for _ in range(EPOCHS):
        random.shuffle(examples)
        for batch in minibatch(examples, 32):
            nlp.update(batch, drop=0.2)
    folder.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(folder / str(seed))
    return nlp


def rows_of(spans: list[tuple[int, int, str]], n: int, tags: list[str]) -> np.ndarray:
    """Entities as one-hot rows."""
    return np.eye(len(tags))[spans_to_iob2(spans, n, tags)]


def estimates(nlp: Language, docs: list[Doc], tags: list[str]) -> dict[str, np.ndarray]:
    """The distributions of all tokens (float array (tokens, tags)) by each estimate."""
    ner = nlp.get_pipe("ner")
    if make_tags(Moves(ner).types) != tags:
        raise ValueError(f"The NER has other types: {Moves(ner).types}")
    hard = [
        rows_of([(e.start, e.end, e.label_) for e in ner(bare_copy(d, nlp.vocab)).ents], len(d), tags) for d in docs
    ]
    beam = []
    for doc, found in zip(docs, ner.beam_parse([bare_copy(d, nlp.vocab) for d in docs], BEAM, 0.0, 0.0)):
        parses = ner.moves.get_beam_parses(found)
        rows = sum(share * rows_of(spans, len(doc), tags) for share, spans in parses)
        beam.append(rows / rows.sum(1, keepdims=True))
    exact = marginals(ner, [bare_copy(d, nlp.vocab) for d in docs])
    return {"hard": np.concatenate(hard), "beam": np.concatenate(beam), "marginals": np.concatenate(exact)}


def measures(probs: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Negative log-likelihood, Brier score and expected calibration error."""
    nll = -np.log(np.maximum(probs[np.arange(len(gold)), gold], 1e-4)).mean()
    brier = ((probs - np.eye(probs.shape[1])[gold]) ** 2).sum(1).mean()
    sure, right = probs.max(1), probs.argmax(1) == gold
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs(sure[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return np.array([nll, brier, sum(gaps)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--output", type=Path, default=Path("metrics/marginals"), help="where the NERs are kept")
    args = parser.parse_args()
    en = spacy.blank("en")
    test, dev = (list(read_docs(DATA / f"uner-en-ewt/{part}.iob2", en, format="iob2")) for part in ("test", "dev"))
    train, held = test + dev[SENTENCES:], dev[:SENTENCES]
    tags = make_tags(sorted({e.label_ for doc in train for e in doc.ents}))
    gold = np.concatenate([rows_of([(e.start, e.end, e.label_) for e in d.ents], len(d), tags) for d in held]).argmax(1)
    found = [estimates(trained(train, seed, args.output), held, tags) for seed in args.seeds]
    rows = []
    for name in found[0]:
        one = np.mean([measures(each[name], gold) for each in found], axis=0)
        together = measures(np.mean([each[name] for each in found], axis=0), gold)
        rows.append([name, *(f"{value:.3f}" for both in zip(one, together) for value in both)])
    columns = [f"{what}, {of}" for what in ("NLL", "Brier", "ECE") for of in ("one", f"{len(found)} together")]
    print(f"trained on {len(train)} sentences, measured on {len(held)}")
    print(table(["estimate", *columns], rows))


if __name__ == "__main__":
    main()
