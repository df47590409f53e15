"""The files of a Hugging Face token classifier: what they say cheaply, fetching them, and loading them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..compat import require
from ..errors import InputError, XprojError
from ..translators.seq2seq import FILES
from .tags import OUTSIDE

WHO = "spacy_xproj.TokenClassifier.v1"
EXTRA = "spacy-xproj"
HEAD = "ForTokenClassification"
DEFAULT_LENGTH = 512  # where neither the model nor its tokenizer has a limit


def find_folder(model: str, download: bool) -> Path:
    """The folder of a model, fetched if that was asked for.

    model (str): A folder; with `download` also a name on the Hugging Face Hub.
    download (bool): Whether to fetch what is not a folder.
    RAISES (XprojError): If there is no such folder, or it cannot be fetched.
    """
    if Path(model).is_dir():
        return Path(model).resolve()
    if not download:
        raise InputError(
            model,
            None,
            f"{WHO} expected the folder of a Hugging Face token classifier, and there is no such folder. Nothing is "
            "downloaded unless asked for: give a folder with the model's files, or a name on the Hugging Face Hub "
            "together with download = true.",
        )
    hub = require("huggingface_hub", WHO, EXTRA)
    try:
        return Path(hub.snapshot_download(model, allow_patterns=list(FILES)))
    except Exception as err:  # of many kinds: the network's, the hub's, and those of bad names
        raise XprojError(
            f"{WHO} cannot fetch the model {model!r} ({type(err).__name__}: {err}). Give the name of a model on the "
            "Hugging Face Hub, or the folder of one."
        ) from err


def read_config(folder: Path) -> dict[str, Any]:
    """The config of a token classifier.

    folder (Path): Its folder.
    RAISES (InputError): If it is not that of a token classifier, or has no weights in safetensors.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise InputError(
            path,
            None,
            f"{WHO} cannot read the model's config ({err}). Give a folder with all files of a Hugging Face token "
            "classifier: config.json, *.safetensors, and those of its tokenizer.",
        ) from err
    kinds = config.get("architectures") or []
    if kinds and not any(kind.endswith(HEAD) for kind in kinds):
        raise InputError(path, None, f"{WHO} expected a model of the kind ...{HEAD}, got {', '.join(kinds)}.")
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            folder,
            None,
            f"{WHO} found no weights in safetensors (*.safetensors). Other files of weights can run any code when they "
            "are loaded. If you trust them, load the model with transformers and save it with "
            "save_pretrained(folder, safe_serialization=True).",
        )
    return config


def read_labels(folder: Path) -> list[str]:
    """The labels of a token classifier, in the order of its outputs.

    folder (Path): Its folder.
    RAISES (InputError): If the config does not name them, or none is "O".
    """
    named = read_config(folder).get("id2label") or {}
    labels = [str(named.get(str(i), "")) for i in range(len(named))]
    if "" in labels or labels.count(OUTSIDE) != 1:
        raise InputError(
            folder / "config.json",
            None,
            f"{WHO} expected the labels of an entity recogniser in 'id2label', numbered from 0, with one 'O' for words "
            f"outside of entities, got {named}.",
        )
    return labels


class Loaded(NamedTuple):
    """A model that is ready to use.

    model (PreTrainedModel), tokenizer (tokenizers.Tokenizer): The model and its fast tokenizer.
    prefix_space (bool): Words are to begin with a space, which byte-level tokenizers know the start of a word by.
    pad (int): The padding's id.
    max_length (int): How many sub-words it can read at once, with the special ones.
    """

    model: Any
    tokenizer: Any
    prefix_space: bool
    pad: int
    max_length: int


def load(folder: Path, labels: Sequence[str], dtype: str, device: str) -> Loaded:
    """Load a token classifier.

    folder (Path): Its folder.
    labels (sequence of str): From `read_labels`.
    dtype (str): "float32", "float16" or "bfloat16".
    device (str): As torch names it.
    RAISES (XprojError): If a package or a file is missing, or the device cannot take it.
    """
    torch = require("torch", WHO, EXTRA)
    transformers = require("transformers", WHO, EXTRA)
    given: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), use_fast=True, **given)
        model, info = transformers.AutoModelForTokenClassification.from_pretrained(
            str(folder), torch_dtype=getattr(torch, dtype), use_safetensors=True, output_loading_info=True, **given
        )
        model = model.to(device).eval()
    except Exception as err:  # of many kinds, by what is wrong with the files or the device
        raise InputError(
            folder, None, f"{WHO} cannot load the model on {device!r} as {dtype} ({type(err).__name__}: {err})."
        ) from err
    if info["missing_keys"]:
        raise InputError(
            folder,
            None,
            f"{WHO} expected a trained token classifier, but its weights lack {', '.join(sorted(info['missing_keys']))}"
            ". Give a model that was trained to tag words.",
        )
    if not tokenizer.is_fast:
        raise InputError(
            folder,
            None,
            f"{WHO} needs a fast tokenizer, which says which word each sub-word is of, and {type(tokenizer).__name__} "
            "is not one. Give a model with a tokenizer.json.",
        )
    if model.config.num_labels != len(labels):
        raise InputError(folder, None, f"The model has {model.config.num_labels} outputs and {len(labels)} labels.")
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True  # "</s>" in a text is text
    before = backend.pre_tokenizer
    prefix_space = before is not None and b'"ByteLevel"' in before.__getstate__()
    return Loaded(model, backend, prefix_space, model.config.pad_token_id or 0, max_length(model, tokenizer))


def max_length(model: Any, tokenizer: Any) -> int:
    """How many sub-words a model can read at once: the least of what its tokenizer, its config and its table of
    position embeddings say. RoBERTa's table has rows at its start that no sub-word gets.

    model (PreTrainedModel), tokenizer (PreTrainedTokenizerBase): The model and its tokenizer.
    """
    limits = [tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None)]
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - unused)
    known = [limit for limit in limits if isinstance(limit, int) and 0 < limit < 10**9]
    return min(known, default=DEFAULT_LENGTH)
