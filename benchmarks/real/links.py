"""Word links of a trained encoder, of `Statistical.v1` and of both: `python -m benchmarks.real.links --weights FOLDER`

Projection F1 on links of multilingual-e5-small (`make weights`) by the published methods and `Ranker.v1`, whose weights
saw nothing of the language pair. First all methods and layers of `Embedding.v1` on the sets with given links, then one
of them on all sets with gold on both sides. `Statistical.v1` is fitted on the lines that it aligns. Last, what
`Context.v1` adds as evidence of `Ranker.v1`, the weights learnt anew without the language pair.

Tables (`links.md`) and all numbers (`links.json`) are written to a folder. Links, vectors and weights are kept there,
too: a run that was stopped goes on where it was.
"""

import argparse
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np
import srsly

from scripts.ranker_data import DATA, GIVEN, ROOT, STATISTICAL, gold_docs, sentence_pairs
from spacy_xproj import fit
from spacy_xproj.aligners.ensemble import EnsembleAligner
from spacy_xproj.bitext import Bitext, Links
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.errors import XprojError
from spacy_xproj.evaluate.bootstrap import counts, difference, f1, interval
from spacy_xproj.files import replacing

from ..common import config, gold_pair
from ..folds import fold_weights, group
from ..linked import payloads
from .links_encoder import Reader, encoder_links
from .links_report import report

OUTPUT = ROOT / "metrics" / "real" / "links"
MAIN = tuple(name for name in GIVEN if GIVEN[name])
METHODS = ("inter", "itermax", "softmax")
LAYERS = (4, 6, 8, 10)
CHOSEN = "itermax", 6  # by the mean of the three sets
ENSEMBLE = "ensemble"
PROJECTORS = {
    "published heuristic": "project_ref_heuristic.cfg",
    "published greedy": "project_ref_greedy.cfg",
    "Links.v1": "project_match.cfg",
    "Ranker.v1": "project_ranker.cfg",
}


class Measured(NamedTuple):
    """What a system gives on a set: its number of links, and the `counts` of each projector."""

    links: int
    counts: dict[str, np.ndarray]


class Sets:
    """The links of each system on each set.

    encoder (Path): The folder of the encoder.
    folder (Path): Where links are kept.
    """

    def __init__(self, encoder: Path, folder: Path):
        self.folder = folder
        self.readers = {layer: Reader(str(encoder), layer=layer, device="cpu") for layer in LAYERS}

    def embedding(self, name: str, method: str, layer: int) -> list[Links]:
        reader = self.readers[layer]
        reader.method = method
        return encoder_links(reader, pairs_of(name), self.folder)

    def statistical(self, name: str) -> list[Links]:
        return [Links(each.links, each.scores, dict(each.evidence)) for each in payloads(name, STATISTICAL)]

    def ensemble(self, name: str) -> list[Links]:
        found = {"encoder": self.embedding(name, *CHOSEN), "statistical": self.statistical(name)}
        known = {part: lambda pairs, links=links: links for part, links in found.items()}
        return EnsembleAligner(known)(pairs_of(name))


@cache
def pairs_of(name: str) -> list:
    return sentence_pairs(gold_docs(name)[0])


def with_links(name: str, links: Sequence[Links]) -> list[Bitext]:
    """The payloads of a set with some links."""
    docs, _ = gold_docs(name)
    return [
        doc._.xproj.replace(links=each.links, scores=each.scores, evidence=each.evidence)
        for doc, each in zip(docs, links, strict=True)
    ]


def measured(name: str, links: Sequence[Links], weights: dict[str, np.ndarray]) -> Measured:
    """What each projector makes of the links of a set; those that learn from the corpus learn from these."""
    given, found = with_links(name, links), {}
    for projector, path in PROJECTORS.items():
        nlp = config(path)
        nlp.remove_pipe("xproj_aligner")
        docs, gold = gold_pair(name, nlp)
        for doc, bitext in zip(docs, given, strict=True):
            doc._.xproj = bitext
        if projector == "Ranker.v1":
            nlp.get_pipe("xproj_matcher").similarity.start_from(weights)  # type: ignore[attr-defined]
        fit(nlp, docs)
        found[projector] = counts(nlp.pipe(docs), gold)
    return Measured(sum(len(each.links) for each in links), found)


def systems(sets: Sets, name: str) -> Iterator[tuple[str, list[Links]]]:
    """Each system by its name, with its links of a set: all methods and layers where the set is one of `MAIN`."""
    yield STATISTICAL, sets.statistical(name)
    for layer in LAYERS if name in MAIN else CHOSEN[1:]:
        for method in METHODS if name in MAIN else CHOSEN[:1]:
            yield f"{method}, layer {layer}", sets.embedding(name, method, layer)
    yield ENSEMBLE, sets.ensemble(name)


def measure(sets: Sets, names: Sequence[str], learn_from: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The figures of each system on each set. Gains are those over `Statistical.v1`, both with `Ranker.v1`."""
    for name in names:
        weights = fold_weights(group(name, "languages"), "languages", sets.folder / "weights", tuple(learn_from))
        base = None
        for system, links in systems(sets, name):
            found = measured(name, links, weights)
            base = found if base is None else base
            yield {
                "set": name,
                "system": system,
                "sentences": len(links),
                "links": found.links,
                "gold": int(found.counts["Ranker.v1"][:, 2].sum()),
                "f1": {projector: float(f1(table)) for projector, table in found.counts.items()},
                "interval": list(interval(found.counts["Ranker.v1"])),
                "gain": difference(found.counts["Ranker.v1"], base.counts["Ranker.v1"])._asdict(),
            }


def write(found: dict[str, Any], folder: Path) -> None:
    with replacing(folder / "links.json") as beside:
        srsly.write_json(beside, found)
    text = report(found)
    with replacing(folder / "links.md") as beside:
        beside.write_text(text, encoding="utf-8")
    print(text)
    print(f"# written: {folder}", flush=True)


@handle_errors
def main(args: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="what `make weights` made")
    parser.add_argument("--sets", nargs="+", choices=tuple(GIVEN), default=tuple(GIVEN), help="these only")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for tables, numbers and what was computed")
    parser.add_argument("--learn-from", nargs="+", choices=tuple(GIVEN), default=tuple(GIVEN), help=argparse.SUPPRESS)
    given = parser.parse_args(args)
    if not DATA.exists():
        raise XprojError(f"There is no data folder {DATA}. Set XPROJ_DATA.")
    encoder = given.weights / "e5-small"
    given.output.mkdir(parents=True, exist_ok=True)
    figures = []
    for each in measure(Sets(encoder, given.output), given.sets, given.learn_from):
        figures.append(each)
        print(f"# {each['set']}, {each['system']}: {each['f1']}", flush=True)
    found = {
        "versions": {name: version(name) for name in ("spacy-xproj", "spacy", "numpy", "scipy", "torch")},
        "chosen": "{}, layer {}".format(*CHOSEN),
        "main": [name for name in given.sets if name in MAIN],
        "figures": figures,
    }
    write(found, given.output)


if __name__ == "__main__":
    main()
