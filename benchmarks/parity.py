"""Projection on given links: the published algorithms as configs, and ours. `python -m benchmarks.parity`"""

from spacy_xproj.evaluate.bootstrap import counts, f1, interval

from .common import ROWS, config, gold_pair, table

CONFIGS = (
    "project_ref_heuristic.cfg",
    "project_ref_greedy.cfg",
    "project_elp.cfg",
    "project_heuristic.cfg",
    "project_match.cfg",
)


def main() -> None:
    pipelines = {name: config(name) for name in CONFIGS}
    header = ["set", "links", "published heuristic", "published greedy", *(n[8:-4] for n in CONFIGS), "match, 95 %"]
    rows = []
    for name, links, heuristic, greedy in ROWS:
        row = [name, links, f"{heuristic:.4f}", f"{greedy:.4f}"]
        for nlp in pipelines.values():
            docs, gold = gold_pair(name, nlp, links)
            found = counts(nlp.pipe(docs), gold)
            row.append(f"{f1(found):.4f}")
        low, high = interval(found)
        rows.append([*row, f"{low:.3f} to {high:.3f}"])
    print(table(header, rows))


if __name__ == "__main__":
    main()
