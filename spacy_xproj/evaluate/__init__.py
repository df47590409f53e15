"""Scores of projections: what the verb `evaluate` and the benchmarks measure."""

from .scores import score

__all__ = ["score"]
