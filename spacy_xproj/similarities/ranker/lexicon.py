"""A lexicon of entity pairs, and of words at the edges of entities, from a first pass over a corpus."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple, Optional

import numpy as np

from .batch import Batch, Candidates
from .features import AFTER, BEFORE, FIRST, LAST, MEAN, Features

EDGES = ("before", "first", "inside", "last", "after")  # where a word stands to a candidate
STANDS_BEFORE, IS_FIRST, IS_INSIDE, IS_LAST, STANDS_AFTER = range(len(EDGES))
NULL = ""  # the target form of "not projected"
VOTES, LEAST = 5, 0.05  # readings of a source span that count, and how likely they must be


class Votes(NamedTuple):
    """The likeliest readings of the source spans of a batch, in order of source span, likeliest first.

    span (int array (n,)): The source span.
    mass (float array (n,)): The probability.
    start, end (int arrays (n,)): The candidate; both 0: "not projected".
    """

    span: np.ndarray
    mass: np.ndarray
    start: np.ndarray
    end: np.ndarray


def votes(cells: Candidates, probs: np.ndarray, null: np.ndarray) -> Votes:
    """The readings of each source span that are likely enough, at most `VOTES`.

    probs, null (float arrays (n,), (K,)): The probabilities of cells and of "not projected".
    """
    likely, none = np.flatnonzero(probs >= LEAST), np.flatnonzero(null >= LEAST)
    span = np.concatenate([none, cells.span[likely]])
    mass = np.concatenate([null[none], probs[likely]])
    order = np.lexsort((-mass, span))  # stable: null and the earlier candidate come first
    order = order[np.arange(len(order)) - np.searchsorted(span[order], span[order]) < VOTES]
    start, end = (np.concatenate([np.zeros(len(none), "i8"), each[likely]]) for each in cells[1:])
    return Votes(span[order], mass[order], start[order], end[order])


class Events(NamedTuple):
    """How much which word stands where to the candidates of some votes.

    span, word, edge (int arrays (n,)): The source span; the word, in a batch; one of `EDGES`.
    mass (float array (n,)): The probability.
    """

    span: np.ndarray
    word: np.ndarray
    edge: np.ndarray
    mass: np.ndarray


def events(batch: Batch, found: Votes) -> Events:
    """The words at the edges and inside of the candidates, vote by vote."""
    rows = []
    keep = found.end > found.start
    pairs, target, sizes = batch.pair.tolist(), batch.target.tolist(), batch.n.tolist()
    for span, mass, a, b in zip(*(field[keep].tolist() for field in found)):
        words = target[pairs[span]]
        around = words[a - 1] if a else 0, words[b] if b < sizes[pairs[span]] else 0
        edges = (around[0], STANDS_BEFORE), (words[a], IS_FIRST), (words[b - 1], IS_LAST), (around[1], STANDS_AFTER)
        rows += [(span, word, edge, mass) for word, edge in (*edges, *((word, IS_INSIDE) for word in words[a:b]))]
    span, word, edge, mass = np.array(rows, "f8").reshape(-1, 4).T
    return Events(span.astype("i8"), word.astype("i8"), edge.astype("i8"), mass)


class PairLexicon:
    """Sums of votes. Words are known by their stems, as a form that stands once has no evidence, and its stem may.

    pairs (dict): Source form → target form → mass; the target form "" is null. A form is the stems of its words.
    forms (dict): Target form → mass, whatever the source.
    edges (dict): Stem → for each of `EDGES` the mass of the candidates where it stands there.
    """

    def __init__(self) -> None:
        self.pairs: dict[str, dict[str, float]] = {}
        self.forms: dict[str, float] = defaultdict(float)
        self.edges: dict[str, list[float]] = {}

    def add(self, batch: Batch, found: Votes) -> None:
        """Add the votes of a batch."""
        names = batch.words.stems
        keys = [batch.key(span) for span in range(len(batch.pair))]
        for key in keys:
            self.pairs.setdefault(key, defaultdict(float))
        for span, mass, a, b in zip(*(field.tolist() for field in found)):
            form = " ".join([names[word] for word in batch.target[batch.pair[span], a:b].tolist()])
            self.pairs[keys[span]][form] += mass
            if b > a:
                self.forms[form] += mass
        for _, word, edge, mass in zip(*(field.tolist() for field in events(batch, found))):
            self.edges.setdefault(names[word], [0.0] * len(EDGES))[edge] += mass
        vars(self).pop("index", None)

    @cached_property
    def index(self) -> "LexiconIndex":
        return LexiconIndex(self)

    def state(self) -> dict[str, Any]:
        """Plain data, equal for equal lexicons."""
        plain = lambda d: [[k, float(d[k])] for k in sorted(d)]  # noqa: E731
        return {
            "pairs": [[key, plain(self.pairs[key])] for key in sorted(self.pairs)],
            "forms": plain(self.forms),
            "edges": [[form, *self.edges[form]] for form in sorted(self.edges)],
        }

    @classmethod
    def load(cls, state: dict[str, Any]) -> "PairLexicon":
        self = cls()
        self.pairs = {key: defaultdict(float, map(tuple, row)) for key, row in state["pairs"]}
        self.forms = defaultdict(float, map(tuple, state["forms"]))
        self.edges = {form: list(masses) for form, *masses in state["edges"]}
        return self


class LexiconIndex:
    """A lexicon as arrays, to look up all candidates of a batch at once.

    Target forms are paths in a tree of words. A form is the number of its node: 0 is the root, which stands for null,
    and -1 is a form that the lexicon does not have.
    """

    def __init__(self, lexicon: PairLexicon):
        self.words = {word: k for k, word in enumerate(sorted(lexicon.edges))}
        self.edges = np.zeros((len(self.words) + 1, len(EDGES)))
        self.edges[:-1] = [lexicon.edges[word] for word in self.words] or np.zeros((0, len(EDGES)))
        children: dict[tuple[int, int], int] = {}
        nodes = {NULL: 0}
        self.longest = 0
        for form in sorted(lexicon.forms):
            node, names = 0, form.split(" ") if form else []
            for name in names:
                node = children.setdefault((node, self.words[name]), len(children) + 1)
            nodes[form] = node
            self.longest = max(self.longest, len(names))
        steps = np.array([(*step, node) for step, node in children.items()], "i8").reshape(-1, 3)
        keys = steps[:, 0] * (len(self.words) + 1) + steps[:, 1]
        order = np.argsort(keys)
        self.steps, self.children = keys[order], steps[order, 2]
        self.anywhere = np.zeros(len(children) + 2)  # the last is that of the form -1
        for form, mass in lexicon.forms.items():
            self.anywhere[nodes[form]] = mass
        self.rows = {key: k for k, key in enumerate(lexicon.pairs)}
        self.ends = np.cumsum([0, *(len(row) for row in lexicon.pairs.values())])
        entries = [sorted((nodes[form], mass) for form, mass in row.items()) for row in lexicon.pairs.values()]
        self.form = np.array([node for row in entries for node, _ in row], "i8")
        self.mass = np.array([mass for row in entries for _, mass in row])

    def nodes(self, words: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Find all forms in some sentences.

        words (int array (B, N)): The words, by their numbers.
        sizes (int array (B,)): How many there are.
        RETURNS (int array (B, N, longest + 1)): The form of the words from n on, by their number.
        """
        out = np.full((*words.shape, self.longest + 1), -1)
        row, start = np.nonzero(words < len(self.words))
        node = np.zeros(len(row), "i8")
        for size in range(1, self.longest + 1):
            at = start + size - 1
            here = np.flatnonzero(at < sizes[row])
            row, start, node = row[here], start[here], node[here]
            if not len(row):
                break
            key = node * (len(self.words) + 1) + words[row, start + size - 1]
            place = np.minimum(np.searchsorted(self.steps, key), len(self.steps) - 1)
            here = np.flatnonzero(self.steps[place] == key) if len(self.steps) else here[:0]
            row, start, node = row[here], start[here], self.children[place[here]]
            out[row, start, size] = node
        return out


def pair_features(batch: Batch, cells: Candidates, lexicon: PairLexicon, own: Optional[Votes]) -> Features:
    """The features of the second pass: what the projections of the first say about entity pairs and their edges. All
    are bounded, whatever the counts: weights learnt from small corpora must hold for large ones, and for words that are
    frequent there.

    own (Optional[Votes]): Votes to take out of the lexicon.
    """
    index = lexicon.index
    ids = batch.words.places(index.words, stems=True)[batch.target]  # beyond the end of a sentence: none
    edge, inside, begins = edge_values(batch, index, ids, own)
    un = ~batch.linked
    words = [
        ("first_edge", FIRST, edge[0]),
        ("last_edge", LAST, edge[1]),
        ("before_edge", BEFORE, edge[0]),
        ("after_edge", AFTER, edge[1]),
        ("first_inside", FIRST, inside),
        ("last_inside", LAST, inside),
        ("before_inside", BEFORE, inside),
        ("after_inside", AFTER, inside),
        ("mean_inside", MEAN, inside),
        ("edge_unlinked", FIRST, un * edge[0]),
        ("edge_unlinked", LAST, un * edge[1]),
    ]
    k, a, b = cells
    nodes = index.nodes(ids, batch.n)

    def form(span: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        size = end - start
        found = nodes[batch.pair[span], start, np.minimum(size, index.longest)]
        return np.where(size > index.longest, -1, found)

    # What is left of the rows of the source spans, and of the forms
    many = len(index.anywhere)
    at = np.array([index.rows.get(batch.key(span), -1) for span in range(len(batch.pair))])
    sizes = np.where(at >= 0, np.diff(index.ends)[at], 0) if len(index.rows) else np.zeros(len(at), "i8")
    entry_span = np.repeat(np.arange(len(at)), sizes)
    begin = np.cumsum(sizes) - sizes
    entry = np.arange(len(entry_span)) + np.repeat(index.ends[at] - begin, sizes)
    keys = entry_span * many + index.form[entry]  # ascending
    votes_of, masses = np.zeros(0, "i8"), np.zeros(0)
    if own is not None:
        nulls = own.end == own.start
        node = np.where(nulls, 0, form(own.span, own.start, own.end))
        votes_of, which = np.unique(own.span * many + node, return_inverse=True)
        masses = np.zeros(len(votes_of))
        np.add.at(masses, which, own.mass)  # a form may stand there twice
    left = np.maximum(index.mass[entry] - look_up(votes_of, masses, keys), 0)
    total = np.bincount(entry_span, left, minlength=len(at))
    null = [("null_pair_share", look_up(keys, left, np.arange(len(at)) * many) / (total + 1))]
    known, anywhere = np.zeros(len(k)), np.zeros(len(k))
    node = form(k, a, b)
    here = np.flatnonzero((node > 0) & begins[batch.pair[k], a])
    wanted = k[here] * many + node[here]
    known[here] = look_up(keys, left, wanted)
    anywhere[here] = np.maximum(index.anywhere[node[here]] - look_up(votes_of, masses, wanted), 0)
    of_cells = [
        ("pair_share", known / (total + 1)[k]),
        ("pair_of_form", known / (anywhere + 1)),
    ]
    return Features(words, of_cells, null)


def edge_values(
    batch: Batch, index: LexiconIndex, ids: np.ndarray, own: Optional[Votes]
) -> tuple[Sequence[np.ndarray], np.ndarray, np.ndarray]:
    """How likely words are at the edges and inside of projections.

    RETURNS (pair of float arrays (K, N), float array (K, N), bool array (B, N)): Whether words rather begin and end
        projections (1) or stand beside them (-1); the share of their occurrences inside; those that ever begin one.
    """
    masses = index.edges[ids]
    mine = masses[batch.pair]
    if own is not None:
        there = np.arange(batch.target.shape[1]) < batch.n[:, None]
        names = batch.words.stem
        span, word, edge, mass = events(batch, own)
        same = (names[batch.target][batch.pair[span]] == names[word][:, None]) & there[batch.pair[span]]
        event, j = np.nonzero(same)
        minus = np.zeros_like(mine)
        np.add.at(minus, (span[event], j, edge[event]), mass[event])
        mine = np.maximum(mine - minus, 0)
    begin, end = (
        (mine[..., within] - mine[..., beside]) / (mine[..., within] + mine[..., beside] + 1)
        for within, beside in ((IS_FIRST, STANDS_BEFORE), (IS_LAST, STANDS_AFTER))
    )
    inside = mine[..., IS_INSIDE]
    inside = inside / (np.maximum(batch.seen[batch.pair], inside) + 1)
    return (begin, end), inside, masses[..., IS_FIRST] > 0


def look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The values of wanted keys, 0 for those that are not there.

    keys (int array (n,)): Ascending.
    values (float array (n,)): Their values.
    """
    if not len(keys):
        return np.zeros(len(wanted))
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0.0)
