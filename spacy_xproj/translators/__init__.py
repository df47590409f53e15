"""Translators: callables from texts to translations. The translation memory needs nothing beyond Python."""

from .memory import Memory, make_memory

__all__ = ["Memory", "make_memory"]
