"""An encoder without the sub-words that a corpus does not need. Multilingual models keep most weights in these."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..compat import require
from ..errors import InputError, XprojError
from .folder import EXTRA, LOCAL, check_weights, loading, read_config
from .subwords import valid

WHO = "xproj prune"
BYTE = re.compile(r"<0x[0-9A-F]{2}>")
SPECIAL_ID = re.compile(r"_token_ids?$")


class Text(NamedTuple):
    """A text to keep the sub-words of.

    words (sequence of str): Its words, as `Embedding.v1` reads them together and `xproj vectors` one by one.
    text (str): The text as it stands, as spacy-transformers reads it.
    """

    words: Sequence[str]
    text: str


class Pruned(NamedTuple):
    """How many sub-words and weights a model had, and has."""

    pieces_before: int
    pieces: int
    weights_before: int
    weights: int


def prune_model(folder: Path, texts: Iterable[Text], out: Path) -> Pruned:
    """Write a model with the sub-words that some texts need, those of a single character, and the special ones.

    Each text is cut into the same sub-words as before, and each sub-word has the same vector. That is made sure of for
    all texts.

    folder (Path): The folder of the model.
    texts (iterable of Text): The texts. They are read twice.
    out (Path): The folder to write to.
    RETURNS (Pruned): What was left out.
    RAISES (XprojError): If the model has no tokenizer of Unigram or WordPiece, or cannot be loaded.
    """
    config = read_config(folder, WHO)
    check_weights(folder, WHO)
    transformers = require("transformers", WHO, EXTRA)
    with loading(WHO, folder, "the CPU"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), use_fast=True, **LOCAL)
    if not tokenizer.is_fast:
        raise InputError(folder, f"{WHO} needs a model with a fast tokenizer (tokenizer.json).")
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    check_kind(state["model"].get("type"), folder)
    full = reader(state)
    kept = kept_ids(state, config, folder) | {
        place for text in texts for piece in cut(full, text) if (place := full.token_to_id(piece)) is not None
    }
    if state["model"]["type"] == "WordPiece":
        kept |= tried_ids(full, texts)
    ids = sorted(kept)
    small = renumbered(state, ids)
    check_same(full, reader(small), texts)
    before, after = write_weights(folder, config, ids, out)
    write_tokenizer(tokenizer, small, out)
    return Pruned(full.get_vocab_size(), len(ids), before, after)


def check_kind(kind: Any, folder: Path) -> None:
    """RAISES (InputError): If sub-words cannot be left out of a tokenizer of this kind."""
    if kind not in ("Unigram", "WordPiece"):
        raise InputError(
            folder,
            f"{WHO} expected a tokenizer of Unigram or WordPiece, as multilingual-e5, XLM-R, mBERT and LaBSE have, but "
            f"this one is {kind}. Its sub-words are merged from one another, so that none can be left out.",
        )


def reader(state: dict[str, Any]) -> Any:
    """A tokenizer that cuts texts into sub-words and does nothing else, as `subwords.ready` sets it."""
    made = require("tokenizers", WHO, EXTRA).Tokenizer.from_str(json.dumps(state))
    made.no_truncation()
    made.no_padding()
    made.encode_special_tokens = True
    return made


def cut(tokenizer: Any, text: Text) -> list[str]:
    """The sub-words of a text: of its words together, of each alone, and of the text as it stands."""
    words = [valid(word) for word in text.words if word and not word.isspace()]
    lists = [words, *([word] for word in words)]
    found = [piece for some in lists for piece in tokenizer.encode(some, is_pretokenized=True).tokens]
    return found + tokenizer.encode(valid(text.text)).tokens


def vocabulary(state: dict[str, Any]) -> dict[str, int]:
    """The sub-words of a tokenizer's model, with their ids."""
    pieces = state["model"]["vocab"]
    return pieces if isinstance(pieces, dict) else {piece: number for number, (piece, _) in enumerate(pieces)}


def kept_ids(state: dict[str, Any], config: dict[str, Any], folder: Path) -> set[int]:
    """The ids that are kept whatever the texts: special ones, single characters and bytes."""
    model = state["model"]
    prefix = model.get("continuing_subword_prefix") or ""
    kept = {token["id"] for token in state["added_tokens"]}
    for piece, place in vocabulary(state).items():
        bare = piece.removeprefix(prefix).removeprefix("▁")
        if len(bare) <= 1 or BYTE.fullmatch(piece):
            kept.add(place)
    if model["type"] == "Unigram":
        # What is not known counts less than the least probable sub-word, by a fixed amount.
        kept.add(min(range(len(model["vocab"])), key=lambda place: model["vocab"][place][1]))
        kept |= {model["unk_id"]} - {None}
    else:
        kept.add(vocabulary(state)[model["unk_token"]])
    pad = config.get("pad_token_id")
    kept |= set(range((pad or 0) + 1))  # RoBERTa counts positions from this id: it must stay
    return kept | {place for place in special_ids(config) if place < len(vocabulary(state))}


def special_ids(config: dict[str, Any]) -> Iterator[int]:
    """The ids that a config names."""
    for name, value in config.items():
        if SPECIAL_ID.search(name):
            yield from (place for place in np.ravel(value).tolist() if isinstance(place, int) and place >= 0)


def tried_ids(tokenizer: Any, texts: Iterable[Text]) -> set[int]:
    """The ids of sub-words that WordPiece takes in a word before it finds that it cannot go on. Without them, it would
    take others and might come to an end."""
    model, pieces = tokenizer.model, tokenizer.get_vocab()
    found: set[int] = set()
    words = set()
    for text in texts:
        for whole in (*map(valid, text.words), valid(text.text)):
            shown = whole if tokenizer.normalizer is None else tokenizer.normalizer.normalize_str(whole)
            parts = tokenizer.pre_tokenizer.pre_tokenize_str(shown) if tokenizer.pre_tokenizer else [(shown, None)]
            words |= {word for word, _ in parts}
    for word in words:
        start = 0
        while start < len(word) <= model.max_input_chars_per_word:
            prefix = model.continuing_subword_prefix if start else ""
            ends = (end for end in range(len(word), start, -1) if prefix + word[start:end] in pieces)
            end = next(ends, len(word) + 1)
            if end > len(word):
                break
            found.add(pieces[prefix + word[start:end]])
            start = end
    return found


def renumbered(state: dict[str, Any], ids: Sequence[int]) -> dict[str, Any]:
    """A tokenizer with some of its sub-words.

    state (dict): The tokenizer, as tokenizer.json has it.
    ids (sequence of int): The ids to keep, ascending. The places in it are the new ids.
    RETURNS (dict): The new tokenizer.
    """
    new = {old: place for place, old in enumerate(ids)}
    small = json.loads(json.dumps(state))
    model = small["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [model["vocab"][old] for old in ids if old < len(model["vocab"])]
        model["unk_id"] = new.get(model["unk_id"])
    else:
        model["vocab"] = {piece: new[old] for piece, old in model["vocab"].items() if old in new}
    for token in small["added_tokens"]:
        token["id"] = new[token["id"]]
    if small.get("padding"):
        small["padding"]["pad_id"] = new[small["padding"]["pad_id"]]
    renumber(small.get("post_processor"), new)
    return small


def renumber(processor: Any, new: dict[int, int]) -> None:
    """Give the special tokens of a post-processor their new ids, in place."""
    if not processor:
        return
    for inner in processor.get("processors", ()):
        renumber(inner, new)
    for name in ("sep", "cls"):  # BertProcessing and RobertaProcessing
        if isinstance(processor.get(name), list):
            processor[name][1] = new[processor[name][1]]
    for token in (processor.get("special_tokens") or {}).values():
        token["ids"] = [new[old] for old in token["ids"]]


def check_same(full: Any, small: Any, texts: Iterable[Text]) -> None:
    """Make sure that two tokenizers cut texts into the same sub-words.

    RAISES (XprojError): If they do not, which no tokenizer of a known kind should come to.
    """
    for text in texts:
        if cut(full, text) != cut(small, text):
            raise XprojError(
                f"{WHO}: without the other sub-words, the tokenizer cuts {text.text[:60]!r} in another way. This model "
                "cannot be pruned."
            )


def write_weights(folder: Path, config: dict[str, Any], ids: Sequence[int], out: Path) -> tuple[int, int]:
    """Write a model's weights and config with the vectors of some sub-words only. Its heads stay.

    RETURNS (int, int): How many weights it had, and has.
    """
    import torch
    import transformers

    name = (config.get("architectures") or [""])[0]
    kind = getattr(transformers, name) if name in dir(transformers) else transformers.AutoModel
    with loading(WHO, folder, "the CPU"), torch.no_grad():
        model = kind.from_pretrained(str(folder), use_safetensors=True, torch_dtype="auto", **LOCAL)
        before = model.num_parameters()
        chosen = torch.tensor(ids)
        layers = [layer for layer in (model.get_input_embeddings(), model.get_output_embeddings()) if layer is not None]
        # By its address, as tied layers share a weight.
        weights = [weight for layer in layers for weight in layer.parameters(recurse=False)]
        for weight in {weight.data_ptr(): weight for weight in weights}.values():
            weight[: len(ids)] = weight[chosen]
        model.resize_token_embeddings(len(ids), mean_resizing=False)
        new = {old: place for place, old in enumerate(ids)}
        for config_of in (model.config, model.generation_config):
            for key, value in list(vars(config_of).items()) if config_of is not None else []:
                if SPECIAL_ID.search(key) and isinstance(value, int):
                    setattr(config_of, key, new.get(value))
                elif SPECIAL_ID.search(key) and isinstance(value, list):
                    setattr(config_of, key, [new[old] for old in value if old in new])
        model.save_pretrained(out, safe_serialization=True)
    return before, model.num_parameters()


def write_tokenizer(tokenizer: Any, state: dict[str, Any], out: Path) -> None:
    """Write a tokenizer with the settings of another one, as PreTrainedTokenizerFast: other classes expect a file of
    sentencepiece or a vocab.txt beside tokenizer.json."""
    import transformers

    made: Any = transformers.PreTrainedTokenizerFast(
        tokenizer_object=require("tokenizers", WHO, EXTRA).Tokenizer.from_str(json.dumps(state)),
        model_max_length=tokenizer.model_max_length,
        padding_side=tokenizer.padding_side,
        model_input_names=tokenizer.model_input_names,
        **tokenizer.special_tokens_map,
    )
    made.save_pretrained(out)
