import random

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import fix_random_seed

from spacy_xproj.bitext import Bitext
from spacy_xproj.corpus.entity_swap import EntitySwap, entity_rows, like, swapped
from spacy_xproj.corpus.gazetteers import (
    Gazetteer,
    Name,
    collect,
    entities,
    read_gazetteer,
    territory_names,
)
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.registry import registry
from spacy_xproj.soft import SoftLabels
from tests.conftest import CONFIGS

LABELS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
PLACES = ("Roma", "Lima", "Oslo")


@pytest.fixture
def nlp():
    return spacy.blank("es")


def name(text):
    words = tuple(text.split())
    return Name(words, (True,) * (len(words) - 1) + (False,))


def example(nlp, words, tags, **kwargs):
    """`predicted` is made by the tokenizer; `tags` are IOB, "" for a token of which nothing is known."""
    doc = Doc(nlp.vocab, words=words.split(), ents=tags.split(","), **kwargs)
    return Example(nlp.make_doc(doc.text), doc)


def rows(*columns, n=5):
    """One row a column: 0.75 of the probability there, the rest over the others; None: nothing is known."""
    out = np.full((len(columns), n), 0.25 / (n - 1))
    for row, column in zip(out, columns):
        row[:] = 0 if column is None else row
        if column is not None:
            row[column] = 0.75
    return out.astype("f2")


@pytest.fixture
def names(tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text("LOC\tNueva Zelanda\n\nPER\tAda Lovelace\n", encoding="utf-8")
    return str(path)


TEXT, TAGS = "Hoy viene Curie de París .", ",O,B-PER,O,B-LOC,O"


def test_both_come(nlp, names):
    augment = EntitySwap(1.0, names, from_corpus=False)
    eg = example(nlp, TEXT, TAGS)
    same, changed = augment(nlp, eg)
    assert same is eg and eg.reference.text == TEXT + " "
    assert changed.text == "Hoy viene Ada Lovelace de Nueva Zelanda . "
    assert [(e.text, e.label_) for e in changed.reference.ents] == [("Ada Lovelace", "PER"), ("Nueva Zelanda", "LOC")]
    assert [t.ent_iob_ for t in changed.reference] == ["", "O", "B", "I", "O", "B", "I", "O"]
    assert [t.text for t in changed.predicted] == [t.text for t in changed.reference]
    assert not changed.predicted.ents


def test_settings(nlp, names):
    eg = example(nlp, TEXT, TAGS)
    texts = lambda **kw: [e.text.strip() for e in EntitySwap(gazetteer=names, **kw)(nlp, eg)]  # noqa: E731
    assert texts(level=0.0) == [TEXT]
    assert texts(level=1.0, share=0.0) == [TEXT]
    assert texts(level=1.0, keep_original=False, labels=["PER"]) == ["Hoy viene Ada Lovelace de París ."]
    assert texts(level=1.0, keep_original=False, labels=["ORG"]) == [TEXT]


def test_level_and_share_are_probabilities(nlp, names):
    fix_random_seed(0)
    augment = EntitySwap(0.25, names, share=0.5)
    eg = example(nlp, TEXT, TAGS)
    found = [e.text.strip() for _ in range(400) for e in augment(nlp, eg)][:]
    changed = [text for text in found if text != TEXT]
    assert found.count(TEXT) == 400
    assert 50 < len(changed) < 105  # 75 expected: a quarter, of which a quarter has no entity chosen
    assert len(set(changed)) == 3


def test_the_seed_decides(nlp):
    egs = [
        example(nlp, f"vino {word} ayer", "O,B-LOC,O") for word in ("Roma", "París", "Lima", "Quito", "Oslo", "Berna")
    ]

    def run(seed):
        fix_random_seed(seed)
        augment = EntitySwap(0.7)
        return [e.text for eg in egs * 3 for e in augment(nlp, eg)]

    assert run(1) == run(1) != run(2)


def test_names_of_the_corpus_so_far(nlp):
    augment = EntitySwap(1.0)
    first, second = example(nlp, "veo Roma", "O,B-LOC"), example(nlp, "Lima crece", "B-LOC,O")
    person = example(nlp, "Ana vive", "B-PER,O")
    assert [e.text.strip() for e in augment(nlp, first)] == ["veo Roma"]  # no other name yet
    assert [e.text.strip() for e in augment(nlp, second)] == ["Lima crece", "Roma crece"]
    assert [e.text.strip() for e in augment(nlp, person)] == ["Ana vive"]  # names of places do not do
    assert [e.text.strip() for e in augment(nlp, first)] == ["veo Roma", "veo Lima"]


@pytest.mark.parametrize(
    "given_name, text, expected",
    [
        ("Nueva Zelanda", "PARÍS crece", "NUEVA ZELANDA"),
        ("Nueva Zelanda", "UE crece", "Nueva Zelanda"),  # an acronym
        ("Nueva Zelanda", "UE CRECE", "NUEVA ZELANDA"),
        ("Nueva Zelanda", "parís crece", "nueva zelanda"),
        ("isla de Pascua", "París crece", "Isla de Pascua"),
        ("NUEVA ZELANDA", "París crece", "Nueva Zelanda"),
        ("EE UU", "París crece", "EE UU"),
        ("Nueva Zelanda", "北京 很大", "Nueva Zelanda"),
        ("北京", "parís crece", "北京"),
    ],
)
def test_capitals(nlp, given_name, text, expected):
    doc = Doc(nlp.vocab, words=text.split())
    assert like(name(given_name), doc[:1]).text == expected


def test_sentences_spaces_and_other_annotation(nlp):
    words = ["Ve", "a", "Berna", ",", "Ana", ".", "París", "-", "Lima"]
    spaces = [True, True, False, True, False, True, False, False, False]
    starts = [True, None, None, False, False, False, True, False, False]
    doc = Doc(nlp.vocab, words=words, spaces=spaces, sent_starts=starts)
    ents = [Span(doc, 2, 3, "LOC", kb_id="Q70"), Span(doc, 4, 5, "PER", kb_id="Q1"), Span(doc, 6, 7, "LOC")]
    doc.set_ents(ents, blocked=[doc[0:1]], missing=[doc[1:2]], default="outside")
    doc.spans["sc"] = [doc[1:4], doc[0:2], doc[3:9]]
    doc.cats = {"travel": 1.0}
    doc._.xproj = Bitext("en", ("x",), (False,))
    before = doc.to_bytes()
    new = swapped(doc, {2: (doc.ents[0], name("Las Palmas")), 6: (doc.ents[2], name("Santa Cruz de Tenerife"))})
    assert doc.to_bytes() == before
    assert new.text == "Ve a Las Palmas, Ana. Santa Cruz de Tenerife-Lima"
    assert [(e.text, e.label_, e.kb_id_) for e in new.ents] == [
        ("Las Palmas", "LOC", ""),
        ("Ana", "PER", "Q1"),
        ("Santa Cruz de Tenerife", "LOC", ""),
    ]
    assert new[0].ent_iob_ == "B" and not new[0].ent_type and new[1].ent_iob_ == ""
    assert [t.is_sent_start for t in new] == [True, None, None, None, False, False, False, True] + [False] * 5
    assert [s.text for s in new.spans["sc"]] == ["a Las Palmas,", "Ve a", ", Ana. Santa Cruz de Tenerife-Lima"]
    assert new.cats == doc.cats
    assert new._.xproj is None


def test_a_span_that_a_swap_cuts_through_goes(nlp):
    doc = Doc(nlp.vocab, words=["Nueva", "Zelanda", "crece"], ents=["B-LOC", "I-LOC", "O"])
    doc.spans["sc"] = [doc[1:3], doc[0:2]]
    new = swapped(doc, {0: (doc.ents[0], name("Lima"))})
    assert [s.text for s in new.spans["sc"]] == ["Lima"]


def test_no_sentences_stay_none(nlp):
    doc = Doc(nlp.vocab, words=["Lima", "crece"], ents=["B-LOC", "O"])
    new = swapped(doc, {0: (doc.ents[0], name("San Juan"))})
    assert new.has_annotation("SENT_START") == doc.has_annotation("SENT_START")
    assert not new.has_annotation("DEP")


def test_unknown_spaces_and_gold_tokens(nlp, names):
    augment = EntitySwap(1.0, names, from_corpus=False, keep_original=False)
    words, ents = ["¡", "viene", "doctor-Curie"], ["O", "O", "B-PER"]
    doc = Doc(nlp.vocab, words=words, ents=ents)
    bare = Doc(nlp.vocab, words=words)
    (eg,) = augment(nlp, Example(bare, Doc(nlp.vocab, words=words, ents=ents, spaces=[False, True, False])))
    assert [t.text for t in eg.predicted] == ["¡", "viene", "Ada", "Lovelace"]  # as the tokenizer does
    doc = Doc(nlp.vocab, words=["no-split", "Curie!"], ents=["O", "B-PER"], spaces=[True, False])
    (eg,) = augment(nlp, Example(Doc(nlp.vocab, words=["no-split", "Curie!"], spaces=[True, False]), doc))
    assert [t.text for t in eg.predicted] == ["no-split", "Ada", "Lovelace"]  # and it would not have
    unknown = Doc(nlp.vocab, words=["Curie", "!"], ents=["B-PER", "O"], spaces=None)
    (eg,) = augment(nlp, Example(Doc(nlp.vocab, words=["Curie", "!"]), unknown))
    assert eg.reference.has_unknown_spaces == unknown.has_unknown_spaces
    assert [t.text for t in eg.predicted] == ["Ada", "Lovelace", "!"]


def test_soft_rows_go_along(nlp, names):
    eg = example(nlp, TEXT, TAGS)
    soft = SoftLabels(LABELS, rows(0, None, 3, 0, 1, 0), {"teacher": "x"})
    eg.reference._.xproj_soft = soft
    _, changed = EntitySwap(1.0, names, from_corpus=False)(nlp, eg)
    new = changed.reference._.xproj_soft
    new.check(len(changed.reference))
    assert new.labels == LABELS and new.provenance == {"teacher": "x", "entity_swap": 1.0}
    np.testing.assert_array_equal(new.probs[[0, 1, 2, 4, 5, 7]], soft.probs)  # others, and the first words
    assert [LABELS[k] for k in new.probs[[3, 6]].argmax(1)] == ["I-PER", "I-LOC"]
    np.testing.assert_array_equal(new.known, [True, False] + [True] * 6)
    np.testing.assert_array_equal(eg.reference._.xproj_soft.probs, soft.probs)


def test_text_with_soft_labels_only(nlp, names):
    doc = Doc(nlp.vocab, words=TEXT.split())
    doc._.xproj_soft = SoftLabels(LABELS, rows(0, None, 3, 0, 1, 0))
    assert [(e.text, e.label_) for e in entities(doc)] == [("Curie", "PER"), ("París", "LOC")]
    _, changed = EntitySwap(1.0, names)(nlp, Example(nlp.make_doc(doc.text), doc))
    assert changed.text.strip() == "Hoy viene Ada Lovelace de Nueva Zelanda ."
    assert not changed.reference.has_annotation("ENT_IOB")
    assert [t.text for e in entities(changed.reference) for t in e] == ["Ada", "Lovelace", "Nueva", "Zelanda"]
    doc._.xproj_soft = SoftLabels(LABELS, rows(0, 0))
    with pytest.raises(XprojError, match="tokenized anew"):
        entities(doc)


def test_rows_by_hand():
    first, second, third = rows(1, 2, 2)
    second = np.array([0.5, 0.0, 0.5, 0.0, 0.0], "f2")
    old = np.stack([first, second, third])
    one = entity_rows(LABELS, old, 1)
    np.testing.assert_array_equal(one, first[None])
    mean = (second.astype("f8") + third) / 2
    np.testing.assert_allclose(entity_rows(LABELS, old, 3), [first, mean, mean], atol=1e-3)
    # B becomes I, of each type.
    moved = [first[0], 0, first[1] + first[2], 0, first[3] + first[4]]
    np.testing.assert_allclose(entity_rows(LABELS, old[:1], 2), [first, moved], atol=1e-3)
    # What is known stands for what is not; where nothing is, nothing is learnt.
    old[1] = 0
    np.testing.assert_array_equal(entity_rows(LABELS, old, 2), [first, third])
    old[2] = 0
    np.testing.assert_array_equal(entity_rows(LABELS, old, 2), [first, np.zeros(5)])


@pytest.mark.parametrize(
    "n, expected", [(1, ["S"]), (2, ["B", "E"]), (4, ["B", "I", "I", "E"])], ids=["one", "two", "four"]
)
def test_rows_with_ends_and_singles(n, expected):
    labels = ("O", "B-A", "I-A", "E-A", "S-A")
    for old in (rows(4), rows(1, 3), rows(1, 2, 2, 3)):
        assert [labels[k][0] for k in entity_rows(labels, old, n).argmax(1)] == expected


def test_rows_without_a_beginning():
    np.testing.assert_array_equal(entity_rows(("O", "LOC"), rows(1, n=2), 3), rows(1, 1, 1, n=2))


@given(st.integers(0, 2**31 - 1), st.integers(1, 4), st.integers(1, 4))
def test_rows_stay_distributions(seed, m, n):
    probs = np.random.default_rng(seed).dirichlet(np.ones(len(LABELS)), m).astype("f2")
    found = entity_rows(LABELS, probs, n)
    assert found.shape == (n, len(LABELS)) and found.dtype == np.float16
    np.testing.assert_allclose(found.astype("f8").sum(1), 1, atol=5e-3)


def test_gazetteer_of_docs(nlp, tmp_path):
    docs = [example(nlp, TEXT, TAGS).reference, example(nlp, "Nueva Zelanda y París", "B-LOC,I-LOC,O,B-LOC").reference]
    found = collect(docs)
    assert {label: [n.text for n in names.values()] for label, names in found.names.items()} == {
        "PER": ["Curie"],
        "LOC": ["París", "Nueva Zelanda"],
    }
    assert len(collect(docs, ["PER"])) == 1
    path = tmp_path / "made.tsv"
    path.write_text("LOC\tParís\nLOC\tNueva Zelanda\nPER\tCurie\n", encoding="utf-8")
    DocBin(docs=docs).to_disk(tmp_path / "docs.spacy")
    for file in (path, tmp_path / "docs.spacy"):
        assert read_gazetteer(file, nlp).names.keys() == found.names.keys()
        assert len(read_gazetteer(file, nlp)) == 3


def test_the_tokenizer_splits_names(nlp, tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text("ORG\tRolls-Royce (España)\r\n", encoding="utf-8")
    (found,) = read_gazetteer(path, nlp).names["ORG"].values()
    assert found == Name(("Rolls-Royce", "(", "España", ")"), (True, False, False, False))
    assert found.text == "Rolls-Royce (España)"


def test_draw_is_even():
    gazetteer = Gazetteer()
    for word in "abcd":
        gazetteer.add("X", name(word))
    random.seed(0)
    for own in "abcdz":
        found = [gazetteer.draw("X", [own]).text for _ in range(600)]
        others = sorted(set("abcd") - {own})
        assert sorted(set(found)) == others
        assert all(abs(found.count(word) - 600 / len(others)) < 75 for word in others)
    assert gazetteer.draw("Y", ["a"]) is None


@pytest.mark.parametrize("line", ["LOC Lima", "LOC\t", "\tLima", "LOC\tLima\tPerú"])
def test_bad_lines(nlp, tmp_path, line):
    path = tmp_path / "names.tsv"
    path.write_text(f"LOC\tRoma\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"names.tsv, line 2: Expected label<TAB>name"):
        read_gazetteer(path, nlp)


def test_no_names(nlp, tmp_path):
    (tmp_path / "names.tsv").write_text("\n")
    with pytest.raises(InputError, match="no name in it"):
        read_gazetteer(tmp_path / "names.tsv", nlp)
    with pytest.raises(InputError, match="no such gazetteer"):
        list(EntitySwap(1.0, str(tmp_path / "none.tsv"))(nlp, example(nlp, TEXT, TAGS)))


@pytest.mark.parametrize(
    "kwargs", [{"level": 1.1}, {"level": 1.0, "share": -0.1}, {"level": 1.0, "from_corpus": False}]
)
def test_bad_settings(kwargs):
    with pytest.raises(XprojError, match=r"must be from 0 to 1|nowhere to take names"):
        EntitySwap(**kwargs)


def test_territories(nlp):
    pytest.importorskip("babel")
    spanish = territory_names("es")
    assert {"España", "Nueva Zelanda", "Estados Unidos"} <= set(spanish)
    assert not {"Unión Europea", "Región desconocida", "Europa", "mundo"} & set(spanish)
    assert "中國" in territory_names("zh-Hant") or "中國大陸" in territory_names("zh-Hant")
    random.seed(3)
    augment = EntitySwap(1.0, territories="es", territories_label="GPE", from_corpus=False)
    _, changed = augment(nlp, example(nlp, "veo Roma .", "O,B-GPE,O"))
    assert changed.reference.ents[0].text in spanish and changed.reference.ents[0].label_ == "GPE"
    for code in ("xx", "not a language"):
        with pytest.raises(XprojError, match=r"CLDR has no names of territories|Expected a language code"):
            EntitySwap(1.0, territories=code)


def test_without_babel(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "babel", None)
    with pytest.raises(XprojError, match=r"pip install 'spacy-xproj\[gazetteers\]'"):
        EntitySwap(1.0, territories="es")


AUGMENTER = """
[corpora.train.augmenter]
@augmenters = "spacy_xproj.entity_swap.v1"
level = 0.5
gazetteer = ${paths.train}
"""


@pytest.mark.parametrize(
    "name, more",
    [("ner_cpu.cfg", {}), ("student_cpu.cfg", {"components.xproj_student.targets": "soft"})],
    ids=["gold", "soft"],
)
def test_in_training(nlp, tmp_path, name, more):
    """`spacy train` on a corpus with the augmenter."""
    from spacy.cli.train import train
    from spacy.util import resolve_dot_names

    path = tmp_path / "train.spacy"
    docs = [example(nlp, f"veo {word} .", "O,B-LOC,O").reference for word in PLACES]
    for doc in docs:
        doc._.xproj_soft = SoftLabels(LABELS, rows(0, 1, 0))
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    config = (CONFIGS / name).read_text()
    (tmp_path / "train.cfg").write_text(config.replace("\n[corpora.dev]", AUGMENTER + "\n[corpora.dev]"))
    overrides = {"paths.train": str(path), "paths.dev": str(path), "training.max_steps": 3, **more}
    train(tmp_path / "train.cfg", tmp_path / "out", overrides=overrides)
    made = spacy.load(tmp_path / "out" / "model-last")
    (corpus,) = resolve_dot_names(made.config.interpolate(), ["corpora.train"])
    found = {eg.text for _ in range(20) for eg in corpus(nlp)}
    assert found == {f"veo {word} . " for word in PLACES}
    assert len(list(corpus(nlp))) >= 3


def test_registered():
    assert registry.augmenters.get("spacy_xproj.entity_swap.v1") is EntitySwap
