"""What a translation model says of pairs of texts, kept in memory and in a file that any number of processes share."""

from collections import OrderedDict
from collections.abc import Iterable

from ..database import Database

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

Key = tuple[str, str, str, str, str]  # the translator's key, source language, target language, source, target
Score = tuple[float, int]  # sum of the log-probabilities, number of tokens


class ScoreFile(Database):
    """The scores in a file. Arguments are those of `Database`."""

    what = "a file of scores"
    application = 0x78707A73
    table = "scores"
    schema = SCHEMA


class ScoreCache:
    """Scores by translator, languages and texts.

    path (str): The file, made at its first use. "": no file.
    size (int): Number of scores to keep in memory, those used last. The file has no limit.
    RAISES (InputError): If the file is there and is another one.
    """

    def __init__(self, path: str = "", size: int = 100_000):
        self.path = path
        self.size = size
        self._file = ScoreFile(path) if path else None
        self._recent: OrderedDict[Key, Score] = OrderedDict()

    def get(self, keys: Iterable[Key]) -> dict[Key, Score]:
        """Find scores.

        keys (iterable of Key): What to look for.
        RETURNS (dict of Key and Score): What was found.
        """
        keys = dict.fromkeys(keys)
        found = {key: self._recent[key] for key in keys if key in self._recent}
        if self._file and len(found) < len(keys):
            with self._file.connected() as connection:
                for key in keys:
                    if key not in found and (row := connection.execute(SELECT, key).fetchone()):
                        found[key] = row
        self._remember(found)
        return found

    def put(self, scores: dict[Key, Score]) -> None:
        """Keep scores, in one transaction. Scores that the file has already stay.

        scores (dict of Key and Score): The scores.
        """
        if self._file and scores:
            with self._file.transaction() as connection:
                connection.executemany(INSERT, [(*key, *score) for key, score in scores.items()])
        self._remember(scores)

    def _remember(self, scores: dict[Key, Score]) -> None:
        for key, score in scores.items():
            self._recent[key] = score
            self._recent.move_to_end(key)
        while len(self._recent) > self.size:
            self._recent.popitem(last=False)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_recent": OrderedDict()}
