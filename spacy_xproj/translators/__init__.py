"""Translators: callables from texts to translations. The translation memory needs nothing beyond Python."""

from .exchange import export_memory, import_memory
from .memory import Memory, make_memory, translator_key

__all__ = ["Memory", "export_memory", "import_memory", "make_memory", "translator_key"]
