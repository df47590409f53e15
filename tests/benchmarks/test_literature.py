"""The benchmarks of the literature: what they say that they would run, and a small one that runs."""

import shutil
from functools import partial
from hashlib import md5
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import srsly
import typer
from spacy.cli._util import app as spacy_app

from benchmarks import literature
from spacy_xproj.cli import app
from tests.conftest import DATA, ROOT, VERSES, conll

XPROJ = typer.main.get_command(app).commands


def main(*words):
    """Run it; the exit code."""
    try:
        literature.main([str(word) for word in words])
    except (SystemExit, typer.Exit) as end:
        return getattr(end, "code", None) or getattr(end, "exit_code", 0) or 0
    return 0


@pytest.fixture
def italian(tmp_path, monkeypatch):
    """A small corpus in the place of the Italian one."""
    folder = tmp_path / "europarl" / "en-it"
    folder.mkdir(parents=True)
    files = {}
    for name, side in (("src", 0), ("tgt", 1)):
        (folder / f"{name}.conll").write_text(conll(pair[side] for pair in VERSES), encoding="utf-8")
        known = md5((folder / f"{name}.conll").read_bytes()).hexdigest()
        files[f"europarl/en-it/{name}.conll"] = [f"europarl/en-it/{name}.conll", known]
    monkeypatch.setitem(literature.KNOWN["europarl"], "files", {"it": files})
    return tmp_path


@pytest.mark.parametrize("name", literature.KNOWN)
def test_what_is_known_is_whole(name):
    about = literature.KNOWN[name]
    assert about["task"] and about["license"]
    for files in about["files"].values():
        assert all(bool(place) == bool(known) == bool(about["origin"]) for place, known in files.values())
    for row in about["published"]:
        assert {*row["f1"]} <= {*about["files"]} and row["source"] and row["system"]
        assert all(20 < value < 100 for value in row["f1"].values())


@pytest.mark.parametrize("name", literature.KNOWN)
def test_a_dry_run_says_what_is_missing_and_runs_nothing(name, tmp_path, capsys):
    assert main(name, "--dry-run", "--data", tmp_path, "--work", tmp_path / "work") == 0
    said = capsys.readouterr().out
    assert "absent" in said and "would be left out" in said and literature.KNOWN[name]["license"] in said
    assert not (tmp_path / "work").exists()
    assert main(name, "--data", tmp_path) == 1


def test_offline_languages_are_there(capsys):
    if not DATA.exists():
        pytest.skip("the data folder is absent (XPROJ_DATA)")
    assert main("masakhaner", "--dry-run", "--langs", "lug", "tsn", "--data", DATA) == 0
    said = capsys.readouterr().out
    assert "lug: would run" in said and "tsn: would run" in said
    assert main("europarl", "--dry-run", "--langs", "es", "de", "--data", DATA) == 0
    assert "absent" not in capsys.readouterr().out


def test_it_runs(italian, capsys):
    assert main("europarl", "--data", italian, "--work", italian / "work") == 0
    said = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in said.splitlines() if line[:4] == "| it"]
    cited, ours = ([row for row in rows if (row[4] == "this run") is mine] for mine in (False, True))
    assert [row[2] for row in cited] == ["69.6", "87.0", "87.3", "87.8", "87.2"]
    assert len(ours) == 3 and all(0 < float(row[2]) <= 100 and row[5] == "no" for row in ours)
    assert (italian / "work" / "europarl.md").read_text(encoding="utf-8").strip() in said


def test_other_content_is_refused(italian, capsys):
    (italian / "europarl/en-it/tgt.conll").write_text(conll(["uno"]), encoding="utf-8")
    assert main("europarl", "--data", italian) == 1
    said = capsys.readouterr()
    assert "not that of the public file" in " ".join((said.out + said.err).split())


def test_files_come_from_their_origin_if_they_are_asked_for(italian, tmp_path, monkeypatch, capsys):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(italian))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setitem(literature.KNOWN["europarl"], "origin", f"http://127.0.0.1:{server.server_port}/")
        fresh = tmp_path / "fresh"
        literature.download("europarl", "it", fresh)
        names = "src.conll", "tgt.conll"
        assert all((fresh / "europarl/en-it" / name).read_text() for name in names)
        literature.KNOWN["europarl"]["files"]["it"]["europarl/en-it/src.conll"][1] = "0" * 32
        shutil.rmtree(fresh)
        with pytest.raises(literature.XprojError, match="other content"):
            literature.download("europarl", "it", fresh)
        assert not fresh.exists()
        server.shutdown()


def test_originals_are_found_by_their_letters(tmp_path):
    (tmp_path / "mafand/en-lug").mkdir(parents=True)
    (tmp_path / "masakhaner/lug").mkdir(parents=True)
    for part in ("train", "dev", "test"):
        for side, text in (("lug", f"Ana ({part}) odhi."), ("en", f"Ana went, {part}.")):
            (tmp_path / f"mafand/en-lug/{part}.{side}").write_text(text + "\n", encoding="utf-8")
    rows = ["Ana B-PER", "( O", "dev O", ") O", "odhi O", ". O", "", "Ana B-PER", "obiro O", ""]
    (tmp_path / "masakhaner/lug/test.txt").write_text("\n".join(rows), encoding="utf-8")
    docs, english = literature.originals("lug", tmp_path)
    assert english == ["Ana went, dev."] and [ent.text for doc in docs for ent in doc.ents] == ["Ana"]


def test_the_steps_of_conll_are_understood(tmp_path, monkeypatch):
    given = type("Given", (), {"data": tmp_path, "work": tmp_path, "encoder": tmp_path})
    spacy_verbs = typer.main.get_command(spacy_app).commands
    for words in literature.steps("conll", "es", given):
        if words[0] == "xproj":
            verb = XPROJ[words[1]]
            options = {name for param in verb.params for name in param.opts}
            assert {word for word in words if word.startswith("--") and "." not in word} <= options, words
        else:
            assert words[0] in spacy_verbs
        assert all((ROOT / word).exists() for word in words if word.endswith(".cfg"))


def test_workflows_of_the_project_have_their_names():
    project = srsly.read_yaml(ROOT / "project.yml")
    assert literature.KNOWN.keys() <= project["workflows"].keys()
    commands = {command["name"]: command for command in project["commands"]}
    for name in literature.KNOWN:
        last = commands[project["workflows"][name][-1]]
        assert f"python -m benchmarks.literature {name} " in " ".join(last["script"][0].split())
