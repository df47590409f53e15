"""The aligner and its encoder, held against plain loops over the model, on tiny models made on the spot."""

import json
import os
import pickle
import shutil
import sys
from itertools import pairwise

import numpy as np
import pytest
import spacy

from spacy_xproj.aligners.embed_batch import METHODS, POOLINGS
from spacy_xproj.aligners.embedding import EVIDENCE, NAME, EmbeddingAligner
from spacy_xproj.bitext import SentencePair
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.models.encoder import Encoder
from spacy_xproj.registry import registry
from spacy_xproj.ty import Aligner
from tests.aligners.test_extraction import one_by_one
from tests.aligners.tiny_encoders import KINDS, TEXTS, make_encoder
from tests.conftest import names, payload_doc
from tests.teachers.tiny_classifier import change_config

LONG = " ".join(TEXTS * 3)
PAIRS = [(TEXTS[0], TEXTS[2]), (TEXTS[1], TEXTS[3]), (TEXTS[2], TEXTS[0]), ("Roma", TEXTS[0]), (TEXTS[4], TEXTS[4])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Called with a family, gives the folder of a model."""
    root = tmp_path_factory.mktemp("models")

    def find(kind="bert", **settings):
        path = root / "-".join([kind, *map(str, settings.values())])
        return path if path.exists() else make_encoder(path, kind, **settings)

    return find


def pair(source, target):
    source, target = (tuple(x.split() if isinstance(x, str) else x) for x in (source, target))
    return SentencePair(source, target, (), np.zeros((0, 2), "i4"), np.zeros(0, "f4"), {}, (), (0, 0))


def pairs(*texts):
    return [pair(*both) for both in texts or PAIRS]


def aligner(path, **settings):
    return EmbeddingAligner(path, **{"layer": 3, "device": "cpu", **settings})


def encoder(path, **settings):
    return Encoder(path, **{"layer": 3, "device": "cpu", **settings})


def plain(path, words, layer, start=0, end=None):
    """Vectors of the sub-words of a sentence, or of a window [start, end) of them, by transformers alone, and their
    words."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    own = (
        {"add_prefix_space": True} if json.loads((path / "config.json").read_text())["model_type"] == "roberta" else {}
    )
    tokenizer = AutoTokenizer.from_pretrained(path, **own)
    model = AutoModel.from_pretrained(path).eval()
    model = model.get_encoder() if model.config.is_encoder_decoder else model
    whole = tokenizer(words, is_split_into_words=True, verbose=False)
    own_words = np.array([k for k in whole.word_ids() if k is not None])
    first = whole.word_ids().index(0)
    ids, before, after = whole["input_ids"], first, len(whole["input_ids"]) - first - len(own_words)
    end = len(own_words) if end is None else end
    window = ids[:before] + ids[before + start : before + end] + ids[len(ids) - after :]
    with torch.no_grad():
        hidden = model(torch.tensor([window]), output_hidden_states=True).hidden_states[layer][0]
    return hidden[before : before + end - start].numpy(), own_words[start:end]


def assert_same(one, other, atol=1e-4):
    assert len(one) == len(other)
    for a, b in zip(one, other):
        assert np.array_equal(a.links, b.links)
        assert a.evidence.keys() == b.evidence.keys() == set(EVIDENCE)
        for x, y in ((a.scores, b.scores), *((a.evidence[k], b.evidence[k]) for k in EVIDENCE)):
            np.testing.assert_allclose(x, y, atol=atol)


# The encoder


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_those_of_the_layer(kind, folder):
    path = folder(kind, positions=100)
    for layer in (1, 3, 4):
        made = encoder(path, layer=layer)
        for text, side in zip(TEXTS, made.sides([made.read(text.split()) for text in TEXTS])):
            vectors, words = plain(path, text.split(), layer)
            assert side.words.tolist() == words.tolist()
            np.testing.assert_allclose(side.vectors.numpy(), vectors, atol=1e-4 * np.abs(vectors).max())
    below = encoder(path, layer=1).load().model, made.load().model
    sizes = [sum(p.numel() for p in model.parameters()) for model in below]
    assert sizes[0] < sizes[1]  # the layers above are not there


def test_encode_gives_means_of_sub_words(folder):
    path = folder(positions=100)
    made = encoder(path)
    sentences = [TEXTS[0].split(), ["Ana", " ", "\u200b", "casa"], [], [" "], TEXTS[0].split()]
    found = made.encode(sentences)
    assert [rows.shape for rows in found] == [(len(words), 16) for words in sentences]
    assert all(rows.dtype == np.float32 for rows in found)
    assert not found[1][1:3].any() and found[1][[0, 3]].any(1).all()
    vectors, words = plain(path, sentences[0], 3)
    assert len(words) > len(set(words))
    for k, row in enumerate(found[0]):
        np.testing.assert_allclose(row, vectors[words == k].mean(0), atol=1e-5)
    assert np.array_equal(found[0], found[4])
    assert made.encode([]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_long_sentences_are_read_in_windows(kind, folder):
    path = folder(kind)
    words = LONG.split()
    made = encoder(path, overlap=12)
    (side,) = made.sides([made.read(words)])
    n = len(side.words)
    special = 1 if kind == "t5" else 2
    size = 40 - special
    assert n > 3 * size and set(side.words) == set(range(len(words)))
    starts = [*range(0, n - size, size - 12), n - size]
    middles = [0, *((a + size + b + 1) // 2 for a, b in pairwise(starts)), n]
    for start, first, last in zip(starts, middles, middles[1:]):
        # Half of each overlap belongs to the window before, half to the one after it.
        want, of = plain(path, words, 3, start, start + size)
        got = side.vectors.numpy()[first + 1 : last - 1]
        assert side.words[first:last].tolist() == of[first - start : last - start].tolist()
        np.testing.assert_allclose(got, want[first + 1 - start : last - 1 - start], atol=1e-4 * np.abs(want).max())


@pytest.mark.parametrize("length", [3, 4, 11, 40])
def test_nothing_is_cut_however_small_the_window(length, folder):
    word = "x" * 99 + " Wort " + "x" * 500
    for kind in KINDS:
        made = encoder(folder(kind), max_length=length)
        for words in (LONG.split(), word.split()):
            whole = encoder(folder(kind, positions=1000)).read(words)
            (side,) = made.sides([made.read(words)])
            assert len(whole.inputs) == 1 and np.array_equal(side.words, whole.words)
            assert len(side.vectors) == len(side.words)
    if length < 11:
        return  # with hardly any context, equal sub-words have equal vectors
    made = aligner(folder("roberta"), method="inter", max_length=length)
    for text in (LONG, word):
        n = len(text.split())
        (links,) = made([pair(text, text)])
        assert {(i, i) for i in range(n)} <= set(map(tuple, links.links.tolist()))


# Links


@pytest.mark.parametrize("kind", KINDS)
def test_as_a_plain_loop(kind, folder):
    path = folder(kind, positions=100)
    sides = [[plain(path, text.split(), 3) for text in both] for both in PAIRS]
    other = 0
    for method in METHODS:
        for pooling in POOLINGS:
            for links, (source, target) in zip(aligner(path, method=method, pooling=pooling)(pairs()), sides):
                want = one_by_one(source, target, method, pooling)
                assert list(map(tuple, links.links.tolist())) == sorted(want)
                got = np.stack([links.scores, *(links.evidence[name] for name in EVIDENCE)], axis=1)
                wanted = np.array([want[key] for key in sorted(want)]).reshape(-1, 4)
                np.testing.assert_allclose(got, wanted, atol=2e-4)
                other += np.ptp(links.scores) > 0.05 if len(links.scores) else 0
    assert other > 5


def test_equal_sentences_are_linked_word_by_word(folder):
    for kind in ("bert", "xlm-roberta"):
        for method in METHODS[:4]:
            (links,) = aligner(folder(kind, positions=100), method=method)([pair(TEXTS[4], TEXTS[4])])
            assert {(i, i) for i in range(10)} <= set(map(tuple, links.links.tolist()))
            assert links.links.dtype == np.int32 and links.scores.dtype == np.float32
            assert ((links.scores > 0) & (links.scores <= 1)).all()


def test_scores_of_the_two_kinds(folder):
    path = folder(positions=100)
    (links,) = aligner(path, method="itermax")(pairs(PAIRS[0]))
    assert np.array_equal(links.scores, links.evidence["similarity"])
    (links,) = aligner(path, method="softmax")(pairs(PAIRS[0]))
    forward, reverse = links.evidence["forward"], links.evidence["reverse"]
    assert (links.scores <= np.maximum(forward, reverse) + 1e-6).all()
    one = aligner(path, method="softmax", pooling="mean")(pairs(PAIRS[0]))[0]
    forward, reverse = one.evidence["forward"], one.evidence["reverse"]
    np.testing.assert_allclose(one.scores, 2 * forward * reverse / (forward + reverse), atol=1e-6)
    strict = aligner(path, method="softmax", threshold=0.5)(pairs(PAIRS[0]))[0]
    assert 0 < len(strict.links) < len(links.links)


def test_blank_words_and_empty_sides(folder):
    for kind in ("bert", "roberta"):
        made = aligner(folder(kind, positions=100), method="inter")
        words, blank = ["Ana", "Torres"], ["Ana", "  ", "\n", "", "Torres", "\t"]
        found = made(pairs((words, blank), ([], words), (words, []), ([" "], words), ([], []), (words, words)))
        assert [links.links.tolist() for links in found[1:5]] == [[]] * 4
        assert all(links.links.shape == (0, 2) and set(links.evidence) == set(EVIDENCE) for links in found[1:5])
        assert found[0].links.tolist() == [[0, 0], [1, 4]]
        np.testing.assert_allclose(found[0].scores, found[5].scores, atol=1e-5)
        assert made([]) == []


def test_a_word_without_a_sub_word_has_no_links(folder):
    made = aligner(folder(positions=100), method="mwmf")  # the normalizer of BERT drops such characters
    found = made(pairs((["Ana", "\u200b", "Torres"], ["Ana", "Torres"]), (["\u200b"], ["Ana"])))
    assert [links.links.tolist() for links in found] == [[[0, 0], [2, 1]], []]


@pytest.mark.parametrize("method", METHODS)
def test_batches_and_order_make_no_difference(method, folder):
    path = folder("xlm-roberta", positions=100)
    many = [*pairs(), pair(LONG, LONG), pair("", "a"), *pairs()]
    want = aligner(path, method=method)(many)
    for budget in (1, 60, 10**6):
        made = aligner(path, method=method, batch_tokens=budget)
        together = made(many)
        assert_same(together, want)
        assert_same(made(many[::-1])[::-1], together, atol=0)  # to the last bit
    assert_same([made([p])[0] for p in many], want)


def test_equal_sentences_are_encoded_once(folder):
    made = aligner(folder(positions=100))
    seen = []
    sides = made.sides
    made.sides = lambda sentences: (seen.append(len(sentences)), sides(sentences))[1]
    texts = pairs(("Ana", "casa"), ("Ana", "Roma"), ("Ana", "casa"), ("casa", "Ana"))
    assert len(made(texts)) == 4 and seen == [3]


def test_lower_precision(folder):
    path = folder(positions=100)
    want = aligner(path, method="inter")(pairs())
    for dtype in ("float16", "bfloat16", "int8"):
        made = aligner(path, method="inter", dtype=dtype)
        for a, b in zip(made(pairs()), want):
            common = set(map(tuple, a.links.tolist())) & set(map(tuple, b.links.tolist()))
            assert len(common) >= 0.5 * len(b.links)
    with pytest.raises(XprojError, match="the dtype 'int8' is for the CPU only, and the device is 'cuda'"):
        EmbeddingAligner(dtype="int8", device="cuda")


# In a pipeline


def pipeline(path, **settings):
    nlp = spacy.blank("es")
    own = {"@xproj_aligners": NAME, "model": str(path), "layer": 3, "device": "cpu", **settings}
    nlp.add_pipe("xproj_aligner", config={"aligner": own})
    return nlp


def payloads(nlp):
    return [payload_doc(nlp, target, source) for source, target in PAIRS]


def test_registered():
    assert registry.xproj_aligners.get(NAME) is EmbeddingAligner
    assert isinstance(EmbeddingAligner(), Aligner)


def test_in_a_pipeline_and_saved(folder, tmp_path):
    path = shutil.copytree(folder(positions=100), tmp_path / "model")
    nlp = pipeline(path, method="itermax")
    want = [doc._.xproj for doc in nlp.pipe(payloads(nlp))]
    assert all(len(bitext.links) and set(bitext.evidence) == set(EVIDENCE) for bitext in want)
    nlp.to_disk(tmp_path / "saved")
    shutil.rmtree(path)
    again = spacy.load(tmp_path / "saved")
    assert [doc._.xproj for doc in again.pipe(payloads(again))] == want
    with pytest.raises(XprojError, match="too large for bytes"):
        nlp.to_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_worker_processes(folder):
    nlp = pipeline(folder(positions=100))
    want = [doc._.xproj for doc in nlp.pipe(payloads(nlp))]  # loaded before the fork
    got = [doc._.xproj for doc in nlp.pipe(payloads(nlp), n_process=2, batch_size=2)]
    for a, b in zip(got, want):
        assert np.array_equal(a.links, b.links) and a.provenance == b.provenance
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-4)
    assert len(got) == len(want)


def test_a_forked_process_refuses_a_gpu(folder, monkeypatch):
    made = aligner(folder(positions=100))
    made(pairs())
    loaded = made._loaded

    class Model:
        class device:
            type = "cuda"

    made._loaded = loaded._replace(model=Model)
    monkeypatch.setattr(made, "_pid", os.getpid() + 1)
    with pytest.raises(XprojError, match="cannot be used by a forked process"):
        made(pairs())


# Saving


def test_saved_and_loaded_elsewhere(folder, tmp_path):
    path = shutil.copytree(folder(positions=100), tmp_path / "first")
    (path / "pytorch_model.bin").write_bytes(b"pickle")
    before = {name: (path / name).read_bytes() for name in names(path)}
    made = aligner(path)
    want = made(pairs())
    made.to_disk(tmp_path / "saved")
    assert names(tmp_path / "saved") == {*before, "state.msgpack"} - {"pytorch_model.bin"}
    assert {name: (path / name).read_bytes() for name in names(path)} == before
    key = made.key
    shutil.rmtree(path)
    other = aligner("").from_disk(tmp_path / "saved")
    assert other.key == key
    assert_same(other(pairs()), want, atol=0)
    other.to_disk(tmp_path / "saved")  # onto itself
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "other.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="holds another model"):
        other.to_disk(tmp_path / "other")
    again = pickle.loads(pickle.dumps(other))
    assert_same(again(pairs()), want, atol=0)


def test_without_a_model(tmp_path):
    made = EmbeddingAligner()
    assert made.provenance == f"{NAME} (without a model)"
    made.to_disk(tmp_path / "none")
    assert names(tmp_path / "none") == {"state.msgpack"}
    assert made.from_disk(tmp_path / "none") is made
    for call in (lambda: made(pairs()), lambda: made.key):
        with pytest.raises(XprojError, match=r"has no model\. Set 'model' to the folder of one"):
            call()


def test_key_and_provenance(folder, tmp_path):
    path = folder(positions=100)
    made = aligner(path)
    moved = shutil.copytree(path, tmp_path / "moved")
    assert {made.key} == {aligner(moved).key, aligner(path, batch_tokens=7, device="auto").key}
    assert aligner(moved).provenance == made.provenance
    changed = [
        aligner(path, **settings).key
        for settings in (
            {"method": "inter"},
            {"layer": 2},
            {"pooling": "max"},
            {"threshold": 0.1},
            {"dtype": "bfloat16"},
            {"max_length": 20},
            {"overlap": 3},
        )
    ]
    assert len({made.key, aligner(folder(positions=100, seed=1)).key, *changed}) == 9
    assert aligner(path, method="inter", threshold=0.1).key == changed[0]  # it has none
    assert made.provenance.startswith(f"{NAME} (bert, layer 3, softmax, any, float32, ")
    assert os.sep not in made.provenance


# What can be wrong


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"method": "argmax"}, "method must be one of inter, itermax, mwmf, softmax, entmax, not 'argmax'"),
        ({"pooling": "first"}, "pooling must be one of any, mean, max, not 'first'"),
        ({"threshold": 1.0}, "threshold must be at least 0 and below 1, not 1.0"),
        ({"layer": 0}, "layer must be at least 1, not 0"),
        ({"batch_tokens": 0}, "batch_tokens must be at least 1"),
        ({"max_length": -1}, "max_length must be at least 0"),
        ({"overlap": -1}, "overlap must be at least 0"),
        ({"device": "tpu"}, "expected the device 'auto', 'cpu'"),
        ({"dtype": "float64"}, "dtype must be one of float32, float16, bfloat16, int8, not 'float64'"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(XprojError, match=message):
        EmbeddingAligner(**settings)


def test_missing_folder_and_hub_name(tmp_path, folder, monkeypatch):
    import huggingface_hub

    asked = []

    def fetch(name, allow_patterns):
        asked.append(name)
        if name == "someone/none":
            raise OSError("no such repository")
        return str(folder(positions=100))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    for model in (str(tmp_path / "absent"), "someone/some-model"):
        with pytest.raises(InputError, match=r"there is no such folder\. Nothing is downloaded unless") as caught:
            EmbeddingAligner(model=model)
        assert model in str(caught.value) and not asked
    assert EmbeddingAligner(model="someone/some-model", layer=3, download=True).kind == "bert"
    with pytest.raises(XprojError, match=r"cannot fetch the model 'someone/none'.*no such repository"):
        EmbeddingAligner(model="someone/none", download=True)


def broken(path, what):
    if what == "no config":
        (path / "config.json").unlink()
    elif what == "bad config":
        (path / "config.json").write_text("[]")
    elif what == "no safetensors":
        (path / "model.safetensors").rename(path / "pytorch_model.bin")
    elif what == "too few layers":
        change_config(path, num_hidden_layers=2)
    return path


@pytest.mark.parametrize(
    "what, message",
    [
        ("no config", "cannot read the model's config"),
        ("bad config", "cannot read the model's config"),
        ("no safetensors", "found no weights in safetensors"),
        ("too few layers", "the model has 2 layers, and layer is 3. Set it to 2 at most"),
    ],
)
def test_folders_that_hold_something_else(what, message, folder, tmp_path):
    path = broken(shutil.copytree(folder(positions=100), tmp_path / "model"), what)
    with pytest.raises(InputError, match=message) as caught:
        EmbeddingAligner(model=str(path), layer=3)
    assert str(path) in str(caught.value)
    with pytest.raises(InputError, match=message):
        EmbeddingAligner(layer=3).from_disk(path)


def test_weights_that_cannot_be_used(folder, tmp_path):
    path = shutil.copytree(folder(positions=100), tmp_path / "model")
    (path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(InputError, match="cannot load the model on 'cpu' as float32"):
        aligner(path)(pairs())
    path = shutil.copytree(folder(positions=100), tmp_path / "fewer")
    change_config(path, num_hidden_layers=6)
    with pytest.raises(InputError, match=r"the model lacks \d+ weights, such as encoder.layer.4"):
        aligner(path, layer=5)(pairs())
    with pytest.raises(XprojError, match=r"max_length is 200, but the model in .* reads at most 100"):
        aligner(folder(positions=100), max_length=200)(pairs())
    with pytest.raises(XprojError, match="the device 'cuda:99' is not there"):
        aligner(folder(positions=100), device="cuda:99")(pairs())


def test_a_slow_tokenizer_is_refused(folder, tmp_path, monkeypatch):
    import transformers

    class Slow:
        is_fast = False

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda *args, **kwargs: Slow())
    path = shutil.copytree(folder(positions=100), tmp_path / "slow")
    change_config(path, name="one that no other part has loaded")
    with pytest.raises(InputError, match=r"needs a fast tokenizer.*and Slow is not one"):
        aligner(path)(pairs())
