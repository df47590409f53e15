"""Limits of what is read: each has a clear error, and an environment variable that changes it."""

import random
import resource
import tracemalloc
import warnings
import zlib

import pytest
import spacy
import srsly
from typer.testing import CliRunner

from spacy_xproj.cli import app
from spacy_xproj.corpus import read_docs, read_file, write_file
from spacy_xproj.corpus.formats.pairs import read_pairs
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.files import read_lines
from spacy_xproj.keys import run_key
from spacy_xproj.limits import DEFAULTS, limit, parse_json, variable
from spacy_xproj.review.answers import read_answers
from tests.conftest import payload_doc, said

NLP = spacy.blank("xx")


@pytest.fixture
def limited(monkeypatch):
    return lambda name, n: monkeypatch.setenv(variable(name), str(n))


@pytest.mark.parametrize("name", DEFAULTS)
def test_each_limit_can_be_changed(name, limited):
    assert limit(name) == DEFAULTS[name] > 0
    limited(name, 17)
    assert limit(name) == 17


@pytest.mark.parametrize("value", ["0", "-1", "many", "1e3"])
def test_a_limit_is_a_number(value, limited):
    limited("line_bytes", value)
    with pytest.raises(XprojError, match=f"XPROJ_MAX_LINE_BYTES to be a whole number above 0, got '{value}'"):
        limit("line_bytes")


def test_tokens_of_a_doc(tmp_path, limited):
    write_file([NLP("a b"), NLP("a b c d")], tmp_path / "x.spacy")
    limited("doc_tokens", 3)
    with pytest.raises(InputError, match=r"Doc 2: It has 4 tokens, more than the limit of 3. .*MAX_DOC_TOKENS"):
        list(read_file(tmp_path / "x.spacy", NLP.vocab))
    (tmp_path / "x.conll").write_text("a\tO\n\n" + "a\tO\n" * 4 + "\n")
    with pytest.raises(InputError, match=r"x.conll, line 3: The text has 4 tokens"):
        list(read_docs(tmp_path / "x.conll", NLP, format="conll"))


def test_tokens_and_entities_of_the_source_side(tmp_path, limited):
    doc = payload_doc(NLP, "a", "a b c", [(0, 1, "X"), (1, 2, "X")])
    write_file([doc], tmp_path / "x.spacy")
    limited("doc_entities", 1)
    with pytest.raises(InputError, match="Doc 1: Its source side has 2 entities, more than the limit of 1"):
        list(read_file(tmp_path / "x.spacy", NLP.vocab))
    limited("doc_tokens", 2)
    with pytest.raises(InputError, match="Doc 1: Its source side has 3 tokens, more than the limit of 2"):
        list(read_file(tmp_path / "x.spacy", NLP.vocab))


@pytest.mark.parametrize(
    "spans", [[(0, n, "X") for n in range(1, 300)], [(n, n + 150, "X") for n in range(300)]], ids=["nested", "crossing"]
)
def test_entities_over_the_same_word(tmp_path, spans):
    """300 that are nested took the matcher 18 seconds; 100 take 0.3."""
    words = [f"w{n}" for n in range(450)]
    write_file(
        [payload_doc(NLP, words, words, spans[:100]), payload_doc(NLP, words, words, spans)], tmp_path / "x.spacy"
    )
    with pytest.raises(
        InputError, match=r"Doc 2: Of its source entities .* hold the same word, more than the limit of 100"
    ):
        list(read_file(tmp_path / "x.spacy", NLP.vocab))


def test_entities_of_a_doc(tmp_path, limited):
    (tmp_path / "x.jsonl").write_text('{"text": "a b", "label": [[0, 1, "X"], [2, 3, "X"]]}\n')
    limited("doc_entities", 1)
    with pytest.raises(InputError, match="line 1: The text has 2 entities, more than the limit of 1"):
        list(read_docs(tmp_path / "x.jsonl", NLP, format="doccano"))


def packed(path, *blocks):
    """Write a .spacy file of blocks of bytes, each given with how often it comes."""
    packer = zlib.compressobj(9)
    with open(path, "wb") as file:
        for block, times in blocks:
            many = max(1, (1 << 20) // len(block))
            for n in [many] * (times // many) + [times % many]:
                file.write(packer.compress(block * n))
        file.write(packer.flush())


def array(n):
    """The head of an array of msgpack."""
    return b"\xdd" + n.to_bytes(4, "big"), 1


def refused(path, message):
    """Make sure that a file is refused. Returns how much memory was taken."""
    tracemalloc.start()
    with pytest.raises(InputError, match=rf"x.spacy: .*{message}"):
        list(read_file(path, NLP.vocab))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_a_bomb_is_refused_before_it_is_in_memory(tmp_path, limited):
    path = tmp_path / "x.spacy"
    packed(path, (b"\0", 64 << 20))
    limited("unpacked_bytes", 8 << 20)
    assert refused(path, "Unpacked, it has at least .* bytes, more than the limit of 8,388,608") < 16 << 20


def test_a_file_that_is_a_thousandth_of_what_it_unpacks_to(tmp_path):
    """With the limits as they are by default, though it stays below that of all bytes."""
    path = tmp_path / "x.spacy"
    packed(path, (b"\0", 65 << 20))
    assert path.stat().st_size < 100_000
    assert refused(path, "Unpacked, it has at least .* times its size, more than the limit of 250") < 16 << 20


@pytest.mark.parametrize("block", [b"\x90", b"\x80", b"\x94\x90\x90\x90\x90", b"\xdd\x7f\xff\xff\xff"])
@pytest.mark.parametrize("head", [b"\x91", b"\x81\xa4cats"], ids=["alone", "of Docs"])
def test_a_bomb_of_objects(tmp_path, limited, block, head):
    """Each byte would take 64 bytes of memory."""
    path, n = tmp_path / "x.spacy", 200_000 // len(block)
    packed(path, (head, 1), array(n), (block, n))
    limited("objects", 100_000)
    assert refused(path, "Unpacked, it has at least .* objects, more than the limit of 100,000") < 2 << 20


def test_a_bomb_of_docs(tmp_path, limited):
    """Docs without a token have four bytes each."""
    path = tmp_path / "x.spacy"
    packed(path, (b"\x81\xa7lengths\xc6" + (1 << 20).to_bytes(4, "big"), 1), (b"\0", 1 << 20))
    limited("objects", 100_000)
    assert refused(path, "at least .* objects") < 4 << 20


@pytest.mark.parametrize("depth", [5000, 11_000_000])
def test_nested_deeply(tmp_path, depth):
    """msgpack has a limit of its own."""
    packed(tmp_path / "x.spacy", (b"\x91", depth), (b"\x90", 1))
    refused(tmp_path / "x.spacy", "Expected a .spacy file that spaCy's DocBin can read")


LISTS = array(200_000)[0] + b"\x90" * 200_000
GROUP = srsly.msgpack_dumps({"name": "x", "attrs": {}, "spans": [bytes(40)] * 1000})


@pytest.mark.parametrize(
    "field, bomb",
    [
        ("user_data", b"\x81\xa1x" + LISTS),
        ("span_groups", b"\x81" + LISTS + b"\x91\xa1x"),
        ("span_groups", srsly.msgpack_dumps({LISTS: ["x"]})),
        ("span_groups", srsly.msgpack_dumps([LISTS])),
        ("span_groups", srsly.msgpack_dumps({GROUP: [str(n) for n in range(1000)]})),  # it is copied for each key
    ],
)
def test_bombs_in_what_a_file_says_of_a_doc(tmp_path, limited, field, bomb):
    path = tmp_path / "x.spacy"
    write_file([NLP("a b"), NLP("c")], path)
    data = srsly.msgpack_loads(zlib.decompress(path.read_bytes()))
    path.write_bytes(zlib.compress(srsly.msgpack_dumps({**data, field: [data[field][0], bomb]})))
    limited("objects", 100_000)
    assert refused(path, "Doc 2: .* more than the limit of 100,000. If that is right, .*XPROJ_MAX_OBJECTS") < 4 << 20


def test_groups_of_spans_with_several_keys(tmp_path):
    doc = NLP("a " * 1000)
    doc.spans["x"] = [doc[k : k + 1] for k in range(1000)]
    doc.spans["y"] = doc.spans["x"]
    write_file([doc], tmp_path / "x.spacy")
    [found] = read_file(tmp_path / "x.spacy", NLP.vocab)
    assert {key: len(group) for key, group in found.spans.items()} == {"x": 1000, "y": 1000}


def test_repetitive_text_is_no_bomb(tmp_path):
    """A text of three sentences over and over unpacks to 130 times its size."""
    texts = [f"Ana lives in {city} ." for city in ("Rome", "Oslo", "Bern")]
    docs = [payload_doc(NLP, text, text, [(0, 1, "PER"), (3, 4, "LOC")], "0-0 1-1 2-2 3-3 4-4") for text in texts]
    path = tmp_path / "x.spacy"
    write_file(docs * 1000, path)
    assert len(zlib.decompress(path.read_bytes())) / path.stat().st_size < DEFAULTS["unpacked_ratio"] * 0.6


def test_a_file_that_cannot_be_too_large_is_unpacked_once(tmp_path, monkeypatch):
    write_file([NLP("a b")], tmp_path / "x.spacy")
    monkeypatch.setattr("spacy_xproj.corpus.unpacking.zlib.decompressobj", None)
    assert len(list(read_file(tmp_path / "x.spacy", NLP.vocab))) == 1


def test_a_larger_file_is_unpacked_in_pieces(tmp_path, limited):
    docs = [NLP("a b") for _ in range(2000)]
    write_file(docs, tmp_path / "x.spacy")
    limited("unpacked_bytes", 1 << 20)
    limited("objects", 100_000)
    assert len(list(read_file(tmp_path / "x.spacy", NLP.vocab))) == 2000
    limited("unpacked_bytes", 1 << 12)
    with pytest.raises(InputError, match="MAX_UNPACKED_BYTES"):
        list(read_file(tmp_path / "x.spacy", NLP.vocab))


@pytest.mark.parametrize("ending", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_length_of_a_line(tmp_path, limited, ending, encoding):
    text = b"Ana" + ending + b"x" * 5000 + ending
    (tmp_path / "x.txt").write_bytes(text.decode().encode(encoding))
    limited("line_bytes", 1000)
    with pytest.raises(InputError, match=r"x.txt.*The line is longer than the limit of 1,000 bytes. .*MAX_LINE_BYTES"):
        list(read_docs(tmp_path / "x.txt", NLP, format="txt"))


def test_lines_of_all_other_files(tmp_path, limited):
    (tmp_path / "x").write_bytes(b"a\n" + b"x" * 5000)
    limited("line_bytes", 1000)
    for read in (read_lines, read_answers, lambda path: read_pairs(path, "en", "de", format="jsonl")):
        with pytest.raises(InputError, match="line"):
            list(read(tmp_path / "x"))


def test_a_value_in_an_array_of_json(tmp_path, limited):
    (tmp_path / "x.json").write_text('[{"text": "' + "x" * (3 << 20) + '"}]')
    limited("line_bytes", 1000)
    with pytest.raises(InputError, match="MAX_LINE_BYTES"):
        list(read_docs(tmp_path / "x.json", NLP, format="prodigy"))


def test_a_value_over_many_pieces_takes_linear_time(tmp_path):
    """Each piece used to be parsed from the beginning of the value."""
    path = tmp_path / "x.json"
    path.write_text('[\n{"text": "a", "spans": [], "meta": {"long": "' + "x" * (24 << 20) + '"}}\n]')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    assert len(list(read_docs(path, NLP, format="prodigy"))) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 10


def test_depth(limited):
    assert parse_json("[" * 100 + "]" * 100)
    with pytest.raises(XprojError, match="nested more than 100 levels deep"):
        parse_json("[" * 101 + "]" * 101)
    with pytest.raises(XprojError, match="nested more than 100 levels deep"):
        parse_json("[" * 100_000)
    limited("json_depth", 200)
    assert parse_json("[" * 101 + "]" * 101)


def test_only_the_limits_that_change_results_are_in_the_key(limited):
    assert not any("limit" in name for name in run_key({}))
    limited("doc_tokens", 7)
    assert not any("limit" in name for name in run_key({}))
    limited("pair_cells", 7)
    limited("sentence_tokens", 8)
    assert (run_key({})["limit pair_cells"], run_key({})["limit sentence_tokens"]) == ("7", "8")


def test_pairs_beyond_the_limit_are_reported(limited):
    nlp = spacy.blank("xx")
    nlp.add_pipe("xproj_matcher")
    limited("pair_cells", 3)
    with pytest.warns(UserWarning, match="nothing is aligned"):
        doc = nlp(payload_doc(nlp, "Ana b", ["Ana"] * 20_001, [(0, 1, "PER")], "0-0"))
    assert [row["reason"] for row in doc._.xproj_report["missing"]] == ["too_long"]


@pytest.mark.parametrize("source, target", [(["Ana"], ["Ana"] * 100_000), (["Ana"] * 100_000, ["Ana"])])
def test_a_sentence_of_many_tokens_is_reported(source, target):
    """The matcher took 75 GB for ten words against 100,000."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("xproj_matcher")
    with pytest.warns(UserWarning, match="1 source and 100000|100000 source and 1 target words: nothing is aligned"):
        doc = nlp(payload_doc(nlp, target, source, [(0, 1, "PER")], "0-0"))
    assert [row["reason"] for row in doc._.xproj_report["missing"]] == ["too_long"]


def test_a_sentence_of_as_many_tokens_as_are_allowed():
    nlp = spacy.blank("xx")
    nlp.add_pipe("xproj_matcher")
    target = ["Ana", *["ist"] * 4999]
    links = " ".join(f"{n // 2500 + 1}-{n}" for n in range(1, 5000, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        doc = nlp(payload_doc(nlp, target, "Ana is here", [(0, 1, "PER")], f"0-0 {links}"))
    assert [(ent.start, ent.end) for ent in doc.ents] == [(0, 1)]


def test_tmx_with_elements_in_each_other_or_in_a_row(tmp_path):
    path, n = tmp_path / "x.tmx", 100_000
    unit = '<tu><tuv xml:lang="en"><seg>{0}</seg></tuv><tuv xml:lang="de"><seg>Ana</seg></tuv></tu>'
    body = unit.format("<hi>" * n + "Ana" + "</hi>" * n) + unit.format("Ana" + "<ph/>" * n)
    path.write_text(f'<tmx version="1.4"><header srclang="en"/><body>{body}</body></tmx>')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    assert list(read_pairs(path, "en", "de", format="tmx")) == [("Ana", "Ana")] * 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 5


def test_from_the_command_line(tmp_path, limited):
    write_file([payload_doc(NLP, "a b", "a b", [(0, 1, "X")])], tmp_path / "x.spacy")
    limited("doc_tokens", 1)
    call = ["project", tmp_path / "x.spacy", tmp_path / "out.spacy", "--config", "project_heuristic", "--lang", "xx"]
    result = CliRunner().invoke(app, list(map(str, call)))
    assert result.exit_code == 1
    assert "x.spacy: Doc 1: It has 2 tokens, more than the limit of 1." in said(result)
    assert not (tmp_path / "out.spacy").exists()


def test_a_bomb_from_the_command_line(tmp_path):
    """With the limits as they are by default: 28 KB that would take a gigabyte."""
    noise = b"\xc5\x40\x00" + random.Random(0).randbytes(1 << 14)
    packed(tmp_path / "x.spacy", (b"\x82\xa6spaces" + noise + b"\xa4cats", 1), array(12 << 20), (b"\x90", 12 << 20))
    for verb in ("validate", "inspect"):
        result = CliRunner().invoke(app, [verb, str(tmp_path / "x.spacy")])
        assert result.exit_code == 1
        assert "objects, more than the limit of 10,000,000. If that is right, set" in said(result)
