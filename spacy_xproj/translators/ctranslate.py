"""Translation models run by CTranslate2, which is several times as fast as PyTorch on a CPU."""

import json
import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional, Union

from ..errors import InputError, XprojError
from ..files import replacing, text_hash
from ..models.folder import FilesOnly
from ..ty import Translation
from .checks import looping, warn_about
from .ctranslate_convert import NOTE, WHO, converted_folder, is_converted, is_current, model_hash, parts
from .ctranslate_runtime import Loaded, checked_compute_type, checked_device, checked_model, ctranslate2
from .families import Family, load_family, read_config
from .seq2seq import given_ids, source_ids

EXTRA_LENGTH = 32  # tokens, on top of twice the source


def make_ctranslate2(
    model: str = "",
    converted: str = "",
    compute_type: str = "auto",
    device: str = "cpu",
    beam_size: int = 4,
    batch_tokens: int = 2048,
    threads: int = 0,
) -> "CTranslate2":
    """Maker of `spacy_xproj.CTranslate2.v1`: NLLB-200, M2M100, Marian and T5 or MADLAD-400 models, run by CTranslate2.

    model (str): The folder of a Hugging Face model, which is converted at first use, or of one that this translator
        converted before. "": none yet; `from_disk` brings one.
    converted (str): Where to put the converted model. "": beside the model's folder, under its name with "-ct2-" and
        the compute type added. It is made again if the model's files change. The model's own folder is not touched.
    compute_type (str): The type of the weights and of the computation, such as "int8", "int8_float16", "float16" or
        "float32". "auto": "int8" on a CPU, "float16" on a GPU.
    device (str): "cpu", "cuda", or "cuda:1" for the second GPU.
    beam_size (int): How many translations are followed at a time; 1: greedy search.
    batch_tokens (int): So many source tokens at most are translated at once, with the padding.
    threads (int): CPU threads; 0: as CTranslate2 chooses, or OMP_NUM_THREADS.
    RETURNS (CTranslate2): The translator.
    RAISES (XprojError): If the package, the folder or the device is not there, or a setting cannot be.
    """
    return CTranslate2(model, converted, compute_type, device, beam_size, batch_tokens, threads)


class CTranslate2(FilesOnly):
    """A translator. The weights load, and are converted if need be, at its first use in a process.

    model, converted, compute_type, device, beam_size, batch_tokens, threads: As in `make_ctranslate2`.
    RAISES (XprojError): As there.
    """

    step = 64  # tokens: one call has one limit, so limits are rounded up, to make few calls; what is over is cut off

    def __init__(
        self,
        model: Union[str, Path] = "",
        converted: Union[str, Path] = "",
        compute_type: str = "auto",
        device: str = "cpu",
        beam_size: int = 4,
        batch_tokens: int = 2048,
        threads: int = 0,
    ):
        for name, value, least in (
            ("beam_size", beam_size, 1),
            ("batch_tokens", batch_tokens, 1),
            ("threads", threads, 0),
        ):
            if value < least:
                raise XprojError(f"The {name} of {WHO} must be at least {least}, got {value}.")
        self.device, self.device_index = checked_device(device)
        self.compute_type = checked_compute_type(compute_type, self.device, self.device_index)
        self.beam_size = beam_size
        self.batch_tokens = batch_tokens
        self.threads = threads
        self.converted = Path(converted).resolve() if converted else None
        self._use(checked_model(model) if model else None)

    def _use(self, folder: Optional[Path]) -> None:
        self._folder = folder
        self._hash = ""
        self._family: Optional[Family] = None
        self._loaded: Optional[Loaded] = None

    @property
    def folder(self) -> Path:
        """The model's folder (Path), converted or not."""
        if self._folder is None:
            raise XprojError(f"{WHO} has no model. Set 'model' to the folder of one, or load it with from_disk.")
        return self._folder

    @property
    def place(self) -> Path:
        """Where the converted model is or will be (Path)."""
        if is_converted(self.folder):
            return self.folder
        return self.converted or self.folder.with_name(f"{self.folder.name}-ct2-{self.compute_type}")

    @property
    def key(self) -> str:
        """What translations are filed under: the content of the model's files and the settings that change the output,
        as a hash (str). It does not depend on where the model lies, or whether it has been converted yet."""
        if not self._hash:
            done = self.folder == self.place or is_current(self.folder, self.place, self.compute_type)
            self._hash = model_hash(self.place if done else self.folder)
        return f"{WHO}:{text_hash(json.dumps([self._hash, self.compute_type, self.beam_size]))[:32]}"

    @property
    def provenance(self) -> str:
        """The kind of model, the settings and the start of the key (str)."""
        if self._folder is None:
            return f"{WHO} (without a model)"
        kind = read_config(self.folder, WHO)["model_type"]
        return f"{WHO} ({kind}, {self.beam_size} beams, {self.compute_type}, {self.key.split(':')[-1][:12]})"

    def _convert(self) -> Path:
        if self.folder == self.place:
            return self.folder
        return converted_folder(self.folder, self.place, self.compute_type)

    def _load(self) -> tuple[Family, Any]:
        """The tokenizer and the ctranslate2.Translator, loaded by the first call in each process."""
        if self._loaded is not None and self._loaded.pid != os.getpid():  # a fork
            if self.device != "cpu":
                raise XprojError(
                    f"{WHO}: a model that is on a GPU cannot be used by a forked process. Run with one process "
                    "(n_process = 1), or do not use the translator before the processes start."
                )
            self._loaded = None
        if self._loaded is None or self._family is None:
            folder = self._convert()
            self._family = load_family(folder, WHO)
            self._loaded = Loaded(self._translator(folder))
        return self._family, self._loaded.translator

    def _translator(self, folder: Path) -> Any:
        try:
            return ctranslate2().Translator(
                str(folder),
                device=self.device,
                device_index=self.device_index,
                compute_type=self.compute_type,
                intra_threads=self.threads,
            )
        except (RuntimeError, ValueError) as err:
            raise XprojError(
                f"{WHO}: the model in {str(folder)!r} cannot be loaded on {self.device!r} as "
                f"{self.compute_type} ({err}). If its files are damaged, remove that folder, and it is converted again."
            ) from err

    def __call__(self, texts: Sequence[str], source_lang: str, target_lang: str) -> list[Translation]:
        """Translate texts.

        Each text is translated by itself: which texts go through the model together changes nothing but the rounding of
        sums. A translation has at most 2 n + 32 tokens for a source of n tokens, and no more than the model can write.

        texts (sequence of str): The texts. Equal ones are translated once, and those of white space only are "".
        source_lang, target_lang (str): Language codes: the model's own, or any that mean the same (see `resolve`).
        RETURNS (list of Translation): One a text.
        RAISES (XprojError): If the model cannot be converted or loaded, or it does not know a language.
        """
        distinct = list(dict.fromkeys(text for text in texts if text.strip()))
        found: dict[str, str] = {}
        if distinct:
            family, translator = self._load()
            family.check(source_lang, target_lang)
            sources = source_ids(family, distinct, source_lang, target_lang)
            outputs = self._generate(family, translator, sources, target_lang)
            limits = [self._limit(family, ids) for ids in sources]
            found.update(zip(distinct, family.decode([ids[:most] for ids, most in zip(outputs, limits)])))
            long = [text for text, ids, most in zip(distinct, outputs, limits) if len(ids) >= most]
            warn_about(long, len(distinct), f"have a translation as long as {WHO} allows, which may be cut off")
            loops = [text for text in distinct if looping(found[text]) and not looping(text)]
            warn_about(
                loops, len(distinct), f"have a translation by {WHO} that repeats itself over and over at its end"
            )
        return [Translation(found.get(text, "")) for text in texts]

    def _limit(self, family: Family, source: list[int]) -> int:
        """How many tokens a translation may have, without start and end token."""
        return min(2 * len(source) + EXTRA_LENGTH, family.max_length - 2)

    def _generate(self, family: Family, translator: Any, sources: list[list[int]], target_lang: str) -> list[list[int]]:
        """The ids that the model writes for each source, from after its start token to before its end token."""
        prefix = family.tokens(family.target_prefix(target_lang), target=True)
        groups: dict[int, list[int]] = {}
        for i, ids in enumerate(sources):
            limit = -(-self._limit(family, ids) // self.step) * self.step
            groups.setdefault(min(limit, family.max_length - 2), []).append(i)
        found: dict[int, list[int]] = {}
        for limit, group in groups.items():
            results = self._run(
                translator.translate_batch,
                [family.tokens(sources[i]) for i in group],
                [prefix] * len(group) if prefix else None,
                beam_size=self.beam_size,
                max_decoding_length=limit,
            )
            found.update(zip(group, (family.ids(result.hypotheses[0]) for result in results)))
        return [found[i] for i in range(len(sources))]

    def _run(self, method: Any, *args: Any, **options: Any) -> Any:
        """Call a method of the translator on many texts. It puts those of similar length together."""
        try:
            return method(*args, max_batch_size=self.batch_tokens, batch_type="tokens", max_input_length=0, **options)
        except RuntimeError as err:
            raise XprojError(
                f"{WHO} failed on {self.device!r}: {err}. If it lacks memory, lower batch_tokens "
                f"(now {self.batch_tokens})."
            ) from err

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
            raise XprojError(f"{WHO}: got {len(sources)} sources and {len(targets)} targets to score.")
        if not sources:
            return []
        family, translator = self._load()
        family.check(source_lang, target_lang)
        inputs = source_ids(family, sources, source_lang, target_lang)
        results = self._run(
            translator.score_batch,
            [family.tokens(ids) for ids in inputs],
            [family.tokens(ids, target=True) for ids in given_ids(family, targets, target_lang)],
            offset=len(family.target_prefix(target_lang)),
        )
        return [(math.fsum(result.log_probs), len(result.log_probs)) for result in results]  # the end token's, too

    def to_disk(self, path: Union[str, Path]) -> None:
        """Copy the model, converted: its weights, configs and tokenizer.

        path (str or Path): The folder to copy it into.
        RAISES (XprojError): If there is no model, it cannot be converted, or another one is in that folder.
        """
        path, folder = Path(path), self._convert()
        if path.resolve() == folder:
            return
        if is_converted(path) and [p.name for p in parts(path)] != [p.name for p in parts(folder)]:
            raise InputError(path, None, "The folder holds another model. Remove it, or name another folder.")
        for file in [*folder.glob(NOTE), *parts(folder)]:  # the weights come last
            with replacing(path / file.name) as beside:
                shutil.copyfile(file, beside)

    def from_disk(self, path: Union[str, Path]) -> "CTranslate2":
        """Take the model that `to_disk` copied. It stays in that folder, and is loaded at the next use.

        path (str or Path): The folder.
        RETURNS (CTranslate2): Itself.
        RAISES (XprojError): If it is not that of a converted model.
        """
        self._use(checked_model(path))
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_family": None, "_loaded": None}
