"""The shipped weights of `spacy_xproj.Ranker.v1`, from named data: `python -m scripts.train_ranker`

Data: every set with gold on both sides of the data folder (XPROJ_DATA) and the shipped corpus, with all links that are
given, with those of Statistical.v1 fitted on the same text, and with worse ones of the same aligner; some of that again
without capitals and likeness of form, with made-up agglutination, or with words cut into pieces.
"""

from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Annotated, Optional

import numpy as np
import typer
from wasabi import msg

from scripts.ranker_data import ROOT, Row, training_rows
from spacy_xproj.similarities.ranker import Ranker
from spacy_xproj.similarities.ranker.corpus import CorpusStats
from spacy_xproj.similarities.ranker.names import PIECES
from spacy_xproj.similarities.ranker.training import Group, gold_groups, learn
from spacy_xproj.similarities.ranker.weights import bounds, write_weights, zero_weights
from spacy_xproj.ty import GoldPair

L2 = 1e-4
KEEP = 12  # rows a group that are learnt from: those that the stage before found likeliest
MOST = 1000  # sentence pairs a row that are learnt from; statistics and lexicon are from all
# How often rows count by their links: few have good links from files, or agglutination, and many the worst
TIMES = {"awesome": 3, "simalign": 3, "eflomal-gdfa": 3, "eflomal-inter": 3, "glued": 2}
WEIGHTS = ROOT / "spacy_xproj" / "similarities" / "ranker" / "weights.json"


def ranker_of(weights: dict[str, np.ndarray], stats: Optional[CorpusStats] = None) -> Ranker:
    ranker = Ranker()
    ranker.start_from(weights)
    ranker.stats = stats
    return ranker


def groups(ranker: Ranker, row: Row, *, keep: int = KEEP, lexicon: bool = False, every: int = 1) -> list[Group]:
    """What a row has to learn from.

    keep (int): Rows a group; 0 is all.
    lexicon (bool): Make a lexicon of the first pass, and take the features of the second.
    every (int): Take every so manieth sentence pair.
    """
    weights = ranker.weight("pairs" if lexicon else "corpus" if ranker.stats else "alone")
    ranker.lexicon = ranker.learn_lexicon(row.pairs) if lexicon else None
    every *= -(-len(row.pairs) // MOST)
    some = [GoldPair(pair, gold) for pair, gold in list(zip(row.pairs, row.gold))[::every]]
    found: dict[int, list[Group]] = {}
    for places, scored in ranker.passes([example.pair for example in some]):
        here = gold_groups(scored.batch, scored.cells, *ranker.rows(scored), [some[k] for k in places])
        for place, each in zip(places, here):
            found[place] = [likeliest(group, weights, keep) for group in each] if keep else each
    times = TIMES.get("glued" if row.links.endswith(" glued") else row.links, 1)
    return [group for place in sorted(found) for group in found[place]] * times


def all_groups(pool: Executor, data: Sequence[Row], rankers: Sequence[Ranker], **settings) -> list[Group]:
    """`groups` of all rows, in their order."""
    return [group for found in pool.map(partial(groups, **settings), rankers, data) for group in found]


def likeliest(group: Group, weights: np.ndarray, keep: int) -> Group:
    """The group with null, the right row, and the `keep` rows that the weights find likeliest."""
    if len(group.rows) <= keep:
        return group
    best = np.argsort(-(group.rows @ weights), kind="stable")[:keep]
    best = np.unique(np.concatenate([[0, group.right], best]))
    return Group(group.rows[best], int(np.searchsorted(best, group.right)))


def train(data: Sequence[Row], l2: float = L2) -> dict[str, np.ndarray]:
    """Learn the weights of all stages: without a corpus, with its statistics, with the lexicon of the stage before.
    Those for text in pieces are learnt apart, near those for words, which must not change for them.

    data (sequence of Row): The gold projections.
    """
    weights = zero_weights()
    within = bounds()
    known = [(row, CorpusStats(row.pairs)) for row in data]
    with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:
        words, pieces = ([each for each in known if (each[1].pieces > 0) == apart] for apart in (False, True))
        gather = partial(all_groups, pool, [row for row, _ in words])
        alone = [ranker_of(weights)] * len(words)
        # A rough model on some of the data first. It tells the candidates that matter from the others.
        weights["alone"] = learn(gather(alone, keep=0, every=4), l2=1e-3, max_iterations=60, bounds=within)
        weights["corpus"] = weights["alone"]
        weights["alone"] = learn(gather(alone), l2=l2, bounds=within)
        rankers = [ranker_of(weights, stats) for _, stats in words]
        weights["corpus"] = learn(gather(rankers), l2=l2, bounds=within, start=weights["corpus"])
        weights["pairs"] = weights["corpus"]
        weights["pairs"] = learn(gather(rankers, lexicon=True), l2=l2, bounds=within, start=weights["pairs"])
        if pieces:
            gather = partial(all_groups, pool, [row for row, _ in pieces])
            rankers = [ranker_of(weights, stats) for _, stats in pieces]
            weights["corpus_pieces"] = weights["corpus"]
            rough = learn(gather(rankers, keep=0, every=4), weights["corpus"], max_iterations=60, bounds=within)
            for stage, name in PIECES.items():
                weights[name] = rough
                rough = weights[name] = learn(
                    gather(rankers, lexicon=stage == "pairs"), weights[stage], l2, bounds=within
                )
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
