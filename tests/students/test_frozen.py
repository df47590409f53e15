"""`spacy_xproj.FrozenEncoder.v1` over tiny random encoders: vectors, training, the cache, saving and loading."""

import shutil

import numpy as np
import pytest
import spacy
from spacy.cli.train import train
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import fix_random_seed, load_config, registry

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.models.encoder import Encoder
from spacy_xproj.models.layered import LayeredEncoder
from spacy_xproj.soft import SoftLabels
from spacy_xproj.students.frozen import LAYERS, make_frozen_encoder, shim_of
from tests.aligners.tiny_encoders import make_encoder
from tests.conftest import CONFIGS

WORDS = ("Ana", "Torres", "vive", "en", "una", "casa", "en", "Roma", ".")
SETTINGS = {"device": "cpu", "layers": [0, 2, 4]}
DIM = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(make_encoder(tmp_path_factory.mktemp("encoder") / "model", "xlm-roberta"))


@pytest.fixture
def runs(monkeypatch):
    """The texts that go through encoders."""
    seen = []
    encode = Encoder.encode
    monkeypatch.setattr(Encoder, "encode", lambda self, texts: seen.extend(texts) or encode(self, texts))
    return seen


def gold(nlp, words=WORDS):
    doc = Doc(nlp.vocab, words=list(words))
    doc.set_ents([Span(doc, 0, 2, label="PER"), Span(doc, 7, 8, label="LOC")], default="outside")
    return doc


def pipeline(folder, pipe="ner", **settings):
    """A pipeline over a frozen encoder, initialized, and what to train it on."""
    nlp = spacy.blank("es")
    embed = {"@architectures": "spacy_xproj.FrozenEncoder.v1", "model": folder, "width": 32, **SETTINGS, **settings}
    encode = {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": 32, "depth": 1}
    encode |= {"window_size": 1, "maxout_pieces": 2}
    nlp.add_pipe("tok2vec", config={"model": {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32}
    architecture = "spacy.TransitionBasedParser.v2" if pipe == "ner" else "spacy.Tagger.v2"
    own = {"state_type": "ner", "extra_state_tokens": False, "hidden_width": 16, "maxout_pieces": 2, "use_upper": True}
    nlp.add_pipe(
        pipe, config={"model": {"@architectures": architecture, "tok2vec": listener, **(own if pipe == "ner" else {})}}
    )
    data = [Example(nlp.make_doc(" ".join(WORDS)), gold(nlp))]
    nlp.initialize(lambda: data)
    return nlp, data


def trained(folder, steps=40, **settings):
    fix_random_seed(0)
    nlp, data = pipeline(folder, **settings)
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.01
    for _ in range(steps):
        nlp.update(data, sgd=optimizer)
    return nlp


def names(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def test_advertised():
    assert registry.architectures.get("spacy_xproj.FrozenEncoder.v1") is make_frozen_encoder


def test_layers_stand_side_by_side(folder):
    """Those of `Encoder`, which takes one, rounded; the embeddings before them."""
    (rows,) = LayeredEncoder(folder, (0, 1, 3), device="cpu").vectors([WORDS], keep=False)
    assert rows.dtype == np.float16 and rows.shape == (len(WORDS), 3 * DIM)
    for place, layer in ((1, 1), (2, 3)):
        (alone,) = Encoder(folder, layer, device="cpu").encode([WORDS])
        assert np.allclose(rows[:, place * DIM : (place + 1) * DIM], alone, atol=2e-3)
    loaded = LayeredEncoder(folder, (0, 1), device="cpu").load()
    (embedded,) = LayeredEncoder(folder, (0, 1), device="cpu").vectors([WORDS[:1]], keep=False)
    ids = loaded.tokenizer.encode(["Ana"], is_pretokenized=True).ids
    import torch

    with torch.no_grad():
        whole = loaded.model.embeddings(torch.tensor([ids]))[0, 1:-1].mean(0).numpy()
    assert np.allclose(embedded[0, :DIM], whole, atol=2e-3)


@pytest.mark.parametrize("pipe", ["ner", "xproj_student"])
def test_it_learns_and_the_encoder_stays(folder, pipe):
    nlp = trained(folder, pipe=pipe)
    assert names(nlp(" ".join(WORDS))) == [("Ana Torres", "PER"), ("Roma", "LOC")]
    assert [len(doc) for doc in nlp.pipe(["", "  ", "Ana"])] == [0, 1, 1]
    before = Encoder(folder, 4, device="cpu").load().model.state_dict()
    (node,) = [node for node in nlp.get_pipe("tok2vec").model.walk() if node.name == "frozen_encoder"]
    after = shim_of(node)._model.load().model.state_dict()
    assert before.keys() == after.keys() and all((before[name] == after[name]).all() for name in before)
    assert not any(
        param.requires_grad and param.grad is not None for param in shim_of(node)._model.load().model.parameters()
    )


def test_each_text_is_read_once_in_training(folder, runs):
    nlp, data = pipeline(folder)
    nlp.update(data, sgd=nlp.create_optimizer())
    del runs[:]
    for _ in range(3):
        nlp.update(data, sgd=nlp.create_optimizer())
        nlp.evaluate([Example(nlp.make_doc("Roma"), nlp.make_doc("Roma"))])
    assert runs == [["Roma"]]


def test_without_training_nothing_is_kept(folder, runs, tmp_path):
    trained(folder, 2).to_disk(tmp_path / "saved")
    nlp = spacy.load(tmp_path / "saved")
    del runs[:]
    nlp("Roma"), nlp("Roma")
    assert len(runs) == 2


def test_a_file_keeps_vectors_for_the_next_training(folder, runs, tmp_path):
    cache = str(tmp_path / "vectors.sqlite")
    first = trained(folder, 3, cache=cache)
    del runs[:]
    again = trained(folder, 3, cache=cache)
    assert runs == []  # not even to initialize
    assert np.array_equal(first(" ".join(WORDS)).tensor, again(" ".join(WORDS)).tensor)
    trained(folder, 1, cache=cache, layers=[0, 3, 4])
    assert len(runs) == 1, "other layers have other vectors"


def test_vectors_are_the_same_kept_or_not(folder, tmp_path):
    encoder = LayeredEncoder(folder, (1, 2), str(tmp_path / "vectors.sqlite"), device="cpu")
    texts = [WORDS, WORDS[:2], (), ("Roma", " ", "Roma")]
    fresh = encoder.vectors(texts, keep=False)
    for _ in range(2):
        kept = encoder.vectors(texts, keep=True)
        assert [rows.tobytes() for rows in kept] == [rows.tobytes() for rows in fresh]
        assert [rows.shape for rows in kept] == [(len(words), 2 * DIM) for words in texts]
    assert not kept[3][1].any(), "white space has no sub-word"


def test_a_saved_pipeline_has_the_encoder_in_it(folder, tmp_path):
    moved = shutil.copytree(folder, tmp_path / "moved")
    nlp = trained(str(moved))
    nlp.to_disk(tmp_path / "saved")
    shutil.rmtree(moved)
    again = spacy.load(tmp_path / "saved")
    text = " ".join(WORDS)
    assert names(again(text)) == names(nlp(text)) == [("Ana Torres", "PER"), ("Roma", "LOC")]
    assert np.array_equal(again(text).tensor, nlp(text).tensor)
    again.to_disk(tmp_path / "again")
    assert np.array_equal(spacy.load(tmp_path / "again")(text).tensor, nlp(text).tensor)
    assert np.array_equal(
        spacy.blank("es").from_config(again.config).from_bytes(again.to_bytes())(text).tensor, nlp(text).tensor
    )
    assert len(list(again.pipe([text] * 4, n_process=2, batch_size=1))) == 4


def test_vectors_are_centered_and_scaled_by_the_first_texts(folder, tmp_path):
    nlp, data = pipeline(folder)
    (node,) = [node for node in nlp.get_pipe("tok2vec").model.walk() if node.name == "frozen_encoder"]
    (rows,) = node.predict([data[0].x])
    assert np.allclose(rows.mean(axis=0), 0, atol=1e-3) and np.allclose(rows.std(axis=0), 1, atol=0.2)
    nlp.to_disk(tmp_path / "saved")
    again = spacy.load(tmp_path / "saved")
    node = next(node for node in again.get_pipe("tok2vec").model.walk() if node.name == "frozen_encoder")
    assert np.array_equal(node.predict([data[0].x])[0], rows)


def test_copies_share_the_encoder(folder):
    nlp = trained(folder, 2)
    nlp.replace_listeners("tok2vec", "ner", ["model.tok2vec"])
    nodes = [node for node in nlp.get_pipe("ner").model.walk() if node.name == "frozen_encoder"]
    assert len(nodes) == 1 and names(nlp(" ".join(WORDS))) is not None


def test_what_cannot_be_used_is_said_when_it_is_initialized(folder, tmp_path):
    for layers in ([], [0], [2, 1], [1, 1], [-1, 2]):
        with pytest.raises(XprojError, match="layers in ascending order"):
            pipeline(folder, layers=layers)
    with pytest.raises(InputError, match="the model has 4 layers"):
        pipeline(folder, layers=[0, 6])
    with pytest.raises(InputError, match="there is no such folder"):
        pipeline(str(tmp_path / "none"))
    (tmp_path / "other").write_bytes(b"no database")
    with pytest.raises(InputError, match="a file of vectors"):
        pipeline(folder, cache=str(tmp_path / "other"))
    with pytest.raises(XprojError, match="has no encoder yet"):
        make_frozen_encoder(folder, 8).predict([gold(spacy.blank("es"))])


def test_a_saved_encoder_of_another_format_is_refused(folder):
    import srsly

    node = make_frozen_encoder(folder, 8).layers[0]
    with pytest.raises(XprojError, match="of format 1, got 9"):
        shim_of(node).from_bytes(srsly.msgpack_dumps({"format": 9, "files": {}}))


@pytest.mark.parametrize("name", ["ner_frozen", "student_frozen"])
def test_shipped_configs_train(folder, name, tmp_path):
    nlp = spacy.blank("es")
    docs = [gold(nlp) for _ in range(4)]
    if name == "student_frozen":
        labels = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
        tags = ["B-PER", "I-PER", "O", "O", "O", "O", "O", "B-LOC", "O"]
        for doc in docs:
            doc._.xproj_soft = SoftLabels(labels, [[float(tag == label) for label in labels] for tag in tags])
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "train.spacy")
    overrides = {
        "nlp.lang": "es",
        "paths.train": str(tmp_path / "train.spacy"),
        "paths.dev": str(tmp_path / "train.spacy"),
        "paths.encoder": folder,
        "components.tok2vec.model.embed.layers": [0, 2, 4],
        "training.max_steps": 60,
        "training.eval_frequency": 30,
        "training.optimizer.learn_rate": 0.01,
    }
    train(CONFIGS / f"{name}.cfg", tmp_path / "out", overrides=overrides)
    again = spacy.load(tmp_path / "out" / "model-best")
    assert names(again(" ".join(WORDS))) == [("Ana Torres", "PER"), ("Roma", "LOC")]
    assert load_config(CONFIGS / f"{name}.cfg")["components"]["tok2vec"]["model"]["embed"]["layers"] == list(LAYERS)
