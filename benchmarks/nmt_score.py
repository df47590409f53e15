"""What a translation model costs as a similarity: `python -m benchmarks.nmt_score [--sentences N]`

Europarl en-es, the first sentences with entities, links of eflomal-gdfa. Counted is what the model is asked for: cells
(source span and candidate) and pairs of texts, of which a new cell takes up to four: two directions, each with its
normalizer. Scores come from a tiny NLLB with random weights, which know nothing of any language, and from a stand-in
that scores by likeness of form, as a model that knows names would. So the counts are what to read; F1 is not measured,
and the seconds are those of a model that costs next to nothing.

"all": every cell that is proposed. "lazy": only what the choice depends on (`similarities/lazy.py`), and the choice is
checked to be the same. Without a cache, what a sentence pair asks for twice is still scored once.
"""

import argparse
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, Optional

import numpy as np
from rapidfuzz.distance import JaroWinkler

from scripts.ranker_data import given_rows
from spacy_xproj.bitext import SentencePair
from spacy_xproj.similarities.fused import Fused
from spacy_xproj.similarities.lazy import choose
from spacy_xproj.similarities.links import LinkSimilarity
from spacy_xproj.similarities.translation import TranslationSimilarity
from spacy_xproj.solvers.exact import make_exact
from spacy_xproj.solvers.greedy import make_greedy
from spacy_xproj.translators.transformers import TransformersTranslator
from tests.translators.tiny_models import tiny_nllb

from .common import table

ALONE, FUSED, LINKS = {"links": 0.0, "nmt": 1.0}, {"links": 0.5, "nmt": 1.0}, {"links": 1.0, "nmt": 0.5}


class LikeForms:
    """Finds a target the more probable the more it is like the source in form."""

    key = "like forms"

    def __call__(self, *args: Any) -> None:
        raise NotImplementedError

    def score(self, sources: Sequence[str], targets: Sequence[str], *langs: str) -> list[tuple[float, int]]:
        return [(3 * JaroWinkler.similarity(a, b) - 3, 1) for a, b in zip(sources, targets)]


class Case(NamedTuple):
    """What is measured.

    weights (dict): Of the links and of the model.
    lazy (bool): Score only what the choice depends on.
    ngrams (int): Candidates are all spans up to so many words. 0: those that are proposed.
    beam (int): Of a model alone.
    """

    weights: dict[str, float]
    lazy: bool = False
    ngrams: int = 0
    beam: int = 0


class Cost(NamedTuple):
    """What the sentences of a benchmark took together."""

    cells: int
    pairs: int
    calls: int
    seconds: float


class Meter:
    """A translator that counts."""

    def __init__(self, translator: Any):
        self.translator, self.key = translator, translator.key
        self.pairs = self.calls = 0

    def __call__(self, *args: Any) -> None:
        raise NotImplementedError

    def score(self, sources: Sequence[str], *rest: Any) -> list[tuple[float, int]]:
        self.pairs += len(sources)
        self.calls += 1
        return self.translator.score(sources, *rest)


class Counted(TranslationSimilarity):
    """Counts cells."""

    cells = 0

    def score_cells(self, pair: SentencePair, span: np.ndarray, *edges: np.ndarray) -> np.ndarray:
        self.cells += len(span)
        return super().score_cells(pair, span, *edges)


def counted(translator: Any, **settings: Any) -> Counted:
    similarity: Any = TranslationSimilarity(translator, "en", "es", **settings)
    similarity.__class__ = Counted
    return similarity


def cost(pairs: Sequence[SentencePair], translator: Any, case: Case, cache: dict[str, Any]) -> Cost:
    """Assign all source spans."""
    meter, solver = Meter(translator), make_exact()
    nmt, sure = counted(meter, beam=case.beam, **cache), counted(translator, beam=case.beam)
    fused, other = (Fused({"links": LinkSimilarity(), "nmt": part}, dict(case.weights)) for part in (nmt, sure))
    seconds = 0.0
    for pair in pairs:
        n = len(pair.target)
        spans = [(a, b) for a in range(n) for b in range(a + 1, min(a + case.ngrams, n) + 1)]
        candidates = np.array(spans, "i8").reshape(-1, 2) if case.ngrams else None
        start = perf_counter()
        chosen = assign(fused, pair, candidates, solver, case.lazy)
        seconds += perf_counter() - start
        if case.lazy:
            assert chosen == assign(other, pair, candidates, solver, False)
    return Cost(nmt.cells, meter.pairs, meter.calls, seconds)


def assign(
    fused: Any, pair: SentencePair, candidates: Optional[np.ndarray], solver: Any, lazy: bool
) -> list[tuple[float, ...]]:
    """The chosen cells."""
    cells: Any
    if lazy:
        cells, (chosen, _) = choose(fused, pair, fused.open(pair, candidates), solver)
    else:
        cells = fused(pair, candidates)
        chosen, _ = solver(cells)
    return sorted(zip(*(x[chosen].tolist() for x in cells[:4])))


def report(sentences: int) -> str:
    """The table, as Markdown."""
    (row,) = given_rows("europarl/en-es", ["eflomal-gdfa"])
    pairs = [pair for pair in row.pairs if pair.spans][:sentences]
    n = len(pairs)
    total = sum(len(pair.spans) for pair in pairs)
    links, greedy = LinkSimilarity(), make_greedy()
    start = perf_counter()
    for pair in pairs:
        greedy(links(pair))
    plain = (perf_counter() - start) / n
    out: list[list[Any]] = [["", "1.0 links, greedy", "proposed", "", "", 0, 0, 0, f"{1000 * plain:.2f}"]]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # long candidates of the tiny tokenizer are cut
        tiny = TransformersTranslator(str(tiny_nllb(Path(folder) / "model")), device="cpu")
        tiny.score(["a"], ["a"], "en", "es")  # loads it
        for name, translator in (("random", tiny), ("like forms", LikeForms())):
            for case in CASES:
                file = str(Path(folder) / f"{name} {CASES.index(case)}.sqlite")
                runs: dict[str, dict[str, Any]] = {"none": {"remember": 0}, "in memory": {}}
                if case == Case(FUSED):
                    runs.update({"a new file": {"cache": file}, "the same file": {"cache": file}})
                for what, cache in runs.items():
                    found = cost(pairs, translator, case, cache)
                    share = " + ".join(f"{w} {part}" for part, w in case.weights.items() if w)
                    spans = f"up to {case.ngrams} words" if case.ngrams else "proposed"
                    how = "lazy" if case.lazy else f"beam {case.beam}" if case.beam else "all"
                    each = [f"{x / n:.1f}" for x in found[:3]]
                    out.append([name, share, spans, how, what, *each, f"{1000 * found.seconds / n:.1f}"])
    header = ["scores", "similarity", "candidates", "scored", "cache", "cells", "pairs", "calls", "ms"]
    return f"{n} sentences, {total} source spans; all figures are for one sentence.\n\n" + table(header, out)


CASES = (
    *(Case(ALONE, beam=beam) for beam in (0, 30, 10)),
    *(Case(weights, lazy, n) for weights in (FUSED, LINKS) for n in (0, 10) for lazy in (False, True)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=100)
    print(report(parser.parse_args().sentences))


if __name__ == "__main__":
    main()
