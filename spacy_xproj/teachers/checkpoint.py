"""The files of a Hugging Face token classifier: what its config says, and loading it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..compat import require
from ..errors import InputError
from ..models.folder import EXTRA, LOCAL, loading
from ..models.subwords import Loaded, ready
from ..tags import OUTSIDE

WHO = "spacy_xproj.TokenClassifier.v1"
HEAD = "ForTokenClassification"


def labels_of(config: dict[str, Any], path: Path) -> list[str]:
    """The labels of a token classifier, in the order of its outputs.

    config (dict): Its config.json.
    path (Path): Where that is from, for errors.
    RAISES (InputError): If it is not that of a token classifier, does not name the labels, or none is "O".
    """
    kinds = config.get("architectures") or []
    if kinds and not any(kind.endswith(HEAD) for kind in kinds):
        raise InputError(path, f"{WHO} expected a model of the kind ...{HEAD}, got {', '.join(kinds)}.")
    named = config.get("id2label") or {}
    labels = [str(named.get(str(i), "")) for i in range(len(named))]
    if "" in labels or labels.count(OUTSIDE) != 1:
        raise InputError(
            path,
            f"{WHO} expected the labels of an entity recognizer in 'id2label', numbered from 0, with one 'O' for words "
            f"outside of entities, got {named}.",
        )
    return labels


def load(folder: Path, labels: Sequence[str], dtype: str, device: str) -> Loaded:
    """Load a token classifier.

    folder (Path): Its folder.
    labels (sequence of str): From `labels_of`.
    dtype (str): "float32", "float16" or "bfloat16".
    device (str): As torch names it.
    RAISES (XprojError): If a package or a file is missing, or the device cannot take it.
    """
    torch = require("torch", WHO, EXTRA)
    transformers = require("transformers", WHO, EXTRA)
    with loading(WHO, folder, f"{device!r} as {dtype}"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), use_fast=True, **LOCAL)
        model, info = transformers.AutoModelForTokenClassification.from_pretrained(
            str(folder), torch_dtype=getattr(torch, dtype), use_safetensors=True, output_loading_info=True, **LOCAL
        )
        model = model.to(device).eval()
    if info["missing_keys"]:
        raise InputError(
            folder,
            f"{WHO} expected a trained token classifier, but its weights lack {', '.join(sorted(info['missing_keys']))}"
            ". Give a model that was trained to tag words.",
        )
    if model.config.num_labels != len(labels):
        raise InputError(folder, f"The model has {model.config.num_labels} outputs and {len(labels)} labels.")
    return ready(model, tokenizer, folder, WHO)
