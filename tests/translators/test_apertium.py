"""Apertium: with the real program where it is installed, and with programs made up here for what must not happen."""

import gc
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_xproj.errors import XprojError
from spacy_xproj.registry import registry
from spacy_xproj.translators import Memory, apertium_run
from spacy_xproj.translators.apertium import Apertium
from spacy_xproj.translators.apertium_run import Broken
from spacy_xproj.translators.apertium_stream import read, squeezed, write
from spacy_xproj.ty import SpanTranslator, Translation

SENTENCES = [
    "It is included.",
    "MIX IT ALL UP",
    "I have a lot of cars.",
    "I do n't know.",
    "Thanks.",
    "The war was for oil.",
]


@pytest.fixture(autouse=True)
def allowed(monkeypatch):
    monkeypatch.setenv("XPROJ_ALLOW_PROGRAMS", "1")


@pytest.fixture(scope="module")
def real():
    """The real program, with the pairs that the tests need."""
    try:
        translator = Apertium()
        for lang in ("es", "ca", "gl", "eo"):
            translator.mode("en", lang)
    except XprojError as err:
        pytest.skip(f"Apertium or one of its language pairs is not installed: {err}")
    yield translator
    translator.close()


def spans_of(text, *parts):
    return [(text.index(part), text.index(part) + len(part), f"id {part}") for part in parts]


def carried(translator, text, *parts, target="es"):
    """The translation, and what became of the parts."""
    (got,) = translator.carry([text], [spans_of(text, *parts)], "en", target)
    return got.text, {name.removeprefix("id "): got.text[a:b] for a, b, name in got.spans}


def alive(group):
    """The processes of a process group that are not dead."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, own = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(own) == group and state not in "ZX":
            found.append(int(stat.parent.name))
    return found


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- the stream


def test_write():
    assert write(" a\u00a0 b\n") == (".[]a b[].[]", [])
    assert write("[a] <b> & ^c$ \\ {d}@/ ~e *f") == (r".[]\[a\] \<b\> & \^c\$ \\ \{d\}\@\/ [~]e *f[].[]", [])
    assert write("a\0b\ud800\uffff") == (".[]a\ufffdb\ufffd\ufffd[].[]", [])
    stream = ".[][[0]]The[[/]] [[1]]bank of[[/]] [[1;2]]New York[[/]][[0]]'s[[/]][].[]"
    text = "The  bank of New York's"
    assert write(text, [(5, 21, "outer"), (12, 21, "inner")]) == (stream, ["outer", "inner"])
    assert write("a b", [(1, 2, "blank"), (1, 1, "empty"), (3, 2, "turned")]) == write("a b")
    assert write("a b", [(0, 2, "x"), (1, 3, "y")])[0] == ".[][[1]]a[[/]] [[2]]b[[/]][].[]", "no blank in a mark"


@given(st.text(alphabet="ab [] ^$/\\@{}<>~*.;=\n\0", max_size=12), st.data())
def test_what_is_written_can_be_read(text, data):
    place = st.integers(0, len(text))
    spans = [(*sorted((data.draw(place), data.draw(place))), name) for name in "xyz"]
    plain, found = read(*write(text, spans))
    assert plain == squeezed(text)
    for start, end, name in found:
        (mine,) = [text[a:b] for a, b, other in spans if other == name]
        assert squeezed(mine).startswith(plain[start:end][:1])
        assert plain[start:end] == plain[start:end].strip() != ""


@pytest.mark.parametrize(
    "stream, want",
    [
        # (translation, what the spans 1 and 2 cover)
        ("coches [[1=rojos]]rojos[[/]]", {"1": "rojos"}),
        ("[[1=Sala]]Sala[[/]] de [[1=Ciudad]]Ciudad[[/]]", {"1": "Sala de Ciudad"}),
        ("[[1=Tonos]]Tonos[[/]] de la [[1=Florida]]Florida[[/]]", {"1": "Tonos de la Florida"}),
        ("[[1]]Ed[[/]] [[0]]intrèpid[[/]] [[1]]Wong[[/]]", {"1": "Ed intrèpid Wong"}),
        ("[[1]]Ed[[/]][[0]],[[/]] [[1]]Wong[[/]]", {"1": "Ed, Wong"}),
        ("[[1]]Kim[[/]] de [[0]]Corea[[/]] del [[0]]Norte[[/]] [[1]]Jong[[/]]", {"1": "Jong"}),
        ("[[1]]Oso[[/]] [[2]]Ana[[/]] [[1]]Stearns[[/]]", {"1": "Stearns", "2": "Ana"}),
        ("[[1]]Uno[[/]] [[0]]x y[[/]] [[0]]z[[/]] [[1]]dos[[/]]", {"1": "Uno"}),
        ("[[1]]Banco[[/]] de [[1; 2]]Nueva[[/]] [[2; 1]]York[[/]]", {"1": "Banco de Nueva York", "2": "Nueva York"}),
        # The post-generator made one blank of several words.
        ("[[1=Tampa]]de Tampa[[/]]", {"1": "Tampa"}),
        ("[[0=~de; 1=Albert]]d'Albert[[/]]", {"1": "Albert"}),
        ("[[1=~de; 1; 2=Albert]]d'Albert[[/]]", {"1": "d'Albert", "2": "Albert"}),
        ("[[0=~el; 1; 2=gat]]el gat[[/]] [[1=gris]]gris[[/]]", {"1": "gat gris", "2": "gat"}),
        ("[[0=~de; 1=~el]]del[[/]] [[1=Prado]]Prado[[/]]", {"1": "del Prado"}),
        ("[[2=Israel]]e israel[[/]]", {"2": "israel"}),
        ("[[1=San Francisco]]San Francisco[[/]]", {"1": "San Francisco"}),
        ("[[0=bon; 1=dia]]hola[[/]]", {"1": "hola"}),
        # What a program at fault may write
        ("[[]]a[[/]] [[x; 9]]b[[/]] [[1]]c", {}),
        ("[[/]]a[[/]]", {}),
    ],
)
def test_read(stream, want):
    text, spans = read(f".[] {stream}[].[]", ["1", "2"])
    assert {name: text[a:b] for a, b, name in spans} == want
    assert spans == sorted(spans, key=lambda span: span[0])
    assert not text.endswith(".") and text == " ".join(text.split())


def test_the_last_stop_is_taken_away():
    assert [read(s)[0] for s in (".[]a.[].[]", ".[]a[].[]", ".[]a.[]", ".[].[]", "", "a", r".[]\..[]")] == [
        "a.", "a", "a", "", "", "a", "."
    ]  # fmt: skip
    assert read(".[]a [[1=~el]]el[].[[/]][]", ["x"]) == ("a el", [(2, 4, "x")])


# --- the real program


@pytest.mark.parametrize(
    "source, target, text, want",
    [
        ("en", "es", "The house is red.", "La casa es roja."),
        ("eng", "spa", "The house is red.", "La casa es roja."),
        ("en-GB", "es_MX", "The house is red.", "La casa es roja."),
        ("en", "ca", "The car is red.", "El carro és vermell."),
        ("en", "glg", "The house is red.", "A casa é vermella."),
        ("eng", "epo", "The house is red.", "La domo estas ruĝa."),
        ("es", "en", "La casa es roja.", "The house is red."),
        ("cat", "eng", "La ciutat és vermella.", "The city is red."),
        ("gl", "en", "A casa é vermella.", "The house is red."),
        ("eo", "en", "La domo estas ruĝa.", "The house is red."),
    ],
)
def test_translates(real, source, target, text, want):
    assert real([text], source, target) == [Translation(want)]


@pytest.mark.parametrize(
    "target, text, want",
    [
        ("es", "I saw red cars.", {"red": "rojos", "cars": "coches"}),
        ("es", "I visited the White House.", {"White House": "Casa Blanca"}),
        ("es", "I saw the City Hall.", {"City Hall": "Sala de Ciudad", "City": "Ciudad"}),
        ("es", "I saw Peter's red car.", {"Peter": "Peter", "red car": "coche rojo"}),
        ("ca", "I saw the cars of Albert.", {"Albert": "Albert"}),
        ("ca", "I visited the White House.", {"White House": "Casa Blanca"}),
        ("gl", "I saw red cars in New York.", {"red": "vermellos", "New York": "Nova York"}),
        ("eo", "The University of New York is old.", {
            "University of New York": "Universitato de Nov-Jorko", "New York": "Nov-Jorko"}),
    ],
)  # fmt: skip
def test_carries_spans(real, target, text, want):
    translation, found = carried(real, text, *want, target=target)
    assert found == want
    if target != "eo":
        assert [translation] == [t.text for t in real([text], "en", target)]


def test_order_duplicates_and_empty_texts(real):
    texts = ["The house is red.", "", "I saw red cars.", " \n", "The  house\tis red.\n", "I saw red cars."]
    want = ["La casa es roja.", "", "Vi coches rojos.", "", "La casa es roja.", "Vi coches rojos."]
    assert [t.text for t in real(texts, "en", "es")] == want
    spans = [[], [], [(6, 9, "a")], [(0, 1, "b")], [(5, 10, "c")], [(10, 14, "d")]]
    found = real.carry(texts, spans, "en", "es")
    assert [t.text for t in found] == want
    assert [t.spans for t in found] == [[], [], [(10, 15, "a")], [], [(3, 7, "c")], [(3, 9, "d")]]
    assert real([], "en", "es") == real.carry([], [], "en", "es") == []
    assert all(t.spans is None for t in real(texts, "en", "es"))


def test_neighbors_and_history_make_no_difference(real):
    """Not even to the tagger, which keeps something of the texts it saw."""
    for target in ("es", "gl"):
        alone = []
        for text in SENTENCES:
            fresh = Apertium()
            alone += fresh([text], "en", target)
            fresh.close()
        fresh = Apertium()
        assert fresh(SENTENCES, "en", target) == alone
        assert fresh(SENTENCES[::-1], "en", target) == alone[::-1]
        assert [t for text in SENTENCES for t in real([text], "en", target)] == alone
        fresh.close()


SPECIAL = (
    "[]^$/\\@*{}<>&;~|\"'#+%=_-:,.!?()0 \0\x01\x1b\n\t\u00a0\u00ad\u0301\u200d\u202e\ufeff\ufffe\uffff\ud800\U0010ffff"
)
WORDS = "<b> </p> &amp; [[1]] [[/]] 😀 שלום 中文 House Peter's US-based Mr. xyzzy in"
PIECES = st.sampled_from([*SPECIAL, *WORDS.split(), " red ", "the "])


@settings(max_examples=12)
@given(
    st.lists(st.lists(PIECES, max_size=12).map("".join), min_size=30, max_size=40), st.randoms(use_true_random=False)
)
def test_any_text_comes_through(real, texts, random):
    """Every other text is known, and must come out the same whatever surrounds it."""
    known = Translation("Visité la Casa Blanca.", [(7, 21, "k")])
    mixed, spans = [], []
    for text in texts:
        places = [sorted(random.randrange(len(text) + 1) for _ in "ab") for _ in range(3)]
        mixed += [text, "I visited the White House."]
        spans += [[(a, b, str(k)) for k, (a, b) in enumerate(places)], [(10, 25, "k")]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = real.carry(mixed, spans, "en", "es")
        plain = real(texts, "en", "es")
    assert found[1::2] == [known] * len(texts)
    for text, own, alone, (translation, kept) in zip(texts, spans[::2], plain, found[::2]):
        assert bool(translation) <= bool(squeezed(text)) and translation == " ".join(translation.split())
        assert alone.text == " ".join(alone.text.split())
        assert [a for a, _, _ in kept] == sorted(a for a, _, _ in kept)
        assert len({name for *_, name in kept}) == len(kept) and {n for *_, n in kept} <= {n for *_, n in own}
        assert all(0 <= a < b <= len(translation) and translation[a:b].strip() == translation[a:b] for a, b, _ in kept)


def test_special_characters_are_kept(real):
    texts = [
        "[ ] ^ $ / \\ @ * { } < >",
        "~ ~x",
        "<b> &amp; & ;",
        "*",
        "*foo*",
        "...",
        "?!",
        "[[1]]x[[/]]",
        "^x/y$",
        "#x",
        "x\u0301",
    ]
    assert [t.text for t in real(texts, "en", "es")] == texts
    long = "I saw the red car. " * 3000
    (got,) = real([long], "en", "es")
    assert got.text.count("Vi el coche rojo.") == 3000


def test_unknown_words(real):
    marked = Apertium(mark_unknown=True)
    assert real(["The xyzzy is red."], "en", "es")[0].text == "El xyzzy es rojo."
    assert marked(["The xyzzy is red."], "en", "es")[0].text == "El *xyzzy es rojo."
    assert marked.key != real.key
    marked.close()


def test_key_and_provenance(real):
    assert real.key == Apertium().key and real.key.startswith("spacy_xproj.Apertium.v1 Apertium 3.")
    assert real.provenance.startswith("Apertium 3.") and "/" not in real.provenance


def test_missing_pair(real):
    with pytest.raises(XprojError, match=r"from 'en' to 'xx' installed; it has: .*eng-spa.*apt-get install"):
        real(["a"], "en", "xx")
    with pytest.raises(XprojError, match="from 'en' to 'en'"):
        real.carry(["a"], [[]], "en", "en")


def test_with_memory_in_front(real, tmp_path):
    memory = Memory(tmp_path / "memory.sqlite", real)
    text = "I saw red cars."
    want = [Translation("Vi coches rojos.", [(10, 15, "a")])]
    assert memory.carry([text], [[(6, 9, "a")]], "en", "es") == want
    assert memory([text], "en", "es")[0].text == want[0].text
    again = Memory(tmp_path / "memory.sqlite", Apertium(), read_only=True)
    assert again.carry([text], [[(6, 9, "a")]], "en", "es") == want
    assert again.report()["found"] == 1 and not again.translator._running


def test_from_the_registry(real):
    made = registry.resolve({"t": {"@xproj_translators": "spacy_xproj.Apertium.v1", "mark_unknown": True}})["t"]
    assert isinstance(made, SpanTranslator) and made.mark_unknown


def in_child(translator, queue):
    queue.put([translator.carry([s], [[(0, 1, "a")]], "en", "es") for s in SENTENCES])
    translator.close()


def test_forked_process_starts_its_own(real):
    translator = Apertium()
    want = [translator.carry([s], [[(0, 1, "a")]], "en", "es") for s in SENTENCES]
    (running,) = translator._running.values()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which other tests may have left
        children = [context.Process(target=in_child, args=(translator, queue)) for _ in range(2)]
        for child in children:
            child.start()
    assert [translator.carry([s], [[(0, 1, "a")]], "en", "es") for s in SENTENCES] == want
    assert [queue.get(timeout=60) for _ in children] == [want, want]
    for child in children:
        child.join()
    assert translator._running == {"eng-spa": running} and alive(running.process.pid)
    assert [translator.carry([s], [[(0, 1, "a")]], "en", "es") for s in SENTENCES] == want
    translator.close()


def test_threads_do_not_mix(real):
    texts = [f"I saw {k} red cars." for k in range(200)]
    out = {}
    threads = [Thread(target=lambda k=k: out.update({k: real(texts[k:], "en", "es")})) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [out[k] for k in range(4)] == [
        [Translation(f"Vi {n} coches rojos.") for n in range(k, 200)] for k in range(4)
    ]


def test_pickled(real):
    real(["a"], "en", "es")
    copy = pickle.loads(pickle.dumps(real))
    assert copy.key == real.key and copy(SENTENCES[:1], "en", "es") == real(SENTENCES[:1], "en", "es")
    copy.close()


def test_killed_program_is_started_again(real):
    translator = Apertium()
    want = translator(SENTENCES, "en", "es")
    group = translator._running["eng-spa"].process.pid
    os.killpg(group, signal.SIGKILL)
    assert translator(SENTENCES, "en", "es") == want
    running = translator._running.pop("eng-spa")
    for program in alive(running.process.pid):
        if b"autopgen" in Path(f"/proc/{program}/cmdline").read_bytes() and program != running.process.pid:
            os.kill(program, signal.SIGKILL)
    with pytest.raises(Broken, match="it stopped"):
        running.run([".[]a[].[]"])
    assert running.process.returncode is not None and not running.close.alive
    assert translator(SENTENCES, "en", "es") == want
    translator.close()


def test_nothing_is_left_running(real):
    translator = Apertium()
    translator(["a"], "en", "es")
    group = translator._running["eng-spa"].process.pid
    assert len(alive(group)) > 5
    del translator
    gc.collect()
    wait_for(lambda: not alive(group))
    code = (
        "from spacy_xproj.translators.apertium import Apertium; t = Apertium(); t(['a'], 'en', 'es');"
        "print(t._running['eng-spa'].process.pid)"
    )
    group = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    wait_for(lambda: not alive(group))


# --- programs made up

FAKE = """
import os, sys, time
# Every word in a blank is doubled, and some texts do harm.
def reply(text):
    if "CRASH" in text:
        sys.exit("crashed as told")
    if "HANG" in text:
        time.sleep(1000)
    out = text.replace("cat", "gato")
    return {"DROP": "", "TWICE": out + "\\0" + out + "\\0"}.get(text.strip("[.]"), out + "\\0")
rest = b""
while True:
    chunk = os.read(0, 65536)
    if not chunk:
        break
    *texts, rest = (rest + chunk).split(b"\\0")
    for text in texts:
        os.write(1, reply(text.decode()).encode())
"""


@pytest.fixture
def fake(tmp_path):
    """Apertium made up: from English to Spanish, and a broken mode to Catalan."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    (tmp_path / "bin").mkdir()
    modes = tmp_path / "share" / "apertium" / "modes"
    modes.mkdir(parents=True)
    for name, body in {"apertium": "echo Apertium 9.9", "apertium-wblank-mode": 'cat "$2"'}.items():
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    (tmp_path / "fake.py").write_text(FAKE)
    (modes / "en-es.mode").write_text(f"'{sys.executable}' '{tmp_path / 'fake.py'}' $1\n")
    (modes / "en-es_variant.mode").write_text("false\n")
    (modes / "eng-cat.mode").write_text("echo no such data >&2; exit 7\n")
    translator = Apertium(str(tmp_path / "bin" / "apertium"))
    yield translator
    translator.close()


def test_one_bad_text_loses_no_other(fake):
    for bad in ("CRASH", "TWICE", "DROP"):
        texts = ["a cat", "b", bad, "c", "a cat", "d"]
        with pytest.warns(UserWarning, match=rf"1 of 6 texts could not .* Apertium \(en-es: it .*first: '{bad}'"):
            found = fake.carry(texts, [[(2, 5, "x")], [], [], [], [], []], "en", "es")
        assert [t.text for t in found] == ["a gato", "b", None, "c", "a gato", "d"]
        assert found[0].spans == [(2, 6, "x")]
    with pytest.warns(UserWarning, match="exit code 1, and said: crashed as told"):
        assert fake(["CRASH"], "en", "es") == [Translation(None)]
    assert fake(["a cat"], "en", "es") == [Translation("a gato")]


@pytest.mark.slow
def test_a_text_that_takes_for_ever(fake, monkeypatch):
    assert fake(["cat"], "en", "es") == [Translation("gato")]
    monkeypatch.setattr(apertium_run, "PATIENCE", 5.0)
    with pytest.warns(UserWarning, match="it gave no output for"):
        assert fake(["HANG"], "en", "es") == [Translation(None)]


def test_a_mode_that_does_not_work(fake):
    with pytest.raises(XprojError, match=r"'eng-cat' in .*modes does not work: .* exit code 7.*no such data"):
        fake(["a", "b", "c"], "en", "ca")
    assert fake(["cat"], "en", "es") == [Translation("gato")]


def test_variants_are_not_chosen(fake):
    assert fake.mode("eng", "spa") == "en-es" and fake.mode("en-US", "ca") == "eng-cat"
    with pytest.raises(XprojError, match=r"it has: en-es, eng-cat\. "):
        fake.mode("es", "en")


def test_installation_that_lacks_something(fake, tmp_path, monkeypatch):
    with pytest.raises(XprojError, match=r"'no-such-program', which was not found.*apt-get install apertium"):
        Apertium("no-such-program")(["a"], "en", "es")
    with pytest.raises(XprojError, match=r"No Apertium modes were found in .*nowhere"):
        Apertium(fake.program, str(tmp_path / "nowhere"))(["a"], "en", "es")
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "share" / "apertium", elsewhere)
    given = Apertium(fake.program, str(elsewhere))
    assert given(["cat"], "en", "es") == fake(["cat"], "en", "es") and given.key == fake.key
    monkeypatch.setenv("APERTIUM_DATADIR", str(tmp_path / "nowhere"))
    with pytest.raises(XprojError, match="nowhere"):
        Apertium(fake.program)(["a"], "en", "es")
    given.close()
    (tmp_path / "bin" / "apertium-wblank-mode").write_text("#!/bin/sh\necho bad >&2; exit 2\n")
    with pytest.raises(XprojError, match=r"apertium-wblank-mode -z .* ended with exit code 2: bad"):
        given(["a"], "en", "es")
    (tmp_path / "bin" / "apertium-wblank-mode").unlink()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(XprojError, match=r"'apertium-wblank-mode' was not found.*3\.8"):
        Apertium(fake.program, str(elsewhere))(["a"], "en", "es")


def test_key_follows_the_data(fake, tmp_path):
    before = fake.key
    assert before.startswith("spacy_xproj.Apertium.v1 Apertium 9.9 ")
    (tmp_path / "fake.py").write_text(FAKE.replace("gato", "gata"))
    assert Apertium(fake.program).key != before
    assert Apertium(fake.program, mark_unknown=True).key != Apertium(fake.program).key


def test_wrong_number_of_span_lists(fake):
    with pytest.raises(XprojError, match="got 1 lists and 2 texts"):
        fake.carry(["a", "b"], [[]], "en", "es")


def test_much_text_at_once(fake):
    texts = [f"{k} " + "cat " * 400 for k in range(500)]
    assert [t.text for t in fake(texts, "en", "es")] == [text.replace("cat", "gato").strip() for text in texts]
