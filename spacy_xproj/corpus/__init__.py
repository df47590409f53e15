"""Corpora: reading, converting and writing Docs."""

from ..files import file_hash, read_lines, replacing, text_hash
from ..languages import blank, lang_code
from .conll import read_conll, write_conll
from .jsonl import read_jsonl, write_jsonl
from .pairs import read_pairs, write_pairs
from .readers import FORMATS, read_bitext, read_docs
from .shards import doc_files, read_file, write_file

__all__ = [
    "FORMATS",
    "blank",
    "doc_files",
    "file_hash",
    "lang_code",
    "read_bitext",
    "read_conll",
    "read_docs",
    "read_file",
    "read_jsonl",
    "read_lines",
    "read_pairs",
    "replacing",
    "text_hash",
    "write_conll",
    "write_file",
    "write_jsonl",
    "write_pairs",
]
