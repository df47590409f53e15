"""Fuzz targets: projection and review, also of Docs from damaged .spacy files."""

import functools
import json
import random
import re
import zlib
from collections import Counter
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import srsly
from spacy.tokens import Doc
from srsly import msgpack

from spacy_xproj.bitext import depths
from spacy_xproj.corpus import read_docs, read_file, write_file
from spacy_xproj.fitting import fit
from spacy_xproj.review.answers import latest, read_answers, write_answers
from spacy_xproj.review.apply import correct, reviewed
from spacy_xproj.review.cases import cases, read_queue, write_queue
from spacy_xproj.review.page.html import REASONS, html
from spacy_xproj.review.page.rows import rows
from spacy_xproj.soft import find_entities
from spacy_xproj.solvers.exact import make_exact
from spacy_xproj.solvers.greedy import make_greedy
from spacy_xproj.tags import TagScheme
from spacy_xproj.ty import Cells

from .fuzz_inputs import DE, damaged, damaged_json, damaged_lines, make_doc, make_json
from .fuzz_targets import check_doc, refused, same_docs, target


@target
def fuzz_docbin(rng: random.Random, folder: Path) -> None:
    """Damage below the compression: in the bytes of msgpack, in its values, and in the payloads."""
    path = folder / "in.spacy"
    docs = [make_doc(rng, 0, 0.9) for _ in range(rng.randint(1, 3))]
    if refused(lambda: write_file(docs, path)) is None:
        return
    data = zlib.decompress(path.read_bytes())
    if (kind := rng.random()) < 0.3:
        data = damaged(rng, data, 2)
    else:
        found = raw_msgpack(data)
        if kind < 0.5:
            key = rng.choice(list(found))
            found[key] = rng.choice([damaged_json(rng, found[key]), b"", None, b"\xff" * 16, found["lengths"] * 2])
        else:
            users = found["user_data"] = list(found["user_data"])
            values = raw_msgpack(users[0])
            for item in values if isinstance(values, dict) else ():
                if isinstance(values[item], dict) and values[item]:
                    key = rng.choice(list(values[item]))
                    values[item][key] = damaged_payload(rng, values[item][key])
            users[0] = pack(values)
        data = pack(found)
    path.write_bytes(zlib.compress(data))
    docs = refused(lambda: [doc for doc in read_docs(path, DE, format="spacy") if check_doc(doc) is None], path)
    if docs:
        nlp = pipeline(rng.randrange(PIPELINES))
        refused(lambda: [check_projected(nlp(doc), nlp) for doc in docs if doc._.xproj is not None])
        refused(lambda: page_of(docs))


def pack(value: Any) -> bytes:
    """Values as msgpack, without what it cannot hold."""
    try:
        return bytes(msgpack.packb(value, use_bin_type=True))
    except (UnicodeEncodeError, OverflowError):
        return b"\x80"


def raw_msgpack(data: bytes) -> Any:
    """Values of msgpack as they stand, without the hooks that make payloads of them."""
    return msgpack.unpackb(data, raw=False, use_list=False, strict_map_key=False, object_pairs_hook=dict)


def damaged_payload(rng: random.Random, value: Any) -> Any:
    if isinstance(value, bytes) and rng.random() < 0.7:
        bad = np.array([rng.choice([-1.0, 2.0, 1e9, float("nan"), 5e-324])], "<f4")
        return rng.choice([value[:-1], value * 2, damaged(rng, value, 1), bad.tobytes() * max(1, len(value) // 4)])
    if isinstance(value, (list, tuple)) and value and rng.random() < 0.7:
        value = list(value)
        k = rng.randrange(len(value))
        value[k] = damaged_payload(rng, value[k])
        return value
    if type(value) in (int, float):
        return rng.choice([-1, 0, 1, 2, 10**6, 2**40, float("nan"), "x"])
    return make_json_safe(rng)


def make_json_safe(rng: random.Random) -> Any:
    return json.loads(json.dumps(make_json(rng)).replace("\\ud800", "").replace(str(10**20), "7"))


PIPELINES = 150  # combinations of settings


SIMILARITIES: list[dict[str, Any]] = [
    {"@xproj_similarities": "spacy_xproj.Ranker.v1"},
    {"@xproj_similarities": "spacy_xproj.Links.v1"},
    {"@xproj_similarities": "spacy_xproj.Surface.v1"},
    {"@xproj_similarities": "spacy_xproj.Surface.v1", "agglutinative": True, "threshold": 0.2},
]


@functools.lru_cache(maxsize=400)
def pipeline(seed: int) -> Any:
    """A pipeline with settings chosen by a number."""
    rng = random.Random(seed)
    nlp = spacy.blank("xx")
    common = {
        "min_score": rng.choice([0.0, 0.0, 0.3, 0.9, 1.0]),
        "doubtful": rng.choice(["keep", "drop", "mask"]),
        "annotate_ents": rng.random() < 0.9,
    }
    if rng.random() < 0.3:
        config = {
            "merge_gap": rng.choice([0, 1, 2, 5]),
            "trim_punctuation": rng.random() < 0.5,
            "min_ratio": rng.choice([0.0, 0.5]),
            "max_ratio": rng.choice([0.0, 2.0]),
            "max_runs": rng.choice([0, 1, 2]),
            "overlap": rng.choice(["longest", "overwrite"]),
        }
        nlp.add_pipe("xproj_projector", config={**config, **common})
    else:
        similarity: dict[str, Any] = rng.choice(SIMILARITIES)
        if rng.random() < 0.25:
            some = {str(k): {**rng.choice(SIMILARITIES[1:])} for k in range(2)}
            weights = {"weights": {name: rng.choice([0.5, 1.0, 2.0]) for name in some}}
            similarity = {"@xproj_similarities": "spacy_xproj.Fused.v1", "similarities": some, **weights}
        config = {
            "similarity": similarity,
            "solver": {"@xproj_solvers": rng.choice(["spacy_xproj.Exact.v1", "spacy_xproj.Greedy.v1"])},
            "n_projections": rng.choice([1, 1, 2, 3]),
            "order": rng.choice(["first", "shortest", "longest"]),
            "stop_words": rng.choice([[], [".", "of"]]),
        }
        if rng.random() < 0.3:
            kind = rng.choice(["spacy.ngram_suggester.v1", "spacy_xproj.linked_suggester.v1"])
            config["suggester"] = {"@misc": kind, **({"sizes": [1, 2, 3]} if "ngram" in kind else {})}
        nlp.add_pipe("xproj_matcher", config={**config, **common})
    if rng.random() < 0.3:
        fit(nlp, [make_doc(rng, 0.1, 1.0, nlp.vocab) for _ in range(20)])
    return nlp


def check_projected(doc: Doc, nlp: Any) -> None:
    """The invariants of a projection."""
    check_doc(doc)
    pipe, bitext, report = nlp.pipeline[-1][1], doc._.xproj, doc._.xproj_report
    missing = [row["id"] for row in report["missing"]]
    ids = [span.id for span in bitext.spans]
    assert report["source_spans"] == len(ids) == report["projected"] + len(missing), "counts do not add up"
    assert len(set(missing)) == len(missing) and set(missing) <= set(ids), "a source span is missing twice"
    assert {row["reason"] for row in report["missing"]} <= set(REASONS), "a reason that nobody knows"
    group = doc.spans["xproj"]
    scores = group.attrs["scores"]
    assert len(scores) == len(group) and ((scores >= 0) & (scores <= 1)).all(), f"scores {scores}"
    per_source = Counter(span.id_ for span in group)
    most = getattr(pipe, "n_projections", 0)
    if not most and pipe.heuristic.overlap != "overwrite":  # which can cut a run in two
        most = pipe.heuristic.max_runs
    most = most or len(doc)
    assert all(n <= most for n in per_source.values()), "more than n projections"
    # What is projected is an entity, or listed with a reason.
    kept = {(ent.start, ent.end, ent.label_, ent.id_) for ent in doc.ents}
    shown = {span.id_ for span in group if (span.start, span.end, span.label_, span.id_) in kept}
    if pipe.annotate_ents:
        assert shown == set(ids) - set(missing), "an entity is lost without a reason"
    place = {span.id: span for span in bitext.spans}
    for span in group:
        a, b = place[span.id_].start, place[span.id_].end
        assert span.label_ == place[span.id_].label
        if bitext.sents:
            inside = [c <= span.start and span.end <= d for (x, y), (c, d) in bitext.sents if x <= a and b <= y]
            assert any(inside), "a projection crosses sentence pairs"
    level: dict[str, int] = {}
    for pair in bitext.pairs(tuple(token.text for token in doc)):
        level.update(zip((span.id for span in pair.spans), depths(pair.spans)))
    for one, other in combinations(group, 2):
        if one.start < other.end and other.start < one.end:
            assert level[one.id_] != level[other.id_], "projections of one level of nesting overlap"


@target
def fuzz_project(rng: random.Random, folder: Path) -> None:
    """Random payloads through a matcher or projector of random settings: alone and in a batch, with the same result."""
    seed = rng.random()

    def docs() -> list[Doc]:
        again = random.Random(seed)
        return [make_doc(again, 0.1, 1.0, nlp.vocab) for _ in range(3)]

    nlp = pipeline(rng.randrange(PIPELINES))
    found = list(map(nlp, docs()))
    for doc in found:
        check_projected(doc, nlp)
    if rng.random() < 0.1:
        same_docs(found, list(nlp.pipe(docs())))
        if refused(lambda: write_file(found, folder / "x.spacy")):
            same_docs(found, list(read_file(folder / "x.spacy", nlp.vocab)))


@target
def fuzz_merge(rng: random.Random, folder: Path) -> None:
    """A projector and a matcher, merged."""
    nlp = merging(rng.randrange(6))
    doc = nlp(make_doc(rng, 0.1, 1.0, nlp.vocab))
    check_doc(doc)
    report = doc._.xproj_report
    assert report["source_spans"] == report["projected"] + len(report["missing"])
    assert ((doc.spans["xproj"].attrs["scores"] >= 0) & (doc.spans["xproj"].attrs["scores"] <= 1)).all()


@functools.cache
def merging(seed: int) -> Any:
    nlp = spacy.blank("xx")
    nlp.add_pipe("xproj_projector", config={"spans_key": "one", "max_runs": 1 + seed % 2})
    links = {"@xproj_similarities": "spacy_xproj.Links.v1"}
    nlp.add_pipe("xproj_matcher", config={"spans_key": "two", "similarity": links, "n_projections": 1 + seed % 3})
    keys = ["one", "two", "ents"][: 2 + seed % 2]
    doubt = {"min_score": [0.0, 0.6][seed % 2], "doubtful": ["drop", "mask"][seed // 2 % 2]}
    nlp.add_pipe("xproj_merger", config={"keys": keys, **doubt})
    return nlp


@target
def fuzz_solve(rng: random.Random, folder: Path) -> None:
    """Both solvers hold the constraints, and the exact one is as good as trying everything."""
    n, size, n_words = rng.choice([1, 1, 2, 3]), rng.randint(0, 9), rng.randint(1, 7)
    table = []
    for _ in range(size):
        start = rng.randrange(n_words)
        score = rng.choice([rng.randint(-1, 6) / 6, rng.random()])
        table.append((rng.randrange(4), start, rng.randint(start + 1, n_words), score))
    columns = np.array(table, "f8").reshape(-1, 4)
    cells = Cells(*(columns[:, c].astype("i8") for c in range(3)), columns[:, 3])
    totals = []
    for solve in (make_exact(), make_greedy()):
        chosen = list(solve(cells, n).chosen)
        assert allowed(table, chosen, n)
        totals.append(sum(table[k][3] for k in chosen))
    some = [k for k in range(size) if table[k][3] > 0]
    best = max(
        (
            sum(table[k][3] for k in few)
            for r in range(len(some) + 1)
            for few in combinations(some, r)
            if allowed(table, few, n)
        ),
        default=0.0,
    )
    assert abs(totals[0] - best) < 1e-6 and totals[1] <= best + 1e-6


def allowed(table: list[tuple], chosen: Any, n: int) -> bool:
    places = sorted((table[k][1], table[k][2]) for k in chosen)
    spans = Counter(table[k][0] for k in chosen)
    return all(a[1] <= b[0] for a, b in pairwise(places)) and all(count <= n for count in spans.values())


@target
def fuzz_soft(rng: random.Random, folder: Path) -> None:
    """Entities of any distributions are disjoint, inside, and have a probability."""
    tags = rng.choice(
        [("O", "B-PER", "I-PER"), ("B-X", "O", "I-X", "B-Y", "I-Y"), ("O", "B-A", "I-A", "L-A", "U-A"), ("PER", "O")]
    )
    doc = make_doc(rng, 0.1, 0.0)
    probs = np.array([[rng.choice([0.0, 1.0, rng.random()]) for _ in tags] for _ in doc], "f4").reshape(
        len(doc), len(tags)
    )
    total = probs.sum(axis=1, keepdims=True)
    probs = np.divide(probs, total, out=np.zeros_like(probs), where=total > 0)
    found = find_entities(doc, probs, TagScheme(tags))
    assert all(0 <= e.start < e.end <= len(doc) and 0 <= e.score <= 1.0001 for e in found)
    assert all(a.end <= b.start for a, b in pairwise(found))


def projected(rng: random.Random, many: int = 2) -> list[Doc]:
    nlp = pipeline(rng.randrange(PIPELINES))
    return [nlp(make_doc(rng, 0.3, 1.0, nlp.vocab)) for _ in range(many)]


class Page(HTMLParser):
    """The elements of a page, and what stands in its scripts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.scripts += [""] if tag == "script" else []

    def handle_data(self, data: str) -> None:
        if self.scripts and self.tags[-1] == "script":
            self.scripts[-1] += data


@functools.cache
def plain_page() -> list[str]:
    page = Page()
    page.feed(html([]))
    return page.tags


def page_of(docs: list[Doc]) -> None:
    found = [row for k, doc in enumerate(docs) for row in rows(doc, str(k))]
    text = html(found, title="<b>" + "</script>", other="x")
    page = Page()
    page.feed(text)
    assert page.tags == plain_page(), "the texts make elements of their own"
    block = re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', text, re.S)
    assert block is not None and "<" not in block[1]
    data = json.loads(block[1], parse_constant=lambda name: (_ for _ in ()).throw(AssertionError(name)))
    assert len(data["rows"]) == len(found)
    text.encode()


@target
def fuzz_page(rng: random.Random, folder: Path) -> None:
    page_of([*projected(rng), make_doc(rng, 0.5, 0.3)])


@target
def fuzz_answers(rng: random.Random, folder: Path) -> None:
    """Cases and answers are written, read again, damaged, and put into their Docs."""
    from spacy_xproj.review.answers import Answer

    docs = projected(rng)
    found = list(cases(docs))
    queue, path = folder / "queue.jsonl", folder / "answers.jsonl"
    write_queue(queue, found)
    back = refused(lambda: list(read_queue(queue)), queue)
    assert back is None or len(back) == len(found)
    answers = []
    for case in found:
        spans = tuple(each.span for each in case.projected[:1])
        kind = rng.choice(["accept", "span"] if spans else ["absent", "skip"])
        answers.append(
            Answer(
                case.question, kind, spans, rng.choice([case.question.label, "PER"]), rng.choice(["person", "model:x"])
            )
        )
    write_answers(path, answers)
    if rng.random() < 0.6:
        damage = damaged if rng.random() < 0.4 else damaged_lines
        path.write_bytes(damage(rng, path.read_bytes()))
        queue.write_bytes(damage(rng, queue.read_bytes()))
        refused(lambda: list(read_queue(queue)), queue)
    given = refused(lambda: [answer for _, answer in read_answers(path)], path)
    if given is not None:
        problems: list[str] = []
        for one in reviewed(docs, latest(given), problems):
            doc = refused(lambda one=one: correct(one, rng.choice([0.0, 0.5])))
            if doc is not None:
                check_doc(doc)
                report = doc._.xproj_report
                assert report["source_spans"] == report["projected"] + len(report["missing"])
        page_of(docs)


@target
def fuzz_state(rng: random.Random, folder: Path) -> None:
    """The saved state of a part, damaged."""
    from spacy_xproj.similarities.lexicon import Lexicon

    path = folder / "lexicon"
    part = Lexicon()
    part.fit([pair for doc in projected(rng) for pair in doc._.xproj.pairs(tuple(t.text for t in doc))])
    part.to_disk(path)
    data = path.read_bytes()
    Lexicon().from_disk(path)
    path.write_bytes(
        damaged(rng, data, 2) if rng.random() < 0.5 else pack(damaged_json(rng, srsly.msgpack_loads(data)))
    )
    refused(lambda: Lexicon().from_disk(path), path)
