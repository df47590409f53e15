"""xproj init: the folders that it makes run to the end."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import spacy
from spacy.cli._util import app as spacy_app
from spacy.tokens import DocBin
from typer.testing import CliRunner
from weasel.util.config import load_project_config

from spacy_xproj.cli import app
from tests.aligners.tiny_encoders import make_encoder
from tests.conftest import names, said

PEOPLE = ["Ana", "Ruth", "Omar", "Lena", "Ivan", "Mira", "Paul", "Nora"]
PLACES = ["Rome", "Paris", "Cairo", "Lima", "Oslo", "Quito", "Minsk", "Dakar"]
NAMES = {**dict.fromkeys(PEOPLE, "PER"), **dict.fromkeys(PLACES, "LOC")}
PAIRS = [
    (f"{who} {did[0]} a house in {where} .", f"{who} {did[1]} una casa en {where} .")
    for number, who in enumerate(PEOPLE)
    for did in (("bought", "compró"), ("sold", "vendió"), ("painted", "pintó"))
    for where in (PLACES[number], PLACES[number - 1])
]
# spaCy leaves files open that it writes for the package
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def call(*args):
    result = CliRunner().invoke(app, ["init", *map(str, args)])
    return result.exit_code, said(result)


def conll(texts):
    return "\n".join(
        "".join(f"{word}\t{f'B-{NAMES[word]}' if word in NAMES else 'O'}\n" for word in text.split()) for text in texts
    )


@pytest.fixture
def data(tmp_path):
    """Both sides of 48 sentences, labeled and as lines; links; a memory; documents; a pipeline that labels."""
    sides = {"source": [source for source, _ in PAIRS], "target": [target for _, target in PAIRS]}
    folder = tmp_path / "data"
    folder.mkdir()
    for side, texts in sides.items():
        (folder / f"{side}.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        (folder / f"{side}.conll").write_text(conll(texts), encoding="utf-8")
        (folder / f"{side}.docs.txt").write_text(
            "".join(f"{' '.join(texts[i : i + 3])}\n" for i in range(0, len(texts), 3)), encoding="utf-8"
        )
    (folder / "links.pharaoh").write_text("0-0 1-1 2-2 3-3 4-4 5-5 6-6\n" * len(PAIRS))
    (folder / "memory.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS), encoding="utf-8")
    nlp = spacy.blank("en")
    other = {"PER": "PERSON", "LOC": "GPE"}
    patterns = [{"label": other[label], "pattern": name} for name, label in NAMES.items()]
    nlp.add_pipe("entity_ruler").add_patterns([*patterns, {"label": "THING", "pattern": "house"}])
    nlp.to_disk(folder / "ruler")
    return folder


def run(folder, monkeypatch, **variables):
    """Run the workflow in this process, each command as `spacy project run` would, with other values of its variables.
    Return what was said last."""
    monkeypatch.chdir(folder)
    for config in Path("configs").glob("*.cfg"):  # two epochs are enough to see that training runs
        text = re.sub(r"^max_epochs = .*$", "max_epochs = 2", config.read_text(encoding="utf-8"), flags=re.M)
        config.write_text(text, encoding="utf-8")
    project = load_project_config(Path.cwd(), overrides={f"vars.{name}": value for name, value in variables.items()})
    commands = {command["name"]: command for command in project["commands"]}
    last = ""
    for step in project["workflows"]["all"]:
        assert all(Path(dep).exists() for dep in commands[step]["deps"]), step
        for line in commands[step]["script"]:
            words = shlex.split(line)
            if words[:3] == ["python", "-m", "spacy"]:
                result = CliRunner().invoke(spacy_app, words[3:])
                assert result.exit_code == 0, (line, result.output, result.exception)
                last = said(result)
            else:
                done = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, check=True)
                last = done.stdout.strip()
        assert all(Path(out).exists() for out in commands[step]["outputs"]), step
    return last


def wheel(said):
    path = Path(said.removeprefix("The wheel: "))
    with zipfile.ZipFile(path) as file:
        (config,) = (name for name in file.namelist() if re.fullmatch(r".*-0\.1\.0/config\.cfg", name))
        (meta,) = (name for name in file.namelist() if re.fullmatch(r"[^/]+/meta\.json", name))
        return path.name, file.read(config).decode(), json.loads(file.read(meta))


@pytest.mark.slow
def test_labeled_source_target_lines_and_links(data, tmp_path, monkeypatch):
    folder = tmp_path / "My Spanish!"
    args = ("--source", data / "source.conll", "--target", data / "target.txt", "--gold", data / "target.conll")
    code, text = call(folder, "--lang", "spa", *args, "--alignments", data / "links.pharaoh", "--license", "CC BY 4.0")
    assert code == 0 and "spa → es" in text and "gold, pair, project, train, evaluate, inspect, package" in text
    assert len((folder / "README.md").read_text(encoding="utf-8").splitlines()) <= 12
    moved = folder.rename(tmp_path / "moved")
    name, config, meta = wheel(run(moved, monkeypatch))
    assert name == "es_my_spanish-0.1.0-py3-none-any.whl" and "xproj" not in config
    assert meta["sources"] == [{"name": "Training data", "license": "CC BY 4.0"}] and set(meta["labels"]["ner"]) == {
        "PER",
        "LOC",
    }
    assert set(json.loads(Path("metrics/scores.json").read_text())["ents_per_type"]) == {"PER", "LOC"}
    assert json.loads(Path("corpus/projected.spacy.report.json").read_text())["projected"] == 2 * len(PAIRS)


def test_lines_whose_ending_is_a_language(data, tmp_path):
    """As in the docs: train.en and train.lug, of which each line is a text."""
    for side, ending in (("source", "en"), ("target", "lug")):
        shutil.copy(data / f"{side}.txt", tmp_path / f"train.{ending}")
    args = ("--source", tmp_path / "train.en", "--target", tmp_path / "train.lug")
    code, text = call(tmp_path / "lug", "--lang", "lg", *args, "--source-model", data / "ruler")
    assert code == 0, text
    code, text = call(
        tmp_path / "raw", "--lang", "lg", "--raw", tmp_path / "train.lug", "--source-model", data / "ruler"
    )
    assert code == 0, text
    result = CliRunner().invoke(app, ["convert", str(tmp_path / "train.en"), str(tmp_path / "out.spacy")])
    assert result.exit_code == 1  # where nothing says that it is text without labels


@pytest.mark.slow
def test_a_source_model_and_a_language_without_data(data, tmp_path, monkeypatch):
    """Ewe, of which spaCy knows nothing. The labels are renamed and chosen."""
    args = ("--source", data / "source.txt", "--target", data / "target.txt", "--source-model", data / "ruler")
    names = ("--labels", "PER,LOC", "--label-map", "PERSON=PER,GPE=LOC")
    code, text = call(tmp_path / "ewe", "--lang", "ewe", *args, *names, "--gold", data / "target.conll")
    assert code == 0 and "ewe → ee" in text and "made for 'xx'" in text
    name, config, meta = wheel(run(tmp_path / "ewe", monkeypatch))
    assert name == "xx_ewe-0.1.0-py3-none-any.whl" and "xproj" not in config
    assert meta["xproj_lang"] == "ee" and set(meta["labels"]["ner"]) == {"PER", "LOC"}


@pytest.mark.slow
def test_parallel_text_as_memory_and_no_gold(data, tmp_path, monkeypatch):
    args = ("--source", data / "source.conll", "--parallel", data / "memory.tsv")
    code, text = call(tmp_path / "es", "--lang", "es", *args)
    assert code == 0 and "memory, translate, project, train, evaluate, inspect, package" in text and "not gold" in text
    wheel(run(tmp_path / "es", monkeypatch))


@pytest.mark.slow
def test_documents(data, tmp_path, monkeypatch):
    args = (
        "--source",
        data / "source.docs.txt",
        "--target",
        data / "target.docs.txt",
        "--source-model",
        data / "ruler",
    )
    assert call(tmp_path / "es", "--lang", "es", *args, "--sentences")[0] == 0
    wheel(run(tmp_path / "es", monkeypatch))


@pytest.mark.slow
def test_raw_text_and_a_teacher(data, tmp_path, monkeypatch):
    args = ("--raw", data / "target.txt", "--source-model", data / "ruler", "--gold", data / "target.conll")
    code, text = call(tmp_path / "es", "--lang", "es", *args, "--label-map", "PERSON=PER,GPE=LOC,THING=")
    assert code == 0 and "gold, teach, train, evaluate, package" in text
    _, config, _ = wheel(run(tmp_path / "es", monkeypatch))
    assert "xproj_student" in config


@pytest.mark.slow
@pytest.mark.parametrize("way, kind", [("source", "ner"), ("raw", "student")])
def test_word_vectors(data, tmp_path, monkeypatch, way, kind):
    """What is trained has the encoder's vectors for the words of its text, and none for those of the gold alone."""
    args = ("--source", data / "source.conll", "--target", data / "target.txt")
    if way == "raw":
        args = ("--raw", data / "target.txt", "--source-model", data / "ruler", "--label-map", "PERSON=PER,GPE=LOC")
    (data / "gold.conll").write_text("Ana\tB-PER\ncanta\tO\n")
    encoder = make_encoder(tmp_path / "tiny", "xlm-roberta")
    code, text = call(tmp_path / "es", "--lang", "es", *args, "--encoder", encoder, "--gold", data / "gold.conll")
    assert code == 0 and "vectors, train" in text and "assets/tiny" in text and "add raw text to the step" in text
    shutil.rmtree(encoder)
    _, config, _ = wheel(run(tmp_path / "es", monkeypatch, width=8))
    assert "xproj_student" in config if kind == "student" else "xproj" not in config
    nlp = spacy.load("training/model-best")
    assert nlp.config["components"]["tok2vec"]["model"]["embed"]["include_static_vectors"]
    assert nlp.vocab.vectors.shape[1] == 8
    assert nlp.vocab["Ana"].has_vector and nlp.vocab["casa"].has_vector and not nlp.vocab["canta"].has_vector


def test_a_language_without_spaces_and_without_data(data, tmp_path, monkeypatch):
    """Lao: what is trained splits text as the data are split."""
    args = ("--source", data / "source.conll", "--target", data / "target.txt")
    assert call(tmp_path / "lao", "--lang", "lo", *args)[0] == 0
    monkeypatch.chdir(tmp_path / "lao")
    nlp = spacy.blank("xx")
    assert len(nlp("ລາວ")) == 1
    with_vectors = call(tmp_path / "more", "--lang", "lo", *args, "--encoder", make_encoder(tmp_path / "tiny", "bert"))
    assert with_vectors[0] == 0
    more = spacy.util.load_config(tmp_path / "more/configs/ner_cpu_vectors.cfg", interpolate=False)["initialize"]
    initialize = spacy.util.load_config("configs/ner_cpu.cfg")["initialize"]
    assert more == {**initialize, "vectors": "${paths.vectors}"}
    spacy.registry.resolve(initialize)["before_init"](nlp)
    assert len(nlp("ລາວ")) == 3


@pytest.mark.parametrize(
    "lang, wanted", [("pt-br", "'pt-BR': the pipeline is made for 'pt'."), ("lo", "'xx', any language")]
)
def test_the_language_that_a_pipeline_is_made_for(data, lang, wanted, tmp_path):
    code, text = call(
        tmp_path / "p", "--lang", lang, "--source", data / "source.conll", "--target", data / "target.txt"
    )
    assert code == 0 and wanted in text


def test_a_folder_that_is_there(data, tmp_path):
    before = names(tmp_path)
    args = ("--lang", "es", "--source", data / "source.conll", "--target", data / "target.txt")
    code, text = call(data, *args)
    assert code == 1 and "not empty" in text and names(tmp_path) == before
    (tmp_path / "new").mkdir()
    assert call(tmp_path / "new", *args)[0] == 0


def test_the_folder_that_one_stands_in(data, tmp_path, monkeypatch):
    (tmp_path / "neu es").mkdir()
    monkeypatch.chdir(tmp_path / "neu es")
    (data / 'a "b".txt').write_bytes((data / "target.txt").read_bytes())
    args = (
        "--lang",
        "es",
        "--source",
        data / "source.conll",
        "--target",
        data / 'a "b".txt',
        "--label-map",
        "PER=A B'c",
    )
    assert call(".", *args)[0] == 0
    project = load_project_config(Path.cwd())
    assert project["vars"]["label_map"] == "PER=A B'c" and "config.cfg" not in names(tmp_path / "neu es")
    assert project["assets"][1]["description"] == 'Target lines, copied from a "b".txt'
    code, text = call("../other es", *args)
    assert code == 0 and "cd '../other es' &&" in text


@pytest.mark.parametrize(
    "kind, args",
    [
        ("translate", ("--source", "source.conll", "--parallel", "memory.tsv")),
        ("pair", ("--source", "source.conll", "--target", "target.txt")),
        ("teach", ("--raw", "target.txt", "--source-model", "ruler")),
    ],
)
def test_the_license_goes_along(data, kind, args, tmp_path, monkeypatch):
    """Each way into the training data takes it."""
    monkeypatch.chdir(data)
    assert call(tmp_path / "p", "--lang", "es", *args, "--license", "CC BY 4.0")[0] == 0
    monkeypatch.chdir(tmp_path / "p")
    project = load_project_config(Path.cwd())
    for command in project["commands"][: 2 if kind == "translate" else 1]:
        for line in command["script"]:
            result = CliRunner().invoke(spacy_app, shlex.split(line)[3:])
            assert result.exit_code == 0, (line, result.output)
    path = Path("corpus/soft.spacy" if kind == "teach" else "corpus/bitext.spacy")
    docs = list(DocBin().from_disk(path).get_docs(spacy.blank("es").vocab))
    assert docs and all(doc.user_data["meta"]["license"] == "CC BY 4.0" for doc in docs)


@pytest.mark.parametrize(
    "args, message",
    [
        ((), "Give --source"),
        (("--source", "source.conll"), "The source needs its translation"),
        (("--source", "source.conll", "--target", "target.txt", "--parallel", "memory.tsv"), "and not both"),
        (("--source", "source.conll", "--raw", "target.txt"), "Give --source"),
        (("--raw", "target.txt"), "give the --source-model"),
        (("--raw", "target.txt", "--target", "target.txt", "--source-model", "ruler"), "go with --source"),
        (("--source", "source.conll", "--parallel", "memory.tsv", "--sentences"), "go with --target"),
        (("--source", "source.txt", "--target", "target.txt"), "source.txt: No entity in it is labeled"),
        (("--source", "source.conll", "--target", "none.txt"), "none.txt: There is no such file"),
        (("--source", "source.conll", "--target", "target.txt", "--gold", "target.txt"), "Give labeled text."),
        (("--source", "source.txt", "--target", "target.txt", "--source-model", "no_such"), "no pipeline of this name"),
        (("--source", "source.conll", "--target", "target.txt", "--encoder", "ruler"), "config.json"),
        (("--source", "source.conll", "--parallel", "target.txt"), "or two files"),
        (("--source", "source.conll", "--parallel", "target.txt", "--parallel", "memory.tsv"), "or two files"),
        (
            ("--source", "source.conll", "--target", "target.txt", "--labels", "PERS"),
            "source.conll: --labels names PERS",
        ),
        (("--source", "source.conll", "--target", "target.txt", "--label-map", "PER=,LOC="), "leaves out all"),
        (("--source", "source.conll", "--target", "target.txt", "--source-model", "ruler"), "nothing to label"),
        (("--source", "source.txt", "--target", "target.txt", "--source-model", "."), "with its meta.json"),
        (
            (
                "--source",
                "source.conll",
                "--target",
                "target.txt",
                "--gold",
                "target.conll",
                "--label-map",
                "PER=P,LOC=L",
            ),
            "target.conll: It has the labels LOC, PER, and the source L, P",
        ),
        (
            ("--source", "source.conll", "--target", "target.txt", "--gold", "gold.conll", "--labels", "PER,LOC"),
            "gold.conll: --labels names LOC",
        ),
        (("--source", "source.conll", "--target", "target.txt", "--license", 'the "best"'), "cannot stand in"),
        (("--source", "source.conll", "--target", "target.txt", "--label-map", "comma.json"), "a label with a comma"),
    ],
)
def test_files_that_do_not_go_together(data, args, message, tmp_path, monkeypatch):
    monkeypatch.chdir(data)
    (data / "gold.conll").write_text("Ana B-PER\nvino O\n")
    (data / "comma.json").write_text('{"PER": "A,B"}')
    before = names(tmp_path)
    code, text = call(tmp_path / "out", "--lang", "es", *args)
    assert code == 1 and message in text, text
    assert names(tmp_path) == before and not (tmp_path / "out").exists()
