"""Teachers: callables from Docs to a distribution over tags for each token, and how several are combined and weighed.
No weights are read by importing them."""

from ..tags import TagScheme
from .token_classifier import TokenClassifier

__all__ = ["TagScheme", "TokenClassifier"]
