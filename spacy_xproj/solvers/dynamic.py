"""Dynamic programming over the target words, with bounds from Lagrangian prices of the source spans."""

from collections.abc import Sequence
from typing import NamedTuple, Optional

from .greedy import take

ROUNDS = 100
MANY, MOST = 1_000, 20_000  # cells
Columns = tuple[Sequence[int], Sequence[int], Sequence[int], Sequence[int]]  # span, start, end and weight of cells


class Part(NamedTuple):
    """An independent part of the problem, renumbered. Cells are in the order of their indices.

    span (list of int): The span of each cell, from 0 to `n_spans` - 1.
    start, end (list of int): Its candidate, as places in the sorted list of all starts and ends.
    weight (list of int): Its score, above 0.
    n (int): Most cells a span.
    n_spans, n_points (int): Numbers of spans, and of places.
    """

    span: list[int]
    start: list[int]
    end: list[int]
    weight: list[int]
    n: int
    n_spans: int
    n_points: int

    def subset(self, keep: Sequence[int]) -> "Part":
        """The part with some of its cells only."""
        span, start, end, weight = ([column[k] for k in keep] for column in self[:4])
        return Part(span, start, end, weight, self.n, self.n_spans, self.n_points)

    def by_start(self) -> list[list[int]]:
        """The cells that start at each place."""
        cells: list[list[int]] = [[] for _ in range(self.n_points)]
        for k, start in enumerate(self.start):
            cells[start].append(k)
        return cells


def make_part(cells: Sequence[int], columns: Columns, n: int) -> Part:
    """Renumber some of the cells of a problem.

    cells (sequence of int): Indices of the cells, ascending.
    columns (tuple of sequence of int): Span, start, end and weight of all cells.
    n (int): Most cells a span.
    RETURNS (Part): The part.
    """
    span, start, end, weight = ([column[i] for i in cells] for column in columns)
    points = {x: at for at, x in enumerate(sorted({*start, *end}))}
    names = {s: at for at, s in enumerate(dict.fromkeys(span))}
    spans, starts, ends = [names[s] for s in span], [points[x] for x in start], [points[x] for x in end]
    return Part(spans, starts, ends, weight, n, len(names), len(points))


def solve_dynamic(part: Part, price: Sequence[int], known: Sequence[int], max_states: int) -> Optional[list[int]]:
    """Find the first optimum by dynamic programming from the left to the right.

    A state is a place and the number of cells that each span has so far, as bit fields of an int. Spans that have no
    cell to the right of the place are left out of it. A value is one int, too: the total, and below it one bit a cell,
    the first cell highest. So the greatest value is the first optimum, and its bits are the chosen cells. A state is
    dropped if an upper bound of what can come of it lies under a known choice.

    part (Part): The problem.
    price (sequence of int): A price for each span, 0 or more: for any prices the bound is valid (see `prices`).
    known (sequence of int): A choice that keeps the constraints.
    max_states (int): Most states. With more than MANY cells a state counts several times, as it grows with them.
    RETURNS (Optional[list of int]): The chosen cells. None if there are more.
    """
    size = len(part.span)
    if size > min(max_states, MOST):  # a value has a bit a cell
        return None
    weight = [(w << size) | (1 << (size - 1 - k)) for k, w in enumerate(part.weight)]
    price = [p << size for p in price]
    floor = sum(weight[k] for k in known)
    by_start = part.by_start()
    rest = best_rest(part, [w - price[s] for w, s in zip(weight, part.span)], by_start)

    n, last = part.n, part.n_points - 1
    ahead = [0] * part.n_spans  # cells of each span from the place on
    width = n.bit_length()
    field = (1 << width) - 1
    live = [0] * part.n_points  # bits of the spans whose number counts at the place
    priced: list[list[tuple[int, int]]] = [[] for _ in range(part.n_points)]  # shift and price of spans that have cells
    for place in range(last, -1, -1):
        for k in by_start[place]:
            ahead[part.span[k]] += 1
        live[place] = sum(field << s * width for s, a in enumerate(ahead) if a)
        priced[place] = [(s * width, price[s]) for s, a in enumerate(ahead) if a and price[s]]

    frontier: list[dict[int, int]] = [{} for _ in range(part.n_points)]
    frontier[0][0] = 0
    states = 0
    for place in range(last):
        steps = [(k, part.span[k] * width, part.end[k]) for k in by_start[place]]
        here, after, mask = frontier[place], frontier[place + 1], live[place + 1]
        states += len(here) * (1 + size // MANY)
        if states > max_states:
            return None
        frontier[place] = {}
        for key, value in here.items():
            bound = value + rest[place]
            for shift, p in priced[place]:
                bound += p * (n - (key >> shift & field))
            if bound < floor:
                continue
            to = key & mask
            if after.get(to, -1) < value:
                after[to] = value
            for k, shift, end in steps:
                if (key >> shift & field) < n:
                    to = key + (1 << shift) & live[end]
                    if frontier[end].get(to, -1) < value + weight[k]:
                        frontier[end][to] = value + weight[k]
    value = frontier[last][0]
    return [k for k in range(size) if value >> (size - 1 - k) & 1]


def best_rest(part: Part, gain: Sequence[int], by_start: Sequence[Sequence[int]]) -> list[int]:
    """Weighted interval scheduling: the highest total gain of disjoint cells from each place on, spans left aside.

    part (Part): The problem.
    gain (sequence of int): What each cell adds.
    by_start (sequence of sequence of int): `part.by_start()`.
    RETURNS (list of int): One total a place.
    """
    rest = [0] * part.n_points
    for place in range(part.n_points - 2, -1, -1):
        best = rest[place + 1]
        for k in by_start[place]:
            total = gain[k] + rest[part.end[k]]
            if total > best:
                best = total
        rest[place] = best
    return rest


def prices(part: Part, known: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Prices of the spans, by the subgradient method on the Lagrangian relaxation of "at most n cells a span".

    With each cell charged the price of its span, the best disjoint cells plus n times all prices are an upper bound of
    the optimum. With the best prices it is that of the linear relaxation, as intervals alone have integral optima.

    part (Part): The problem.
    known (sequence of int): A choice that keeps the constraints.
    RETURNS (list of int, list of int, list of int): The prices, the best choice met, and the cells that can be in an
        optimum: those with which the bound is not under this choice.
    """
    n, weight, span, start, end = part.n, part.weight, part.span, part.start, part.end
    by_start = part.by_start()
    price = [0] * part.n_spans
    floor, known = sum(weight[k] for k in known), list(known)
    ceiling, best_price, best_tail = -1, price, [0]
    shrink, stuck = 1, 0
    for _ in range(ROUNDS):
        gain = [w - price[s] for w, s in zip(weight, span)]
        rest = best_rest(part, gain, by_start)
        bound = rest[0] + n * sum(price)
        if ceiling < 0 or bound < ceiling:
            ceiling, best_price, best_tail, stuck = bound, price, rest, 0
        else:
            stuck += 1
            if stuck == 5:
                shrink, stuck = shrink * 2, 0
        relaxed, place = [], 0
        while place < part.n_points - 1:
            for k in by_start[place]:
                if gain[k] + rest[end[k]] == rest[place] > rest[place + 1]:
                    relaxed.append(k)
                    place = end[k]
                    break
            else:
                place += 1
        slope = [n] * part.n_spans
        for k in relaxed:
            slope[span[k]] -= 1
        mended = mend(part, relaxed)
        total = sum(weight[k] for k in mended)
        if total > floor:
            floor, known = total, mended
        norm = sum(g * g for g, p in zip(slope, price) if g < 0 or p)
        if ceiling <= floor or not norm:
            break
        step = 2 * (ceiling - floor) // (norm * shrink)
        price = [max(0, p - step * g) for p, g in zip(price, slope)]

    gain = [w - best_price[s] for w, s in zip(weight, span)]
    mirror = Part(span, [part.n_points - 1 - e for e in end], [part.n_points - 1 - s for s in start], *part[3:])
    head = best_rest(mirror, gain, mirror.by_start())
    base = n * sum(best_price)
    keep = [k for k in range(len(span)) if head[mirror.end[k]] + gain[k] + best_tail[end[k]] + base >= floor]
    return best_price, known, keep


def mend(part: Part, relaxed: Sequence[int] = ()) -> list[int]:
    """Turn some cells into a choice, greedily: first come those, then the others, as far as they fit.

    relaxed (sequence of int): The cells, such as a solution without the limit of n a span. None: plain greedy.
    RETURNS (list of int): The choice, ascending.
    """
    inside = set(relaxed)
    order = sorted(range(len(part.span)), key=lambda k: (k in inside, part.weight[k]), reverse=True)  # stable
    return sorted(take(order, part.span, part.start, part.end, part.n))
