"""What all pipes have in common: the payload, the swappable parts with state, fitting, serialization."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from spacy.language import Language
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import SimpleFrozenList, from_bytes, from_disk, minibatch, to_bytes, to_disk

from ..bitext import Bitext, SentencePair
from ..errors import XprojError
from ..limits import limit
from ..part import Part, as_part
from ..state import in_bytes, stateful
from .batches import Failure, Step, outcomes
from .portable import forget_paths


def words(doc: Doc) -> tuple[str, ...]:
    """The words of a Doc."""
    return tuple([t.text for t in doc])


class XprojPipe(Pipe):
    """Base of the pipes of this package. `parts` names the attributes that hold its swappable parts; those that learn
    from the corpus (see `Part`) are fitted, and those with a state are saved with it."""

    parts: tuple[str, ...] = ()

    def __init__(self, nlp: Language, name: str):
        self.vocab = nlp.vocab
        self.name = name
        self._warned: set[str] = set()  # what this run has warned of

    def warn(self, what: str, message: str) -> None:
        """Warn of one thing once a run."""
        if what not in self._warned:
            self._warned.add(what)
            warnings.warn(message, stacklevel=3)

    def own_parts(self) -> list[Part]:
        """Its swappable parts."""
        return [as_part(part) for part in (getattr(self, name) for name in self.parts) if part is not None]

    def restart(self) -> None:
        """Get ready for a corpus from its beginning."""
        self._warned.clear()
        for part in self.own_parts():
            part.restart()

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Process a stream of Docs. A Doc that fails goes to the error handler, alone."""
        self.restart()
        yield from super().pipe(stream, batch_size=batch_size)

    # Fitting

    def fittable(self) -> list[Part]:
        """The parts that learn from the corpus."""
        return [part for part in self.own_parts() if part.fittable]

    def unfitted(self) -> list[Part]:
        """Those that have not."""
        return [part for part in self.fittable() if not part.fitted]

    def needed(self, docs: Iterable[Doc]) -> bool:
        """Whether any of the Docs needs what this pipe would learn."""
        return True

    def fit(self, docs: Iterable[Doc], *, refit: bool = False) -> None:
        """Fit the parts that learn from the corpus, on Docs that the pipes before have seen to.

        docs (Iterable[Doc]): Can be read once for each part.
        refit (bool): Fit again what is fitted.
        """
        for part in self.fittable():
            if refit or not part.fitted:
                self.fit_part(part, docs)

    def fit_part(self, part: Part, docs: Iterable[Doc]) -> None:
        """Fit one of its parts."""
        part.fit(docs)

    def initialize(self, get_examples: Callable[[], Iterable[Example]], *, nlp: Optional[Language] = None) -> None:
        """Fit the parts that learn from the corpus on the Docs of the examples: `eg.predicted` where it carries a
        payload, else `eg.reference`. The pipes before this one are run over them first."""
        docs = UpstreamDocs(ExampleDocs(get_examples), nlp, self.name)
        if self.needed(docs):
            self.fit(docs, refit=True)

    # Serialization

    def _serializers(self, method: str) -> dict[str, Callable]:
        found = stateful(self.state_parts())
        if method.endswith("_bytes"):
            found = {name: in_bytes(part) for name, part in found.items()}
        return {name: getattr(part, method) for name, part in found.items()}

    def state_parts(self) -> dict[str, Any]:
        """What is saved with it (dict), by name. Those without a state are passed over."""
        return {name: getattr(self, name) for name in self.parts}

    def local_parts(self) -> dict[str, Any]:
        """What loses its paths in the saved config (dict), by name."""
        return self.state_parts()

    def to_bytes(self, *, exclude: Iterable[str] = SimpleFrozenList()) -> bytes:
        return to_bytes(self._serializers("to_bytes"), exclude)

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = SimpleFrozenList()) -> "XprojPipe":
        from_bytes(data, self._serializers("from_bytes"), exclude)
        return self

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = SimpleFrozenList()) -> None:
        """Save the parts, and leave out of the config that spaCy saves beside them where they came from."""
        to_disk(path, self._serializers("to_disk"), exclude)
        forget_paths(Path(path).parent, self.name, stateful(self.local_parts()))

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = SimpleFrozenList()) -> "XprojPipe":
        from_disk(path, self._serializers("from_disk"), exclude)
        return self


LONG = 40_000  # pairs of a source and a target word in a sentence pair that is worth a warning
# Those beyond the limits `pair_cells` and `sentence_tokens` are passed over: they take seconds, and memory that grows
# with the square of the words of a sentence.


class PayloadPipe(XprojPipe):
    """A pipe over Docs with a payload in `doc._.xproj`. It fits its parts on their sentence pairs."""

    def payload(self, doc: Doc) -> Optional[Bitext]:
        """The Doc's payload, checked against the Doc. Without one: None, and one warning a run."""
        bitext = doc._.xproj
        if bitext is None:
            self.warn(
                "payload",
                f"{self.name}: a Doc without a payload in doc._.xproj passes through untouched. Put an "
                "xproj_translator before this pipe, or set doc._.xproj to a Bitext.",
            )
            return None
        if not isinstance(bitext, Bitext):
            raise XprojError(f"doc._.xproj must be a Bitext, not {type(bitext).__name__}.")
        bitext.check(len(doc))
        return bitext

    def too_long(self, pair: SentencePair) -> bool:
        """Return whether a sentence pair must be passed over, as a document without sentences can be. One that is
        long leads to a warning, one a run."""
        n_source, n_target = len(pair.source), len(pair.target)
        over = n_source * n_target > limit("pair_cells") or max(n_source, n_target) > limit("sentence_tokens")
        if over or n_source * n_target > LONG:
            what = "nothing is aligned or matched in it" if over else "it is slow to align and to match"
            self.warn(
                "too long" if over else "long",
                f"{self.name}: a sentence pair has {n_source} source and {n_target} target words: "
                f"{what}. Mark the sentences of documents: --sentences on the command line, Bitext.sents in a program.",
            )
        return over

    def fit_part(self, part: Part, docs: Iterable[Doc]) -> None:
        over: Counter[bool] = Counter()
        try:
            part.fit(self.sentence_pairs(docs, over))
        except XprojError:
            if over[True] and not over[False]:
                raise XprojError(
                    f"{self.name}: there is nothing to fit on, as all sentence pairs ({over[True]}) are too long: each "
                    f"has more than {limit('pair_cells'):,} pairs of a source and a target word, or more than "
                    f"{limit('sentence_tokens'):,} words on a side. Mark the sentences of documents: --sentences on "
                    "the command line, Bitext.sents in a program."
                ) from None
            raise

    def sentence_pairs(self, docs: Iterable[Doc], over: Counter[bool]) -> Iterator[SentencePair]:
        """Yield the sentence pairs of Docs, without those that are too long. `over` counts both kinds."""
        for doc in docs:
            bitext = self.payload(doc)
            for pair in () if bitext is None else bitext.pairs(words(doc)):
                over[long := self.too_long(pair)] += 1
                if not long:
                    yield pair


class BatchPipe(XprojPipe):
    """A pipe whose backend is faster on many Docs at once."""

    def process(self, docs: list[Doc]) -> list[Doc]:
        """Process the Docs of one batch in place, and return them. If it fails, no Doc may have changed."""
        raise NotImplementedError

    def steps(self) -> list[Step]:
        """Return the steps of `process`, each of which fails for itself (see `outcomes`)."""
        return [self.process]

    def __call__(self, doc: Doc) -> Doc:
        """Process one Doc."""
        values = [doc]
        for step in self.steps():
            values = step(values)
        return values[0]

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Process a stream of Docs, a batch at a time. A Doc that fails goes to the error handler, alone."""
        self.restart()
        for batch in minibatch(stream, size=batch_size):
            yield from self.results(batch, self.steps())

    def results(self, docs: list[Doc], steps: Sequence[Step]) -> Iterator[Any]:
        """Run steps over a batch of Docs. The halves of a batch that fails are processed, with one warning a run if
        memory ran out or no Doc fails alone.

        YIELDS: The values of the last step, in order. Docs that fail go to the error handler, and are left out.
        """
        handle = self.get_error_handler()
        failures: list[Failure] = []
        explained = False
        for doc, value, error in outcomes(docs, docs, steps, failures):
            if error is None:
                yield value
            else:
                explained = True
                handle(self.name, self, [doc], error)
        short = [failure for failure in failures if failure.memory]
        if short or (failures and not explained):
            size, cause, memory = (short or failures)[0]
            self.warn(
                "batch",
                f"{self.name}: a batch of {size} Docs failed ({cause}). Its parts were processed instead, and so are "
                f"those of later batches that fail. {'Set a smaller batch_size.' if memory else ''}".rstrip(),
            )


def xproj_pipes(nlp: Language) -> list[tuple[str, XprojPipe]]:
    """The enabled pipes of this package, in order."""
    return [(name, pipe) for name, pipe in nlp.pipeline if isinstance(pipe, XprojPipe)]


def check_whole(nlp: Language, why: str) -> None:
    """Check that the pipeline can be run over a part of the corpus.

    nlp (Language): The pipeline.
    why (str): Why it sees a part only.
    RAISES (XprojError): If the links or scores of a pipe depend on places in the corpus.
    """
    for name, pipe in xproj_pipes(nlp):
        if any(part.positional for part in pipe.own_parts()):
            raise XprojError(
                f"{name} takes results by the places of the sentence pairs in the corpus, so it must see all of them "
                f"in order. {why}"
            )


class UpstreamDocs:
    """Copies of the Docs, run through the pipes of this package that come before `name`; without any, the Docs."""

    def __init__(self, docs: Iterable[Doc], nlp: Optional[Language], name: str):
        self.docs, self.name = docs, name
        self.before: list[Any] = []
        for other, pipe in xproj_pipes(nlp) if nlp is not None else []:
            if other == name:
                break
            self.before.append(pipe)

    def __iter__(self) -> Iterator[Doc]:
        stream = (doc.copy() for doc in self.docs) if self.before else iter(self.docs)
        for pipe in self.before:
            stream = pipe.pipe(stream)
        try:
            yield from stream
        finally:  # what comes next is not the rest of the corpus
            for pipe in self.before:
                pipe.restart()


class ExampleDocs:
    """The Docs of a callback that gives Examples."""

    def __init__(self, get_examples: Callable[[], Iterable[Example]]):
        self.get_examples = get_examples

    def __iter__(self) -> Iterator[Doc]:
        for eg in self.get_examples():
            yield eg.predicted if eg.predicted._.xproj is not None else eg.reference
