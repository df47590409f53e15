"""Import files of translations into a translation memory, and export it."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Optional, Union

from .corpus.pairs import Pair, read_pairs, write_pairs
from .texts import pair_problem
from .translators.memory import Memory

logger = logging.getLogger(__name__)
PathLike = Union[str, Path]


def import_memory(
    memory: Union[Memory, PathLike],
    file: PathLike,
    source_lang: str,
    target_lang: str,
    format: Optional[str] = None,
    overwrite: bool = False,
    both: bool = False,
    encoding: Optional[str] = None,
) -> dict[str, int]:
    """Add the entries of a file to a translation memory: all of them, or none if the file is not in order.

    memory (Memory, str or Path): The memory or its path; made if it is not there.
    file (str or Path): The file to import, as for `read_pairs`.
    source_lang, target_lang (str): The direction, as it will be looked up.
    format (Optional[str]): As in `read_pairs`.
    overwrite, both (bool): As in `Memory.add`.
    encoding (Optional[str]): As in `read_pairs`.
    RETURNS (dict[str, int]): The counts of `Memory.add`, and `skipped` of `read_pairs`. Conflicts are logged as well.
    RAISES (InputError): With file and line where there is one.
    """
    memory = memory if isinstance(memory, Memory) else Memory(memory)
    if memory.store.path and not os.path.exists(memory.store.path):
        for _ in read_pairs(file, source_lang, target_lang, format=format, encoding=encoding):
            pass  # a bad file must not leave an empty memory behind
    skipped: Counter = Counter(skipped=0)
    pairs = read_pairs(file, source_lang, target_lang, format=format, counts=skipped, encoding=encoding)
    counts = memory.add(pairs, source_lang, target_lang, Path(file).name, overwrite, both)
    if counts["conflicts"]:
        message = "%s: left %d entries out, for which the memory holds another target text."
        logger.warning(message, file, counts["conflicts"])
    return {**counts, **skipped}


def export_memory(
    memory: Union[Memory, PathLike],
    file: PathLike,
    source_lang: str,
    target_lang: str,
    format: Optional[str] = None,
) -> int:
    """Write the entries of one direction to a file, in the order in which they came. Of several entries for a text the
    one given by people is written, or else the first one of a backend. Carried spans are not written, nor are entries
    with an empty side.

    memory (Memory, str or Path): The memory or its path.
    file (str or Path): The file, written beside and renamed.
    source_lang, target_lang (str): The direction.
    format (Optional[str]): As in `read_pairs`.
    RETURNS (int): The number of entries.
    RAISES (XprojError): If there is no such memory, or a text cannot be written in the format (see `write_pairs`).
    """
    store = (memory if isinstance(memory, Memory) else Memory(memory, read_only=True)).store

    def pairs() -> Iterator[Pair]:
        return (pair for pair in store.entries(source_lang, target_lang) if not pair_problem(*pair))

    return write_pairs(file, pairs(), source_lang, target_lang, format=format)
