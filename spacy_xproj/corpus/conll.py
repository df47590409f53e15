"""CoNLL and IOB2 files: a token a line, columns split by TAB, a blank line after each sentence."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Optional, Union

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from ..errors import InputError, XprojError
from ..files import read_lines, replacing

TAG = re.compile(r"[O-]|[BILUES]-\S+")
# One column that looks like several: a file that was split by spaces.
SPACED = re.compile(r".* (O|[BI]-\S+)", re.DOTALL)
MULTIWORD = re.compile(r"[0-9]+[-.][0-9]+")
Line = tuple[int, str]


class Layout(NamedTuple):
    """What the columns hold.

    token (int), tag (Optional[int]): The columns. No tag column: the file is not labeled.
    indexed (bool): The first column counts the tokens of a sentence from 1, as in Universal NER.
    columns (int): How many a line has, or has at least where there is an index.
    """

    token: int
    tag: Optional[int]
    indexed: bool
    columns: int


def read_conll(
    path: Union[str, Path], vocab: Vocab, *, index: Optional[bool] = None, counts: Optional[Counter] = None
) -> Iterator[Doc]:
    """Read a CoNLL or IOB2 file. The token is the first column and the tag the last; in files with an index
    column (Universal NER) the token is the second and the tag the third. A file of one column is not
    labeled.

    Tags are IOB2; L, E, U and S of BILOU and BIOES are understood; "-" marks a token whose label is not
    known. An I-, L- or E- that continues nothing opens a span and is counted as `orphan_i`. '#' lines without
    a TAB are comments where there are several columns. Lines of multiword tokens (`1-2`) and empty nodes
    (`1.1`) in the index column and `-DOCSTART-` sentences are left out and counted as `multiword_lines` and
    `docstart_lines`.

    path (str or Path): The file.
    vocab (Vocab): The vocab of the Docs.
    index (Optional[bool]): Whether there is an index column. None: look at the first sentence.
    counts (Optional[Counter]): Is added to.
    YIELDS (Doc): One a sentence; each word is followed by a space.
    RAISES (InputError): If a line cannot be read.
    """
    counts = Counter() if counts is None else counts
    layout = _find_layout(path, index)
    for block in _blocks(path):
        words: list[str] = []
        tags: list[str] = []
        for number, line in block:
            if line.startswith("#") and layout.columns > 1 and (layout.indexed or "\t" not in line):
                continue
            columns = line.split("\t")
            if layout.indexed and MULTIWORD.fullmatch(columns[0]):
                counts["multiword_lines"] += 1
                continue
            problem = _check(columns, layout, len(words) + 1)
            if problem:
                raise InputError(path, number, problem)
            words.append(columns[layout.token])
            tags.append("-" if layout.tag is None else columns[layout.tag])
        if words == ["-DOCSTART-"]:
            counts["docstart_lines"] += 1
        elif words:
            yield _make_doc(vocab, words, tags, counts)


def write_conll(docs: Iterable[Doc], path: Union[str, Path], *, counts: Optional[Counter] = None) -> int:
    """Write `token<TAB>tag` in IOB2, a blank line after each Doc. A token whose label is not known has the
    tag "-".

    White space tokens that hold a TAB or a line end are left out and counted as `space_tokens_left_out`; Docs
    without other tokens as `empty_docs_left_out`; payloads, which the format cannot hold, as
    `payloads_left_out`.

    docs (iterable of Doc): The Docs.
    path (str or Path): The file.
    counts (Optional[Counter]): Is added to.
    RETURNS (int): How many Docs came.
    RAISES (XprojError): If any other token holds a TAB or a line end.
    """
    counts = Counter() if counts is None else counts
    n = 0
    with replacing(path) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
        for doc in docs:
            n += 1
            rows = _rows(doc, counts)
            counts["payloads_left_out"] += has_payload(doc)
            counts["empty_docs_left_out"] += not rows
            if rows:
                file.write("".join(f"{token}\t{tag}\n" for token, tag in rows) + "\n")
    return n


def _blocks(path: Union[str, Path]) -> Iterator[list[Line]]:
    block: list[Line] = []
    for number, line in read_lines(path):
        if line:
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _find_layout(path: Union[str, Path], index: Optional[bool]) -> Layout:
    """The layout of the first sentence. Whether a '#' line is a comment depends on it."""
    for block in _blocks(path):
        rows = [line.split("\t") for _, line in block if not line.startswith("#")]
        indexed = _is_indexed(rows) if index is None else index
        if not indexed:
            rows = [line.split("\t") for _, line in block if not line.startswith("#") or "\t" in line]
        if rows and indexed:
            return Layout(1, 2, True, 3)
        if rows:
            columns = len(rows[0])
            return Layout(0, None if columns == 1 else columns - 1, False, columns)
    return Layout(0, 1, False, 2)  # nothing but comments


def _is_indexed(rows: list[list[str]]) -> bool:
    index = [row[0] for row in rows if len(row) >= 3 and not MULTIWORD.fullmatch(row[0])]
    return bool(index) and index == [str(i + 1) for i in range(len(index))]


def _check(columns: list[str], layout: Layout, position: int) -> str:
    """What is wrong with a line, or nothing."""
    n = len(columns)
    if layout.indexed and (n < 3 or columns[0] != str(position)):
        return f"Expected index<TAB>token<TAB>tag with the index {position}, got {columns}."
    if not layout.indexed and n != layout.columns:
        return f"Expected {layout.columns} columns split by TAB, as in the first sentence, got {n}: {columns}."
    if not columns[layout.token]:
        return "The token is empty. A blank line between sentences must hold nothing at all."
    if layout.tag is None:
        if SPACED.fullmatch(columns[0]):
            return f"Expected columns split by TAB, got {columns[0]!r}. Put TABs in place of the spaces."
    elif not TAG.fullmatch(columns[layout.tag]):
        return (
            f"Expected a tag O, B-LABEL or I-LABEL (or L-, E-, U-, S- of BILOU and BIOES, or '-' for a label "
            f"that is not known), got {columns[layout.tag]!r}."
        )
    return ""


def _make_doc(vocab: Vocab, words: list[str], tags: list[str], counts: Counter) -> Doc:
    doc = Doc(vocab, words=words)
    spans: list[tuple[int, int, str]] = []
    inside = ""
    for i, tag in enumerate(tags):
        prefix, label = tag[0], tag[2:]
        if label and prefix in "ILE" and label == inside:
            spans[-1] = (spans[-1][0], i + 1, label)
        elif label:
            counts["orphan_i"] += prefix in "ILE"
            spans.append((i, i + 1, label))
        inside = label if prefix in "BI" else ""
    missing = [doc[i : i + 1] for i, tag in enumerate(tags) if tag == "-"]
    if len(missing) < len(doc):
        doc.set_ents([Span(doc, a, b, label=label) for a, b, label in spans], missing=missing, default="outside")
    return doc


def _rows(doc: Doc, counts: Counter) -> list[tuple[str, str]]:
    rows = []
    begun = -1  # where the entity starts that has its B- already: white space before it may be left out
    starts = {i: ent.start for ent in doc.ents for i in range(ent.start, ent.end)}
    for token in doc:
        if any(c in token.text for c in "\t\r\n"):
            if not token.is_space:
                raise XprojError(f"The token {token.text!r} holds a TAB or a line end. CoNLL cannot hold it.")
            counts["space_tokens_left_out"] += 1
            continue
        if token.i in starts:
            tag = f"{'I' if starts[token.i] == begun else 'B'}-{token.ent_type_}"
            begun = starts[token.i]
        else:
            tag = "O" if token.ent_iob else "-"
        rows.append((token.text, tag))
    return rows


def has_payload(doc: Doc) -> bool:
    """Whether a Doc has a source side in `doc._.xproj`."""
    return Doc.has_extension("xproj") and doc._.xproj is not None
