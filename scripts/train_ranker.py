"""The shipped weights of `spacy_xproj.Ranker.v1`, from named data."""

from collections.abc import Sequence

import numpy as np

from scripts.ranker_data import Row
from spacy_xproj.similarities.corpus_stats import CorpusStats
from spacy_xproj.similarities.features import FEATURES
from spacy_xproj.similarities.learning import Group, learn
from spacy_xproj.similarities.ranker import STAGES, Ranker, Scored

L2 = 1e-4
KEEP = 24  # rows a group that the next stage learns from: those that the stage before found likeliest


def right_row(found: Scored, span: int, here: np.ndarray, gold) -> int:
    """The row of the gold answer: of the gold spans of the label the one with most evidence; 0 (null) without."""
    label = found.evidence.pair.spans[span].label
    a, b = found.cells.start[here].tolist(), found.cells.end[here].tolist()
    hits = [k for k, (i, j) in enumerate(zip(a, b)) if (i, j, label) in gold]
    if not hits:
        return 0
    rows = found.rows[here]
    weight = 2 * rows[:, 0] + rows[:, 1] + 0.5 * rows[:, list(FEATURES).index("same_form")]
    return 1 + max(hits, key=lambda k: weight[k])


def groups(ranker: Ranker, row: Row, keep: int = KEEP, lexicon=None, every: int = 1) -> list[Group]:
    """The groups of a row, each with its likeliest candidates."""
    out = []
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


def zero() -> dict[str, np.ndarray]:
    return {stage: np.zeros(len(FEATURES)) for stage in STAGES}


def ranker_of(weights) -> Ranker:
    return Ranker(weights, max_length=15, lexicon=True, floor=0.0)


def train(data: Sequence[Row], l2: float = L2, stages=STAGES, stats=None, prior=None, log=lambda _: None) -> dict[str, np.ndarray]:
    """Learn the weights of all stages.

    data (sequence of Row): The gold projections.
    stats (Optional[dict]): Statistics by (name, links), where they are there already.
    """
    weights = zero()
    if stats is None:
        stats = {(r.name, r.links): CorpusStats(r.pairs) for r in data}
    ranker = ranker_of(weights)
    # a rough model first, which tells the candidates that matter from the others
    every = 4
    sample = [g for r in data for g in groups(ranker, r, 0, every=every)]
    weights["alone"] = learn(sample, l2=1e-3, max_iterations=60)
    del sample
    if "alone" in stages:
        weights["alone"] = learn([g for r in data for g in groups(ranker, r)], l2=l2)
    log("alone")
    weights["corpus"] = weights["alone"]
    found = []
    for r in data:
        ranker.stats = stats[r.name, r.links]
        found += groups(ranker, r)
    weights["corpus"] = learn(found, l2=l2)
    log("corpus")
    if "pairs" not in stages:
        return weights
    found = []
    weights["pairs"] = weights["corpus"]
    for r in data:
        ranker.stats = stats[r.name, r.links]
        found += groups(ranker, r, lexicon=ranker.learn_lexicon(r.pairs))
    weights["pairs"] = learn(found, l2=l2)
    log("pairs")
    return weights
