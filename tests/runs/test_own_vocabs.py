"""Words of a folder of shards leave the memory with the shard that they stand in, and nothing else changes."""

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_xproj.bitext import Bitext
from spacy_xproj.corpus import read_docs
from spacy_xproj.corpus.formats import docbin
from spacy_xproj.labels import LabelFilter
from spacy_xproj.runs.process import process
from spacy_xproj.runs.reading import DocReader, Inputs
from spacy_xproj.runs.shards import write_shards
from spacy_xproj.zones import empty_vocab
from tests.cli.test_app import good

SIZES = (3, 12)


@pytest.fixture
def folder(tmp_path):
    """Twelve Docs, each with a word of its own, in four shards and in one."""
    nlp = spacy.blank("es")

    def docs():
        for k in range(12):
            doc = Doc(nlp.vocab, words=["Ana", "vive", "aquí", "." if k % 2 else "!", f"t{k}x"])
            doc.ents = [Span(doc, 0, 1, label="A" if k % 3 else "B")]
            doc._.xproj = Bitext("en", ["Ann", "lives", f"s{k}x"], [True] * 3, [(0, 1, "A" if k % 3 else "B")])
            yield doc

    for size in SIZES:
        write_shards(docs(), tmp_path / f"in{size}", key={}, shard=size)
    return tmp_path


@pytest.fixture
def vocabs(monkeypatch):
    """The vocabs that are made for files."""
    made = []

    def noted(vocab):
        made.append(empty_vocab(vocab))
        return made[-1]

    monkeypatch.setattr(docbin, "empty_vocab", noted)
    return made


def own_words(vocab):
    return sum(f"t{k}x" in vocab.strings for k in range(12))


def test_docs_have_the_vocab_of_their_file(folder, vocabs):
    nlp = spacy.blank("en")
    docs = list(read_docs(folder / "in3", nlp, own_vocabs=True))
    assert [own_words(vocab) for vocab in vocabs] == [3, 3, 3, 3] and own_words(nlp.vocab) == 0
    assert [doc.vocab for doc in docs] == [vocab for vocab in vocabs for _ in range(3)]
    plain = list(read_docs(folder / "in3", nlp))
    assert own_words(nlp.vocab) == 12 and {doc.vocab for doc in plain} == {nlp.vocab}
    for one, other in zip(docs, plain):
        assert (one.lang_, one.text, one.to_json()) == (other.lang_, other.text, other.to_json())
        for a, b in zip(one, other):
            assert [a.is_punct, a.is_stop, a.shape_, a.lower_, a.norm_] == [
                b.is_punct,
                b.is_stop,
                b.shape_,
                b.lower_,
                b.norm_,
            ]


@pytest.mark.parametrize(
    ("verb", "outputs", "more"),
    [
        ("convert", ["out"], ["--shard", 5, "--sentences", "--label-map", "A=C"]),
        ("convert", ["out.conll"], []),
        ("convert", ["out.jsonl"], ["--labels", "A"]),
        ("split", ["train", "dev"], ["--share", 0.5, "--labels", "A"]),
        ("split", ["train.spacy", "dev.spacy"], ["--share", 0.5, "--user-data"]),
    ],
)
def test_the_bytes_do_not_depend_on_the_shards_of_the_input(folder, vocabs, verb, outputs, more):
    found = []
    for size in SIZES:
        place = folder / f"from{size}"
        place.mkdir()
        good(verb, folder / f"in{size}", *[place / name for name in outputs], *more)
        files = (path for path in sorted(place.rglob("*")) if path.is_file() and path.name != "manifest.json")
        found.append({str(path.relative_to(place)): path.read_bytes() for path in files})
    assert found[0] == found[1] and len(found[0]) >= len(outputs)
    assert {own_words(vocab) for vocab in vocabs} == set(SIZES)


def test_pieces_of_an_input(folder):
    """Those of a folder whose Docs are changed in reading."""
    nlp = spacy.blank("es")

    class Same:
        vocabs = (spacy.blank("es").vocab,)

        def __call__(self, docs, tally):
            return docs

    for number, size in enumerate(SIZES):
        source, out = folder / f"in{size}", folder / f"out{number}"
        reader = DocReader([source], nlp, labels=LabelFilter((), {"A": "C"}))
        assert process(reader, out, Same(), key={}, inputs=Inputs([source]), shard=5)["docs"] == 12
    assert own_words(nlp.vocab) == 0
    for name in ("00000", "00001", "00002"):
        assert (folder / "out0" / f"{name}.spacy").read_bytes() == (folder / "out1" / f"{name}.spacy").read_bytes()
    docs = list(read_docs(folder / "out0", nlp))
    assert [doc.ents[0].label_ for doc in docs] == ["C" if k % 3 else "B" for k in range(12)]


def test_pairs_of_two_folders(folder, vocabs):
    good("pair", folder / "in3", folder / "in3", folder / "out", "--lang", "es", "--source-lang", "es")
    assert {own_words(vocab) for vocab in vocabs} == {3}
    docs = list(read_docs(folder / "out", spacy.blank("es")))
    assert [doc._.xproj.words[-1] for doc in docs] == [doc[-1].text for doc in docs] == [f"t{k}x" for k in range(12)]
