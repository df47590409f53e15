"""`Statistical.v1` against eflomal, trained on the same text in the same run: `python -m benchmarks.aligners`

Projection F1 of `project_match.cfg`. Needs the extra `benchmark` (eflomal, which needs gcc). eflomal takes no seed, so
its figures are the mean of three runs, with the least and the highest: by its own defaults (whole words), and by those
of `Eflomal.v1` (stems, and a prior for words that begin alike).
"""

from time import perf_counter

import numpy as np
import spacy
from spacy.tokens import Doc

from spacy_xproj import Bitext, fit
from spacy_xproj.aligners.eflomal import EflomalAligner
from spacy_xproj.evaluate.bootstrap import counts, f1, interval

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
            peers, start = [], perf_counter()
            for settings in ({"stem": 0, "cognate": 0.0}, {}):
                theirs: dict[str, list[float]] = {"grow-diag-final-and": [], "intersection": []}
                for _ in range(RUNS):
                    aligner = EflomalAligner(**settings)
                    nlp.get_pipe("xproj_aligner").aligner = aligner
                    fit(nlp, gold_pair(name, nlp)[0] + text[len(docs) :])
                    for symmetrization, found in theirs.items():
                        aligner.symmetrization = symmetrization
                        docs, gold = gold_pair(name, nlp)
                        found.append(float(f1(counts(nlp.pipe(docs), gold))))
                peers += [f"{np.mean(v):.3f} ({min(v):.3f} to {max(v):.3f})" for v in theirs.values()]
            their_seconds = (perf_counter() - start) / RUNS / 2
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
        "Eflomal.v1 gdfa (range)",
        "Eflomal.v1 inter (range)",
        "fit, s",
        "eflomal, s",
    ]
    print(table(header, rows))


if __name__ == "__main__":
    main()
