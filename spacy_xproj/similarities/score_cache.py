"""What a translation model says of pairs of texts, kept in memory and in a file that any number of processes share."""

import os
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..errors import InputError

APPLICATION = 0x78707A73  # in the file's header, so that another program's database is not taken for ours
BUSY_SECONDS = 60.0
SCHEMA = """
CREATE TABLE scores (
    backend TEXT NOT NULL,
    source_lang TEXT NOT NULL,
    target_lang TEXT NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    total REAL NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (backend, source_lang, target_lang, source, target)
) WITHOUT ROWID
"""
SELECT = (
    "SELECT total, tokens FROM scores "
    "WHERE backend = ? AND source_lang = ? AND target_lang = ? AND source = ? AND target = ?"
)
INSERT = "INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?, ?, ?, ?)"
NOT_OURS = "Expected a file of scores made by spacy-xproj (SQLite), got something else. Give the path of a new file."

Key = tuple[str, str, str, str, str]  # the translator's key, source language, target language, source, target
Score = tuple[float, int]  # sum of the log-probabilities, number of tokens


class ScoreCache:
    """Scores by translator, languages and texts.

    path (str): The file, made when there is something to keep. "": none.
    size (int): So many scores are kept in memory, those used last; the file has no limit.
    RAISES (InputError): If the file is there and is another one.
    """

    def __init__(self, path: str = "", size: int = 100_000):
        self.path = os.path.abspath(path) if path else ""
        self.size = size
        self._recent: OrderedDict[Key, Score] = OrderedDict()
        if self.path and os.path.exists(self.path):
            with self._connected():
                pass

    def get(self, keys: Iterable[Key]) -> dict[Key, Score]:
        """Find scores.

        keys (iterable of Key): What to look for.
        RETURNS (dict of Key and Score): What was found.
        """
        keys = dict.fromkeys(keys)
        found = {key: self._recent[key] for key in keys if key in self._recent}
        if self.path and len(found) < len(keys) and os.path.exists(self.path):
            with self._connected() as connection:
                for key in keys:
                    if key not in found and (row := connection.execute(SELECT, key).fetchone()):
                        found[key] = row
        self._remember(found)
        return found

    def put(self, scores: dict[Key, Score]) -> None:
        """Keep scores, in one transaction. What is in the file already stays.

        scores (dict of Key and Score): The scores.
        """
        if self.path and scores:
            with self._connected() as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(INSERT, [(*key, *score) for key, score in scores.items()])
                connection.execute("COMMIT")
        self._remember(scores)

    def _remember(self, scores: dict[Key, Score]) -> None:
        for key, score in scores.items():
            self._recent[key] = score
            self._recent.move_to_end(key)
        while len(self._recent) > self.size:
            self._recent.popitem(last=False)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """A connection for one transaction: none outlives a fork, which SQLite forbids. It costs far less than a score.
        Closing rolls back what was not committed."""
        try:
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
                if _application(connection) != APPLICATION:
                    _create(connection, self.path)
                yield connection
        except (sqlite3.Error, OSError) as err:
            if "not a database" in str(err):
                raise InputError(self.path, None, f"{NOT_OURS} ({err})") from err
            message = f"The scores cannot be read or kept ({err}). Check file, folder and disk, or give another path."
            raise InputError(self.path, None, message) from err

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_recent": OrderedDict()}


def _application(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA application_id").fetchone()[0]


def _create(connection: sqlite3.Connection, path: str) -> None:
    """Make the table in an empty file, unless another process was faster."""
    connection.execute("BEGIN IMMEDIATE")
    if _application(connection) != APPLICATION:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise InputError(path, None, NOT_OURS)
        connection.execute(SCHEMA)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute("COMMIT")
