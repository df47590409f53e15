"""The service of the examples on the loopback address: translate-test behind HTTP."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import spacy

from examples.service import server as service
from spacy_xproj import fit
from tests.conftest import ROOT

PAIRS = [
    ("Ana lives in Rome.", "Ana vive en Roma."),
    ("Rome is big.", "Roma es grande."),
    ("We met Ana.", "Vimos a Ana."),
]


def translate_test():
    """A pipeline that translates Spanish back by a memory, labels the English by rules, and projects."""
    english = spacy.blank("en")
    names = [{"label": "PER", "pattern": "Ana"}, {"label": "LOC", "pattern": "Rome"}]
    english.add_pipe("entity_ruler").add_patterns(names)
    nlp = spacy.blank("es")
    maker = {"@xproj_translators": "spacy_xproj.Memory.v1"}
    translator: Any = nlp.add_pipe("xproj_translator", config={"source_lang": "en", "forward": None, "back": maker})
    translator.source = english
    translator.back.add([(target, source) for source, target in PAIRS], "es", "en")
    nlp.add_pipe("xproj_aligner")
    nlp.add_pipe("xproj_matcher")
    fit(nlp, [nlp.make_doc(target) for _, target in PAIRS])
    return nlp


def ask(port, data, path="/"):
    body = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
    try:
        with urlopen(Request(f"http://127.0.0.1:{port}{path}", body), timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as err:
        return err.code, json.load(err)


@pytest.fixture(scope="module")
def nlp():
    return translate_test()


@pytest.fixture
def port(nlp):
    with service.make_server(nlp) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_it_finds_entities_in_texts_of_the_target_language(port):
    status, found = ask(port, {"texts": [target for _, target in PAIRS]})
    assert status == 200 and [doc["text"] for doc in found["docs"]] == [target for _, target in PAIRS]
    cut = [[(doc["text"][e["start"] : e["end"]], e["label"]) for e in doc["ents"]] for doc in found["docs"]]
    assert cut == [[("Ana", "PER"), ("Roma", "LOC")], [("Roma", "LOC")], [("Ana", "PER")]]
    assert all(0 < ent["score"] <= 1 for doc in found["docs"] for ent in doc["ents"])
    assert ask(port, {"texts": []}) == (200, {"docs": []})
    assert ask(port, None, "/health")[1]["lang"] == "es"


def test_requests_side_by_side_get_their_own_answers(port):
    texts = [target for _, target in PAIRS] * 5
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: ask(port, {"texts": [text]}), texts))
    assert [answer["docs"][0]["text"] for _, answer in found] == texts
    assert found[:3] == found[3:6]


@pytest.mark.parametrize(
    "body", [b"\xff", b"[]", {"text": "Ana"}, {"texts": "Ana"}, {"texts": [1]}, {"texts": ["a" * 10_001]}]
)
def test_what_cannot_be_read_is_said(port, body):
    status, said = ask(port, body)
    assert status == 400 and said["error"].startswith("Expected")


def test_it_goes_on_after_errors(port, nlp, monkeypatch):
    assert ask(port, b" " * 1_000_001)[0] == 413
    assert ask(port, b" " * 9_000_000)[0] == 413
    assert ask(port, None, "/other")[0] == 404
    with monkeypatch.context() as patch:
        patch.setattr(service, "entities", lambda doc: 1 / 0)
        patch.setattr(service.BaseHTTPRequestHandler, "log_error", lambda *args: None)
        status, said = ask(port, {"texts": [PAIRS[0][1]]})
    assert status == 500 and "ZeroDivisionError" not in said["error"]
    assert ask(port, {"texts": [PAIRS[0][1]]})[0] == 200


@pytest.mark.slow
def test_from_the_command_line(tmp_path):
    nlp = spacy.blank("es")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "LOC", "pattern": "Roma"}])
    nlp.to_disk(tmp_path / "model")
    command = [sys.executable, ROOT / "examples/service/server.py", tmp_path / "model", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, f"the server ended with {process.wait(30)}"
            found = ask(int(address.rstrip("/").rpartition(":")[2]), {"texts": ["Ana vive en Roma."]})
        finally:
            process.terminate()
    assert found[1]["docs"][0]["ents"] == [{"start": 12, "end": 16, "label": "LOC", "score": None}]
