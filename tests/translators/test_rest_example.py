"""The translator of one's own in the docs, against a server on this machine."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import spacy
from thinc.api import Config

import spacy_xproj
from spacy_xproj.errors import XprojError
from spacy_xproj.registry import registry

SECTION = (Path(__file__).parents[2] / "docs" / "guides" / "translation.md").read_text(encoding="utf-8")
SECTION = SECTION.split("## A translator of your own\n")[1].split("\n## ")[0]
PYTHON, CONFIG = (re.search(rf"^```{kind}\n(.*?)^```", SECTION, re.S | re.M)[1] for kind in ("python", "ini"))


class Service(BaseHTTPRequestHandler):
    """Turns texts round, and fails where a text asks for it."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(asked)
        status, answer = 200, {"translatedText": [text[::-1] for text in asked["q"]]}
        if "!fail" in asked["q"]:
            status, answer = 500, {"error": "told to fail"}
        elif "!odd" in asked["q"]:
            answer = {"text": "?"}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        server.asked = []
        server.url = f"http://127.0.0.1:{server.server_port}/translate"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def make(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    exec(compile(PYTHON, "example", "exec"), {"__name__": "example"})
    return registry.xproj_translators.get("my_rest.v1")


def pipeline(url, path):
    nlp = spacy.blank("es")
    config = Config().from_str(f"[components]\n\n[components.xproj_translator]\n\n{CONFIG}")
    settings = config["components"]["xproj_translator"]
    settings["forward"]["path"] = str(path)
    settings["forward"]["translator"]["url"] = url
    nlp.add_pipe("xproj_translator", config=settings)
    return nlp


def test_a_second_run_makes_no_request(server, make, tmp_path):
    blank = spacy.blank("en")
    docs = [blank("ana asa"), blank("bob"), blank("ana asa")]
    for _ in range(2):  # each run with a pipeline of its own
        found = [doc.text for doc in spacy_xproj.translate(docs, pipeline(server.url, tmp_path / "memory.sqlite"))]
        assert found == ["asa ana", "bob", "asa ana"]
        assert server.asked == [{"q": ["ana asa", "bob"], "source": "en", "target": "es", "format": "text"}]


@pytest.mark.parametrize(("text", "reason"), [("!fail", "HTTPError 500"), ("!odd", "KeyError.*translatedText")])
def test_a_failing_service_is_named(server, make, text, reason):
    with pytest.raises(XprojError, match=rf"from en into es at {server.url}: .*{reason}"):
        make(server.url)([text], "en", "es")


def test_a_service_that_is_not_there(make):
    with pytest.raises(XprojError, match=r"from en into es at http://127\.0\.0\.1:1/: .*Error"):
        make("http://127.0.0.1:1/", timeout=5.0)(["ana"], "en", "es")
