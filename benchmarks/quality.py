"""The learned matcher, leave-one-out, against the published methods: `python -m benchmarks.quality`

A figure for a set comes from weights that saw nothing of its language pair (first table) or of its domain (second). The
corpus statistics and the lexicon are learnt, without gold, from the source side, the target text and the links that are
being projected. `Statistical.v1` is fitted on the lines that it aligns.
"""

import argparse
from collections.abc import Iterable, Sequence
from typing import Optional

import numpy as np
from spacy.tokens import Doc

from scripts.ranker_data import STATISTICAL, Row, training_rows
from scripts.train_ranker import ranker_of, train
from spacy_xproj import fit
from spacy_xproj.similarities.corpus_stats import CorpusStats
from spacy_xproj.similarities.feature_names import FEATURES
from spacy_xproj.similarities.ranker import read_weights

from .common import ROWS, config, counts, f1, gold_pair, interval, table

BASELINES = ("project_ref_heuristic.cfg", "project_ref_greedy.cfg", "project_match.cfg")
GIVEN = tuple((name, links) for name, links, *_ in ROWS)
SETS = (*GIVEN, *((name, STATISTICAL) for name in dict.fromkeys(name for name, _ in GIVEN)))
HEADER = [
    *("set", "links", "published heuristic", "published greedy", "Links.v1", "Ranker.v1, first pass", "with lexicon"),
    *("95 %", "gain", "p", "ECE", "precision at 80 %"),
]


def projected(
    name: str, links: str, config_name: str, weights: Optional[dict] = None, lexicon: bool = True
) -> tuple[list[Doc], list[Doc]]:
    """A set's Docs, projected by a config, with the learned matcher where there are weights; and the gold Docs."""
    nlp = config(config_name)
    docs, gold = gold_pair(name, nlp, "" if links == STATISTICAL else links)
    if weights is not None:
        ranker = ranker_of(weights)
        ranker.use_lexicon = lexicon
        nlp.get_pipe("xproj_matcher").similarity = ranker
    fit(nlp, docs)
    return list(nlp.pipe(docs)), gold


def calibration(docs: Iterable[Doc], gold: Iterable[Doc], bins: int = 10) -> tuple[float, float]:
    """Expected calibration error over `bins` equal steps, and the precision of the 80 % with the highest scores."""
    rows = []
    for doc, ref in zip(docs, gold):
        right = {(e.start, e.end, e.label) for e in ref.ents}
        group = doc.spans["xproj"]
        rows += [(score, (s.start, s.end, s.label) in right) for s, score in zip(group, group.attrs["scores"])]
    score, hit = np.array(rows, float).T
    place = np.minimum((score * bins).astype(int), bins - 1)
    error = sum(abs((score - hit)[place == k].sum()) for k in range(bins)) / len(score)
    best = np.argsort(-score, kind="stable")[: int(0.8 * len(score))]
    return float(error), float(hit[best].mean())


def p_value(ours: np.ndarray, theirs: np.ndarray, samples: int = 1000) -> float:
    """Paired bootstrap over Docs: the share of samples in which ours is not the better."""
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(ours), size=len(ours)) for _ in range(samples)]
    return float(np.mean([f1(ours[d]) <= f1(theirs[d]) for d in draws]))


def line(name: str, links: str, weights: dict[str, np.ndarray]) -> tuple[list[str], float]:
    base = [counts(*projected(name, links, each)) for each in BASELINES]
    first = counts(*projected(name, links, "project_match.cfg", weights, lexicon=False))
    docs, gold = projected(name, links, "project_match.cfg", weights)
    ours = counts(docs, gold)
    better = max(base[:2], key=lambda c: float(f1(c)))
    low, high = interval(ours)
    error, precision = calibration(docs, gold)
    gain = 100 * float(f1(ours) - f1(better))
    figures = [f"{f1(c):.4f}" for c in (*base, first, ours)]
    three = [f"{x:.3f}" for x in (p_value(ours, better), error, precision)]
    return [name, links, *figures, f"{low:.3f} to {high:.3f}", f"{gain:+.1f}", *three], gain


def leave_out(data: Sequence[Row], by: str) -> None:
    rows, gains, weights = [], [], {}
    for held in dict.fromkeys(name.split("/")[by == "languages"] for name, _ in SETS):
        weights = train([row for row in data if getattr(row, by) != held])
        for name, links in SETS:
            if name.split("/")[by == "languages"] == held:
                row, gain = line(name, links, weights)
                print("# " + " | ".join(row), flush=True)
                rows.append(row)
                gains += [gain] if links != STATISTICAL else []
    print(f"\n## Leave one out by {by}\n")
    print(table(HEADER, rows))
    print(
        f"\nMean gain over the better published method on given links {np.mean(gains):+.1f}, least {min(gains):+.1f}\n"
    )


def show_weights(data: Sequence[Row], most: int = 30) -> None:
    """The features that weigh most, by the shipped weight times the feature's standard deviation over candidates."""
    weights = read_weights()
    found = []
    for row in data[:3]:
        ranker = ranker_of(weights, CorpusStats(row.pairs))
        found += [ranker.first_pass(pair).rows for pair in row.pairs[:200] if pair.spans]
    worth = weights["corpus"] * np.concatenate(found).std(axis=0)
    names = list(FEATURES)
    best = np.argsort(-np.abs(worth))[:most]
    print("\n## Shipped weights with a corpus, first pass\n")
    lines = [[names[k], f"{worth[k]:+.2f}", FEATURES[names[k]]] for k in best]
    print(table(["feature", "weight · deviation", "meaning"], lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--by", nargs="+", choices=("languages", "domain"), default=["languages", "domain"])
    args = parser.parse_args()
    data = training_rows()
    for by in args.by:
        leave_out(data, by)
    show_weights(data)


if __name__ == "__main__":
    main()
