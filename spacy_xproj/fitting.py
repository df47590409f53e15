"""Fitting the parts that learn from the corpus, pipe by pipe, each on the output of those before it."""

import heapq
from array import array
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from copy import copy
from itertools import compress
from typing import Optional, Union

from spacy.language import Language
from spacy.strings import hash_string  # type: ignore[attr-defined]
from spacy.tokens import Doc

from .errors import XprojError
from .pipeline.base import UpstreamDocs, check_whole, xproj_pipes
from .progress import Report, listening, naming, steps

MAX_FIT = 30_000


def unfitted(nlp: Language) -> list[str]:
    """Names of the enabled pipes that have a part which learns from the corpus and has not."""
    return [name for name, pipe in xproj_pipes(nlp) if pipe.unfitted()]


def is_needed(nlp: Language, docs: Iterable[Doc]) -> bool:
    """Whether any of the Docs needs what a pipe would learn that is not fitted.

    nlp (Language), docs (iterable of Doc): As of `fit`. The Docs are read up to the first that does.
    """
    pipes = [(name, pipe) for name, pipe in xproj_pipes(nlp) if pipe.unfitted()]
    # One that learns whatever the Docs are says so without any.
    return any(pipe.needed(()) for _, pipe in pipes) or any(
        pipe.needed(UpstreamDocs(docs, nlp, name)) for name, pipe in pipes
    )


def fit(
    nlp: Language,
    docs: Union[Iterable[Doc], "Sample"],
    *,
    max_fit: int = MAX_FIT,
    refit: bool = False,
    progress: Optional[Report] = None,
) -> list[str]:
    """Fit the pipes that are not fitted, in the order of the pipeline.

    nlp (Language): The target pipeline, changed in place.
    docs (Iterable[Doc]): Target Docs with a payload, or texts' Docs for a pipeline that makes it. It is read more than
        once (a list, or an object whose `__iter__` starts again); the Docs stay as they are. Of a `Sample` all are
        taken.
    max_fit (int): Largest number of Docs to fit on: those whose texts have the lowest hashes, so that the order of
        the Docs does not change the choice.
    refit (bool): Also fit pipes that are fitted.
    progress (Optional[Report]): Told how far each pipe has come. None: whoever is `listening`.
    RETURNS (list of str): The pipes that were fitted.
    RAISES (XprojError): If docs can be read only once, or hold no Doc.
    """
    pipes = [(name, pipe) for name, pipe in xproj_pipes(nlp) if pipe.unfitted() or (refit and pipe.fittable())]
    if not pipes:
        return []
    fitted = []
    with nullcontext() if progress is None else listening(progress):
        chosen = docs if isinstance(docs, Sample) else Sample(docs, max_fit)
        chosen.check(nlp)
        for name, pipe in pipes:
            stream = UpstreamDocs(chosen, nlp, name)
            with naming(name):
                if pipe.needed(stream):
                    pipe.fit(stream, refit=refit)
                    if not pipe.unfitted():  # as it is where there was nothing to learn from
                        fitted.append(name)
    return fitted


class Sample:
    """At most `size` of the Docs, chosen by a hash of their texts; of Docs with one text the first.

    Attributes: `size`, `total` (int), the numbers of its Docs and of all.

    docs (iterable of Doc), size (int): The Docs, and how many at most.
    texts (Optional[iterable of str]): Their texts, where these can be had for less. None: they are asked of the Docs.
    """

    def __init__(self, docs: Iterable[Doc], size: int, texts: Optional[Iterable[str]] = None):
        if size < 1:
            raise XprojError(f"max_fit must be at least 1, not {size}.")
        if iter(docs) is docs:
            raise XprojError("fit reads the docs more than once: give a list, not a generator.")
        self.docs, self.room = docs, size
        texts = (doc.text for doc in docs) if texts is None else texts
        self.hashes = array("Q", map(hash_string, steps(texts, "reading")))
        self.total = len(self.hashes)
        hashes = heapq.nsmallest(size + 1, self.hashes)
        if not hashes:
            raise XprojError("There is not one Doc to fit on.")
        self.size = min(len(hashes), size)
        self.limit = hashes[size - 1] if len(hashes) > size else None
        self.at_limit = hashes[:size].count(self.limit)  # a text can come more often than there is room for

    def check(self, nlp: Language) -> None:
        """RAISES (XprojError): If it leaves out Docs, and a pipe must see all of them."""
        if self.limit is not None:
            check_whole(nlp, f"There are more than max_fit = {self.room} Docs to fit on: raise it.")

    @property
    def report(self) -> dict[str, dict[str, int]]:
        """How many Docs it has of how many, as `fitted_on` with `docs` and `of`; nothing if it has all."""
        return {"fitted_on": {"docs": self.size, "of": self.total}} if self.size < self.total else {}

    def written(self, docs: Iterable[Doc]) -> "Sample":
        """The same sample, whose Docs, and no others, are `docs`."""
        other = copy(self)
        other.docs, other.limit = docs, None
        return other

    def __iter__(self) -> Iterator[Doc]:
        return steps(self._chosen(), "reading", self.size)

    def _chosen(self) -> Iterator[Doc]:
        if self.limit is None:
            return iter(self.docs)
        return compress(self.docs, self.choice())

    def choice(self) -> Iterator[bool]:
        """Whether each of the Docs is in it, in order."""
        left = self.at_limit
        for text_hash in self.hashes:
            at_limit = text_hash == self.limit
            yield self.limit is None or text_hash < self.limit or (at_limit and left > 0)
            left -= at_limit
