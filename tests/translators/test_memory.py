import json
import multiprocessing
import os
import pickle
import sqlite3
import stat
import tempfile
import threading
import unicodedata
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.part import as_part
from spacy_xproj.registry import registry
from spacy_xproj.similarities.score_cache import ScoreCache
from spacy_xproj.texts import normalize
from spacy_xproj.translators import memory as memory_module
from spacy_xproj.translators.memory import Memory
from spacy_xproj.ty import Translation

FORK = multiprocessing.get_context("fork")
TEXT = st.text(max_size=30).filter(normalize)


class Upper:
    """A translator that records what it is asked for."""

    def __init__(self, key="", fail_at=0, spans=False):
        self.calls, self.fail_at, self.spans = [], fail_at, spans
        if key:
            self.key = key

    def __call__(self, texts, source_lang, target_lang):
        self.calls.append(list(texts))
        if len(self.calls) == self.fail_at:
            raise RuntimeError("interrupted")
        spans = [(0, 1, "a")] if self.spans else None
        return [Translation(None if t.startswith("?") else t.upper(), spans) for t in texts]


def texts_of(translations):
    return [t.text for t in translations]


def fetch(memory, query):
    with memory.store.connected() as connection:
        return connection.execute(query).fetchall()


# Normalization


@given(TEXT)
def test_normal_form_is_its_own_normal_form(text):
    normal = normalize(text)
    assert normalize(normal) == normal
    assert normalize(unicodedata.normalize("NFD", text)) == normal
    assert not any(c.isspace() and c != " " for c in normal) and "  " not in normal


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
def test_what_was_added_is_found(pairs):
    memory = Memory()
    memory.add(pairs, "en", "es")
    first = {}
    for source, target in pairs:
        first.setdefault(normalize(source), target)
    for source, _ in pairs:
        asked = [source, f"\u00a0{source}\n", unicodedata.normalize("NFD", source)]
        assert texts_of(memory(asked, "en", "es")) == [first[normalize(source)]] * 3


@pytest.mark.parametrize(
    ("stored", "asked", "same"),
    [
        ("a b", "a\u00a0b", True),
        ("a b", "\u2009a \t\r\n\u3000b\ufeff", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("caf\u00e9", "cafe", False),
        ("a b", "a\u200bb", False),
    ],
)
def test_what_counts_as_the_same_text(stored, asked, same):
    memory = Memory()
    memory.add([(stored, "x")], "en", "es")
    assert memory([asked], "en", "es") == [Translation("x" if same else None)]


@pytest.mark.parametrize(
    ("stored", "asked", "ignored"),
    [
        ("Hello, world.", "Hello , world .", "spaces"),
        ("\u4f60\u597d\u3002", "\u4f60 \u597d \u3002", "spaces"),
        ("\u201cYes\u201d, it\u2019s so", '"Yes", it\'s so', "quotes"),
        ("\u00abYes\u00bb", "``Yes''", "quotes"),
        ("The BBC", "the bbc", "case"),
        ("\u201cThe BBC\u201d", '" the BBC "', "spaces, quotes, case"),
        ("\u201eJa\u201c, stra\u00dfe", '"ja", STRASSE', "quotes, case"),
    ],
)
def test_what_is_passed_over_and_counted(stored, asked, ignored):
    memory = Memory()
    memory.add([(stored, "x")], "en", "es")
    found = memory([stored, asked], "en", "es")
    assert found == [Translation("x")] * 2 and [each.ignored for each in found] == ["", ignored]
    counts = {f"found_ignoring_{name}": 1 for name in ignored.split(", ")}
    assert memory.report().items() >= {"looked_up": 2, "found": 2, "missing": 0, **counts}.items()
    for name in ignored.split(", "):
        strict = Memory(**{f"ignore_{name}": False})
        strict.add([(stored, "x")], "en", "es")
        assert texts_of(strict([stored, asked], "en", "es")) == ["x", None]


def test_of_texts_that_differ_in_less_and_in_more_the_first_are_taken():
    memory = Memory()
    memory.add([("US", "EE. UU."), ("us", "nosotros"), ("us !", "\u00a1nosotros!")], "en", "es")
    assert texts_of(memory(["US", "us", "us!", "US!"], "en", "es")) == ["EE. UU.", "nosotros", *["\u00a1nosotros!"] * 2]
    assert memory(["Us"], "en", "es") == [Translation(None)]  # either could be meant
    assert memory.report().items() >= {"ambiguous": 1, "missing": 1, "found_ignoring_case": 1}.items()
    memory.add([("uS", "x"), ("uS.", "y"), ("US.", "y")], "en", "es")
    assert texts_of(memory(["Us."], "en", "es")) == ["y"]  # several with one translation


def test_the_nearest_text_is_found_in_a_large_memory(monkeypatch):
    monkeypatch.setattr("spacy_xproj.store.NEAR", 3)
    memory = Memory()
    memory.add([(f"{c} house", "x") for c in "abcdefghij"], "en", "es")
    assert "'e house'" in memory.explain("ee house", "en", "es")
    assert "nothing from 'en' to 'lg', only en \u2192 es" in memory.explain("a", "en", "lg")
    assert "is empty" in Memory().explain("a", "en", "lg")


def test_looking_up_people_alone():
    memory = Memory("", Upper())
    memory(["a"], "en", "es")
    memory.add([("B", "x")], "en", "es")
    assert texts_of(memory.find_people(["a", "b", "c"], "en", "es")) == [None, "x", None]
    assert memory.report() == {
        "looked_up": 2, "found": 1, "translated": 1, "missing": 0, "missing_distinct": 0, "found_ignoring_case": 1
    }  # fmt: skip


def test_looking_up_does_not_scan_the_file(tmp_path):
    memory = Memory(tmp_path / "m.db")
    memory.add([("a", "x")], "en", "es")
    query = "SELECT source, target FROM entries WHERE (source_lang, target_lang, folded) = ('a', 'b', 'c') ORDER BY id"
    assert "USING INDEX by_folded" in str(fetch(memory, f"EXPLAIN QUERY PLAN {query}"))


def test_target_is_kept_as_it_is():
    memory = Memory()
    memory.add([("a", " x\u00a0\n e\u0301 ")], "en", "es")
    assert memory(["a"], "en", "es")[0].text == " x\u00a0\n e\u0301 "


# Entries given by people


def test_directions_and_languages_are_kept_apart():
    memory = Memory()
    memory.add([("dog", "perro")], "en", "es")
    memory.add([("cat", "gato")], "en", "es", both=True)
    assert texts_of(memory(["dog", "cat"], "en", "es")) == ["perro", "gato"]
    assert texts_of(memory(["perro", "gato"], "es", "en")) == [None, "cat"]
    assert texts_of(memory(["dog"], "en", "de")) == [None]


def test_first_target_wins_and_conflicts_are_counted():
    memory = Memory()
    zero = {"added": 0, "known": 0, "conflicts": 0, "replaced": 0}
    counts = memory.add([("a", "x"), ("a", "y"), ("a", "x"), ("a", "x ")], "en", "es")
    assert counts == {**zero, "added": 1, "known": 2, "conflicts": 1}
    assert texts_of(memory(["a"], "en", "es")) == ["x"]
    assert memory.add([("a", "y"), ("b", "z")], "en", "es", overwrite=True) == {
        **zero,
        "added": 1,
        "replaced": 1,
    }
    assert texts_of(memory(["a"], "en", "es")) == ["y"]


@pytest.mark.parametrize("pair", [("", "x"), ("a", "\u00a0"), (None, "x"), ("a", 3), ("\ud800", "x")])
def test_bad_pair_adds_nothing(pair):
    memory = Memory()
    with pytest.raises(XprojError, match="Pair 2"):
        memory.add([("good", "bueno"), pair], "en", "es")
    assert texts_of(memory(["good"], "en", "es")) == [None]


# In front of a translator


def test_only_misses_are_sent_each_once_in_batches(tmp_path):
    inner = Upper()
    memory = Memory(str(tmp_path / "m.db"), inner, batch_size=2)
    memory.add([("b", "people's")], "en", "es")
    assert texts_of(memory(["a", "b", "a", "c", "a\u00a0", "d"], "en", "es")) == [
        "A",
        "people's",
        "A",
        "C",
        "A",
        "D",
    ]
    assert inner.calls == [["a", "c"], ["d"]]
    assert texts_of(memory(["d", "e", "a"], "en", "es")) == ["D", "E", "A"]
    assert inner.calls[2:] == [["e"]]
    memory(["a"], "en", "de")
    assert inner.calls[3:] == [["a"]]


@given(st.lists(TEXT, max_size=8), st.integers(1, 4))
def test_same_result_as_the_translator(texts, batch_size):
    texts = [normalize(text) for text in texts]
    memory = Memory("", Upper(spans=True), batch_size)
    expected = Upper(spans=True)(texts, "en", "es")
    assert [t.text for t in memory(texts, "en", "es")] == [t.text for t in expected]
    found = [t for t in expected if t.text is not None]
    assert [t for t in memory(texts, "en", "es") if t.text is not None] == found


def test_spans_are_kept(tmp_path):
    path = tmp_path / "m.db"
    new = Memory(path, Upper(spans=True))(["a"], "en", "es")
    inner = Upper(spans=True)
    assert Memory(path, inner)(["a"], "en", "es") == new == [Translation("A", [(0, 1, "a")])]
    assert inner.calls == []


def test_none_is_not_kept():
    inner = Upper()
    memory = Memory("", inner)
    assert texts_of(memory(["?a", "b"], "en", "es")) == [None, "B"]
    memory(["?a", "b"], "en", "es")
    assert inner.calls == [["?a", "b"], ["?a"]]
    assert memory.missing == ["?a"]


def test_interrupted_run_keeps_the_batches_that_were_done(tmp_path):
    path, texts = tmp_path / "m.db", list("abcdefg")
    with pytest.raises(RuntimeError):
        Memory(path, Upper(fail_at=3), batch_size=2)(texts, "en", "es")
    inner = Upper()
    assert texts_of(Memory(path, inner, batch_size=2)(texts, "en", "es")) == list("ABCDEFG")
    assert inner.calls == [["e", "f"], ["g"]]


def test_another_key_is_another_translator(tmp_path):
    path = tmp_path / "m.db"
    Memory(path, Upper(key="one"))(["a"], "en", "es")
    other, same = Upper(key="two"), Upper(key="one")
    Memory(path, other)(["a"], "en", "es")
    Memory(path, same)(["a"], "en", "es")
    assert (other.calls, same.calls) == ([["a"]], [])
    assert texts_of(Memory(path)(["a"], "en", "es")) == [None]


def test_people_come_before_the_translator_even_later():
    memory = Memory("", Upper())
    assert texts_of(memory(["a"], "en", "es")) == ["A"]
    memory.add([("a", "x")], "en", "es")
    assert texts_of(memory(["a"], "en", "es")) == ["x"]


def test_translator_key():
    def function(texts, source_lang, target_lang): ...

    assert as_part(Upper()).key == "Upper"
    assert as_part(Upper("k")).key == Memory("", Upper("k")).key == "k"
    assert as_part(function).key == "function"


def test_translator_that_loses_texts_is_an_error():
    with pytest.raises(XprojError, match="1 translations of 2 texts"):
        Memory("", lambda texts, a, b: [Translation("x")])(["a", "b"], "en", "es")
    with pytest.raises(XprojError, match="batch_size"):
        Memory(batch_size=0)


def test_report(monkeypatch):
    monkeypatch.setattr(memory_module, "MAX_MISSING", 2)
    memory = Memory("", Upper())
    memory.add([("a", "x")], "en", "es")
    memory(["a", "b", "?2", "?1", "b"], "en", "es")
    memory(["?3", "?2", "b"], "en", "es")
    counts = {"looked_up": 8, "found": 2, "translated": 2, "missing": 4, "missing_distinct": 3}
    assert memory.report() == counts
    assert memory.missing == ["?2", "?1"]


# The file


def test_config_makes_a_memory(tmp_path):
    config = {"m": {"@xproj_translators": "spacy_xproj.Memory.v1", "path": str(tmp_path / "m.db")}}
    config["m"]["translator"] = {"@xproj_translators": "spacy_xproj.Memory.v1"}
    memory = registry.resolve(config)["m"]
    assert isinstance(memory, Memory) and isinstance(memory.translator, Memory)
    assert isinstance(registry.resolve({"m": {"@xproj_translators": "spacy_xproj.Memory.v1"}})["m"], Memory)


def test_file_is_made_at_first_use_and_keeps(tmp_path):
    path = tmp_path / "new folder" / "m?#%.db"
    memory = Memory(path)
    assert not path.parent.exists()
    memory.add([("a", "x")], "en", "es")
    assert os.listdir(path.parent) == [path.name]
    assert texts_of(Memory(path)(["a"], "en", "es")) == ["x"]


@pytest.mark.parametrize("content", [b"a\tb\n", b"SQLite format 3\0" + b"x" * 200, "sqlite"])
@pytest.mark.parametrize("read_only", [True, False])
def test_file_that_is_not_a_memory(tmp_path, content, read_only):
    path = tmp_path / "m.db"
    if content == "sqlite":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE entries (x)")
            connection.execute("PRAGMA user_version = 1")
        connection.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(InputError, match="Expected a translation memory") as error:
        Memory(path, read_only=read_only)
    assert error.value.path == str(path)
    assert path.read_bytes() == before


def test_file_of_another_version(tmp_path):
    path = tmp_path / "m.db"
    memory = Memory(path)
    memory.add([("a", "x")], "en", "es")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 3")
    with pytest.raises(InputError, match="version 2, got version 3"):
        Memory(path)


def test_path_that_cannot_be_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be made"):
        Memory(tmp_path / "file" / "m.db").add([("a", "x")], "en", "es")
    with pytest.raises(InputError, match="cannot be written to"):
        Memory(tmp_path)


def test_read_only_looks_up_and_keeps_nothing(tmp_path):
    path, inner = tmp_path / "m.db", Upper()
    with pytest.raises(InputError, match="no such file"):
        Memory(path, read_only=True)
    Memory(path).add([("a", "x")], "en", "es")
    memory = Memory(path, inner, read_only=True)
    assert texts_of(memory(["a", "b"], "en", "es")) == ["x", "B"]
    assert texts_of(memory(["a", "b"], "en", "es")) == ["x", "B"]
    assert inner.calls == [["b"], ["b"]]
    with pytest.raises(XprojError, match="read-only"):
        memory.add([("c", "z")], "en", "es")


def as_another_user(function, *args):
    """What a function gives in a process to which permissions apply, even if the tests run as root."""
    ours, theirs = FORK.Pipe()

    def run():
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            theirs.send(function(*args))
        except Exception as err:
            theirs.send(err)

    process = FORK.Process(target=run)
    process.start()
    process.join()
    return ours.recv()


def look_up(path, read_only):
    return texts_of(Memory(path, read_only=read_only)(["a"], "en", "es"))


def test_folder_that_cannot_be_written_to():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.db"
        memory = Memory(path)
        memory.add([("a", "x")], "en", "es")
        try:
            path.chmod(0o444)
            os.chmod(folder, 0o555)
            assert os.listdir(folder) == ["m.db"]
            if not as_another_user(os.path.exists, path):
                pytest.skip("the folder for temporary files is closed to other users")
            assert as_another_user(look_up, path, True) == ["x"]
            assert as_another_user(look_up, path, False) == ["x"]
            error = as_another_user(lambda: Memory(path).add([("b", "y")], "en", "es"))
            assert isinstance(error, InputError) and "read_only = true" in str(error)
        finally:
            os.chmod(folder, stat.S_IRWXU)


def write(path, name, n, start):
    memory = Memory(path, Upper(key=name), batch_size=5)
    start.wait()
    memory.add([(f"people {k}", f"{name}") for k in range(n)], "en", "es")
    memory([f"{name} {k}" for k in range(n)], "en", "es")


def test_several_processes_write_at_once(tmp_path):
    path, start = tmp_path / "m.db", FORK.Barrier(4)
    workers = [FORK.Process(target=write, args=(path, f"w{k}", 100, start)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    rows = fetch(Memory(path), "SELECT backend, source, target FROM entries")
    people = [row for row in rows if not row[0]]
    assert sorted(row[1] for row in people) == sorted(f"people {k}" for k in range(100))
    machine = {(f"w{w}", f"w{w} {k}", f"W{w} {k}") for w in range(4) for k in range(100)}
    assert {row for row in rows if row[0]} == machine and len(rows) == 500


@pytest.mark.parametrize("in_file", [True, False])
def test_forked_process_uses_a_connection_of_its_own(tmp_path, in_file):
    memory = Memory(tmp_path / "m.db" if in_file else "")
    memory.add([("a", "x")], "en", "es")
    ours, theirs = FORK.Pipe()

    def child():
        found = texts_of(memory(["a"], "en", "es"))
        memory.add([("b", "y")], "en", "es")
        theirs.send(found + texts_of(memory(["b"], "en", "es")))

    process = FORK.Process(target=child)
    process.start()
    process.join()
    assert ours.recv() == ["x", "y"]
    memory.add([("c", "z")], "en", "es")
    assert texts_of(memory(["a", "b", "c"], "en", "es")) == ["x", "y" if in_file else None, "z"]


@pytest.mark.parametrize("in_file", [True, False])
def test_threads(tmp_path, in_file):
    memory = Memory(tmp_path / "m.db" if in_file else "", Upper(), batch_size=3)
    work = lambda k: memory([f"{k} {i}" for i in range(20)], "en", "es")  # noqa: E731
    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetch(memory, "SELECT count(*) FROM entries") == [(80,)]


@pytest.mark.parametrize("in_file", [True, False])
def test_pickled_copy_has_the_entries(tmp_path, in_file):
    memory = Memory(tmp_path / "m.db" if in_file else "", Upper("k"), batch_size=7)
    memory.add([("a", "x")], "en", "es")
    memory(["b", "?"], "en", "es")
    copy = pickle.loads(pickle.dumps(memory))
    assert texts_of(copy(["a", "b"], "en", "es")) == ["x", "B"]
    assert copy.translator.calls == [["b", "?"]] and copy.batch_size == 7
    assert copy.missing == [] and copy.report()["looked_up"] == 2


def test_entries_say_where_they_come_from(tmp_path):
    memory = Memory(tmp_path / "m.db", Upper("k", spans=True))
    memory.add([("a", "x")], "en", "es", origin="by hand")
    memory(["b"], "en", "es")
    query = "SELECT backend, source, spans, origin FROM entries ORDER BY id"
    assert fetch(memory, query) == [
        ("", "a", None, "by hand"),
        ("k", "b", json.dumps([[0, 1, "a"]]), "Upper"),
    ]


def test_an_empty_file_becomes_a_memory_but_is_none_to_read(tmp_path):
    path = tmp_path / "m.db"
    path.touch()
    with pytest.raises(InputError, match="Expected a translation memory"):
        Memory(path, read_only=True)
    Memory(path).add([("a", "x")], "en", "es")
    assert texts_of(Memory(path, read_only=True)(["a"], "en", "es")) == ["x"]


def test_a_file_of_scores_is_no_memory(tmp_path):
    ScoreCache(str(tmp_path / "scores")).put({("k", "en", "es", "a", "b"): (-1.0, 1)})
    with pytest.raises(InputError, match="Expected a translation memory"):
        Memory(tmp_path / "scores")


def test_a_process_that_dies_while_it_writes_leaves_the_memory_as_it_was(tmp_path):
    memory = Memory(tmp_path / "m.db")
    memory.add([("a", "x")], "en", "es")

    def pairs():
        yield "b", "y"
        os._exit(9)

    process = FORK.Process(target=lambda: memory.add(pairs(), "en", "es"))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert texts_of(memory(["a", "b"], "en", "es")) == ["x", None]
    memory.add([("b", "z")], "en", "es")
    assert texts_of(Memory(tmp_path / "m.db", read_only=True)(["b"], "en", "es")) == ["z"]
