"""More ensembles of aligners, and what the errors left by links are: `python -m benchmarks.real.links_ensembles`

`Ranker.v1`, with weights that saw nothing of the language pair, on the three sets with given links. An ensemble takes
a link that at least two of its members have, or one that a single member is sure of (scores above twice the threshold
or more). The last table tells what is left on links of each system: how many gold spans are not found, how many of them
no projection that keeps types can find, and how many are found on links of another system here. Shares its folder with
`benchmarks.real.links`, whose tables these complete.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Optional

import numpy as np
from spacy.tokens import Doc

from scripts.ranker_data import GIVEN
from spacy_xproj.aligners.ensemble import EnsembleAligner
from spacy_xproj.bitext import Links
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.evaluate import score
from spacy_xproj.evaluate.bootstrap import counts, difference, f1
from spacy_xproj.similarities.ranker import Ranker

from ..common import examples, table
from ..folds import fold_weights, group
from .links import OUTPUT, projected_docs
from .links_report import short
from .links_systems import MAIN, STATISTICAL, Sets, pairs_of

ITERMAX, HIGHER, LOWER, SOFTMAX = ("itermax", 6), ("itermax", 8), ("itermax", 4), ("softmax", 6)
# name, members, threshold
SYSTEMS: dict[str, tuple[tuple, float]] = {
    "`Statistical.v1`": ((STATISTICAL,), 0.0),
    "itermax, layer 6": ((ITERMAX,), 0.0),
    "itermax, layer 8": ((HIGHER,), 0.0),
    "softmax, layer 6": ((SOFTMAX,), 0.0),
    "itermax 6, statistical": ((ITERMAX, STATISTICAL), 0.3),
    "softmax 6, statistical": ((SOFTMAX, STATISTICAL), 0.3),
    "softmax 6, itermax 8": ((SOFTMAX, HIGHER), 0.0),
    "softmax 6, itermax 8, statistical": ((SOFTMAX, HIGHER, STATISTICAL), 0.34),
    "softmax 6, itermax 6 and 8": ((SOFTMAX, ITERMAX, HIGHER), 0.34),
    "softmax 6, itermax 6 and 8, statistical": ((SOFTMAX, ITERMAX, HIGHER, STATISTICAL), 0.3),
    "softmax 6, itermax 4, 6 and 8, statistical": ((SOFTMAX, LOWER, ITERMAX, HIGHER, STATISTICAL), 0.4),
}
BASE, *_ = SYSTEMS


class Found(NamedTuple):
    """A set projected along the links of one system."""

    docs: list[Doc]
    gold: list[Doc]

    @property
    def spans(self) -> set[tuple[int, int, int, str]]:
        """The gold spans that are found, by Doc."""
        both = enumerate(zip(self.docs, self.gold))
        ends = lambda doc: {(e.start, e.end, e.label_) for e in doc.ents}  # noqa: E731
        return {(k, *span) for k, (doc, ref) in both for span in ends(doc) & ends(ref)}


def links_of(sets: Sets, name: str, members: Sequence, threshold: float) -> list[Links]:
    """The links of an ensemble, or of a single member as they are."""
    parts = [sets.statistical(name) if each == STATISTICAL else sets.embedding(name, *each) for each in members]
    if len(parts) == 1:
        return parts[0]
    known = {str(k): lambda pairs, part=part: part for k, part in enumerate(parts)}
    return EnsembleAligner(known, threshold=threshold)(pairs_of(name))


def measure(sets: Sets, learn_from: Sequence[str]) -> dict[str, dict[str, Found]]:
    """By system and set."""
    found: dict[str, dict[str, Found]] = {}
    for name in MAIN:
        weights = fold_weights(group(name, "languages"), "languages", sets.folder / "weights", tuple(learn_from))
        for system, how in SYSTEMS.items():
            ranker = Ranker()
            ranker.start_from(weights)
            made = projected_docs(name, links_of(sets, name, *how), "project_ranker.cfg", ranker)
            found.setdefault(system, {})[name] = Found(*made)
    return found


def quality(found: dict[str, dict[str, Found]]) -> list[list[str]]:
    """F1 by set, mean gain over the first system, and the gain over all sets together with its interval."""
    tables = {system: [counts(*each) for each in sets.values()] for system, sets in found.items()}
    rows = []
    for system, mine in tables.items():
        gains = [float(f1(a) - f1(b)) for a, b in zip(mine, tables[BASE])]
        all_sets = difference(np.concatenate(mine), np.concatenate(tables[BASE]))
        interval = f"{100 * all_sets.gain:+.2f} ({100 * all_sets.low:+.1f} to {100 * all_sets.high:+.1f})"
        rows.append([system, *(short(float(f1(each))) for each in mine), f"{100 * np.mean(gains):+.2f}", interval])
    return rows


def left(found: dict[str, dict[str, Found]]) -> list[list[str]]:
    """What is left on links of each system."""
    rows = []
    for name in MAIN:
        known = {system: sets[name].spans for system, sets in found.items()}
        anywhere = set().union(*known.values())
        for system, spans in known.items():
            docs, gold = found[system][name]
            said = score(examples(docs, gold))
            partners = said["ceiling_f"] * (said["n_source"] + said["n_gold"]) / 2
            numbers = said["n_gold"], said["n_gold"] - len(spans), said["n_gold"] - partners, len(anywhere - spans)
            rows.append([name, system, short(said["ceiling_f"]), *(f"{number:.0f}" for number in numbers)])
    return rows


@handle_errors
def main(args: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="what `make weights` made")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of `benchmarks.real.links`")
    parser.add_argument("--learn-from", nargs="+", choices=tuple(GIVEN), default=tuple(GIVEN), help=argparse.SUPPRESS)
    given = parser.parse_args(args)
    given.output.mkdir(parents=True, exist_ok=True)
    found = measure(Sets(given.weights / "e5-small", given.output), given.learn_from)
    print("## Ensembles of more members\n")
    header = [f"F1, {name}" for name in MAIN]
    print(table(["links of", *header, "gain, mean of the sets", "gain, all together (95 %)"], quality(found)))
    print("\n## Gold spans that are not found\n")
    header = ["not found", "of them out of reach of any projection", "of them found on links of another system"]
    print(table(["set", "links of", "highest F1", "gold spans", *header], left(found)))


if __name__ == "__main__":
    main()
