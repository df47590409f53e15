import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.memory_files import export_memory, import_memory
from spacy_xproj.texts import normalize
from spacy_xproj.translators.memory import Memory
from spacy_xproj.ty import Translation

FORMATS = ["tsv", "jsonl", "tmx"]
PAIRS = [
    (
        "A family \U0001f468\u200d\U0001f469\u200d\U0001f467 eats",
        "Una familia \U0001f468\u200d\U0001f469\u200d\U0001f467 come",
    ),
    ('He said "no" & left <br/>', "Dijo \u00abno\u00bb & se fue \\t \\n"),
    ("\u0634\u0643\u0631\u0627", "\u05ea\u05d5\u05d3\u05d4 \u200frtl\u200e"),
    ("\u2028 line separator", "next\u0085line \u2028 and\u00a0space "),
    ("'single'", "]]> &amp; &#13;"),
]
DTD = '<?xml version="1.0" encoding="{}"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n'
XML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20).filter(normalize)


def tmx(body, head=""):
    return f'{head}<tmx version="1.4"><header/><body>\n{body}\n</body></tmx>'


def unit(source, target, source_lang="en", target_lang="es"):
    return (
        f'<tu><tuv xml:lang="{source_lang}"><seg>{source}</seg></tuv>\n'
        f'<tuv xml:lang="{target_lang}"><seg>{target}</seg></tuv></tu>'
    )


def look_up(memory, *texts):
    return [t.text for t in memory(texts, "en", "es")]


@pytest.mark.parametrize("format", FORMATS)
def test_round_trip(tmp_path, format):
    one, file, again = tmp_path / "one.db", tmp_path / f"a.{format}", tmp_path / "b"
    Memory(one).add(PAIRS, "en", "es")
    assert export_memory(one, file, "en", "es") == len(PAIRS)
    counts = import_memory(tmp_path / "two.db", file, "en", "es")
    assert counts == {"added": 5, "known": 0, "conflicts": 0, "replaced": 0, "skipped": 0}
    two = Memory(tmp_path / "two.db")
    assert look_up(two, *[s for s, _ in PAIRS]) == [t for _, t in PAIRS]
    assert export_memory(two, again, "en", "es", format=format) == len(PAIRS)
    assert again.read_bytes() == file.read_bytes()
    assert import_memory(two, file, "en", "es")["known"] == len(PAIRS)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(pairs=st.lists(st.tuples(XML_TEXT, XML_TEXT), min_size=1, max_size=4), format=st.sampled_from(FORMATS))
def test_any_text_round_trips(tmp_path, pairs, format):
    one, two, file = Memory(), Memory(), tmp_path / f"a.{format}"
    one.add(pairs, "en", "es")
    export_memory(one, file, "en", "es")
    import_memory(two, file, "en", "es")
    assert list(two.store.entries("en", "es")) == list(one.store.entries("en", "es"))


@pytest.mark.parametrize(
    ("target", "bad"),
    [("a\tb", ["tsv"]), ("a\nb", ["tsv"]), ("a\rb", ["tsv"]), ("a\r\nb", ["tsv"]), ("a\x01b", ["tmx"])],
)
@pytest.mark.parametrize("format", FORMATS)
def test_what_a_format_cannot_hold_is_refused(tmp_path, target, bad, format):
    memory, file = Memory(), tmp_path / f"a.{format}"
    memory.add([("good", "bueno"), ("a", target)], "en", "es")
    file.write_text("what was there")
    if format in bad:
        with pytest.raises(XprojError, match="cannot hold"):
            export_memory(memory, file, "en", "es")
        assert file.read_text() == "what was there" and os.listdir(tmp_path) == [file.name]
    else:
        export_memory(memory, file, "en", "es")
        copy = Memory()
        import_memory(copy, file, "en", "es")
        assert look_up(copy, "a") == [target]


def test_export_has_one_entry_a_text_and_people_come_first(tmp_path):
    upper = lambda texts, a, b: [Translation(t.upper() if t != "e" else "") for t in texts]  # noqa: E731
    memory = Memory("", upper)
    memory(["a", "b"], "en", "es")
    memory.add([("b", "x"), ("c", "y")], "en", "es")
    memory(["d", "e"], "en", "es")
    memory.add([("a", "other")], "en", "de")
    assert export_memory(memory, tmp_path / "m.tsv", "en", "es") == 4
    assert (tmp_path / "m.tsv").read_text() == "a\tA\nb\tx\nc\ty\nd\tD\n"
    with pytest.raises(XprojError, match="nothing from 'es' to 'en', only en → de, en → es"):
        export_memory(memory, tmp_path / "m.tsv", "es", "en")


def test_import_options(tmp_path):
    file = tmp_path / "a.tsv"
    file.write_text("\ufeffdog\tperro\r\n\n  \ncat\tgato\n", encoding="utf8")
    memory = Memory()
    memory.add([("dog", "can")], "en", "es")
    counts = import_memory(memory, file, "en", "es", both=True)
    assert counts == {"added": 3, "known": 0, "conflicts": 1, "replaced": 0, "skipped": 0}
    assert look_up(memory, "dog", "cat") == ["can", "gato"]
    assert [t.text for t in memory(["perro", "gato"], "es", "en")] == ["dog", "cat"]
    assert import_memory(memory, file, "en", "es", overwrite=True)["replaced"] == 1
    assert look_up(memory, "dog") == ["perro"]
    with memory.store.connected() as connection:
        assert connection.execute("SELECT DISTINCT origin FROM entries").fetchall() == [("a.tsv",)]


BAD = [
    ("a.tsv", b"a\tb\nno tab\n", 2),
    ("a.tsv", b"a\tb\nc\td\te\n", 2),
    ("a.tsv", b"a\tb\n\n\tx\n", 3),
    ("a.tsv", b"a\tb\nx\t \n", 2),
    ("a.tsv", b"a\tb\nx\t\xff\n", 2),
    ("a.tsv", b"", None),
    ("a.jsonl", b'{"source": "a", "target": "b"}\n{"source": "c"}\n', 2),
    ("a.jsonl", b'{"source": "a", "target": "b"}\n["c", "d"]\n', 2),
    ("a.jsonl", b'{"source": "a", "target": "b"}\n{"source": "c", "target": 1}\n', 2),
    ("a.jsonl", b'{"source": "a", "target": "b"}\n{"source": "c", "target": "\\ud800"}\n', 2),
    ("a.jsonl", b'{"source": "a", "target": "b"}\n{"source": "c", \n', 2),
    ("a.jsonl", b'{"source": "a", "target": "b"}\n' + b"[" * 100_000, 2),
    ("a.jsonl", b'{"source": "a", "target": "b", "source_lang": 3}\n', 1),
    ("a.jsonl", b'{"source": "a", "target": "b", "source_lang": "de"}\n', None),
    ("a.tmx", b"", 1),
    ("a.tmx", b"a\tb", 1),
    ("a.tmx", b"<html>\n</html>", 1),
    ("a.tmx", tmx(unit("a", "b") + "\n<tu>").encode(), 5),
    ("a.tmx", tmx(unit("a", "b") + "\n<tu><tuv><seg>x</seg></tuv></tu>").encode(), 4),
    ("a.tmx", tmx(unit("a", "b") + unit("c", "d\xff")).encode("latin-1"), 4),
    ("a.tmx", tmx(unit("a", "b"), '<?xml version="1.0" encoding="nonsense"?>').encode(), 1),
    ("a.tmx", tmx(unit("a", "b"), '<!DOCTYPE tmx [\n<!ENTITY a "aaa">]>').encode(), 2),
    (
        "a.tmx",
        tmx(unit("a", "b"), '<!DOCTYPE tmx [\n<!ENTITY a SYSTEM "file:///etc/hostname">]>').encode(),
        2,
    ),
    ("a.tmx", tmx(unit("a", "b") + unit("&nbsp;x", "y")).encode(), 3),
    ("a.tmx", tmx(unit("a", "b") + unit("&nbsp;x", "y"), DTD.format("utf-8")).encode(), 5),
    ("a.tmx", tmx(unit("a", "b", "de", "es")).encode(), None),
    ("a.txt", b"a\tb\n", None),
]


@pytest.mark.parametrize(("name", "content", "line"), BAD)
def test_bad_file_leaves_the_memory_as_it_was(tmp_path, name, content, line):
    file, path = tmp_path / name, tmp_path / "m.db"
    file.write_bytes(content)
    memory = Memory()
    memory.add([("old", "viejo")], "en", "es")
    with pytest.raises(InputError) as error:
        import_memory(memory, file, "en", "es")
    assert (str(error.value.path), error.value.line) == (str(file), line)
    assert list(memory.store.entries("en", "es")) == [("old", "viejo")]
    with pytest.raises(InputError):
        import_memory(path, file, "en", "es")
    assert os.listdir(tmp_path) == [name]


def test_files_that_cannot_be_opened(tmp_path):
    memory = Memory()
    memory.add([("a", "x")], "en", "es")
    for format in FORMATS:
        with pytest.raises(InputError, match="cannot be read"):
            import_memory(memory, tmp_path / "none", "en", "es", format=format)
        with pytest.raises(InputError, match="cannot be read"):
            import_memory(memory, tmp_path, "en", "es", format=format)
        with pytest.raises(InputError, match="cannot be written"):
            export_memory(memory, "/dev/null/a", "en", "es", format=format)
    with pytest.raises(InputError, match="no such file"):
        export_memory(tmp_path / "none.db", tmp_path / "a.tsv", "en", "es")
    with pytest.raises(InputError, match="tsv, jsonl, tmx"):
        export_memory(memory, tmp_path / "a.tsv", "en", "es", format="xlsx")
    assert os.listdir(tmp_path) == []


def test_jsonl_languages(tmp_path):
    rows = [
        {"source": "a", "target": "x"},
        {"source": "b", "target": "y", "source_lang": "en-GB", "target_lang": "ES"},
        {"source": "c", "target": "z", "target_lang": "de"},
        {"source": "d", "target": "z", "source_lang": "eng"},
    ]
    file, memory = tmp_path / "a.jsonl", Memory()
    file.write_text("\n".join(map(json.dumps, rows)))
    assert import_memory(memory, file, "en", "es")["skipped"] == 1
    assert look_up(memory, *"abcd") == ["x", "y", None, "z"]


def import_tmx(tmp_path, content, source_lang="en", target_lang="es", encoding="utf8"):
    file, memory = tmp_path / "a.tmx", Memory()
    file.write_text(content, encoding=encoding)
    counts = import_memory(memory, file, source_lang, target_lang)
    return list(memory.store.entries(source_lang, target_lang)), counts


def test_tmx_inline_codes_and_documents(tmp_path):
    source = (
        '<bpt i="1">&lt;b&gt;</bpt>Bold<ept i="1">&lt;/b&gt;</ept> and <hi>mark<hi>ed</hi></hi>'
        "<ph>img<sub>alt</sub>x</ph>"
    )
    body = unit(source, "Negrita &amp; &#233;<it pos='begin'>x</it>") + "<tu><note>n</note><prop type='x'>p</prop></tu>"
    for encoding in ("utf-8", "utf-16", "latin-1"):
        rows, counts = import_tmx(tmp_path, tmx(body, DTD.format(encoding)), encoding=encoding)
        assert rows == [("Bold and marked", "Negrita & \u00e9")]
        assert counts["skipped"] == 1


def test_tmx_language_codes(tmp_path):
    body = (
        '<tu><tuv xml:lang="EN-gb"><seg>lorry</seg></tuv><tuv lang="es_MX"><seg>troca</seg></tuv>'
        '<tuv xml:lang="ES"><seg>cami\u00f3n</seg></tuv><tuv xml:lang="es"><seg>second</seg></tuv></tu>'
        '<tu><tuv xml:lang="en"><seg>empty</seg></tuv><tuv xml:lang="es"><seg/></tuv></tu>'
        + unit("other", "x", "eng", "es")
    )
    rows, counts = import_tmx(tmp_path, tmx(body))
    assert (rows, counts["skipped"]) == ([("lorry", "cami\u00f3n"), ("other", "x")], 1)
    assert import_tmx(tmp_path, tmx(body), "en", "es-mx")[0] == [("lorry", "troca"), ("other", "x")]
    rows, _ = import_tmx(tmp_path, tmx(unit("a", "b", "pt-BR", "pt-PT")), "pt-PT", "pt")
    assert rows == [("b", "a")]


@pytest.mark.parametrize(
    ("source", "target", "pair"),
    [
        ("Uno\n   dos\ntres.", "One\u00a0 two", ("Uno dos tres.", "One two")),
        ("Hola<ph type='lb'/>Marta", "A<x id='1'/>b <it pos='begin'>&lt;i&gt;</it>c.", ("Hola Marta", "A b c.")),
        ("&lt;g1&gt;Un&lt;/g1&gt; a\u00f1o&lt;x2/&gt;.", "a&lt;t0/&gt;b &lt; c", ("Un a\u00f1o.", "a b < c")),
        (
            "<bpt i='1'>&lt;b&gt;</bpt>W<ept i='1'>&lt;/b&gt;</ept>ort",
            "\u4f60\n  \u597d\u3002",
            ("Wort", "\u4f60\u597d\u3002"),
        ),
    ],
)
def test_tmx_of_translators_tools(tmp_path, source, target, pair):
    assert import_tmx(tmp_path, tmx(unit(source, target)))[0] == [pair]


def test_languages_of_a_file_are_named_and_matched(tmp_path):
    content = tmx(unit("a", "b", "EN-US", "ZH-CN") + unit("c", "d", "eng", "heb"))
    assert import_tmx(tmp_path, content, "en", "zh-Hans")[0] == [("a", "b")]
    assert import_tmx(tmp_path, content, "en", "iw")[0] == [("c", "d")]
    with pytest.raises(InputError, match="It has the languages EN-US, ZH-CN, eng, heb"):
        import_tmx(tmp_path, content, "en", "zh-Hant")


def test_a_tsv_in_another_encoding_and_with_quotes(tmp_path):
    file, memory = tmp_path / "a.tsv", Memory()
    file.write_text('"a\tb"\tcaf\u00e9\n', encoding="cp1252")
    with pytest.raises(InputError, match="0xe9 at offset 9"):
        import_memory(memory, file, "en", "es")
    import_memory(memory, file, "en", "es", encoding="cp1252")
    assert list(memory.store.entries("en", "es")) == [("a b", "caf\u00e9")]


def test_tmx_is_read_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_xproj.corpus.formats.tmx.CHUNK", 7)
    body = "".join(unit(f"a{k} &amp; \u00e9", f"b{k}") for k in range(20))
    rows, _ = import_tmx(tmp_path, tmx(body))
    assert rows == [(f"a{k} & \u00e9", f"b{k}") for k in range(20)]
