"""SQLite files that any number of processes and threads share."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Union

from .errors import InputError, XprojError

BUSY_SECONDS = 60.0


class Database:
    """One table in an SQLite file. A subclass names the table.

    Each use opens a connection of its own and closes it: no connection is shared by threads, and none outlives a fork,
    which SQLite forbids. SQLite's own locks make writers wait for each other.

    path (str or Path): The file, made at its first use. "": the rows are kept in the memory of this process. A forked
        process gets a copy of them, and so does whoever unpickles the object.
    read_only (bool): Never write. The file must be there.
    RAISES (InputError): If the file is there and is something else, or was made by another version.

    Class attributes: `what` (str), the name of the file in error messages; `application` (int), written into the
    file's header to know it by; `version` (int), of the schema; `table` (str) and `schema` (str), its definition and
    that of its indices. A subclass with a version above 1 has `upgrade`.
    """

    what: str
    application: int
    version = 1
    table: str
    schema: str

    def __init__(self, path: Union[str, Path] = "", read_only: bool = False):
        self.path = os.path.abspath(path) if str(path) else ""
        self.read_only = read_only
        self._open()
        if self.path and (read_only or os.path.exists(self.path)):
            with self.connected():
                pass

    def _open(self) -> None:
        self._lock = threading.RLock()
        self._in_memory = None if self.path else _connect(":memory:")
        if self._in_memory:
            self._check(self._in_memory)

    @contextmanager
    def connected(self) -> Iterator[sqlite3.Connection]:
        """Open a connection for the time of the block.

        YIELDS (sqlite3.Connection): The connection, in autocommit mode.
        RAISES (InputError): If the file cannot be used. SQLite's errors within the block become this error, too.
        """
        if self.read_only and not os.path.exists(self.path):
            raise InputError(self.path, f"Expected {self.what} to read, but there is no such file.")
        try:
            if self._in_memory:
                yield self._in_memory
                return
            if not self.read_only:
                self._make_folder()
            uri = f"{Path(self.path).as_uri()}?mode={'ro' if self.read_only else 'rwc'}"
            with closing(_connect(uri)) as connection:
                yield self._check(connection)
        except sqlite3.Error as err:
            raise InputError(self.path or self.what, self._explain(str(err))) from err

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Keep all of the writes in the block, or none of them if it raises an exception.

        YIELDS (sqlite3.Connection): The connection. It holds the file's write lock.
        RAISES (XprojError): If the database is read-only.
        """
        if self.read_only:
            raise XprojError(f"{self.path!r} is open read-only: nothing can be added.")
        with self._lock if self._in_memory else nullcontext(), self.connected() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    def _check(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Compare the header of the file with ours, make the table in an empty file, and bring an older one up to
        date. Of an older file that must not be changed a copy in memory is used."""
        if not self.read_only and not _pragma(connection, "schema_version"):
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                if not _pragma(connection, "schema_version"):  # another process may have been faster
                    for statement in self.schema.split(";"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA application_id = {self.application}")
                    connection.execute(f"PRAGMA user_version = {self.version}")
        if _pragma(connection, "application_id") != self.application:
            raise InputError(self.path, self._not_ours())
        version = _pragma(connection, "user_version")
        if 0 < version < self.version:
            if not self.read_only:
                self._upgrade(connection)
                return connection
            with self._lock:
                if self._in_memory is None:
                    copy = _connect(":memory:")
                    connection.backup(copy)
                    self._upgrade(copy)
                    self._in_memory = copy
            return self._in_memory
        if version != self.version:
            message = (
                f"Expected {self.what} of version {self.version}, got version {version}. Use the spacy-xproj that made "
                "the file, or give the path of a new file."
            )
            raise InputError(self.path, message)
        return connection

    def _upgrade(self, connection: sqlite3.Connection) -> None:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            if _pragma(connection, "user_version") < self.version:  # another process may have been faster
                self.upgrade(connection)
                connection.execute(f"PRAGMA user_version = {self.version}")

    def upgrade(self, connection: sqlite3.Connection) -> None:
        """Bring a file of an older version up to date, within a transaction.

        connection (sqlite3.Connection): The connection.
        """
        raise NotImplementedError

    def _not_ours(self) -> str:
        return (
            f"Expected {self.what} made by spacy-xproj (an SQLite file), got something else. Give the path of a new "
            "file."
        )

    def _make_folder(self) -> None:
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
        except OSError as err:
            raise InputError(self.path, f"The folder of this file cannot be made ({err}).") from err

    def _explain(self, error: str) -> str:
        if "not a database" in error or "malformed" in error:
            return f"{self._not_ours()} ({error})"
        if "locked" in error:
            return f"Another process kept the file locked for {BUSY_SECONDS:.0f} seconds. Try again."
        if "readonly" in error or ("unable to open" in error and not self.read_only):
            return f"The file cannot be written to ({error}). Give another path, or set read_only = true."
        return f"The file cannot be used as {self.what} ({error}). Check file, folder and disk."

    def __getstate__(self) -> dict[str, Any]:
        rows = (
            []
            if self.path or not self._in_memory
            else self._in_memory.execute(f"SELECT * FROM {self.table}").fetchall()
        )
        return {"path": self.path, "read_only": self.read_only, "rows": rows}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path, self.read_only = state["path"], state["read_only"]
        self._open()
        if state["rows"]:
            places = ", ".join("?" * len(state["rows"][0]))
            with self.transaction() as connection:
                connection.executemany(f"INSERT INTO {self.table} VALUES ({places})", state["rows"])


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]
