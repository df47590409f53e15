"""The features of the cells of a batch and of "not projected", by the names in `names`.

A feature is a row of values, of one of three kinds: of the words of a sentence, counted where a candidate begins, ends
or holds them; of cells; of source spans, for "not projected". To add one, name it in `names` and list it here.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .batch import LIKE, SAME, Batch, Candidates
from .corpus import LENGTHS
from .names import NAMES, PLACE, REPEATED

# Which words of a candidate a feature of words is taken from: their sum, their mean, or the one at an edge.
SUM, MEAN, FIRST, LAST, BEFORE, AFTER = range(6)


class Features(NamedTuple):
    """Features of a batch. What a feature says more than once is added up.

    words (list of (str, int, array (K, N))): Name, which words count, and the value of each word for each source span.
        Beyond the end of a sentence it must be 0.
    cells (list of (str, array (n,))): Name, and the value of each cell.
    null (list of (str, array (K,))): Name, and the value of "not projected" for each source span.
    """

    words: list[tuple[str, int, np.ndarray]]
    cells: list[tuple[str, np.ndarray]]
    null: list[tuple[str, np.ndarray]]

    def __add__(self, other: "Features") -> "Features":  # type: ignore[override]
        return Features(self.words + other.words, self.cells + other.cells, self.null + other.null)


def features(batch: Batch, cells: Candidates) -> Features:
    """All features but those of the lexicon and of further evidence."""
    return Features(word_features(batch), cell_features(batch, cells), null_features(batch))


def word_features(batch: Batch) -> list[tuple[str, int, np.ndarray]]:
    """Features of words, and of words at the edges of a candidate."""
    pair, linked, sure, named = batch.pair, batch.linked, batch.sure, batch.named[:, None]
    there = np.arange(linked.shape[1]) < batch.n[pair][:, None]
    un = ~linked & there
    capital, upper, punct = (values[pair] & there for values in (batch.capital, batch.upper, batch.punct))
    rarity, small = batch.rarity[pair], (1 / (batch.chars + 1))[pair]
    outside = batch.to_other | batch.to_free
    same, like = batch.mine > SAME, batch.mine > LIKE
    elsewhere = batch.elsewhere & ~same
    nowhere = un & ~outside
    left, right = gaps(linked)
    near = np.minimum(left, right)
    between = un & (left <= 3) & (right <= 3)
    out = [
        ("certain", SUM, sure),
        ("uncertain", SUM, linked & ~sure),
        ("doubt", SUM, (1 - batch.best) * linked),
        ("to_other_span", SUM, batch.to_other),
        ("to_outside", SUM, batch.to_free),
        ("to_outside_certain", SUM, batch.to_free_sure),
        ("not_linked", SUM, nowhere),
        ("same_form", SUM, same),
        ("like_form", SUM, np.where(like, batch.mine, 0)),
        ("part_form", SUM, batch.part & un & ~same),
        ("form_elsewhere", SUM, elsewhere),
        ("punct", SUM, punct),
        ("capital", SUM, named & capital),
        ("lower", SUM, named & un & ~upper & ~punct),
        ("between", SUM, between),
        ("near", SUM, un & ~between & (near == 1)),
        ("apart", SUM, un & (near > 1)),
        ("far", SUM, un & (near > 4)),
        ("lexical", SUM, batch.lexical),
        ("stem_lexical", SUM, batch.stem_lexical),
        ("rarity", SUM, rarity),
        ("rarity_unlinked", SUM, rarity * un),
        ("length", SUM, there),
        ("share_linked", SUM, linked / np.maximum(linked.sum(1, keepdims=True), 1)),
        ("share_certain", SUM, sure / np.maximum(sure.sum(1, keepdims=True), 1)),
        ("mean_to_outside", MEAN, batch.to_free),
        ("mean_form_elsewhere", MEAN, elsewhere),
        ("mean_not_linked", MEAN, nowhere),
        ("last_stop", LAST, punct),
    ]
    rows, start, end = np.arange(len(pair)), batch.bounds[:, 0], batch.bounds[:, 1]
    nothing = np.zeros_like(linked)
    has_before, has_after = (start > 0)[:, None], (end < batch.m[pair])[:, None]
    first_hit, last_hit = batch.hit[pair, start], batch.hit[pair, end - 1]
    before_hit = np.where(has_before, batch.hit[pair, start - 1], nothing)
    after_hit = np.where(has_after, batch.hit[pair, np.minimum(end, batch.hit.shape[1] - 1)], nothing)
    opening, closing = nothing.copy(), nothing.copy()
    opening[:, 0] = ~has_before[:, 0]
    closing[rows, batch.n[pair] - 1] = ~has_after[:, 0]
    for edge, inner, beside, outer, upper_edge, same_edge, neighbor, sentence_edge in (
        ("first", FIRST, "before", BEFORE, batch.first_upper, first_hit, before_hit, opening),
        ("last", LAST, "after", AFTER, batch.last_upper, last_hit, after_hit, closing),
    ):
        cap = upper_edge[:, None]
        out += [
            (f"{edge}_rarity", inner, rarity),
            (f"{edge}_lower", inner, cap & ~capital & there),
            (f"{edge}_unlinked", inner, un),
            (f"{edge}_unlinked_rarity", inner, un * rarity),
            (f"{edge}_outside", inner, outside & un),
            (f"{edge}_chars", inner, un * small),
            (f"{edge}_form", inner, like),
            (f"{edge}_lexical", inner, batch.lexical),
            (f"{edge}_stem_lexical", inner, batch.stem_lexical),
            (f"{edge}_to_{edge}", inner, same_edge),
            (f"{beside}_linked", outer, linked),
            (f"{beside}_capital", outer, cap & capital),
            (f"{beside}_lexical", outer, batch.lexical),
            (f"{beside}_stem_lexical", outer, batch.stem_lexical),
            (f"{beside}_neighbor", outer, neighbor),
            (f"neighbor_{edge}", inner, neighbor),
            ("source_edge", inner, sentence_edge),
        ]
    return out


def cell_features(batch: Batch, cells: Candidates) -> list[tuple[str, np.ndarray]]:
    """Features of a candidate as a whole."""
    k, a, b = cells
    size, length = (b - a).astype("f8"), batch.length[k]
    words_ratio = np.log(size / length) - batch.stretch[np.minimum(length, LENGTHS) - 1]
    chars = within(batch.chars + 1, batch.pair[k], a, b)
    ratio = np.log(chars / batch.source_chars[k]) - batch.more_chars
    covered, any_covered, chars_covered, edges = coverage(batch, cells)
    return [
        ("dice", 2 * within(batch.linked, k, a, b) / (length + size)),
        ("covered", covered),
        ("covered_any", any_covered),
        ("covered_chars", chars_covered),
        ("uncovered_edges", edges),
        ("length_ratio", np.abs(words_ratio)),
        ("longer", np.maximum(words_ratio, 0)),
        ("chars_ratio", np.abs(ratio)),
        ("chars_longer", np.maximum(ratio, 0)),
    ]


def coverage(batch: Batch, cells: Candidates) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each cell, of its source words: the share linked into it; the share linked into it or like a word of it;
    the same by characters; how many of the first and the last are not linked into it."""
    k, a, b = cells
    length = batch.length[k]
    weight = batch.words.chars[batch.inside] + 1
    linked, known, chars, edges = (np.zeros(len(k)) for _ in range(4))
    sums = [prefix_sums(values) for values in (batch.mine_linked, batch.mine_linked | batch.alike)]
    width = sums[0].shape[1]
    at = batch.begin[k] * width
    for step in range(int(length.max(initial=0))):  # over the words of a span, never over candidates
        here = np.flatnonzero(length > step) if step else slice(None)
        word, row = batch.begin[k[here]] + step, at[here] + step * width
        from_, to = row + a[here], row + b[here]
        is_linked, is_known = (each.reshape(-1)[to] > each.reshape(-1)[from_] for each in sums)
        linked[here] += is_linked
        known[here] += is_known
        chars[here] += is_known * weight[word]
        edges[here] += ((step == 0) * 1 + (step == length[here] - 1)) * ~is_linked
    return linked / length, known / length, chars / batch.source_chars[k], edges


def null_features(batch: Batch) -> list[tuple[str, np.ndarray]]:
    """Features of "not projected"."""
    pair, length, named = batch.pair, batch.length, batch.named
    any_linked, any_sure = batch.linked.any(1), batch.sure.any(1)
    outside = batch.to_other | batch.to_free
    used = batch.used[batch.pair_of_word, batch.word]
    best = batch.forms.max(1, initial=0)
    return [
        ("null", np.ones(len(pair))),
        ("null_linked", any_linked),
        ("null_certain", any_sure),
        ("null_covered", batch.of_spans(used.astype("f8"), np.add) / length),
        ("null_all_outside", any_linked & ~(batch.linked & ~outside).any(1)),
        ("null_form_mean", batch.of_spans(best, np.add) / length),
        ("null_capital", named),
        ("null_length", np.log(length)),
        ("null_pair_linked", (batch.used.sum(1) / batch.m)[pair]),
        ("null_lexical", batch.share.max(1, initial=0)),
        *((f"null_{label}", batch.labels == label) for label in NAMES),
    ]


# From features to what they are worth, and to rows


def worth(
    batch: Batch, cells: Candidates, found: Features, weights: np.ndarray, place: Mapping[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Multiply the features by their weights. Words are weighed before they are added up to candidates, so that hardly
    anything is computed for each candidate.

    found (Features): The features.
    weights (float array (features,)): In the order of `place`.
    place (mapping of str to int): Where the weight of each name is.
    RETURNS (float arrays (n,), (K,)): Log weights of cells and of "not projected".
    """
    by_label: dict[str, np.ndarray] = {}  # the others are single numbers: a column of weights takes six times as long
    for name, (label, source) in REPEATED.items():
        mine = by_label.setdefault(source, np.full(len(batch.pair), weights[PLACE[source]]))
        mine += weights[PLACE[name]] * (batch.labels == label)
    totals = np.zeros((6, *batch.linked.shape))
    part = np.empty(batch.linked.shape)
    for name, which, values in found.words:
        weight = by_label[name][:, None] if name in by_label else weights[place[name]]
        totals[which] += np.multiply(weight, values, out=part)
    k, a, b = cells
    begin, end = np.zeros((2, len(batch.pair), batch.linked.shape[1] + 1))
    sums = prefix_sums(totals[SUM])
    begin[:, :-1] += totals[FIRST]
    begin[:, 1:] += totals[BEFORE]
    begin -= sums
    end[:, 1:] += totals[LAST]
    end[:, :-1] += totals[AFTER]
    end += sums
    at = k * begin.shape[1]
    total = begin.reshape(-1)[at + a] + end.reshape(-1)[at + b] + within(totals[MEAN], k, a, b) / (b - a)
    for name, column in found.cells:
        total += (by_label[name][k] if name in by_label else weights[place[name]]) * column
    null = np.zeros(len(batch.pair))
    for name, column in found.null:
        null += weights[place[name]] * column
    return total, null


def rows(batch: Batch, cells: Candidates, found: Features, place: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Write the features out, as training needs them.

    RETURNS (float arrays (n, features), (K, features)): Those of cells and of "not projected".
    """
    k, a, b = cells
    out, null = np.zeros((len(k), len(place))), np.zeros((len(batch.pair), len(place)))
    take = {
        SUM: lambda values: within(values, k, a, b),
        MEAN: lambda values: within(values, k, a, b) / (b - a),
        FIRST: lambda values: values[k, a],
        LAST: lambda values: values[k, b - 1],
        BEFORE: lambda values: np.where(a > 0, values[k, a - 1], 0),
        AFTER: lambda values: np.where(b < batch.n[batch.pair[k]], values[k, np.minimum(b, values.shape[1] - 1)], 0),
    }
    for name, which, values in found.words:
        out[:, place[name]] += take[which](values)
    for name, column in found.cells:
        out[:, place[name]] += column
    for name, column in found.null:
        null[:, place[name]] += column
    labels = batch.labels[k]
    for name, (label, source) in REPEATED.items():
        out[:, PLACE[name]] = out[:, PLACE[source]] * (labels == label)
    return out, null


def prefix_sums(values: np.ndarray) -> np.ndarray:
    """Sums from the beginning of each row on, the first 0: array (rows, n) to array (rows, n + 1)."""
    sums = np.zeros((len(values), values.shape[1] + 1), "f8" if values.dtype.kind == "f" else "i4")
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


def within(values: np.ndarray, row: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sums of values[row, a:b]."""
    sums = prefix_sums(values)
    at = row * sums.shape[1]
    return sums.reshape(-1)[at + b] - sums.reshape(-1)[at + a]


def gaps(linked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the nearest linked word before and after each word is (99: there is none)."""
    n = linked.shape[1]
    place = np.arange(n)
    last = np.maximum.accumulate(np.where(linked, place, -99), axis=1)
    following = np.minimum.accumulate(np.where(linked, place, n + 99)[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(place - last, 99), np.minimum(following - place, 99)
