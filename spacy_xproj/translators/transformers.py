"""Translation models of Hugging Face, on the CPU or a GPU."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional, Union

from ..compat import require
from ..errors import XprojError
from ..files import file_hash, text_hash
from ..models.batches import padded, running, token_batches
from ..models.folder import FILES, FilesOnly, copy_model, model_files
from ..ty import Translation
from .checks import looping, warn_about
from .families import EXTRA, Family, load_family, read_config
from .seq2seq import (
    EndAt,
    checked_folder,
    given_ids,
    load_weights,
    log_probabilities,
    source_ids,
)

WHO = "spacy_xproj.Transformers.v1"
EXTRA_LENGTH = 32  # tokens, on top of length_factor times the source
DTYPES = ("auto", "float32", "float16", "bfloat16")


def make_transformers(
    model: str = "",
    device: str = "auto",
    dtype: str = "auto",
    num_beams: int = 4,
    batch_tokens: int = 1024,
    length_factor: float = 2.0,
    no_repeat_ngram_size: int = 0,
    download: bool = False,
) -> "TransformersTranslator":
    """Maker of `spacy_xproj.Transformers.v1`: NLLB-200, M2M100, Marian (OPUS-MT), MADLAD-400 and T5.

    model (str): The folder of the model, with its tokenizer and weights in safetensors. "": none yet (see `from_disk`).
    device (str): "cpu", "cuda", "cuda:1" ..., or "auto": a GPU if there is one.
    dtype (str): "float32", "float16", "bfloat16", or "auto": float32 on the CPU; on a GPU float16, and for T5 and
        MADLAD-400, which overflow in that, bfloat16.
    num_beams (int): Beams of the search. 1: greedy, which is faster.
    batch_tokens (int): How many tokens of source go through the model at once, with the padding. Raise it on a GPU,
        lower it where memory is short.
    length_factor (float): A translation has at most `length_factor * n + 32` tokens for a source of n tokens, and no
        more than the model can write.
    no_repeat_ngram_size (int): No sequence of so many tokens comes twice in a translation. 0: no such rule.
    download (bool): Take a `model` that is not a folder for a name on the Hugging Face Hub, and fetch it at first use.
    RETURNS (TransformersTranslator): The translator.
    """
    return TransformersTranslator(
        model,
        device=device,
        dtype=dtype,
        num_beams=num_beams,
        batch_tokens=batch_tokens,
        length_factor=length_factor,
        no_repeat_ngram_size=no_repeat_ngram_size,
        download=download,
    )


class TransformersTranslator(FilesOnly):
    """A translator by a sequence-to-sequence model, which is loaded at first use.

    Each text is translated by itself: which texts go through the model together changes nothing but the rounding of
    sums, the limit of its length included.

    The arguments are those of `make_transformers`.
    RAISES (XprojError): If a setting is out of range, or the folder is not that of a translation model.
    """

    def __init__(
        self,
        model: Union[str, Path] = "",
        *,
        device: str = "auto",
        dtype: str = "auto",
        num_beams: int = 4,
        batch_tokens: int = 1024,
        length_factor: float = 2.0,
        no_repeat_ngram_size: int = 0,
        download: bool = False,
    ):
        if not re.fullmatch("auto|cpu|cuda(:[0-9]+)?", device):
            raise XprojError(f"{WHO}: expected the device 'auto', 'cpu', 'cuda' or such as 'cuda:1', got {device!r}.")
        if dtype not in DTYPES:
            raise XprojError(f"{WHO}: expected one of the dtypes {', '.join(map(repr, DTYPES))}, got {dtype!r}.")
        least = {"num_beams": 1, "batch_tokens": 1, "length_factor": 0, "no_repeat_ngram_size": 0}
        for name, bound in least.items():
            if locals()[name] < bound:
                raise XprojError(f"{WHO}: {name} must be at least {bound}, got {locals()[name]}.")
        self.model = str(model)
        self.device = device
        self.dtype = dtype
        self.num_beams = num_beams
        self.batch_tokens = batch_tokens
        self.length_factor = length_factor
        self.no_repeat_ngram_size = no_repeat_ngram_size
        self.download = download
        fetch = download and not Path(self.model).is_dir()
        self._use(checked_folder(self.model, WHO).resolve() if self.model and not fetch else None)

    def _use(self, folder: Optional[Path]) -> None:
        self._folder = folder
        self._hash = ""
        self._loaded: Optional[tuple[Family, Any]] = None
        self._pid = os.getpid()

    @property
    def folder(self) -> Path:
        """The model's folder (Path), fetched if that was asked for."""
        if self._folder is None and not self.model:
            raise XprojError(f"{WHO} has no model. Set 'model' to the folder of one, or load it with from_disk.")
        if self._folder is None:
            hub = require("huggingface_hub", WHO, EXTRA)
            try:
                self._folder = checked_folder(hub.snapshot_download(self.model, allow_patterns=list(FILES)), WHO)
            except (OSError, hub.errors.HFValidationError) as err:  # also those of the network
                raise XprojError(
                    f"{WHO} cannot fetch the model {self.model!r} ({type(err).__name__}: {err}). Give the name of a "
                    "model on the Hugging Face Hub, or the folder of one."
                ) from err
        return self._folder

    @property
    def key(self) -> str:
        """What translations are filed under: the content of the model's files and the settings that change the output,
        as a hash (str)."""
        if not self._hash:
            files = model_files(self.folder)
            self._hash = text_hash("".join(f"{path.name}\0{file_hash(path)}\n" for path in files))
        names = ("num_beams", "length_factor", "no_repeat_ngram_size")
        settings = [self._hash, self._dtype(), *(getattr(self, name) for name in names)]
        return f"{WHO}:{text_hash(json.dumps(settings))[:32]}"

    @property
    def provenance(self) -> str:
        """The kind of model, the settings and the start of the key (str)."""
        if self._folder is None:
            return f"{WHO} ({self.model or 'without a model'})"
        kind = read_config(self._folder, WHO)["model_type"]
        return f"{WHO} ({kind}, {self.num_beams} beams, {self._dtype()}, {self.key.split(':')[-1][:12]})"

    def _device(self) -> str:
        torch = require("torch", WHO, EXTRA)
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        count = torch.cuda.device_count() if self.device != "cpu" else 0
        if self.device != "cpu" and int(self.device.partition(":")[2] or 0) >= count:
            raise XprojError(
                f"{WHO}: the device {self.device!r} is not there: torch {torch.__version__} sees {count} GPUs. "
                "Set 'device' to another one, to 'cpu' or to 'auto'."
            )
        return self.device

    def _dtype(self) -> str:
        if self.dtype != "auto":
            return self.dtype
        if self._device() == "cpu":
            return "float32"
        return "bfloat16" if read_config(self.folder, WHO)["model_type"] == "t5" else "float16"

    def _load(self) -> tuple[Family, Any]:
        """The tokenizer and the weights, loaded by the first call in each process."""
        torch = require("torch", WHO, EXTRA)
        if os.getpid() != self._pid:  # a fork
            if self._loaded and self._loaded[1].device.type == "cuda":
                raise XprojError(
                    f"{WHO}: a model that is on a GPU cannot be used by a forked process. Run with one process "
                    "(n_process = 1), or do not use the translator before the processes start."
                )
            torch.set_num_threads(1)  # the parent's threads are not there, and OpenMP would wait for them
            self._pid = os.getpid()
        if self._loaded is None:
            family = load_family(self.folder, WHO)
            self._loaded = family, load_weights(self.folder, self._dtype(), self._device(), WHO)
        return self._loaded

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
            family, model = self._load()
            family.check(source_lang, target_lang)
            sources = source_ids(family, distinct, source_lang, target_lang)
            limits = [self._limit(family, ids) for ids in sources]
            cut_off = []
            for batch in token_batches([len(ids) for ids in sources], self.batch_tokens):
                rows = [sources[i] for i in batch]
                bounds = [limits[i] for i in batch]
                outputs = self._generate(model, family, rows, bounds, target_lang)
                found.update(zip([distinct[i] for i in batch], family.decode(outputs)))
                cut_off += [distinct[i] for i, ids, limit in zip(batch, outputs, bounds) if len(ids) >= limit]
            total = len(distinct)
            warn_about(cut_off, total, f"have a translation as long as {WHO} allows, which may be cut off")
            loops = [text for text in distinct if looping(found[text]) and not looping(text)]
            warn_about(loops, total, f"have a translation by {WHO} that repeats itself over and over at its end")
        return [Translation(found.get(text, "")) for text in texts]

    def _limit(self, family: Family, source: list[int]) -> int:
        """How many tokens a translation may have, without start and end token."""
        return min(int(self.length_factor * len(source)) + EXTRA_LENGTH, family.max_length - 2)

    def _generate(
        self, model: Any, family: Family, sources: list[list[int]], limits: list[int], target_lang: str
    ) -> list[list[int]]:
        """The ids that the model writes for each source, from after its start token to before its end token."""
        import torch

        end = family.tokenizer.eos_token_id
        prefix = family.target_prefix(target_lang)
        own = {"forced_bos_token_id": prefix[0]} if prefix else {}
        bounds = torch.tensor(limits, device=model.device).repeat_interleave(self.num_beams)
        with running(WHO, self.batch_tokens):
            output = model.generate(
                **padded(sources, family.tokenizer.pad_token_id, model.device),
                num_beams=self.num_beams,
                # Without it, how far a search by beams goes depends on the other texts of the batch.
                early_stopping=self.num_beams > 1,
                do_sample=False,
                max_new_tokens=max(limits) + 1,
                no_repeat_ngram_size=self.no_repeat_ngram_size,
                logits_processor=[EndAt(bounds, end)],
                **own,
            )
        rows = [row[1:] for row in output.tolist()]
        return [row[: row.index(end)] if end in row else row for row in rows]

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
        family, model = self._load()
        family.check(source_lang, target_lang)
        pad = family.tokenizer.pad_token_id
        start, end = len(family.target_prefix(target_lang)), [family.tokenizer.eos_token_id]
        rows = source_ids(family, sources, source_lang, target_lang)
        wanted = [ids + end for ids in given_ids(family, targets, target_lang)]
        found: dict[int, tuple[float, int]] = {}
        lengths = [max(len(a), len(b)) for a, b in zip(rows, wanted)]
        for batch in token_batches(lengths, self.batch_tokens):
            with running(WHO, self.batch_tokens):
                inputs = padded([rows[i] for i in batch], pad, model.device)
                logs = log_probabilities(model, inputs, [wanted[i] for i in batch], pad)
            for i, row in zip(batch, logs):
                counted = row[start:]
                found[i] = float(counted.sum()), len(counted)
        return [found[i] for i in range(len(sources))]

    def to_disk(self, path: Union[str, Path]) -> None:
        """Copy the model: its weights, configs and tokenizer.

        path (str or Path): The folder to copy it into.
        RAISES (XprojError): If there is no model, or other weights are in that folder.
        """
        path, files = Path(path), model_files(self.folder)
        if path.resolve() != self.folder.resolve():
            copy_model(files, path)

    def from_disk(self, path: Union[str, Path]) -> "TransformersTranslator":
        """Take the model that `to_disk` copied. It stays in that folder, and is loaded at the next use.

        path (str or Path): The folder.
        RETURNS (TransformersTranslator): Itself.
        RAISES (XprojError): If it is not that of a translation model.
        """
        self._use(checked_folder(path, WHO).resolve())
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._pid = os.getpid()
