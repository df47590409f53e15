"""Entities of texts over HTTP, by a pipeline that is loaded once: `python server.py MODEL --port 8000`

POST `{"texts": ["…"]}` to `/` gives `{"docs": [{"text": "…", "ents": [{"start", "end", "label", "score"}]}]}`, with
offsets in characters. `score` is the probability of a projected entity, and null for others. GET `/health` says which
pipeline runs.
It listens on the loopback address: put a web server with authentication before it to let others in.
"""

import argparse
import contextlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

import spacy

MAX_BYTES, MAX_TEXTS, MAX_LENGTH = 1_000_000, 100, 10_000


def entities(doc):
    """Return the entities of a Doc as plain data (list of dict)."""
    spans = doc.spans.get("xproj", [])
    scores = spans.attrs.get("scores", []) if len(spans) else []
    known = {(span.start, span.end, span.label_): float(score) for span, score in zip(spans, scores)}
    return [
        {
            "start": ent.start_char,
            "end": ent.end_char,
            "label": ent.label_,
            "score": known.get((ent.start, ent.end, ent.label_)),
        }
        for ent in doc.ents
    ]


def texts_of(body):
    """Return the texts of a request (list of str). RAISES (ValueError): With a sentence for the one who sent it."""
    try:
        texts = json.loads(body)["texts"]
    except (ValueError, KeyError, TypeError):
        raise ValueError('Expected JSON such as {"texts": ["a text"]}.') from None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("Expected 'texts' to be a list of strings.")
    if len(texts) > MAX_TEXTS or any(len(text) > MAX_LENGTH for text in texts):
        raise ValueError(f"Expected at most {MAX_TEXTS} texts of at most {MAX_LENGTH} characters.")
    return texts


def make_server(nlp, port=0):
    """Make a server of a pipeline on the loopback address. Port 0 takes a free one (`server.server_port`)."""
    turn = Lock()  # translators and encoders are not made for several threads at once

    class Handler(BaseHTTPRequestHandler):
        timeout = 60

        def do_GET(self):
            if self.path != "/health":
                return self.answer(404, {"error": "There is only /health, and / for POST."})
            self.answer(200, {"pipeline": nlp.meta["name"], "version": nlp.meta["version"], "lang": nlp.lang})

        def do_POST(self):
            size = self.headers.get("Content-Length", "")
            if not size.isdigit() or int(size) > MAX_BYTES:
                # Many clients send all before they read: closed upon unread bytes, they see a broken pipe, no answer.
                left = min(int(size), 20 * MAX_BYTES) if size.isdigit() else 0
                while left and (read := len(self.rfile.read(min(left, 2**16)))):
                    left -= read
                return self.answer(413, {"error": f"Expected a Content-Length of at most {MAX_BYTES}."})
            try:
                texts = texts_of(self.rfile.read(int(size)))
            except ValueError as err:
                return self.answer(400, {"error": str(err)})
            try:
                with turn:
                    docs = [{"text": doc.text, "ents": entities(doc)} for doc in nlp.pipe(texts)]
            except Exception as err:
                self.log_error("%s", repr(err))
                return self.answer(500, {"error": "The pipeline failed. Its log has the reason."})
            self.answer(200, {"docs": docs})

        def answer(self, status, data):
            body = json.dumps(data, ensure_ascii=False).encode("utf-8")
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, *args):
            """Log errors alone."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name or folder of a pipeline")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args()
    with make_server(spacy.load(args.model), args.port) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
