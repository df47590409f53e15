"""Docs that come back without their payload, as from an annotation tool, with the payload again."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Optional, Union

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..bitext import Bitext
from ..errors import InputError
from ..files import read_lines
from ..limits import parse_json
from .formats.payload_meta import PairIds, payload_id

PathLike = Union[str, Path]


def rejoin(
    docs: Iterable[Doc], path: PathLike, source: Iterable[Doc], source_path: PathLike, vocab: Vocab
) -> Iterator[Doc]:
    """Give Docs the payloads of others with the same ids, in whatever order.

    docs (iterable of Doc): The Docs, with the meta that their JSONL has.
    path (str or Path): Their file.
    source (iterable of Doc): Docs with payload, of which that JSONL was written.
    source_path (str or Path): Their file.
    vocab (Vocab): That of the new Docs.
    YIELDS (Doc): A Doc with payload and without entities for each of `docs`.
    RAISES (InputError): If an id is missing, is not known or comes twice, or if a text has other tokens than before.
    """
    name = PairIds()
    known: dict[str, tuple[list[str], Bitext]] = {
        name(doc): ([token.text for token in doc], doc._.xproj) for doc in source if doc._.xproj is not None
    }
    seen = set()
    for doc in docs:
        found = payload_id(doc.user_data.get("meta"))
        if not found:
            where = _line(path, "", 1)
            raise InputError(
                path, f"A record has no id in meta.xproj, by which {source_path} has its source side.", where
            )
        if found in seen:
            raise InputError(path, f"The id {found} comes twice. Leave one of the records out.", _line(path, found, 2))
        seen.add(found)
        words = [token.text for token in doc]
        if found not in known:
            raise InputError(
                path,
                f"No Doc of {source_path} has the id {found}. Is it what the file was made from?",
                _line(path, found, 1),
            )
        if words != known[found][0]:
            raise InputError(
                path,
                f"The tokens are not those of {source_path}: {words} and {known[found][0]}.",
                _line(path, found, 1),
            )
        new = Doc(vocab, words=words, spaces=[bool(token.whitespace_) for token in doc])
        new._.xproj = known[found][1]
        yield new


def _line(path: PathLike, wanted: str, nth: int) -> Optional[int]:
    """The line of the nth record with an id, if the file has a record a line."""
    seen: Counter = Counter()
    try:
        for number, line in read_lines(path):
            if line.strip():
                record = parse_json(line)
                if record.get("answer", "accept") == "accept":
                    name = payload_id(record.get("meta"))
                    seen[name] += 1
                    if name == wanted and seen[name] == nth:
                        return number
    except (ValueError, AttributeError, OSError):
        pass
    return None
