"""Corpora: reading, converting and writing Docs."""

from ..files import file_hash, read_lines, replacing, text_hash
from ..languages import blank, lang_code
from .formats import FORMATS, Note, Report
from .formats.pairs import read_pairs, write_pairs
from .readers import read_docs, read_jsonl, write_as, write_conll, write_jsonl
from .shards import doc_files, read_file, write_file

__all__ = [
    "FORMATS",
    "Note",
    "Report",
    "blank",
    "doc_files",
    "file_hash",
    "lang_code",
    "read_docs",
    "read_file",
    "read_jsonl",
    "read_lines",
    "read_pairs",
    "replacing",
    "text_hash",
    "write_as",
    "write_conll",
    "write_file",
    "write_jsonl",
    "write_pairs",
]
