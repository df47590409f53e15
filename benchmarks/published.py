"""The published greedy matcher in its own form, to measure against (Politov et al. 2025).

All n-gram candidates of a sentence, a dense matrix of scores, and for every candidate the set of those that overlap it.
Plain Python: this is the algorithm as published, written as well as that form allows. They are made for each
sentence, as in the original.
"""

STOP = frozenset("!?")


def candidates(words):
    """All spans without a stop word, by start, then length."""
    out = []
    for a in range(len(words)):
        for b in range(a + 1, len(words) + 1):
            if words[b - 1] in STOP:
                break
            out.append((a, b))
    return out


def scores(spans, cands, links):
    """2 * linked pairs / (|s| + |t|) for every cell: prefix sums over the target for each source span."""
    n_target = max((b for _, b in cands), default=0)
    rows = []
    for start, end in spans:
        counts = [0] * (n_target + 1)
        for i, j in links:
            if start <= i < end and j < n_target:
                counts[j + 1] += 1
        for j in range(n_target):
            counts[j + 1] += counts[j]
        size = end - start
        rows.append([2 * (counts[b] - counts[a]) / (size + b - a) for a, b in cands])
    return rows


def overlap_sets(cands):
    """For each candidate the set of those that share a word with it."""
    by_word: dict[int, set] = {}
    for c, (a, b) in enumerate(cands):
        for j in range(a, b):
            by_word.setdefault(j, set()).add(c)
    return [set().union(*(by_word[j] for j in range(a, b))) for a, b in cands]


def greedy(rows, overlaps):
    """Highest score first, ties by lowest source span, then lowest candidate."""
    chosen = []
    live = list(range(len(overlaps)))
    open_rows = list(range(len(rows)))
    while live and open_rows:
        # max keeps the first of equals, which is the documented order.
        best = [(rows[r][c], r, c) for r in open_rows for c in (max(live, key=rows[r].__getitem__),)]
        score, r, c = max(best, key=lambda cell: cell[0])
        if score <= 0:
            break
        chosen.append((r, c))
        open_rows.remove(r)
        taken = overlaps[c]
        live = [c for c in live if c not in taken]
    return chosen


def project(spans, target, links):
    """Project one sentence pair.

    spans (list of (start, end)), target (list of str), links (list of (i, j)).
    RETURNS (list of (source span, start, end)): The projections.
    """
    if not spans:
        return []
    cands = candidates(target)
    found = greedy(scores(spans, cands, links), overlap_sets(cands))
    return [(r, *cands[c]) for r, c in found]
