from collections import Counter

import pytest
import spacy

from spacy_xproj.corpus import read_docs, write_as
from spacy_xproj.errors import InputError
from tests.conftest import DATA

NLP = spacy.blank("xx")
needs_data = pytest.mark.skipif(not DATA.exists(), reason="the data folder is absent (XPROJ_DATA)")


def read(folder, text, name="a.conll", **settings):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return list(read_docs(path, NLP, **settings))


def ents(doc):
    return [(e.start, e.end, e.label_) for e in doc.ents]


def words(doc):
    return [t.text for t in doc]


def test_plain(tmp_path):
    docs = read(tmp_path, "New\tB-LOC\nYork\tI-LOC\nis\tO\n\nAna\tB-PER\nBob\tB-PER\n")
    assert [words(d) for d in docs] == [["New", "York", "is"], ["Ana", "Bob"]]
    assert [ents(d) for d in docs] == [[(0, 2, "LOC")], [(0, 1, "PER"), (1, 2, "PER")]]
    assert docs[0].text == "New York is"


def test_tag_is_the_last_column(tmp_path):
    (doc,) = read(tmp_path, "EU\tNNP\tI-NP\tB-ORG\nrejects\tVBZ\tI-VP\tO\n\n")
    assert ents(doc) == [(0, 1, "ORG")]


def test_only_tab_and_lf_split(tmp_path):
    tokens = ["10\u00a0000", "\u00a0", "a b", "\u2028", "x\x0by", "\x85", "\x1c"]
    (doc,) = read(tmp_path, "".join(f"{t}\tO\n" for t in tokens))
    assert words(doc) == tokens


def test_crlf_bom_many_blank_lines(tmp_path):
    docs = read(tmp_path, b"\xef\xbb\xbf\r\nRom\tB-LOC\r\n\r\n\r\n\r\nja\tO\r\n")
    assert [words(d) for d in docs] == [["Rom"], ["ja"]]
    assert ents(docs[0]) == [(0, 1, "LOC")]


@pytest.mark.parametrize(
    "tags, spans, orphans",
    [
        ("I-A I-A O", [(0, 2, "A")], 1),
        ("B-A I-B I-B", [(0, 1, "A"), (1, 3, "B")], 1),
        ("B-A O I-A", [(0, 1, "A"), (2, 3, "A")], 1),
        ("B-A - I-A", [(0, 1, "A"), (2, 3, "A")], 1),
        ("B-A L-A I-A", [(0, 2, "A"), (2, 3, "A")], 1),
        ("B-A I-A B-A", [(0, 2, "A"), (2, 3, "A")], 0),
        ("U-A B-A L-A", [(0, 1, "A"), (1, 3, "A")], 0),
        ("S-A B-A E-A", [(0, 1, "A"), (1, 3, "A")], 0),
        ("B-A-x I-A-x O", [(0, 2, "A-x")], 0),
    ],
)
def test_tags(tmp_path, tags, spans, orphans):
    counts = Counter()
    (doc,) = read(tmp_path, "".join(f"w\t{t}\n" for t in tags.split()), counts=counts)
    assert (ents(doc), counts["orphan_i"]) == (spans, orphans)


def test_labeled_without_entities_differs_from_not_labeled(tmp_path):
    assert [t.ent_iob_ for t in read(tmp_path, "a\tO\nb\tO\n")[0]] == ["O", "O"]
    assert [t.ent_iob_ for t in read(tmp_path, "a\nb\n")[0]] == ["", ""]
    assert [t.ent_iob_ for t in read(tmp_path, "a\tO\nb\t-\nc\tB-X\n")[0]] == ["O", "", "B"]


def test_hash_tokens_and_comments(tmp_path):
    docs = read(tmp_path, "# a comment\n#\tO\n1\tO\n\n#tag\tB-X\n\n# only a comment\n\n")
    assert [words(d) for d in docs] == [["#", "1"], ["#tag"]]
    assert words(read(tmp_path, "a\n#\n#b\n")[0]) == ["a", "#", "#b"]


UNER = """\
# text = #1\tx
1\t#\tO\t-\t-
2-3\tdu\t_\t_\t_
2\tde\tB-LOC\t-\tann
3\tle\tI-LOC\t-\tann

1\tb\tO\t-\t-
"""


@pytest.mark.parametrize("format", [None, "iob2"])
def test_index_column(tmp_path, format):
    counts = Counter()
    docs = read(tmp_path, UNER, "a.iob2", format=format, counts=counts)
    assert [words(d) for d in docs] == [["#", "de", "le"], ["b"]]
    assert ents(docs[0]) == [(1, 3, "LOC")]
    assert counts["multiword_lines"] == 1


def test_index_column_is_detected_in_conll_but_numbers_are_not(tmp_path):
    assert words(read(tmp_path, "1\ta\tO\n2\tb\tO\n")[0]) == ["a", "b"]
    assert words(read(tmp_path, "1\tCD\tO\n3\tCD\tO\n")[0]) == ["1", "3"]
    assert words(read(tmp_path, "1\tO\n2\tO\n", "a.iob2")[0]) == ["1", "2"]


def test_docstart_is_counted(tmp_path):
    counts = Counter()
    docs = read(tmp_path, "-DOCSTART-\tO\n\na\tO\n", counts=counts)
    assert len(docs) == 1 and counts["docstart_lines"] == 1


@pytest.mark.parametrize(
    "text, line",
    [
        (b"a\tO\nb\tO\n\n\xff\tO\n", 4),
        (b"a\tO\n\nb\tX-PER\n", 3),
        (b"a\tO\nb\tB-\n", 2),
        (b"a\tO\nb\n", 2),
        (b"a\tO\nb\tc\tO\n", 2),
        (b"a\n\nb\tO\n", 3),
        (b"a\tO\n\tO\nb\tO\n", 2),
        (b"EU NNP B-ORG\nrejects O\n", 2),
        (b"1\ta\tO\n2\tb\tO\n\n1\tc\tO\n3\td\tO\n", 5),
        (b"1\ta\tO\n2\tb\n", 2),
        (b"", None),
        (b"\n\n\r\n", None),
        (b"# nothing else\n", None),
    ],
)
def test_errors_name_file_and_line(tmp_path, text, line):
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert caught.value.line == line
    assert str(tmp_path / "a.conll") in str(caught.value)


def test_limit(tmp_path):
    assert len(read(tmp_path, "a\tO\n\nb\tO\n\nc\tBAD\n", limit=2)) == 2


def test_round_trip(tmp_path):
    text = "#\tO\n10\u00a0000\tB-A\nx\tI-A\ny\tB-A\n\nz\t-\nw\tO\n\nu\t-\n\n"
    write_as(read(tmp_path, text), tmp_path / "b.conll")
    assert (tmp_path / "b.conll").read_bytes() == text.encode()


def test_write_leaves_out_space_tokens_with_line_ends(tmp_path):
    doc = spacy.tokens.Doc(NLP.vocab, words=["a", "\n", "b", "\n\n", "c"])
    doc.set_ents([doc.char_span(2, 5, label="X"), doc.char_span(6, len(doc.text.rstrip()), label="X")])
    counts = Counter()
    write_as([doc, spacy.tokens.Doc(NLP.vocab, words=["\n"])], tmp_path / "b.conll", counts=counts)
    assert (tmp_path / "b.conll").read_text() == "a\tO\nb\tB-X\nc\tB-X\n\n"
    assert (counts["space_tokens_left_out"], counts["empty_docs_left_out"]) == (3, 1)


def test_failed_write_leaves_nothing(tmp_path):
    doc = spacy.tokens.Doc(NLP.vocab, words=["a\tb"])
    (tmp_path / "b.conll").write_text("old")
    with pytest.raises(ValueError, match="TAB"):
        write_as([doc], tmp_path / "b.conll")
    assert [p.name for p in tmp_path.iterdir()] == ["b.conll"]
    assert (tmp_path / "b.conll").read_text() == "old"


@needs_data
def test_uner():
    paths = [DATA / "uner-en-ewt" / f"{part}.iob2" for part in ("dev", "test")]
    docs = [doc for path in paths for doc in read_docs(path, NLP)]
    rows = [
        line.split("\t")
        for path in paths
        for line in path.read_bytes().decode().split("\n")
        if line and not line.startswith("# ")
    ]
    assert len(docs) == 4078
    assert sum(map(len, docs)) == len(rows)
    assert sum(len(d.ents) for d in docs) == sum(row[2].startswith("B-") for row in rows) == 2054


@needs_data
@pytest.mark.parametrize("side", ["en-es/src", "en-es/tgt", "en-de/src", "en-de/tgt"])
def test_europarl_keeps_every_sentence(tmp_path, side):
    path, counts = DATA / "europarl" / f"{side}.conll", Counter()
    docs = list(read_docs(path, NLP, counts=counts))
    assert len(docs) == 799
    assert sum(not doc.ents for doc in docs) > 100
    assert all(doc.has_annotation("ENT_IOB") for doc in docs)
    write_as(docs, tmp_path / "again.conll")
    if not counts["orphan_i"]:
        assert (tmp_path / "again.conll").read_bytes() == path.read_bytes()


@needs_data
def test_all_conll_files_can_be_read():
    sizes = {"europarl": 799, "absa": 2000, "en-lug": 1411, "en-tsn": 981}
    paths = sorted(DATA.rglob("*.conll"))
    assert paths
    for path in paths:
        n = len(list(read_docs(path, NLP)))
        assert n == next(size for part, size in sizes.items() if part in path.parts)
