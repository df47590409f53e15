"""`spacy_xproj.similarity_weights.v1`: teachers count by how much the target text looks like their language."""

from collections.abc import Iterable, Sequence
from typing import Any, Optional, Union

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Adam

from ..corpus.readers import read_docs
from ..errors import InputError, NotFittedError, XprojError
from ..languages import blank
from ..part import as_part
from ..progress import steps
from ..state import State
from .vectors import NgramVectors, SentenceVectors

NAME = "spacy_xproj.similarity_weights.v1"
LEVELS = ("domain", "sentence")
TEMPERATURES = ("variance", "deviation")
BATCH = 32
AT_ONCE = 1024  # texts whose vectors are in memory together
Params = dict[str, np.ndarray]


NOTHING: Any = [], 1.0, np.zeros((0, 0), "f4"), np.zeros(0, "f4"), np.zeros(0, "f4")  # as it is before it is fitted


class SimilarityWeights(State):
    """`spacy_xproj.similarity_weights.v1`: the similarity of languages of Wu et al. (2020). A model learns to say which
    source a text is of, and each text of the target is then asked which source it could be of.

    With the vector g of a text, a vector mu_k for each source k, and two matrices U and V of `rank` rows, the logits
    are (U g)^T (V mu_k). All but g is learnt: the cross-entropy, to which each source adds as much as any other, plus
    `gamma` times the squared Frobenius norm of P P^T - I, where the rows of P are the mu_k. The weights of a text are
    the softmax of the logits divided by a temperature.

    What differs from the published model: vectors are centered and scaled first, which stands for its two biases and
    makes one learn rate fit all vectors; and U and V start as one random matrix, so that the logits start as
    similarities to the mean vectors of the sources. It penalizes P^T P - I as a rule, and P P^T - I by an option; the
    two penalties differ by a constant, and so their gradients do not differ.

    sources (Optional[dict[str, str]]): For each teacher, by its name, a file with text of its language, in any format
        of `read_docs` that has one language. It is read by `fit` only.
    vectors (Optional[SentenceVectors]): Gives each text a vector. None: `spacy_xproj.ngram_vectors.v1` as it is.
    level (str): "domain": all texts have the same weights, the mean over the target texts that it was fitted on.
        "sentence": each has its own; texts without a vector, such as those without letters, have that mean.
    rank (int): Rows of U and V.
    gamma (float): Weight of the penalty that makes the mu_k orthogonal and of length 1. 0: none.
    epochs (int): Number of passes over the text of the sources. 0: the logits stay as they start.
    learn_rate (float): The learning rate of Adam.
    temperature (float or str): "variance", as published, or "deviation" (its square root), of the logits of all target
        texts and sources; or a number. The logits grow while it trains, so that by their variance weights become more
        equal with training, and after little training, as on little text, one source may have nearly all the weight.
        By their deviation weights depend much less on that.
    max_sentences (int): Largest number of texts to use: of each source the first ones, of the target at equal
        distances. 0: all.
    seed (int): Seed of the first U and V, and of the order of the texts.
    RAISES (XprojError): If a setting is out of its range.

    Attributes: `names` (list of str), the sources that it was fitted on, sorted; `domain` (float32 array (sources,)),
        their mean weights over the target texts.
    """

    fittable = True
    state_name = NAME

    def __init__(
        self,
        sources: Optional[dict[str, str]] = None,
        vectors: Optional[SentenceVectors] = None,
        level: str = "domain",
        rank: int = 64,
        gamma: float = 0.01,
        epochs: int = 10,
        learn_rate: float = 0.0001,
        temperature: Union[float, str] = "variance",
        max_sentences: int = 2000,
        seed: int = 0,
    ):
        if level not in LEVELS:
            raise XprojError(f"{NAME}: level must be one of {', '.join(map(repr, LEVELS))}, not {level!r}.")
        if isinstance(temperature, str) and temperature not in TEMPERATURES:
            expected = f"{', '.join(map(repr, TEMPERATURES))} or a number above 0"
            raise XprojError(f"{NAME}: temperature must be one of {expected}, not {temperature!r}.")
        for name, value, ok, expected in (
            ("rank", rank, rank >= 1, "at least 1"),
            ("gamma", gamma, gamma >= 0, "0 or more"),
            ("epochs", epochs, epochs >= 0, "0 or more"),
            ("learn_rate", learn_rate, learn_rate > 0, "above 0"),
            ("temperature", temperature, isinstance(temperature, str) or 0 < temperature < np.inf, "above 0"),
            ("max_sentences", max_sentences, max_sentences >= 0, "0 (all) or more"),
            ("seed", seed, seed >= 0, "0 or more"),
        ):
            if not ok:
                raise XprojError(f"{NAME}: {name} must be {expected}, not {value}.")
        self.sources, self.level = dict(sources or {}), level
        self.vectors = NgramVectors() if vectors is None else vectors
        self.rank, self.gamma, self.epochs, self.learn_rate = rank, gamma, epochs, learn_rate
        self.temperature, self.max_sentences, self.seed = temperature, max_sentences, seed
        self._texts: dict[str, Any] = {}  # of sources that are elsewhere: the words and spaces of each text
        self._set(*NOTHING)

    def _set(self, names: list[str], beta: float, slopes: np.ndarray, offsets: np.ndarray, domain: np.ndarray) -> None:
        self.names = names
        self.beta = beta  # one divided by the temperature
        # The logits of a vector g are g @ slopes + offsets: centring, U, V and the mu_k in one.
        self.slopes, self.offsets, self.domain = slopes, offsets, domain
        self._hash = self.state_hash() if names else ""

    @property
    def fitted(self) -> bool:
        """Whether `fit` has run, or a fitted state has been loaded."""
        return bool(self.names)

    @property
    def provenance(self) -> str:
        """What made the weights: the settings, and a hash of what was learnt."""
        return f"{NAME} ({self.level}, temperature={self.temperature}, fitted={self._hash})"

    def fit(self, docs: Iterable[Doc], names: Sequence[str]) -> None:  # type: ignore[override]
        """Learn to tell the sources apart, and measure the target. What was learnt before is forgotten.

        docs (iterable of Doc): The target text, read once.
        names (sequence of str): The teachers, in any order.
        RAISES (XprojError): If the sources are not those of the teachers, or there is no target text.
        RAISES (InputError): If the file of a source cannot be used.
        """
        known = self.sources or self._texts
        if set(names) != set(known):
            raise XprojError(
                f"{NAME} needs a file with text for each teacher: the teachers are {listed(names)}, and 'sources' has "
                f"{listed(known)}."
            )
        docs = list(docs)
        docs = docs[:: max(-(-len(docs) // self.max_sentences), 1) if self.max_sentences else 1]
        names, nlp = sorted(names), blank("xx")
        texts = [self._read(name, nlp) for name in names]
        if as_part(self.vectors).fittable:
            as_part(self.vectors).fit([doc for some in [*texts, docs] for doc in some])
        found = [self._vectors(some) for some in texts]
        for name, rows in zip(names, found):
            if not len(rows):
                raise InputError(self.sources.get(name, name), f"{NAME} found no words in it. Give text of {name!r}.")
        target = self._vectors(docs)
        if not len(target):
            raise XprojError(f"{NAME} was given no target text with words in it to fit on.")
        slopes, offsets = train(found, self.rank, self.gamma, self.epochs, self.learn_rate, self.seed)
        logits = target @ slopes + offsets
        beta = 1 / self._temperature(logits)
        self._set(names, beta, slopes, offsets, softmax(beta * logits).mean(axis=0))

    def _read(self, name: str, nlp: Language) -> list[Doc]:
        """The text of a source."""
        if self.sources:
            return list(read_docs(self.sources[name], nlp, limit=self.max_sentences))
        return [Doc(nlp.vocab, words, spaces) for words, spaces in self._texts[name]]

    def _vectors(self, docs: Sequence[Doc]) -> np.ndarray:
        """Vectors of those texts that have one."""
        parts = [np.asarray(self.vectors(docs[i : i + AT_ONCE]), "f4") for i in range(0, len(docs), AT_ONCE)]
        return np.concatenate([rows[rows.any(axis=1)] for rows in parts]) if parts else np.zeros((0, 0), "f4")

    def _temperature(self, logits: np.ndarray) -> float:
        if not isinstance(self.temperature, str):
            return self.temperature
        variance = float(logits.var(dtype="f8", ddof=1)) if logits.size > 1 else 0.0
        return (variance if self.temperature == "variance" else variance**0.5) or 1.0  # 1: they do not differ

    def __call__(self, docs: Sequence[Doc], names: Sequence[str]) -> np.ndarray:
        """The weights of teachers.

        docs (sequence of Doc): The texts.
        names (sequence of str): The teachers, in any order.
        RETURNS (float32 array (docs, teachers)): Each row sums to 1.
        RAISES (NotFittedError): If it was not fitted.
        RAISES (XprojError): If it was fitted on other teachers.
        """
        if not self.fitted:
            raise NotFittedError(NAME)
        if sorted(names) != self.names:
            raise XprojError(
                f"{NAME} was fitted on the teachers {listed(self.names)}, but now they are {listed(names)}. Fit it "
                "again."
            )
        weights = np.tile(self.domain, (len(docs), 1))
        if self.level == "sentence" and len(docs):
            rows = np.asarray(self.vectors(docs), "f4")
            known = rows.any(axis=1)
            weights[known] = softmax(self.beta * (rows[known] @ self.slopes + self.offsets))
        return weights[:, [self.names.index(name) for name in names]]

    # Serialization

    def state(self) -> dict[str, Any]:
        """What was learnt. Before that, the text that it is to be learnt from."""
        if self.sources and not self.fitted:
            nlp = blank("xx")
            return {"texts": {name: [as_words(doc) for doc in self._read(name, nlp)] for name in sorted(self.sources)}}
        if self._texts and not self.fitted:
            return {"texts": self._texts}
        arrays = {"slopes": self.slopes, "offsets": self.offsets, "domain": self.domain}
        return {"names": self.names, "beta": self.beta, **{key: x.astype("<f4") for key, x in arrays.items()}}

    def set_state(self, state: dict[str, Any]) -> None:
        self._texts = state.get("texts", {})
        if self._texts:
            self.sources = {}
            return self._set(*NOTHING)
        slopes, offsets, domain = (state[key].astype("f4") for key in ("slopes", "offsets", "domain"))
        self._set(state["names"], state["beta"], slopes, offsets, domain)

    def state_parts(self) -> dict[str, Any]:
        return {"vectors": self.vectors}


def as_words(doc: Doc) -> tuple[list[str], list[bool]]:
    """The words of a text, and which of them have a space after them."""
    return [t.text for t in doc], [bool(t.whitespace_) for t in doc]


def train(
    sources: Sequence[np.ndarray], rank: int, gamma: float, epochs: int, learn_rate: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Learn to tell sources apart.

    sources (sequence of float32 arrays (n, dim)): The vectors of the texts of each, one at least.
    rank, gamma, epochs, learn_rate, seed (int or float): See `SimilarityWeights`.
    RETURNS (float32 arrays (dim, sources) and (sources,)): The logits of a vector g are g @ the first + the second.
    """
    rng = np.random.default_rng(seed)
    vectors = np.concatenate(sources)
    sizes = np.array([len(rows) for rows in sources])
    answers = np.repeat(np.arange(len(sizes)), sizes)
    shares = (len(vectors) / (len(sizes) * sizes))[answers].astype("f4")  # 1 on average
    center = np.mean([rows.mean(axis=0) for rows in sources], axis=0)
    vectors -= center
    spread = float(np.sqrt(np.average((vectors**2).sum(axis=1), weights=shares))) or 1.0
    vectors /= spread
    # As small as linear layers start: what no source has in its text is to say little.
    start = (rng.uniform(-1, 1, (rank, vectors.shape[1])) / np.sqrt(vectors.shape[1])).astype("f4")
    means = np.stack([vectors[answers == k].mean(axis=0) for k in range(len(sizes))])
    params = {"U": start, "V": start.copy(), "P": means}
    optimizer = Adam(learn_rate, L2=0.0, grad_clip=1.0)
    for _ in steps(range(epochs), "epochs", epochs):
        order = rng.permutation(len(vectors))
        for i in range(0, len(order), BATCH):
            batch = order[i : i + BATCH]
            _, gradients = objective(params, vectors[batch], answers[batch], shares[batch] / len(batch), gamma)
            for name, gradient in gradients.items():
                params[name], _ = optimizer((0, name), params[name], gradient)
            optimizer.step_schedules()
    slopes = params["U"].T @ (params["V"] @ params["P"].T) / np.float32(spread)
    return slopes, -center @ slopes


def objective(
    params: Params, vectors: np.ndarray, answers: np.ndarray, shares: np.ndarray, gamma: float
) -> tuple[float, Params]:
    """What training makes small: the cross-entropy, and gamma ||P P^T - I||^2.

    params (dict[str, float array]): "U" and "V" (rank, dim), "P" (sources, dim).
    vectors (float array (n, dim)): The vectors g of texts.
    answers (int array (n,)): The source of each.
    shares (float array (n,)): What each counts in the sum of cross-entropies.
    gamma (float): What the second term counts.
    RETURNS (float, dict[str, float array]): The value, and its gradient.
    """
    left, right = vectors @ params["U"].T, params["P"] @ params["V"].T
    probs = softmax(left @ right.T)
    rows = np.arange(len(answers))
    apart = params["P"] @ params["P"].T - np.eye(len(params["P"]), dtype=params["P"].dtype)
    value = gamma * (apart**2).sum() - (shares * np.log(np.maximum(probs[rows, answers], 1e-30))).sum()
    probs[rows, answers] -= 1
    probs *= shares[:, None]
    back = probs.T @ left
    gradient = {
        "U": (probs @ right).T @ vectors,
        "V": back.T @ params["P"],
        "P": back @ params["V"] + 4 * gamma * (apart @ params["P"]),
    }
    return float(value), gradient


def softmax(logits: np.ndarray) -> np.ndarray:
    """Of each row, without overflow."""
    out = np.exp(logits - logits.max(axis=1, keepdims=True))
    return out / out.sum(axis=1, keepdims=True)


def listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names))) or "none"
