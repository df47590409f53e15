"""Corpora: reading, converting and writing Docs."""

from ..languages import blank, lang_code
from .formats import FORMATS, Note, Report
from .formats.pairs import read_pairs, write_pairs
from .readers import LINES, read_docs, write_as
from .shards import doc_files, read_file, write_file

__all__ = ["FORMATS", "LINES", "Note", "Report", "blank", "doc_files", "lang_code", "read_docs", "read_file"]
__all__ += ["read_pairs", "write_as", "write_file", "write_pairs"]
