"""The comparison of routes over a trained encoder, with a tiny random one and a few sentences."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span

from benchmarks.real import layers, routes, tables
from benchmarks.real.texts import Target
from spacy_xproj.soft import SoftLabels
from tests.aligners.tiny_encoders import make_encoder

SOURCE = ("Ana", "lives", "in", "Rome", ".")
TARGET = ("Ana", "vive", "en", "Roma", ".")


def text(words, labels=((0, 1, "PER"), (3, 4, "LOC"))):
    doc = Doc(spacy.blank("xx").vocab, words=list(words))
    doc.set_ents([Span(doc, start, end, label=label) for start, end, label in labels], default="outside")
    return doc


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Texts of four sentences, for all targets."""
    bare = lambda words: Doc(spacy.blank("xx").vocab, words=list(words))  # noqa: E731
    small = lambda lang, limit: Target(  # noqa: E731
        lang, [bare(SOURCE)] * 4, [bare(TARGET)] * 4, [text(TARGET)] * 4
    )
    monkeypatch.setattr(routes, "target", small)
    labeled = lambda lang, limit: [text(SOURCE if lang == "en" else TARGET)] * 4  # noqa: E731
    for module in (layers, routes):
        monkeypatch.setattr(module, "gold", labeled)
    made = routes.Work(make_encoder(tmp_path / "encoder"), tmp_path / "work", steps=12)
    shipped = made.config

    def config(lang):
        config = shipped(lang)
        config["components"]["tok2vec"]["model"]["embed"] |= {"layers": [0, 2, 4], "device": "cpu"}
        config["training"]["dropout"] = 0.0
        return config

    monkeypatch.setattr(made, "config", config)
    return made


def test_all_methods_and_what_is_kept(work, capsys, monkeypatch):
    found = routes.compare(work, "es", 0) | routes.two_sources(work)
    assert {*routes.METHODS} < {*found} and all(rows.shape == (4, 3) for rows in found.values())
    assert capsys.readouterr().out.count("# ") == 5 + 2 + 4
    masked = routes.masking(work, "es", 0)
    assert masked["0.0"].tolist() == found[routes.PROJECTION].tolist(), "nothing is masked below 0"
    monkeypatch.setattr(routes, "trained", None)
    again = routes.compare(work, "es", 0)
    assert {name: rows.tolist() for name, rows in again.items()} == {name: found[name].tolist() for name in again}


def test_a_span_is_doubted_by_its_source_and_its_projection():
    source = text(SOURCE)
    source.spans["xproj_student"] = list(source.ents)
    source.spans["xproj_student"].attrs["scores"] = np.array([0.5, 1.0], "f4")
    (doc,) = routes.projected([source], [text(TARGET, ())], "es")
    group = doc.spans["doubt"]
    scores = dict(zip(((s.text, s.label_) for s in group), group.attrs["scores"]))
    assert [*scores] == [("Ana", "PER"), ("Roma", "LOC")] and scores["Ana", "PER"] <= 0.5
    made = routes.masked(doc, 0.5 * (scores["Ana", "PER"] + scores["Roma", "LOC"]))
    assert [token.ent_iob_ for token in made] == ["", "O", "O", "B", "O"]


def test_soft_labels_of_several_models_are_averaged():
    docs = [text(TARGET), text(TARGET)]
    for doc, value in zip(docs, (0.2, 0.8)):
        doc._.xproj_soft = SoftLabels(("O", "B-PER"), [[1 - value, value]] * 5)
    (made,) = routes.soft_only(docs[:1], docs[1:])
    assert np.allclose(made._.xproj_soft.probs, 0.5, atol=1e-3) and not made.has_annotation("ENT_IOB")


def test_batches_take_every_text_before_any_comes_again():
    found = list(routes.batches([300] * 5, 5, np.random.default_rng(0)))
    assert [len(batch) for batch in found] == [2] * 5
    assert sorted(k for batch in found for k in batch) == sorted([*range(5)] * 2)


def test_layers_are_compared_on_text_that_is_not_reported(work, tmp_path):
    rows = layers.measure(work, seeds=2)
    assert [row[0] for row in rows] == ["es", "de"] and all(len(row[3].split()) == 2 for row in rows)
    other = routes.Work(work.encoder, tmp_path, steps=1, layers=[1, 3])
    assert other.config("es")["components"]["tok2vec"]["model"]["embed"]["layers"] == [1, 3]


def test_the_shares_of_types_are_those_of_the_entities():
    assert tables.shares([text(TARGET), text(TARGET, ((0, 1, "PER"),))]) == "PER 0.67, LOC 0.33, ORG 0.00"
