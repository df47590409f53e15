"""The teacher, held against a plain loop over the model, on tiny models made on the spot."""

import json
import os
import pickle
import shutil
import sys

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.registry import registry
from spacy_xproj.teachers import TokenClassifier
from tests.conftest import names
from tests.teachers.tiny_classifier import IOB1, IOB2, KINDS, TEXTS, change_config, make_classifier

NLP = spacy.blank("xx")
LONG = " ".join(TEXTS * 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Called with a family, gives the folder of a model."""
    root = tmp_path_factory.mktemp("models")

    def find(kind="xlm-roberta", **settings):
        path = root / "-".join([kind, *map(str, settings.values())])
        return path if path.exists() else make_classifier(path, kind, **settings)

    return find


def docs(*texts):
    return [NLP(text) for text in texts or TEXTS]


def plain(folder, doc, start=None, end=None):
    """Probabilities of a Doc's words by transformers alone, one Doc at a time; of a window [start, end) of its
    sub-words, if given. Rows of tokens without a sub-word there are NaN."""
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    kind = json.loads((folder / "config.json").read_text())["model_type"]
    own = {"add_prefix_space": True} if kind == "roberta" else {}
    tokenizer = AutoTokenizer.from_pretrained(folder, **own)
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    shown = [t.i for t in doc if not t.is_space]
    rows = np.full((len(doc), model.config.num_labels), np.nan, "f4")
    if not shown:
        return rows
    whole = tokenizer([doc[i].text for i in shown], is_split_into_words=True, verbose=False)
    ids, word_ids = whole["input_ids"], whole.word_ids()
    start, end = start or 0, len(ids) - 2 if end is None else end
    with torch.no_grad():
        given = torch.tensor([[ids[0], *ids[1 + start : 1 + end], ids[-1]]])
        values = model(given).logits.softmax(-1)[0].numpy()
    for position in range(1 + start, 1 + end):
        if word_ids[position] != word_ids[position - 1]:
            rows[shown[word_ids[position]]] = values[position - start]
    return rows


@pytest.mark.parametrize("kind", KINDS)
def test_as_a_plain_loop(kind, folder):
    path = folder(kind, positions=100)
    for doc, rows in zip(docs(), TokenClassifier(path)(docs())):
        assert rows.shape == (len(doc), len(IOB2)) and rows.dtype == np.float32
        np.testing.assert_allclose(rows, plain(path, doc), atol=1e-5)
    assert (
        np.ptp(np.concatenate(TokenClassifier(path)(docs())), axis=0).max() > 0.05
    )  # the model is not a constant; its sub-words differ from run to run


@pytest.mark.parametrize("kind", KINDS)
def test_long_docs_are_read_in_windows(kind, folder):
    path = folder(kind)
    (doc,) = docs(LONG)
    teacher = TokenClassifier(path, overlap=12)
    (rows,) = teacher([doc])
    np.testing.assert_allclose(rows.sum(1), 1, atol=1e-5)
    words = [" " * (kind == "roberta") + t.text for t in doc]
    word_ids = teacher.load().tokenizer.encode(words, is_pretokenized=True).word_ids[1:-1]
    n, size = len(word_ids), 38
    assert n > 3 * size
    starts = [*range(0, n - size, size - 12), n - size]
    checked = 0
    for k, start in enumerate(starts):
        want = plain(path, doc, start, start + size)
        # Half of each overlap belongs to the window before, half to the one after it.
        first = 0 if k == 0 else (start + starts[k - 1] + size + 1) // 2
        last = n if start + size == n else (starts[k + 1] + start + size) // 2
        for position in range(first, last):
            if position == 0 or word_ids[position] != word_ids[position - 1]:
                np.testing.assert_allclose(rows[word_ids[position]], want[word_ids[position]], atol=1e-5)
                checked += 1
    assert checked >= len(set(word_ids)) - len(starts)


def test_nothing_is_cut_however_small_the_window(folder):
    path = folder()
    word = NLP("Wort " + "x" * 500)
    for length in (3, 4, 11, 40):
        for doc, rows in zip([*docs(LONG), word], TokenClassifier(path, max_length=length)([*docs(LONG), word])):
            assert rows.shape[0] == len(doc) > 1
            np.testing.assert_allclose(rows.sum(1), 1, atol=1e-5)
    shorter = TokenClassifier(path, max_length=20)(docs(LONG))[0]
    assert np.abs(shorter - TokenClassifier(path)(docs(LONG))[0]).max() > 0.01


@pytest.mark.parametrize("kind", ["xlm-roberta", "deberta-v2", "bert"])
def test_batches_and_order_make_no_difference(kind, folder):
    path = folder(kind)
    many = docs(*TEXTS, LONG, "", *TEXTS[::-1], " \n")
    want = TokenClassifier(path)(many)
    for budget in (1, 50, 10**6):
        teacher = TokenClassifier(path, batch_tokens=budget)
        for a, b in zip(teacher(many), want):
            np.testing.assert_allclose(a, b, atol=1e-5)
        together = teacher(many)
        backwards = teacher(many[::-1])[::-1]
        assert all(np.array_equal(a, b) for a, b in zip(together, backwards))  # to the last bit
        for doc, b in zip(many, want):
            np.testing.assert_allclose(teacher([doc])[0], b, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_blank_tokens_and_empty_docs(kind, folder):
    path = folder(kind, positions=100)
    words = ["Ana", "  ", "\n\n", "Torres", "\t"]
    blank = Doc(NLP.vocab, words=words)
    solid = Doc(NLP.vocab, words=["Ana", "Torres"])
    empty, spaces, with_blanks, without = TokenClassifier(path)([NLP(""), NLP(" \n "), blank, solid])
    outside = np.eye(len(IOB2))[0]
    assert empty.shape == (0, len(IOB2))
    assert spaces.tolist() == [outside.tolist()]
    np.testing.assert_allclose(with_blanks[[0, 3]], without, atol=1e-5)
    assert with_blanks[[1, 2, 4]].tolist() == [outside.tolist()] * 3
    assert TokenClassifier(path)([]) == []


def test_a_token_without_a_sub_word_is_outside(folder):
    path = folder("bert", positions=100)  # its normalizer drops such characters
    doc = Doc(NLP.vocab, words=["Ana", "\u200b", "Torres"])
    assert not doc[1].is_space
    (rows,) = TokenClassifier(path)([doc])
    assert rows[1].tolist() == [1, 0, 0, 0, 0]
    solid = TokenClassifier(path)([Doc(NLP.vocab, words=["Ana", "Torres"])])[0]
    np.testing.assert_allclose(rows[[0, 2]], solid, atol=1e-5)


def test_special_tokens_in_a_text_are_text(folder):
    teacher = TokenClassifier(folder("bert", positions=100))
    doc = Doc(NLP.vocab, words=["Ana", "[SEP]", "[PAD]", "Torres"])
    ids = teacher.cut([t.text for t in doc]).inputs[0]
    assert not {0, 2, 3}.intersection(ids[1:-1])
    assert teacher([doc])[0].shape == (4, 5)


def test_a_tokenizer_that_was_saved_to_cut_and_to_pad(folder, tmp_path):
    from tokenizers import Tokenizer

    path = shutil.copytree(folder(), tmp_path / "model")
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=30)
    tokenizer.save(str(path / "tokenizer.json"))
    for a, b in zip(TokenClassifier(path)(docs("Ana", LONG)), TokenClassifier(folder())(docs("Ana", LONG))):
        assert np.array_equal(a, b)


def test_labels_are_those_of_the_outputs(folder):
    path = folder(labels=IOB1)
    teacher = TokenClassifier(path)
    assert teacher.labels == list(IOB1)
    blank = Doc(NLP.vocab, words=["\n"])
    assert teacher([blank])[0].tolist() == [[0, 0, 0, 1]]  # O is the last one
    np.testing.assert_allclose(teacher(docs(TEXTS[0]))[0], plain(path, NLP(TEXTS[0])), atol=1e-5)


def test_the_registered_maker(folder):
    made = registry.resolve({"teacher": {"@xproj_teachers": "spacy_xproj.TokenClassifier.v1", "model": str(folder())}})
    assert made["teacher"].labels == list(IOB2)
    assert registry.xproj_teachers.get("spacy_xproj.TokenClassifier.v1") is TokenClassifier


def test_loaded_at_first_use(folder, tmp_path):
    path = shutil.copytree(folder(), tmp_path / "model")
    teacher = TokenClassifier(path)
    (path / "model.safetensors").write_bytes(b"no weights")
    assert teacher.labels == list(IOB2)
    with pytest.raises(InputError, match="cannot load the model on 'cpu'"):
        TokenClassifier(path, device="cpu")(docs())


def test_float16_and_bfloat16(folder):
    want = TokenClassifier(folder())(docs())
    # bfloat16 has 8 bits of precision, and how sums are rounded depends on the processor
    for dtype, near in (("float16", 0.02), ("bfloat16", 0.2)):
        for a, b in zip(TokenClassifier(folder(), dtype=dtype)(docs()), want):
            assert a.dtype == np.float32
            np.testing.assert_allclose(a, b, atol=near)
            np.testing.assert_allclose(a.sum(axis=1), 1, atol=1e-3)


# Saving


def test_saved_and_loaded_elsewhere(folder, tmp_path):
    path = shutil.copytree(folder(), tmp_path / "first")
    (path / "pytorch_model.bin").write_bytes(b"pickle")
    (path / ".hidden.json").write_text("{}")
    before = {name: (path / name).read_bytes() for name in names(path)}
    teacher = TokenClassifier(path)
    want = teacher(docs())
    teacher.to_disk(tmp_path / "saved")
    assert names(tmp_path / "saved") == {*before, "state.msgpack"} - {"pytorch_model.bin", ".hidden.json"}
    assert {name: (path / name).read_bytes() for name in names(path)} == before
    key = teacher.key
    shutil.rmtree(path)
    other = TokenClassifier(model="").from_disk(tmp_path / "saved")
    assert (other.key, other.labels) == (key, teacher.labels)
    assert all(np.array_equal(a, b) for a, b in zip(other(docs()), want))
    other.to_disk(tmp_path / "saved")  # onto itself
    assert TokenClassifier(tmp_path / "saved").key == key


def test_another_model_is_not_overwritten_in_part(folder, tmp_path):
    (tmp_path / "other.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="holds another model"):
        TokenClassifier(folder()).to_disk(tmp_path)


def test_without_a_model(tmp_path):
    teacher = TokenClassifier()
    assert teacher.labels == []
    assert teacher.provenance == "spacy_xproj.TokenClassifier.v1 (without a model)"
    for ask in (lambda: teacher(docs()), lambda: teacher.key, lambda: teacher.folder):
        with pytest.raises(XprojError, match=r"has no model\. Set 'model'"):
            ask()
    teacher.to_disk(tmp_path / "nothing")
    assert teacher.from_disk(tmp_path / "nothing").labels == []


def test_not_in_bytes(folder):
    with pytest.raises(XprojError, match="too large for bytes"):
        TokenClassifier(folder()).to_bytes()
    assert TokenClassifier().from_bytes(TokenClassifier().to_bytes()).labels == []


def test_pickled_without_weights(folder):
    teacher = TokenClassifier(folder())
    want = teacher(docs())
    data = pickle.dumps(teacher)
    assert len(data) < 2000
    assert all(np.array_equal(a, b) for a, b in zip(pickle.loads(data)(docs()), want))


def test_key_and_provenance(folder, tmp_path):
    path = folder()
    teacher = TokenClassifier(path)
    same = [TokenClassifier(path), TokenClassifier(path, batch_tokens=7, device="cpu")]
    assert {t.key for t in same} == {teacher.key}
    moved = shutil.copytree(path, tmp_path / "moved")
    assert TokenClassifier(moved).key == teacher.key
    assert TokenClassifier(moved).provenance == teacher.provenance
    changed = [
        TokenClassifier(path, dtype="float16"),
        TokenClassifier(path, max_length=20),
        TokenClassifier(path, overlap=3),
        TokenClassifier(folder(seed=1)),  # files of the same sizes
    ]
    assert len({t.key for t in [teacher, *changed]}) == 5
    assert "xlm-roberta" in teacher.provenance and os.sep not in teacher.provenance


# What can be wrong


def test_missing_folder_and_hub_name(tmp_path, monkeypatch):
    import huggingface_hub

    def fetch(*args, **kwargs):
        raise AssertionError("must not be called")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    for model in (str(tmp_path / "absent"), "someone/some-model"):
        with pytest.raises(InputError, match=r"there is no such folder\. Nothing is downloaded unless") as caught:
            TokenClassifier(model=model)
        assert model in str(caught.value)


def test_download_when_asked_for(folder, monkeypatch):
    import huggingface_hub

    asked = []

    def fetch(name, allow_patterns):
        asked.append(name)
        if name == "someone/none":
            raise OSError("no such repository")
        assert "*.safetensors" in allow_patterns and "*.bin" not in allow_patterns
        return str(folder())

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert TokenClassifier(model="someone/some-model", download=True).labels == list(IOB2)
    assert TokenClassifier(model=str(folder()), download=True).labels == list(IOB2)
    assert asked == ["someone/some-model"]
    with pytest.raises(XprojError, match=r"cannot fetch the model 'someone/none'.*no such repository"):
        TokenClassifier(model="someone/none", download=True)


def broken(path, what):
    if what == "no config":
        (path / "config.json").unlink()
    elif what == "bad config":
        (path / "config.json").write_text("{")
    elif what == "another kind":
        change_config(path, architectures=["XLMRobertaForMaskedLM"])
    elif what == "no names":
        change_config(path, id2label=None)
    elif what == "no O":
        change_config(path, id2label={"0": "NOUN", "1": "VERB"})
    elif what == "gap":
        change_config(path, id2label={"0": "O", "2": "PER"})
    elif what == "no safetensors":
        (path / "model.safetensors").rename(path / "pytorch_model.bin")
    return path


@pytest.mark.parametrize(
    "what, message",
    [
        ("no config", "cannot read the model's config"),
        ("bad config", "cannot read the model's config"),
        ("another kind", "expected a model of the kind ...ForTokenClassification, got XLMRobertaForMaskedLM"),
        ("no names", "expected the labels of an entity recognizer"),
        ("no O", "one 'O' for words outside.*NOUN"),
        ("gap", "numbered from 0"),
        ("no safetensors", "found no weights in safetensors"),
    ],
)
def test_folders_that_hold_something_else(what, message, folder, tmp_path):
    path = broken(shutil.copytree(folder(), tmp_path / "model"), what)
    with pytest.raises(InputError, match=message) as caught:
        TokenClassifier(model=str(path))
    assert str(path) in str(caught.value)
    with pytest.raises(InputError, match=message):
        TokenClassifier().from_disk(path)


def test_weights_without_a_trained_head(folder, tmp_path):
    from transformers import XLMRobertaConfig, XLMRobertaModel

    path = shutil.copytree(folder(), tmp_path / "model")
    config = XLMRobertaConfig.from_pretrained(path)
    XLMRobertaModel(config).save_pretrained(path)
    change_config(path, architectures=None)
    with pytest.raises(InputError, match=r"its weights lack classifier.bias, classifier.weight"):
        TokenClassifier(path)(docs())


def test_values_that_are_not_numbers(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    path = shutil.copytree(folder(), tmp_path / "model")
    weights = load_file(path / "model.safetensors")
    weights["classifier.bias"][0] = float("nan")
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(XprojError, match="values that are not numbers as float32"):
        TokenClassifier(path)(docs())


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"device": "gpu"}, "expected the device 'auto', 'cpu'"),
        ({"device": "cuda:x"}, "expected the device"),
        ({"dtype": "int8"}, "dtype must be one of float32"),
        ({"batch_tokens": 0}, "batch_tokens must be at least 1, not 0"),
        ({"max_length": -1}, "max_length must be at least 0"),
        ({"overlap": -1}, "overlap must be at least 0"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(XprojError, match=message):
        TokenClassifier(**settings)


def test_a_length_that_the_model_cannot_read(folder):
    for kind in ("xlm-roberta", "bert"):
        for length in (41, 2):
            with pytest.raises(XprojError, match=f"max_length is {length}.*at most 40 .* 2 of these are special"):
                TokenClassifier(folder(kind), max_length=length)(docs())


def test_a_device_that_is_not_there(folder, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(XprojError, match=r"the device 'cuda:1' is not there: .* sees 1 of the kind 'cuda'"):
        TokenClassifier(folder(), device="cuda:1")(docs())


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_a_package_that_is_not_there(package, folder, monkeypatch):
    teacher = TokenClassifier(folder())  # made with this package
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(XprojError, match=f"TokenClassifier.v1 needs the package '{package}': pip install"):
        teacher(docs())


def test_a_fork_uses_one_thread(folder, monkeypatch):
    """More would wait for ever for the threads of the parent."""
    import torch

    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    teacher = TokenClassifier(folder())
    teacher(docs())
    assert asked == []
    monkeypatch.setattr(os, "getpid", lambda: -1)
    teacher(docs())
    teacher(docs())
    assert asked == [1]


def test_a_gpu_is_not_taken_into_a_fork(folder, monkeypatch):
    class OnGpu:
        class model:
            class device:
                type = "cuda"

    teacher = TokenClassifier(folder())
    teacher._loaded = OnGpu
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(XprojError, match="on a GPU cannot be used by a forked process"):
        teacher(docs())
