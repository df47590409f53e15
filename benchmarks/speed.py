"""Speed as ratios, in one run on the same input: `python -m benchmarks.speed`

CPU time of this process, least of several runs. Set OMP_NUM_THREADS=1 for steady figures.
"""

import tempfile
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import process_time as clock

from spacy.tokens import DocBin

from spacy_xproj.corpus import read_file, write_file
from spacy_xproj.solvers.exact import make_exact
from spacy_xproj.solvers.greedy import make_greedy

from . import published
from .common import best_of, config, gold_pair, table

BUCKETS = ((1, 14), (15, 29), (30, 44), (45, 59), (60, 999))


def matching() -> None:
    nlp = config("project_match.cfg")
    matcher = nlp.get_pipe("xproj_matcher")
    rows = []
    total = [0.0, 0.0]
    for name in ("europarl/en-es", "europarl/en-de"):
        docs = [doc for doc in gold_pair(name, nlp, "eflomal-gdfa")[0] if doc._.xproj.spans]
        for low, high in BUCKETS:
            part = [doc for doc in docs if low <= len(doc) <= high]
            if not part:
                continue
            plain = [
                (
                    [(s.start, s.end) for s in doc._.xproj.spans],
                    [t.text for t in doc],
                    [tuple(link) for link in doc._.xproj.links.tolist()],
                )
                for doc in part
            ]
            theirs = best_of(1, lambda rows=plain: [published.project(*row) for row in rows], clock)
            ours = best_of(5, lambda docs=part: [matcher(doc) for doc in docs], clock)
            total = [total[0] + theirs, total[1] + ours]
            ms = 1000 / len(part)
            rows.append(
                [name, f"{low} to {high}", len(part), f"{theirs * ms:.2f}", f"{ours * ms:.3f}", f"{theirs / ours:.0f}"]
            )
    rows.append(["all", "", "", f"{total[0]:.2f} s", f"{total[1]:.3f} s", f"{total[0] / total[1]:.0f}"])
    print("\n## xproj_matcher against the published greedy in its own form, ms a sentence\n")
    print(table(["set", "target words", "sentences", "published", "xproj_matcher", "times as fast"], rows))


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
    for k, a, b, score in zip(*(field.tolist() for field in cells)):
        if k not in best or score > best[k][0]:
            best[k] = (score, a, b)
    spans = sorted((a, b) for _, a, b in best.values())
    return any(right[0] < left[1] for left, right in pairwise(spans))


def whole() -> None:
    nlp = config("project_match.cfg")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in.spacy", Path(folder) / "out.spacy"
        for name in ("europarl/en-es", "europarl/en-de"):
            write_file(gold_pair(name, nlp, "eflomal-gdfa")[0], source)
            copy = best_of(
                5,
                lambda: DocBin(docs=DocBin().from_disk(source).get_docs(nlp.vocab), store_user_data=True).to_disk(out),
                clock,
            )
            project = best_of(5, lambda: write_file(nlp.pipe(read_file(source, nlp.vocab)), out), clock)
            rows.append([name, f"{copy:.3f}", f"{project:.3f}", f"{project / copy:.2f}"])
    print("\n## Projection, DocBin in to DocBin out, against reading and writing the input DocBin, seconds\n")
    print(table(["set", "read and write", "project", "ratio"], rows))


if __name__ == "__main__":
    matching()
    solvers()
    whole()
