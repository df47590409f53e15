"""Study 5: checks of correctness, against what must come out."""

from itertools import pairwise
from math import log
from typing import Any

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from benchmarks.common import DATA
from spacy_xproj.evaluate.bootstrap import f1
from spacy_xproj.soft import SoftLabels
from spacy_xproj.students.losses import LOSSES
from spacy_xproj.students.supervision import gold_rows
from spacy_xproj.tags import make_tags
from spacy_xproj.teachers.similarity import SimilarityWeights

from .data import Setting, need, shipped_setting, unlabeled
from .routes import GOLD, students, trained
from .sources import text_file
from .training import Bench

PERFECT, OTHER_SCHEME = "perfect teacher", "perfect teacher, BIOES, columns in reverse"
TEXTS = {
    "english": "ntrex/eng.txt",
    "german": "ntrex/deu.txt",
    "spanish": "ntrex/spa.txt",
    "setswana": "ntrex/tsn.txt",
    "luganda": "mafand/en-lug/train.lug",
}
# target; sources in groups, each of the first group more related to the target than those of the next
RANKINGS = (
    ("spanish", ("english",), ("luganda", "setswana")),
    ("spanish", ("german",), ("luganda", "setswana")),
    ("spanish", ("english", "german"), ("luganda", "setswana")),
    ("german", ("english",), ("luganda", "setswana")),
    ("german", ("english",), ("spanish",), ("luganda",)),
    ("english", ("german", "spanish"), ("luganda", "setswana")),
    ("luganda", ("setswana",), ("english", "german")),
    ("luganda", ("setswana",), ("english", "german", "spanish")),
    ("setswana", ("luganda",), ("english", "german")),
    ("setswana", ("luganda",), ("english", "german", "spanish")),
)
LINES = 300  # of each source, the first ones, and of the target, from line 1000
# Two tokens, the second of which counts half, over three tags
PROBS, TARGETS, WEIGHTS = ((0.5, 0.3, 0.2), (0.1, 0.8, 0.1)), ((0.7, 0.2, 0.1), (0.0, 0.6, 0.4)), (1.0, 0.5)


def study(bench: Bench) -> dict[str, Any]:
    return {"perfect": perfect(bench), "rankings": rankings(bench), "losses": losses()}


def perfect(bench: Bench) -> dict[str, Any]:
    """Training on gold as such, and as the soft labels of a teacher that is always right."""
    setting = shipped_setting("es").cut(bench.limit)
    tests = {name: (bench.put(docs), labels) for name, (docs, labels) in setting.tests.items()}
    data = {
        GOLD: (bench.put(setting.gold), "gold"),
        PERFECT: (bench.put(always_right(setting, "IOB2")), "soft"),
        OTHER_SCHEME: (bench.put(always_right(setting, "BIOES", -1)), "soft"),
    }
    jobs = {name: students(bench, setting, name, path, tests, how) for name, (path, how) in data.items()}
    found = {name: [float(f1(x.counts["test"])) for x in some] for name, some in trained(bench, jobs).items()}
    return {name: {"seeds": each, "f1": float(np.mean(each))} for name, each in found.items()}


def always_right(setting: Setting, scheme: str, step: int = 1) -> list[Doc]:
    """The training text with its gold as soft labels.

    step (int): -1: the columns in reverse.
    """
    types = sorted({e.label_ for doc in setting.gold for e in doc.ents})
    tags, out = make_tags(types, scheme), []
    for doc in setting.gold:
        rows = gold_rows(Example(doc, doc), types, scheme)
        made = unlabeled(doc)
        made._.xproj_soft = SoftLabels(tuple(tags[::step]), rows[:, ::step])
        out.append(made)
    return out


def rankings(bench: Bench) -> list[dict[str, Any]]:
    """Mean weights of sources for a target text, by the similarity model."""
    need("ntrex"), need("mafand")
    size = min(bench.limit or LINES, LINES)
    out = []
    for target, *groups in RANKINGS:
        names = [name for group in groups for name in group]
        paths = {name: text_file(bench, docs(TEXTS[name], 0, size)) for name in names}
        weights: Any = SimilarityWeights(paths, level="domain")
        weights.fit(docs(TEXTS[target], 1000, 1000 + size), names)
        found = {name: float(w) for name, w in zip(weights.names, weights.domain)}
        ranked = all(min(found[x] for x in a) > max(found[x] for x in b) for a, b in pairwise(groups))
        out.append({"target": target, "groups": groups, "weights": found, "as_expected": ranked})
    return out


def docs(path: str, start: int, end: int) -> list[Doc]:
    """Lines of a text, split at white space."""
    lines = (DATA / path).read_text(encoding="utf-8").split("\n")[start:end]
    vocab = Vocab()
    return [Doc(vocab, words=line.split()) for line in lines if line.strip()]


def losses() -> list[dict[str, Any]]:
    """Each loss of two tokens, with its sum written out; and its gradient, against finite differences of the sum."""
    (a, b, c), (_, e, f) = PROBS
    mse = (1 * (0.04 + 0.01 + 0.01) / 3 + 0.5 * (0.01 + 0.04 + 0.09) / 3) / 1.5
    ce = (1 * -(0.7 * log(a) + 0.2 * log(b) + 0.1 * log(c)) + 0.5 * -(0.6 * log(e) + 0.4 * log(f))) / 1.5
    entropy = (1 * -(0.7 * log(0.7) + 0.2 * log(0.2) + 0.1 * log(0.1)) + 0.5 * -(0.6 * log(0.6) + 0.4 * log(0.4))) / 1.5
    # at temperature 2 each probability becomes its square root, divided by the sum of these; the loss is times 4
    soft = [[x**0.5 / sum(y**0.5 for y in row) for x in row] for row in (*PROBS, *TARGETS)]
    hot = 4 * sum(w * -sum(t * log(p) for p, t in zip(ps, ts) if t) for w, ps, ts in zip(WEIGHTS, soft[:2], soft[2:]))
    rows = [("mse", 1.0, mse), ("ce", 1.0, ce), ("kl", 1.0, ce - entropy), ("ce", 2.0, hot / 1.5)]
    return [loss_row(*row) for row in rows]


def loss_row(name: str, temperature: float, by_hand: float) -> dict[str, Any]:
    settings = {} if name == "mse" else {"temperature": temperature}
    targets, weights = np.array(TARGETS), np.array(WEIGHTS)
    value, gradient = LOSSES[name](np.array(PROBS), targets, weights, **settings)
    logits, error = np.log(np.array(PROBS)), 0.0
    # the gradient is of the sum over tokens, and that of "mse" of the sum over tags, too
    scale = weights.sum() * (len(PROBS[0]) if name == "mse" else 1)
    for cell in np.ndindex(logits.shape):
        sides = []
        for step in (1e-5, -1e-5):
            moved = logits.copy()
            moved[cell] += step
            probs = np.exp(moved) / np.exp(moved).sum(axis=1, keepdims=True)
            sides.append(scale * LOSSES[name](probs, targets, weights, **settings)[0])
        error = max(error, abs(gradient[cell] - (sides[0] - sides[1]) / 2e-5))
    return {
        "loss": name,
        "temperature": temperature,
        "by_hand": by_hand,
        "value": float(value),
        "gradient_error": float(error),
    }
