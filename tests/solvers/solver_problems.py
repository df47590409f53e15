"""Problems for the tests of the solvers."""

import random

import numpy as np

from spacy_xproj.ty import Cells

Row = tuple[int, int, int, float]


def make_cells(rows: list[Row]) -> Cells:
    columns = np.array(rows, dtype="f8").reshape(-1, 4)
    span, start, end = (columns[:, c].astype("i8") for c in range(3))
    return Cells(span, start, end, columns[:, 3])


def random_cells(rng: random.Random, size: int, *, ties: bool) -> Cells:
    """Few spans and few words, so that most cells collide. With ties, sixths (0 and below among them)."""
    n_spans, n_words = rng.randint(1, 5), rng.randint(2, 12)
    offset = rng.choice([0, 7, 1000])
    rows = []
    for _ in range(size):
        start = rng.randrange(n_words)
        end = rng.randint(start + 1, min(n_words, start + 4))
        score = rng.randint(-1, 6) / 6 if ties else rng.random()
        rows.append((rng.randrange(n_spans), offset + start, offset + end, score))
    return make_cells(rows)


def sentence_cells(rng: random.Random, n_spans: int, n_words: int, max_len: int) -> Cells:
    """The relative-length link score, 2 * pairs / (|s| + |t|), with words that repeat and so link to several places."""
    words = [rng.randrange(n_words // 3) for _ in range(n_words)]
    rows = []
    for span in range(n_spans):
        source = [rng.randrange(n_words // 3) for _ in range(rng.randint(1, 3))]
        links = [sum(w == s for s in source) for w in words]
        for start in range(n_words):
            for end in range(start + 1, min(n_words, start + max_len) + 1):
                rows.append((span, start, end, 2 * sum(links[start:end]) / (len(source) + end - start)))
    return make_cells(rows)
