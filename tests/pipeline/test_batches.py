"""Batches that fail, for pipes that process many Docs at once."""

import warnings

import pytest
import spacy

from spacy_xproj.pipeline.aligner import WordAligner
from spacy_xproj.pipeline.batches import out_of_memory
from tests.conftest import Diagonal, payload_doc


class Faulty(Diagonal):
    """Fails on bad words, and on more sentence pairs than there is room for; counts its calls."""

    def __init__(self, room=1000, error=None):
        self.room, self.calls = room, []
        self.error = error or RuntimeError("CUDA out of memory")

    def __call__(self, pairs):
        self.calls.append(len(pairs))
        if len(pairs) > self.room:
            raise self.error
        return super().__call__(pairs)


def run(aligner, bad=(), n=256, batch_size=128):
    nlp = spacy.blank("es")
    pipe = WordAligner(nlp, "words", aligner, overwrite=False)
    failed = []
    pipe.set_error_handler(lambda name, proc, docs, err: failed.append((docs[0].text.strip(), str(err))))
    docs = [payload_doc(nlp, f"{'!fail' if k in bad else 'a'} {k}", "v w") for k in range(n)]
    found = [doc.text.strip() for doc in pipe.pipe(docs, batch_size=batch_size) if len(doc._.xproj.links)]
    assert found == [f"a {k}" for k in range(n) if k not in bad]
    return failed


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA failed with error out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
        type("OutOfMemoryError", (RuntimeError,), {})("too much"),
    ],
)
def test_out_of_memory_halves_the_batch(error):
    aligner = Faulty(room=64, error=error)
    with pytest.warns(UserWarning) as warned:
        assert run(aligner) == []
    (warning,) = warned
    assert str(error) in str(warning.message) and "a batch of 128 Docs failed" in str(warning.message)
    assert "batch_size" in str(warning.message)
    assert aligner.calls == [128, 64, 64] * 2  # 258 when each Doc was tried alone


def test_docs_that_are_too_large_alone_fail():
    nlp = spacy.blank("es")
    pipe = WordAligner(nlp, "words", Faulty(room=0), overwrite=False)
    failed = []
    pipe.set_error_handler(lambda name, proc, docs, err: failed.extend(docs))
    docs = [payload_doc(nlp, "a", "v") for _ in range(5)]
    with pytest.warns(UserWarning, match="batch_size") as warned:
        assert list(pipe.pipe(docs, batch_size=4)) == []
    assert failed == docs and len(warned) == 1


def test_a_bad_doc_is_found_in_few_calls(no_warnings):
    aligner = Faulty()
    assert run(aligner, bad={77}) == [("!fail 77", "told to fail")]
    assert len(aligner.calls) == 2 + 2 * 7  # log2 of 128


def test_several_bad_docs(no_warnings):
    bad = {0, 3, 4, 130, 255}
    assert run(Faulty(), bad=bad) == [(f"!fail {k}", "told to fail") for k in sorted(bad)]


def test_a_failure_that_no_doc_explains_is_told():
    with pytest.warns(UserWarning, match="a batch of 8 Docs failed .ValueError: at most 4 at once") as warned:
        assert run(Faulty(room=4, error=ValueError("at most 4 at once")), n=24, batch_size=8) == []
    assert len(warned) == 1 and "batch_size" not in str(warned[0].message)


def test_each_run_warns_anew():
    nlp = spacy.blank("es")
    pipe = WordAligner(nlp, "words", Faulty(room=1), overwrite=True)
    docs = [payload_doc(nlp, "a", "v") for _ in range(4)]
    for _ in range(2):
        with pytest.warns(UserWarning, match="out of memory") as warned:
            list(pipe.pipe(docs, batch_size=2))
        assert len(warned) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(pipe.pipe(docs, batch_size=1))


def test_what_counts_as_out_of_memory():
    cause = ValueError("The GPU's memory is not enough.")
    cause.__cause__ = MemoryError()
    assert out_of_memory(cause)
    assert not out_of_memory(ValueError("out of memory")) and not out_of_memory(RuntimeError("no such device"))
