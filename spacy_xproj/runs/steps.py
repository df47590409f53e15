"""The Docs of one shard through a step. A Doc that the step fails on is set aside with the reason, and no other is lost
by it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Optional, Protocol

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..corpus.manifest import REJECTED
from ..corpus.shards import read_file, write_file
from ..errors import XprojError
from ..zones import memory_zones
from .rejected import SET_ASIDE, as_lines, write_rejected

READ, DONE, ALONE = range(3)  # places in the state of a `Watch`
ROW = 10  # Docs in a row: if all of these fail, something else is wrong


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

    careful (set of int): The numbers of Docs that the step gets one at a time, so that it is known which one it fails
        on. The others it gets as a stream.
    aside (dict of int to str): The numbers of Docs that are set aside, with the reasons. They are in `careful` too.
    state (list of int): How many Docs were read, how many of these are done with, and whether the step has a single one
        at hand. A worker shares it with its parent, who learns from it what the worker died of.
    """

    careful: set[int] = field(default_factory=set)
    aside: dict[int, str] = field(default_factory=dict)
    state: MutableSequence[int] = field(default_factory=lambda: [0, 0, 0])

    def through(self, step: Step, docs: Iterable[Doc], tally: Tally) -> Iterator[Doc]:
        """Take the Docs of a shard through a step, from the first one on."""
        self.state[:] = [0, 0, 0]
        for careful, group in groupby(enumerate(docs), key=lambda numbered: numbered[0] in self.careful):
            if not careful:
                yield from self._watched(step, group, tally, 0)
                continue
            for number, doc in group:
                if number in self.aside:
                    tally.counts[SET_ASIDE] += 1
                    tally.reject(doc, number, self.aside[number])
                else:
                    yield from self._watched(step, [(number, doc)], tally, 1)

    def _watched(self, step: Step, numbered: Iterable[tuple[int, Doc]], tally: Tally, alone: int) -> Iterator[Doc]:
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

    def blame(self, reason: str, certain: bool = True) -> bool:
        """Draw the conclusion from a failure: a single Doc is set aside, of several each is to be processed alone.

        reason (str): What happened.
        certain (bool): Whether a single Doc is to blame at once.
        RETURNS (bool): Whether anything was at hand that can be to blame.
        RAISES (XprojError): If too many Docs in a row are to blame.
        """
        suspects = self.suspects()
        if self.state[ALONE]:
            number = self.state[READ] - 1
            if certain:
                self.aside[number] = reason
            if all(n in self.aside for n in range(number - ROW + 1, number + 1)):
                raise XprojError(
                    f"{ROW} Docs in a row could not be processed, so that something else than the Docs must be wrong. "
                    f"What happened with the last one: {reason}. Mend that, and run it once more."
                )
            return True
        self.careful |= suspects
        return bool(suspects)


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
        except Exception as err:
            if not watch.blame(reason_of(err)):
                raise


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
