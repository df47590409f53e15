"""Fuzz targets: the readers of all kinds of files."""

import functools
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from spacy.tokens import Doc

from spacy_xproj.corpus import Report, doc_files, read_docs, read_file, write_as, write_file
from spacy_xproj.corpus.formats import formats
from spacy_xproj.corpus.formats.pairs import FORMATS as PAIR_FORMATS
from spacy_xproj.corpus.formats.pairs import read_pairs, write_pairs
from spacy_xproj.corpus.manifest import Manifest
from spacy_xproj.files import sealed
from spacy_xproj.label_map import read_label_map
from spacy_xproj.pharaoh import read_pharaoh, write_pharaoh
from spacy_xproj.store import Store
from spacy_xproj.texts import normalize

from .fuzz_inputs import DE, EN, LABELS, damaged, damaged_json, damaged_lines, make_doc, word, words
from .fuzz_targets import TARGETS, Target, check_doc, refused, same_docs, target


@functools.cache
def known_formats() -> dict[str, Any]:
    return formats()


def write_some(rng: random.Random, folder: Path, name: str) -> Path | None:
    """A valid file of a format, as this package writes it; None if the format cannot hold the Docs."""
    form = known_formats()[name]
    payload = 1.0 if form.bitext else 0.3
    odd = rng.choice([0, 0.1])
    docs = [make_doc(rng, odd, payload) for _ in range(rng.randint(1, 4))]
    path = folder / f"in{form.suffixes[0] if form.suffixes else ''}"
    return path if refused(lambda: write_as(docs, path, name, report=Report())) else None


def read_all(path: Path, name: str | None, lenient: bool, rng: random.Random) -> list[Doc]:
    report = Report(lenient=lenient)
    tags = rng.choice([(), ("O", "B-PER", "I-PER")])
    docs = list(read_docs(path, DE, format=name, source_nlp=EN, report=report, tag_names=tags))
    for doc in docs:
        check_doc(doc)
    return docs


def make_reader(name: str) -> Target:
    def fuzz(rng: random.Random, folder: Path) -> None:
        path = write_some(rng, folder, name) or write_by_hand(rng, folder, name)
        if path is None:
            return
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            data = file.read_bytes()
            for _ in range(1):
                kind = rng.random()
                if kind < 0.4:
                    file.write_bytes(damaged(rng, data))
                elif kind < 0.7:
                    file.write_bytes(damaged_lines(rng, data))
        wanted = rng.choice([name, name, None, rng.choice(list(known_formats()))])
        lenient = rng.random() < 0.5
        seed = rng.random()
        docs = refused(lambda: read_all(path, wanted, lenient, random.Random(seed)), path)
        if docs:  # what was read can be written, and read again to the same
            whole = folder / "again.spacy"
            write_file(docs, whole)
            same_docs(docs, list(read_file(whole, DE.vocab)))

    return fuzz


def write_by_hand(rng: random.Random, folder: Path, name: str) -> Path | None:
    """A file of a format that is not written, or could not hold what was made."""
    made = folder / "in.conll"
    sentence = words(rng, 6, 0.05)
    if name == "conll2012":
        opened = ["(PER*" if k == 0 else "*)" if k == 1 else "*" for k in range(len(sentence))]
        if len(opened) == 1:
            opened = ["(PER)"]
        columns = [
            ["bc/x", "0", str(k), w, "NN", "*", "-", "-", "-", "-", e, "-"]
            for k, (w, e) in enumerate(zip(sentence, opened))
        ]
        text = (
            "#begin document (bc/x); part 000\n" + "\n".join("   ".join(row) for row in columns) + "\n\n#end document\n"
        )
    elif name == "conll":
        text = "-DOCSTART- -X- O O\n\n" + "\n".join(
            f"{w} NN O {rng.choice(['O', 'B-PER', 'I-PER', 'E-LOC'])}" for w in sentence
        )
    else:
        return None
    made.write_text(text, encoding="utf-8")
    return made


def read_bytes(name: str, data: bytes, folder: Path) -> None:
    """Read any bytes as a file of a format; what comes out holds the invariants.

    name (str): The target of its reader.
    data (bytes): The bytes.
    folder (Path): Where the file is put.
    """
    form = known_formats()[name.partition(":")[2]]
    path = folder / f"in{form.suffixes[0] if form.suffixes else ''}"
    path.write_bytes(data)
    refused(lambda: read_all(path, form.name, bool(len(data) % 2), random.Random(0)), path)


for _name in known_formats():
    TARGETS[f"read:{_name}"] = make_reader(_name)


@target
def fuzz_pairs(rng: random.Random, folder: Path) -> None:
    """Files of translations: what is written is read again, what is damaged is refused or read."""
    name = rng.choice(list(PAIR_FORMATS))
    path = folder / f"in.{name}"
    pairs = [(" ".join(words(rng, 5)), " ".join(words(rng, 5))) for _ in range(rng.randint(1, 4))]
    if refused(lambda: write_pairs(path, pairs, "en", "de")) is None:
        return
    if rng.random() < 0.2:
        found = refused(lambda: list(read_pairs(path, "en", "de")), path)
        if found is not None and name != "tsv":
            assert found == [(a, b) for a, b in pairs if a.strip() and b.strip()], "other pairs than were written"
        return
    path.write_bytes(damaged(rng, path.read_bytes()) if rng.random() < 0.6 else damaged_lines(rng, path.read_bytes()))
    counts: Counter = Counter()
    for source, there in refused(lambda: list(read_pairs(path, "en", "de", counts=counts)), path) or ():
        assert source.strip() and there.strip()
        (source + there).encode()


@target
def fuzz_pharaoh(rng: random.Random, folder: Path) -> None:
    path = folder / "in.txt"
    written = [
        np.array(sorted({(rng.randrange(9), rng.randrange(9)) for _ in range(rng.randint(0, 5))}), "i4").reshape(-1, 2)
        for _ in range(rng.randint(1, 4))
    ]
    write_pharaoh(path, written)
    assert all(map(np.array_equal, read_pharaoh(path), written))
    path.write_bytes(damaged(rng, path.read_bytes()))
    for links in refused(lambda: list(read_pharaoh(path)), path) or ():
        assert links.shape[1:] == (2,) and (links >= 0).all()


@target
def fuzz_label_map(rng: random.Random, folder: Path) -> None:
    names = {rng.choice(LABELS): rng.choice([*LABELS, ""]) for _ in range(rng.randint(1, 4))}
    path = folder / "map"
    text = json.dumps(names) if rng.random() < 0.5 else "\n".join(f"{a}={b}" for a, b in names.items())
    path.write_bytes(text.encode() if rng.random() < 0.2 else damaged(rng, text.encode()))
    found = refused(lambda: read_label_map(str(path)), path)
    assert all(key and isinstance(key, str) and isinstance(name, str) for key, name in (found or {}).items())
    given = damaged(rng, text.encode()).decode("utf-8", "replace")
    refused(lambda: read_label_map(given[:200]))


@target
def fuzz_manifest(rng: random.Random, folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    made = Manifest(out, {"input": "x"}, 2)
    for number in range(2):
        made.path(number).write_bytes(b"x")
        made.set(number, 3, {"projected": rng.randint(0, 3)})
    made.save()
    file = out / "manifest.json"
    outside = folder / "kept.spacy"
    outside.write_bytes(b"mine")
    data = json.loads(file.read_bytes())
    if rng.random() < 0.3:
        file.write_bytes(damaged(rng, file.read_bytes()))
    else:
        if rng.random() < 0.3:
            data["shards"][0]["files"] |= {
                rng.choice(["../kept.spacy", str(outside), "00001.spacy/../../kept.spacy"]): "x"
            }
        data = damaged_json(rng, data) if rng.random() < 0.8 else data
        if isinstance(data, dict) and rng.random() < 0.8:
            data = sealed({name: value for name, value in data.items() if name != "checksum"})
        file.write_text(json.dumps(data))

    def use() -> None:
        found = Manifest.read(out)
        if found is not None:
            found.unfinished(), found.is_whole(), found.totals(), found.is_finished()
            doc_files(out)
            if rng.random() < 0.3:
                found.remove()

    refused(use, out)
    assert outside.read_bytes() == b"mine"


@target
def fuzz_memory(rng: random.Random, folder: Path) -> None:
    """What people translated is found again, whatever the texts hold."""
    store = Store(folder / "m.db" if rng.random() < 0.1 else "")
    source, there = (" ".join(words(rng, 4, 0.4)) for _ in range(2))
    if refused(lambda: store.add([(source, there)], "en", "de", origin=word(rng, 0.5)) or True):
        found = store.lookup([(normalize(source), "")], "en", "de")
        assert [each.text for each in found.values()] == [there], "an entry is not found again"
    store.nearest(word(rng, 0.5), "en", "de")
