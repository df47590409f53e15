"""Fill a translation memory from a TSV, JSONL or TMX file. The text of the file replaces what the memory had."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from wasabi import msg

from spacy_xproj.cli.common import handle_errors
from spacy_xproj.memory_files import import_memory


@handle_errors
def main(
    file: Annotated[Path, typer.Argument(help="Translations: .tsv, .jsonl or .tmx.")],
    memory: Annotated[Path, typer.Argument(help="The memory, made if it is not there.")],
    lang: Annotated[str, typer.Option(help="Target language.")],
    source_lang: Annotated[str, typer.Option(help="Source language.")] = "en",
    encoding: Annotated[Optional[str], typer.Option(help="Encoding of the file. By default UTF-8.")] = None,
) -> None:
    memory.parent.mkdir(parents=True, exist_ok=True)
    counts = import_memory(memory, file, source_lang, lang, overwrite=True, encoding=encoding)
    msg.good(f"{memory}: " + ", ".join(f"{n} {name}" for name, n in counts.items()))


if __name__ == "__main__":
    typer.run(main)
