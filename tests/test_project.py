"""project.yml is honest: what its commands read is declared or made before, and needs no shell."""

import re
import shlex
from pathlib import Path

import pytest
import srsly
from weasel.schemas import ProjectConfigSchema, validate
from weasel.util.config import substitute_project_variables
from weasel.util.validation import validate_project_commands

from spacy_xproj.runs.init import render

ROOT = Path(__file__).resolve().parent.parent
RAW = srsly.read_yaml(ROOT / "project.yml")
# The project of this repository, in the terms of the template that `xproj init` fills in for others.
DEMO = {
    "source": "corpus/en/train.spacy",
    "target": None,
    "parallel": ["assets/memory.en-${vars.lang}.tsv"],
    "raw": None,
    "gold": "assets/test.${vars.lang}.jsonl",
    "labeled": "corpus/${vars.lang}/gold/labeled.spacy",
    "memory_options": [],
    "source_options": [],
    "teach_options": [],
    "train_options": ["--training.max_steps ${vars.steps}"],
    "source_files": [],
    "gold_options": [],
    "project_config": "project_match",
    "train_config": "ner_cpu_vectors",
    "by_label": False,
    "suffix": "-${vars.lang}",
    "corpus": "corpus/${vars.lang}",
    "training": "training/${vars.lang}",
    "metrics": "metrics/${vars.lang}",
    "test": "corpus/${vars.lang}/gold/test.spacy",
    "nlp_lang": "${vars.lang}",
    "meta": None,
    "encoder": None,
    "vectors": "corpus/${vars.lang}/vectors",
}
# Which arguments of a command it writes, by their places (-1: the last). Other paths are read, but for the value of
# --output.
OUTPUTS = (
    (r"-m spacy xproj (convert|translate|project|teach) ", (1,)),
    (r"-m spacy xproj memory ", (1,)),
    (r"-m spacy xproj split ", (1, 2)),
    (r"-m spacy xproj card ", (1,)),
    (r"-m spacy xproj (prune|vectors) ", (-1,)),
    (r"-m scripts\.weights ", (0,)),
    (r"scripts/table\.py ", (0,)),
    (r"scripts/seeds\.py ", (1,)),
    (r"-m spacy init vectors ", (1,)),
    (r"scripts/soft_quality\.py ", (1,)),
    (r"scripts/try_wheel\.py ", (2,)),
    (r"-m spacy package ", (1,)),
    (r"-m build ", (0,)),
)
WRITTEN = {"--output", "--html", "--report"}
FLAGS = {"--force", "--user-data", "--quiet", "--overwrite", "--wheel", "--no-isolation"}


def config(lang):
    """The project for one language, as weasel loads it, but without making its folders."""
    raw = srsly.read_yaml(ROOT / "project.yml")
    return substitute_project_variables(raw, {"vars.lang": lang, "vars.data": "data"})


def test_it_is_what_the_template_gives():
    """The commands that other projects have too; those of the baselines, tables and benchmarks are its own."""
    assert render("commands.yml", DEMO).rstrip() + "\n" in (ROOT / "project.yml").read_text(encoding="utf-8")


def is_path(word):
    return "/" in word and not word.startswith("-")


def words_of(line):
    """The positional arguments of a script line and its options."""
    words = shlex.split(line)
    assert words[0] == "python", line
    if words[2].startswith("scripts."):
        words = [words[0], f"{words[2].replace('.', '/')}.py", *words[3:]]
    words = words[1:] if words[1] != "-m" else words[3 if words[2] != "spacy" else 4 :]
    if " xproj " in line or " benchmarks." in line:  # the verb, or which benchmark
        words = words[1:]
    if " init vectors " in line:  # and the language
        words = words[2:]
    positional, options, rest = [], [], iter(words)
    for word in rest:
        if word in FLAGS:
            continue
        if word.startswith("-"):
            options.append((word, next(rest)))
        else:
            positional.append(word.rpartition("=")[2])
    return positional, options


def reads_and_writes(line):
    if line.startswith("python -c "):  # which only says where the wheel is
        return [], []
    positional, options = words_of(line)
    reads = [value for name, value in options if name not in WRITTEN and is_path(value)]
    writes = [value for name, value in options if name in WRITTEN]
    offset = int(bool(positional) and positional[0].startswith("scripts/"))
    written: tuple = next((places for pattern, places in OUTPUTS if re.search(pattern, line)), ())
    for place, word in enumerate(positional):
        if place - offset in written or place - len(positional) in written:
            writes.append(word)
        else:
            reads.append(word)
    return reads, writes


LANGS = ("es", "de")
COMMANDS = [pytest.param(c, id=c["name"]) for lang in LANGS for c in config(lang)["commands"]]


def test_the_parser_of_this_test():
    reads, writes = reads_and_writes("python -m spacy xproj split a/b.spacy a/train.spacy a/dev.spacy --share 0.1")
    assert (reads, writes) == (["a/b.spacy"], ["a/train.spacy", "a/dev.spacy"])
    reads, writes = reads_and_writes("python -m spacy xproj project in/a out/b --config configs/c.cfg --lang es")
    assert (sorted(reads), writes) == (["configs/c.cfg", "in/a"], ["out/b"])
    reads, writes = reads_and_writes("python -m spacy train configs/c.cfg --output out/m --paths.train in/t")
    assert (sorted(reads), writes) == (["configs/c.cfg", "in/t"], ["out/m"])
    reads, writes = reads_and_writes("python scripts/table.py out/t.json gold=in/a.json --reference gold")
    assert (sorted(reads), writes) == (["in/a.json", "scripts/table.py"], ["out/t.json"])


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_command_reads_is_declared(command):
    made: set[str] = set()
    for line in command["script"]:
        reads, writes = reads_and_writes(line)
        for path in reads:
            declared = path in command.get("deps", ()) or any(path == out or path.startswith(f"{out}/") for out in made)
            assert declared, f"{command['name']} reads {path} and does not say so"
        made.update(writes)
    for out in command["outputs"]:
        # a file of a folder that is written, or one that is written beside, such as NAME.report.json
        stems = {path.removesuffix(".json") for path in made}
        assert any(out.startswith((f"{stem}/", f"{stem}.")) or out == stem for stem in stems), out


@pytest.mark.parametrize("command", COMMANDS)
def test_no_dependency_is_idle(command):
    read = {path for line in command["script"] for path in reads_and_writes(line)[0]}
    assert set(command.get("deps", ())) <= read


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_help_and_outputs_and_needs_no_shell(command):
    assert command["help"] and command["script"] and command["outputs"]
    for line in (line for line in command["script"] if not line.startswith("python -c ")):
        assert not re.search(r"[|&;<>*?$()`\\~]|\n", line), line


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("workflow", list(RAW["workflows"]))
def test_a_workflow_makes_what_it_needs(lang, workflow):
    project = config(lang)
    commands = {c["name"]: c for c in project["commands"]}
    there = {asset["dest"] for asset in project["assets"]}
    for step in project["workflows"][workflow]:
        for dep in commands[step].get("deps", ()):
            assert dep in there or (ROOT / dep).is_file(), f"{step} needs {dep}, which nothing has made before it"
        there.update(commands[step]["outputs"])


def test_languages_do_not_share_lock_entries_or_outputs():
    """The lock has one entry a command name: a name or an output in common would run one language for the other."""
    outputs = {}
    for lang in LANGS:
        commands = config(lang)["commands"]
        outputs[lang] = {c["name"]: set(c["outputs"]) for c in commands}
    common = set(outputs["es"]) & set(outputs["de"])
    assert common == {"source", "weights", *(f"literature-{name}" for name in ("masakhaner", "uner", "conll"))}
    assert not any("es" in str(c["script"]).split("/") for c in config("es")["commands"] if c["name"] in common)
    files = [set().union(*(v for k, v in outputs[lang].items() if k not in common)) for lang in LANGS]
    assert not files[0] & files[1]


def test_weasel_finds_it_valid():
    assert validate(ProjectConfigSchema, RAW) == []
    validate_project_commands(RAW)
    for lang in LANGS:
        assert validate(ProjectConfigSchema, config(lang)) == []


def test_every_variable_is_declared():
    text = (ROOT / "project.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{([^}]*)\}", text))
    assert used == {f"vars.{name}" for name in RAW["vars"]}


def test_outputs_of_two_commands_are_not_the_same():
    outputs = [out for c in config("es")["commands"] for out in c["outputs"]]
    assert len(set(outputs)) == len(outputs)


def test_development_data_is_never_gold():
    """The training of the product sees neither the test split nor gold labels of the target language."""
    for lang in LANGS:
        (train,) = (c for c in config(lang)["commands"] if c["name"] == f"train-{lang}")
        assert not any("gold" in dep or "test" in dep for dep in train["deps"])
        (project,) = (c for c in config(lang)["commands"] if c["name"] == f"project-{lang}")
        assert not any("gold" in dep or "test" in dep or dep.startswith("assets") for dep in project["deps"])


def test_assets_name_origin_and_checksum():
    for asset in config("es")["assets"]:
        assert re.fullmatch(r"[0-9a-f]{32}", asset["checksum"]) and asset["description"]
        assert "url" in asset or "No public origin" in asset["description"]
