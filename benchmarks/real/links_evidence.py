"""Weights of `Ranker.v1` for links of an encoder and for `Context.v1` as evidence.

They start from those without evidence and stay close to them. They are learnt from gold projections along the links of
the encoder, of `Statistical.v1` and of both.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from scripts.ranker_data import Row, gold_docs
from scripts.train_ranker import L2, groups
from spacy_xproj.files import text_hash
from spacy_xproj.similarities.ranker import Ranker
from spacy_xproj.similarities.ranker.corpus import CorpusStats
from spacy_xproj.similarities.ranker.names import PIECES, STAGES, with_parts
from spacy_xproj.similarities.ranker.training import Group, learn
from spacy_xproj.similarities.ranker.weights import bounds, read_weights, write_weights

from ..folds import code_hash
from .links_encoder import KnownContext
from .links_systems import Sets, pairs_of, systems

CONTEXT = "context"
Weights = dict[str, np.ndarray]


def adapted(sets: Sets, base: Weights, names: Sequence[str], every: int) -> tuple[Weights, Weights]:
    """Weights adapted to some sets without evidence, and with it. They are kept in files.

    base (dict of str to float array): Where they start.
    every (int): Learn from every so manieth sentence pair.
    """
    given = {stage: values.tolist() for stage, values in base.items()}
    key = text_hash(repr((code_hash(), sets.key, given, list(names), every)))[:20]
    paths = [sets.folder / "weights" / f"{kind}-{key}.json" for kind in ("plain", CONTEXT)]
    if not all(path.exists() for path in paths):
        print(f"# adapting to {', '.join(names)}", flush=True)
        about = {"made_by": "python -m benchmarks.real.links", "every": every, "data": list(names)}
        plain, full = learnt(base, [*rows(sets, names)], sets.context(names), every)
        write_weights(paths[0], plain, about)
        write_weights(paths[1], full, about, (CONTEXT,))
    return read_weights(str(paths[0])), read_weights(str(paths[1]), (CONTEXT,))


def rows(sets: Sets, names: Sequence[str]) -> Iterator[Row]:
    """Each set with the links of three systems."""
    for name in names:
        gold = gold_docs(name)[1]
        for system, links in systems(sets, name, few=True):
            pairs = [
                pair._replace(links=each.links, scores=each.scores, evidence=each.evidence)
                for pair, each in zip(pairs_of(name), links, strict=True)
            ]
            yield Row(name, system, pairs, gold)


def learnt(base: Weights, data: Sequence[Row], context: KnownContext, every: int) -> tuple[Weights, Weights]:
    """Weights close to `base` that fit the rows: without evidence, and with it."""
    parts = {CONTEXT: context}
    more = len(with_parts(parts)) - len(with_parts())
    start = {stage: np.pad(values, (0, more)) for stage, values in base.items()}
    plain, full = dict(base), dict(start)
    stats = [CorpusStats(row.pairs) for row in data]
    low, high = bounds(parts)
    for stage in STAGES:
        found: list[Group] = []
        for row, known in zip(data, stats):
            ranker = Ranker(evidence=parts)
            ranker.start_from(full)
            ranker.stats = None if stage == "alone" else known
            found += groups(ranker, row, lexicon=stage == "pairs", every=every)
        without = [Group(group.rows[:, :-more], group.right) for group in found]
        plain[stage] = learn(without, base[stage], L2, bounds=(low[:-more], high[:-more]))
        full[stage] = learn(found, start[stage], L2, bounds=(low, high))
    for stage, name in PIECES.items():
        if name in full:  # of text in pieces nothing is learnt here
            full[name] = np.append(base[name], full[stage][-more:])
    return plain, full
