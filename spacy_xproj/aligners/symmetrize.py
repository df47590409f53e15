"""Ways to make one set of links from two directed ones (Koehn, Och and Marcu 2003).

In the forward set each target word has at most one source word, in the reverse set each source word at most one target
word; both hold (source, target). All functions return an int32 array (n, 2), sorted by source, then target.
"""

from collections.abc import Callable, Iterable
from typing import Union

import numpy as np

Link = tuple[int, int]
LinkSet = Union[np.ndarray, Iterable[Link]]


def intersection(forward: LinkSet, reverse: LinkSet) -> np.ndarray:
    """The links that both directions have."""
    return _as_array(_as_set(forward) & _as_set(reverse))


def union(forward: LinkSet, reverse: LinkSet) -> np.ndarray:
    """The links that either direction has."""
    return _as_array(_as_set(forward) | _as_set(reverse))


def grow_diag_final_and(forward: LinkSet, reverse: LinkSet) -> np.ndarray:
    """The intersection; then links of the union next to one of these, where they reach a word without a link; then any
    link of either direction between two words without one.

    Growing goes over the union in row-major order, links count as soon as they are added, and passes are repeated until
    one adds nothing. That is the order of the tool `atools` of fast_align (Dyer et al. 2013), whose output this equals;
    loops over the links found so far, as the textbooks have them, give other links in one sentence of five.
    """
    directed = _as_set(forward), _as_set(reverse)
    links = directed[0] & directed[1]
    linked_source, linked_target = {i for i, _ in links}, {j for _, j in links}

    def add(i: int, j: int) -> None:
        links.add((i, j))
        linked_source.add(i)
        linked_target.add(j)

    rest = sorted((directed[0] | directed[1]) - links)
    before = -1
    while before != len(links):
        before = len(links)
        for i, j in rest:
            new = (i, j) not in links and not (i in linked_source and j in linked_target)
            if new and any((i + a, j + b) in links for a in (-1, 0, 1) for b in (-1, 0, 1)):
                add(i, j)
    for candidates in directed:
        for i, j in sorted(candidates):
            if i not in linked_source and j not in linked_target:
                add(i, j)
    return _as_array(links)


SYMMETRIZATIONS: dict[str, Callable[[LinkSet, LinkSet], np.ndarray]] = {
    "intersection": intersection,
    "union": union,
    "grow-diag-final-and": grow_diag_final_and,
}


def _as_set(links: LinkSet) -> set[Link]:
    return {(i, j) for i, j in (links.tolist() if isinstance(links, np.ndarray) else links)}


def _as_array(links: set[Link]) -> np.ndarray:
    return np.array(sorted(links), "i4").reshape(-1, 2)
