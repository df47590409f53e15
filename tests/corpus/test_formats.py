"""What people's files hold, and what becomes of it. Each input has the shape of a fault found in public files."""

import json
from collections import Counter

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from spacy_xproj.corpus import FORMATS, Report, read_docs
from spacy_xproj.corpus.formats import formats
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.languages import blank

EN = spacy.blank("en")


def read(folder, text, name, nlp=EN, **settings):
    path = folder / name
    if isinstance(text, (dict, list)):
        text = json.dumps(text, ensure_ascii=False)
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    report = Report()
    docs = list(read_docs(path, nlp, report=report, **settings))
    return docs, report


def words(doc):
    return [token.text for token in doc]


def ents(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def lines(*records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def test_names():
    assert {*formats(), "jsonl"} == set(FORMATS)
    assert all(form.about and form.name == name for name, form in formats().items())


# Columns


@pytest.mark.parametrize(
    "text",
    [
        "Lena B-PER\nHof I-PER\nsang O\n\nJa O\n",
        "Lena B-PER \nHof I-PER \nsang O \n\t\nJa O\n",
        "-DOCSTART- -X- O O\n\nLena NNP B-NP B-PER\nHof NNP I-NP I-PER\nsang VBD B-VP O\n\nJa UH O O\n",
        "-DOCSTART- -X- O\nLena -X- _ B-PER\nHof -X- _ I-PER\nsang -X- _ O\n\nJa -X- _ O\n",
        "# id 0f3a\tdomain=x\nLena _ _ B-PER\nHof _ _ I-PER\nsang _ _ O\n\n# id 0f3b\tdomain=x\nJa _ _ O\n",
        "Lena\tB-PER\t\t\nHof\tI-PER\t\t\nsang\tO\t\t\n \nJa\tO\n",
        "B-PER\tLena\nI-PER\tHof\nO\tsang\n\nO\tJa\n",
        "Lena\tB-PER\tgood\nHof\tI-PER\tgood\nsang\tO\t-\n\nJa\tO\t-\n",
        "0\tLena\tB-PER\n1\tHof\tI-PER\n2\tsang\tO\n\n0\tJa\tO\n",
        "1 Lena B-PER\n2 Hof I-PER\n3 sang O\n1 Ja O\n",
        "Lena\tB-PER\nHof\tI-PER\nsang\tO\n\ufeff\nJa\tO\n",
        "word\ttag\nLena\tB-PER\nHof\tI-PER\nsang\tO\n\nJa\tO\n",
        "Lena|NNP|B-PER Hof|NNP|I-PER sang|VBD|O\nJa|UH|O\n",
        "Lena\tB-PER\rHof\tI-PER\rsang\tO\r\rJa\tO\r",
        "Lena B-PER\nHof E-PER\nsang O\n\nJa O\n",
        "Lena B_PER\nHof I_PER\nsang O\n\nJa O\n",
        "Lena PER-B\nHof PER-I\nsang O\n\nJa O\n",
        "Lena B-PER\nHof L-PER\nsang O\n\nJa O\n",
        "Lena I-PER\nHof I-PER\nsang O\n\nJa O\n",
    ],
)
@pytest.mark.parametrize("name", ["a.conll", "a.txt", "a.tsv"])
def test_columns(tmp_path, text, name):
    docs, _ = read(tmp_path, text, name)
    assert [words(doc) for doc in docs] == [["Lena", "Hof", "sang"], ["Ja"]]
    assert [ents(doc) for doc in docs] == [[("Lena Hof", "PER")], []]
    assert all(token.ent_iob for doc in docs for token in doc)


def test_a_blank_in_place_of_a_tab(tmp_path):
    docs, _ = read(tmp_path, "Lena\tB-PER\nHof I-PER\nsang\tO\n\nJa\tO\n", "a.conll")
    assert ents(docs[0]) == [("Lena Hof", "PER")]


def test_encodings(tmp_path):
    text = "Zoë\tB-PER\nsang\tO\n\n"
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        docs, _ = read(tmp_path, text.encode(encoding), "a.conll")
        assert ents(docs[0]) == [("Zoë", "PER")]
    docs, _ = read(tmp_path, text.encode("cp1252"), "a.conll", encoding="cp1252")
    assert ents(docs[0]) == [("Zoë", "PER")]
    with pytest.raises(InputError, match=r"0xeb at offset 2 of the file.* --encoding") as caught:
        read(tmp_path, text.encode("cp1252"), "a.conll")
    assert caught.value.line == 1
    with pytest.raises(InputError, match="--encoding utf-16-le"):
        read(tmp_path, text.encode("utf-16-le"), "a.conll")
    with pytest.raises(XprojError, match="an encoding that Python knows"):
        read(tmp_path, text, "a.conll", encoding="utf8000")


def test_nul_becomes_a_character_of_the_same_length(tmp_path):
    docs, report = read(tmp_path, b"a\0b\tB-X\nc\tO\n", "a.conll")
    assert ents(docs[0]) == [("a\ufffdb", "X")] and report.counts["nul_characters"] == 1
    docs, _ = read(tmp_path, lines({"text": "a\0b c", "spans": [{"start": 4, "end": 5, "label": "X"}]}), "a.jsonl")
    assert ents(docs[0]) == [("c", "X")]


def test_tag_schemes_are_those_of_the_file(tmp_path):
    iob1 = "a\tI-X\nb\tI-X\nc\tB-X\nd\tO\n"
    docs, report = read(tmp_path, iob1, "a.conll")
    assert ents(docs[0]) == [("a b", "X"), ("c", "X")] and "orphan_i" not in report.counts
    docs, report = read(tmp_path, iob1 + "e\tB-X\n", "a.conll")  # B- where IOB1 has none
    assert report.counts["orphan_i"] == 1 and report.examples["orphan_i"] == [1]
    docs, report = read(tmp_path, "a\tS-X\nb\tB-X\nc\tM-X\nd\tE-X\ne\tE-X\n", "a.conll")
    assert ents(docs[0]) == [("a", "X"), ("b c d", "X"), ("e", "X")] and report.examples["orphan_i"] == [5]
    many = "".join(f"w{i}\tI-X\nv\tO\n\n" for i in range(12))
    assert "orphan_i" not in read(tmp_path, many, "a.conll")[1].counts


def test_labels_without_a_prefix(tmp_path):
    text = "Lena\tperson-singer\nHof\tperson-singer\n" + "x\tO\n" * 9 + "\nRom\tplace\nx\tO\n"
    docs, _ = read(tmp_path, text, "a.txt")
    assert ents(docs[0]) == [("Lena Hof", "person-singer")] and ents(docs[1]) == [("Rom", "place")]
    docs, _ = read(tmp_path, "Lena\tB\nHof\tI\nx\tO\nx\tO\ny\tO\n", "a.conll")
    assert ents(docs[0]) == [("Lena Hof", "ENTITY")]


def test_a_second_column_of_tags_holds_entities_inside_others(tmp_path):
    text = "#\tsource\t[2009]\n1\tBank\tB-ORG\tO\n2\tof\tI-ORG\tO\n3\tRom\tI-ORG\tB-LOC\n4\tfell\tO\tO\n"
    docs, report = read(tmp_path, text, "a.tsv")
    assert ents(docs[0]) == [("Bank of Rom", "ORG")]
    assert [(s.text, s.label_) for s in docs[0].spans["gold"]] == [("Bank of Rom", "ORG"), ("Rom", "LOC")]
    assert report.counts["overlapping_spans"] == 1
    docs, _ = read(tmp_path, "1\tAna\tB-PER\tB-OTH\n2\tsang\tO\tO\n3\tja\tO\tB-OTH\n", "a.iob2")
    assert [s.label_ for s in docs[0].spans["gold"]] == ["PER"]  # another opinion, not one level down


def test_conll_2012(tmp_path):
    rows = ["(TOP(NP*  (PERSON*  (A0*", "*)  *)  *)", "*  *  (V*)", "*)  (GPE)  *"]
    names = zip(["Lena", "Hof", "left", "Rom"], rows)
    text = "#begin document (nw/x); part 000\n"
    for i, (word, rest) in enumerate(names):
        parse, entity, role = rest.split()
        text += f"nw/x   0   {i}   {word}   NN   {parse}   -   -   -   -   {entity}   {role}   -\n"
    docs, report = read(tmp_path, text + "\n#end document\n", "a.conll")
    assert report.format == "conll2012" and ents(docs[0]) == [("Lena Hof", "PERSON"), ("Rom", "GPE")]


def test_running_text_is_not_columns(tmp_path):
    docs, _ = read(tmp_path, "Guten Tag.\nWir nehmen die U-Bahn\nVitamin B-12\nTyp O\n", "a.txt")
    assert len(docs) == 4 and all(not doc.has_annotation("ENT_IOB") for doc in docs)
    docs, _ = read(tmp_path, "Typ O\n", "a.txt", format="txt")
    assert docs[0].text == "Typ O"
    with pytest.raises(InputError, match=r"conll .* or txt"):
        read(tmp_path, "Typ O\n", "a.txt")
    with pytest.raises(InputError, match=r"line 1: Expected a tag.* --format txt"):
        read(tmp_path, "Guten Tag allerseits.\nWir gehen.\nNun denn, los jetzt, ihr da\n", "a.conll")
    with pytest.raises(InputError, match=r"conll .* or txt"):
        read(tmp_path, "Ein\nSatz\n.\n\n" * 9, "a.txt")  # a token a line, or a word a line
    with pytest.raises(InputError, match="Neither its content nor its name"):
        read(tmp_path, "Ein DET\nSatz NOUN\n. PUNCT\n\n" * 9, "a.txt")  # columns without entities
    with pytest.raises(InputError, match=r"tsv .* or txt"):
        read(tmp_path, "Yes, we do.\tJa.\nNo.\tNein, nie.\n", "a.txt")


@pytest.mark.parametrize(
    "text, line",
    [
        ("a\tB-X\n\tO\nb\tO\n", 2),
        ("a B-X\nb O\nc\n", 3),
        ("a B-X\nb O\n#tag\n", 3),
        ("1\ta\tO\n2\tb\tB-X\n4\tc\tO\n", 3),
        ("a\tB-X\nb\tB-X,B-Y\nc\tO\nd\tO\n", 2),
        ("a|O b|B-X\nc|O d\n", 1),
    ],
)
def test_broken_lines_are_errors(tmp_path, text, line):
    with pytest.raises(InputError) as caught:
        read(tmp_path, text, "a.conll")
    assert caught.value.line == line


def test_lenient_reports_list_every_problem(tmp_path):
    path, notes = tmp_path / "a.conll", []
    path.write_text("a\tB-X\n\nb\tBAD\nc\td\te\n\nd\tO\n\n\tO\n")
    report = Report(lenient=True, sink=notes.append)
    docs = list(read_docs(path, EN, report=report))
    assert [words(doc) for doc in docs] == [["a"], ["d"]] and report.problems == 3
    assert [(note.line, note.kind) for note in notes] == [(3, "problem"), (4, "problem"), (8, "problem")]


# CoNLL-U

CONLLU = """\
# sent_id = 1
# text = Zum Rom-Fest kam Lena.
1-2\tZum\t_\t_\t_\t_\t_\t_\t_\t_
1\tZu\tzu\tADP\t_\t_\t4\tcase\t_\t{0}
2\tdem\tder\tDET\t_\t_\t4\tdet\t_\t{0}
3\tRom-Fest\tFest\tNOUN\t_\t_\t4\tobl\t_\t{1}
4\tkam\tkommen\tVERB\t_\t_\t0\troot\t_\t{0}
5\tLena\tLena\tPROPN\t_\t_\t4\tnsubj\t_\tSpaceAfter=No|{2}
6\t.\t.\tPUNCT\t_\t_\t4\tpunct\t_\t{0}

"""


@pytest.mark.parametrize("key", ["name=", "NER=", "NE=", "Tag=", ""])
def test_conllu_has_entities_in_misc(tmp_path, key):
    docs, report = read(tmp_path, CONLLU.format(f"{key}O", f"{key}B-EVT", f"{key}B-PER"), "a.conllu")
    assert report.format == "conllu" and report.counts == {"multiword_lines": 1}
    assert docs[0].text == "Zum Rom-Fest kam Lena." and words(docs[0])[0] == "Zum"
    assert ents(docs[0]) == [("Rom-Fest", "EVT"), ("Lena", "PER")]


def test_conllu_without_entities_is_not_labeled(tmp_path):
    docs, _ = read(tmp_path, CONLLU.format("_", "_", "_"), "a.conllu")
    assert not docs[0].has_annotation("ENT_IOB")


def test_conllu_with_brackets(tmp_path):
    text = CONLLU.format("_", "Entity=(1-event(2-place-giv)", "Entity=(3-person)").replace("kom", "kom")
    text = text.replace("root\t_\t_", "root\t_\tEntity=1)")
    docs, _ = read(tmp_path, text, "a.conllu")
    assert ents(docs[0]) == [("Rom-Fest kam", "event"), ("Lena", "person")]
    assert [s.label_ for s in docs[0].spans["gold"]] == ["place", "event", "person"]


def test_words_that_the_text_writes_as_one(tmp_path):
    text = "# text = au Havre\n1-2\tau\t_\n1\tà\t{}\n2\tle\t{}\n3\tHavre\tI-LOC\n"
    docs, _ = read(tmp_path, text.format("O", "B-LOC"), "a.iob2", blank("fr"))
    assert words(docs[0]) == ["au", "Havre"] and ents(docs[0]) == [("au Havre", "LOC")]
    other = text.replace("au Havre\n", "un autre texte\n").format("O", "B-LOC")
    docs, report = read(tmp_path, other, "a.iob2", blank("fr"))
    assert words(docs[0]) == ["à", "le", "Havre"] and report.counts["other_text"] == 1


# Spaces


def test_spaces(tmp_path):
    docs, report = read(tmp_path, "Lena\tB-PER\ndid\tO\nn't\tO\nsing\tO\n,\tO\nalas\tO\n.\tO\n", "a.conll")
    assert docs[0].text == "Lena didn't sing, alas." and report.counts["spaces_guessed"] == 1
    han = "# text = 她去台北101。\n1\t她\tO\n2\t去\tO\n3\t台北101\tB-LOC\n4\t。\tO\n"
    docs, report = read(tmp_path, han, "a.iob2", blank("zh"))
    assert docs[0].text == "她去台北101。" and not +report.counts
    docs, _ = read(tmp_path, "她\tO\n去\tO\nIBM\tB-ORG\n。\tO\n", "a.conll", blank("zh"))
    assert docs[0].text == "她去IBM。"
    docs, report = read(tmp_path, "# text = a   b\n1\ta\tO\n2\tb\tB-X\n", "a.iob2")
    assert docs[0].text == "a b" and report.counts["white_space_left_out"] == 2
    text = "# text = cafe\u0301 noir\n1\tcafé\tB-X\n2\tnoir\tI-X\n"
    docs, report = read(tmp_path, text, "a.iob2")
    assert words(docs[0]) == ["café", "noir"] and not +report.counts


def test_the_tokens_of_prodigy_without_ws(tmp_path):
    tokens = [{"text": t, "start": s, "end": e} for t, s, e in [("Oh", 0, 2), (",", 2, 3), ("\n", 4, 5), ("Rom", 5, 8)]]
    span = {"start": 5, "end": 8, "token_start": 3, "token_end": 3, "label": "LOC"}
    docs, _ = read(tmp_path, lines({"text": "Oh, \nRom", "tokens": tokens, "spans": [span]}), "a.jsonl")
    assert docs[0].text == "Oh, \nRom" and ents(docs[0]) == [("Rom", "LOC")] and len(docs[0]) == 4
    docs, _ = read(tmp_path, lines({"tokens": tokens, "spans": [span]}), "a.jsonl")
    assert docs[0].text == "Oh, \n" + "Rom"


# JSON

TEXT = "Lena Hof sang in Rom."
DIALECTS = {
    "doccano": {"id": 7, "text": TEXT, "label": [[0, 8, "PER"], [17, 20, "LOC"]]},
    "doccano labels": {"id": 7, "data": TEXT, "labels": [[0, 8, "PER"], [17, 20, "LOC"]]},
    "doccano relations": {
        "text": TEXT,
        "entities": [
            {"id": 1, "label": "PER", "start_offset": 0, "end_offset": 8},
            {"id": 2, "label": "LOC", "start_offset": 17, "end_offset": 20},
        ],
        "relations": [],
    },
    "spacy-json": {"text": TEXT, "entities": [[0, 8, "PER"], [17, 20, "LOC"]]},
    "spacy-json pair": [TEXT, {"entities": [[0, 8, "PER"], [17, 20, "LOC"]]}],
    "spacy-json doc": {
        "text": TEXT,
        "ents": [{"start": 0, "end": 8, "label": "PER"}, {"start": 17, "end": 20, "label": "LOC"}],
    },
    "spacy-json names": {
        "text": TEXT,
        "entities": [
            {"name": "Lena Hof", "span": [0, 8], "type": "PER"},
            {"name": "Rom", "span": [17, 20], "type": "LOC"},
        ],
    },
    "label-studio": {
        "id": 3,
        "data": {"text": TEXT},
        "annotations": [
            {"was_cancelled": True, "result": []},
            {
                "result": [
                    {
                        "type": "labels",
                        "to_name": "text",
                        "value": {"start": 0, "end": 8, "text": "Lena Hof", "labels": ["PER"]},
                    },
                    {
                        "type": "labels",
                        "to_name": "text",
                        "value": {"start": 17, "end": 20, "text": "Rom", "labels": ["LOC"]},
                    },
                    {"type": "choices", "to_name": "text", "value": {"choices": ["yes"]}},
                ]
            },
        ],
    },
    "label-studio min": {
        "id": 3,
        "text": TEXT,
        "label": [
            {"start": 0, "end": 8, "text": "Lena Hof", "labels": ["PER"]},
            {"start": 17, "end": 20, "text": "Rom", "labels": ["LOC"]},
        ],
    },
    "huggingface": {
        "tokens": ["Lena", "Hof", "sang", "in", "Rom", "."],
        "ner_tags": ["B-PER", "I-PER", "O", "O", "B-LOC", "O"],
    },
    "huggingface words": {
        "words": ["Lena", "Hof", "sang", "in", "Rom", "."],
        "tags": ["B-PER", "I-PER", "O", "O", "B-LOC", "O"],
    },
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("form", ["lines", "array", "pretty"])
def test_json_dialects(tmp_path, dialect, form):
    records = [DIALECTS[dialect]] * 3
    text = {
        "lines": lines(*records),
        "array": json.dumps(records),
        "pretty": json.dumps(records, indent=2, ensure_ascii=False),
    }[form]
    docs, report = read(tmp_path, text, "a.json" if form == "pretty" else "a.jsonl")
    assert report.format == dialect.split()[0]
    assert len(docs) == 3
    for doc in docs:
        assert doc.text == TEXT and ents(doc) == [("Lena Hof", "PER"), ("Rom", "LOC")]
        assert doc[2].ent_iob_ == "O"
    assert len(read(tmp_path, text, "a.txt")[0]) == 3  # the content tells, not the name


def test_annotator_object(tmp_path):
    records = [["Lena sang.", {"entities": [[0, 4, "PER"]]}], None, ["Ja.", {"entities": []}]]
    docs, report = read(tmp_path, {"classes": ["PER"], "annotations": records}, "a.json")
    assert report.format == "spacy-json" and [ents(doc) for doc in docs] == [[("Lena", "PER")], []]


def test_line_numbers_in_an_array(tmp_path):
    records = [{"text": "Lena", "spans": []}, {"text": "Rom", "spans": [{"start": 0, "end": 9, "label": "X"}]}]
    text = json.dumps(records, indent=1)
    with pytest.raises(InputError) as caught:
        read(tmp_path, text, "a.json")
    assert caught.value.line == 1 + text[: text.index('"Rom"')].count("\n") - 1


def test_labels_under_another_key_are_errors(tmp_path):
    good = {"text": "Lena", "spans": []}
    for other in (
        {"text": "Lena", "label": [[0, 4, "PER"]]},
        {"text": "Lena", "annotation": [{"label": ["Name"], "points": [{"start": 0, "end": 3, "text": "Lena"}]}]},
        {"text": "Lena", "found": [{"start": 0, "end": 4, "label": "PER"}]},
        {"text": "Lena", "label": {"name": {"Lena": [[0, 3]]}}},
    ):
        with pytest.raises(InputError, match="looks like labels") as caught:
            read(tmp_path, lines(good, good, good, good, other), "a.jsonl")
        assert caught.value.line == 5
    docs, _ = read(tmp_path, lines({"text": "Lena", "label": ["positive"]}), "a.jsonl")  # classes of the text
    assert not docs[0].has_annotation("ENT_IOB")


def test_numbers_need_names(tmp_path):
    text = lines({"tokens": ["Lena", "sang"], "ner_tags": [1, 0]}, {"tokens": ["ja"], "ner_tags": [-100]})
    with pytest.raises(InputError, match="--tag-names"):
        read(tmp_path, text, "a.jsonl")
    docs, _ = read(tmp_path, text, "a.jsonl", tag_names=["O", "B-PER"])
    assert ents(docs[0]) == [("Lena", "PER")] and docs[1][0].ent_iob_ == ""
    with pytest.raises(InputError, match="from 0 to 0"):
        read(tmp_path, text, "a.jsonl", tag_names=["O"])
    (tmp_path / "label.json").write_text('{"O": 0, "B-LOC": 1}')
    assert ents(read(tmp_path, text, "a.jsonl")[0][0]) == [("Lena", "LOC")]
    (tmp_path / "label.json").unlink()
    info = {"features": {"ner_tags": {"feature": {"names": ["O", "B-ORG"]}}}}
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    assert ents(read(tmp_path, text, "a.jsonl")[0][0]) == [("Lena", "ORG")]


def test_answers(tmp_path):
    span = {"start": 0, "end": 4, "label": "PER"}
    text = lines(
        {"text": "Lena sang.", "spans": [span], "answer": "accept"},
        {"text": "Lena sang.", "spans": [span], "answer": "reject"},
        {"text": "Lena sang.", "spans": [span], "answer": "ignore"},
        {"text": "Lena sang.", "spans": [{**span, "answer": "reject"}], "answer": "accept"},
    )
    docs, report = read(tmp_path, text, "a.jsonl")
    assert [ents(doc) for doc in docs] == [[("Lena", "PER")], []]
    assert report.counts == {"rejected_records": 1, "ignored_records": 1, "rejected_spans": 1}
    assert report.examples == {"rejected_records": [2], "ignored_records": [3], "rejected_spans": [4]}


# Offsets


@pytest.mark.parametrize(
    "unit, text, start, end",
    [
        ("utf16_offsets", "🎉🎉 Rom jetzt", 5, 8),
        ("utf8_offsets", "Äh, Rom jetzt", 5, 8),
        ("nfc_offsets", "cafe\u0301 Rom jetzt", 5, 8),
        ("nfd_offsets", "가 Rom jetzt", 3, 6),
        ("crlf_offsets", "ja\nnun Rom", 8, 11),
    ],
)
def test_offsets_in_other_units(tmp_path, unit, text, start, end):
    span = {"start": start, "end": end, "label": "LOC", "text": "Rom"}
    docs, report = read(tmp_path, lines({"text": text, "spans": [span]}), "a.jsonl")
    assert ents(docs[0]) == [("Rom", "LOC")] and report.counts[unit] == 1


def test_offsets_that_give_another_text(tmp_path):
    span = {"start": 3, "end": 5, "label": "LOC", "text": "Rom"}
    with pytest.raises(InputError, match=r"'Rom', but the text has 'Ro' there.*last character") as caught:
        read(tmp_path, lines({"text": "in Rom.", "spans": [span]}), "a.jsonl")
    assert caught.value.line == 1
    bare = {"start": 5, "end": 8, "label": "LOC"}
    with pytest.raises(InputError, match="'m j' counted in characters, but 'Rom' counted in UTF-16"):
        read(tmp_path, lines({"text": "🎉🎉 Rom jetzt", "spans": [bare]}), "a.jsonl")


def test_spans_split_tokens_of_scripts_without_spaces(tmp_path):
    nlp = spacy.blank("xx")
    spans = [{"start": 0, "end": 3, "label": "PER"}, {"start": 4, "end": 6, "label": "LOC"}]
    docs, report = read(tmp_path, lines({"text": "山田花は京都に行く。", "spans": spans}), "a.jsonl", nlp)
    assert ents(docs[0]) == [("山田花", "PER"), ("京都", "LOC")] and report.counts["split_tokens"] == 3
    assert docs[0].text == "山田花は京都に行く。"


# brat, spans, quotes


def test_brat(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "x.txt").write_text("Lena Hof sang.\nIn Rom.\n")
    (tmp_path / "c" / "x.ann").write_text(
        "T1\tPER 0 8\tLena Hof\nT2\tLOC 18 21\tRom\nT3\tACT 9 11;12 13\tsa g\nR1\tAt Arg1:T1 Arg2:T2\n"
    )
    for path in (tmp_path / "c", tmp_path / "c" / "x.ann", tmp_path / "c" / "x.txt"):
        report = Report()
        (doc,) = read_docs(path, EN, report=report)
        assert ents(doc) == [("Lena Hof", "PER"), ("sang", "ACT"), ("Rom", "LOC")]
        assert report.counts["other_annotations"] == 1 and report.counts["joined_spans"] == 1
    (tmp_path / "c" / "x.ann").write_text("T1\tPER 0 4\tLena\nT2\tPER 1 8\tLena Hof\n")
    with pytest.raises(InputError, match=r"x\.ann, line 2"):
        list(read_docs(tmp_path / "c", EN))


def test_spans_that_are_not_entities(tmp_path):
    doc = EN("Bank of Rom fell.")
    doc.spans["sc"] = [Span(doc, 0, 3, "ORG"), Span(doc, 2, 3, "LOC")]
    DocBin(docs=[doc]).to_disk(tmp_path / "a.spacy")
    (found,) = read_docs(tmp_path / "a.spacy", EN, spans_key="sc")
    assert ents(found) == [("Bank of Rom", "ORG")] and len(found.spans["gold"]) == 2
    with pytest.warns(UserWarning, match="spans under sc"):
        (found,) = read_docs(tmp_path / "a.spacy", EN)
    with pytest.raises(InputError, match="no spans under 'x', but under sc"):
        list(read_docs(tmp_path / "a.spacy", EN, spans_key="x"))


@pytest.mark.parametrize(
    "text, pairs",
    [
        ('"Yes."\t"Ja."\n"No."\t"Nein."\n', [("Yes.", "Ja."), ("No.", "Nein.")]),
        ('"Yes."\t"Ja."\nNo.\tNein.\n', [('"Yes."', '"Ja."'), ("No.", "Nein.")]),
        ('"a\tb"\tc\nd\t"e ""f"""\n', [("a\tb", "c"), ("d", 'e "f"')]),
        ('"Yes", she said\t"Ja", sagte sie\nNo.\tNein.\n', [('"Yes", she said', '"Ja", sagte sie'), ("No.", "Nein.")]),
    ],
)
def test_quotes_in_a_bitext(tmp_path, text, pairs):
    docs, _ = read(tmp_path, text, "a.tsv", blank("de"), source_nlp=EN)
    assert [(doc._.xproj.text, doc.text) for doc in docs] == pairs


def test_tmx_is_a_bitext(tmp_path):
    unit = "<tu><tuv xml:lang='{}'><seg>{}</seg></tuv><tuv xml:lang='{}'><seg>{}</seg></tuv></tu>"
    body = unit.format("en-GB", "Yes.", "de", "Ja.") + unit.format("fr", "Oui.", "de", "Ja.")
    text = f"<?xml version='1.0'?>\n<tmx version='1.4'><header/><body>{body}</body></tmx>"
    docs, report = read(tmp_path, text, "a.tmx", blank("de"), source_nlp=EN)
    assert [(doc._.xproj.text, doc.text) for doc in docs] == [("Yes.", "Ja.")] and report.counts["skipped"] == 1
    with pytest.raises(XprojError, match="--source-lang"):
        read(tmp_path, text, "a.tmx")
    with pytest.raises(InputError, match="Expected texts in en and es, got de, en-GB, fr"):
        read(tmp_path, text, "a.tmx", blank("es"), source_nlp=EN)


def test_order_of_format(tmp_path):
    with pytest.raises(InputError, match="Expected a format out of"):
        read(tmp_path, "a", "a.conll", format="nonsense")
    docs, report = read(tmp_path, "Rom\tB-LOC\n", "a.conll", format="txt")
    assert report.format == "txt" and docs[0].text == "Rom\tB-LOC"
    counts = Counter()
    (doc,) = read_docs(tmp_path / "a.conll", EN, counts=counts, format="bio")
    assert isinstance(doc, Doc) and ents(doc) == [("Rom", "LOC")]
