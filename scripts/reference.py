"""Writes the pages of the reference that only repeat what is in the code: the verbs, and the shipped configs.

A hook of mkdocs: the pages are part of the site, and no files.
"""

import re

import typer.cli
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import spacy_xproj.cli
from spacy_xproj.shipped import describe, shipped_configs

VERBS = """
The program is `xproj`; `python -m spacy xproj` is the same. Exit code 0: the verb did its work. 1: it did not, and one
message says why. 2: the command line is wrong. 3: the output is written, and some Docs were set aside. 130: Ctrl-C.
Verbs that take `--config` also take values of the config as options, such as
`--components.xproj_matcher.min_score 0.3`.

"""
CONFIGS = """# Configs

These configs come with the package. `--config NAME` finds each of them; a file or folder of that name comes first.
`spacy train` takes files alone: `xproj config ner_cpu ner.cfg` writes one. Everything under `[paths]` is an option of
the verbs and of `spacy train`, such as `--paths.encoder FOLDER`.
"""


def verbs() -> str:
    """Return the page of all verbs, as typer documents them."""
    command = typer.main.get_command(spacy_xproj.cli.app)
    text = typer.cli.get_docs_for_click(obj=command, ctx=typer.Context(command), name="xproj")
    head, _, rest = text.partition("\n## ")
    return f"# Verbs\n{VERBS}" + head.partition("\n")[2].partition("**Commands**")[0] + f"\n## {rest}"


def configs() -> str:
    """Return the page of the configs: the comment that each begins with, and its text."""
    rows = "".join(f"| [`{name}`](#{name}) | {describe(name)} |\n" for name in shipped_configs())
    return f"{CONFIGS}\n| config | what it is |\n|---|---|\n{rows}" + "".join(
        _config(name, path.read_text(encoding="utf-8")) for name, path in shipped_configs().items()
    )


def _config(name: str, text: str) -> str:
    comment, rest = re.fullmatch(r"((?:#[^\n]*\n)*)(.*)", text, re.S).groups()  # type: ignore[union-attr]
    said = re.sub(r"^# ?", "", comment, flags=re.M)
    said = re.sub(r"^\[.*", lambda found: f"```ini\n{found[0].strip()}\n```\n", said, flags=re.M | re.S)
    folded = "".join(f"    {line}" for line in f"```ini\n{rest.strip()}\n```\n".splitlines(keepends=True))
    return f'\n## {name}\n\n{said}\n??? note "{name}.cfg"\n\n{folded}'


PAGES = {"reference/verbs.md": verbs, "reference/configs.md": configs}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to the site."""
    for path, write in PAGES.items():
        files.append(File.generated(config, path, content=write()))
    return files


def on_page_content(html: str, **kwargs: object) -> str:
    """Keep intervals and the names of data sets in tables on one line."""
    html = re.sub(r"(?<=[\d.]) to (?=[-+−]?[\d.])", "&nbsp;to&nbsp;", html)
    return re.sub(r"(<td>\w+/en)-(?=\w+)", r"\1&#8209;", html)
