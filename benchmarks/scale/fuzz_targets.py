"""The targets of the fuzz by name, and the invariants that several of them share.

A target takes a source of randomness and an empty folder. It raises `AssertionError` where an invariant does not hold.
Any exception beside the package's own is a finding, too."""

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from spacy_xproj.errors import InputError, XprojError

Target = Callable[[random.Random, Path], None]


TARGETS: dict[str, Target] = {}


def target(function: Target) -> Target:
    TARGETS[function.__name__.removeprefix("fuzz_")] = function
    return function


def refused(work: Callable[[], Any], path: Path | None = None) -> Any:
    """What some work gives; None where it is refused by an error that names the file."""
    try:
        return work()
    except XprojError as err:
        assert str(err).strip() and len(str(err)) < 20_000, "an error without a message, or a huge one"
        if path is not None:
            assert str(path.with_suffix("")) in str(err), f"the error does not name the file: {err}"
        if isinstance(err, InputError) and err.line is not None:
            assert err.line >= 1
        return None


def check_doc(doc: Doc) -> None:
    """The invariants of any Doc: entities are disjoint and inside, the payload fits, it can be written and read."""
    ents = [(ent.start, ent.end) for ent in doc.ents]
    assert all(0 <= a < b <= len(doc) for a, b in ents) and all(a[1] <= b[0] for a, b in pairwise(ents))
    for group in doc.spans.values():
        assert all(0 <= span.start < span.end <= len(doc) and span.label_ for span in group)
    if doc._.xproj is not None:
        doc._.xproj.check(len(doc))
        assert all(0 <= span.score <= 1 for span in doc._.xproj.spans)
        assert ((doc._.xproj.scores >= 0) & (doc._.xproj.scores <= 1)).all()
    assert "\ud800" not in doc.text
    doc.text.encode()


def same_docs(a: list[Doc], b: list[Doc]) -> None:
    def content(doc: Doc) -> Any:
        return [
            *(doc.text, [t.text for t in doc], [(t.ent_iob, t.ent_type_) for t in doc], doc._.xproj, doc._.xproj_soft),
            {key: [(s.start, s.end, s.label_, s.id_) for s in group] for key, group in doc.spans.items()},
        ]

    assert list(map(content, a)) == list(map(content, b)), "not the same Docs"
