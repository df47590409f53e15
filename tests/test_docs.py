"""The fenced Python examples of the README and the docs run, and print what their comments say."""

import re
from pathlib import Path

import pytest
from spacy.util import load_model_from_config
from thinc.api import Config

ROOT = Path(__file__).resolve().parent.parent
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```python\n(.*?)^```", re.S | re.M)
PRINTED = re.compile(r"^\s*print\(.*\)  # (.+)$", re.M)
EXAMPLES = [
    pytest.param(code, id=f"{path.name}-{number}")
    for path in FILES
    for number, code in enumerate(FENCE.findall(path.read_text(encoding="utf-8")), 1)
]
INI = re.compile(r"^```ini\n(.*?)^```", re.S | re.M)
BLOCKS = [
    pytest.param(block, id=f"{path.name}-{number}")
    for path in FILES
    for number, block in enumerate(INI.findall(path.read_text(encoding="utf-8")), 1)
    if "my_rest.v1" not in block  # which another test makes first
]
PLAIN = """
[nlp]
lang = "es"
pipeline = ["PIPE"]

[components]

[components.PIPE]
factory = "PIPE"
"""


def test_there_are_examples():
    assert len(EXAMPLES) >= 4 and len(BLOCKS) >= 4


@pytest.mark.parametrize("block", BLOCKS)
def test_config(block, tmp_path, monkeypatch):
    """What is shown of a config makes a pipeline; the models that it names are not here."""
    monkeypatch.chdir(tmp_path)
    block = re.sub(r'^model = "[^"]+"$', 'model = ""', block, flags=re.M)
    if "[nlp]" not in block:
        block = PLAIN.replace("PIPE", re.findall(r"^\[components\.(\w+)", block, re.M)[0]) + block
    config = Config().from_str(block, interpolate=False)
    nlp = load_model_from_config(config, auto_fill=True)
    assert nlp.pipe_names == config["nlp"]["pipeline"]


@pytest.mark.parametrize("code", EXAMPLES)
def test_example(code, capsys):
    exec(compile(code, "example", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out.splitlines() == PRINTED.findall(code)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
