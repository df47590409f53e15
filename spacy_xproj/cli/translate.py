"""`xproj translate`: labeled source text into target Docs with the source as payload."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from spacy.cli._util import parse_config_overrides
from spacy.tokens import Doc
from tqdm import tqdm
from wasabi import msg

from ..corpus import blank, file_hash, read_docs, replacing, write_docs
from ..projection import translate as translate_docs
from .common import PathLike, config_hash, load_pipeline, show_counts


def translate(
    source: PathLike,
    out: PathLike,
    lang: str,
    config: PathLike,
    source_lang: str = "en",
    shard: int = 0,
    overrides: Optional[dict[str, Any]] = None,
    progress: bool = False,
) -> Counter:
    """Translate a labeled corpus with the `forward` translator of the config.

    source (str or Path): Labeled source corpus, of any format that `read_docs` reads.
    out (str or Path): A .spacy file, or a folder of shards. Texts without a translation are listed in
        `OUT.missing.txt` beside it; a Doc with nothing translated is left out and counted.
    lang, source_lang (str): The languages.
    config (str or Path): A config with an `xproj_translator`, or a saved pipeline.
    shard (int): Docs a shard. 0: 1000.
    overrides (Optional[dict[str, Any]]): Config values by dotted name.
    progress (bool): Show a bar.
    RETURNS (Counter): `docs`, `source_docs`, `docs_not_translated`, `sentences_not_translated`.
    RAISES (XprojError): If the input cannot be used.
    """
    nlp = load_pipeline(config, lang, overrides)
    counts: Counter = Counter()
    missing: dict[str, None] = {}
    docs = read_docs(source, blank(source_lang), counts=counts)
    translated = translate_docs(docs, nlp, source_lang=source_lang)
    kept = translated_only(tqdm(translated, unit="doc", disable=not progress), counts, missing)
    out = Path(out)
    write_docs(kept, out, shard=shard, key={"input": file_hash(source), "config": config_hash(nlp)})
    listed = out.with_name(f"{out.name}.missing.txt")
    listed.unlink(missing_ok=True)
    if missing:
        with replacing(listed) as beside:
            beside.write_text("".join(f"{text}\n" for text in missing), encoding="utf-8")
    return +counts


def translated_only(docs: Iterable[Doc], counts: Counter, missing: dict[str, None]) -> Iterator[Doc]:
    for doc in docs:
        counts["source_docs"] += 1
        for (a, b), (c, d) in doc._.xproj.sents:
            if b > a and d == c:
                counts["sentences_not_translated"] += 1
                words, spaces = doc._.xproj.words, doc._.xproj.spaces
                text = "".join(words[i] + " " * spaces[i] for i in range(a, b)).strip()
                missing[text.replace("\n", " ")] = None
        if len(doc):
            counts["docs"] += 1
            yield doc
        else:
            counts["docs_not_translated"] += 1


def translate_cli(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Labeled source corpus.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .spacy file, or a folder of shards.")],
    lang: Annotated[str, typer.Option(help="Target language.")],
    config: Annotated[Path, typer.Option(help="Config with an xproj_translator, or a saved pipeline.")],
    source_lang: Annotated[str, typer.Option(help="Source language.")] = "en",
    shard: Annotated[int, typer.Option(min=0, help="Docs a shard, where OUT is a folder. 0: 1000.")] = 0,
) -> None:
    """Translate labeled source text into target text that carries it as payload. Config values can be given as
    --section.name VALUE, as for 'spacy train'."""
    counts = translate(source, out, lang, config, source_lang, shard, parse_config_overrides(ctx.args), progress=True)
    if not counts["docs"]:
        msg.warn("Nothing was translated: is the translation memory filled, and for these languages?")
    msg.good(f"Wrote {counts['docs']} of {counts['source_docs']} Docs to {out}")
    if counts["sentences_not_translated"]:
        msg.warn(f"Sentences without a translation are listed in {out}.missing.txt")
    show_counts(counts)
