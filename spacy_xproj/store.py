"""The entries of a translation memory: looked up, kept, added and listed."""

import json
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Optional

from rapidfuzz import fuzz, process

from .codes import normal_form, normalize_code
from .database import Database
from .errors import XprojError
from .texts import IGNORED, fold, normalize
from .ty import Found, Translation

SCHEMA = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    source_lang TEXT NOT NULL,
    target_lang TEXT NOT NULL,
    backend TEXT NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    spans TEXT,
    origin TEXT NOT NULL,
    folded TEXT,
    UNIQUE (source_lang, target_lang, source, backend)
);
CREATE INDEX by_folded ON entries (source_lang, target_lang, folded) WHERE folded IS NOT NULL
"""
NEAR = 10_000
INSERT = (
    "INSERT OR IGNORE INTO entries (source_lang, target_lang, backend, source, target, spans, origin, folded) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
UPGRADE = """
DROP INDEX IF EXISTS without_spaces;
ALTER TABLE entries RENAME TO older;
{schema};
INSERT OR IGNORE INTO entries
    SELECT id, normal_form(source_lang), normal_form(target_lang), backend, source, target, spans, origin,
        CASE backend WHEN '' THEN fold(source) END
    FROM older ORDER BY id;
DROP TABLE older
"""


class Store(Database):
    """Translations by (source language, target language, backend key, normalized source text). The backend
    key "" marks entries given by people. Language codes are kept in their normal form, and come in any spelling.
    Arguments are those of `Database`."""

    what = "a translation memory"
    application = 0x78707A6D
    version = 2
    table = "entries"
    schema = SCHEMA

    def lookup(
        self, rows: Iterable[tuple[str, str]], source_lang: str, target_lang: str, ignore: Sequence[str] = IGNORED
    ) -> dict[tuple[str, str], Found]:
        """Find texts: entries given by people first, then those of one backend, then those of people that differ in
        what is to be ignored, in as little of it as possible.

        rows (iterable of (str, str)): Normalized texts and backend keys, "" for people's entries alone.
        source_lang, target_lang (str): Language codes.
        ignore (sequence of str): As in `fold`.
        RETURNS (dict[(str, str), Found]): What was found. Where entries that differ alike have different targets
            none is taken: the text is None, and `ignored` says in what they differ.
        """
        query = (
            "SELECT target, spans FROM entries WHERE source_lang = ? AND target_lang = ? AND source = ? "
            "AND backend IN ('', ?) ORDER BY backend LIMIT 1"
        )
        found = {}
        langs = normalize_code(source_lang), normalize_code(target_lang)
        with self.connected() as connection:
            for row in rows:
                if hit := connection.execute(query, (*langs, *row)).fetchone():
                    found[row] = Found(hit[0], None if hit[1] is None else list(map(tuple, json.loads(hit[1]))))
                elif ignore and (near := self._ignoring(connection, row[0], langs, ignore)):
                    found[row] = near
        return found

    def _ignoring(
        self, connection: sqlite3.Connection, source: str, langs: tuple[str, str], ignore: Sequence[str]
    ) -> Optional[Found]:
        """Find the entry of people's that differs in the least of what is to be ignored."""
        query = (
            "SELECT source, target FROM entries WHERE source_lang = ? AND target_lang = ? AND folded = ? ORDER BY id"
        )
        rows = connection.execute(query, (*langs, fold(source))).fetchall()
        for size in range(1, len(ignore) + 1) if rows else ():
            for some in combinations(ignore, size):
                same = [target for other, target in rows if fold(other, some) == fold(source, some)]
                if same:
                    clear = len(set(map(normalize, same))) == 1
                    found = Found(same[0] if clear else None)
                    found.ignored = ", ".join(some)
                    return found
        return None

    def nearest(self, text: str, source_lang: str, target_lang: str) -> tuple[str, float]:
        """Find an entry of people's whose text is much like another one, among those that come before and after it in
        alphabetical order, `NEAR` of each at most.

        text (str): A normalized text.
        source_lang, target_lang (str): Language codes.
        RETURNS (str, float): The text of the entry, and its likeness from 0 to 100; ("", 0) if there is none.
        """
        query = (
            "SELECT source FROM entries WHERE source_lang = ? AND target_lang = ? AND source {} ? AND backend = '' "
            "ORDER BY source {} LIMIT ?"
        )
        row = (normalize_code(source_lang), normalize_code(target_lang), text, NEAR)
        with self.connected() as connection:
            found = [s for way in ((">=", ""), ("<", "DESC")) for (s,) in connection.execute(query.format(*way), row)]
        best = process.extractOne(text, found, scorer=fuzz.ratio)
        return (best[0], best[1]) if best else ("", 0.0)

    def cache(
        self, rows: Iterable[tuple[str, str, Translation]], source_lang: str, target_lang: str, origin: str
    ) -> None:
        """Keep what a backend gave, in one transaction. What is there already stays.

        rows (iterable of (str, str, Translation)): Normalized texts, backend keys, and translations, none of them None.
        source_lang, target_lang (str): As in `lookup`.
        origin (str): What made them, for the reader of the file.
        """
        values = []
        langs = normalize_code(source_lang), normalize_code(target_lang)
        for source, backend, translation in rows:
            spans = None if translation.spans is None else json.dumps(translation.spans)
            values.append((*langs, backend, source, translation.text, spans, origin, None))
        with self.transaction() as connection:
            connection.executemany(INSERT, values)

    def add(
        self,
        pairs: Iterable[tuple[str, str]],
        source_lang: str,
        target_lang: str,
        origin: str = "",
        overwrite: bool = False,
        both: bool = False,
        on_conflict: Optional[Callable[[str, str, str], None]] = None,
    ) -> dict[str, int]:
        """Add people's entries, in one transaction. Arguments and result are those of `Memory.add`."""
        source_lang, target_lang = normalize_code(source_lang), normalize_code(target_lang)
        counts = {"added": 0, "known": 0, "conflicts": 0, "replaced": 0}
        with self.transaction() as connection:
            for source, target in pairs:
                rows = [(source_lang, target_lang, source, target), (target_lang, source_lang, target, source)]
                for row in rows if both else rows[:1]:
                    done, old = _add(connection, [*row, origin], overwrite)
                    counts[done] += 1
                    if done == "conflicts" and on_conflict:
                        on_conflict(row[2], old, row[3])
        return counts

    def entries(self, source_lang: str, target_lang: str) -> Iterator[tuple[str, str]]:
        """The entries of one direction in the order in which they came, one a text: that of people, or else
        the first of a backend.

        source_lang, target_lang (str): Language codes.
        YIELDS ((str, str)): Normalized source text and target text.
        """
        query = """
            SELECT source, target FROM entries AS a WHERE source_lang = ? AND target_lang = ? AND NOT EXISTS (
                SELECT 1 FROM entries AS b
                WHERE b.source_lang = a.source_lang AND b.target_lang = a.target_lang AND b.source = a.source
                AND b.id != a.id AND (b.backend = '' OR (a.backend != '' AND b.id < a.id))
            ) ORDER BY id
        """
        with self.connected() as connection:
            yield from connection.execute(query, (normalize_code(source_lang), normalize_code(target_lang)))

    def languages(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Count the entries of each direction.

        RETURNS (dict[(str, str), (int, int)]): By source and target language the number of entries given by people,
            and of those given by backends.
        """
        query = (
            "SELECT source_lang, target_lang, sum(backend = ''), sum(backend != '') FROM entries GROUP BY 1, 2 "
            "ORDER BY 1, 2"
        )
        with self.connected() as connection:
            return {(source, target): (n, m) for source, target, n, m in connection.execute(query)}

    def check_languages(self, source_lang: str, target_lang: str) -> None:
        """Make sure that there are entries of a direction.

        source_lang, target_lang (str): Language codes.
        RAISES (XprojError): If there are none. The message names the directions that there are.
        """
        known = self.languages()
        if (normalize_code(source_lang), normalize_code(target_lang)) not in known:
            listed = ", ".join(f"{source} → {target}" for source, target in known)
            raise XprojError(
                f"{self.path or 'The memory'} has nothing from {source_lang!r} to {target_lang!r}"
                + (f", only {listed}." if listed else ": it is empty. Fill it with 'xproj memory'.")
            )

    def people(self) -> Iterator[list[str]]:
        """What people translated, in the order in which it came.

        YIELDS (list of str): Source language, target language, source text in its normal form, target text, origin.
        """
        query = "SELECT source_lang, target_lang, source, target, origin FROM entries WHERE backend = '' ORDER BY id"
        with self.connected() as connection:
            yield from map(list, connection.execute(query))

    def restore(self, rows: Iterable[list[str]]) -> None:
        """Take back what `people` gave. What is there already stays."""
        with self.transaction() as connection:
            for row in rows:
                _add(connection, row, overwrite=False)

    def upgrade(self, connection: sqlite3.Connection) -> None:
        """Of two entries for a text under two spellings of a language the first stays."""
        connection.create_function("normal_form", 1, normal_form, deterministic=True)
        connection.create_function("fold", 1, fold, deterministic=True)
        (before,) = connection.execute("SELECT count(*) FROM entries").fetchone()
        for statement in UPGRADE.format(schema=self.schema).split(";"):
            connection.execute(statement)
        (after,) = connection.execute("SELECT count(*) FROM entries").fetchone()
        if after < before:
            warnings.warn(
                f"{self.path}: {before - after} of {before} entries had a text that is there already, under another "
                "spelling of its languages. They are left out.",
                stacklevel=2,
            )


def _add(connection: sqlite3.Connection, row: list[str], overwrite: bool) -> tuple[str, str]:
    """Add one entry, a row as `people` gives it. Return the name of the count for what came of it, and the target that
    was there before."""
    source_lang, target_lang, source, target, origin = row
    key = (normal_form(source_lang), normal_form(target_lang), "", normalize(source))
    if connection.execute(INSERT, (*key, target, None, origin, fold(key[3]))).rowcount:
        return "added", ""
    where = "WHERE source_lang = ? AND target_lang = ? AND backend = ? AND source = ?"
    (old,) = connection.execute(f"SELECT target FROM entries {where}", key).fetchone()
    if old == target:
        return "known", old
    if overwrite:
        connection.execute(f"UPDATE entries SET target = ?, origin = ? {where}", (target, origin, *key))
        return "replaced", old
    return "known" if normalize(old) == normalize(target) else "conflicts", old
