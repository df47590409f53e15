"""Cross-lingual named-entity recognition for spaCy: projection of entity labels between languages."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["Bitext", "SourceSpan", "fit", "project", "translate"]

# The public functions are looked up on first use, so that spaCy, which imports this package through its
# entry points for every pipeline, pays for none of them.
_LAZY = {
    "Bitext": "bitext",
    "SourceSpan": "bitext",
    "fit": "fitting",
    "project": "projection",
    "translate": "projection",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
