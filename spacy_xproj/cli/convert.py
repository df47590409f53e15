"""`xproj convert`: corpora from one format into another."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Optional, Union

import typer
from spacy.tokens import Doc
from wasabi import msg

from ..corpus import FORMATS, blank, file_hash, read_docs, write_conll, write_docs, write_jsonl
from ..errors import XprojError

WRITERS = {".conll": write_conll, ".jsonl": write_jsonl}


def convert(
    input: Union[str, Path],
    output: Union[str, Path],
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
    if shard and (ending in WRITERS or ending == ".spacy"):
        raise XprojError(f"{output}: --shard needs a folder as output: a name without such an ending.")
    source_nlp = None if source_lang is None else blank(source_lang)
    docs = read_docs(input, blank(lang), format=format, counts=counts, source_nlp=source_nlp)
    counted = _counted(docs, counts)
    if ending in WRITERS:
        WRITERS[ending](counted, output, counts=counts)
    elif ending == ".spacy":
        write_docs(counted, output)
    else:
        settings = {
            "lang": lang,
            "source_lang": source_lang or "",
            "format": format or "",
            "shard": str(shard),
        }
        write_docs(counted, output, shard=shard, key={"input": file_hash(input), **settings}, counts=counts)
    return +counts


def convert_cli(
    input: Annotated[Path, typer.Argument(metavar="IN", help="File, or folder of shards, to read.")],
    output: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="File (.spacy, .jsonl, .conll), or folder of shards, to write."),
    ],
    lang: Annotated[str, typer.Option(help="Language code of the texts.")] = "en",
    source_lang: Annotated[
        Optional[str], typer.Option(help="Language code of the source side, for a bitext (.tsv).")
    ] = None,
    format: Annotated[
        Optional[str], typer.Option(help=f"Format of IN: {', '.join(FORMATS)}. By default its ending.")
    ] = None,
    shard: Annotated[int, typer.Option(min=0, help="Docs a shard, where OUT is a folder. 0: 1000.")] = 0,
) -> None:
    """Convert CoNLL/IOB2, JSONL, TSV bitext or .spacy into .spacy, JSONL or CoNLL."""
    counts = convert(input, output, lang, source_lang, format, shard)
    msg.good(f"Wrote {counts.pop('docs', 0)} Docs to {output}")
    msg.table([(name.replace("_", " "), n) for name, n in sorted(counts.items())], aligns=("l", "r"))


def _counted(docs: Iterable[Doc], counts: Counter) -> Iterator[Doc]:
    for doc in docs:
        counts.update(docs=1, tokens=len(doc), ents=len(doc.ents))
        yield doc
