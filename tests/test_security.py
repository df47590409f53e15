"""What files, configs and texts of others must not be able to do. `docs/guides/limits.md` tells it to users."""

import ast
import json
import os
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import spacy
from catalogue import RegistryError
from typer.testing import CliRunner

import spacy_xproj
from benchmarks.scale.fuzz_projection import page_of
from spacy_xproj import displacy
from spacy_xproj.cli import app
from spacy_xproj.corpus import read_docs, read_file, write_file
from spacy_xproj.corpus.formats.pairs import read_pairs
from spacy_xproj.corpus.manifest import Manifest
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.files import replacing, sealed, unsealed, write_json
from spacy_xproj.locks import locked
from spacy_xproj.programs import VARIABLE, allowing_programs
from spacy_xproj.review import llm
from spacy_xproj.review.exchange import label_studio_config
from spacy_xproj.review.report import table
from spacy_xproj.runs.pipelines import keyed_pipeline
from spacy_xproj.runs.project import project
from spacy_xproj.store import Store
from tests.cli.test_review_llm import SECRET, ask, folder, serve  # noqa: F401
from tests.conftest import payload_doc, said

PACKAGE = Path(spacy_xproj.__file__).parent
NLP = spacy.blank("xx")
CODE = {"eval", "exec", "compile", "__import__", "breakpoint"}
UNSAFE = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "importlib.util"}
RUNNERS = {"translators/apertium_run.py", "aligners/eflomal.py"}  # these may know `subprocess`


def trees():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def calls():
    """All calls of the package: file, the dotted name of what is called, and the call."""
    for file, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield file, ast.unparse(node.func), node


# No code out of data


def test_nothing_is_unpickled():
    """Worker processes get their work by Python's own pickle. Nothing that comes from a file or the net does."""
    found = set()
    for file, tree in trees():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found |= {(file, name) for name in names if name in UNSAFE or name.split(".")[0] in UNSAFE}
    assert found == set()
    loads = [(file, name) for file, name, _ in calls() if "pickle" in name or name in ("torch.load", "np.load")]
    assert loads == []


def test_nothing_is_run_that_data_say():
    assert [
        (file, name) for file, name, _ in calls() if name in CODE or name.startswith(("os.system", "os.popen"))
    ] == []
    known = {(file, name) for file, name, _ in calls() if name.startswith("subprocess.")}
    assert {file for file, _ in known} <= RUNNERS
    given = [keyword for _, _, call in calls() for keyword in call.keywords]
    assert [ast.unparse(k.value) for k in given if k.arg in ("trust_remote_code", "shell", "allow_pickle")].count(
        "True"
    ) == 0
    assert any(k.arg == "trust_remote_code" for k in given)
    assert all(ast.unparse(k.value) == "True" for k in given if k.arg == "use_safetensors")


def test_modules_are_imported_by_names_in_the_code():
    """Only `compat.require` imports by name, and `__init__` its own modules. The callers give constants."""
    assert {file for file, name, _ in calls() if name.endswith("import_module")} <= {"compat.py", "__init__.py"}
    asked = [call.args[0] for _, name, call in calls() if name == "require"]
    assert asked and all(isinstance(each, ast.Constant) for each in asked)


@pytest.mark.parametrize(
    "block",
    [
        '{"@misc": "os.system"}',
        '{"@xproj_similarities": "builtins.eval"}',
        '{"@xproj_similarities": "spacy_xproj.files:write_json"}',
    ],
)
def test_a_config_reaches_registered_names_alone(tmp_path, block):
    (name, value), *_ = json.loads(block).items()
    start = '[nlp]\nlang = "xx"\npipeline = ["m"]\n[components]\n[components.m]\nfactory = "xproj_matcher"\n'
    (tmp_path / "x.cfg").write_text(f'{start}[components.m.similarity]\n{name} = "{value}"\n')
    with pytest.raises((XprojError, RegistryError), match="registry"):
        keyed_pipeline(tmp_path / "x.cfg")


def test_weights_that_are_pickled_are_refused(tmp_path):
    from spacy_xproj.models.folder import check_weights

    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(InputError, match="safetensors"):
        check_weights(tmp_path, "test")


# Paths and links


NAMES = [
    "../kept.spacy",
    "/kept.spacy",
    "00000.spacy/../../kept.spacy",
    "a/00000.spacy",
    "..",
    "",
    "00000.spacy\n",
    "x.txt",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_in_a_manifest_cannot_leave_the_folder(tmp_path, name):
    out, kept = tmp_path / "out", tmp_path / "kept.spacy"
    out.mkdir()
    kept.write_bytes(b"mine")
    made = Manifest(out, {}, 1)
    made.path(0).write_bytes(b"x")
    made.set(0, 1, {})
    made.save()
    data = unsealed((out / "manifest.json").read_bytes())
    data["shards"][0]["files"][name] = "x"
    write_json(out / "manifest.json", sealed(data))
    with pytest.raises(InputError, match="a shard with the files"):
        Manifest.read(out)
    assert kept.read_bytes() == b"mine"


@pytest.fixture
def mine(tmp_path):
    """A file of somebody else, and where links to it are put."""
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "home" / "mine").write_bytes(b"mine")
    yield tmp_path / "home" / "mine", tmp_path / "work"
    assert (tmp_path / "home" / "mine").read_bytes() == b"mine"
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["mine"]


def test_an_output_that_is_a_link_is_replaced_itself(mine):
    kept, work = mine
    (work / "out.txt").symlink_to(kept)
    with replacing(work / "out.txt") as beside:
        beside.write_text("new")
    assert not (work / "out.txt").is_symlink() and (work / "out.txt").read_text() == "new"


def test_a_link_where_a_file_is_put_together_is_not_followed(mine):
    kept, work = mine
    (work / f".out.txt.{os.getpid()}.tmp").symlink_to(kept)
    with replacing(work / "out.txt") as beside:
        beside.write_text("new")
    assert not (work / "out.txt").is_symlink()


def test_a_lock_that_is_a_link_is_not_written_through(mine):
    kept, work = mine
    for name in (".out.spacy.lock", ".out.spacy.lock.json"):
        (work / name).symlink_to(kept)
        with suppress(XprojError, OSError), locked(work / "out.spacy"):
            pass
        (work / name).unlink(missing_ok=True)


def corpus(path, n=3):
    write_file([payload_doc(NLP, "Ana b", "Ana b", [(0, 1, "PER")], "0-0 1-1") for _ in range(n)], path)
    return path


def test_a_shard_that_is_a_link_is_replaced_and_not_written_through(mine):
    kept, work = mine
    source, out = corpus(work / "in.spacy"), work / "out"
    project(source, out, "project_heuristic", "xx", shard=1)
    before = {path.name: path.read_bytes() for path in out.glob("*.spacy")}
    (out / "00001.spacy").unlink()
    (out / "00001.spacy").symlink_to(kept)
    project(source, out, "project_heuristic", "xx", shard=1)
    assert not (out / "00001.spacy").is_symlink()
    assert {path.name: path.read_bytes() for path in out.glob("*.spacy")} == before


def test_removing_shards_removes_links_and_not_what_they_lead_to(mine):
    kept, work = mine
    made = Manifest(work, {}, 2)
    made.save()
    made.path(0).symlink_to(kept)
    made.remove()
    assert not work.exists()


def test_an_output_that_leads_to_the_input_is_refused(tmp_path):
    source = corpus(tmp_path / "x.spacy")
    (tmp_path / "out.spacy").symlink_to(source)
    with pytest.raises(XprojError, match="is read"):
        project(source, tmp_path / "out.spacy", "project_heuristic", "xx")


def test_files_in_a_saved_state_cannot_leave_its_folder(tmp_path):
    from spacy_xproj.models.pipelines import SpacyPipeline

    part = SpacyPipeline(who="test")
    for name in ("../evil", str(tmp_path / "evil")):
        with pytest.raises(ValueError, match="evil"):
            part.set_state({"hash": "x", "files": {name: b"x"}})
    assert list(tmp_path.iterdir()) == []


def test_ids_of_answers_are_no_paths(tmp_path):
    source = corpus(tmp_path / "in.spacy")
    line = {"doc": "../../x", "text": "0" * 16, "source": {"start": 0, "end": 3, "text": "Ana", "label": "PER"}}
    line |= {"answer": "absent", "targets": [], "label": "/etc/passwd", "reviewer": "person"}
    (tmp_path / "answers.jsonl").write_text(json.dumps(line) + "\n")
    before = sorted(tmp_path.parent.iterdir())
    out = tmp_path / "out.spacy"
    CliRunner().invoke(app, ["review", "apply", str(source), str(tmp_path / "answers.jsonl"), str(out)])
    assert sorted(tmp_path.parent.iterdir()) == before
    assert {path.name for path in tmp_path.iterdir() if path.name[0] != "."} <= {
        *("in.spacy", "answers.jsonl", "out.spacy", "out.spacy.report.json")
    }


# XML


LAUGHS = '<!DOCTYPE tmx [<!ENTITY a "ha">' + "".join(f'<!ENTITY a{n} "{"&a;" * 10}">' for n in range(9)) + "]>"
HEADER = '<?xml version="1.0"?>\n{}\n<tmx version="1.4"><header/><body>\n'
UNIT = '<tu><tuv xml:lang="en"><seg>a {0}</seg></tuv><tuv xml:lang="de"><seg>b {0}</seg></tuv></tu></body></tmx>'


@pytest.mark.parametrize(
    "doctype, text",
    [
        (LAUGHS, "&a8;"),
        ('<!DOCTYPE tmx [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "&x;"),
        ('<!DOCTYPE tmx [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x">%x;]>', ""),
        ("", "&x;"),
    ],
)
def test_entities_of_xml_are_refused(tmp_path, doctype, text):
    (tmp_path / "x.tmx").write_text(HEADER.format(doctype) + UNIT.format(text))
    with pytest.raises(InputError, match=r"x\.tmx, line \d"):
        list(read_pairs(tmp_path / "x.tmx", "en", "de"))


def test_no_dtd_is_fetched(tmp_path):
    (tmp_path / "x.tmx").write_text(
        HEADER.format('<!DOCTYPE tmx SYSTEM "http://127.0.0.1:1/tmx14.dtd">') + UNIT.format("")
    )
    assert list(read_pairs(tmp_path / "x.tmx", "en", "de")) == [("a", "b")]


def test_labels_are_escaped_in_the_interface_of_label_studio():
    hostile = '"/><Text name="x" value="$y"/><Label value="'
    found = ElementTree.fromstring(label_studio_config([hostile, "PER"]))
    assert sorted(label.get("value") for label in found.iter("Label")) == sorted([hostile, "PER"])


# HTML


HOSTILE = [
    *("</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"onload="x', "<!--", "{{data}}", "&lt;"),
]


def hostile_doc():
    doc = payload_doc(NLP, HOSTILE, HOSTILE, [(k, k + 1, text, text) for k, text in enumerate(HOSTILE)], "0-0 1-1 3-3")
    doc._.xproj = doc._.xproj.replace(provenance=dict(zip(HOSTILE, HOSTILE)))
    nlp = spacy.blank("xx")
    nlp.add_pipe("xproj_projector")
    doc = nlp(doc)
    doc._.xproj_report["notes"] = HOSTILE
    doc._.xproj_report["missing"][0]["reason"] = HOSTILE[0]
    return doc


def test_the_page_shows_hostile_texts_as_texts():
    page_of([hostile_doc()])  # its elements are those of an empty page, and its JSON can be parsed


def test_the_page_makes_no_html_of_texts():
    text = (PACKAGE / "review" / "page" / "page.html").read_text(encoding="utf-8")
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "http://"):
        assert way not in text.replace("http://www.w3.org", ""), way
    assert "Content-Security-Policy" in text and "default-src 'none'" in text


def test_what_a_notebook_shows_is_framed():
    text = displacy.render(hostile_doc(), jupyter=False)
    assert text.count("<") == 2 and text.startswith("<iframe srcdoc=") and 'sandbox="allow-scripts"' in text


def test_the_report_in_markdown_holds_no_html():
    assert "<" not in "\n".join(table(HOSTILE, [HOSTILE]))


# SQL


QUOTES = [
    "'; DROP TABLE entries; --",
    '" OR 1=1 --',
    "a' UNION SELECT * FROM sqlite_master --",
    "\\'",
    "%_",
    "?1 :a @b",
]


def test_texts_in_a_memory_are_no_sql(tmp_path):
    store = Store(tmp_path / "m.sqlite")
    for text in QUOTES:
        store.add([(text, text[::-1])], "en", "de", origin=text)
        store.add([(text, text)], "en", "de", origin=text, overwrite=True)
    for text in QUOTES:
        assert [found.text for found in store.lookup([(text, text)], "en", "de").values()] == [text]
        assert store.nearest(text, "en", "de")[0] == text
    assert store.languages() == {("en", "de"): (len(QUOTES), 0)}
    for code in QUOTES:
        with suppress(XprojError):
            assert store.lookup([("x", "")], code, code) == {}
    assert store.languages() == {("en", "de"): (len(QUOTES), 0)}


def test_queries_are_put_together_of_constants():
    """Names of tables and parts of queries are constants of classes and functions; values go as parameters."""
    parts = set()
    for _, name, call in calls():
        if name.endswith((".execute", ".executemany", ".executescript")) and isinstance(call.args[0], ast.JoinedStr):
            parts |= {
                ast.unparse(value.value) for value in call.args[0].values if isinstance(value, ast.FormattedValue)
            }
    assert parts <= {"self.application", "self.version", "self.table", "name", "where", "places"}


# Programs that a config names


TRANSLATE = """
[nlp]
lang = "xx"
pipeline = ["xproj_translator"]
[components]
[components.xproj_translator]
factory = "xproj_translator"
source_lang = "en"
back = null
[components.xproj_translator.forward]
@xproj_translators = "spacy_xproj.Apertium.v1"
{setting} = "{value}"
"""


@pytest.fixture
def hostile(tmp_path):
    """A program that leaves a trace, and a config that names it."""
    program, trace = tmp_path / "bin" / "program", tmp_path / "trace"
    program.parent.mkdir()
    for file in (program, program.with_name("apertium-wblank-mode")):
        file.write_text(f"#!/bin/sh\ntouch '{trace}'\n")
        file.chmod(0o755)
    modes = tmp_path / "share" / "apertium" / "modes"
    modes.mkdir(parents=True)
    (modes / "en-de.mode").write_text(f"touch '{trace}'\n")
    config = tmp_path / "x.cfg"
    config.write_text(TRANSLATE.format(setting="program", value=program))
    return config, trace


@pytest.mark.parametrize("setting", ["program", "data"])
def test_a_config_that_names_a_program_is_refused(hostile, tmp_path, setting):
    config, trace = hostile
    config.write_text(TRANSLATE.format(setting=setting, value=tmp_path / "share" / "apertium"))
    with pytest.raises(XprojError, match=rf"{setting} = .*--allow-programs.*{VARIABLE}=1"):
        keyed_pipeline(config, "de")
    assert not trace.exists()


def test_programs_are_allowed_on_the_command_line(hostile, tmp_path, monkeypatch):
    config, trace = hostile
    monkeypatch.delenv(VARIABLE, raising=False)
    doc = NLP("Ana b")
    doc.set_ents([doc[:1].char_span(0, 3, label="PER")])
    write_file([doc], tmp_path / "in.spacy")
    call = ["translate", tmp_path / "in.spacy", tmp_path / "out.spacy", "--config", config, "--lang", "de"]
    refused = CliRunner().invoke(app, list(map(str, call)))
    assert refused.exit_code == 1 and "--allow-programs" in said(refused) and not trace.exists()
    result = CliRunner().invoke(app, [*map(str, call), "--allow-programs"])
    assert trace.exists(), result.output
    assert VARIABLE not in os.environ


def test_a_saved_pipeline_that_names_a_program_is_refused(hostile, tmp_path):
    config, trace = hostile
    with allowing_programs():
        keyed_pipeline(config, "de")[0].to_disk(tmp_path / "saved")
    with pytest.raises(XprojError, match="--allow-programs"):
        spacy.load(tmp_path / "saved")
    with allowing_programs():
        spacy.load(tmp_path / "saved")
    assert not trace.exists()  # loading runs nothing


@pytest.mark.parametrize("value", ["0", "", "yes"])
def test_only_1_allows_programs(hostile, monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(XprojError, match="--allow-programs"):
        keyed_pipeline(hostile[0], "de")


# Keys


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("status", [400, 401, 403, 500, "echo"])
def test_keys_are_in_no_file_or_message(folder, serve, monkeypatch, status):  # noqa: F811
    monkeypatch.setenv(llm.KEY_VARIABLE, SECRET)
    monkeypatch.setattr(llm.Endpoint, "pause", staticmethod(lambda seconds: None))
    reply = json.dumps({"error": f"wrong key {SECRET}"}).encode() if status == "echo" else status
    try:
        told = ask(folder, serve(reply), code=1)
    except AssertionError as err:  # it may also count as unanswered
        told = str(err)
    assert SECRET not in told
    assert not any(SECRET.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_hidden_array_cannot_be_an_object(tmp_path):
    """numpy's object arrays would be pickled. msgpack's numpy hook knows none, and neither does this package."""
    doc = NLP("a")
    doc.user_data["x"] = np.array([object()], dtype=object)
    with pytest.raises(Exception):  # noqa: B017
        write_file([doc], tmp_path / "x.spacy")
        list(read_file(tmp_path / "x.spacy", NLP.vocab))


def test_raw_text_is_only_text(tmp_path):
    (tmp_path / "x.txt").write_text("${nlp.lang} {{data}} $(touch x) `touch x`\n")
    assert [doc.text for doc in read_docs(tmp_path / "x.txt", NLP, format="txt")] == [
        "${nlp.lang} {{data}} $(touch x) `touch x`"
    ]
