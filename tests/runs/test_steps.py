"""Docs on which a step raises are set aside. The others come out as from a run without them."""

from collections import Counter
from dataclasses import dataclass

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xproj.corpus import read_file
from spacy_xproj.errors import XprojError
from spacy_xproj.runs.steps import Watch, process_docs

VOCAB = Vocab()
TOLD = KeyError("told to fail")


@dataclass(eq=False)
class Failing:
    """A step over batches, which counts and changes the Docs of a batch one after the other before it fails on one.

    batch (int): Docs a batch.
    error (Exception): What it raises.
    """

    batch: int = 8
    error: Exception = TOLD
    vocabs = (VOCAB,)
    processed = 0

    def __call__(self, docs, tally):
        docs = iter(docs)
        while batch := [doc for _, doc in zip(range(self.batch), docs)]:
            for doc in batch:
                self.processed += 1
                tally.counts["seen"] += 1
                doc.user_data["times"] = doc.user_data.get("times", 0) + 1
                if doc.text.startswith("odd"):
                    tally.reject(doc, 0, "odd")
                if doc.text.startswith("bad"):
                    raise self.error
            yield from (doc for doc in batch if not doc.text.startswith("left out"))


def run(tmp_path, texts, step, watch=None):
    """What was counted, the texts that came out, the bytes of the file, and what was rejected."""

    def read(counts):
        for number, text in enumerate(texts):
            counts["read"] += 1
            doc = Doc(VOCAB, words=text.split())
            doc.user_data["meta"] = {"id": f"d{number}"}
            yield doc

    tally = process_docs(step, read, tmp_path / "out.spacy", watch or Watch())
    docs = list(read_file(tmp_path / "out.spacy", VOCAB))
    assert all(doc.user_data["times"] == 1 for doc in docs)
    rows = [(row["id"], row["number"], row["reason"]) for row in tally.rejected]
    return tally.counts, [doc.text.strip() for doc in docs], (tmp_path / "out.spacy").read_bytes(), rows


KINDS = ["bad", "fine", "fine", "odd", "fine", "left out", "fine"]
TEXTS = [f"{KINDS[n % 7] if n % 3 else 'fine'} {n}" for n in range(700)]
BAD = [n for n, text in enumerate(TEXTS) if text.startswith("bad")]


@pytest.mark.parametrize("batch", [1, 8, 1000])
@pytest.mark.parametrize("careful", [set(), {0, 7, 8, 9, 300}])
def test_the_rest_is_as_without_them(tmp_path, batch, careful):
    counts, texts, made, rows = run(tmp_path, TEXTS, Failing(batch), Watch(careful))
    assert texts == [text for text in TEXTS if not text.startswith(("bad", "left out"))]
    assert [row for row in rows if row[2] != "odd"] == [(f"d{n}", n, "KeyError: 'told to fail'") for n in BAD]
    assert len(rows) == len(BAD) + sum(text.startswith("odd") for text in TEXTS)
    n = len(TEXTS)
    assert counts == Counter(docs=len(texts), docs_set_aside=len(BAD), read=n, seen=n - len(BAD))
    assert run(tmp_path, TEXTS, Failing(3))[2] == made


@pytest.mark.parametrize("batch", [1, 8, 1000])
def test_time_is_linear_in_the_docs_that_fail(tmp_path, batch):
    """Each of them used to be found by two runs from the first Doc on."""
    n = 2000
    texts = [f"{'fine' if i % 100 else 'bad'} {i}" for i in range(n)]
    step = Failing(batch)
    counts, *_ = run(tmp_path, texts, step)
    assert counts["docs_set_aside"] == len(texts[::100])
    assert step.processed < 6 * n


def test_what_the_user_can_mend_ends_the_run(tmp_path):
    with pytest.raises(XprojError, match="mend"):
        run(tmp_path, ["fine 0", "bad 1"], Failing(error=XprojError("mend")))
    texts = [f"fine {i}" for i in range(9)] + ["bad 9"]
    step = Failing(error=XprojError("mend"))
    with pytest.raises(XprojError, match="mend"):
        run(tmp_path, texts, step, Watch(failed=True))
    assert not (tmp_path / "out.spacy").exists()


def test_many_in_a_row_end_the_run(tmp_path):
    texts = ["fine"] * 300 + ["bad"] * 9 + ["fine"] * 300
    assert run(tmp_path, texts, Failing())[0]["docs_set_aside"] == 9
    with pytest.raises(XprojError, match=r"10 Docs in a row could not be processed.* KeyError: 'told to fail'\. Mend"):
        run(tmp_path, [*texts[:309], "bad", *texts[309:]], Failing())


def test_what_fails_beside_the_docs_is_raised(tmp_path, monkeypatch):
    def full(docs, out):
        tuple(docs)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("spacy_xproj.runs.steps.write_file", full)
    for text in ("fine", "bad"):
        step = Failing()
        with pytest.raises(OSError, match="No space left"):
            run(tmp_path, ["fine", text, "fine"], step)
        assert step.processed == (3 if text == "fine" else 8)
