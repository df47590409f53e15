"""Batches that fail: their parts are processed instead, so that one bad Doc takes no other with it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Optional

from spacy.tokens import Doc

Step = Callable[[list[Any]], list[Any]]  # from one value a Doc to one value a Doc
MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")


class Outcome(NamedTuple):
    """What came of one Doc: the value of the last step, or the error of the Doc alone."""

    doc: Doc
    value: Any
    error: Optional[Exception] = None


class Failure(NamedTuple):
    """A batch of several Docs that failed together.

    size (int): Number of Docs.
    cause (str): The error, without its traceback, which would keep the memory of the batch in use.
    memory (bool): Whether memory ran out.
    """

    size: int
    cause: str
    memory: bool


def outcomes(
    docs: Sequence[Doc], values: Sequence[Any], steps: Sequence[Step], failures: list[Failure]
) -> Iterator[Outcome]:
    """Run steps over a batch. If one fails, continue from there with each half of the batch, down to single Docs.

    A step that worked is not repeated. A batch with one bad Doc takes 2 log2(n) further calls.

    docs (sequence of Doc): The batch.
    values (sequence): What the first step gets, one value a Doc.
    steps (sequence of Step): The steps. One that fails must leave the Docs as they are.
    failures (list of Failure): Each failure of more than one Doc is added.
    YIELDS (Outcome): One a Doc, in order, as soon as it is known.
    """
    values = list(values)
    for done, step in enumerate(steps):
        try:
            values = step(values)
        except Exception as err:
            failed = err
        else:
            continue
        if len(docs) == 1:
            yield Outcome(docs[0], None, failed)
            return
        failures.append(Failure(len(docs), f"{type(failed).__name__}: {failed}".rstrip(": "), out_of_memory(failed)))
        del failed  # its traceback keeps the arrays of the batch alive
        half = len(docs) // 2
        for part in (slice(half), slice(half, None)):
            yield from outcomes(docs[part], values[part], steps[done:], failures)
        return
    yield from map(Outcome, docs, values)


def out_of_memory(error: Optional[BaseException]) -> bool:
    """Return whether an error says that memory ran out, itself or through its cause."""
    while error is not None:
        text = str(error).lower()
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            return True
        if isinstance(error, RuntimeError) and any(words in text for words in MEMORY):
            return True
        error = error.__cause__
    return False
