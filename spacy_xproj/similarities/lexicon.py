"""`spacy_xproj.Lexicon.v1`: how often a candidate's form was what the source span's form became in the corpus."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np

from ..bitext import SentencePair
from ..errors import NotFittedError, check_at_least
from ..part import as_part
from ..state import State
from ..ty import Cells, Similarity
from .lexicon_table import Entry, LexiconTable, form_key, form_text, word_key
from .links import LinkSimilarity

NAME = "spacy_xproj.Lexicon.v1"


class Lexicon(State):
    """`spacy_xproj.Lexicon.v1`: score cells by a lexicon of entity pairs. The score is count(s, t) / (count(s) +
    smoothing): the share of the target form among those of the source form, and less where the source form is rare.

    What was learnt and what was given in a file are kept apart: the given rows win.

    base (Optional[Similarity]): What finds the pairs in the corpus that it is fitted on; None: `Links.v1`. If it learns
        itself, it is fitted first.
    path (Optional[str]): A TSV file of pairs, read at first use and saved with the pipeline. Its rows replace what is
        learnt of their source forms.
    smoothing (float): What is added to the count of a source form.
    min_score (float): Count the best candidate of a source span in the corpus only if its score by the base is at least
        this.
    RAISES (XprojError): If a setting is negative.
    """

    fittable = True
    state_name = NAME

    def __init__(
        self,
        base: Optional[Similarity] = None,
        path: Optional[str] = None,
        smoothing: float = 1.0,
        min_score: float = 0.5,
    ):
        check_at_least(NAME, 0, smoothing=smoothing, min_score=min_score)
        self.base, self.path = base or LinkSimilarity(), path
        self.smoothing, self.min_score = smoothing, min_score
        self.learned: Optional[LexiconTable] = None
        self.seen: frozenset[bytes] = frozenset()  # the sentence pairs of the corpus
        self._given: Optional[LexiconTable] = None

    @property
    def fitted(self) -> bool:
        """Whether it knows a corpus or has a file."""
        return self.learned is not None or self._given is not None or bool(self.path)

    @property
    def given(self) -> LexiconTable:
        """The rows of the file."""
        if self._given is None and self.path:
            self._given = LexiconTable.read(self.path, NAME)
        return self._given or LexiconTable()

    def table(self) -> LexiconTable:
        """All rows that it scores by.

        RAISES (NotFittedError): If it knows nothing.
        """
        if not self.fitted:
            raise NotFittedError(NAME)
        return self.given.over(self.learned or LexiconTable())

    # Learning

    def fit(self, pairs: Iterable[SentencePair]) -> None:
        """Count which target form the base finds best for each source entity, without gold. A sentence pair that comes
        twice counts once. What was learnt before is forgotten; the rows of a file stay.

        pairs (iterable of SentencePair): The corpus. Without any it stays as unfitted as it was.
        """
        if as_part(self.base).fittable:
            pairs = list(pairs)
            as_part(self.base).fit(pairs)
        seen: set[bytes] = set()
        learned = LexiconTable.counted(self.found(pairs, seen))
        self.learned = learned if seen else None
        self.seen = frozenset(seen)

    def found(self, pairs: Iterable[SentencePair], seen: set[bytes]) -> Iterator[tuple[str, str, str]]:
        """The votes of all sentence pairs, which are put into `seen`."""
        for pair in pairs:
            key = pair_hash(pair)
            if key not in seen:
                seen.add(key)
                yield from self.votes(pair)

    def votes(self, pair: SentencePair) -> list[tuple[str, str, str]]:
        """What one sentence pair says: source form, target form and label of each source span with a best candidate. Of
        equal ones the longest, then the first."""
        if not pair.spans or not pair.target:
            return []
        cells = self.base(pair)
        order = np.lexsort((cells.start, cells.start - cells.end, -cells.score, cells.span))
        spans, first = np.unique(cells.span[order], return_index=True)
        out = []
        for k, cell in zip(spans.tolist(), order[first].tolist()):
            span = pair.spans[k]
            if cells.score[cell] >= self.min_score:
                source = form_text(pair.source[span.start : span.end])
                target = form_text(pair.target[cells.start[cell] : cells.end[cell]])
                if source and target:
                    out.append((source, target, span.label))
        return out

    # Scoring

    def __call__(self, pair: SentencePair, candidates: Optional[np.ndarray] = None) -> Cells:
        """Score the cells of one sentence pair, in order of source span, start, end. The own votes of one that it was
        fitted on are taken out first.

        Without candidates these are all places where a known target form stands.

        pair (SentencePair): The sentence pair.
        candidates (Optional[int array (k, 2)]): Score these spans only.
        RETURNS (Cells): Scores above 0, up to 1.
        RAISES (NotFittedError): If it was not fitted and has no file.
        """
        if not self.fitted:
            raise NotFittedError(NAME)
        wanted = None if candidates is None else {(a, b) for a, b in np.asarray(candidates).reshape(-1, 2).tolist()}
        places = Places(pair.target)
        own: Optional[Counter] = None
        found = []
        for k, span in enumerate(pair.spans):
            source = form_key(pair.source[span.start : span.end])
            row = self.given.rows.get(source)
            if row is None and self.learned is not None and source in self.learned.rows:
                if own is None:
                    own = self.own(pair)
                row = self.learned.rows[source]
                row = {t: Entry(max(entry.times - own[source, t], 0.0)) for t, entry in row.items()}
            if not row:
                continue
            total = sum(entry.times for entry in row.values()) + self.smoothing
            for target, entry in row.items():
                if entry.times:
                    cells = (cell for cell in places.of(target) if wanted is None or cell in wanted)
                    found += [(k, a, b, entry.times / total) for a, b in cells]
        found.sort()
        cells_ = np.array(found, "f8").reshape(-1, 4)
        span_, start, end = cells_[:, :3].T.astype("i8")
        return Cells(span_, start, end, cells_[:, 3])

    def own(self, pair: SentencePair) -> Counter[tuple[str, str]]:
        """How often a sentence pair of the corpus voted for each pair of keys."""
        if pair_hash(pair) not in self.seen:
            return Counter()
        return Counter((form_key(s.split()), form_key(t.split())) for s, t, _ in self.votes(pair))

    # Files for a person

    def export_tsv(self, path: Union[str, Path]) -> None:
        """Write all rows to a TSV file (source form, target form, count, label), sorted, forms as they mostly stand in
        the text.

        path (str or Path): The file.
        RAISES (NotFittedError): If it knows nothing.
        """
        self.table().write(path)

    def import_tsv(self, path: Union[str, Path]) -> None:
        """Take over the rows of a TSV file. They replace all other rows of their source forms; those that say what was
        learnt change nothing. A pair with the count 0 is never found.

        path (str or Path): A file such as `export_tsv` writes.
        RAISES (InputError): With the line where it cannot be used.
        """
        new, known = LexiconTable.read(path, NAME), self.learned.rows if self.learned is not None else {}
        new.rows = {source: row for source, row in new.rows.items() if row != known.get(source)}
        before = self.given
        before.rows = {source: row for source, row in before.rows.items() if source not in new.rows}
        self._given = new.over(before)

    # Serialization

    def state(self) -> dict[str, Any]:
        """What was learnt, and the rows of the file."""
        state: dict[str, Any] = {"seen": sorted(self.seen)}
        if self.learned is not None:
            state["learned"] = self.learned.state()
        if self._given is not None or self.path:
            state["given"] = self.given.state()
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over a state. Rows of a file that are in it take the place of the file in the settings."""
        learned = LexiconTable.load(state["learned"]) if "learned" in state else None
        given = LexiconTable.load(state["given"]) if "given" in state else None
        self.learned, self._given, self.seen = learned, given, frozenset(state["seen"])

    def state_parts(self) -> dict[str, Any]:
        return {"base": self.base}


class Places:
    """Where forms stand in a sentence.

    words (sequence of str): The words.
    """

    def __init__(self, words: Iterable[str]):
        self.pieces: list[str] = []  # a word can be several pieces, or none
        self.start: dict[int, int] = {}  # first piece of a word → the word
        self.end: dict[int, int] = {}  # first piece after a word → the word after it
        self.index: dict[str, list[int]] = {}
        for number, word in enumerate(words):
            if pieces := word_key(word).split():
                for place, piece in enumerate(pieces, len(self.pieces)):
                    self.index.setdefault(piece, []).append(place)
                self.start[len(self.pieces)] = number
                self.pieces += pieces
                self.end[len(self.pieces)] = number + 1

    def of(self, key: str) -> list[tuple[int, int]]:
        """The word offsets (start, end) of all places of a form.

        key (str): By `form_key`.
        """
        wanted = key.split()
        out = []
        for first in self.index.get(wanted[0], ()):
            last = first + len(wanted)
            if self.pieces[first:last] == wanted and first in self.start and last in self.end:
                out.append((self.start[first], self.end[last]))
        return out


def pair_hash(pair: SentencePair) -> bytes:
    """Tells a sentence pair from others by its words and its source spans, 8 bytes."""
    parts = "\0".join(pair.source), "\0".join(pair.target), "\0".join(f"{s[0]} {s[1]} {s[2]}" for s in pair.spans)
    return hashlib.blake2b("\1".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
