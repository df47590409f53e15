"""Files: lines with their numbers, hashes, and writing that leaves nothing half-done."""

import glob
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Optional, Union

from .errors import InputError, XprojError
from .limits import bounded_lines, parse_json

NOTE = ".xproj.json"  # in a folder that a verb wrote: what it was made from, and the files that belong to it
GUARDS: list[Callable[[], None]] = []  # of the locks that this process holds. See `check_locks`.


def check_locks() -> None:
    """Make sure that this process still holds its locks. Call this before a file is put in its place or removed.

    RAISES (KeyboardInterrupt): If another run took one over. An error would be answered by removing what was begun, and
        that is the other run's by now.
    """
    for guard in GUARDS:
        guard()


def read_lines(path: Union[str, Path]) -> Iterator[tuple[int, str]]:
    """The lines of a text file. Only LF and CRLF end a line, so that any other white space can be text.

    path (str or Path): A file in UTF-8, with or without a byte order mark.
    YIELDS (tuple of int and str): The number of the line, counted from 1, and the line without its end.
    RAISES (InputError): At the first line that is not UTF-8, or is longer than the limit (see `spacy_xproj.limits`).
    """
    with open(path, "rb") as file:
        for number, raw in bounded_lines(path, file):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as err:
                raise InputError(
                    path,
                    f"Expected text in UTF-8, but byte {err.start + 1} of the line is "
                    f"0x{err.object[err.start]:02x} ({err.reason}). Convert the file to UTF-8.",
                    number,
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
    remove_leftovers(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.unlink(missing_ok=True)  # a link that somebody laid there would be written through
    try:
        with _os_errors(path):
            yield beside
        check_locks()
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
    remove_leftovers(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.mkdir(parents=True)
    try:
        with _os_errors(path):
            yield beside
    finally:
        shutil.rmtree(beside)


@contextmanager
def replacing_folder(path: Union[str, Path], **note: Any) -> Iterator[Path]:
    """Write a folder beside its place, and put it there once it is whole, with a note in it. A folder that is there
    already is renamed before it is removed, so that a process that is killed loses neither.

    path (str or Path): Where it is to be. See `check_replaceable`.
    note: What it was made from, and whatever a later run wants to know. `hash`, the hash of the folder, is added.
    YIELDS (Path): The empty folder to write to. After an exception it is removed, and `path` stays as it was.
    RAISES (XprojError): If what is there may not be replaced.
    """
    path = Path(path).resolve()  # of a link, what it leads to is replaced
    check_replaceable(path)
    new, old = _beside(path)
    check_locks()
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    (new / NOTE).write_text("{}", encoding="utf-8")  # it is ours from the beginning
    try:
        with _os_errors(path):
            yield new
        files = sorted(file.relative_to(new).as_posix() for file in new.rglob("*") if file.is_file())
        write_state(new / NOTE, {**note, "hash": file_hash(new), "files": files})
        if path.exists():
            os.replace(path, old)
        os.replace(new, path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        check_locks()
        shutil.rmtree(new, ignore_errors=True)
        _recover(path)


@contextmanager
def _os_errors(path: Path) -> Iterator[None]:
    """Make an OSError of what libraries in Rust, as safetensors and tokenizers, tell of a disk in words alone."""
    try:
        yield
    except (OSError, XprojError):
        raise
    except Exception as err:
        if match := re.search(r"\(os error (\d+)\)", str(err)):
            raise OSError(int(match[1]), os.strerror(int(match[1])), str(path)) from err
        raise


def check_replaceable(path: Union[str, Path]) -> None:
    """Make sure that a verb may write a folder: it is new or empty, or a verb wrote it and nothing was put into it.

    path (str or Path): The folder.
    RAISES (XprojError): If it may not be replaced, or something else is where it is to be written beside its place.
    """
    path = Path(path).resolve()
    _recover(path)
    for beside in _beside(path):
        if beside.exists() and not _is_ours(beside):
            raise XprojError(f"{beside} is in the way: {path.name} is put together there. Move it.")
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    note = read_note(path)
    if note is None:
        raise XprojError(f"{path} is not empty, and was not written by xproj. Remove it or give another OUT.")
    names = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    if foreign := sorted(names - {NOTE, *note["files"]}):
        raise XprojError(f"{path} holds {foreign[0]}, which xproj did not write. Move it, or give another OUT.")


def read_note(path: Union[str, Path]) -> Optional[dict[str, Any]]:
    """Read the note in a folder that a verb wrote.

    path (str or Path): The folder.
    RETURNS (Optional[dict]): See `replacing_folder`. None if there is no such folder, or no note in it.
    """
    path = Path(path).resolve()
    _recover(path)
    with suppress(OSError, ValueError):
        note = unsealed((path / NOTE).read_bytes())
        return note if {"hash", "files"} <= note.keys() else None
    return None


def check_as_written(path: Union[str, Path]) -> None:
    """Make sure that a folder that a verb wrote was not damaged since: most files of a model do not show it.

    path (str or Path): The folder. One that no verb wrote is not looked at.
    RAISES (InputError): If a file in it was changed.
    """
    if not (Path(path) / NOTE).exists():
        return
    note = read_note(path)
    if note is None or not is_intact(path, note["hash"]):
        raise InputError(
            path,
            "A file in this folder is not as it was written. Make the folder once more; or, if you changed it, "
            f"remove the hidden file {NOTE} in it.",
        )


def is_intact(path: Union[str, Path], state: Optional[str]) -> bool:
    """Whether a file or folder is there and has this hash."""
    return state is not None and Path(path).exists() and file_hash(path) == state


def _beside(path: Path) -> tuple[Path, Path]:
    """Where a folder is written before it is put in its place, and where the one before it is put meanwhile."""
    return path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.old")


def _is_ours(folder: Path) -> bool:
    """Whether a verb wrote this folder, or began to."""
    return (folder / NOTE).is_file() or (folder.is_dir() and not any(folder.iterdir()))


def _recover(path: Path) -> None:
    """Put back what a process that was killed had renamed, and not yet replaced."""
    old = _beside(path)[1]
    if old.exists() and _is_ours(old):
        if not path.exists():
            os.replace(old, path)
        shutil.rmtree(old, ignore_errors=True)


def check_apart(out: Union[str, Path], inputs: Iterable[Optional[Union[str, Path]]]) -> None:
    """Make sure that nothing is written over what is read.

    out (str or Path): What is written.
    inputs (iterable of str, Path or None): The files and folders that are read. None is left out.
    RAISES (XprojError): If the output is one of them, or in one of the folders.
    """
    here = Path(out).resolve()
    for path in (Path(given) for given in inputs if given is not None):
        there = path.resolve()
        if there == here or there in here.parents:
            where = "is read" if there == here else f"is in {path}, which is read"
            raise XprojError(f"{out} {where}, and would be written over. Give another place to write to.")


def remove_leftovers(path: Union[str, Path]) -> None:
    """Remove what processes that were killed left beside a file that they were writing."""
    check_locks()  # the id of a process of another host is that of none here
    path = Path(path)
    for file in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        process = file.name[len(path.name) + 2 : -len(".tmp")]
        if process.isdecimal() and not _is_running(int(process)):
            shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def write_lines(path: Union[str, Path], lines: Iterable[str]) -> None:
    """Write a text file, whole or not at all.

    path (str or Path): The file, which will be in UTF-8.
    lines (iterable of str): Its lines, without their ends.
    """
    with replacing(path) as beside:
        beside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_json(path: Union[str, Path], data: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write_lines(path, [json.dumps(data, indent=2, ensure_ascii=False)])


def write_state(path: Union[str, Path], data: dict[str, Any]) -> None:
    """Write what a later run goes by, as a `sealed` JSON file. It is on the disk before it takes the place of another
    one: a file that was only renamed can be empty after a power failure.

    path (str or Path): The file.
    data (dict): A JSON object.
    """
    with replacing(path) as beside:
        beside.write_text(json.dumps(sealed(data), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())


def sealed(data: dict[str, Any]) -> dict[str, Any]:
    """Add a checksum to what is to be a JSON file. See `unsealed`."""
    return {**data, "checksum": _checksum(data)}


def unsealed(content: bytes) -> dict[str, Any]:
    """Read a JSON object that was `sealed`.

    content (bytes): The content of the file.
    RETURNS (dict): The object, without its checksum.
    RAISES (ValueError): If it is something else, or damaged.
    """
    data = parse_json(content.decode("utf-8"))
    if not isinstance(data, dict):
        raise ValueError("no JSON object")
    checksum = data.pop("checksum", None)
    if checksum != _checksum(data):
        raise ValueError("it was changed or damaged: its checksum is another one")
    return data


def _checksum(data: dict[str, Any]) -> str:
    return text_hash(json.dumps(data, sort_keys=True))


def text_hash(text: str) -> str:
    """The sha256 of a text in UTF-8, as hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def names_in(folder: Path) -> list[str]:
    """The names of the files that count of a folder, sorted: those of all in it, but for hidden ones and
    `__pycache__`."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(p.as_posix() for p in found if not any(x[0] == "." or x == "__pycache__" for x in p.parts))


def file_hash(path: Union[str, Path]) -> str:
    """The sha256 of a file; of a folder, that of the names and hashes of the files in it, see `names_in`.

    path (str or Path): The file or folder.
    RETURNS (str): Hexadecimal digits.
    RAISES (InputError): If there is none.
    """
    path = Path(path)
    if path.is_dir():
        return text_hash("".join(f"{name}\0{file_hash(path / name)}\n" for name in names_in(path)))
    if not path.exists():
        raise InputError(path, "There is no such file or folder.")
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
