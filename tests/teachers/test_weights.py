import pytest

from spacy_xproj.errors import XprojError
from spacy_xproj.registry import registry
from spacy_xproj.teachers.weights import AverageWeights, FixedWeights
from spacy_xproj.ty import SourceWeights


def test_average():
    weights = registry.misc.get("spacy_xproj.average_weights.v1")()
    assert weights(["a", "b"], ["x", "y", "z", "u"]).tolist() == [[0.25] * 4] * 2
    assert weights([], ["x"]).shape == (0, 1)
    assert isinstance(weights, SourceWeights) and not weights.fittable


def test_fixed():
    weights = registry.misc.get("spacy_xproj.fixed_weights.v1")({"de": 3, "en": 1, "fr": 0})
    assert weights(["a", "b"], ["en", "fr", "de"]).tolist() == [[0.25, 0, 0.75]] * 2
    assert weights([], ["en", "fr", "de"]).shape == (0, 3)


@pytest.mark.parametrize("bad", [{"a": 0}, {"a": -1, "b": 3}, {"a": float("nan")}, {"a": float("inf")}])
def test_weights_out_of_range(bad):
    with pytest.raises(XprojError, match="expected weights of 0 or more, with one above 0"):
        FixedWeights(bad)


@pytest.mark.parametrize("names", [["en"], ["en", "de", "fr"], ["en", "fr"]])
def test_other_teachers(names):
    with pytest.raises(XprojError, match="there are weights for de, en, but the teachers are"):
        FixedWeights({"en": 1, "de": 1})(["a"], names)


def test_none_yet():
    with pytest.raises(XprojError, match="there are weights for none, but the teachers are en"):
        FixedWeights()(["a"], ["en"])


def test_no_state():
    assert not hasattr(AverageWeights(), "to_disk")
