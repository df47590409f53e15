"""Translators: callables from texts to translations. The translation memory needs nothing beyond Python."""

from .memory import Memory

__all__ = ["Memory"]
