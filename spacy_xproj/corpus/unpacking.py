"""A small .spacy file can take much memory: it is compressed, and a byte of msgpack can be a list. Both are measured
before anything of it is kept."""

import zlib
from collections.abc import Sized
from pathlib import Path
from typing import Any, Union

from srsly import msgpack

from ..limits import check_limit, limit

DEFLATE = 1032  # bytes that one packed byte can stand for, at most
CHUNK = 1 << 20
USUAL = 64 << 20  # bytes that a file of any size may unpack to
FEW = 16 << 10  # bytes of groups of spans that cannot become many
SPAN = 41  # bytes of a span


def check_unpacked(path: Union[str, Path]) -> None:
    """Make sure that a .spacy file does not grow beyond the limits when it is unpacked.

    path (str or Path): The file.
    RAISES (XprojError): If it does. zlib.error, ValueError: if it is no such file.
    """
    packed_size = Path(path).stat().st_size
    if packed_size * DEFLATE <= min(USUAL, limit("unpacked_bytes"), limit("objects")):
        return
    if _unpacked_size(path, packed_size) > limit("objects"):
        check_objects(zlib.decompress(Path(path).read_bytes()))


def _unpacked_size(path: Union[str, Path], packed_size: int) -> int:
    """Unpack a file in pieces that are thrown away. Returns how many bytes there are."""
    unpacker, size = zlib.decompressobj(), 0
    with open(path, "rb") as file:
        while packed := unpacker.unconsumed_tail or file.read(CHUNK):
            size += len(unpacker.decompress(packed, CHUNK))
            check_limit("unpacked_bytes", size, "Unpacked, it has at least {n} bytes")
            if size > USUAL:
                check_limit("unpacked_ratio", size // packed_size, "Unpacked, it has at least {n} times its size")
    return size


def check_objects(data: bytes) -> None:
    """Make sure that msgpack is not made of too many objects, of which each takes up to 72 bytes of memory.

    data (bytes): The msgpack: a whole DocBin, or what it holds of one Doc.
    RAISES (XprojError): If it is. ValueError: if it is no msgpack.
    """
    most, n = limit("objects"), 0
    if len(data) <= most:  # an object takes at least a byte
        return

    def count(items: Sized) -> None:
        nonlocal n
        n += len(items)
        check_limit("objects", n, "Unpacked, it has at least {n} objects")

    def count_pairs(pairs: list[tuple[Any, Any]]) -> None:
        count(pairs)
        for name, value in pairs:
            if name == b"lengths" and isinstance(value, bytes):  # four bytes for each Doc, which makes as many objects
                count(value)

    try:
        msgpack.unpackb(data, list_hook=count, object_pairs_hook=count_pairs, max_array_len=most, max_map_len=most)
    except ValueError as err:
        if "_len(" in str(err):  # "7 exceeds max_array_len(5)"
            count(range(most + 1))
        raise


def check_groups(data: bytes) -> None:
    """Make sure that the groups of spans of a Doc do not grow: a group is copied for each key that it has.

    data (bytes): The msgpack of `doc.spans`.
    RAISES (XprojError): If they do. ValueError, TypeError: if these are no groups.
    """
    if len(data) <= FEW:
        return
    check_objects(data)
    size = 0
    for found in msgpack.unpackb(data, object_pairs_hook=list):
        group, keys = found if isinstance(found, tuple) else (found, [""])  # a list, in files of old versions
        check_objects(group)
        size += len(group) * len(keys)
        check_limit("objects", size // SPAN, "It has at least {n} spans")
