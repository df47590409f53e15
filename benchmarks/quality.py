"""How right projections are, with the learned matcher left-one-out: `python -m benchmarks.quality`

A figure of `Ranker.v1` for a set comes from weights that saw nothing of its language pair (first table) or of its
domain (second). The corpus statistics and the lexicon are learnt, without gold, from the source side, the target text
and the links that are being projected. `Statistical.v1` and `Eflomal.v1` are fitted on the lines that they align;
without eflomal its rows are left out. The first table has shipped sets of other languages, too.

Tables (`quality.md`), all numbers (`quality.json`) and figures are written to a folder. The weights of each fold are
kept there, too: a run that was stopped goes on where it was.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np
import srsly
from spacy.tokens import Doc

from scripts.ranker_data import GIVEN
from spacy_xproj import fit
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.errors import XprojError
from spacy_xproj.evaluate.bootstrap import counts, difference, f1, interval, label_counts
from spacy_xproj.evaluate.calibration import calibration_error, precision_at, reliability, scored
from spacy_xproj.evaluate.errors import error_types
from spacy_xproj.files import replacing
from spacy_xproj.similarities.ranker import Ranker
from spacy_xproj.similarities.ranker.names import FEATURES, NULL

from . import figures
from .common import DATA, ROOT, config
from .folds import fold_weights, group
from .linked import UNGIVEN, kind, linked, links_of
from .report import report

# The config, and whether the learned matcher makes its second pass (None: nothing is learned)
METHODS: dict[str, tuple[str, Optional[bool]]] = {
    "published heuristic": ("project_ref_heuristic.cfg", None),
    "published greedy": ("project_ref_greedy.cfg", None),
    "xproj_projector": ("project_heuristic.cfg", None),
    "Links.v1": ("project_match.cfg", None),
    "Ranker.v1, first pass": ("project_ranker.cfg", False),
    "Ranker.v1": ("project_ranker.cfg", True),
}
PUBLISHED, OURS = ("published heuristic", "published greedy"), "Ranker.v1"
COVERAGES = range(10, 101)  # per cent
OUTPUT = ROOT / "metrics" / "quality"


class Measures(NamedTuple):
    """Of one method on one set: `counts`, `label_counts`, types of errors, and what `scored` gives."""

    counts: np.ndarray
    labels: dict[str, list[int]]
    errors: Counter
    score: np.ndarray
    right: np.ndarray


def projected(method: str, name: str, links: str, weights: Optional[dict] = None) -> tuple[list[Doc], list[Doc]]:
    """A set's Docs, projected by a method, and the gold Docs."""
    config_name, lexicon = METHODS[method]
    nlp = config(config_name)
    docs, gold = linked(name, links, nlp)
    if lexicon is not None:
        ranker = nlp.get_pipe("xproj_matcher").similarity  # type: ignore[attr-defined]
        ranker.weights, ranker.use_lexicon = weights, lexicon
    fit(nlp, docs)
    return list(nlp.pipe(docs)), gold


def measured(method: str, name: str, links: str, weights: Optional[dict] = None) -> Measures:
    docs, gold = projected(method, name, links, weights)
    return Measures(counts(docs, gold), label_counts(docs, gold), error_types(docs, gold), *scored(docs, gold))


unlearned = cache(measured)  # both tables have these


def entry(name: str, links: str, held: str, weights: dict[str, np.ndarray]) -> dict[str, Any]:
    """All figures of one set with the links of one aligner, as plain data."""
    found = {
        method: unlearned(method, name, links) if lexicon is None else measured(method, name, links, weights)
        for method, (_, lexicon) in METHODS.items()
    }
    better = max(PUBLISHED, key=lambda method: float(f1(found[method].counts)))
    ours = found[OURS]
    bins = reliability(ours.score, ours.right)
    precisions = precision_at(ours.score, ours.right, [c / 100 for c in COVERAGES])
    return {
        "set": name,
        "links": links,
        "kind": kind(links),
        "left_out": held,
        "sentences": len(ours.counts),
        "gold": int(ours.counts[:, 2].sum()),
        "projected": len(ours.score),
        "methods": {method: method_figures(each) for method, each in found.items()},
        "better_published": better,
        "difference": difference(ours.counts, found[better].counts)._asdict(),
        "calibration_error": calibration_error(bins),
        "reliability": [each._asdict() for each in bins],
        "precision_at": dict(zip(map(str, COVERAGES), precisions)),
    }


def method_figures(found: Measures) -> dict[str, Any]:
    right, predicted, gold = found.counts.sum(axis=0).tolist()
    return {
        "f1": float(f1(found.counts)),
        "interval": list(interval(found.counts)),
        "precision": right / max(predicted, 1),
        "recall": right / max(gold, 1),
        "labels": {label: {"f1": 2 * r / (p + g), "gold": g} for label, (r, p, g) in found.labels.items()},
        "errors": dict(sorted(found.errors.items())),
    }


def leave_out(by: str, sets: Sequence[str], names: tuple[str, ...], folder: Path, every: int = 1) -> list[dict]:
    """The figures of sets, each by weights that were learnt without its group.

    by (str): "languages" or "domain".
    names (tuple of str), folder (Path), every (int): See `fold_weights`.
    RETURNS (list of dict): An `entry` for each set and aligner.
    """
    found = []
    for held in dict.fromkeys(group(name, by) for name in sets):
        weights = fold_weights(held, by, folder, names, every)
        for name in (name for name in sets if group(name, by) == held):
            for links in links_of(name):
                found.append(entry(name, links, held, weights))
                values = (f"{method} {each['f1']:.4f}" for method, each in found[-1]["methods"].items())
                print(f"# without {held}: {name}, {links}: {'; '.join(values)}", flush=True)
    return found


def shipped_weights(sets: Sequence[str], most: int = 200) -> list[dict[str, Any]]:
    """The shipped weights of the second pass, with the standard deviation of each feature over the candidates of some
    sentence pairs of each set with the links that come first (for features of "not projected" over its own rows)."""
    ranker: Any = Ranker()
    cells, null = [], []
    for name in sets:
        docs, _ = linked(name, links_of(name)[0], config("project_match.cfg"))
        pairs = [pair for doc in docs for pair in doc._.xproj.pairs(tuple(t.text for t in doc))]
        ranker.fit(pairs)
        for _, found in ranker.passes([p for p in pairs if p.spans and p.target][:most]):
            for rows, more in zip((cells, null), ranker.rows(found)):
                rows.append(more)
    of_null = np.array([name in NULL for name in FEATURES])
    deviation = np.where(of_null, np.concatenate(null).std(axis=0), np.concatenate(cells).std(axis=0))
    rows = [
        {"feature": name, "weight": float(w), "deviation": float(d), "meaning": FEATURES[name]}
        for name, w, d in zip(FEATURES, ranker.weights["pairs"], deviation)
    ]
    return sorted(rows, key=lambda row: -abs(row["weight"] * row["deviation"]))


def write(found: dict[str, Any], folder: Path) -> None:
    """The numbers first: without matplotlib there are no figures, and all else."""
    with replacing(folder / "quality.json") as beside:
        srsly.write_json(beside, found)
    try:
        drawn = figures.draw(found, folder)
    except XprojError as err:
        drawn = []
        print(f"# no figures: {err}", flush=True)
    with replacing(folder / "quality.md") as beside:
        beside.write_text(report(found, [path.name for path in drawn if path.suffix == ".svg"]), encoding="utf-8")
    print(f"# written: {folder}", flush=True)


@handle_errors
def main(args: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--by", nargs="+", choices=("languages", "domain"), default=["languages", "domain"])
    parser.add_argument("--sets", nargs="+", choices=tuple(GIVEN), help="these only; default: all with given links")
    parser.add_argument("--all", action="store_true", help="also sets without given links")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for tables, figures, numbers and weights")
    parser.add_argument("--learn-from", nargs="+", choices=tuple(GIVEN), default=tuple(GIVEN), help=argparse.SUPPRESS)
    parser.add_argument("--every", type=int, default=1, help=argparse.SUPPRESS)  # to try the command itself
    given = parser.parse_args(args)
    if not DATA.exists():
        raise XprojError(f"There is no data folder {DATA}. Set XPROJ_DATA.")
    sets = given.sets or [name for name in GIVEN if GIVEN[name] or given.all]
    more = [] if given.sets or given.all else list(UNGIVEN)  # of other languages: in the first table only
    names = tuple(given.learn_from)
    found: dict[str, Any] = {
        "versions": {name: version(name) for name in ("spacy-xproj", "spacy", "numpy", "scipy")},
        "learnt_from": list(names),
        "every": given.every,
        "ours": OURS,
        "runs": {
            by: leave_out(by, sets + more * (by == "languages"), names, given.output / "weights", given.every)
            for by in given.by
        },
        "weights": shipped_weights(sets),
    }
    write(found, given.output)


if __name__ == "__main__":
    main()
