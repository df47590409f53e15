"""Distributions over tags from spaCy's transition-based NER, which has none of its own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import numpy as np

from ..tags import IOB2_ROLES, OUTSIDE, make_tags

if TYPE_CHECKING:
    from spacy.tokens import Doc

Open = Optional[tuple[int, str]]  # the entity that is open: its first token and its type


class History(NamedTuple):
    """The ways to label the tokens so far that end with the same entity open, or with none.

    state (StateClass): The parser's state after any of them: they look alike to the model.
    mass (float): Their probability.
    """

    state: Any
    mass: float


class Moves:
    """The actions of a `ner` and the IOB2 tags that they give.

    ner (EntityRecognizer): The component.

    Attributes: `types` (list of str), sorted; `names` (list of str), such as "B-PER", "L-PER" and "O"; `columns` (int
        array (actions,)), the tag of each action.
    """

    def __init__(self, ner: Any):
        self.system = ner.moves
        self.names = [self.system.get_class_name(i) for i in range(self.system.n_moves)]
        self.types = sorted({name[2:] for name in self.names} - {""})
        tags = make_tags(self.types)
        # "U-" is spaCy's own, for tokens that are barred from entities
        found = (f"{IOB2_ROLES[name[0]]}-{name[2:]}" if name[2:] else OUTSIDE for name in self.names)
        self.columns = np.array([tags.index(tag) for tag in found])

    def allowed(self, state: Any) -> np.ndarray:
        """Indices of the actions that the system allows in a state."""
        return np.array([i for i, name in enumerate(self.names) if self.system.is_valid(state, name)], "i8")

    def after(self, action: int, token: int, entity: Open) -> Open:
        """The entity that is open after an action."""
        name = self.names[action]
        return (token, name[2:]) if name[0] == "B" else entity if name[0] == "I" else None

    def next(self, state: Any, action: int) -> Any:
        """The state after an action."""
        state = state.copy()
        self.system.apply_transition(state, self.names[action])
        return state


def marginals(ner: Any, docs: Sequence["Doc"], *, width: int = 32, density: float = 1e-4) -> list[np.ndarray]:
    """The probability of each IOB2 tag of each token, summed over all ways to label the text.

    The model scores one action a token, and was trained by the log loss of the softmax of these scores: so the
    probability of a sequence of actions is the product of their softmax, over the actions that are allowed. It reads no
    more of the past than which entity is open, and where that began. So the sums over all sequences come from one pass
    (the forward algorithm), without any search. spaCy's own `beam_parse` adds up scores that no softmax was taken of,
    which the training never fitted to each other.

    As a greedy model's own probabilities they are still too sure of themselves; the mean over models of several seeds
    is less so.

    ner (EntityRecognizer): The component.
    docs (sequence of Doc): Docs of its vocab, which the pipes before it have seen to.
    width (int): Largest number of open entities to keep after each token.
    density (float): Those below this share of the most probable one are left out. 0: none.
    RETURNS (list of float64 array (tokens, tags)): Each row sums to 1; the columns are `make_tags(Moves(ner).types)`.
    """
    moves = Moves(ner)
    step = ner.model.predict(docs)
    found = []
    for doc, start in zip(docs, moves.system.init_batch(docs)):
        rows = np.zeros((len(doc), 1 + 2 * len(moves.types)))
        histories: dict[Open, History] = {None: History(start, 1.0)}
        for i in range(len(doc)):
            scores = step.predict([history.state for history in histories.values()])
            histories = advance(moves, histories, scores, i, rows[i], width, density)
        found.append(rows)
    step.clear_memory()
    return found


def advance(
    moves: Moves,
    histories: dict[Open, History],
    scores: np.ndarray,
    i: int,
    row: np.ndarray,
    width: int,
    density: float,
) -> dict[Open, History]:
    """Label one token.

    histories (dict of History): Those before it, by the open entity.
    scores (float array (histories, actions)): From the model.
    i (int): The token.
    row (float array (tags,)): Is filled in.
    RETURNS (dict of History): Those after it.
    """
    mass: dict[Open, float] = {}
    origin: dict[Open, tuple[Any, int]] = {}
    allowed: dict[Optional[str], np.ndarray] = {}  # that depends on the type of the open entity, and not on its start
    for (entity, history), values in zip(histories.items(), scores):
        kind = entity[1] if entity else None
        if kind not in allowed:
            allowed[kind] = moves.allowed(history.state)
        actions = allowed[kind]
        p = np.exp(values[actions].astype("f8") - values[actions].max())
        p *= history.mass / p.sum()
        np.add.at(row, moves.columns[actions], p)
        for action, share in zip(actions.tolist(), p.tolist()):
            after = moves.after(action, i, entity)
            mass[after] = mass.get(after, 0.0) + share
            origin.setdefault(after, (history.state, action))
    best = max(mass.values())
    kept = [entity for entity in sorted(mass, key=lambda entity: -mass[entity]) if mass[entity] >= density * best]
    total = sum(mass[entity] for entity in kept[:width])
    return {entity: History(moves.next(*origin[entity]), mass[entity] / total) for entity in kept[:width]}
