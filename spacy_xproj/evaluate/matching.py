"""Ways to match predicted with gold entities: those of SemEval 2013 task 9 (Segura-Bedmar et al. 2013) as `nervaluate`
counts them, and character overlap as the shared task MultiClinAI 2026 counts it."""

from collections import Counter
from collections.abc import Callable, Sequence

from .spans import Entity, shared

# When a predicted entity is correct. Another one that overlaps with a gold entity is incorrect (in "partial": partial).
MATCHES: dict[str, Callable[[Entity, Entity], bool]] = {
    "strict": lambda found, gold: found == gold,
    "exact": lambda found, gold: found[:2] == gold[:2],
    "partial": lambda found, gold: found[:2] == gold[:2],
    "type": lambda found, gold: found[2] == gold[2],
}


def match(found: Sequence[Entity], gold: Sequence[Entity], name: str) -> Counter:
    """Match the predicted entities of one Doc, in text order, with a gold entity each, as nervaluate 1.2 does.

    found, gold (sequences of (int, int, str)): The entities. Neither side overlaps with itself.
    name (str): One of `MATCHES`. "type" takes the gold entity with the closest edges, the others the first.
    RETURNS (Counter): How many are "correct", "incorrect", "partial", "spurious" (predicted, without a gold entity) and
        "missed" (gold, without a predicted entity).
    """
    counts: Counter = Counter()
    left = list(gold)
    for span in found:
        near = [other for other in left if 100 * shared(span, other) >= other[1] - other[0]]  # by 1 % of it at least
        right = [other for other in near if MATCHES[name](span, other)]
        if not near:
            counts["spurious"] += 1
            continue
        left.remove(min(right or near[:1], key=lambda other: abs(other[0] - span[0]) + abs(other[1] - span[1])))
        counts["correct" if right else "partial" if name == "partial" else "incorrect"] += 1
    counts["missed"] += len(left)
    return counts


def match_scores(counts: Counter) -> dict[str, float]:
    """Return precision, recall and F1 (`p`, `r`, `f`) of what `match` counts, summed over Docs, and the counts."""
    names = ("correct", "incorrect", "partial", "missed", "spurious")
    hits = counts["correct"] + counts["partial"] / 2
    both = counts["correct"] + counts["incorrect"] + counts["partial"]
    return {**prf(hits, both + counts["spurious"], hits, both + counts["missed"]), **{n: counts[n] for n in names}}


def character_overlap(found: Sequence[Entity], gold: Sequence[Entity]) -> list[float]:
    """Return for each entity of one side the F1 of characters with that entity of the other side which has its label
    and shares most with it; 0 where none does.

    found, gold (sequences of (int, int, str)): The entities, with character offsets.
    RETURNS (list of float): One a predicted entity. The mean over all Docs is the precision, and that of the swapped
        sides the recall.
    """
    return [max((dice(span, other) for other in gold), default=0.0) for span in found]


def dice(span: Entity, other: Entity) -> float:
    """Return the F1 of the characters of two entities; 0 if they have different labels."""
    return 2 * shared(span, other) / (span[1] - span[0] + other[1] - other[0]) if span[2] == other[2] else 0.0


def prf(hits: float, predicted: float, found: float, gold: float) -> dict[str, float]:
    """Return precision hits / predicted, recall found / gold, and their harmonic mean, as `p`, `r` and `f`."""
    p, r = hits / predicted if predicted else 0.0, found / gold if gold else 0.0
    return {"p": p, "r": r, "f": 2 * p * r / (p + r) if p + r else 0.0}
