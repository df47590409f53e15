"""One way in for all formats: a path gives Docs."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Optional, Union

from spacy.language import Language
from spacy.tokens import Doc

from ..bitext import Bitext
from ..errors import InputError, XprojError
from ..files import read_lines
from ..languages import lang_code
from .conll import read_conll
from .jsonl import read_jsonl
from .pairs import read_tsv
from .shards import doc_files, read_file

TAGGED = re.compile(r"\S+( \S+){0,3} (O|[BIESLU]-\w+)")  # a token and its tag, and columns between them
FORMATS = ("conll", "iob", "bio", "iob2", "jsonl", "tsv", "txt", "spacy")


def read_docs(
    path: Union[str, Path],
    nlp: Language,
    *,
    format: Optional[str] = None,
    limit: int = 0,
    counts: Optional[Counter] = None,
    source_nlp: Optional[Language] = None,
) -> Iterator[Doc]:
    """Read a corpus of any format.

    `conll` (also `.iob`, `.bio`, `.iob2`): see `read_conll`; named as the format, `iob2` has an index column.
    `jsonl`: see `read_jsonl`. `spacy`: a file, or a folder of shards; user data is kept.
    `tsv`: `source<TAB>target`, a pair of raw texts a line; the Docs are the targets, with the sources as
    payload. `txt`: a raw text a line.

    path (str or Path): The file or folder.
    nlp (Language): Its vocab is that of the Docs, and its tokenizer splits raw text.
    format (Optional[str]): One of `FORMATS`. None: the ending of the file's name; a folder is `spacy`.
    limit (int): Read no more Docs than this. 0: all.
    counts (Optional[Counter]): What is worth a remark is added to it, by its name.
    source_nlp (Optional[Language]): Its tokenizer splits the source of a `tsv` file, which needs it.
    RETURNS (iterator of Doc): The Docs, read as they are asked for.
    RAISES (XprojError): If the format is not known. InputError: if the input cannot be used or holds nothing.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, None, "There is no such file or folder.")
    name = format or ("spacy" if path.is_dir() else path.suffix[1:].lower())
    if name not in FORMATS:
        raise XprojError(
            f"{path}: expected a format out of {', '.join(FORMATS)}, got {name!r}. Give one with --format."
        )
    if path.is_dir() and name != "spacy":
        raise InputError(path, None, f"Expected a file of the format {name!r}, but this is a folder.")
    if name == "tsv" and source_nlp is None:
        raise XprojError(
            f"{path}: a bitext (source<TAB>target) needs the language of its source: give --source-lang. If "
            "it holds a token and a tag a line, give --format conll."
        )
    docs: Iterator[Doc]
    if name == "spacy":
        docs = (doc for file in doc_files(path) for doc in read_file(file, nlp.vocab))
    elif name == "jsonl":
        docs = read_jsonl(path, nlp, counts=counts)
    elif name == "tsv" and source_nlp is not None:
        docs = read_bitext(path, nlp, source_nlp, counts=counts)
    elif name == "txt":
        docs = read_texts(path, nlp, counts=counts)
    else:
        docs = read_conll(path, nlp.vocab, index=True if format == "iob2" else None, counts=counts)
    return _some(docs, path, limit)


def read_bitext(
    path: Union[str, Path], nlp: Language, source_nlp: Language, *, counts: Optional[Counter] = None
) -> Iterator[Doc]:
    """Read `source<TAB>target` lines. Blank lines are passed over and counted as `blank_lines`.

    path (str or Path): The file.
    nlp (Language): Its tokenizer splits the target.
    source_nlp (Language): Its tokenizer splits the source.
    counts (Optional[Counter]): Is added to.
    YIELDS (Doc): The target, not labeled, with its source in `doc._.xproj`.
    RAISES (InputError): If a line does not have two sides.
    """
    lang = lang_code(source_nlp)
    for number, sides in read_tsv(path, counts=counts):
        try:
            source, doc = source_nlp.make_doc(sides[0]), nlp.make_doc(sides[1])
        except ValueError as err:  # longer than nlp.max_length
            raise InputError(path, number, str(err)) from err
        doc._.xproj = Bitext(lang, tuple(t.text for t in source), tuple(bool(t.whitespace_) for t in source))
        yield doc


def read_texts(path: Union[str, Path], nlp: Language, *, counts: Optional[Counter] = None) -> Iterator[Doc]:
    """Read a raw text a line. Blank lines are passed over and counted as `blank_lines`.

    path (str or Path): The file.
    nlp (Language): Its tokenizer splits the text.
    counts (Optional[Counter]): Is added to.
    YIELDS (Doc): Without annotation.
    RAISES (InputError): If a line is longer than `nlp.max_length`, or has columns, as other formats in files of this
        name have.
    """
    counts = Counter() if counts is None else counts
    for number, line in read_lines(path):
        if not line.strip():
            counts["blank_lines"] += 1
            continue
        if "\t" in line or TAGGED.fullmatch(line):
            raise InputError(path, number, f"Expected raw text, got what looks like columns: {line!r}. Give --format.")
        try:
            yield nlp.make_doc(line)
        except ValueError as err:
            raise InputError(path, number, str(err)) from err


def _some(docs: Iterator[Doc], path: Path, limit: int) -> Iterator[Doc]:
    n = 0
    for n, doc in enumerate(docs, 1):
        yield doc
        if n == limit:
            return
    if not n:
        raise InputError(path, None, "It is empty: there is nothing to read in it.")
