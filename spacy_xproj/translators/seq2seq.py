"""Sequence-to-sequence models of Hugging Face: loading them, and what a step of them is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..compat import require
from ..errors import XprojError
from ..models.batches import padded
from ..models.subwords import valid
from .checks import warn_about
from .families import EXTRA, Family


def load_weights(folder: Path, dtype: str, device: str, who: str) -> Any:
    """Load a model, ready to translate.

    folder (Path): Its folder.
    dtype (str): "float32", "float16" or "bfloat16".
    device (str): As torch names it.
    who (str): Who asks, for errors.
    RETURNS (PreTrainedModel): The model.
    RAISES (XprojError): If the weights are not all there, or cannot be put on the device.
    """
    torch = require("torch", who, EXTRA)
    transformers = require("transformers", who, EXTRA)
    try:
        model, info = transformers.AutoModelForSeq2SeqLM.from_pretrained(
            str(folder),
            torch_dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        model = model.to(device).eval()
    except ImportError:
        raise
    except Exception as err:  # of many kinds, by what is wrong with the files or the device
        raise XprojError(
            f"{who}: the model in {str(folder)!r} cannot be loaded on {device!r} as {dtype} "
            f"({type(err).__name__}: {str(err).strip()})."
        ) from err
    if info["missing_keys"]:
        raise XprojError(
            f"{who}: the model in {str(folder)!r} lacks {len(info['missing_keys'])} of its weights, such as "
            f"{sorted(info['missing_keys'])[0]!r}. Give all of its *.safetensors files."
        )
    own = model.generation_config
    own.do_sample, own.temperature, own.top_k, own.top_p = False, None, None, None
    return model


class EndAt:
    """A logits processor that ends each row at a limit of its own, so that texts in one batch do not lend each other
    theirs.

    limits (int tensor (rows,)): How many tokens may come before the end token.
    end (int): The end token.
    """

    def __init__(self, limits: Any, end: int):
        self.limits = limits
        self.end = end

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        over = self.limits < input_ids.shape[1]  # which counts the start token, too
        if over.any():
            scores = scores.masked_fill(over[:, None], float("-inf"))
            scores[over, self.end] = 0.0
        return scores


def log_probabilities(model: Any, inputs: dict[str, Any], targets: Sequence[Sequence[int]], pad: int) -> list[Any]:
    """Log-probabilities that a model gives to target tokens, each after all those before it.

    model (PreTrainedModel): The model.
    inputs (dict): The encoder's input, from `padded`.
    targets (sequence of sequences of int): The ids of each target, without start token.
    pad (int): The padding's id.
    RETURNS (list of float64 tensors): One value a token, for each target, on the CPU.
    """
    import torch

    wanted = padded(targets, pad, model.device)["input_ids"]
    start = torch.full_like(wanted[:, :1], model.generation_config.decoder_start_token_id)
    # No mask: padding comes after all that it could disturb.
    logits = model(
        **inputs, decoder_input_ids=torch.cat([start, wanted[:, :-1]], dim=1), use_cache=False
    ).logits.float()
    values = logits.gather(2, wanted[:, :, None])[:, :, 0] - logits.logsumexp(dim=2)
    return [row[: len(ids)].double().cpu() for row, ids in zip(values, targets)]


def source_ids(family: Family, texts: Sequence[str], source_lang: str, target_lang: str) -> list[list[int]]:
    """Sources as the model reads them. Those that are too long for it are cut, with a warning.

    family (Family): The model's family.
    texts (sequence of str), source_lang, target_lang (str): What is to be translated.
    RETURNS (list of list of int): The ids of each text.
    """
    ids = family.source_ids(list(map(valid, texts)), source_lang, target_lang)
    long = [text for text, row in zip(texts, ids) if len(row) > family.max_length]
    warn_about(long, len(texts), f"are longer than the {family.max_length} tokens of {family.label}, and were cut")
    return [family.cut(row) for row in ids]


def given_ids(family: Family, targets: Sequence[str], target_lang: str) -> list[list[int]]:
    """Given translations, that are to be scored, as the decoder reads them: with the language's token where the family
    has one, without the end token. Those that are too long are cut, with a warning.

    family (Family): The model's family.
    targets (sequence of str), target_lang (str): The translations.
    RETURNS (list of list of int): The ids of each text.
    """
    prefix = family.target_prefix(target_lang)
    room = family.max_length - len(prefix) - 1
    pieces = family.target_ids(list(map(valid, targets)), target_lang)
    long = [text for text, ids in zip(targets, pieces) if len(ids) > room]
    warn_about(long, len(targets), f"are targets of more than the {room} tokens of {family.label}, and were cut")
    return [prefix + ids[:room] for ids in pieces]
