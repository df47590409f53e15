"""The page: projected sentences with all that is known of them, as one HTML file. Read `rows`, `readings`, `html`."""

from .html import write_page
from .rows import Row, rows

__all__ = ["Row", "rows", "write_page"]
