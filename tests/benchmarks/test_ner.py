"""The benchmark of NERs trained on the shipped corpus: its rows."""

import numpy as np

from benchmarks.ner import CONFIGS, KNOWN, PLAIN, VECTORS, path_of, rows_of


def table(right):
    """Counts of two seeds on 40 Docs with two gold spans each: of these, `right` are found by each seed."""
    return np.array([[[n, 2, 2]] * 40 for n in right])


def test_rows():
    found = {("gold", PLAIN): table([2, 1]), ("match", PLAIN): table([1, 1]), ("match", VECTORS): table([2, 1])}
    gold, plain, vectors = rows_of("es", found)
    assert gold == ["es", "gold", PLAIN, "0.750", "1.000, 0.500", "1.000 (1.000 to 1.000)", ""]
    assert plain[3:] == ["0.500", "0.500, 0.500", "0.667 (0.667 to 0.667)", ""]
    assert vectors[3:6] == ["0.750", "1.000, 0.500", ""] and vectors[6].startswith("+25.0 (+25.0 to +25.0), p 0.00")


def test_configs_are_there():
    assert [path_of(config).is_file() for config in CONFIGS] == [True] * 3
    assert path_of(VECTORS) == path_of(KNOWN) != path_of(PLAIN)
