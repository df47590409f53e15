"""Word links of a trained encoder, of `Statistical.v1` and of both: `python -m benchmarks.real.links --weights FOLDER`

Projection F1 on links of multilingual-e5-small (`make weights`) by the published methods and `Ranker.v1`, whose weights
saw nothing of the language pair. First all methods and layers of `Embedding.v1` on the sets with given links, then one
of them on all sets with gold on both sides: with the weights of `Ranker.v1`, with weights adapted to such links, and
with `Context.v1` as evidence. `Statistical.v1` is fitted on the lines that it aligns.

Tables (`links.md`) and all numbers (`links.json`) are written to a folder. Links, vectors and weights are kept there,
too: a run that was stopped goes on where it was.
"""

import argparse
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Optional

import numpy as np
import srsly
from spacy.tokens import Doc

from scripts.ranker_data import DATA, GIVEN, ROOT
from spacy_xproj import fit
from spacy_xproj.bitext import Links
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.errors import XprojError
from spacy_xproj.evaluate.bootstrap import counts, difference, f1, interval
from spacy_xproj.files import replacing, text_hash
from spacy_xproj.similarities.ranker import Ranker

from ..common import config, gold_pair
from ..folds import code_hash, fold_weights, group
from .links_evidence import CONTEXT, Weights, adapted
from .links_report import ADAPTED, ALL, BASE, EVIDENCE, report
from .links_systems import FEW, MAIN, Sets, systems, with_links

OUTPUT = ROOT / "metrics" / "real" / "links"
PUBLISHED = {"published heuristic": "project_ref_heuristic.cfg", "published greedy": "project_ref_greedy.cfg"}
Tables = dict[str, np.ndarray]


def projected_docs(
    name: str, links: Sequence[Links], path: str, ranker: Optional[Ranker] = None
) -> tuple[list[Doc], list[Doc]]:
    """A set, projected along some links, and its gold. What learns from the corpus learns from these links.

    ranker (Optional[Ranker]): In place of the config's similarity. It must not be fitted.
    """
    nlp = config(path)
    nlp.remove_pipe("xproj_aligner")
    docs, gold = gold_pair(name, nlp)
    for doc, bitext in zip(docs, with_links(name, links), strict=True):
        doc._.xproj = bitext
    if ranker is not None:
        assert not ranker.fitted, "what it knows would be of other links"
        nlp.get_pipe("xproj_matcher").similarity = ranker  # type: ignore[attr-defined]
    fit(nlp, docs)
    return list(nlp.pipe(docs)), gold


def projected(name: str, links: Sequence[Links], path: str, ranker: Optional[Ranker] = None) -> np.ndarray:
    """The counts of `projected_docs`."""
    return counts(*projected_docs(name, links, path, ranker))


def unseen(sets: Sets, held: str, learn_from: Sequence[str], every: int) -> dict[str, Weights]:
    """Weights that saw nothing of a language pair: those without evidence; those adapted to links of the encoder; and
    those adapted to them with the evidence."""
    base = fold_weights(held, "languages", sets.folder / "weights", tuple(learn_from))
    seen = [name for name in learn_from if group(name, "languages") != held]
    return dict(zip((BASE, ADAPTED, EVIDENCE), (base, *adapted(sets, base, seen, every))))


def tables(sets: Sets, name: str, system: str, links: Sequence[Links], weights: dict[str, Weights]) -> Tables:
    """The counts of each projector. They are kept on disk."""
    given = {projector: {stage: w.tolist() for stage, w in each.items()} for projector, each in weights.items()}
    key = text_hash(repr((code_hash(), sets.key, name, system, [x.links.tolist() for x in links], given)))
    path = sets.folder / f"counts-{key[:20]}.npz"
    if not path.exists():
        found = {projector: projected(name, links, config) for projector, config in PUBLISHED.items()}
        for projector, each in weights.items():
            ranker = Ranker(evidence={CONTEXT: sets.context([name])} if projector == EVIDENCE else None)
            ranker.start_from(each)
            found[projector] = projected(name, links, "project_ranker.cfg", ranker)
        with replacing(path) as beside, beside.open("wb") as file:
            np.savez(file, **found)
    with np.load(path) as data:
        return dict(data)


def measure(sets: Sets, names: Sequence[str], learn_from: Sequence[str], every: int) -> list[dict[str, Any]]:
    """The figures of each system on each set. A gain is that over `Ranker.v1` on links of `Statistical.v1`; what is
    added is that of adapted weights to those before, and of the evidence to adapted weights."""
    found, known = [], []
    for held in dict.fromkeys(group(name, "languages") for name in names):
        weights = unseen(sets, held, learn_from, every)
        for name in (name for name in names if group(name, "languages") == held):
            base = None
            for system, links in systems(sets, name, few=name not in MAIN):
                mine = tables(sets, name, system, links, weights if system in FEW else {BASE: weights[BASE]})
                base = mine[BASE] if base is None else base
                known.append(mine)
                found.append({"set": name, "system": system, **figures(mine, base, sum(len(x.links) for x in links))})
                print(f"# {name}, {system}: {found[-1]['f1']}", flush=True)
    for system in FEW:  # over all sets together
        some = [mine for mine, each in zip(known, found) if each["system"] == system]
        first = [mine for mine, each in zip(known, found) if each["system"] == FEW[0]]
        together = {projector: np.concatenate([mine[projector] for mine in some]) for projector in some[0]}
        base = np.concatenate([mine[BASE] for mine in first])
        links = sum(each["links"] for each in found if each["system"] == system)
        found.append({"set": ALL, "system": system, **figures(together, base, links)})
    return found


def figures(mine: Tables, base: np.ndarray, links: int) -> dict[str, Any]:
    """What one system gives on a set, as plain data."""
    return {
        "sentences": len(base),
        "gold": int(base[:, 2].sum()),
        "links": links,
        "f1": {projector: float(f1(table)) for projector, table in mine.items()},
        "interval": {projector: list(interval(table)) for projector, table in mine.items()},
        "gain": {projector: difference(table, base)._asdict() for projector, table in mine.items()},
        "adds": {
            projector: difference(mine[projector], mine[without])._asdict()
            for projector, without in ((ADAPTED, BASE), (EVIDENCE, ADAPTED))
            if projector in mine
        },
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
    parser.add_argument("--every", type=int, default=4, help="adapt weights to one sentence pair in so many")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for tables, numbers and what was computed")
    parser.add_argument("--learn-from", nargs="+", choices=tuple(GIVEN), default=tuple(GIVEN), help=argparse.SUPPRESS)
    given = parser.parse_args(args)
    if not DATA.exists():
        raise XprojError(f"There is no data folder {DATA}. Set XPROJ_DATA.")
    given.output.mkdir(parents=True, exist_ok=True)
    sets = Sets(given.weights / "e5-small", given.output)
    found = {
        "versions": {name: version(name) for name in ("spacy-xproj", "spacy", "numpy", "scipy", "torch")},
        "few": list(FEW),
        "main": [name for name in given.sets if name in MAIN],
        "every": given.every,
        "figures": measure(sets, given.sets, given.learn_from, given.every),
    }
    write(found, given.output)


if __name__ == "__main__":
    main()
