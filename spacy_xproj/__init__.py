"""Cross-lingual named-entity recognition for spaCy: projection of entity labels between languages."""

from importlib import import_module
from typing import Any

from .bitext import Bitext, SourceSpan, install_extensions
from .registry import REGISTRIES as REGISTRIES  # makes them

__version__ = "0.1.0"
__all__ = ["Bitext", "SourceSpan", "fit", "project", "translate"]

# These are imported on first use: spaCy imports this package, for its entry points, before it has its own Language.
_LAZY = {"fit": "fitting", "project": "projection", "translate": "projection"}

install_extensions()


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
