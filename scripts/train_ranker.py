"""The shipped weights of `spacy_xproj.Ranker.v1`, from named data: `python -m scripts.train_ranker`

Data: every set with gold on both sides of the data folder (XPROJ_DATA) and the shipped corpus, with all links that are
given, with those of Statistical.v1 fitted on the same text, and with worse ones of the same aligner; some of that again
without capitals and likeness of form.
"""

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Annotated, Optional

import numpy as np
import typer
from wasabi import msg

from scripts.ranker_data import ROOT, Row, training_rows
from spacy_xproj.similarities.corpus_stats import CorpusStats
from spacy_xproj.similarities.feature_names import PLACE, zero_weights
from spacy_xproj.similarities.learning import Group, learn
from spacy_xproj.similarities.pair_lexicon import PairLexicon
from spacy_xproj.similarities.ranker import Ranker, Scored, write_weights

L2 = 1e-4
KEEP = 24  # rows a group that are learnt from: those that the stage before found likeliest
MOST = 1000  # sentence pairs a row that are learnt from; statistics and lexicon are from all
WEIGHTS = ROOT / "spacy_xproj" / "similarities" / "ranker_weights.json"


def ranker_of(weights: dict[str, np.ndarray], stats: Optional[CorpusStats] = None) -> Ranker:
    ranker = Ranker(weights, max_length=15, lexicon=True, floor=0.0)
    ranker.stats = stats
    return ranker


def right_row(found: Scored, span: int, here: np.ndarray, gold) -> int:
    """The row of the gold answer: of the gold spans of the label the one with most evidence; 0 (null) without."""
    label = found.evidence.pair.spans[span].label
    a, b = found.cells.start[here].tolist(), found.cells.end[here].tolist()
    hits = [k for k, (i, j) in enumerate(zip(a, b)) if (i, j, label) in gold]
    if not hits:
        return 0
    rows = found.rows[here]
    weight = 2 * rows[:, PLACE["certain"]] + rows[:, PLACE["uncertain"]] + 0.5 * rows[:, PLACE["same_form"]]
    return 1 + max(hits, key=lambda k: weight[k])


def groups(
    ranker: Ranker, row: Row, *, keep: int = KEEP, lexicon: Optional[PairLexicon] = None, every: int = 1
) -> list[Group]:
    """What a row has to learn from.

    keep (int): Rows a group; 0 is all.
    lexicon (Optional[PairLexicon]): For the features of the second pass.
    every (int): Take every so manieth sentence pair.
    """
    out = []
    every *= -(-len(row.pairs) // MOST)
    for pair, gold in list(zip(row.pairs, row.gold))[::every]:
        if not pair.spans or not pair.target:
            continue
        found = ranker.first_pass(pair)
        if lexicon is not None:
            found = ranker.second_pass(found, lexicon)
        for span in range(len(pair.spans)):
            here = np.flatnonzero(found.cells.span == span)
            right = right_row(found, span, here, gold)
            rows = np.concatenate([found.null[span : span + 1], found.rows[here]]).astype("f4")
            if keep and len(rows) > keep:
                best = np.argsort(-found.probs[span], kind="stable")[:keep]
                best = np.unique(np.concatenate([[0, right], best]))
                rows, right = rows[best], int(np.searchsorted(best, right))
            out.append(Group(rows, right))
    return out


def train(data: Sequence[Row], l2: float = L2) -> dict[str, np.ndarray]:
    """Learn the weights of all stages: without a corpus, with its statistics, with the lexicon of the stage before.

    data (sequence of Row): The gold projections.
    """
    weights = zero_weights()
    ranker = ranker_of(weights)
    # A rough model on some of the data first. It tells the candidates that matter from the others.
    weights["alone"] = learn([g for r in data for g in groups(ranker, r, keep=0, every=4)], l2=1e-3, max_iterations=60)
    weights["corpus"] = weights["alone"]
    weights["alone"] = learn([g for r in data for g in groups(ranker, r)], l2=l2)
    stats = [CorpusStats(row.pairs) for row in data]
    rankers = [ranker_of(weights, of_row) for of_row in stats]
    weights["corpus"] = learn([g for r, each in zip(data, rankers) for g in groups(each, r)], l2=l2)
    weights["pairs"] = weights["corpus"]
    found = [g for r, each in zip(data, rankers) for g in groups(each, r, lexicon=each.learn_lexicon(r.pairs))]
    weights["pairs"] = learn(found, l2=l2)
    return weights


def main(
    output: Annotated[Path, typer.Argument(help="JSON file")] = WEIGHTS,
    l2: Annotated[float, typer.Option(help="Strength of the Gaussian prior")] = L2,
) -> None:
    start = perf_counter()
    data = training_rows()
    weights = train(data, l2)
    sources = sorted({f"{row.name}, links of {row.links}" for row in data})
    write_weights(output, weights, {"made_by": "python -m scripts.train_ranker", "data": sources})
    msg.good(f"{len(data)} sets with links, {perf_counter() - start:.0f} s", output)


if __name__ == "__main__":
    typer.run(main)
