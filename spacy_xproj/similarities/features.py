"""Features of candidates and of "not projected": see `feature_names`.

Sums over the words of a candidate come from prefix sums over the target, so that no candidate is looped over.
"""

import numpy as np

from .corpus_stats import LENGTHS
from .feature_names import BY_LABEL, COMMON, FEATURES, NAMES, PLACE, QUALITY, SUMS, feature_setter
from .pair_signals import ELSEWHERE, LIKE, SAME, Candidates, PairSignals


def features(signals: PairSignals, cells: Candidates) -> np.ndarray:
    """The features of cells: all but those of `PAIRS` and `NULL`.

    RETURNS (float array (n, features)): In the order of `FEATURES`.
    """
    k, a, b = cells
    z = b - 1
    spans, n = signals.linked.shape
    linked, named = signals.linked, signals.named[:, None]
    un = ~linked
    left, right = gaps(linked)
    near = np.minimum(left, right)
    between = un & (left <= 3) & (right <= 3)
    capital, upper, punct = signals.target.capital, signals.target.upper, signals.target.punct
    outside = signals.to_other | signals.to_free
    same = signals.mine > SAME
    tokens = np.empty((spans, n + 1, len(SUMS)))
    tokens[:, 0] = 0
    for column, values in enumerate(
        (
            signals.sure,
            linked & ~signals.sure,
            (1 - signals.best) * linked,
            signals.to_other,
            signals.to_free,
            signals.to_free_sure,
            un & ~outside,
            same,
            np.where(signals.mine > LIKE, signals.mine, 0),
            signals.part & un & ~same,
            (signals.rest > ELSEWHERE) & ~same,
            punct,
            named & capital,
            named & un & ~upper & ~punct,
            between,
            un & ~between & (near == 1),
            un & (near > 1),
            un & (near > 4),
            signals.lexical,
            signals.rarity,
            signals.rarity * un,
        )
    ):
        tokens[:, 1:, column] = values
    np.cumsum(tokens, axis=1, out=tokens)
    sums = tokens[k, b] - tokens[k, a]
    x = np.zeros((len(k), len(FEATURES)))
    x[:, : len(SUMS)] = sums
    set_feature = feature_setter(x)

    size = (b - a).astype("f8")
    length = (signals.bounds[:, 1] - signals.bounds[:, 0])[k]
    hits = sums[:, 0] + sums[:, 1]
    dice = 2 * hits / (length + size)
    share = hits / np.maximum(linked.sum(1), 1)[k]
    set_feature("dice", dice)
    set_feature("share_linked", share)
    set_feature("share_certain", sums[:, 0] / np.maximum(signals.sure.sum(1), 1)[k])
    covered, any_covered, chars_covered, edges = signals.coverage(cells)
    set_feature("covered", covered)
    set_feature("covered_any", any_covered)
    set_feature("covered_chars", chars_covered)
    set_feature("uncovered_edges", edges)
    words_ratio = np.log(size / length) - signals.stretch[np.minimum(length, LENGTHS) - 1]
    set_feature("length_ratio", np.abs(words_ratio))
    set_feature("longer", np.maximum(words_ratio, 0))
    chars = np.concatenate([[0], np.cumsum(signals.target.chars + 1)])
    source_chars = np.array([(signals.source.chars[i:j] + 1).sum() for i, j in signals.bounds])
    ratio = np.log((chars[b] - chars[a]) / source_chars[k]) - signals.more_chars
    set_feature("chars_ratio", np.abs(ratio))
    set_feature("chars_longer", np.maximum(ratio, 0))
    set_feature("length", size)
    set_feature("mean_to_outside", sums[:, 4] / size)
    set_feature("mean_form_elsewhere", sums[:, 10] / size)
    set_feature("mean_not_linked", sums[:, 6] / size)

    out = outside & un
    small = 1 / (signals.target.chars + 1)
    for name, j, cap in (("first", a, signals.first_upper), ("last", z, signals.last_upper)):
        free = un[k, j]
        set_feature(f"{name}_rarity", signals.rarity[j])
        set_feature(f"{name}_lower", cap[k] & ~capital[j])
        set_feature(f"{name}_unlinked", free)
        set_feature(f"{name}_unlinked_rarity", free * signals.rarity[j])
        set_feature(f"{name}_outside", out[k, j])
        set_feature(f"{name}_chars", free * small[j])
        set_feature(f"{name}_form", signals.mine[k, j] > LIKE)
        set_feature(f"{name}_lexical", signals.lexical[k, j])
    set_feature("first_to_first", signals.grid[signals.bounds[k, 0], a] > 0)
    set_feature("last_to_last", signals.grid[signals.bounds[k, 1] - 1, z] > 0)
    set_feature("last_stop", punct[z])

    m = len(signals.pair.source)
    hit = signals.grid > 0
    source_before, source_after = signals.bounds[k, 0] - 1, np.minimum(signals.bounds[k, 1], m - 1)
    has_before, has_after = source_before >= 0, signals.bounds[k, 1] < m
    for name, j, ok, cap, i, has, edge, j_in in (
        ("before", a - 1, a > 0, signals.first_upper, source_before, has_before, "first", a),
        ("after", np.minimum(b, n - 1), b < n, signals.last_upper, source_after, has_after, "last", z),
    ):
        set_feature(f"{name}_linked", ok & linked[k, j])
        set_feature(f"{name}_capital", ok & cap[k] & capital[j])
        set_feature(f"{name}_lexical", ok * signals.lexical[k, j])
        set_feature(f"{name}_neighbor", ok & has & hit[i, j])
        set_feature(f"neighbor_{edge}", has & hit[i, j_in])
    set_feature("source_edge", (~has_before & (a == 0)) * 1.0 + (~has_after & (b == n)))

    for names, values in ((QUALITY, signals.quality), (COMMON, ~signals.named[k])):
        for name, of in names.items():
            set_feature(name, (hits if of == "linked" else x[:, PLACE[of]]) * values)

    labels = np.array([span.label for span in signals.pair.spans])
    plain = [PLACE[name] for name in BY_LABEL]
    for label in sorted(set(NAMES).intersection(labels.tolist())):
        rows = np.flatnonzero((labels == label)[k])[:, None]
        x[rows, [PLACE[f"{name}_{label}"] for name in BY_LABEL]] = x[rows, plain]
    return x


def null_features(signals: PairSignals) -> np.ndarray:
    """The features of "not projected", a row a source span: all but those of `PAIRS`."""
    x = np.zeros((len(signals.bounds), len(FEATURES)))
    set_feature = feature_setter(x)
    any_linked = np.asarray(signals.linked.any(1))
    set_feature("null", 1)
    set_feature("null_linked", any_linked)
    set_feature("null_certain", signals.sure.any(1))
    used = np.asarray(signals.grid.any(1))
    best = signals.forms.max(1, initial=0)
    set_feature("null_covered", [used[a:b].mean() for a, b in signals.bounds])
    outside = signals.to_other | signals.to_free
    set_feature("null_all_outside", any_linked & ~(signals.linked & ~outside).any(1))
    set_feature("null_form", signals.mine.max(1, initial=0))
    set_feature("null_form_mean", [best[a:b].mean() for a, b in signals.bounds])
    set_feature("null_capital", signals.named)
    set_feature("null_common", ~signals.named & any_linked)
    set_feature("null_common_certain", ~signals.named & signals.sure.any(1))
    set_feature("null_length", np.log(signals.bounds[:, 1] - signals.bounds[:, 0]))
    set_feature("null_pair_linked", used.mean())
    set_feature("null_lexical", signals.share_in.max(1, initial=0))
    for label in NAMES:
        set_feature(f"null_{label}", [span.label == label for span in signals.pair.spans])
    set_feature("null_quality", ~any_linked * signals.quality)
    return x


def gaps(linked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the nearest linked word before and after each word is (99: there is none)."""
    n = linked.shape[1]
    place = np.arange(n)
    last = np.maximum.accumulate(np.where(linked, place, -99), axis=1)
    following = np.minimum.accumulate(np.where(linked, place, n + 99)[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(place - last, 99), np.minimum(following - place, 99)
