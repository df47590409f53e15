"""What must not change while code moves: links, projections and soft labels, as they were written down in held.json.

`python -m tests.test_held` writes that file anew. Do so only for a change that is meant, and say why in its commit.
Whole numbers and texts are compared as they are, sums of scores to five digits: other processors round otherwise.
"""

import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.util import load_config, load_model_from_config

from spacy_xproj import fit
from spacy_xproj.bitext import Bitext
from tests.conftest import CONFIGS, DATA, ROOT

HELD = Path(__file__).with_name("held.json")
PROJECTIONS = (
    "project_ranker",
    "project_match",
    "project_fused",
    "project_heuristic",
    "project_elp",
    "project_ref_heuristic",
    "project_ref_greedy",
)
REAL = [("europarl/en-es", "eflomal-gdfa"), ("europarl/en-de", "eflomal-inter"), ("absa/en-es", "simalign")]
CASES = [
    *(f"shipped en-{lang} {config}" for lang in ("es", "de") for config in PROJECTIONS),
    *(f"{name} {links} {config}" for name, links in REAL for config in PROJECTIONS[:2]),
    "europarl/en-es fitted project_ranker",
    "soft labels",
]


def shipped(name, lang):
    """Words, and entities with token offsets, of a file of the shipped corpus."""
    nlp = spacy.blank(lang)
    for line in (ROOT / "assets" / f"{name}.{lang}.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        doc = nlp.make_doc(record["text"])
        found = [doc.char_span(s["start"], s["end"], s["label"]) for s in record["spans"]]
        yield [t.text for t in doc], [(s.start, s.end, s.label_) for s in found if s is not None]


def conll(path):
    """Words and entities of the sentences of a file with `token<TAB>IOB2` lines."""
    for block in path.read_text(encoding="utf-8").strip("\n").split("\n\n"):
        rows = [line.split("\t") for line in block.split("\n")]
        spans = []
        for i, (_, tag) in enumerate(rows):
            if tag.startswith("B-"):
                spans.append((i, i + 1, tag[2:]))
            elif tag.startswith("I-"):
                spans[-1] = (spans[-1][0], i + 1, spans[-1][2])
        yield [word for word, _ in rows], spans


def pharaoh(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        yield np.array([[int(n) for n in item.split("-")] for item in line.split()], "i4").reshape(-1, 2)


def target_docs(nlp, source, target, links=None):
    """Target Docs with the source side as payload."""
    for k, ((words, spans), (target_words, _)) in enumerate(zip(source, target, strict=True)):
        doc = spacy.tokens.Doc(nlp.vocab, words=target_words)
        named = [(*span, f"s{i}") for i, span in enumerate(spans)]
        made = Bitext("en", words, [True] * len(words), named)
        if links is not None:
            made = made.replace(links=links[k], provenance={"aligner": "given"})
        doc._.xproj = made
        yield doc


def digest(rows):
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def described(docs):
    """What the pipes wrote on Docs: hashes of what is whole, sums of what is not."""
    links, ents, scores = [], [], []
    reasons = Counter()
    for doc in docs:
        links.append(sorted(map(tuple, doc._.xproj.links.tolist())))
        ents.append([(e.start, e.end, e.label_) for e in doc.ents])
        scores += [float(x) for x in doc.spans["xproj"].attrs["scores"]]
        reasons.update(row["reason"] for row in doc._.xproj_report["missing"])
    return {
        "links": digest(links),
        "n_links": sum(map(len, links)),
        "link_scores": float(sum(doc._.xproj.scores.sum(dtype="f8") for doc in docs)),
        "ents": digest(ents),
        "n_ents": sum(map(len, ents)),
        "scores": sum(scores),
        "reasons": dict(sorted(reasons.items())),
    }


def pipeline(config):
    return load_model_from_config(load_config(CONFIGS / f"{config}.cfg"), auto_fill=True)


def soft_labels():
    """Those of two teachers that find other entities, averaged."""
    nlp = spacy.blank("es")
    teacher = nlp.add_pipe("xproj_teacher", config={"agreement": "mask"})
    teacher.teachers = {"a": ByCase(1), "b": ByCase(2)}
    docs = list(nlp.pipe(spacy.tokens.Doc(nlp.vocab, words=words) for words, _ in shipped("test", "es")))
    probs = np.concatenate([doc._.xproj_soft.probs for doc in docs])
    return {
        "labels": list(docs[0]._.xproj_soft.labels),
        "masked": int((~probs.any(axis=1)).sum()),
        "argmax": digest(probs.argmax(axis=1).tolist()),
        "sums": [float(x) for x in probs.sum(axis=0, dtype="f8")],
    }


class ByCase:
    """Finds words in capitals more or less probably an entity."""

    labels = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")

    def __init__(self, kind):
        self.kind = kind

    def __call__(self, docs):
        return [np.array([self.row(t) for t in doc]).reshape(-1, 5) for doc in docs]

    def row(self, token):
        row = np.full(5, 0.05)
        row[0 if token.text.islower() or not token.i else self.kind + 2 * (len(token.text) > 6)] += 0.75
        return row / row.sum()


def measured(case):
    """What there is to hold of a case."""
    if case == "soft labels":
        return soft_labels()
    *where, config = case.split()
    nlp = pipeline(config)
    if where[0] == "shipped":
        lang = where[1].split("-")[1]
        docs = list(target_docs(nlp, shipped("train", "en"), shipped("train", lang)))
    else:
        folder, fitted = DATA / where[0], where[1] == "fitted"
        links = None if fitted else list(pharaoh(folder / f"align.{where[1]}.pharaoh"))
        docs = list(target_docs(nlp, conll(folder / "src.conll"), conll(folder / "tgt.conll"), links))
    fit(nlp, docs)
    return described(list(nlp.pipe(docs)))


def same(got, held):
    """The same, floats to five digits."""
    if isinstance(held, dict):
        return got.keys() == held.keys() and all(same(got[key], held[key]) for key in held)
    if isinstance(held, list) and any(isinstance(x, float) for x in held):
        return got == pytest.approx(held, rel=1e-5)
    return got == (pytest.approx(held, rel=1e-5) if isinstance(held, float) else held)


@pytest.mark.parametrize("case", CASES)
def test_held(case):
    if "/" in case and not DATA.exists():
        pytest.skip("the data folder is absent (XPROJ_DATA)")
    got, held = measured(case), json.loads(HELD.read_text(encoding="utf-8"))[case]
    assert same(got, held), f"{case}: got {got}, held is {held}"


def test_states_are_held(tmp_path):
    """What a fitted pipeline has learnt is all in its folder, and in its bytes."""
    nlp = pipeline("project_fused")
    docs = list(target_docs(nlp, shipped("test", "en"), shipped("test", "es")))
    fit(nlp, docs)
    nlp.to_disk(tmp_path / "saved")
    others = spacy.load(tmp_path / "saved"), pipeline("project_fused").from_bytes(nlp.to_bytes())
    wanted = described(list(nlp.pipe(doc.copy() for doc in docs)))
    for other in others:
        got = described(list(other.pipe(target_docs(other, shipped("test", "en"), shipped("test", "es")))))
        assert got == wanted


if __name__ == "__main__":
    HELD.write_text(json.dumps({case: measured(case) for case in CASES}, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{HELD}: {len(CASES)} cases\n")
