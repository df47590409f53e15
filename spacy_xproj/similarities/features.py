"""Features of candidates and of "not projected": see `feature_names`.

Sums over the words of a candidate come from prefix sums over the target, so that no candidate is looped over.
"""

import numpy as np

from .corpus_stats import LENGTHS
from .evidence import ELSEWHERE, LIKE, SAME, Candidates, Evidence
from .feature_names import BY_LABEL, FEATURES, NAMES, PLACE, SUMS, putter


def features(evidence: Evidence, cells: Candidates) -> np.ndarray:
    """The features of cells: all but those of `PAIRS` and `NULL`.

    RETURNS (float array (n, features)): In the order of `FEATURES`.
    """
    k, a, b = cells
    z = b - 1
    spans, n = evidence.linked.shape
    linked, named = evidence.linked, evidence.named[:, None]
    un = ~linked
    left, right = gaps(linked)
    near = np.minimum(left, right)
    between = un & (left <= 3) & (right <= 3)
    capital, upper, punct = evidence.target.capital, evidence.target.upper, evidence.target.punct
    outside = evidence.to_other | evidence.to_free
    same = evidence.mine > SAME
    tokens = np.empty((spans, n + 1, len(SUMS)))
    tokens[:, 0] = 0
    for column, values in enumerate(
        (
            evidence.sure,
            linked & ~evidence.sure,
            (1 - evidence.best) * linked,
            evidence.to_other,
            evidence.to_free,
            evidence.to_free_sure,
            un & ~outside,
            same,
            np.where(evidence.mine > LIKE, evidence.mine, 0),
            evidence.part & un & ~same,
            (evidence.rest > ELSEWHERE) & ~same,
            punct,
            named & capital,
            named & un & ~upper & ~punct,
            between,
            un & ~between & (near == 1),
            un & (near > 1),
            un & (near > 4),
            evidence.lexical,
            evidence.rarity,
            evidence.rarity * un,
        )
    ):
        tokens[:, 1:, column] = values
    np.cumsum(tokens, axis=1, out=tokens)
    sums = tokens[k, b] - tokens[k, a]
    x = np.zeros((len(k), len(FEATURES)))
    x[:, : len(SUMS)] = sums
    put = putter(x)

    size = (b - a).astype("f8")
    length = (evidence.bounds[:, 1] - evidence.bounds[:, 0])[k]
    hits = sums[:, 0] + sums[:, 1]
    dice = 2 * hits / (length + size)
    share = hits / np.maximum(linked.sum(1), 1)[k]
    put("dice", dice)
    put("share_linked", share)
    put("share_certain", sums[:, 0] / np.maximum(evidence.sure.sum(1), 1)[k])
    covered, any_covered, chars_covered, edges = evidence.coverage(cells)
    put("covered", covered)
    put("covered_any", any_covered)
    put("covered_chars", chars_covered)
    put("uncovered_edges", edges)
    words_ratio = np.log(size / length) - evidence.stretch[np.minimum(length, LENGTHS) - 1]
    put("length_ratio", np.abs(words_ratio))
    put("longer", np.maximum(words_ratio, 0))
    chars = np.concatenate([[0], np.cumsum(evidence.target.chars + 1)])
    source_chars = np.array([(evidence.source.chars[i:j] + 1).sum() for i, j in evidence.bounds])
    ratio = np.log((chars[b] - chars[a]) / source_chars[k]) - evidence.more_chars
    put("chars_ratio", np.abs(ratio))
    put("chars_longer", np.maximum(ratio, 0))
    put("length", size)
    put("mean_to_outside", sums[:, 4] / size)
    put("mean_form_elsewhere", sums[:, 10] / size)
    put("mean_not_linked", sums[:, 6] / size)

    out = outside & un
    small = 1 / (evidence.target.chars + 1)
    for name, j, cap in (("first", a, evidence.first_upper), ("last", z, evidence.last_upper)):
        free = un[k, j]
        put(f"{name}_rarity", evidence.rarity[j])
        put(f"{name}_lower", cap[k] & ~capital[j])
        put(f"{name}_unlinked", free)
        put(f"{name}_unlinked_rarity", free * evidence.rarity[j])
        put(f"{name}_outside", out[k, j])
        put(f"{name}_chars", free * small[j])
        put(f"{name}_form", evidence.mine[k, j] > LIKE)
        put(f"{name}_lexical", evidence.lexical[k, j])
    put("first_to_first", evidence.grid[evidence.bounds[k, 0], a] > 0)
    put("last_to_last", evidence.grid[evidence.bounds[k, 1] - 1, z] > 0)
    put("last_stop", punct[z])

    m = len(evidence.pair.source)
    hit = evidence.grid > 0
    source_before, source_after = evidence.bounds[k, 0] - 1, np.minimum(evidence.bounds[k, 1], m - 1)
    has_before, has_after = source_before >= 0, evidence.bounds[k, 1] < m
    for name, j, ok, cap, i, has, edge, j_in in (
        ("before", a - 1, a > 0, evidence.first_upper, source_before, has_before, "first", a),
        ("after", np.minimum(b, n - 1), b < n, evidence.last_upper, source_after, has_after, "last", z),
    ):
        put(f"{name}_linked", ok & linked[k, j])
        put(f"{name}_capital", ok & cap[k] & capital[j])
        put(f"{name}_lexical", ok * evidence.lexical[k, j])
        put(f"{name}_neighbor", ok & has & hit[i, j])
        put(f"neighbor_{edge}", has & hit[i, j_in])
    put("source_edge", (~has_before & (a == 0)) * 1.0 + (~has_after & (b == n)))

    q = evidence.quality
    put("certain_quality", sums[:, 0] * q)
    put("linked_quality", hits * q)
    put("dice_quality", dice * q)
    put("share_quality", share * q)
    put("form_quality", sums[:, 7] * q)
    put("outside_quality", sums[:, 4] * q)

    c = ~evidence.named[k]
    put("certain_common", sums[:, 0] * c)
    put("linked_common", hits * c)
    put("dice_common", dice * c)
    put("share_common", share * c)
    put("covered_common", covered * c)
    put("not_linked_common", sums[:, 6] * c)
    put("outside_common", sums[:, 4] * c)
    put("first_unlinked_common", un[k, a] & c)
    put("last_unlinked_common", un[k, z] & c)
    put("length_ratio_common", np.abs(words_ratio) * c)

    labels = np.array([span.label for span in evidence.pair.spans])
    plain = [PLACE[name] for name in BY_LABEL]
    for label in sorted(set(NAMES).intersection(labels.tolist())):
        rows = np.flatnonzero((labels == label)[k])[:, None]
        x[rows, [PLACE[f"{name}_{label}"] for name in BY_LABEL]] = x[rows, plain]
    return x


def null_features(evidence: Evidence) -> np.ndarray:
    """The features of "not projected", a row a source span: all but those of `PAIRS`."""
    x = np.zeros((len(evidence.bounds), len(FEATURES)))
    put = putter(x)
    any_linked = np.asarray(evidence.linked.any(1))
    put("null", 1)
    put("null_linked", any_linked)
    put("null_certain", evidence.sure.any(1))
    used = np.asarray(evidence.grid.any(1))
    best = evidence.forms.max(1, initial=0)
    put("null_covered", [used[a:b].mean() for a, b in evidence.bounds])
    outside = evidence.to_other | evidence.to_free
    put("null_all_outside", any_linked & ~(evidence.linked & ~outside).any(1))
    put("null_form", evidence.mine.max(1, initial=0))
    put("null_form_mean", [best[a:b].mean() for a, b in evidence.bounds])
    put("null_capital", evidence.named)
    put("null_common", ~evidence.named & any_linked)
    put("null_common_certain", ~evidence.named & evidence.sure.any(1))
    put("null_length", np.log(evidence.bounds[:, 1] - evidence.bounds[:, 0]))
    put("null_pair_linked", used.mean())
    put("null_lexical", evidence.share_in.max(1, initial=0))
    for label in NAMES:
        put(f"null_{label}", [span.label == label for span in evidence.pair.spans])
    put("null_quality", ~any_linked * evidence.quality)
    return x


def gaps(linked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the nearest linked word before and after each word is (99: there is none)."""
    n = linked.shape[1]
    place = np.arange(n)
    last = np.maximum.accumulate(np.where(linked, place, -99), axis=1)
    following = np.minimum.accumulate(np.where(linked, place, n + 99)[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(place - last, 99), np.minimum(following - place, 99)
