"""Install the wheel of a pipeline in a clean environment and run it on a sentence, without a network.

The environment is a new virtual environment into which the packages of this one are linked, without spacy-xproj and
without the pipeline itself: what is trained on projected data must load where spacy-xproj is not installed.
"""

import json
import subprocess
import sysconfig
import tempfile
import venv
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from spacy_xproj.cli.common import handle_errors
from spacy_xproj.errors import XprojError
from spacy_xproj.files import write_json

RUN = """
import importlib, importlib.util, json, sys
name, text = sys.argv[1:]
assert importlib.util.find_spec("spacy_xproj") is None, "spacy_xproj is in the clean environment"
package = importlib.import_module(name)
assert package.__file__.startswith(sys.prefix), package.__file__
doc = package.load()(text)
print(json.dumps([[ent.text, ent.label_] for ent in doc.ents]))
"""


def make_environment(folder: Path, hidden: tuple[str, ...]) -> Path:
    """Make a virtual environment with the packages of this one, apart from those whose files begin with `hidden`.

    RETURNS (Path): Its Python.
    """
    venv.create(folder, with_pip=False)
    scheme = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
    for kind in ("purelib", "platlib"):
        site = Path(sysconfig.get_path(kind, scheme, {"base": str(folder), "platbase": str(folder)}))
        site.mkdir(parents=True, exist_ok=True)
        for entry in Path(sysconfig.get_path(kind)).iterdir():
            plain = entry.name.lower().removeprefix("__editable__").strip("._").replace("-", "_")
            if not plain.startswith(hidden) and not (site / entry.name).exists():
                (site / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


@handle_errors
def main(
    wheel: Annotated[Path, typer.Argument(help="The wheel.", exists=True)],
    texts: Annotated[Path, typer.Argument(help="JSONL with texts; the first with entities is taken.", exists=True)],
    output: Annotated[Path, typer.Argument(help="What was found, .json.")],
) -> None:
    records = [json.loads(line) for line in texts.read_text(encoding="utf-8").splitlines()]
    text = next(record["text"] for record in records if record["spans"])
    name = wheel.name.split("-")[0]
    with tempfile.TemporaryDirectory() as folder:
        python = make_environment(Path(folder) / "env", ("spacy_xproj", name.lower()))
        install = [python, "-I", "-m", "pip", "install", "--quiet", "--no-index", wheel.resolve()]
        run = [python, "-I", "-c", RUN, name, text]
        for command in (install, run):
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
            if done.returncode:
                raise XprojError(
                    f"{wheel.name} could not be {'run' if command is run else 'installed'}:\n{done.stderr}"
                )
    ents = json.loads(done.stdout)
    write_json(output, {"wheel": wheel.name, "text": text, "ents": ents})
    msg.good(f"{wheel.name} works in a clean environment")
    msg.text(text)
    msg.table(ents, aligns=("l", "l"))


if __name__ == "__main__":
    typer.run(main)
