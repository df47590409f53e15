"""Leave-one-out weights of the learned matcher, kept in files so that a stopped run goes on where it was."""

from functools import cache
from pathlib import Path

import numpy as np

from scripts.ranker_data import GIVEN, given_rows, gold_docs, training_rows
from scripts.train_ranker import train
from spacy_xproj.errors import XprojError
from spacy_xproj.files import file_hash, text_hash
from spacy_xproj.similarities.ranker.weights import read_weights, write_weights

from .common import ROOT

DOMAINS = {"absa": "opinion targets", "reviews": "opinion targets"}  # one domain, although of two origins
# What the weights depend on but for the data
CODE = (
    "scripts/*ranker*.py",
    "scripts/glued.py",
    "scripts/cut.py",
    *(f"spacy_xproj/{part}*.py" for part in ("", "aligners/", "corpus/", "similarities/", "similarities/ranker/")),
)


def group(name: str, by: str) -> str:
    """What is left out for a set: its languages, or its domain."""
    domain, languages = name.split("/")
    return languages if by == "languages" else DOMAINS.get(domain, domain)


def fold_weights(held: str, by: str, folder: Path, names: tuple[str, ...], every: int = 1) -> dict[str, np.ndarray]:
    """Weights that saw nothing of a language pair or a domain.

    held (str), by (str): The group that is left out, and what it is a group by: "languages" or "domain".
    folder (Path): Where the weights are kept, under a hash of the data and the code that they are from.
    names (tuple of str): The sets to learn from, but for those of the group.
    every (int): Learn from every so manieth sentence pair.
    RAISES (XprojError): If no set is left.
    """
    seen = [name for name in names if group(name, by) != held]
    if not seen:
        raise XprojError(f"There must be sets of more than one {by} to learn from, but there is {held!r} only.")
    key = text_hash(repr((code_hash(), every, [(name, content_hash(name)) for name in seen])))
    path = folder / f"{key[:20]}.json"
    if not path.exists():
        print(f"# learning without {held}, from {', '.join(seen)}", flush=True)
        # made for each fold: the aligner, too, must not see the text that is left out
        rows = [row._replace(pairs=row.pairs[::every], gold=row.gold[::every]) for row in training_rows(seen)]
        about = {"made_by": "python -m benchmarks.quality", "left_out": held, "every": every, "data": seen}
        write_weights(path, train(rows), about)
    return read_weights(str(path))  # as they are in the file, rounded: a second run must give the same figures


@cache
def content_hash(name: str) -> str:
    """Of the words, the gold spans and the given links of a set."""
    docs, gold = gold_docs(name)
    text = [([t.text for t in doc], doc._.xproj.words, doc._.xproj.spans) for doc in docs]
    links = [(row.links, [pair.links.tolist() for pair in row.pairs]) for row in given_rows(name, GIVEN[name])]
    return text_hash(repr((text, [sorted(spans) for spans in gold], links)))


@cache
def code_hash() -> str:
    """Of the modules that make the data and learn from it."""
    return text_hash("".join(file_hash(path) for pattern in CODE for path in sorted(ROOT.glob(pattern))))
