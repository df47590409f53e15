"""Random inputs for the fuzz: texts, Docs, payloads, and valid files that are damaged."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import spacy
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from spacy_xproj.bitext import Bitext, SourceSpan
from spacy_xproj.soft import SoftLabels

EN, DE = spacy.blank("en"), spacy.blank("de")
ODD = [
    *("\0", "\ufeff", "\u200f", "\u202e", "\u2028", "\u2029", "\x85", "\u00a0", "\u3000", "\u200d", "\x1b[31m", "\x0b"),
    *("\U0001f469\u200d\U0001f469\u200d\U0001f467", "e\u0301\u0323", "\U000e0041", "\ufffc", "\ufffd", "\uffff"),
]
HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    *("<!--<script>", "&lt;b&gt;", "\"'`--", "'; DROP TABLE entries; --", "${nlp.lang}", "{{data}}", "%s%n", "../../x"),
]
PLAIN = [
    *("Ana", "Rom", "New", "York", "New-York", "IBM", "lebt", "in", "the", "of", ",", ".", "12", "3.5", "l'été"),
    *(
        "漢字",
        "กรุงเทพ",
        "مدينة",
        "दिल्ली",
        "Москва",
        "don't",
        "B-PER",
        "O",
        "_",
        "#",
        "-DOCSTART-",
        "|",
        "a-b",
        "x" * 60,
    ),
]
LABELS = ["PER", "LOC", "ORG", "B-X", "art film", "Ü", "<b>", "O", "-", "per"]


def word(rng: random.Random, odd: float = 0.1) -> str:
    """A word; some are odd, some hostile."""
    if rng.random() > odd:
        return rng.choice(PLAIN)
    return rng.choice([rng.choice(HOSTILE), rng.choice(ODD), rng.choice(PLAIN) + rng.choice(ODD) + rng.choice(PLAIN)])


def words(rng: random.Random, most: int = 9, odd: float = 0.1) -> list[str]:
    """Words of a sentence."""
    return [word(rng, odd) for _ in range(rng.randint(1, most))]


def any_spans(rng: random.Random, n: int, most: int = 4) -> list[tuple[int, int]]:
    """Places of spans over `n` tokens; they can nest, cross and come twice."""
    starts = [rng.randrange(n) for _ in range(rng.randint(0, most))] if n else []
    return [(start, rng.randint(start + 1, min(n, start + 4))) for start in starts]


def make_bitext(rng: random.Random, n_target: int, odd: float = 0.1) -> Bitext:
    """A payload for a Doc of that many tokens, with links, scores, spans and sentence pairs of any kind."""
    source = words(rng, 12, odd) if rng.random() > 0.02 else []
    n = len(source)
    spans = [
        SourceSpan(a, b, rng.choice(LABELS), rng.choice(["", "q1", "s0", "<i>"]), rng.choice([0.0, 0.5, 1.0]))
        for a, b in any_spans(rng, n)
    ]
    some = range(rng.randint(0, 2 * n) if n_target else 0)
    links = sorted({(rng.randrange(n), rng.randrange(n_target)) for _ in some})
    scores = [rng.choice([0.0, 1e-9, 0.3, rng.random(), 1.0]) for _ in links]
    evidence = {
        name: [rng.random() for _ in links] for name in rng.sample(["forward", "reverse", "x"], rng.randint(0, 2))
    }
    sents: Any = ()
    if n > 1 and n_target > 1 and rng.random() < 0.3:
        a, b = rng.randint(0, n), rng.randint(0, n_target)
        sents = [((0, a), (0, b)), ((a, n), (b, n_target))]
        if rng.random() < 0.2:
            sents.pop(rng.randrange(2))
    unknown = sorted(rng.sample(range(n), rng.randint(0, n))) if rng.random() < 0.1 else ()
    pairs = np.array(links, "i4").reshape(-1, 2)
    return Bitext(
        rng.choice(["en", "zh"]), source, [rng.random() < 0.8 for _ in source], spans, pairs, scores, evidence, sents,
        {"links": word(rng, odd)}, {}, unknown,
    )  # fmt: skip


def make_doc(rng: random.Random, odd: float = 0.1, payload: float = 0.5, vocab: Any = None) -> Doc:
    """A Doc with labels that are known, unknown or in part, and perhaps a payload, soft labels and meta data."""
    text = words(rng, 9, odd) if rng.random() > 0.01 else []
    doc = Doc(vocab or DE.vocab, words=text, spaces=[rng.random() < 0.8 for _ in text])
    spans = [Span(doc, a, b, rng.choice(LABELS), span_id=rng.choice(["", "k"])) for a, b in any_spans(rng, len(doc))]
    if rng.random() < 0.8:
        kept = filter_spans(spans)
        taken = {i for span in kept for i in range(span.start, span.end)}
        free = [i for i in range(len(doc)) if i not in taken]
        missing = rng.sample(free, rng.randint(0, len(free))) if rng.random() < 0.2 else []
        doc.set_ents(kept, missing=[doc[i : i + 1] for i in missing], default="outside")
    if rng.random() < 0.2:
        doc.spans[rng.choice(["gold", "xproj", "sc"])] = spans
    if rng.random() < payload:
        doc._.xproj = make_bitext(rng, len(doc), odd)
    if rng.random() < 0.1:
        probs = np.array([[rng.random() for _ in range(3)] for _ in doc], "f4").reshape(-1, 3)
        doc._.xproj_soft = SoftLabels(("O", "B-PER", "I-PER"), probs / probs.sum(axis=1, keepdims=True).clip(1e-6))
    if rng.random() < 0.3:
        doc.user_data["meta"] = make_json(rng, 2) if rng.random() < 0.2 else {"n": 1, "s": word(rng, odd)}
    return doc


def make_json(rng: random.Random, depth: int = 3) -> Any:
    """A JSON value of any kind."""
    kinds: list[Callable[[], Any]] = [
        lambda: word(rng, 0.5),
        lambda: rng.choice([0, 1, -1, 2, 10**20, 0.5, float("nan"), True, False, None, "", "\ud800"]),
        lambda: [make_json(rng, depth - 1) for _ in range(rng.randint(0, 3))],
        lambda: {rng.choice(KEYS): make_json(rng, depth - 1) for _ in range(rng.randint(0, 3))},
    ]
    return rng.choice(kinds if depth > 0 else kinds[:2])()


KEYS = [
    *("text", "spans", "start", "end", "label", "labels", "tokens", "id", "meta", "entities", "ner_tags", "data"),
    *("annotations", "result", "value", "type", "doc", "source", "targets", "answer", "reviewer", "format", "key"),
    *("n_shards", "shards", "counts", "files", "docs", "xproj_id", "0", ""),
]


def damaged_json(rng: random.Random, value: Any) -> Any:
    """A JSON value with something in it replaced, taken out or put in."""
    if not isinstance(value, (dict, list)) or not value or rng.random() < 0.15:
        return make_json(rng)
    value = value.copy()
    where = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
    if (kind := rng.random()) < 0.15:
        del value[where]
    elif kind < 0.25:
        value.update({rng.choice(KEYS): make_json(rng)}) if isinstance(value, dict) else value.append(make_json(rng))
    else:
        value[where] = damaged_json(rng, value[where])
    return value


def damaged_lines(rng: random.Random, data: bytes) -> bytes:
    """JSON, one value a line or one in all, of which one value is damaged as a value. Other bytes stay."""
    try:
        rows = [json.loads(line) for line in data.decode().splitlines()]
        k = rng.randrange(len(rows))
        rows[k] = damaged_json(rng, rows[k])
    except ValueError:
        try:
            return json.dumps(damaged_json(rng, json.loads(data))).encode()
        except ValueError:
            return data
    return "\n".join(map(json.dumps, rows)).encode()


def damaged(rng: random.Random, data: bytes, times: int = 3) -> bytes:
    """Bytes that are truncated, flipped, spliced, with lines that come twice or go, or odd characters put in."""
    for _ in range(rng.randint(1, times)):
        at = rng.randint(0, len(data))
        kind = rng.randrange(9)
        if kind == 0:
            data = data[:at]
        elif kind == 1 and data:
            at = rng.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        elif kind == 2:
            a, b = sorted(rng.randint(0, len(data)) for _ in range(2))
            data = data[:at] + data[a:b] + data[at:]
        elif kind == 3:
            lines = data.split(b"\n")
            k = rng.randrange(len(lines))
            data = b"\n".join(lines[: k + 1] + lines[k:])
        elif kind == 4:
            lines = data.split(b"\n")
            del lines[rng.randrange(len(lines))]
            data = b"\n".join(lines)
        elif kind == 5:
            data = data[:at] + rng.choice([*ODD, *HOSTILE]).encode() + data[at:]
        elif kind == 6:
            data = data[:at] + rng.choice(TOKENS) + data[at:]
        elif kind == 7:
            a, b = sorted((at, rng.randint(0, len(data))))
            data = data[:a] + data[b:]
        else:
            data = data.replace(*rng.choice(SWAPS))
    return data


TOKENS: Sequence[bytes] = [
    *(
        b"\t",
        b"\n",
        b"\n\n",
        b"\r",
        b" ",
        b"B-PER",
        b"I-LOC",
        b"S-",
        b"0",
        b"-1",
        b"99999999999",
        b'"',
        b"'",
        b"[",
        b"]",
    ),
    *(b"{", b"}", b",", b"null", b"\\ud800", b"\\u0000", b"1e999", b"NaN", b"<", b">", b"&", b"&#0;", b"]]>", b"\xff"),
    *(
        b"\xed\xa0\x80",
        b"\xff\xfe",
        b"[" * 3000,
        b'{"a":' * 1500,
        b"# text = x\n",
        b"#begin document (x);\n",
        b"1-2",
        b"x-y",
    ),
]
SWAPS = [
    *((b"\n", b"\r\n"), (b"\n", b"\r"), (b"\t", b" "), (b" ", b"\t"), (b"B-", b"I-"), (b'"', b"'"), (b"\n\n", b"\n")),
    *((b"0", b"1"), (b"start", b"end"), (b"text", b"label"), (b"{", b"["), (b"en", b"de"), (b"tu", b"tuv")),
]
