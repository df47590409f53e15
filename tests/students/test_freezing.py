"""Freezing lower layers of tiny transformers, and training a student over the rest."""

import pytest
import spacy
from confection import Config
from spacy.cli.train import train
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import registry

from spacy_xproj.errors import XprojError
from spacy_xproj.soft import SoftLabels
from spacy_xproj.students.freezing import embedding_module, layer_stack, make_freeze_layers
from tests.aligners.tiny_encoders import LAYERS, make_encoder
from tests.conftest import CONFIGS, ents

TEXT = "Ana Torres vive en una casa en Roma ."
WORDS = tuple(TEXT.split())


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def encoder_folder(path, kind):
    folder = make_encoder(path, kind)
    if kind == "xlm-roberta":  # spacy-transformers copies this file, which a published one has
        (folder / "sentencepiece.bpe.model").write_bytes(b"")
    return str(folder)


def weights(nlp, pipe="transformer"):
    (model,) = [shim._model for node in nlp.get_pipe(pipe).model.walk() for shim in node.shims]
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def changed(before, after):
    return {name for name in before if (before[name] != after[name]).any()}


def is_low(name, layers, embeddings=True):
    return (embeddings and name.startswith("embeddings.")) or any(f"layer.{i}." in name for i in range(layers))


def pipeline(folder, words=WORDS, **settings):
    """A pipeline of a transformer and a student, initialized with frozen layers, and what to train it on."""
    nlp = spacy.blank("es")
    spans = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 16, "stride": 12}
    architecture = "spacy-transformers.TransformerModel.v3"
    nlp.add_pipe("transformer", config={"model": {"@architectures": architecture, "name": folder, "get_spans": spans}})
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    nlp.add_pipe("xproj_student", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}})
    nlp.config["initialize"]["after_init"] = {"@callbacks": "spacy_xproj.freeze_layers.v1", **settings}
    doc = Doc(nlp.vocab, words=list(words))
    doc.set_ents([Span(doc, 0, 2, label="PER"), Span(doc, 7, 8, label="LOC")], default="outside")
    data = [Example(Doc(nlp.vocab, words=list(words)), doc)]
    nlp.initialize(lambda: data)
    return nlp, data


def test_advertised():
    assert registry.callbacks.get("spacy_xproj.freeze_layers.v1") is make_freeze_layers


@pytest.mark.parametrize("kind", ["xlm-roberta", "bert"])
@pytest.mark.parametrize("layers, embeddings", [(3, True), (1, False)])
def test_low_layers_stay_and_the_rest_learns(kind, layers, embeddings, tmp_path):
    nlp, data = pipeline(encoder_folder(tmp_path, kind), layers=layers, embeddings=embeddings)
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate, optimizer.L2 = 0.001, 0.1
    before = weights(nlp)
    for _ in range(3):
        nlp.update(data, sgd=optimizer)
    moved = changed(before, weights(nlp))
    assert moved and not any(is_low(name, layers, embeddings) for name in moved)
    assert all(f"layer.{i}." in " ".join(moved) for i in range(layers, LAYERS))
    assert embeddings or any(name.startswith("embeddings.") for name in moved)


@pytest.mark.parametrize("kind", ["xlm-roberta", "bert"])
def test_tokens_of_white_space_have_no_piece(kind, tmp_path):
    nlp, data = pipeline(encoder_folder(tmp_path, kind), words=[*WORDS, "  ", "\u00a0"], layers=1)
    assert nlp.update(data, sgd=nlp.create_optimizer())["xproj_student"] > 0
    assert len(nlp(Doc(nlp.vocab, words=[WORDS[0], " ", WORDS[1]]))) == 3
    pooling = Config().from_disk(CONFIGS / "student_trf.cfg", interpolate=False)
    assert pooling["components"]["xproj_student"]["model"]["tok2vec"]["pooling"] == {"@layers": "reduce_mean.v1"}


@pytest.mark.parametrize("family", ["DebertaV2", "DistilBert", "Electra", "Bert"])
def test_layers_and_embeddings_of_other_families(family):
    import transformers

    sizes = {"hidden_size": 8, "num_hidden_layers": 5, "num_attention_heads": 2, "intermediate_size": 8}
    if family == "DistilBert":
        sizes = {"dim": 8, "n_layers": 5, "n_heads": 2, "hidden_dim": 8}
    model = getattr(transformers, f"{family}Model")(getattr(transformers, f"{family}Config")(vocab_size=9, **sizes))
    stack = layer_stack(model)
    assert len(stack) == 5 and len({type(layer) for layer in stack}) == 1
    names = {name for name, _ in embedding_module(model).named_parameters()}
    assert "word_embeddings.weight" in names and "LayerNorm.weight" in names


def test_a_transformer_inside_of_the_student(tmp_path):
    nlp = spacy.blank("es")
    spans = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 16, "stride": 12}
    tok2vec = {
        "@architectures": "spacy-transformers.Tok2VecTransformer.v3",
        "name": encoder_folder(tmp_path, "bert"),
        "get_spans": spans,
        "tokenizer_config": {"use_fast": True},
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    nlp.add_pipe("xproj_student", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}})
    doc = Doc(nlp.vocab, words=["Ana"])
    doc.set_ents([Span(doc, 0, 1, label="PER")])
    data = [Example(Doc(nlp.vocab, words=["Ana"]), doc)]
    nlp.initialize(lambda: data)
    make_freeze_layers("xproj_student", 2)(nlp)
    before = weights(nlp, "xproj_student")
    nlp.update(data, sgd=nlp.create_optimizer())
    nlp.update(data, sgd=nlp.create_optimizer())
    moved = changed(before, weights(nlp, "xproj_student"))
    assert moved and not any(is_low(name, 2) for name in moved)


def test_errors(tmp_path):
    with pytest.raises(XprojError, match="0 or more"):
        make_freeze_layers(layers=-1)
    nlp = spacy.blank("es")
    with pytest.raises(XprojError, match="no component 'transformer'"):
        make_freeze_layers()(nlp)
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("tok2vec")
    for name in nlp.pipe_names:
        with pytest.raises(XprojError, match="expected a model of spacy-transformers"):
            make_freeze_layers(name)(nlp)
    with pytest.raises(XprojError, match=f"fewer layers to freeze than the {LAYERS}"):
        pipeline(encoder_folder(tmp_path, "bert"), layers=LAYERS)


def test_student_trf_config_trains(tmp_path):
    """The shipped config on a tiny random XLM-R: the low layers of the saved model are those it began with."""
    labels = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    tags = ["B-PER", "I-PER", "O", "O", "O", "O", "O", "B-LOC", "O"]
    nlp = spacy.blank("es")
    doc = Doc(nlp.vocab, words=TEXT.split())
    doc._.xproj_soft = SoftLabels(labels, [[float(tag == label) for label in labels] for tag in tags])
    DocBin(docs=[doc] * 4, store_user_data=True).to_disk(tmp_path / "train.spacy")
    doc.set_ents([Span(doc, 0, 2, label="PER"), Span(doc, 7, 8, label="LOC")], default="outside")
    DocBin(docs=[doc]).to_disk(tmp_path / "dev.spacy")
    folder = encoder_folder(tmp_path / "xlmr", "xlm-roberta")
    overrides = {
        "nlp.lang": "es",
        "paths.train": str(tmp_path / "train.spacy"),
        "paths.dev": str(tmp_path / "dev.spacy"),
        "paths.transformer": folder,
        "training.max_steps": 6,
        "training.eval_frequency": 3,
        "training.optimizer.use_averages": True,
        "training.optimizer.learn_rate.initial_rate": 0.02,
        "training.optimizer.learn_rate.warmup_steps": 1,
        "components.xproj_student.targets": "soft",
    }
    train(CONFIGS / "student_trf.cfg", tmp_path / "out", overrides=overrides)
    fresh, _ = pipeline(folder)
    (tmp_path / "xlmr").rename(tmp_path / "gone")
    for which in ("model-best", "model-last"):
        again = spacy.load(tmp_path / "out" / which)
        moved = changed(weights(fresh), weights(again))
        assert moved and not any(is_low(name, 3) for name in moved), which
    assert [len(list(again.pipe([TEXT, ""])))] == [2]
    assert {label for _, _, label in ents(again(TEXT))} <= {"LOC", "PER"}
