"""Text files as they come: encodings, byte order marks, line ends."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from ...errors import InputError, XprojError
from ...limits import bounded_lines, limit, long_line
from .report import Report

MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
CHUNK = 1 << 20
WIDE = ("utf-16", "utf-32")


def find_encoding(path: Path, encoding: Optional[str] = None) -> str:
    """Find the encoding of a file: the one asked for, that of its byte order mark, or UTF-8.

    path (Path): The file.
    encoding (Optional[str]): An encoding that Python knows, which is an order.
    RETURNS (str): The encoding.
    RAISES (XprojError): If there is no such encoding. InputError: if the file is UTF-16 without a mark.
    """
    with open(path, "rb") as file:
        head = file.read(1024)
    mark = next((name for bom, name in MARKS if head.startswith(bom)), None)
    if encoding is not None:
        try:
            name = codecs.lookup(encoding).name
        except LookupError:
            raise XprojError(f"Expected an encoding that Python knows, such as cp1252, got {encoding!r}.") from None
        return mark if mark == "utf-8-sig" and name == "utf-8" else name
    if mark is None and head.count(0) * 3 > len(head):
        raise InputError(
            path,
            "Every second byte is 0: it looks like UTF-16 without a byte order mark. Give --encoding utf-16-le "
            "or utf-16-be.",
        )
    return mark or "utf-8"


def decode_lines(path: Path, encoding: str, report: Optional[Report] = None) -> Iterator[tuple[int, str]]:
    """Decode a file line by line. LF and CR LF end a line; where the file has no LF, CR does. Any other white
    space can be text. Characters U+0000 become U+FFFD and are counted as `nul_characters`.

    path (Path): The file.
    encoding (str): Its encoding, see `find_encoding`.
    report (Optional[Report]): None: bytes that do not fit the encoding are replaced, for a look at the file.
    YIELDS (tuple of int and str): The number of the line, counted from 1, and the line without its end.
    RAISES (InputError): At the first byte that does not fit the encoding, or a line that is longer than the limit.
    """
    number = 0
    for number, line in enumerate(_decoded(path, encoding, report), 1):
        line = line.removesuffix("\n").removesuffix("\r")
        if "\0" in line:
            if report is not None:
                report.note("nul_characters", number, n=line.count("\0"))
            line = line.replace("\0", "\ufffd")
        yield number, line


def decode_chunks(path: Path, encoding: str, report: Report) -> Iterator[str]:
    """Decode a file in pieces of about a megabyte, for formats whose records are not lines.

    path (Path): The file.
    encoding (str): Its encoding.
    report (Report): Says what cannot be decoded.
    YIELDS (str): A piece.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    with open(path, "rb") as file:
        while True:
            chunk = file.read(CHUNK)
            held = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, not chunk)
            except UnicodeDecodeError as err:
                raise _undecodable(path, None, err, done - held + err.start, encoding) from None
            done += len(chunk)
            if text:
                yield text
            if not chunk:
                return


def _decoded(path: Path, encoding: str, report: Optional[Report]) -> Iterator[str]:
    if encoding.startswith(WIDE):
        with open(path, encoding=encoding, newline="\n", errors="replace" if report is None else "strict") as text:
            try:
                yield from (line for _, line in bounded_lines(path, text))
            except UnicodeDecodeError as err:
                raise _undecodable(path, None, err, err.start, encoding) from None
        return
    done = 0
    for number, raw in enumerate(_raw_lines(path), 1):
        # Only the first line can begin with a byte order mark.
        codec = "utf-8" if encoding == "utf-8-sig" and number > 1 else encoding
        try:
            yield raw.decode(codec, "replace" if report is None else "strict")
        except UnicodeDecodeError as err:
            offset = done + err.start + (3 if codec == "utf-8-sig" else 0)
            raise _undecodable(path, number, err, offset, encoding) from None
        done += len(raw)


def _raw_lines(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        head = file.read(CHUNK)
        file.seek(0)
        if b"\n" in head or b"\r" not in head:
            yield from (line for _, line in bounded_lines(path, file))
            return
        rest, most = b"", limit("line_bytes")
        while chunk := file.read(CHUNK):
            *lines, rest = (rest + chunk).split(b"\r")
            if max(map(len, (rest, *lines))) > most:
                raise InputError(path, long_line())
            yield from (line + b"\r" for line in lines)
        if rest:
            yield rest


def _undecodable(path: Path, line: Optional[int], err: UnicodeDecodeError, offset: int, encoding: str) -> InputError:
    name = "UTF-8" if encoding.startswith("utf-8") else encoding
    return InputError(
        path,
        f"Expected text in {name}, but the byte 0x{err.object[err.start]:02x} at offset {offset} of the file is not "
        f"({err.reason}). Give the encoding of the file, such as --encoding cp1252, or convert it to UTF-8.",
        line,
    )
