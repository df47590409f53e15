"""Teachers: callables from Docs to a distribution over tags for each token. No weights are read by importing them."""

from ..tags import TagScheme
from .token_classifier import TokenClassifier, make_token_classifier

__all__ = ["TagScheme", "TokenClassifier", "make_token_classifier"]
