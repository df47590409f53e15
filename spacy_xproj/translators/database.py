"""The file of a translation memory: an SQLite database that any number of processes and threads share."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Union

from ..errors import InputError, XprojError

APPLICATION = 0x78707A6D  # in the file's header, so that another program's database is not taken for ours
VERSION = 1
BUSY_SECONDS = 60.0
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
    UNIQUE (source_lang, target_lang, source, backend)
)
"""
COLUMNS = "source_lang, target_lang, backend, source, target, spans, origin"
SELECT = f"SELECT {COLUMNS} FROM entries ORDER BY id"
INSERT = f"INSERT OR IGNORE INTO entries ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
NOT_A_STORE = (
    "Expected a translation memory made by spacy-xproj (an SQLite file), got something else. Give the path "
    "of a new file, and import a bitext (TSV, JSONL or TMX) into it."
)

# Connections that came through a fork. SQLite forbids the child to use them, and closing them counts as use.
_inherited: list[dict[int, sqlite3.Connection]] = []


class Database:
    """One connection a process and thread, opened when it is first needed. A pickled copy opens its own.

    path (str or Path): The file, made at its first use if it is not there. "": kept in the memory of this
        process; a pickled copy takes the entries along.
    read_only (bool): Never write. The file must be there. In a folder that cannot be written to, the file is
        taken as one that nobody changes.
    RAISES (InputError): If the file is not a translation memory, or not one of this version.
    """

    def __init__(self, path: Union[str, Path] = "", read_only: bool = False):
        self.path = os.path.abspath(path) if str(path) else ""
        self.read_only = read_only
        self._reset()
        if self.path and (read_only or os.path.exists(self.path)):
            self.connection()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._connections: dict[int, sqlite3.Connection] = {}
        self._lock = threading.RLock()

    def connection(self) -> sqlite3.Connection:
        """The connection of this process and thread."""
        if self._pid != os.getpid():
            inherited = self._connections
            _inherited.append(inherited)
            self._reset()
            if not self.path:  # without a file there are no locks to be confused: the child has its own copy
                self._connections = inherited
        thread = threading.get_ident() if self.path else 0
        with self._lock:
            if thread not in self._connections:
                with self.errors():
                    self._connections[thread] = self._open()
            return self._connections[thread]

    def _open(self) -> sqlite3.Connection:
        if not self.path:
            connection = _connect(":memory:")
            _create(connection)
            return connection
        uri = Path(self.path).as_uri()
        if not self.read_only:
            if not os.path.exists(self.path):
                self._make()
            return self._checked(_connect(f"{uri}?mode=rw"))
        if not os.path.exists(self.path):
            raise InputError(self.path, None, "Expected a translation memory to read, got no such file.")
        try:
            return self._checked(_connect(f"{uri}?mode=ro"))
        except sqlite3.OperationalError as err:
            # A write-ahead log needs files beside the store, which cannot be made here. Without a log that is
            # still to be merged, everything stands in the store's own file.
            wal = f"{self.path}-wal"
            if "locked" in str(err):
                raise
            if os.path.exists(wal) and os.path.getsize(wal):
                message = (
                    "Some entries are in the log beside the file, not merged yet, and cannot be merged in a "
                    "folder that cannot be written to. Open the memory once in one that can."
                )
                raise InputError(self.path, None, message) from err
            return self._checked(_connect(f"{uri}?mode=ro&immutable=1"))

    def _make(self) -> None:
        """Build an empty store beside the path and link it there: no process meets a half-made one."""
        new = f"{self.path}.{os.getpid()}.{threading.get_ident()}.new"
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            connection = _connect(Path(new).as_uri())
            connection.execute("PRAGMA journal_mode = WAL")
            _create(connection)
            connection.close()
            with suppress(FileExistsError):  # another process was faster
                os.link(new, self.path)
        except (OSError, sqlite3.Error) as err:
            raise InputError(self.path, None, f"The translation memory cannot be made here ({err}).") from err
        finally:
            if os.path.exists(new):
                os.remove(new)

    def _checked(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        try:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if application != APPLICATION:
                raise InputError(self.path, None, NOT_A_STORE)
            if version != VERSION:
                message = (
                    f"Expected a translation memory of version {VERSION}, got version {version}: export it "
                    "with the spacy-xproj that made it, and import it into a new one."
                )
                raise InputError(self.path, None, message)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """SQLite's errors as sentences."""
        try:
            yield
        except sqlite3.Error as err:
            text = str(err)
            if "not a database" in text or "malformed" in text:
                message = f"{NOT_A_STORE} ({text})"
            elif "locked" in text:
                message = f"Another process kept the file locked for {BUSY_SECONDS:.0f} seconds. Try again."
            elif "readonly" in text or ("unable to open" in text and not self.read_only):
                message = f"The file cannot be written to ({text}). Give another path, or set read_only = true."
            else:
                message = f"The translation memory cannot be used ({text}). Check file, folder and disk."
            raise InputError(self.path or "translation memory", None, message) from err

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the writes in the block, or none of them."""
        if self.read_only:
            raise XprojError(f"The translation memory {self.path!r} is open read-only: nothing can be added.")
        connection = self.connection()
        with self._lock, self.errors():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the connections of this process. The next use opens new ones; what has no file is lost."""
        if self._pid == os.getpid():
            for connection in self._connections.values():
                connection.close()
            self._connections = {}

    def __getstate__(self) -> dict[str, Any]:
        rows = [] if self.path else self.connection().execute(SELECT).fetchall()
        return {"path": self.path, "read_only": self.read_only, "rows": rows}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path, self.read_only = state["path"], state["read_only"]
        self._reset()
        if state["rows"]:
            self.connection().executemany(INSERT, state["rows"])


def _connect(uri: str) -> sqlite3.Connection:
    # A thread's number may pass to a later thread, which then takes over its connection.
    return sqlite3.connect(uri, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(SCHEMA)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
