"""The Docs of one shard through a step. A Doc that the step fails on is set aside with the reason, and no other is lost
by it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Optional, Protocol

from spacy.tokens import Doc
from spacy.util import minibatch
from spacy.vocab import Vocab

from ..corpus.manifest import REJECTED
from ..corpus.shards import read_file, write_file
from ..errors import XprojError
from ..zones import memory_zones
from .rejected import SET_ASIDE, as_lines, write_rejected

READ, DONE, ALONE = range(3)  # places in the state of a `Watch`
ROW = 10  # Docs in a row: if all of these fail, something else is wrong
PIECE = 256  # Docs that the step gets at once in a file in which it fails on some


@dataclass
class Tally:
    """What came of a shard, or of a single file, beside the Docs.

    counts (Counter): Numbers, with those of the `docs` among them.
    rejected (list of dict): The texts that could not be used. See `rejected`.
    shard (Optional[int]): The number of the shard; None: the output is one file.
    """

    counts: Counter = field(default_factory=Counter)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    shard: Optional[int] = None

    def reject(self, doc: Doc, number: int, reason: str, text: Optional[str] = None) -> None:
        """Note that a Doc could not be used, or a text of it.

        doc (Doc), number (int): The Doc, and its number in the input shard, counted from 0.
        reason (str): Why.
        text (Optional[str]): The text. None: all of the Doc.
        """
        meta = doc.user_data.get("meta")
        name = meta.get("id") if isinstance(meta, dict) else None
        row = {"text": doc.text if text is None else text, "id": name, "reason": reason}
        self.rejected.append({**row, "shard": self.shard, "number": number})

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Take back what is noted inside if it raises an exception."""
        counts, n_rejected = self.counts.copy(), len(self.rejected)
        try:
            yield
        except Exception:
            self.counts.clear()
            self.counts.update(counts)
            del self.rejected[n_rejected:]
            raise


class Step(Protocol):
    """What is done with Docs, to each alone or to a stream."""

    @property
    def vocabs(self) -> Sequence[Vocab]:
        """The vocab that the Docs must have, and those of other Docs that it makes."""

    def __call__(self, docs: Iterable[Doc], tally: Tally) -> Iterator[Doc]:
        """Process Docs in order, and count in passing. None has to come out of a Doc, but no more than one."""


@dataclass
class Watch:
    """Where the work on a shard is at, and which of its Docs are under suspicion.

    careful (set of int): The numbers of Docs that the step gets one at a time, as one of them broke a process. The
        others it gets as a stream.
    aside (dict of int to str): The numbers of Docs that are set aside, with the reasons.
    state (list of int): How many Docs were read, how many of these are done with, and whether the step has a single one
        at hand. A worker shares it with its parent, who learns from it what the worker died of.
    failed (bool): Whether the step raised an exception in the stream. It then gets the Docs in pieces. One that it
        fails on is halved, down to the Doc that is to blame. So no number of such Docs makes more than one new start.
    """

    careful: set[int] = field(default_factory=set)
    aside: dict[int, str] = field(default_factory=dict)
    state: MutableSequence[int] = field(default_factory=lambda: [0, 0, 0])
    failed: bool = False

    def through(self, step: Step, docs: Iterable[Doc], tally: Tally) -> Iterator[Doc]:
        """Take the Docs of a shard through a step, from the first one on."""
        self.state[:] = [0, 0, 0]
        for careful, group in groupby(enumerate(docs), key=lambda numbered: numbered[0] in self.careful):
            if careful or self.failed:
                for piece in minibatch(group, 1 if careful else PIECE):
                    yield from self._piece(step, piece, tally)
            else:
                yield from self._watched(step, group, tally)

    def _piece(self, step: Step, piece: list[tuple[int, Doc]], tally: Tally) -> list[Doc]:
        """What comes out of the step. A Doc that it fails on is set aside, and nothing that it left is kept."""
        number, alone = piece[0][0], len(piece) == 1
        unchanged = [(n, doc.copy()) for n, doc in piece]
        self.state[:] = [number, number, 0]
        if number not in self.aside:
            try:
                with tally.undone():
                    return [*self._watched(step, piece, tally, alone)]
            except XprojError:
                raise
            except Exception as err:
                if not alone:
                    half = len(piece) // 2
                    halves = (unchanged[:half], unchanged[half:])
                    return [doc for part in halves for doc in self._piece(step, part, tally)]
                self.set_aside(number, reason_of(err))
        self.state[:] = [number + 1, number + 1, 0]
        tally.counts[SET_ASIDE] += 1
        tally.reject(unchanged[0][1], number, self.aside[number])
        return []

    def _watched(
        self, step: Step, numbered: Iterable[tuple[int, Doc]], tally: Tally, alone: bool = False
    ) -> Iterator[Doc]:
        def read() -> Iterator[Doc]:
            for number, doc in numbered:
                self.state[READ] = number + 1
                self.state[ALONE] = alone
                yield doc

        for doc in step(read(), tally):
            self.state[DONE] += 1
            self.state[ALONE] = 0
            yield doc
        self.state[:] = [self.state[READ], self.state[READ], 0]

    def suspects(self) -> set[int]:
        """The Docs that the step had at hand."""
        return {*range(self.state[DONE], self.state[READ])}

    def blame(self, reason: str, certain: bool) -> bool:
        """Draw the conclusion from the end of a process: a single Doc is set aside, of several each is to be processed
        alone.

        reason (str): What happened.
        certain (bool): Whether a single Doc is to blame at once.
        RETURNS (bool): Whether anything was at hand that can be to blame.
        RAISES (XprojError): If too many Docs in a row are to blame.
        """
        if self.state[ALONE]:
            if certain:
                self.set_aside(self.state[READ] - 1, reason)
            return True
        self.careful |= self.suspects()
        return bool(self.suspects())

    def set_aside(self, number: int, reason: str) -> None:
        """Set a Doc aside.

        number (int), reason (str): Its number, and why.
        RAISES (XprojError): If those before it are set aside, too.
        """
        self.aside[number] = reason
        if all(n in self.aside for n in range(number - ROW + 1, number)):
            raise XprojError(
                f"{ROW} Docs in a row could not be processed, so that something else than the Docs must be wrong. "
                f"What happened with the last one: {reason}. Mend that, and run it once more."
            )


def process_docs(
    step: Step,
    read: Callable[[Counter], Iterable[Doc]],
    out: Path,
    watch: Watch,
    shard: Optional[int] = None,
    on_the_way: Callable[[Iterable[Doc], Tally], Iterable[Doc]] = lambda docs, tally: docs,
) -> Tally:
    """Take Docs through a step, and write them to a file. A Doc on which the step fails is set aside.

    step (Step): The step.
    read (Callable[[Counter], iterable of Doc]): Reads the Docs, each time from the first one on, and counts what is
        worth a remark.
    out (Path): The file.
    watch (Watch): The Docs under suspicion.
    shard (Optional[int]): The number of the shard.
    on_the_way (Callable[[iterable of Doc, Tally], iterable of Doc]): Gets the Docs that are to be written.
    RETURNS (Tally): What came of it; `docs` is how many were written.
    RAISES (XprojError): If the step raises one: the user can mend that.
    """
    while True:
        tally = Tally(shard=shard)
        try:
            docs = on_the_way(watch.through(step, read(tally.counts), tally), tally)
            tally.counts["docs"] = write_file(docs, out)
            return tally
        except XprojError:
            raise
        except Exception:
            if watch.failed or not watch.suspects():  # it is reading or writing that failed
                raise
            watch.failed = True


def process_shard(step: Step, source: Path, out: Path, watch: Watch) -> Counter:
    """Take the Docs of a shard through a step. Arguments and errors are those of `process_docs`.

    source (Path): The file of the shard. What could not be used is listed in a file beside `out`.
    RETURNS (Counter): What was counted.
    """
    vocabs = step.vocabs
    with memory_zones(*vocabs):
        tally = process_docs(step, lambda counts: read_file(source, vocabs[0]), out, watch, int(out.stem))
    write_rejected(out.with_suffix(REJECTED), as_lines(tally.rejected))
    return tally.counts


def reason_of(err: BaseException) -> str:
    """An exception in one line."""
    return f"{type(err).__name__}: {' '.join(str(err).split())}".removesuffix(": ")
