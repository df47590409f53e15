"""What the translators by a model have in common: texts in, translations or their probabilities out."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import XprojError
from ..files import text_hash
from ..models.folder import LocalModel, check_weights
from ..ty import Translation
from .checks import looping, warn_about
from .families import EXTRA, Family, read_family_config
from .seq2seq import given_ids, source_ids

EXTRA_LENGTH = 32  # tokens, on top of length_factor times the source
Ids = list[int]


class Loaded(NamedTuple):
    """A model that is ready to translate.

    family (Family): Its tokenizer.
    model: What runs it.
    """

    family: Family
    model: Any


class ModelTranslator(LocalModel):
    """A translator by a sequence-to-sequence model. A subclass gives `make`, `generate` and `score_ids`.

    Each text is translated by itself: which texts go through the model together changes nothing but the rounding of
    sums, the limit of its length included.
    """

    what = "translation model"
    extra = EXTRA
    length_factor = 2.0

    def output_settings(self) -> list[Any]:
        """The settings that change the output (list), in JSON's types."""
        raise NotImplementedError

    def described(self) -> str:
        """The settings (str), for whoever reads the provenance."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """What translations are filed under: the content of the model's files and the settings that change the output,
        as a hash (str)."""
        return f"{self.who}:{text_hash(json.dumps([self.hash, *self.output_settings()]))[:32]}"

    @property
    def provenance(self) -> str:
        """The kind of model, the settings and the start of the key (str)."""
        if self.kind is None:
            return f"{self.who} (without a model)"
        return f"{self.who} ({self.kind}, {self.described()}, {self.key.split(':')[-1][:12]})"

    def check(self, folder: Path) -> dict[str, Any]:
        config = read_family_config(folder, self.who)
        check_weights(folder, self.who)
        return config

    def generate(self, loaded: Any, sources: list[Ids], limits: list[int], target_lang: str) -> list[Ids]:
        """Translate.

        loaded (Loaded): The model.
        sources (list of list of int): The ids of each source.
        limits (list of int): How many tokens each translation may have, without start and end token.
        target_lang (str): The target language.
        RETURNS (list of list of int): The ids of each translation, from after its start token to before its end token.
        """
        raise NotImplementedError

    def score_ids(self, loaded: Any, sources: list[Ids], targets: list[Ids], start: int) -> list[tuple[float, int]]:
        """Score given translations.

        loaded (Loaded): The model.
        sources, targets (lists of lists of int): The ids of each pair, the targets without end token.
        start (int): How many ids of a target are given and do not count.
        RETURNS (list of (float, int)): See `score`.
        """
        raise NotImplementedError

    def __call__(self, texts: Sequence[str], source_lang: str, target_lang: str) -> list[Translation]:
        """Translate texts.

        texts (sequence of str): The texts. Equal ones are translated once, and those of white space only are "".
        source_lang, target_lang (str): Language codes: the model's own, or any that mean the same (see `resolve`).
        RETURNS (list of Translation): One a text.
        RAISES (XprojError): If the model or its device is not to be had, or it does not know a language.
        """
        distinct = list(dict.fromkeys(text for text in texts if text.strip()))
        found: dict[str, str] = {}
        if distinct:
            loaded: Any = self.load()
            family: Family = loaded.family
            family.check(source_lang, target_lang)
            sources = source_ids(family, distinct, source_lang, target_lang)
            limits = [self.limit(family, ids) for ids in sources]
            outputs = self.generate(loaded, sources, limits, target_lang)
            found.update(zip(distinct, family.decode([ids[:most] for ids, most in zip(outputs, limits)])))
            long = [text for text, ids, most in zip(distinct, outputs, limits) if len(ids) >= most]
            total = len(distinct)
            warn_about(long, total, f"have a translation as long as {self.who} allows, which may be cut off")
            loops = [text for text in distinct if looping(found[text]) and not looping(text)]
            warn_about(loops, total, f"have a translation by {self.who} that repeats itself over and over at its end")
        return [Translation(found.get(text, "")) for text in texts]

    def limit(self, family: Family, source: Ids) -> int:
        """How many tokens a translation may have, without start and end token (int)."""
        return min(int(self.length_factor * len(source)) + EXTRA_LENGTH, family.max_length - 2)

    def score(
        self, sources: Sequence[str], targets: Sequence[str], source_lang: str, target_lang: str
    ) -> list[tuple[float, int]]:
        """How probable the model finds given translations.

        The decoder reads the target with its language's token, where the family has one, and the end token. What is
        summed are the log-probabilities of the target's pieces and of the end token, each given the source and all
        that comes before it. The language's token is given, so it does not count, as with NMTScore (Vamvas and
        Sennrich 2022).

        sources, targets (sequences of str): Pairs of texts, as many of one as of the other.
        source_lang, target_lang (str): Their languages.
        RETURNS (list of (float, int)): For each pair the sum of the log-probabilities (natural logarithm), and how many
            there were.
        RAISES (XprojError): As for a call, or if there are not as many of both.
        """
        if len(sources) != len(targets):
            raise XprojError(f"{self.who}: got {len(sources)} sources and {len(targets)} targets to score.")
        if not sources:
            return []
        loaded: Any = self.load()
        family: Family = loaded.family
        family.check(source_lang, target_lang)
        inputs = source_ids(family, sources, source_lang, target_lang)
        wanted = given_ids(family, targets, target_lang)
        return self.score_ids(loaded, inputs, wanted, len(family.target_prefix(target_lang)))
