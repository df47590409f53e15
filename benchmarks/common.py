"""Data, intervals and tables for the benchmarks."""

from collections.abc import Callable, Iterable, Sequence

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from scripts.ranker_data import DATA, ROOT, sides
from spacy_xproj.corpus.pairing import gold_doc, pair_docs, with_links
from spacy_xproj.runs.pipelines import load_pipeline

# set, links, F1 of the published heuristic and of the published greedy matcher on them
ROWS = (
    ("europarl/en-es", "eflomal-gdfa", 0.8997, 0.8886),
    ("europarl/en-es", "eflomal-inter", 0.8767, 0.8594),
    ("europarl/en-de", "eflomal-gdfa", 0.7740, 0.8567),
    ("europarl/en-de", "eflomal-inter", 0.7892, 0.8647),
    ("absa/en-es", "awesome", 0.9529, 0.9442),
    ("absa/en-es", "simalign", 0.8949, 0.8895),
    ("absa/en-es", "eflomal-gdfa", 0.9385, 0.9329),
    ("absa/en-es", "mgiza", 0.7819, 0.7775),
    ("absa/en-es", "fast_align", 0.7657, 0.7676),
)


def config(name: str) -> Language:
    return load_pipeline(ROOT / "configs" / name)


def gold_pair(name: str, nlp: Language, links: str = "") -> tuple[list[Doc], list[Doc]]:
    """The two sides of a set as Docs with payload, and the gold target Docs."""
    source, gold = sides(name, nlp)
    docs = list(pair_docs(source, gold, nlp))
    if links:
        docs = list(with_links(docs, docs, DATA / name / f"align.{links}.pharaoh"))
    return docs, [gold_doc(doc, nlp) for doc in gold]


def examples(docs: Sequence[Doc], gold: Sequence[Doc]) -> list[Example]:
    return [Example(doc, ref) for doc, ref in zip(docs, gold)]


def table(header: Sequence[str], rows: Iterable[Sequence]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def best_of(times: int, work: Callable[[], object], clock: Callable[[], float]) -> float:
    """The least time of several runs: what the work costs when nothing else disturbs it."""
    least = float("inf")
    for _ in range(times):
        start = clock()
        work()
        least = min(least, clock() - start)
    return least


def xx() -> Language:
    return spacy.blank("xx")
