"""The manifest of a folder of shards: what it was made from, and which of its shards are finished."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any, Optional

from ..errors import InputError, XprojError
from ..files import check_locks, file_hash, is_intact, unsealed, write_state

MANIFEST = "manifest.json"
FORMAT = 3
FEW = 100  # shards
REJECTED = ".rejected.jsonl"
NAME = re.compile(r"([0-9]{5,})\.(spacy|rejected\.jsonl)")  # of what may be written, and removed, in the folder
PART = re.compile(r"\.(.+)\.[0-9]+\.tmp")  # what a process that was killed was writing


class Manifest:
    """A folder of shards. The manifest is the truth: a file that it does not list is not part of the corpus.

    folder (Path): The folder.
    key (mapping of str to str): What the shards are made from. See `spacy_xproj.keys`.
    total (Optional[int]): The number of shards; None as long as it is not known.
    shards (list of dict): Those that are finished or known of, in order: `files`, the names and hashes of what belongs
        to the shard, its Docs first; `docs`, how many; `counts`, what was counted. An unfinished one is {}.
    counts (mapping of str to int): What was counted beside that, in the input as a whole.
    """

    def __init__(
        self,
        folder: Path,
        key: Mapping[str, str],
        total: Optional[int] = None,
        shards: Optional[list[dict]] = None,
        counts: Mapping[str, int] = {},
    ):
        self.folder, self.key, self.total, self.counts = folder, dict(key), total, plain(counts)
        self.shards: list[dict[str, Any]] = [{} for _ in range(total or 0)] if shards is None else shards
        self.saved, self.took = 0.0, 0.0  # when it was written, and for how long, in seconds

    @classmethod
    def read(cls, folder: Path) -> Optional["Manifest"]:
        """Read the manifest in a folder.

        folder (Path): The folder.
        RETURNS (Optional[Manifest]): None if the folder has none.
        RAISES (InputError): If it is not a manifest.
        """
        path = folder / MANIFEST
        if not path.exists():
            return None
        try:
            data = unsealed(path.read_bytes())
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']}, not {FORMAT}")
            key, total, shards, counts = (data[name] for name in ("key", "n_shards", "shards", "counts"))
            if type(total) not in (int, type(None)) or len(shards) > (total or len(shards)):
                raise ValueError(f"{len(shards)} shards of {total!r}")
            # Files are removed by these names: they must not lead out of the folder.
            for number, shard in enumerate(shards):
                for name in shard and [shard_name(number), *shard["files"]]:
                    if not NAME.fullmatch(name) or name not in shard["files"]:
                        raise ValueError(f"a shard with the files {list(shard['files'])}")
                check_counts({**shard.get("counts", {}), "docs": shard.get("docs", 0)})
            return cls(folder, key, total, shards, check_counts(counts))
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise InputError(
                path,
                f"Expected the manifest of a folder of shards ({err}). If it is that of a run that was stopped, remove "
                "the folder, and run the same command once more.",
            ) from None

    def save(self) -> None:
        """Write it."""
        begin = monotonic()
        data = {"format": FORMAT, "key": self.key, "n_shards": self.total, "shards": self.shards, "counts": self.counts}
        write_state(self.folder / MANIFEST, {**data, "totals": dict(sorted(self.totals().items()))})
        self.saved = monotonic()
        self.took = self.saved - begin

    def save_in_time(self) -> None:
        """Write it after a shard. That of many thousand shards takes long to write, beside the work on one of them:
        then it waits until as much was done that writing takes a twentieth of the time."""
        if len(self.shards) <= FEW or monotonic() - self.saved >= 20 * self.took:
            self.save()

    def path(self, number: int) -> Path:
        """The file of a shard, counted from 0."""
        return self.folder / shard_name(number)

    def is_intact(self, number: int) -> bool:
        """Whether a shard is finished, and its files are as they were written."""
        files = self.shards[number].get("files", {}) if number < len(self.shards) else {}
        return bool(files) and all(is_intact(self.folder / name, state) for name, state in files.items())

    def unfinished(self) -> list[int]:
        """The numbers of the shards that are still to be made, of those whose number is known."""
        return [number for number in range(len(self.shards)) if not self.is_intact(number)]

    def is_whole(self) -> bool:
        """Whether all shards were finished, be they still as they were written or not."""
        return self.total == len(self.shards) and all(self.shards)

    def is_finished(self) -> bool:
        """Whether all shards are there as they were written."""
        return self.total == len(self.shards) and not self.unfinished()

    def set(self, number: int, docs: int, counts: Mapping[str, int]) -> None:
        """Note that a shard is finished.

        number (int): Counted from 0.
        docs (int): How many Docs are in it.
        counts (mapping of str to int): What was counted.
        """
        path = self.path(number)
        files = [file for file in (path, path.with_suffix(REJECTED)) if file.is_file()]
        if path not in files:
            raise XprojError(f"The work of a shard must write its output, but {path} is not there.")
        shard = {"files": {file.name: file_hash(file) for file in files}, "docs": docs, "counts": plain(counts)}
        self.shards[number : number + 1] = [shard]

    def totals(self) -> Counter:
        """What was counted in all shards, `docs` among it."""
        totals: Counter = Counter({"docs": 0, **self.counts})
        for shard in self.shards:
            totals.update({**shard.get("counts", {}), "docs": shard.get("docs", 0)})
        return totals

    def remove(self, first: int = 0) -> None:
        """Remove the shards from one on, also what was written and not noted yet. With the first shard the manifest
        goes too, and the folder if nothing else is in it. Files with higher numbers than those are not shards."""
        check_locks()
        end = max(len(self.shards), self.total or 0) + 1  # of unknown many, the next one can have been written
        while self.total is None and len(self.shards) >= FEW and self.path(end).exists():  # and more: `save_in_time`
            end += 1
        for file in [*self.folder.iterdir()]:
            if (match := NAME.fullmatch(PART.sub(r"\1", file.name))) and first <= int(match[1]) < end:
                file.unlink()
        del self.shards[first:]
        if not first:
            (self.folder / MANIFEST).unlink(missing_ok=True)
            if not any(self.folder.iterdir()):
                self.folder.rmdir()


def check_counts(counts: Mapping[str, Any]) -> Mapping[str, int]:
    """Return counts, if they are. RAISES (ValueError): If one is no number."""
    if wrong := [value for value in counts.values() if type(value) is not int or value < 0]:
        raise ValueError(f"a count of {wrong[0]!r}")
    return counts


def shard_name(number: int) -> str:
    """The name of a shard, counted from 0."""
    return f"{number:05d}.spacy"


def plain(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts without those of Docs and those that are 0, in alphabetical order."""
    return {name: n for name, n in sorted(counts.items()) if name != "docs" and n}
