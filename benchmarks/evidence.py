"""What each kind of evidence adds to the learned matcher: `python -m benchmarks.evidence`

Three tables. First, each group of the fixed features of `Ranker.v1` left out, and the weights learnt anew. Second, a
part of further evidence added, and the weights learnt anew, for those that need no pretrained model. Third, published
figures for those that do. No weights saw anything of the language pair that they are measured on. They are learnt from
one sentence pair in `--every` (statistics and lexicon from all), and not from the weakest links.

What the parts have to go on: Labels.v1 a small NER trained without gold on projections (by `Links.v1`) of the other
half of the set; the views `forward` and `reverse` Statistical.v1, fitted on the set; Lexicon.v1 the set; Context.v1 the
encoder in the folder `--encoder`, such as one that `xproj tune` made, or in `--encoder`/en-es and so on.
"""

import argparse
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple, Optional

import numpy as np
import spacy
import srsly
from spacy.cli.train import train as spacy_train
from spacy.tokens import Doc

from scripts.ranker_data import GIVEN, STATISTICAL, Row, sentence_pairs, training_rows
from scripts.train_ranker import L2, groups, ranker_of
from spacy_xproj.aligners.statistical import StatisticalAligner
from spacy_xproj.bitext import SentencePair
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.corpus import write_file
from spacy_xproj.corpus.pairing import bare_copy
from spacy_xproj.errors import XprojError
from spacy_xproj.evaluate.bootstrap import counts, difference, f1, interval
from spacy_xproj.files import replacing
from spacy_xproj.similarities.labels import Entity, Labels
from spacy_xproj.similarities.lexicon import Lexicon
from spacy_xproj.similarities.links import LinkSimilarity
from spacy_xproj.similarities.ranker import Ranker
from spacy_xproj.similarities.ranker.corpus import CorpusStats, pair_key
from spacy_xproj.similarities.ranker.model import Known as KnownFeatures
from spacy_xproj.similarities.ranker.names import FEATURES, GROUPS, PART, STAGES, with_parts
from spacy_xproj.similarities.ranker.training import Group, learn
from spacy_xproj.similarities.ranker.weights import bounds, zero_weights
from spacy_xproj.similarities.surface import SurfaceSimilarity

from .common import DATA, ROOT, config
from .evidence_report import report
from .folds import group
from .linked import linked, payloads

OUTPUT = ROOT / "metrics" / "evidence"
KEEP = 12  # rows a group that are learnt from
ADDED = {
    "Labels.v1": ("labels",),
    "Links.v1, views of Statistical.v1": ("forward", "reverse"),
    "Surface.v1": ("surface",),
    "Lexicon.v1": ("lexicon",),
    "Context.v1": ("context",),
}


class Target(NamedTuple):
    """A set with the links of one aligner, to measure on."""

    name: str
    links: str
    docs: list[Doc]
    gold: list[Doc]


# What the parts know of a set


class Known(Labels):
    """`Labels.v1` with the entities of each sentence given."""

    def __init__(self, found: dict[tuple[str, ...], list[Entity]]):
        super().__init__("", {}, other_label=0.5, discard_labels=False, spans_key="")
        self.found = found

    def predict(self, target: tuple[str, ...]) -> list[Entity]:
        return self.found.get(target, [])


@cache
def entities(name: str, links: str, steps: int) -> dict[tuple[str, ...], list[Entity]]:
    """What NERs find in the target sentences of a set, each in the half that it was not trained on. What they were
    trained on are projections by `Links.v1`."""
    docs, _ = linked(name, links, config("project_match.cfg"))
    nlp = config("project_match.cfg")
    docs = list(nlp.get_pipe("xproj_matcher").pipe(docs))  # type: ignore[attr-defined]
    plain = [bare_copy(doc, doc.vocab) for doc in docs]
    for doc, other in zip(plain, docs):
        doc.ents = [spacy.tokens.Span(doc, e.start, e.end, label=e.label_) for e in other.ents]
    found: dict[tuple[str, ...], list[Entity]] = {}
    for half in (0, 1):
        with tempfile.TemporaryDirectory() as folder:
            ner = trained(plain[half::2], Path(folder), steps)
            for doc in ner.pipe([Doc(ner.vocab, words=[t.text for t in doc]) for doc in plain[1 - half :: 2]]):
                found[tuple(t.text for t in doc)] = [(e.start, e.end, e.label_, 1.0) for e in doc.ents]
    return found


def trained(docs: Sequence[Doc], folder: Path, steps: int) -> spacy.Language:
    """A NER trained on some Docs, one in eight of them to choose among its steps."""
    parts = {"dev": docs[::8], "train": [doc for k, doc in enumerate(docs) if k % 8]}
    for part, some in parts.items():
        write_file(some, folder / f"{part}.spacy")
    settings = {"training.max_steps": steps, "training.eval_frequency": max(steps // 4, 1)}
    paths = {f"paths.{part}": str(folder / f"{part}.spacy") for part in parts}
    with redirect_stdout(StringIO()):
        spacy_train(ROOT / "configs" / "ner_cpu.cfg", folder / "model", overrides={**settings, **paths})
    return spacy.load(folder / "model" / "model-last")


@cache
def directed(name: str) -> list[dict[tuple[int, int], tuple[float, float]]]:
    """For each sentence pair of a set how probable `Statistical.v1` finds its links in both directions."""
    docs, _ = linked(name, (*GIVEN[name], STATISTICAL)[0], config("project_match.cfg"))
    pairs = sentence_pairs(docs)
    aligner: Any = StatisticalAligner(threshold=0.0)
    aligner.fit(pairs)
    return [
        dict(zip(map(tuple, each.links.tolist()), zip(each.evidence["forward"], each.evidence["reverse"])))
        for each in aligner(pairs)
    ]


def with_views(name: str, pairs: Sequence[SentencePair]) -> list[SentencePair]:
    """The sentence pairs of a set with what `Statistical.v1` says of their links, whoever made them."""
    out = []
    for pair, known in zip(pairs, directed(name), strict=True):
        rows = [known.get(tuple(link), (0.0, 0.0)) for link in pair.links.tolist()]
        views = np.array(rows, "f4").reshape(-1, 2).T
        out.append(pair._replace(evidence={"forward": views[0], "reverse": views[1]}))
    return out


def parts_of(name: str, labeled: Sequence[str], steps: int, encoder: Optional[Path]) -> dict[str, Any]:
    """The parts for one set."""
    known = entities(name, (*GIVEN[name], STATISTICAL)[0], steps) if name in labeled else {}
    parts: dict[str, Any] = {
        "labels": Known(known),
        "forward": LinkSimilarity(view="forward"),
        "reverse": LinkSimilarity(view="reverse"),
        "surface": SurfaceSimilarity(threshold=0.0),
        "lexicon": Lexicon(),
    }
    if encoder is not None:
        parts["context"] = in_context(encoder, name.split("/")[1])
    return parts


def in_context(folder: Path, languages: str) -> Any:
    """`Context.v1` with the encoder of a folder, or with that of a pair of languages in it; for others a part that says
    nothing."""
    from spacy_xproj.similarities.context import ContextSimilarity

    if not (folder / "config.json").exists():
        folder = folder / languages
    if not folder.exists():
        return Known({})
    layers = srsly.read_json(folder / "config.json")["num_hidden_layers"]
    return ContextSimilarity(str(folder), layer=max(layers // 2, 1), threshold=0.0)


# Learning and measuring


class Remembering(Ranker):
    """A `Ranker` that computes the features of a sentence pair once. Its weights can change."""

    def __init__(self, parts: dict[str, Any], pairs: Sequence[SentencePair]):
        super().__init__(evidence=parts)
        self.start_from(zero_weights(parts))
        self._known: dict[tuple[int, ...], KnownFeatures] = {}
        self.evidence.fit(list(pairs))
        self.stats = CorpusStats(pairs)
        self.prepare(pairs)

    def first_pass(
        self,
        pairs: Sequence[SentencePair],
        candidates: Optional[Sequence[Optional[np.ndarray]]] = None,
        *,
        alone: bool = False,
        skip: Collection[str] = (),
    ) -> KnownFeatures:
        key = tuple(map(pair_key, pairs))
        if key not in self._known:
            self._known[key] = super().first_pass(pairs, candidates, alone=alone)
        return self._known[key]

    def forget(self) -> None:
        self._known = {}


class Learner:
    """All that there is to learn from without one language pair, its rows built once.

    names (tuple of str): The features of a row.
    stages (dict): For each stage the groups.
    """

    def __init__(self, rows: Sequence[Row], parts_for: Callable[[str], dict[str, Any]], every: int):
        parts = parts_for(rows[0].name)
        self.names, self.parts = with_parts(parts), list(parts)
        rough = zero_weights()
        plain = [ranker_of(rough)] * len(rows)
        some = [g for ranker, row in zip(plain, rows) for g in groups(ranker, row, keep=0, every=4 * every)]
        start = learn(some, l2=1e-3, max_iterations=60, bounds=bounds())
        start = np.pad(start, (0, len(self.names) - len(start)))
        rankers = []
        self.stages: dict[str, list[Group]] = {"corpus": [], "pairs": []}
        for row in rows:
            ranker = Remembering(parts_for(row.name), row.pairs)
            ranker.start_from(dict.fromkeys(STAGES, start))
            self.stages["corpus"] += groups(ranker, row, keep=KEEP, every=every)
            ranker.forget()
            rankers.append(ranker)
        weights = self.learn("corpus", range(len(FEATURES)))
        for ranker, row in zip(rankers, rows):
            ranker.start_from(dict.fromkeys(STAGES, weights))
            self.stages["pairs"] += groups(ranker, row, keep=KEEP, lexicon=True, every=every)
            ranker.forget()

    def learn(self, stage: str, columns: Sequence[int]) -> np.ndarray:
        """The weights of a stage, those of other columns 0."""
        where = np.array(columns)
        some = [Group(group.rows[:, where], group.right) for group in self.stages[stage]]
        low, high = (bound[where] for bound in bounds(self.parts))
        weights = np.zeros(len(self.names))
        weights[where] = learn(some, l2=L2, bounds=(low, high))
        return weights

    def weights(self, columns: Sequence[int]) -> dict[str, np.ndarray]:
        """Those of all stages. Without a corpus nothing is measured."""
        return {"alone": np.zeros(len(self.names)), **{stage: self.learn(stage, columns) for stage in self.stages}}


@cache
def matcher() -> Any:
    return config("project_ranker.cfg").get_pipe("xproj_matcher")


def project(ranker: Remembering, target: Target, pairs: Sequence[SentencePair], weights: dict) -> np.ndarray:
    """The counts of a set, projected with some weights."""
    ranker.start_from(weights)
    ranker.lexicon, ranker.voter = ranker.learn_lexicon(pairs), ranker.weight("corpus")
    ranker._warned = True
    pipe = matcher()
    pipe.similarity = ranker
    return counts(list(pipe.pipe([doc.copy() for doc in target.docs])), target.gold)


def target_of(name: str, links: str) -> Target:
    """A set to measure on, with views of its links."""
    docs, gold = linked(name, links, config("project_match.cfg"))
    for doc, pair in zip(docs, with_views(name, sentence_pairs(docs)), strict=True):
        doc._.xproj = doc._.xproj.replace(links=pair.links, scores=pair.scores, evidence=pair.evidence)
    return Target(name, links, docs, gold)


def experiments(parts: Sequence[str], ablation: bool) -> Iterator[tuple[str, str, list[int]]]:
    """Kind ("base", "without", "with"), name, and columns of each thing to learn."""
    names = with_parts(parts)
    fixed = list(range(len(FEATURES)))
    yield "base", "", fixed
    if ablation:
        for name, out in GROUPS.items():
            yield "without", name, [k for k in fixed if names[k] not in out]
    columns = {
        name: [names.index(feature.format(part)) for part in some for feature in PART]
        for name, some in ADDED.items()
        if set(some) <= set(parts)
    }
    for name, more in columns.items():
        yield "with", name, fixed + more
    yield "with", "all of these", fixed + sorted(k for more in columns.values() for k in more)


def measure(sets: Sequence[str], given: argparse.Namespace) -> list[dict[str, Any]]:
    """All figures: an entry for each set, links and experiment."""
    parts_for = lambda name: parts_of(name, given.labeled, given.steps, given.encoder)  # noqa: E731
    found = []
    for held in dict.fromkeys(group(name, "languages") for name in sets):
        seen = [name for name in given.learn_from if group(name, "languages") != held]
        if not seen:
            raise XprojError(f"There must be sets of more than one language pair, but there is {held!r} only.")
        rows = [
            row for row in training_rows(seen) if not (row.links.startswith("weaker") or row.links.endswith(" cut"))
        ]
        rows = [row._replace(pairs=with_views(row.name, row.pairs)) for row in rows]
        learner = Learner(rows, parts_for, given.every)
        say(f"without {held}: {len(learner.stages['pairs'])} groups to learn from")
        targets = []
        for name in (name for name in sets if group(name, "languages") == held):
            for links in ((*GIVEN[name], STATISTICAL)[0], STATISTICAL):
                if not any(t.name == name and t.links == links for t, *_ in targets):
                    target = target_of(name, links)
                    pairs = sentence_pairs(target.docs)
                    targets.append((target, pairs, Remembering(parts_for(name), pairs)))
        base: dict[tuple[str, str], np.ndarray] = {}
        for kind, what, columns in experiments(learner.parts, not given.no_ablation):
            weights = learner.weights(columns)
            for target, pairs, ranker in targets:
                if kind == "without" and target.links == STATISTICAL and GIVEN[target.name]:
                    continue
                table = project(ranker, target, pairs, weights)
                base.setdefault((target.name, target.links), table)
                found.append(entry(kind, what, target, table, base[target.name, target.links]))
                say(f"{kind} {what}: {target.name}, {target.links}: {found[-1]['f1']:.4f}")
    return found


def entry(kind: str, what: str, target: Target, table: np.ndarray, base: np.ndarray) -> dict[str, Any]:
    """One figure as plain data. What a group or a part adds is F1 with it minus F1 without."""
    more, less = (table, base) if kind == "with" else (base, table)
    return {
        "kind": kind,
        "evidence": what,
        "set": target.name,
        "links": target.links,
        "f1": float(f1(table)),
        "interval": list(interval(table)),
        "adds": difference(more, less)._asdict(),
    }


def say(text: str) -> None:
    print(f"# {process_time():.0f} s: {text}", flush=True)


@handle_errors
def main(args: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=tuple(GIVEN), help="these only; default: all with given links")
    parser.add_argument("--every", type=int, default=2, help="learn from one sentence pair in so many")
    parser.add_argument("--steps", type=int, default=300, help="of training the NERs for Labels.v1")
    parser.add_argument(
        "--encoder", type=Path, help="folder of an encoder for Context.v1, or of one for each pair of languages"
    )
    parser.add_argument("--no-ablation", action="store_true", help="only what is added")
    parser.add_argument("--learn-from", nargs="+", choices=tuple(GIVEN), default=tuple(GIVEN), help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for tables and numbers")
    given = parser.parse_args(args)
    if not DATA.exists():
        raise XprojError(f"There is no data folder {DATA}. Set XPROJ_DATA.")
    sets = given.sets or [name for name in GIVEN if GIVEN[name]]
    given.labeled = [name for name in given.learn_from if GIVEN[name]]
    for known in (payloads, entities, directed):
        known.cache_clear()
    found = {
        "every": given.every,
        "steps": given.steps,
        "learnt_from": list(given.learn_from),
        "labeled": given.labeled,
        "encoder": given.encoder is not None,
        "groups": {name: list(features) for name, features in GROUPS.items()},
        "added": {name: list(parts) for name, parts in ADDED.items()},
        "figures": measure(sets, given),
    }
    given.output.mkdir(parents=True, exist_ok=True)
    with replacing(given.output / "evidence.json") as beside:
        srsly.write_json(beside, found)
    with replacing(given.output / "evidence.md") as beside:
        beside.write_text(report(found), encoding="utf-8")
    say(f"written: {given.output}")


if __name__ == "__main__":
    main()
