import json
import warnings
from collections import Counter

import pytest
import spacy

from spacy_xproj.corpus import blank, lang_code, read_docs, write_as, write_file
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.languages import _warned

NLP = spacy.blank("en")


def read(folder, *records, **settings):
    path = folder / "a.jsonl"
    lines = [r if isinstance(r, str) else json.dumps(r, ensure_ascii=False) for r in records]
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    return list(read_docs(path, NLP, **settings))


def spans(doc, group=None):
    return [(s.text, s.label_) for s in (doc.ents if group is None else doc.spans[group])]


def span(start, end, label="X", **more):
    return {"start": start, "end": end, "label": label, **more}


def test_text_and_spans(tmp_path):
    counts = Counter()
    text = "Ana lives in New\u00a0York."
    docs = read(
        tmp_path,
        {
            "text": text,
            "spans": [span(13, 21, "LOC", id="Q60"), span(0, 3, "PER", id=7)],
            "meta": {"n": [1, "a"]},
        },
        "",
        {"text": "Line\u2028sep"},
        {"text": "None.", "spans": []},
        counts=counts,
    )
    assert len(docs) == 3
    assert docs[0].text == text
    assert spans(docs[0]) == [("Ana", "PER"), ("New\u00a0York", "LOC")]
    assert [e.id_ for e in docs[0].ents] == ["7", "Q60"]
    assert [s.id_ for s in docs[0].spans["gold"]] == ["Q60", "7"]
    assert docs[0].user_data["meta"] == {"n": [1, "a"]}
    assert not docs[1].has_annotation("ENT_IOB") and "gold" not in docs[1].spans
    assert docs[2].has_annotation("ENT_IOB")
    assert not +counts


@pytest.mark.parametrize(
    "offsets, text, expanded",
    [
        ((0, 2), "Ana", 1),
        ((2, 6), "Ana lives", 1),
        ((3, 9), "lives", 1),
        ((4, 10), "lives", 1),
        ((4, 9), "lives", 0),
        ((13, 16), "New", 0),
    ],
)
def test_spans_grow_to_tokens(tmp_path, offsets, text, expanded):
    counts = Counter()
    (doc,) = read(tmp_path, {"text": "Ana lives in New York.", "spans": [span(*offsets)]}, counts=counts)
    assert (spans(doc), counts["expanded_spans"]) == ([(text, "X")], expanded)


def test_blank_spans_are_counted(tmp_path):
    counts = Counter()
    (doc,) = read(tmp_path, {"text": "a b", "spans": [span(1, 2)]}, counts=counts)
    assert (spans(doc), counts["blank_spans"]) == ([], 1)


def test_overlapping_spans_stay_in_the_group(tmp_path):
    counts = Counter()
    record = {
        "text": "Bank of New York",
        "spans": [span(8, 16, "LOC"), span(0, 16, "ORG"), span(0, 4, "ORG")],
    }
    (doc,) = read(tmp_path, record, counts=counts)
    assert spans(doc) == [("Bank of New York", "ORG")]
    assert len(doc.spans["gold"]) == 3
    assert counts["overlapping_spans"] == 2


def test_tokens(tmp_path):
    docs = read(
        tmp_path,
        {
            "tokens": ["New", "York", "\u00a0", "."],
            "spans": [{"token_start": 0, "token_end": 1, "label": "LOC"}],
        },
        {"tokens": ["I", "'m"], "spaces": [False, False], "text": "I'm", "spans": [span(1, 3)]},
        {"tokens": [{"text": "a", "ws": False}, {"text": "b"}], "spans": [span(0, 1)]},
    )
    assert [t.text for t in docs[0]] == ["New", "York", "\u00a0", "."]
    assert spans(docs[0]) == [("New York", "LOC")]
    assert spans(docs[1]) == [("'m", "X")]
    assert docs[2].text == "ab " and spans(docs[2]) == [("a", "X")]


@pytest.mark.parametrize(
    "record",
    [
        "{'text': 1}",
        "[1]",
        "3",
        "[" * 100000,
        {"spans": []},
        {"text": 3},
        {"text": ""},
        {"text": "  "},
        '{"text": "\\ud800"}',
        {"text": "ab", "spans": [span(0, 1, 5)]},
        {"text": "ab", "spans": [span(0, 1, "")]},
        {"text": "ab", "spans": [{"start": 0, "end": 1}]},
        {"text": "ab", "spans": [{"start": 0, "label": "X"}]},
        {"text": "ab", "spans": [span(0, 3)]},
        {"text": "ab", "spans": [span(-1, 1)]},
        {"text": "ab", "spans": [span(1, 1)]},
        {"text": "ab", "spans": [span(True, 2)]},
        {"text": "ab", "spans": [span(0.0, 1)]},
        {"text": "ab", "spans": ["ab"]},
        {"text": "ab", "spans": {}},
        {"text": "ab", "meta": 1},
        {"tokens": []},
        {"tokens": ["a", ""]},
        {"tokens": ["a", 1]},
        {"tokens": "ab"},
        {"tokens": ["a"], "spaces": []},
        {"tokens": ["a"], "spaces": [1]},
        {"tokens": ["a", "b"], "text": "ac"},
        {"tokens": ["a"], "spans": [{"token_start": 0, "token_end": 1, "label": "X"}]},
        {"tokens": ["a"], "spans": [{"token_start": 1, "token_end": 0, "label": "X"}]},
    ],
)
def test_jsonl_errors_name_file_and_line(tmp_path, record):
    with pytest.raises(InputError, match=r"a\.jsonl, line 3: ") as caught:
        read(tmp_path, {"text": "fine"}, "", record)
    assert caught.value.line == 3


def test_too_long_a_text_is_an_input_error(tmp_path, monkeypatch):
    monkeypatch.setattr(NLP, "max_length", 3)
    with pytest.raises(InputError) as caught:
        read(tmp_path, {"text": "a b c"})
    assert caught.value.line == 1


def test_broken_utf8_and_empty_jsonl(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"}\n{"text": "\xe9t\xe9"}\n')
    with pytest.raises(InputError, match="UTF-8") as caught:
        list(read_docs(path, NLP))
    assert caught.value.line == 2
    path.write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        list(read_docs(path, NLP))


def test_jsonl_round_trip(tmp_path):
    docs = read(
        tmp_path,
        {
            "text": "Bank of New York",
            "spans": [span(8, 16, "LOC", id="a"), span(0, 16, "ORG")],
            "meta": {"k": 1},
        },
        {"tokens": ["a", "\u00a0", "b"], "spaces": [False, True, False]},
        {"text": "Nothing\there.", "spans": []},
    )
    write_as(docs, tmp_path / "b.jsonl")
    again = list(read_docs(tmp_path / "b.jsonl", NLP))
    for old, new in zip(docs, again):
        assert [t.text_with_ws for t in old] == [t.text_with_ws for t in new]
        assert [t.ent_iob for t in old] == [t.ent_iob for t in new]
        assert old.user_data.get("meta") == new.user_data.get("meta")
    assert spans(again[0], "gold") == spans(docs[0], "gold")
    assert [e.id_ for e in again[0].spans["gold"]] == ["a", ""]
    write_as(again, tmp_path / "c.jsonl")
    assert (tmp_path / "c.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_jsonl_writes_ents_that_gold_does_not_make(tmp_path):
    (doc,) = read(tmp_path, {"text": "a b", "spans": [span(0, 1)]})
    doc.set_ents([], missing=[doc[0:1]], default="outside")
    counts = Counter()
    write_as([doc], tmp_path / "b.jsonl", counts=counts)
    assert json.loads((tmp_path / "b.jsonl").read_text())["spans"] == []
    assert counts["masked_tokens_left_out"] == 1


def test_bitext(tmp_path):
    path, counts = tmp_path / "a.tsv", Counter()
    path.write_bytes("I don't.\tYo\u00a0no.\r\n\r\nYes.\tSí.".encode())
    source_nlp = blank("en")
    docs = list(read_docs(path, blank("es"), source_nlp=source_nlp, counts=counts))
    assert [d.text for d in docs] == ["Yo\u00a0no.", "Sí."]
    payload = docs[0]._.xproj
    assert (payload.lang, payload.words, payload.text) == ("en", ("I", "do", "n't", "."), "I don't.")
    assert not docs[0].has_annotation("ENT_IOB")
    assert counts["blank_lines"] == 1
    write_file(docs, tmp_path / "a.spacy")
    (again, _) = read_docs(tmp_path / "a.spacy", NLP)
    assert again._.xproj == payload


@pytest.mark.parametrize("line", ["one side", "a\tb\tc", "a\t", "\tb", "a\t "])
def test_bitext_errors(tmp_path, line):
    path = tmp_path / "a.tsv"
    path.write_text(f"a\tb\n{line}\n")
    with pytest.raises(InputError) as caught:
        list(read_docs(path, NLP, source_nlp=NLP))
    assert caught.value.line == 2
    with pytest.raises(XprojError, match="--source-lang"):
        read_docs(path, NLP)


def test_format_by_name_and_ending(tmp_path):
    path = tmp_path / "a.tags"
    path.write_text("a b\n")
    with pytest.raises(XprojError, match="--format"):
        read_docs(path, NLP)
    path.write_text("a\tB-X\n")
    (doc,) = read_docs(path, NLP, format="conll")
    assert spans(doc) == [("a", "X")]
    with pytest.raises(InputError, match="no such file"):
        read_docs(tmp_path / "b.conll", NLP)
    with pytest.raises(InputError, match="folder"):
        read_docs(tmp_path, NLP, format="conll")


@pytest.mark.parametrize("data", [b"", b"nonsense", None])
def test_broken_spacy_file(tmp_path, data):
    path = tmp_path / "a.spacy"
    write_file([NLP("a b c d e f g")], path)
    path.write_bytes(path.read_bytes()[:-20] if data is None else data)
    with pytest.raises(InputError, match=r"a\.spacy"):
        list(read_docs(path, NLP))


def test_empty_spacy_file(tmp_path):
    write_file([], tmp_path / "a.spacy")
    with pytest.raises(InputError, match="empty"):
        list(read_docs(tmp_path / "a.spacy", NLP))


def test_blank_falls_back_with_one_warning():
    _warned.discard("qqx")
    with pytest.warns(UserWarning, match="qqx"):
        nlp = blank("qqx")
    assert (nlp.lang, nlp.meta["xproj_lang"], lang_code(nlp)) == ("xx", "qqx", "qqx")
    assert [t.text for t in nlp("A b, c")] == ["A", "b", ",", "c"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lang_code(blank("qqx")) == "qqx"
        assert lang_code(blank("de")) == "de" and "xproj_lang" not in blank("de").meta
        assert blank("en-US").lang == "en" and lang_code(blank("en-US")) == "en-US"
        assert lang_code(blank("xx")) == "xx"


def test_blank_falls_back_when_a_tokenizer_is_missing(monkeypatch):
    make = spacy.blank

    def broken(lang):
        if lang == "th":
            raise ImportError("no tokenizer")
        return make(lang)

    monkeypatch.setattr(spacy, "blank", broken)
    _warned.discard("th")
    with pytest.warns(UserWarning, match="no tokenizer"):
        assert lang_code(blank("th")) == "th"


@pytest.mark.parametrize("lang", ["", "e", "English", "en_", "../en", "en\n", "abcd", None])
def test_what_is_no_language_code(lang):
    with pytest.raises(XprojError, match="language code"):
        blank(lang)


def test_raw_texts(tmp_path):
    path = tmp_path / "raw.txt"
    path.write_text("Ana vive en Roma.\n\nHace calor.\n", encoding="utf-8")
    counts = Counter()
    docs = list(read_docs(path, spacy.blank("es"), counts=counts))
    assert [doc.text for doc in docs] == ["Ana vive en Roma.", "Hace calor."] and counts == {"blank_lines": 1}
    assert all(doc._.xproj is None for doc in docs)
    for line in ("EU NNP B-NP B-ORG", "rejects VBZ B-VP O"):  # one line is not enough to tell
        columns = tmp_path / "columns.txt"
        columns.write_text(f"{line}\n", encoding="utf-8")
        with pytest.raises(InputError, match=r"columns\.txt: .*conll .* or txt .* --format"):
            list(read_docs(columns, spacy.blank("es")))
    nlp = spacy.blank("es")
    nlp.max_length = 12
    with pytest.raises(InputError, match=r"raw\.txt, line 1"):
        list(read_docs(path, nlp))


def test_a_sentence_may_end_like_a_tag(tmp_path):
    (tmp_path / "raw.txt").write_text(
        "After the deal fell through they made a U-turn.\nIt was U-turn.\n", encoding="utf-8"
    )
    assert len(list(read_docs(tmp_path / "raw.txt", spacy.blank("en")))) == 2


@pytest.mark.parametrize("text", ["", "\n", " \n\n"])
@pytest.mark.parametrize("ending", ["tsv", "txt", "conll", "iob2", "conllu", "jsonl", "json", "tmx", "data"])
def test_an_empty_file_is_said_to_be_empty(tmp_path, ending, text):
    path = tmp_path / f"file.{ending}"
    path.write_text(text)
    with pytest.raises(InputError, match=r"is empty|not well formed"):
        list(read_docs(path, spacy.blank("xx"), source_nlp=spacy.blank("en")))
