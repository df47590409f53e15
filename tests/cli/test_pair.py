"""`xproj pair` from the command line, through to the projection."""

import json

import pytest
import spacy

from spacy_xproj.corpus import read_docs
from tests.cli.test_app import bad, good
from tests.conftest import CONFIGS, VERSES, ents, names

MATCH = CONFIGS / "project_match.cfg"


@pytest.fixture
def lines(corpus):
    """The folder `corpus`, with the two sides as lines, too."""
    (corpus / "src.txt").write_text("".join(f"{source}\n" for source, _ in VERSES))
    (corpus / "tgt.txt").write_text("".join(f"{target}\n" for _, target in VERSES))
    return corpus


def pair_args(corpus, *more, source="src.conll", target="tgt.txt", out="pairs.spacy", lang="es"):
    return "pair", corpus / source, corpus / target, corpus / out, "--lang", lang, *more


def read(path, lang="es"):
    return list(read_docs(path, spacy.blank(lang)))


@pytest.mark.parametrize("out", ["pairs.spacy", "pairs"])
def test_labels_lines_and_links(lines, out):
    """Case 08: what label projection starts from."""
    text = good(
        *pair_args(lines, "--alignments", lines / "links.pharaoh", *["--shard", 2][: 2 * (out == "pairs")], out=out)
    )
    assert "Wrote 5 Docs with 2 source entities" in text
    docs = read(lines / out)
    assert [doc.text.strip() for doc in docs] == [target for _, target in VERSES]
    assert [doc._.xproj.links.tolist()[:1] for doc in docs] == [[[0, 0]]] * 5
    good("project", lines / out, lines / "o.spacy", "--lang", "es", "--config", lines / "match.cfg")
    assert [ents(doc) for doc in read(lines / "o.spacy")] == [[], [], [], [(0, 1, "PER")], [(3, 4, "LOC")]]


def test_a_language_without_data(lines):
    """spaCy knows nothing of Luganda; neither of files that end in .lug."""
    (lines / "tgt.lug").write_text("Ana yalaba embwa .\nEnnyumba mu Roma .\n")
    (lines / "two.conll").write_text("Ana\tB-PER\nsaw\tO\na\tO\ndog\tO\n\nA\tO\nhouse\tO\nin\tO\nRoma\tB-LOC\n")
    good(*pair_args(lines, source="two.conll", target="tgt.lug", lang="lug"))
    good("project", lines / "pairs.spacy", lines / "o.spacy", "--lang", "lug", "--config", MATCH)
    assert [[e.text for e in doc.ents] for doc in read(lines / "o.spacy", "xx")] == [["Ana"], ["Roma"]]


@pytest.fixture
def ruler(lines):
    """A pipeline that finds the names of the verses."""
    nlp = spacy.blank("en")
    patterns = [{"label": "PERSON", "pattern": "Ana"}, {"label": "GPE", "pattern": "Rome"}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    nlp.to_disk(lines / "model")
    return "--source-model", lines / "model"


@pytest.mark.parametrize("out", ["pairs.spacy", "pairs"])
def test_a_source_model(lines, ruler, out):
    """Plain lines on both sides: a model labels the source."""
    names = "--label-map", "PERSON=PER,GPE=LOC", "--labels", "LOC"
    text = good(*pair_args(lines, *ruler, *names, source="src.txt", out=out))
    assert "Wrote 5 Docs with 1 source entities" in text
    docs = read(lines / out)
    assert [[tuple(span)[:3] for span in doc._.xproj.spans] for doc in docs] == [[], [], [], [], [(3, 4, "LOC")]]
    assert all("source_model" in doc._.xproj.provenance and not doc._.xproj.unknown for doc in docs)
    assert "not labeled" in bad(*pair_args(lines, source="src.txt"))
    assert "It is labeled, so that --source-model" in bad(*pair_args(lines, *ruler))


def test_labels(lines):
    good(*pair_args(lines, "--label-map", "PER=PERSON", "--labels", "PERSON"))
    assert [len(doc._.xproj.spans) for doc in read(lines / "pairs.spacy")] == [0, 0, 0, 1, 0]
    assert "--labels names PERS, but no entity" in bad(*pair_args(lines, "--labels", "PERS", out="b.spacy"))
    assert "has no entity" in bad(*pair_args(lines, "--label-map", "PER=,LOC=", out="b.spacy"))


def test_tokens(lines):
    (lines / "tgt.tok").write_text("".join(f"{target.replace('casa', 'ca.sa')} .\n" for _, target in VERSES))
    good(*pair_args(lines, "--tokens", target="tgt.tok"))
    assert [t.text for t in read(lines / "pairs.spacy")[0]] == ["la", "ca.sa", "es", "roja", "."]


def test_blank_lines(lines):
    """A line without translation is left out with its links; blank lines between all lines mean nothing."""
    texts = [target for _, target in VERSES]
    (lines / "tgt.txt").write_text("\n".join(["", *texts[1:]]) + "\n\n\n")
    (lines / "links.pharaoh").write_text("\n" + "0-0 1-1 2-2 3-3\n" * 4)
    text = good(*pair_args(lines, "--alignments", lines / "links.pharaoh"))
    assert "Wrote 4 Docs" in text and "blank target lines 1" in text
    assert [doc.text for doc in read(lines / "pairs.spacy")] == texts[1:]
    (lines / "tgt.txt").write_text("\n\n".join(texts) + "\n")
    assert "Wrote 5 Docs" in good(*pair_args(lines))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"tgt.txt": ""}, "tgt.txt: It is empty"),
        ({"tgt.txt": "la casa es roja\n"}, "5 source and 1 target lines"),
        ({"src.conll": "the\nhouse\n\nis\nred\n\n" * 5, "tgt.txt": "a\n" * 10}, "src.conll: It is not labeled"),
        ({"src.conll": "the\tO\nhouse\tO\nis\tO\nred\tO\n\n" * 5}, "src.conll: It is labeled, but has no entity"),
        ({"links.pharaoh": "0-0\n" * 4}, "links.pharaoh: Expected a line for each of the 5 Docs"),
        ({"links.pharaoh": "0-9\n" * 5}, "links.pharaoh, line 1: The link '0-9' points at target word 9"),
        ({"tgt.txt": b"\xff\n" * 5}, "tgt.txt, line 1: Expected text in UTF-8"),
    ],
)
@pytest.mark.parametrize("out", ["pairs.spacy", "pairs"])
def test_bad_input(lines, change, message, out):
    for name, text in change.items():
        (lines / name).write_bytes(text.encode() if isinstance(text, str) else text)
    before = names(lines)
    assert message in bad(*pair_args(lines, "--alignments", lines / "links.pharaoh", out=out))
    assert names(lines) == before


def test_a_bitext_is_not_a_side(lines):
    (lines / "both.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in VERSES))
    assert "taken for a bitext" in bad(*pair_args(lines, target="both.tsv"))
    assert "--target-format" in bad(*pair_args(lines, target="both.tsv"))


def test_where_the_lines_part(data, tmp_path):
    source, target = (data / "ntrex" / f"{lang}.txt" for lang in ("eng", "spa"))
    texts = target.read_text(encoding="utf-8").split("\n")
    (tmp_path / "t.txt").write_text("\n".join(texts[:430] + texts[431:]), encoding="utf-8")
    text = bad("pair", source, tmp_path / "t.txt", tmp_path / "o.spacy", "--lang", "es")
    assert "1,997 source and 1,996 target lines" in text and "they seem to part at line 431: " in text
    assert '"It\\\'s still a province level disaster," said' in text and "“En cuanto el Gobierno diga" in text


def test_lines_that_are_shifted(data, tmp_path):
    """As many lines, but one is missing and another one too many: a warning."""
    source, target = (data / "ntrex" / f"{lang}.txt" for lang in ("eng", "deu"))
    texts = target.read_text(encoding="utf-8").split("\n")[:400]
    (tmp_path / "t.txt").write_text("\n".join(texts[:100] + texts[101:300] + texts[:1] + texts[300:]), encoding="utf-8")
    labeled = [
        {"text": line, "spans": [{"start": 0, "end": len(line.split()[0]), "label": "X"}]}
        for line in source.read_text(encoding="utf-8").split("\n")[:400]
    ]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(record) + "\n" for record in labeled), encoding="utf-8")
    args = "pair", tmp_path / "s.jsonl", tmp_path / "t.txt", tmp_path / "o.spacy", "--lang", "de"
    text = good(*args)
    assert "but 200 of them seem to be the translations of a line before" in text, text
    (tmp_path / "t.txt").write_text("\n".join(texts), encoding="utf-8")
    assert "seem to" not in good(*args)


SENTENCES = [
    ("Marta lives in Oslo.", "Marta vive en Oslo."),
    ("She likes the old town.", "Le gusta la ciudad vieja."),
    ("In 1999 she met Ana Ruiz. They are friends.", "En 1999 conoció a Ana Ruiz y son amigas."),
    ("Nobody could say afterwards why the neighbors of the family never wrote a single letter.", ""),
    ("Her brother works in Bergen!", "Su hermano trabaja en Bergen!"),
]


def documents(folder, n=3):
    source = " ".join(s for s, _ in SENTENCES)
    target = " ".join(t for _, t in SENTENCES if t)
    spans = [
        {"start": source.index(name), "end": source.index(name) + len(name), "label": label}
        for name, label in (("Marta", "PER"), ("Oslo", "LOC"), ("Ana Ruiz", "PER"), ("Bergen", "LOC"))
    ]
    (folder / "docs.jsonl").write_text(n * (json.dumps({"text": source, "spans": spans}) + "\n"), encoding="utf-8")
    (folder / "docs.txt").write_text(n * f"{target}\n", encoding="utf-8")


def test_documents(tmp_path):
    """Documents on both sides, in which numbers of sentences differ."""
    documents(tmp_path)
    text = good(*pair_args(tmp_path, "--sentences", source="docs.jsonl", target="docs.txt"))
    assert "source sentences without a partner 3" in text and "Long" not in text
    doc = read(tmp_path / "pairs.spacy")[0]
    words = doc._.xproj.words
    found = [(" ".join(words[a:b]), doc[c:d].text) for (a, b), (c, d) in doc._.xproj.sents]
    assert [(s[:9], t[:9]) for s, t in found] == [
        ("Marta liv", "Marta viv"),
        ("She likes", "Le gusta "),
        ("In 1999 s", "En 1999 c"),
        ("Nobody co", ""),
        ("Her broth", "Su herman"),
    ]
    assert [sent.text[:5] for sent in doc.sents] == ["Marta", "Le gu", "En 19", "Su he"]
    text = good("project", tmp_path / "pairs.spacy", tmp_path / "o.spacy", "--lang", "es", "--config", MATCH)
    assert "Projected 12 of 12" in text
    assert [e.text for e in read(tmp_path / "o.spacy")[0].ents] == ["Marta", "Oslo", "Ana Ruiz", "Bergen"]


def test_long_documents_without_sentences(tmp_path):
    documents(tmp_path)
    for name in ("docs.jsonl", "docs.txt"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(".", " and so on" * 20), encoding="utf-8")
    source = (tmp_path / "docs.jsonl").read_text(encoding="utf-8")
    (tmp_path / "docs.jsonl").write_text("".join(_spanned(line) for line in source.splitlines()), encoding="utf-8")
    text = good(*pair_args(tmp_path, source="docs.jsonl", target="docs.txt"))
    assert "Long Docs without sentences" in text and "give --sentences" in text


def _spanned(line):
    record = json.loads(line)
    record["spans"] = [{"start": 0, "end": 5, "label": "PER"}]
    return json.dumps(record) + "\n"


def test_documents_without_sentence_pairs(tmp_path):
    """`project`, `fit` and `evaluate` find the sentences, too: of a Doc with payload and of two labeled sides."""
    documents(tmp_path)
    good(*pair_args(tmp_path, source="docs.jsonl", target="docs.txt"))
    lang = "--lang", "es", "--config", MATCH
    for out in ("o.spacy", "o"):
        good("project", tmp_path / "pairs.spacy", tmp_path / out, *lang, "--sentences", "--shard", "2")
        assert [len(doc._.xproj.sents) for doc in read(tmp_path / out)] == [5] * 3
    good("project", tmp_path / "o", tmp_path / "again", *lang, "--sentences")
    good("fit", tmp_path / "pairs.spacy", tmp_path / "model", *lang, "--sentences")
    good("project", tmp_path / "pairs.spacy", tmp_path / "p.spacy", "--config", tmp_path / "model", "--sentences")
    assert [[e.text for e in doc.ents] for doc in read(tmp_path / "p.spacy")] == [
        ["Marta", "Oslo", "Ana Ruiz", "Bergen"]
    ] * 3
    good("convert", tmp_path / "p.spacy", tmp_path / "gold.jsonl", "--lang", "es")
    text = good("evaluate", tmp_path / "docs.jsonl", tmp_path / "gold.jsonl", *lang, "--sentences")
    assert "ents_f 1.0000" in text
    (tmp_path / "gold.jsonl").write_text((tmp_path / "gold.jsonl").read_text().split("\n")[0] + "\n")
    text = bad("evaluate", tmp_path / "docs.jsonl", tmp_path / "gold.jsonl", *lang)
    assert "3 source and 1 target lines" in text and "part at line" in text
