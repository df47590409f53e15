"""Docs on disk: one .spacy file, or a folder of numbered shards with a manifest."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Optional, Union

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from .. import __version__
from ..errors import InputError, XprojError
from ..files import file_hash, folder_beside, replacing

MANIFEST = "manifest.json"
FORMAT = 1
SHARD = 1000
PathLike = Union[str, Path]


def doc_files(path: PathLike) -> list[Path]:
    """The .spacy files of a corpus.

    path (str or Path): A file, or a folder of shards. Without a manifest all its .spacy files are taken.
    RETURNS (list of Path): The file, or the shards in order.
    RAISES (InputError): If there is nothing, a shard is missing, or the folder was not finished.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(path, None, "There is no such file or folder.")
    manifest = _load(path)
    if manifest is None:
        files = sorted(path.glob("[!.]*.spacy"))
    else:
        files = [path / entry["file"] for entry in manifest["shards"]]
        for file, entry in zip(files, manifest["shards"]):
            if "sha256" not in entry:
                raise InputError(path, None, f"The shard {file.name} was not finished. Run what writes it once more.")
            if not file.is_file():
                raise InputError(path, None, f"The shard {file.name} is missing. Run its writer once more.")
    if not files:
        raise InputError(path, None, "Expected .spacy files in the folder, found none.")
    return files


def read_file(path: PathLike, vocab: Vocab) -> Iterator[Doc]:
    """The Docs of one .spacy file, with their user data.

    path (str or Path): The file.
    vocab (Vocab): The vocab of the Docs.
    YIELDS (Doc): The Docs.
    RAISES (InputError): If it is not such a file.
    """
    try:
        yield from DocBin().from_disk(path).get_docs(vocab)
    except Exception as err:  # zlib, msgpack, numpy and spaCy all raise their own
        reason = f"{type(err).__name__}: {err}"
        raise InputError(path, None, f"Expected a .spacy file that spaCy's DocBin can read ({reason}).") from err


def write_file(docs: Iterable[Doc], path: PathLike) -> int:
    """Write one .spacy file, with user data. It is put in its place once it is whole.

    docs (iterable of Doc): The Docs.
    path (str or Path): The file.
    RETURNS (int): How many were written.
    """
    docbin = DocBin(docs=docs, store_user_data=True)
    with replacing(path) as beside:
        beside.write_bytes(docbin.to_bytes())
    return len(docbin)


def write_docs(
    docs: Iterable[Doc],
    out: PathLike,
    *,
    shard: int = 0,
    key: Optional[dict[str, str]] = None,
    counts: Optional[Counter] = None,
) -> int:
    """Write Docs to one file, or to a folder of shards. An exception on the way leaves what was there before.

    docs (iterable of Doc): The Docs.
    out (str or Path): A file if it ends in .spacy, else a folder, which must be new, empty or have a
        manifest.
    shard (int): Docs a shard. 0: 1000.
    key (Optional[dict[str, str]]): For the manifest: what the Docs were made from, such as hashes of the
        input.
    counts (Optional[Counter]): For the manifest: what is counted while `docs` runs.
    RETURNS (int): How many were written.
    RAISES (XprojError): If the folder holds other things.
    """
    out, docs, counts = Path(out), iter(docs), Counter() if counts is None else counts
    if out.suffix.lower() == ".spacy":
        return write_file(docs, out)
    _check_folder(out)
    entries: list[dict] = []
    with folder_beside(out) as beside:
        while True:
            before = Counter(counts)
            file = beside / _name(len(entries))
            n = write_file(islice(docs, shard or SHARD), file)
            if not n:
                break
            entries.append(_entry(file, n, counts - before))
        if entries:  # what was counted after the last Doc
            entries[-1]["counts"] = _plain(counts - before + Counter(entries[-1]["counts"]))
        manifest = _start(out, key or {}, len(entries))
        for entry in entries:
            os.replace(beside / entry["file"], out / entry["file"])
    manifest["shards"] = entries
    return _save(out, manifest)["docs"]


def run_shards(
    inputs: Sequence[Path],
    out: PathLike,
    work: Callable[[Path, Path], dict],
    *,
    key: dict[str, str],
    n_process: int = 1,
    progress: Optional[Callable[[int, int], Any]] = None,
) -> Counter:
    """Make one output shard of each input shard. Finished shards are kept in the manifest, so that a run with
    the same key goes on where the last one stopped; a shard that was changed since is made anew. With another
    key, number of inputs or version of this package, what the manifest lists is removed and everything is
    made anew.

    inputs (sequence of Path): The input files.
    out (str or Path): The folder, which must be new, empty or have a manifest.
    work (Callable[[Path, Path], dict]): Reads an input, writes its output in one go (`write_file`), and
        returns what it counted; `docs` among it saves counting them again. With several processes it must be
        picklable.
    key (dict[str, str]): What the result depends on, such as hashes of the input, the config and the
        pipeline.
    n_process (int): Number of worker processes. The result does not depend on it.
    progress (Optional[Callable[[int, int], Any]]): Called with the numbers of finished and of all shards.
    RETURNS (Counter): The counts of all shards, also of those made by earlier runs.
    RAISES (XprojError): If the folder holds other things.
    """
    out = Path(out)
    if out.suffix.lower() == ".spacy":
        raise XprojError(f"{out}: several shards need a folder, that is a name that does not end in .spacy.")
    if any(Path(file).parent.resolve() == out.resolve() for file in inputs):
        raise XprojError(f"{out}: the output folder holds the inputs. Give another one.")
    _check_folder(out)
    manifest = _load(out)
    if manifest is None or any(manifest.get(k) != v for k, v in _header(key, len(inputs)).items()):
        manifest = _start(out, key, len(inputs))
    entries = manifest["shards"]
    todo = [i for i, entry in enumerate(entries) if not _intact(out, entry)]
    for i in todo:
        entries[i] = {"file": _name(i)}

    def report() -> None:
        if progress is not None:
            progress(sum("sha256" in entry for entry in entries), len(entries))

    def finish(i: int, counts: dict) -> None:
        file = out / _name(i)
        if not file.is_file():
            raise XprojError(f"The work of a shard must write its output, but {file} is not there.")
        n = counts["docs"] if "docs" in counts else len(DocBin().from_disk(file))
        entries[i] = _entry(file, n, counts)
        _save(out, manifest)
        report()

    _save(out, manifest)
    report()
    if n_process <= 1 or len(todo) <= 1:
        for i in todo:
            finish(i, work(inputs[i], out / _name(i)))
        return _totals(manifest)
    # "spawn": forked children of a process that uses threads, as torch does, can hang.
    with ProcessPoolExecutor(min(n_process, len(todo)), mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(work, inputs[i], out / _name(i)): i for i in todo}
        try:
            for future in as_completed(futures):
                finish(futures[future], future.result())
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            for future, i in futures.items():
                if "sha256" not in entries[i] and not future.cancelled() and future.exception() is None:
                    finish(i, future.result())
            raise
    return _totals(manifest)


def split_file(path: PathLike, folder: PathLike, shard: int = 0) -> list[Path]:
    """Split a .spacy file into a folder of shards. A folder that has them already is left as it is.

    path (str or Path): The file.
    folder (str or Path): The folder, which must be new, empty or have a manifest.
    shard (int): Docs a shard. 0: 1000.
    RETURNS (list of Path): The shards in order.
    """
    folder, shard = Path(folder), shard or SHARD
    key = {"input": file_hash(path), "shard": str(shard)}
    manifest = _load(folder)
    done = manifest is not None and (manifest["version"], manifest["key"]) == (__version__, key)
    if manifest is None or not done or not all(_intact(folder, entry) for entry in manifest["shards"]):
        write_docs(read_file(path, Vocab()), folder, shard=shard, key=key)
    return doc_files(folder)


def _name(i: int) -> str:
    return f"{i:05d}.spacy"


def _header(key: dict[str, str], n: int) -> dict[str, Any]:
    return {"format": FORMAT, "version": __version__, "key": key, "n_shards": n}


def _entry(file: Path, n: int, counts: dict) -> dict:
    return {"file": file.name, "docs": n, "sha256": file_hash(file), "counts": _plain(counts)}


def _plain(counts: dict) -> dict:
    return {name: counts[name] for name in sorted(counts) if name != "docs" and counts[name]}


def _intact(folder: Path, entry: dict) -> bool:
    file = folder / entry["file"]
    return file.is_file() and entry.get("sha256") == file_hash(file)


def _totals(manifest: dict) -> Counter:
    totals: Counter = Counter(docs=0)
    for entry in manifest["shards"]:
        totals.update({**entry.get("counts", {}), "docs": entry.get("docs", 0)})
    return totals


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise XprojError(f"{folder} is a file. Give a name that ends in .spacy, or one of a folder.")
    if folder.is_dir() and _load(folder) is None and any(folder.iterdir()):
        raise XprojError(f"{folder} is not empty and has no {MANIFEST}. Remove it, or give another folder.")


def _load(folder: Path) -> Optional[dict]:
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        manifest = json.loads(path.read_bytes())
        _ = manifest["format"], manifest["version"], manifest["key"]
        names = [entry["file"] for entry in manifest["shards"]]
    except (ValueError, KeyError, TypeError) as err:
        raise InputError(path, None, f"Expected the manifest of a folder of shards ({err!r}).") from None
    # Files are removed by these names: they must not lead out of the folder.
    if names != [_name(i) for i in range(len(names))]:
        raise InputError(path, None, f"Expected shards named {_name(0)}, {_name(1)} and so on, got {names[:5]}.")
    return manifest


def _save(folder: Path, manifest: dict) -> Counter:
    totals = _totals(manifest)
    data = json.dumps({**manifest, "totals": dict(sorted(totals.items()))}, indent=2, ensure_ascii=False)
    with replacing(folder / MANIFEST) as beside:
        beside.write_text(data + "\n", encoding="utf-8")
    return totals


def _start(folder: Path, key: dict[str, str], n: int) -> dict:
    """A new manifest with nothing done, after the files of the old one were removed."""
    old = _load(folder)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {**_header(key, n), "shards": [{"file": _name(i)} for i in range(n)]}
    for entry in [] if old is None else old["shards"]:
        (folder / entry["file"]).unlink(missing_ok=True)
    _save(folder, manifest)
    return manifest
