"""Import files of translations into a translation memory, and export it."""

import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from .corpus.formats.pairs import Pair, read_pairs, read_parallel, write_pairs
from .errors import XprojError
from .files import check_apart, write_lines
from .texts import pair_problem
from .translators.memory import Memory

PathLike = Union[str, Path]
CONFLICT = ("source", "target", "left_out", "file")


def import_memory(
    memory: Union[Memory, PathLike],
    files: Union[PathLike, Sequence[PathLike]],
    source_lang: str,
    target_lang: str,
    format: Optional[str] = None,
    overwrite: bool = False,
    both: bool = False,
    encoding: Optional[str] = None,
    *,
    parallel: bool = False,
    conflicts: Optional[PathLike] = None,
) -> dict[str, int]:
    """Add the entries of files to a translation memory: all of them, or none if a file is not in order.

    memory (Memory, str or Path): The memory or its path; made if it is not there.
    files (str, Path or sequence of them): The files to import, as for `read_pairs`.
    source_lang, target_lang (str): The direction, as it will be looked up.
    format (Optional[str]): As in `read_pairs`.
    overwrite, both (bool): As in `Memory.add`.
    encoding (Optional[str]): As in `read_pairs`.
    parallel (bool): The files are two, with the lines of the source and those of the target. See `read_parallel`.
    conflicts (Optional[str or Path]): List conflicts there, one JSON object a line: the text, its translation in the
        memory, the one that was left out, and the file.
    RETURNS (dict[str, int]): The counts of `Memory.add`, and `skipped` of `read_pairs`.
    RAISES (InputError): With file and line where there is one.
    RAISES (XprojError): If `conflicts` is one of the files.
    """
    names = [files] if isinstance(files, (str, Path)) else list(files)
    if parallel and len(names) != 2:
        raise XprojError(f"Parallel text is two files, lines of the source and of the target: got {len(names)} files.")
    if conflicts is not None:
        check_apart(conflicts, [*names, *([] if isinstance(memory, Memory) else [memory])])
    counts: Counter = Counter(added=0, known=0, conflicts=0, replaced=0, skipped=0)

    def read(counts: Optional[Counter] = None) -> Iterator[tuple[str, Iterator[Pair]]]:
        if parallel:
            yield Path(names[1]).name, read_parallel(*names, counts=counts, encoding=encoding)
            return
        options: dict[str, Any] = {"format": format, "counts": counts, "encoding": encoding}
        for name in names:
            yield Path(name).name, read_pairs(name, source_lang, target_lang, **options)

    for _, pairs in read():
        deque(pairs, 0)  # a bad file must change nothing, nor leave an empty memory behind
    memory = memory if isinstance(memory, Memory) else Memory(memory)
    found: list[dict[str, str]] = []
    for origin, pairs in read(counts):
        note = lambda *row: found.append(dict(zip(CONFLICT, (*row, origin))))  # noqa: E731, B023
        counts.update(memory.add(pairs, source_lang, target_lang, origin, overwrite, both, note))
    if conflicts is not None:
        write_lines(conflicts, (json.dumps(row, ensure_ascii=False) for row in found))
    return dict(counts)


def export_memory(
    memory: Union[Memory, PathLike], file: PathLike, source_lang: str, target_lang: str, format: Optional[str] = None
) -> int:
    """Write the entries of one direction to a file, in the order in which they came. Of several entries for a text the
    one given by people is written, or else the first one of a backend. Carried spans are not written, nor are entries
    with an empty side.

    memory (Memory, str or Path): The memory or its path.
    file (str or Path): The file, written beside and renamed.
    source_lang, target_lang (str): The direction.
    format (Optional[str]): As in `read_pairs`.
    RETURNS (int): The number of entries.
    RAISES (XprojError): If there is no such memory, it has nothing in this direction, or a text cannot be written in
        the format (see `write_pairs`).
    """
    if not isinstance(memory, Memory):
        check_apart(file, [memory])
    store = (memory if isinstance(memory, Memory) else Memory(memory, read_only=True)).store

    store.check_languages(source_lang, target_lang)
    pairs = (pair for pair in store.entries(source_lang, target_lang) if not pair_problem(*pair))
    return write_pairs(file, pairs, source_lang, target_lang, format=format)


def memory_languages(memory: PathLike) -> dict[tuple[str, str], tuple[int, int]]:
    """Count what is in a memory.

    memory (str or Path): Its path.
    RETURNS (dict[(str, str), (int, int)]): By source and target language the number of entries given by people, and of
        those given by translators.
    RAISES (XprojError): If there is no such memory.
    """
    return Memory(memory, read_only=True).store.languages()
