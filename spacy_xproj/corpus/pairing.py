"""Two sides of the same text put into one Doc with their links, and the gold side of an Example."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Optional, Union

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from ..bitext import Bitext
from ..errors import InputError, XprojError
from ..files import read_lines
from ..labels import mapped_spans, source_ids, unknown_words
from ..pharaoh import parse_pharaoh, read_pharaoh


def bare_copy(doc: Doc, vocab: Vocab) -> Doc:
    """Return a new Doc of the same words and white space, without annotation."""
    return Doc(vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc])


def pair_docs(
    source: Iterable[Doc],
    target: Iterable[Doc],
    nlp: Optional[Language] = None,
    *,
    labels: Sequence[str] = (),
    links: Optional[Iterable[np.ndarray]] = None,
) -> Iterator[Doc]:
    """Put two sides that agree line by line into target Docs with a payload. Entities of the target are left out.

    source, target (Iterable[Doc]): The two sides.
    nlp (Optional[Language]): Its vocab becomes the Docs' vocab. None: each has the vocab of its target side.
    labels (sequence of str): Take the source entities with these labels only; none: all.
    links (Optional[Iterable[int array (n, 2)]]): The word links of each pair.
    RAISES (XprojError): If the sides, or the links, differ in number, or a link is out of range.
    """
    missing = object()
    streams = (source, target) if links is None else (source, target, links)
    for number, row in enumerate(zip_longest(*streams, fillvalue=missing), 1):
        if any(item is missing for item in row):
            names = ("source sentences", "target sentences", "lines of links")
            ended = " and ".join(name for name, item in zip(names, row) if item is missing)
            raise XprojError(f"The sides must agree line by line, but there are only {number - 1} {ended}.")
        src, tgt = row[:2]
        spans = tuple(s for s in mapped_spans(src) if not labels or s.label in labels)
        doc = bare_copy(tgt, tgt.vocab if nlp is None else nlp.vocab)
        words, spaces = [t.text for t in src], [bool(t.whitespace_) for t in src]
        try:
            ids, unknown = source_ids(src, spans), unknown_words(src)
            bitext = Bitext(src.lang_, tuple(words), tuple(spaces), spans, source_ids=ids, unknown=unknown)
            if links is not None:
                bitext = bitext.replace(links=row[2], provenance={"aligner": "given"})
            bitext.check(len(doc))
        except XprojError as err:
            raise XprojError(f"Sentence pair {number}: {err}") from None
        doc._.xproj = bitext
        yield doc


def gold_doc(doc: Doc, nlp: Language, labels: Sequence[str] = ()) -> Doc:
    """The gold side of an Example: the same tokens in the pipeline's vocab, with the entities of these labels. What is
    not known stays so: spaCy's scorer passes over it."""
    gold = bare_copy(doc, nlp.vocab)
    kept = [e for e in doc.ents if not labels or e.label_ in labels]
    ents = [Span(gold, e.start, e.end, label=e.label_) for e in kept]
    gold.set_ents(ents, missing=[gold[t.i : t.i + 1] for t in doc if not t.ent_iob], default="outside")
    return gold


def with_links(
    docs: Iterable[Doc], again: Iterable[Doc], alignments: Union[str, Path], counts: Optional[Counter] = None
) -> Iterator[Doc]:
    """Give Docs the links of a Pharaoh file. It has a line for each Doc or a line for each sentence pair: whichever
    agrees with the number of its lines. The indices of a line count within its Doc, or within its sentence pair. They
    count tokens or, where the file as a whole shows it, the words between blanks, as aligners do that read raw text: a
    link of a word is one of each of its tokens.

    docs (iterable of Doc): The Docs, with a payload.
    again (iterable of Doc): The same Docs, which are read first to count them: the same list, or another reading.
    alignments (str or Path): The file.
    counts (Optional[Counter]): For each side the lines in which its tokens are not its words are counted by what the
        file was taken to count: `lines_linked_by_source_tokens`, `lines_linked_by_target_words` and so on.
    YIELDS (Doc): The Docs.
    RAISES (InputError): If the number of lines agrees with neither, or a link is out of range.
    RAISES (XprojError): If a Doc has no payload.
    """
    sizes = array("i")  # of each pair: tokens and blank-split words of each side
    firsts = array("q")  # of each Doc: its first pair
    for doc in again:
        firsts.append(len(sizes) // 4)
        if doc._.xproj is None:
            raise XprojError(f"Doc {len(firsts)} has no source side in doc._.xproj to link.")
        for pair in _sides(doc):
            sizes.extend(_sizes(*pair))
    n_docs, n_pairs = len(firsts), len(sizes) // 4
    n_lines = sum(1 for _ in read_pharaoh(alignments))
    if n_lines not in (n_docs, n_pairs):
        raise InputError(
            alignments,
            f"Expected a line for each of the {n_docs} Docs, or for each of their {n_pairs} sentence pairs, but it has "
            f"{n_lines} lines.",
        )
    whole = n_lines == n_docs
    units = np.asarray(sizes).reshape(-1, 4)
    if whole and n_pairs > n_docs:
        units = np.add.reduceat(units, np.asarray(firsts), dtype=units.dtype)
    split = [_counts_blanks(read_pharaoh(alignments), units, side) for side in (0, 1)]
    if counts is not None:
        for side, name in enumerate(("source", "target")):
            differ = int((units[:, 2 * side] != units[:, 2 * side + 1]).sum())
            counts[f"lines_linked_by_{name}_{'words' if split[side] else 'tokens'}"] += differ
    lines = read_lines(alignments)
    for doc in docs:
        bitext = doc._.xproj
        links = []
        for pair in [_whole(doc)] if whole else _sides(doc):
            number, line = next(lines)
            words = [
                _words(*side) if by_blanks else [[i] for i in range(len(side[0]))]
                for side, by_blanks in zip(pair, split)
            ]
            try:
                found = parse_pharaoh(line, len(words[0]), len(words[1]))
            except XprojError as err:
                raise InputError(alignments, str(err), number) from None
            start = np.array([side[2] for side in pair], "i4")
            moved = [(a, b) for i, j in found.tolist() for a in words[0][i] for b in words[1][j]]
            links.append(np.array(moved, "i4").reshape(-1, 2) + start)
        doc._.xproj = bitext.replace(links=np.concatenate(links), provenance={**bitext.provenance, "aligner": "given"})
        yield doc


# Tokens, whether a space follows each, and where they begin in the Bitext or the Doc.
Side = tuple[Sequence[str], Sequence[bool], int]


def _whole(doc: Doc) -> tuple[Side, Side]:
    bitext = doc._.xproj
    return (bitext.words, bitext.spaces, 0), ([t.text for t in doc], [bool(t.whitespace_) for t in doc], 0)


def _sides(doc: Doc) -> list[tuple[Side, Side]]:
    """The two sides of each sentence pair."""
    (words, spaces, _), (target, after, _) = _whole(doc)
    if not doc._.xproj.sents:
        return [_whole(doc)]
    return [((words[a:b], spaces[a:b], a), (target[c:d], after[c:d], c)) for (a, b), (c, d) in doc._.xproj.sents]


def _words(tokens: Sequence[str], spaces: Sequence[bool], _: int) -> list[list[int]]:
    """The tokens of each word, where words are what stands between blanks."""
    words: list[list[int]] = [[]]
    for i, (token, space) in enumerate(zip(tokens, spaces)):
        if token.isspace():
            words.append([])
        else:
            words[-1].append(i)
            if space:
                words.append([])
    return [word for word in words if word]


def _sizes(source: Side, target: Side) -> tuple[int, int, int, int]:
    return len(source[0]), len(_words(*source)), len(target[0]), len(_words(*target))


def _counts_blanks(lines: Iterable[np.ndarray], sizes: np.ndarray, side: int) -> bool:
    """Whether the links of a file count the words between blanks, and not the tokens, of a side: no link lies beyond
    these words, and where the two counts differ most lines link the last of them."""
    differ = to_last = 0
    for links, (tokens, words) in zip(lines, sizes[:, 2 * side : 2 * side + 2]):
        if tokens != words and len(links):
            beyond = int(links[:, side].max()) - (words - 1)
            if beyond > 0:
                return False
            differ += 1
            to_last += beyond == 0
    return to_last * 2 > differ
