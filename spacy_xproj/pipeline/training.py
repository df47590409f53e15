"""Training a projection pipe on gold, as spaCy trains its own pipes."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Optional

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples

from ..bitext import SentencePair
from ..errors import XprojError
from ..ty import GoldPair, Similarity, Trainable
from .base import ExampleDocs, UpstreamDocs, words
from .projection_pipe import ProjectionPipe, nesting_levels


class TrainableProjection(ProjectionPipe):
    """A projection pipe that can be trained where its similarity can (see `Trainable`). `nlp.update` passes others
    over."""

    similarity: Similarity

    def candidates(self, pair: SentencePair, doc: Doc) -> Optional[np.ndarray]:
        """The candidates of a sentence pair, or None for those that the similarity proposes."""
        raise NotImplementedError

    @property
    def is_trainable(self) -> bool:
        """Whether the similarity learns from gold."""
        return isinstance(self.similarity, Trainable)

    @property
    def model(self) -> Any:
        """The thinc model that holds what the similarity learns; None where it learns nothing."""
        return self.similarity.model if isinstance(self.similarity, Trainable) else None

    def initialize(self, get_examples: Callable[[], Iterable[Example]], *, nlp: Optional[Language] = None) -> None:
        """Fit the parts that learn from the corpus, as every pipe of the package does, and make ready for training. The
        weights stay: training starts from them.

        get_examples (Callable): Gives Examples.
        nlp (Optional[Language]): The pipes before this one are run over their Docs first.
        """
        super().initialize(get_examples, nlp=nlp)
        if isinstance(self.similarity, Trainable):
            self.similarity.begin(
                self.sentence_pairs(UpstreamDocs(ExampleDocs(get_examples), nlp, self.name), Counter())
            )

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Any = None,
        losses: Optional[dict[str, float]] = None,
    ) -> dict[str, float]:
        """Learn from a batch of gold projections.

        examples (Iterable[Example]): `predicted` has a payload with links, `reference` the gold entities. Where some of
            these are missing values, a source span that seems to have no partner teaches nothing.
        drop (float): Has no effect.
        sgd (thinc.api.Optimizer): Changes the weights at once; None or False: `finish_update` does.
        losses (Optional[dict[str, float]]): The loss, summed over source spans, is added under the pipe's name.
        RETURNS (dict[str, float]): The losses.
        RAISES (XprojError): If no Doc has a payload, or none that has was aligned.
        """
        losses = {} if losses is None else losses
        if not isinstance(self.similarity, Trainable):
            return losses
        examples = list(examples)
        validate_examples(examples, f"{self.name}.update")
        losses.setdefault(self.name, 0.0)
        if any(len(eg.predicted) for eg in examples):
            losses[self.name] += self.similarity.gradient(self.gold_pairs(examples))
            if sgd not in (None, False):
                self.finish_update(sgd)
        return losses

    def finish_update(self, sgd: Any) -> None:
        """Change the weights by the gradients that `update` left.

        sgd (thinc.api.Optimizer): Changes them.
        """
        self.model.finish_update(sgd)

    def use_params(self, params: dict) -> Iterator[None]:
        """Use other values of the params, such as an optimizer's averages, until the generator goes on.

        params (dict): By the model's id and the name of the param.
        """
        if self.model is None:
            yield
        else:
            with self.model.use_params(params):
                yield

    def gold_pairs(self, examples: list[Example]) -> list[GoldPair]:
        """The sentence pairs that there is something to learn from."""
        found = [(eg, bitext) for eg in examples if (bitext := self.payload(eg.predicted)) is not None]
        if not found:
            raise XprojError(
                f"{self.name}: not one Doc to learn from has a payload in doc._.xproj. Read the examples with "
                "spacy_xproj.Corpus.v1 (spacy.Corpus.v1 loses it), or set it in example.predicted."
            )
        if not any(len(bitext.links) or "aligner" in bitext.provenance for _, bitext in found):
            raise XprojError(
                f"{self.name}: not one Doc to learn from has links. Add the xproj_aligner to annotating_components in "
                "[training] (annotates of nlp.update), or give the reader alignments."
            )
        out = []
        for eg, bitext in found:
            doc = eg.predicted
            ents, tags = eg.get_aligned_ents_and_ner()
            for pair in bitext.pairs(words(doc)):
                if pair.spans and pair.target and not self.too_long(pair):
                    pair = nesting_levels(pair)[0]  # gold entities are not nested
                    a = pair.offset[1]
                    b = a + len(pair.target)
                    gold = frozenset((e.start - a, e.end - a, e.label_) for e in ents if a <= e.start and e.end <= b)
                    out.append(GoldPair(pair, gold, None not in tags[a:b], self.candidates(pair, doc)))
        return out
