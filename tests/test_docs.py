"""The examples of the README and the docs run, and the verbs, options, programs, files and links in them exist."""

import ast
import re
import shlex
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest
import spacy
import srsly
import typer
from spacy.util import load_model_from_config, registry
from thinc.api import Config
from weasel.util.config import substitute_project_variables

import spacy_xproj
from scripts.ranker_data import GIVEN
from scripts.reference import PAGES
from spacy_xproj.cli import app, main

ROOT = Path(__file__).resolve().parent.parent
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(path):
    return path.relative_to(ROOT).as_posix().removeprefix("docs/")


FENCE = re.compile(r"^```python\n(.*?)^```", re.S | re.M)
PRINTED = re.compile(r"^\s*print\(.*\)  # (.+)$", re.M)
EXAMPLES = [
    pytest.param(code, id=f"{name_of(path)}-{number}", marks=pytest.mark.slow if "train(" in code else ())
    for path in FILES
    for number, code in enumerate(FENCE.findall(path.read_text(encoding="utf-8")), 1)
]
INI = re.compile(r"^```ini\n(.*?)^```", re.S | re.M)
BLOCKS = [
    pytest.param(block, id=f"{name_of(path)}-{number}")
    for path in FILES
    for number, block in enumerate(INI.findall(path.read_text(encoding="utf-8")), 1)
    if "my_rest.v1" not in block  # which another test makes first
]
WRITTEN = {ROOT / "docs" / page for page in PAGES}  # when the site is built, which checks the links to them
VERBS = typer.main.get_command(app).commands
CALL = re.compile(r"(?:^|python -m spacy |`)xproj ([a-z]+ .*?)(?:`|$)", re.M)
SYMPTOMS = {
    "Most entities are missing, but there is no error"
}  # headings of the troubleshooting page without a message
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
    if "[initialize.before_init]" in block:
        initialize = Config().from_str(f"[initialize]\n{block}")["initialize"]
        assert registry.resolve(initialize)["before_init"](spacy.blank("xx")).meta["xproj_lang"]
        return
    if block.startswith("[initialize.after_init]"):
        initialize = Config().from_str(f"[initialize]\n{block}")["initialize"]
        assert callable(registry.resolve(initialize)["after_init"])
        return
    if "[nlp]" not in block:
        block = PLAIN.replace("PIPE", re.findall(r"^\[components\.(\w+)", block, re.M)[0]) + block
    config = Config().from_str(block, interpolate=False)
    nlp = load_model_from_config(config, auto_fill=True)
    assert nlp.pipe_names == config["nlp"]["pipeline"]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # spacy package leaves a README open
@pytest.mark.parametrize("code", EXAMPLES)
def test_example(code, capsys, tmp_path, monkeypatch):
    """In a folder with a little parallel text and an English pipeline, which some of them read."""
    monkeypatch.chdir(tmp_path)
    people = ["Anna", "Peter", "Ruth", "John"]
    places = ["Gulu", "Kampala", "Masaka", "Mbale", "Jinja", "Arua", "Lira", "Soroti", "Tororo", "Kasese"]
    for file, verb in {"train.en": "lives in", "train.lug": "abeera mu"}.items():
        lines = [f"{person} {verb} {place}.\n" for person in people for place in places]
        Path(file).write_text("".join(lines), encoding="utf-8")
    names = {"PERSON": people, "GPE": places, "ORG": ["UN"], "FAC": ["Owen Falls"]}
    english = spacy.blank("en")
    patterns = [{"label": label, "pattern": name} for label, known in names.items() for name in known]
    english.add_pipe("entity_ruler").add_patterns(patterns)
    english.to_disk("en_core_web_sm")
    code = code.replace("overrides=paths", 'overrides={**paths, "training.max_steps": 20}')
    exec(compile(code, "example", "exec"), {"__name__": "example"})
    if not re.search(r"train\(", code):
        assert capsys.readouterr().out.splitlines() == PRINTED.findall(code)


def anchors(text):
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.+)$", text, re.M)}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_links_lead_somewhere(path):
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", path.read_text(encoding="utf-8")):
        file = path.parent / target if target else path
        if file.resolve() in WRITTEN or target.startswith("https://"):
            continue
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), f"{target}#{anchor}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_what_is_named_is_there(path):
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"`?((?:configs|docs|scripts|assets|benchmarks)/[\w./-]+\w)", text):
        assert (ROOT / name).exists() or name in GIVEN, name
    for name in re.findall(r"python -m ((?:benchmarks|scripts)[\w.]*)", text):
        assert find_spec(name), name
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert {*re.findall(r"^make ([\w-]+)|`make ([\w-]+)`", text, re.M)} <= {(t, "") for t in targets} | {
        ("", t) for t in targets
    }


def options(verb):
    """The options of a verb; of one that has verbs of its own, all of theirs."""
    own = {name for param in verb.params for name in param.opts}
    return own.union(*map(options, getattr(verb, "commands", {}).values()))


def calls():
    """All calls of verbs in the docs, the comments of configs and the project's steps: the file and the words."""
    for path in (*FILES, *sorted((ROOT / "configs").glob("*.cfg"))):
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        yield from ((path.name, shlex.split(call)) for call in CALL.findall(text) if "--" in call)
    project = srsly.read_yaml(ROOT / "project.yml")
    for command in substitute_project_variables(project)["commands"]:
        for line in command["script"]:
            yield from ((command["name"], shlex.split(call)) for call in CALL.findall(line))


@pytest.mark.parametrize("place, words", calls(), ids=lambda value: value if isinstance(value, str) else value[0])
def test_calls_are_understood(place, words):
    """Options with a dot are values of the config."""
    verb = VERBS[words[0]]
    while hasattr(verb, "commands"):
        words = words[1:]
        verb = verb.commands[words[0]]
    verb.make_context(words[0], words[1:])
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert {name for name in given if "." not in name} <= options(verb)


def test_the_program_has_one_name():
    """Only the steps of a project call it as a module: weasel runs the Python that it runs in, whatever the path is."""
    for path in (*FILES, *sorted((ROOT / "configs").glob("*.cfg"))):
        assert not re.findall(r"python -m spacy[ _]xproj [a-z].*", path.read_text(encoding="utf-8")), path.name
    (script,) = entry_points(group="console_scripts", name="xproj")
    assert script.load() is main


def test_the_table_of_verbs():
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("| verbs of `xproj` |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"`(\w+)`", table)) == sorted(VERBS)


def written(path):
    """The texts in a file of the package; … stands for what they are filled in with."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_the_messages_of_the_troubleshooting_page_are_those_of_the_package():
    texts = [text for path in Path(spacy_xproj.__file__).parent.rglob("*.py") for text in written(path)]
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (.+)$", page, re.M)
    assert len(headings) > 20
    assert [x for x in headings if x not in SYMPTOMS and not any(x in text for text in texts)] == []
