"""Files: lines with their numbers, hashes, and writing that leaves nothing half-done."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, Union

from .errors import InputError, XprojError


def read_lines(path: Union[str, Path]) -> Iterator[tuple[int, str]]:
    """The lines of a text file. Only LF and CRLF end a line, so that any other white space can be text.

    path (str or Path): A file in UTF-8, with or without a byte order mark.
    YIELDS (tuple of int and str): The number of the line, counted from 1, and the line without its end.
    RAISES (InputError): At the first line that is not UTF-8.
    """
    with open(path, "rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as err:
                raise InputError(
                    path,
                    number,
                    f"Expected text in UTF-8, but byte {err.start + 1} of the line is "
                    f"0x{err.object[err.start]:02x} ({err.reason}). Convert the file to UTF-8.",
                ) from None
            yield number, line.removesuffix("\n").removesuffix("\r")


@contextmanager
def replacing(path: Union[str, Path]) -> Iterator[Path]:
    """Write a file beside its place, and put it there once it is whole.

    path (str or Path): Where it is to be. Missing parent folders are made.
    YIELDS (Path): Where to write it. After an exception it is removed, and `path` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def folder_beside(path: Union[str, Path]) -> Iterator[Path]:
    """A folder on the same disk as `path`, which is removed in the end.

    path (str or Path): The file or folder that it is to be beside of.
    YIELDS (Path): The empty folder.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.mkdir(parents=True)
    try:
        yield beside
    finally:
        shutil.rmtree(beside)


def text_hash(text: str) -> str:
    """The sha256 of a text in UTF-8, as hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def file_hash(path: Union[str, Path]) -> str:
    """The sha256 of a file; of a folder, that of the names and hashes of all files in it but hidden ones.

    path (str or Path): The file or folder.
    RETURNS (str): Hexadecimal digits.
    RAISES (InputError): If there is none.
    """
    path = Path(path)
    if path.is_dir():
        names = sorted(p.relative_to(path).as_posix() for p in path.rglob("[!.]*") if p.is_file())
        return text_hash("".join(f"{name}\0{file_hash(path / name)}\n" for name in names))
    if not path.exists():
        raise InputError(path, None, "There is no such file or folder.")
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


Stateful = TypeVar("Stateful", bound="StateFile")


class StateFile:
    """What has `to_bytes` and `from_bytes` gets the other two of spaCy's four methods: the same bytes in one file."""

    def to_bytes(self) -> bytes:
        """The state."""
        raise NotImplementedError

    def from_bytes(self: Stateful, data: bytes) -> Stateful:
        """Take over a state."""
        raise NotImplementedError

    def to_disk(self, path: Union[str, Path]) -> None:
        """Write the state to a file.

        path (str or Path): The file.
        """
        with replacing(path) as beside:
            beside.write_bytes(self.to_bytes())

    def from_disk(self: Stateful, path: Union[str, Path]) -> Stateful:
        """Read the state from a file.

        path (str or Path): The file.
        RETURNS (StateFile): Itself.
        RAISES (InputError): If it cannot be used.
        """
        try:
            return self.from_bytes(Path(path).read_bytes())
        except (OSError, XprojError) as err:
            raise InputError(path, None, str(err)) from err
