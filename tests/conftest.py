"""What the tests share: small Docs with a payload, and two small aligners in the registry."""

import fcntl
import functools
import os
import signal
import tempfile
import warnings
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import wasabi.printer
from hypothesis import settings
from spacy.tokens import Doc, DocBin

from spacy_xproj.bitext import Bitext, Links, SourceSpan
from spacy_xproj.errors import NotFittedError
from spacy_xproj.registry import registry

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
DATA = Path(os.environ.get("XPROJ_DATA") or ROOT.parent / "shared" / "data")

CHROMIUM = Path("/usr/bin/chromium")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts the tests behind it ignores Ctrl-C
os.environ.update(no_proxy="127.0.0.1", NO_PROXY="127.0.0.1")  # servers that tests start are not behind a proxy

settings.register_profile("xproj", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("xproj")
# Messages are wrapped, and where depends on the names in them. After few words, a test that does not put the lines
# together again (see `said`) fails on every machine.
wasabi.printer.wrap = functools.partial(wasabi.printer.wrap, wrap_max=20)


@contextmanager
def one_cluster():
    """Start no two clusters of Ray at a time: on few cores one of them would not be up when Ray gives up."""
    with open(Path(tempfile.gettempdir()) / "xproj-tests-ray.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Diagonal:
    """Links word i to word i."""

    provenance = "diagonal"

    def __call__(self, pairs):
        out = []
        for pair in pairs:
            if "!fail" in pair.target:
                raise RuntimeError("told to fail")
            n = min(len(pair.source), len(pair.target))
            out.append(Links(np.repeat(np.arange(n), 2).reshape(-1, 2), np.full(n, 0.5, "f4"), {}))
        return out


class Learner:
    """Links equal words that it saw in the corpus, which it must be fitted on."""

    provenance = "learner"

    def __init__(self):
        self.fitted = False
        self.seen = set()
        self.calls = 0

    def fit(self, pairs):
        self.calls += 1
        self.fitted = True
        self.seen = {word for pair in pairs for word in pair.source}

    def __call__(self, pairs):
        if not self.fitted:
            raise NotFittedError("test.Learner.v1")
        out = []
        for pair in pairs:
            links = [
                (i, j)
                for i, a in enumerate(pair.source)
                for j, b in enumerate(pair.target)
                if a == b and a in self.seen
            ]
            out.append(Links(np.array(links, "i4").reshape(-1, 2), np.ones(len(links), "f4"), {}))
        return out

    def to_bytes(self):
        return "\n".join([str(self.fitted), *sorted(self.seen)]).encode()

    def from_bytes(self, data):
        fitted, *seen = data.decode().split("\n")
        self.fitted, self.seen = fitted == "True", set(seen)
        return self

    def to_disk(self, path):
        Path(path).write_bytes(self.to_bytes())

    def from_disk(self, path):
        return self.from_bytes(Path(path).read_bytes())


registry.xproj_aligners.register("test.Diagonal.v1", func=Diagonal)
registry.xproj_aligners.register("test.Learner.v1", func=Learner)


def bitext(words, spans=(), links=(), *, sents=(), lang="en", **fields):
    """A Bitext of words split by white space and links in Pharaoh format."""
    words = tuple(words.split() if isinstance(words, str) else words)
    if isinstance(links, str):
        links = [tuple(map(int, item.split("-"))) for item in links.split()]
    spans = [SourceSpan(*s[:3], *(s[3:] or (f"s{k}",))) for k, s in enumerate(spans)]
    return Bitext(lang, words, (True,) * len(words), spans, links, sents=sents, **fields)


def payload_doc(nlp, target, *args, **kwargs):
    """A Doc of words split by white space, with a payload as for `bitext`."""
    doc = Doc(nlp.vocab, words=target.split() if isinstance(target, str) else list(target))
    doc._.xproj = bitext(*args, **kwargs)
    return doc


def ents(doc):
    return [(e.start, e.end, e.label_) for e in doc.ents]


def missed(doc):
    """Reason codes by the id of the source span."""
    return {row["id"]: row["reason"] for row in doc._.xproj_report["missing"]}


def state(doc):
    """All that the pipes write, as plain data."""
    groups = {
        key: ([(s.start, s.end, s.label_, s.id_) for s in group], [float(x) for x in group.attrs.get("scores", ())])
        for key, group in doc.spans.items()
    }
    iob = [(t.ent_iob, t.ent_type_) for t in doc]
    report = doc._.xproj_report
    if report is not None:  # tuples may come back as lists and the reverse
        report = {**report, "missing": list(report["missing"]), "notes": list(report["notes"])}
    return doc.text, iob, groups, doc._.xproj, report


@pytest.fixture
def nlp():
    return spacy.blank("es")


@pytest.fixture
def data():
    if not DATA.exists():
        pytest.skip("the data folder is absent (set XPROJ_DATA)")
    return DATA


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium. Tests that ask for it are skipped where there is none."""
    if not CHROMIUM.exists() or find_spec("playwright") is None:
        pytest.skip("no browser: Debian's chromium and the package playwright")
    from playwright.sync_api import sync_playwright

    # The path of its socket may have some 100 bytes. And it cannot save to a folder whose name the locale cannot spell.
    short = {"TMPDIR": "/tmp", "LC_ALL": "C.UTF-8"}
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in short.items():
                patch.setenv(name, value)
            play = stack.enter_context(sync_playwright())
            env: Any = dict(os.environ)
        made = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"], env=env)
        yield made
        made.close()


@pytest.fixture
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# What the tests of the command line read

VERSES = [
    ("the house is red", "la casa es roja"),
    ("the house is big", "la casa es grande"),
    ("the dog is red", "el perro es rojo"),
    ("Ana saw a dog", "Ana vio un perro"),
    ("a house in Rome", "una casa en Roma"),
]
MATCH = """[nlp]
lang = "es"
pipeline = ["xproj_matcher"]

[components]

[components.xproj_matcher]
factory = "xproj_matcher"

[components.xproj_matcher.similarity]
@xproj_similarities = "spacy_xproj.Links.v1"
"""
NAMES = {"Ana": "PER", "Rome": "LOC", "Roma": "LOC"}


def conll(sentences, tag="B"):
    """CoNLL text with the words of NAMES tagged."""
    rows = ("".join(f"{w}\t{f'{tag}-{NAMES[w]}' if w in NAMES else 'O'}\n" for w in s.split()) for s in sentences)
    return "\n".join(rows) + "\n"


@pytest.fixture
def corpus(tmp_path):
    """A folder with `src.conll`, `tgt.conll`, `links.pharaoh`, `match.cfg`, and `bitext.spacy` with the payload."""
    nlp = spacy.blank("es")
    (tmp_path / "src.conll").write_text(conll(s for s, _ in VERSES), encoding="utf-8")
    (tmp_path / "tgt.conll").write_text(conll(t for _, t in VERSES), encoding="utf-8")
    (tmp_path / "links.pharaoh").write_text("0-0 1-1 2-2 3-3\n" * len(VERSES))
    (tmp_path / "match.cfg").write_text(MATCH)
    docs = []
    for source, target in VERSES:
        spans = [(i, i + 1, NAMES[w]) for i, w in enumerate(source.split()) if w in NAMES]
        docs.append(payload_doc(nlp, target, source, spans))
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "bitext.spacy")
    return tmp_path


def said(result):
    """What a command printed, in one line: how it was wrapped makes no difference."""
    return " ".join(result.output.split())


def names(folder):
    """All files below a folder, hidden ones too."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
