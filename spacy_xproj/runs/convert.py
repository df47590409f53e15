"""Convert corpora from one format into another."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Optional

from spacy.tokens import Doc

from ..corpus import FORMATS, blank, read_docs, write_conll, write_file, write_jsonl
from ..errors import XprojError
from ..files import locked
from ..keys import run_key
from .pipelines import PathLike, is_single
from .shards import write_shards

WRITERS = {".conll": write_conll, ".jsonl": write_jsonl}


def convert(
    input: PathLike,
    output: PathLike,
    lang: str = "en",
    source_lang: Optional[str] = None,
    format: Optional[str] = None,
    shard: int = 0,
) -> Counter:
    """Convert a corpus.

    input (str or Path): A file or folder that `read_docs` can read.
    output (str or Path): A file that ends in .spacy, .jsonl or .conll, else a folder of .spacy shards.
    lang (str): Language code of the texts, on whose rules raw text is split into tokens.
    source_lang (Optional[str]): Language code of the source side of a bitext.
    format (Optional[str]): Format of the input. None: by its ending.
    shard (int): Docs a shard. 0: 1000.
    RETURNS (Counter): The numbers of `docs`, `tokens` and `ents`, and of whatever was worth a remark.
    RAISES (XprojError): If the input cannot be used or the output cannot be written so.
    """
    output, counts = Path(output), Counter[str]()
    ending = output.suffix.lower()
    if ending[1:] in FORMATS and ending != ".spacy" and ending not in WRITERS:
        raise XprojError(
            f"{output}: cannot write the format {ending!r}. Give a file that ends in .spacy, .jsonl or "
            ".conll, or a folder for shards."
        )
    if shard and (ending in WRITERS or is_single(output)):
        raise XprojError(f"{output}: --shard needs a folder as output: a name without such an ending.")
    source_nlp = None if source_lang is None else blank(source_lang)
    docs = read_docs(input, blank(lang), format=format, counts=counts, source_nlp=source_nlp)
    counted = count_docs(docs, counts)
    with locked(output):
        if ending in WRITERS:
            WRITERS[ending](counted, output, counts=counts)
        elif is_single(output):
            write_file(counted, output)
        else:
            options = {"language": lang, "source language": source_lang, "format": format, "shard size": shard}
            counts = write_shards(counted, output, key=run_key({"input": input}, options), shard=shard, counts=counts)
    return +counts


def count_docs(docs: Iterable[Doc], counts: Counter) -> Iterator[Doc]:
    """Count in passing `docs`, `tokens` and `ents`."""
    for doc in docs:
        counts.update(docs=1, tokens=len(doc), ents=len(doc.ents))
        yield doc
