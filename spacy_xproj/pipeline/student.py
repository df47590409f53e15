"""`xproj_student`: a trainable tagger of entities that learns from soft labels, gold, or both."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any, Optional

import numpy as np
from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import check_lexeme_norms, logger
from thinc.api import Config, Model

from ..errors import XprojError
from ..soft import find_entities
from ..students.losses import LOSSES
from ..students.supervision import gold_rows, soft_labels, soft_rows, soft_types
from ..tags import TAG_ROLES, TagScheme, make_tags
from .entities import hard_doc, set_entities

SPANS_KEY = "xproj_student"
TARGETS = ("auto", "soft", "gold", "mix")
MODEL = """
[model]
@architectures = "spacy.Tagger.v2"
normalize = true

[model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true
"""
DEFAULTS: dict[str, Any] = {
    "model": Config().from_str(MODEL)["model"],
    "scheme": "IOB2",
    "loss": "mse",
    "temperature": 1.0,
    "targets": "auto",
    "gold_weight": 0.5,
    "min_score": 0.0,
    "spans_key": SPANS_KEY,
    "overwrite": True,
    "scorer": {"@scorers": "spacy.ner_scorer.v1"},
}
NO_SOFT = (
    "{name}: targets is {targets!r}, but {which} has no soft labels in doc._.xproj_soft. Make them with 'xproj teach' "
    "or the pipe xproj_teacher. If they are made, they were lost on the way: spacy.Corpus.v1 keeps them only with "
    "max_length = 0 and gold_preproc = false (spacy_xproj.Corpus.v1 splits them with the sentences); augmenters such "
    "as spacy.lower_case.v1 drop them; a DocBin has them only with store_user_data = True."
)


@Language.factory(
    "xproj_student",
    assigns=["doc.ents", "doc.spans"],
    default_config=DEFAULTS,
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
class Student(TrainablePipe):
    """Tags tokens by a softmax, and sets entities by the most probable valid sequence of tags, sentence by sentence
    where the Doc has sentences. It learns from the distributions of teachers (Wu et al. 2020), from gold, or from both.

    The score of an entity is the least probability of its words' tags, which that of the whole cannot exceed. Tokens of
    white space are passed over: they can be inside of an entity, and not at its edges.

    nlp (Language): Its vocab is the pipe's.
    name (str): The pipe's name, also in the losses.
    model (Model[List[Doc], List[Floats2d]]): A row over the tags for each token, with a softmax layer at its end that
        takes the gradient of the logits: `spacy.Tagger.v2` over any tok2vec or listener.
    scheme (str): The tags of each entity type: "IOB2" (B and I) or "BIOES" (also E and S, for the last and the only
        word). It is saved with the model.
    loss (str): "mse", the mean squared error of probabilities, as published; "ce", cross-entropy; "kl",
        Kullback-Leibler divergence. Gold is a distribution with one 1.
    temperature (float): For "ce" and "kl", of soft labels only: both sides are made flatter (see `cross_entropy`).
    targets (str): "soft": soft labels, which each Doc must have. "gold": gold entities. "auto": soft labels where a Doc
        has some, else gold. "mix": the mean of both losses, weighted by `gold_weight`. A token that has one of the two
        only counts for that one, with its weight.
    gold_weight (float): What gold weighs in "mix", from 0 to 1; soft labels weigh the rest.
    min_score (float): Entities that score less are in `doc.spans` only.
    spans_key (str): All entities go to `doc.spans[spans_key]`, with `attrs["scores"]`. "": nowhere.
    overwrite (bool): Entities that the Doc has already are dropped. If not, they stay, and of those found only the
        ones that share no token with them are added.
    scorer (Optional[Callable]): Scores Examples; spaCy's own for entities.
    RAISES (XprojError): If a setting is out of range.
    """

    def __init__(
        self,
        nlp: Language,
        name: str,
        model: Model,
        *,
        scheme: str,
        loss: str,
        temperature: float,
        targets: str,
        gold_weight: float,
        min_score: float,
        spans_key: str,
        overwrite: bool,
        scorer: Optional[Callable],
    ):
        for key, value, allowed in (
            ("scheme", scheme, tuple(TAG_ROLES)),
            ("loss", loss, tuple(LOSSES)),
            ("targets", targets, TARGETS),
        ):
            if value not in allowed:
                raise XprojError(f"{name}: {key} must be one of {', '.join(allowed)}, not {value!r}.")
        for key, share in (("gold_weight", gold_weight), ("min_score", min_score)):
            if not 0 <= share <= 1:
                raise XprojError(f"{name}: {key} must be from 0 to 1, not {share}.")
        if not temperature > 0:
            raise XprojError(f"{name}: temperature must be above 0, not {temperature}.")
        if loss == "mse" and temperature != 1:
            raise XprojError(f"{name}: the loss 'mse' has no temperature. Set it to 1, or the loss to 'ce' or 'kl'.")
        self.vocab = nlp.vocab
        self.model = model
        self.name = name
        self.cfg: dict[str, Any] = {"labels": [], "scheme": scheme}  # what is saved with the model
        self.label_map: dict[str, str] = {}  # its entities have the names of its tags
        self.gold_loss = LOSSES[loss]
        self.soft_loss = self.gold_loss if loss == "mse" else partial(self.gold_loss, temperature=temperature)
        self.targets = targets
        self.gold_weight = gold_weight
        self.min_score = min_score
        self.spans_key = spans_key
        self.overwrite = overwrite
        self.scorer = scorer
        self._said = False  # that soft labels stood in for gold

    # Labels

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types (tuple of str), in the order of the tags."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> tuple[str, ...]:
        """What `spacy init labels` writes, and `initialize` takes as `labels`: the entity types."""
        return self.labels

    @property
    def scheme(self) -> str:
        """The scheme of the tags (str)."""
        return self.cfg["scheme"]

    @property
    def tag_names(self) -> list[str]:
        """The tags (list of str) in the order of the columns: "O", then of each entity type B, I (BIOES: E, S)."""
        return make_tags(self.labels, self.scheme)

    def tags(self) -> TagScheme:
        """The tags and their scheme."""
        return TagScheme(self.tag_names, self.scheme)

    def add_label(self, label: str) -> int:
        """Add an entity type, before the model is initialized.

        label (str): The type, such as "PER".
        RETURNS (int): 1; 0 if it is there already.
        RAISES (XprojError): If the model has its size already.
        """
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if label in self.labels:
            return 0
        if self.model.get_ref("output_layer").has_dim("nO"):
            raise XprojError(
                f"{self.name}: cannot add the entity type {label!r} to a model that is initialized with "
                f"{', '.join(self.labels) or 'none'}. Initialize a new one with all of them."
            )
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Iterable[str]] = None,
    ) -> None:
        """Set the entity types and the size of the model.

        get_examples (Callable[[], Iterable[Example]]): Gives Examples.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Iterable[str]]): Entity types, as `spacy init labels` writes them. None: those of the targets
            in the Examples (soft labels, gold entities, or both) in alphabetical order.
        RAISES (XprojError): If there are no entity types, or no soft labels where they are the targets.
        """
        validate_get_examples(get_examples, "Student.initialize")
        check_lexeme_norms(self.vocab, "xproj_student")
        for label in sorted(self._found(get_examples())) if labels is None else labels:
            self.add_label(label)
        if not self.labels:
            raise XprojError(
                f"{self.name}: the data to initialize with has no entity types. Expected Docs with soft labels or gold "
                "entities, or 'labels' in [initialize.components]."
            )
        sample = [eg.predicted for eg in islice(get_examples(), 10)]
        width = len(self.tag_names)
        self.model.initialize(X=sample, Y=[self.model.ops.alloc2f(len(doc), width) for doc in sample])

    def _found(self, examples: Iterable[Example]) -> set[str]:
        """The entity types of the targets."""
        types: set[str] = set()
        seen = False
        for eg in examples:
            soft = None if self.targets == "gold" else soft_labels(eg)
            seen = seen or soft is not None
            if soft is not None:
                types.update(soft_types(soft))
            if self.targets != "soft":
                types.update(ent.label_ for ent in eg.reference.ents)
        if not seen and self.targets in ("soft", "mix"):
            raise XprojError(NO_SOFT.format(name=self.name, targets=self.targets, which="not one Doc"))
        return types

    # Training: `update` is spaCy's

    def get_loss(self, examples: Iterable[Example], scores: list) -> tuple[float, list]:
        """The loss of a batch, and its gradient.

        examples (Iterable[Example]): The batch.
        scores (list of float array (tokens, tags)): What the model gives for the predicted Docs.
        RETURNS (float, list of float array (tokens, tags)): The mean over the tokens that are not masked (for "mse"
            over their tags too), as published; `spacy train` shows its sum over batches. And the gradient of the
            logits, which is that of a sum: see `losses`.
        """
        examples = list(examples)
        validate_examples(examples, "Student.get_loss")
        ops: Any = self.model.ops
        probs = ops.xp.concatenate(scores)
        soft, gold = zip(*map(self.rows, examples))
        total, loss, gradient = 0.0, 0.0, ops.xp.zeros_like(probs)
        for function, rows, weight in (
            (self.soft_loss, soft, 1 - self.gold_weight),
            (self.gold_loss, gold, self.gold_weight),
        ):
            targets = np.concatenate(rows)
            weights = targets.any(1).astype("f4") * (weight if self.targets == "mix" else 1)
            value, change = function(probs, ops.asarray(targets), ops.asarray(weights))
            loss += value * float(weights.sum())
            total += float(weights.sum())
            gradient += change
        loss = loss / total if total else 0.0
        if np.isnan(loss):
            raise ValueError(Errors.E910.format(name=self.name))
        ends = np.cumsum([len(rows) for rows in scores])[:-1]
        return loss, ops.xp.split(gradient, ends.tolist())

    def rows(self, eg: Example) -> tuple[np.ndarray, np.ndarray]:
        """What an Example teaches.

        RETURNS (two float32 arrays (tokens, tags)): Soft and gold targets of the predicted tokens. A row of zeros
            teaches nothing.
        RAISES (XprojError): If it has no soft labels, and all targets are soft.
        """
        soft = None if self.targets == "gold" else soft_labels(eg)
        if soft is None and self.targets == "soft" and len(eg.reference):
            raise XprojError(NO_SOFT.format(name=self.name, targets="soft", which=repr(eg.reference.text[:40].strip())))
        nothing = np.zeros((len(eg.predicted), len(self.tag_names)), "f4")
        use_gold = self.targets in ("gold", "mix") or (self.targets == "auto" and soft is None)
        return (
            nothing if soft is None else soft_rows(eg, soft, self.labels, self.scheme),
            gold_rows(eg, self.labels, self.scheme) if use_gold else nothing,
        )

    # Prediction

    def distributions(self, docs: Iterable[Doc]) -> list[np.ndarray]:
        """The distributions over `tag_names`, without changing the Docs.

        docs (Iterable[Doc]): Where the model listens to a tok2vec or transformer, that pipe must have seen them.
        RETURNS (list of float32 array (tokens, tags)): One a Doc.
        """
        docs = list(docs)
        if not any(len(doc) for doc in docs):
            return [np.zeros((0, len(self.tag_names)), "f4") for _ in docs]
        ops, scores = self.model.ops, self.model.predict(docs)
        if not self.model.get_ref("output_layer").attrs.get("softmax_normalize", True):
            scores = [ops.softmax(rows) for rows in scores]
        return [ops.to_numpy(rows) for rows in scores]

    def predict(self, docs: Iterable[Doc]) -> list[np.ndarray]:
        """The same as `distributions`."""
        return self.distributions(docs)

    def set_annotations(self, docs: Iterable[Doc], scores: list[np.ndarray]) -> None:
        """Write `doc.ents` and `doc.spans[spans_key]`.

        docs (Iterable[Doc]): The Docs.
        scores (list of float array (tokens, tags)): From `predict`.
        """
        tags = self.tags()
        for doc, rows in zip(docs, scores):
            set_entities(
                doc,
                find_entities(doc, rows, tags),
                spans_key=self.spans_key,
                annotate_ents=True,
                min_score=self.min_score,
                overwrite=self.overwrite,
            )

    # Scoring

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score the entities against gold. In a Doc without gold that has soft labels, the entities that these make
        most probable stand in for it (see `find_entities`), which is said once in spaCy's log.

        examples (Iterable[Example]): With predicted entities.
        RETURNS (dict[str, Any]): The scores of `scorer`.
        """
        given = list(examples)
        stand_in = [
            not eg.reference.has_annotation("ENT_IOB") and eg.reference._.xproj_soft is not None for eg in given
        ]
        if any(stand_in) and not self._said:
            self._said = True
            logger.warning(
                "%s: %d of %d Docs to score by have soft labels and no gold. The score is against the entities that "
                "the soft labels make most probable: it says how well the student agrees with its teachers.",
                self.name,
                sum(stand_in),
                len(given),
            )
        scored = [Example(eg.predicted, hard_doc(eg.reference)) if soft else eg for eg, soft in zip(given, stand_in)]
        return super().score(scored, **kwargs)
