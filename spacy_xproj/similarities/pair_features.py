"""The features of the second pass: what the projections of the first say about entity pairs and their edges."""

import numpy as np

from .feature_names import PLACE, feature_setter
from .pair_lexicon import AFTER, BEFORE, EDGES, FIRST, INSIDE, LAST, PairLexicon, Vote, edge_masses
from .pair_signals import Candidates, PairSignals

NOWHERE = [0.0] * len(EDGES)


def add_pair_features(
    signals: PairSignals,
    x: np.ndarray,
    null: np.ndarray,
    cells: Candidates,
    lexicon: PairLexicon,
    own: list[list[Vote]],
) -> None:
    """Put the features of `PAIRS` into the rows of cells and of null.

    own (list of list of Vote): For each source span the votes to take out of the lexicon.
    """
    k, a, b = cells
    n = len(signals.target.forms)
    forms = signals.target.forms
    edge, inside = np.zeros((len(signals.bounds), 2, n)), np.zeros((len(signals.bounds), n))
    seen = signals.stats.target.values[signals.target_ids] if signals.stats is not None else np.ones(n)
    masses = np.array([lexicon.edges.get(form, NOWHERE) for form in forms])
    for span, found in enumerate(own):
        mine = masses
        if found:
            minus = edge_masses(found)
            mine = np.maximum(masses - [minus.get(form, NOWHERE) for form in forms], 0)
        edge[span, 0] = np.log((mine[:, FIRST] + 0.3) / (mine[:, BEFORE] + 0.3))
        edge[span, 1] = np.log((mine[:, LAST] + 0.3) / (mine[:, AFTER] + 0.3))
        inside[span] = mine[:, INSIDE] / (np.maximum(seen, mine[:, INSIDE]) + 1)
    set_feature = feature_setter(x)
    sums = np.zeros((len(signals.bounds), n + 1))
    np.cumsum(inside, axis=1, out=sums[:, 1:])
    z = b - 1
    before, after = (0, a - 1, a > 0), (1, np.minimum(b, n - 1), b < n)
    places = {"first": (0, a, 1), "last": (1, z, 1), "before": before, "after": after}
    for name, (side, word, there) in places.items():
        set_feature(f"{name}_edge", there * edge[k, side, word])
        set_feature(f"{name}_inside", there * inside[k, word])
    set_feature("mean_inside", (sums[k, b] - sums[k, a]) / (b - a))
    set_feature("edge_unlinked", ~signals.linked[k, a] * edge[k, 0, a] + ~signals.linked[k, z] * edge[k, 1, z])
    for span, found in enumerate(own):
        row = lexicon.pairs.get(signals.key(span), {})
        minus_pair = {" ".join(v.forms): v.mass for v in found}
        left = {form: max(mass - minus_pair.get(form, 0.0), 0.0) for form, mass in row.items()}
        total = sum(left.values())
        null[span, PLACE["null_pair_share"]] = left.get("", 0.0) / (total + 1)
        null[span, PLACE["null_pair_count"]] = np.log1p(total)
        here = np.flatnonzero((k == span) & (masses[a, FIRST] > 0))  # others begin no projection, so none is known
        if not len(here):
            continue
        text = [" ".join(forms[i:j]) for i, j in zip(a[here].tolist(), b[here].tolist())]
        known = np.array([left.get(t, 0.0) for t in text])
        anywhere = np.array([max(lexicon.forms.get(t, 0.0) - minus_pair.get(t, 0.0), 0.0) for t in text])
        x[here, PLACE["pair_share"]] = known / (total + 1)
        x[here, PLACE["pair_count"]] = np.log1p(known)
        x[here, PLACE["pair_any"]] = np.log1p(anywhere)
        x[here, PLACE["pair_known"]] = known > 0.5
