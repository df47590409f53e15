"""Families of translation models: how each is told the languages, and what its tokens are. No weights are read here."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from ..codes import language_name
from ..compat import require
from ..errors import XprojError
from ..languages import resolve
from ..models.folder import read_config

EXTRA = "spacy-xproj[translate]"
FAMILIES = "NLLB-200, M2M100, Marian (OPUS-MT) or T5 (MADLAD-400)"
DEFAULT_LENGTH = 512  # where neither the config nor the tokenizer says


class Family:
    """The tokenizer of a translation model, and the conventions of its family. `load_family` makes it.

    tokenizer (PreTrainedTokenizerBase): The tokenizer.
    config (dict): The model's config.json.
    label (str): Who asks, and the model, for errors.

    Attributes: `name` (str); `languages` (Optional[list of str]), the codes that the model goes by, None where its
    files do not say; `max_length` (int), how many tokens of a source it can read.
    """

    name = ""

    def __init__(self, tokenizer: Any, config: dict[str, Any], label: str):
        self.tokenizer = tokenizer
        self.config = config
        self.label = label
        positions = config.get("max_position_embeddings") or config.get("n_positions") or DEFAULT_LENGTH
        self.max_length = int(min(positions, tokenizer.model_max_length))
        self.languages = self._languages()

    def _languages(self) -> Optional[list[str]]:
        return None

    def check(self, source_lang: str, target_lang: str) -> None:
        """See whether the model translates from one language into the other, as far as its files say.

        source_lang, target_lang (str): Language codes.
        RAISES (XprojError): If it does not.
        """
        if self.languages is not None:
            resolve(source_lang, self.languages, self.label)
            resolve(target_lang, self.languages, self.label)

    def source_ids(self, texts: Sequence[str], source_lang: str, target_lang: str) -> list[list[int]]:
        """The input of the encoder, with all special tokens, however long.

        texts (sequence of str): The texts.
        source_lang, target_lang (str): Language codes.
        RETURNS (list of list of int): The ids of each text.
        """
        return self._encode(texts)

    def cut(self, ids: list[int]) -> list[int]:
        """The input of the encoder, cut to `max_length` before the special tokens at its end.

        ids (list of int): From `source_ids`.
        RETURNS (list of int): At most `max_length` ids.
        """
        if len(ids) <= self.max_length:
            return ids
        end = len(ids)
        special = set(self.tokenizer.all_special_ids)
        while end and ids[end - 1] in special:
            end -= 1
        return ids[: self.max_length - (len(ids) - end)] + ids[end:]

    def target_prefix(self, target_lang: str) -> list[int]:
        """The ids that the decoder is made to begin with, after its start token.

        target_lang (str): A language code.
        RETURNS (list of int): The language's token, or nothing where the source says the language.
        """
        return []

    def target_ids(self, texts: Sequence[str], target_lang: str) -> list[list[int]]:
        """The ids of given translations, without prefix and without end token.

        texts (sequence of str): Texts in the target language.
        target_lang (str): Its code.
        RETURNS (list of list of int): The ids of each text.
        """
        return self._encode(texts, add_special_tokens=False)

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The texts of what the decoder wrote, without special tokens.

        ids (sequence of sequences of int): The ids of each text.
        RETURNS (list of str): The texts.
        """
        return [text.strip() for text in self.tokenizer.batch_decode(list(ids), skip_special_tokens=True)]

    def tokens(self, ids: Sequence[int], target: bool = False) -> list[str]:
        """The pieces of one text as strings.

        ids (sequence of int): Its ids.
        target (bool): Of the target side. It makes a difference only where a model has two vocabularies.
        RETURNS (list of str): One piece an id.
        """
        return self.tokenizer.convert_ids_to_tokens(list(ids))

    def ids(self, tokens: Sequence[str]) -> list[int]:
        """The ids of the pieces of one text of the target side.

        tokens (sequence of str): The pieces.
        RETURNS (list of int): One id a piece.
        """
        return self.tokenizer.convert_tokens_to_ids(list(tokens))

    def _encode(self, texts: Sequence[str], side: str = "text", add_special_tokens: bool = True) -> list[list[int]]:
        if not texts:
            return []
        given: dict[str, Any] = {side: list(texts), "add_special_tokens": add_special_tokens}
        return self.tokenizer(**given, truncation=False, return_attention_mask=False, verbose=False)["input_ids"]


class Nllb(Family):
    """NLLB-200 (NLLB Team 2022): the encoder reads the source language's token, the decoder begins with the target's.
    Languages that were added to a model's tokens later count as well."""

    name = "nllb"

    def _languages(self) -> list[str]:
        ids = dict(self.tokenizer.get_added_vocab())
        ids.update(zip(self.tokenizer.additional_special_tokens, self.tokenizer.additional_special_tokens_ids))
        size = self.config.get("vocab_size", len(ids))
        return sorted(t for t, i in ids.items() if i < size and re.fullmatch("[a-z]{3}_[A-Z][a-z]{3}", t))

    def source_ids(self, texts: Sequence[str], source_lang: str, target_lang: str) -> list[list[int]]:
        self.tokenizer.src_lang = resolve(source_lang, self.languages or [], self.label)
        return self._encode(texts)

    def target_prefix(self, target_lang: str) -> list[int]:
        return self.ids([resolve(target_lang, self.languages or [], self.label)])


class M2M100(Nllb):
    """M2M100 (Fan et al. 2021), which does as NLLB-200 does, with tokens such as `__es__`."""

    name = "m2m100"

    def _languages(self) -> list[str]:
        ids: dict[str, int] = self.tokenizer.lang_code_to_id
        return sorted(code for code, i in ids.items() if i < self.config.get("vocab_size", i + 1))

    def target_prefix(self, target_lang: str) -> list[int]:
        return [self.tokenizer.get_lang_id(resolve(target_lang, self.languages or [], self.label))]


class Marian(Family):
    """Marian models such as those of OPUS-MT (Tiedemann and Thottingal 2020). Those with several target languages read
    the target language's token, `>>spa<<`, before the source."""

    name = "marian"

    def _languages(self) -> Optional[list[str]]:
        self.target_tokens = [t[2:-2] for t in self.tokenizer.encoder if t.startswith(">>") and t.endswith("<<")]
        self._source_vocabulary = {i: token for token, i in self.tokenizer.encoder.items()}
        # Names of groups, such as "ROMANCE" or "mul", say nothing about one language.
        self.sides = [str(lang or "") for lang in (self.tokenizer.source_lang, self.tokenizer.target_lang)]
        pair = [lang for lang in self.sides if language_name(lang)]
        return sorted(self.target_tokens) or (pair if len(pair) == 2 else None)

    def check(self, source_lang: str, target_lang: str) -> None:
        if language_name(self.sides[0]):
            resolve(source_lang, self.sides[:1], f"{self.label}, as source,")
        self._token(target_lang)

    def _token(self, target_lang: str) -> str:
        one = self.sides[1:] if language_name(self.sides[1]) else []
        if not self.target_tokens:
            if one:
                resolve(target_lang, one, f"{self.label}, as target,")
            return ""
        try:
            return f">>{resolve(target_lang, self.target_tokens, self.label)}<< "
        except XprojError:
            if one and resolve(target_lang, one, self.label):
                return ""
            raise

    def source_ids(self, texts: Sequence[str], source_lang: str, target_lang: str) -> list[list[int]]:
        # A text that itself begins like a language token is kept from being read as one by the white space.
        token = self._token(target_lang)
        return self._encode([f"{token or ' '}{text}" if token or text.startswith(">>") else text for text in texts])

    def target_ids(self, texts: Sequence[str], target_lang: str) -> list[list[int]]:
        return self._encode(texts, side="text_target", add_special_tokens=False)

    def tokens(self, ids: Sequence[int], target: bool = False) -> list[str]:
        if target:
            return super().tokens(ids)
        return [self._source_vocabulary[i] for i in ids]

    def ids(self, tokens: Sequence[str]) -> list[int]:
        vocabulary = self.tokenizer.target_encoder if self.tokenizer.separate_vocabs else self.tokenizer.encoder
        return [vocabulary.get(token, self.tokenizer.unk_token_id) for token in tokens]


class T5(Family):
    """MADLAD-400 (Kudugunta et al. 2023), whose source begins with the target language, `<2es>`; and the first T5
    (Raffel et al. 2020), whose few pairs of languages and their prefixes stand in its config."""

    name = "t5"

    def _languages(self) -> Optional[list[str]]:
        found = (re.fullmatch("<2([a-z]{2,3}(_[A-Za-z0-9]+)*)>", token) for token in self.tokenizer.get_vocab())
        self.codes = sorted(match.group(1) for match in found if match)
        tasks: dict[str, Any] = self.config.get("task_specific_params") or {}
        self.prefixes: dict[tuple[str, str], str] = {}
        for task, params in tasks.items():
            pair = re.fullmatch("translation_([a-z]+)_to_([a-z]+)", task)
            if pair and isinstance(params, dict) and params.get("prefix"):
                self.prefixes[pair[1], pair[2]] = params["prefix"]
        if not self.codes and not self.prefixes:
            raise XprojError(
                f"{self.label}: this T5 model does not say how it is asked for a translation: its tokenizer has no "
                "tokens such as '<2es>' (MADLAD-400), and its config no 'translation_en_to_de' (T5). "
                f"Take a translation model of the families {FAMILIES}."
            )
        return self.codes or sorted({lang for pair in self.prefixes for lang in pair})

    def check(self, source_lang: str, target_lang: str) -> None:
        self._prefix(source_lang, target_lang)

    def _prefix(self, source_lang: str, target_lang: str) -> str:
        if self.codes:
            return f"<2{resolve(target_lang, self.codes, self.label)}> "
        languages = self.languages or []
        pair = resolve(source_lang, languages, self.label), resolve(target_lang, languages, self.label)
        if pair not in self.prefixes:
            known = ", ".join("-".join(p) for p in sorted(self.prefixes))
            raise XprojError(f"{self.label} does not translate {source_lang!r} into {target_lang!r}, only {known}.")
        return self.prefixes[pair]

    def source_ids(self, texts: Sequence[str], source_lang: str, target_lang: str) -> list[list[int]]:
        prefix = self._prefix(source_lang, target_lang)
        return self._encode([prefix + text for text in texts])


TYPES = {"m2m_100": M2M100, "nllb-moe": Nllb, "marian": Marian, "t5": T5}


def read_family_config(folder: Path, who: str) -> dict[str, Any]:
    """Read the config of a translation model, which tells cheaply whether the folder is one.

    folder (Path): The model's folder.
    who (str): Who asks, for errors.
    RETURNS (dict): Its config.json.
    RAISES (XprojError): If there is none, or it is not that of a translation model.
    """
    config = read_config(folder, who, "translation model")
    kind = config.get("model_type")
    if kind not in TYPES:
        raise XprojError(
            f"{who}: the model in {str(folder)!r} is of the type {kind!r}, which is not a translation model that is "
            f"known here. Take one of the families {FAMILIES}; their types are {', '.join(map(repr, TYPES))}."
        )
    return config


def load_family(folder: Path, who: str) -> Family:
    """Load the tokenizer of a translation model.

    folder (Path): The model's folder, with its config.json and the files of its tokenizer.
    who (str): Who asks, for errors.
    RETURNS (Family): The tokenizer, with the conventions of its family.
    RAISES (XprojError): If the folder is not that of a translation model, its tokenizer cannot be loaded, or a package
        that it needs is missing.
    """
    config = read_family_config(folder, who)
    transformers = require("transformers", who, EXTRA)
    kind: type[Family] = TYPES[config["model_type"]]
    if kind in (M2M100, Marian) or not (folder / "tokenizer.json").exists():
        require("sentencepiece", who, EXTRA)
        require("google.protobuf", who, EXTRA)
    if kind is Marian:
        require("sacremoses", who, EXTRA)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(folder),
            local_files_only=True,
            trust_remote_code=False,
            split_special_tokens=True,  # "</s>" in a text is text
        )
    except Exception as err:  # of many kinds, by what is wrong with the files
        raise XprojError(
            f"{who}: the tokenizer in {str(folder)!r} cannot be loaded ({type(err).__name__}: {err}). "
            "Give a folder with all files of the model's tokenizer."
        ) from err
    if kind is M2M100 and "Nllb" in type(tokenizer).__name__:
        kind = Nllb
    return kind(tokenizer, config, f"{who} with the model {folder.name!r}")
