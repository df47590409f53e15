"""`Statistical.v1` against eflomal, trained on the same text in the same run: `python -m benchmarks.aligners`

Projection F1 of the default matcher. Needs the extra `benchmark` (eflomal, which needs gcc). eflomal takes no seed, so
its figures are the mean of three runs, with the least and the highest.
"""

import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import spacy
from spacy.tokens import Doc

from spacy_xproj import Bitext, fit
from spacy_xproj.aligners.symmetrize import grow_diag_final_and, intersection
from spacy_xproj.compat import require
from spacy_xproj.evaluate.bootstrap import counts, f1, interval
from spacy_xproj.pharaoh import read_pharaoh

from .common import DATA, config, gold_pair, table

RUNS = 3
NTREX = {"es": "spa", "de": "deu"}


def news(lang: str, nlp) -> list[Doc]:
    """The parallel news text as Docs with payload, split into tokens by spaCy's rules."""
    sides = [
        [list(spacy.blank(code).tokenizer.pipe(line.strip() for line in (DATA / "ntrex" / f"{name}.txt").open()))]
        for code, name in (("en", "eng"), (lang, NTREX[lang]))
    ]
    docs = []
    for src, tgt in zip(sides[0][0], sides[1][0]):
        doc = Doc(nlp.vocab, words=[t.text for t in tgt])
        doc._.xproj = Bitext("en", tuple(t.text for t in src), (True,) * len(src))
        docs.append(doc)
    return docs


def eflomal_links(docs: list[Doc]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Forward and reverse links of each Doc, by eflomal's own defaults."""
    eflomal = require("eflomal", "This benchmark", "eflomal>=2.0.0")
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("src", "tgt", "forward", "reverse")]
        clean = lambda words: " ".join("_".join(w.split()) or "_" for w in words) + "\n"  # noqa: E731
        files[0].write_text("".join(clean(doc._.xproj.words) for doc in docs), encoding="utf-8")
        files[1].write_text("".join(clean(t.text for t in doc) for doc in docs), encoding="utf-8")
        with files[0].open(encoding="utf-8") as src, files[1].open(encoding="utf-8") as tgt:
            eflomal.Aligner().align(src, tgt, links_filename_fwd=str(files[2]), links_filename_rev=str(files[3]))
        return list(zip(read_pharaoh(files[2]), read_pharaoh(files[3])))


def projected(name: str, nlp, links) -> np.ndarray:
    docs, gold = gold_pair(name, nlp)
    for doc, pairs in zip(docs, links):
        doc._.xproj = doc._.xproj.replace(links=pairs, provenance={"aligner": "given"})
    return counts(nlp.pipe(docs), gold)


def main() -> None:
    rows = []
    for lang in ("es", "de"):
        name = f"europarl/en-{lang}"
        for more in (False, True):
            nlp = config("project_match.cfg")
            docs, gold = gold_pair(name, nlp)
            text = docs + (news(lang, nlp) if more else [])
            start = perf_counter()
            fit(nlp, text)
            seconds = perf_counter() - start
            ours = counts(nlp.pipe(docs), gold)
            low, high = interval(ours)
            theirs: dict[str, list[float]] = {"gdfa": [], "inter": []}
            start = perf_counter()
            for _ in range(RUNS):
                directed = eflomal_links(text)[: len(docs)]
                for key, combine in (("gdfa", grow_diag_final_and), ("inter", intersection)):
                    theirs[key].append(float(f1(projected(name, nlp, [combine(*pair) for pair in directed]))))
            their_seconds = (perf_counter() - start) / RUNS
            peers = [f"{np.mean(v):.3f} ({min(v):.3f} to {max(v):.3f})" for v in theirs.values()]
            text_name = "the 799 pairs" + (" and ntrex" if more else "")
            rows.append(
                [
                    name,
                    text_name,
                    f"{f1(ours):.3f} ({low:.3f} to {high:.3f})",
                    *peers,
                    f"{seconds:.1f}",
                    f"{their_seconds:.1f}",
                ]
            )
    header = [
        "set",
        "trained on",
        "Statistical.v1 (95 %)",
        "eflomal gdfa (range)",
        "eflomal inter (range)",
        "fit, s",
        "eflomal, s",
    ]
    print(table(header, rows))


if __name__ == "__main__":
    main()
