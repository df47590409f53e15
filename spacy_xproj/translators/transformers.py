"""Translation models of Hugging Face, on the CPU or a GPU."""

from pathlib import Path
from typing import Any, Union

from ..errors import check_at_least, check_one_of
from ..models.batches import padded, run_batches
from .families import load_family
from .model_translator import Ids, Loaded, ModelTranslator
from .seq2seq import EndAt, load_weights, log_probabilities

WHO = "spacy_xproj.Transformers.v1"
DTYPES = ("auto", "float32", "float16", "bfloat16")


class TransformersTranslator(ModelTranslator):
    """`spacy_xproj.Transformers.v1`: NLLB-200, M2M100, Marian (OPUS-MT), MADLAD-400 and T5. The model is loaded at
    first use.

    model (str): The folder of the model, with its tokenizer and weights in safetensors. "": none yet (see `from_disk`).
    device (str): "cpu", "cuda", "cuda:1" ..., or "auto": a GPU if there is one.
    dtype (str): "float32", "float16", "bfloat16", or "auto": float32 on the CPU; on a GPU float16, and for T5 and
        MADLAD-400, which overflow in that, bfloat16.
    num_beams (int): Beams of the search. 1: greedy, which is faster.
    batch_tokens (int): How many tokens of source go through the model at once, with the padding. Raise it on a GPU,
        lower it where memory is short.
    length_factor (float): A translation has at most `length_factor * n + 32` tokens for a source of n tokens, and no
        more than the model can write.
    no_repeat_ngram_size (int): Never repeat a sequence of this many tokens in a translation. 0: no such rule.
    download (bool): Take a `model` that is not a folder for a name on the Hugging Face Hub, and fetch it.
    RAISES (XprojError): If a setting is out of range, or the folder is not that of a translation model.
    """

    state_name = who = WHO

    def __init__(
        self,
        model: Union[str, Path] = "",
        device: str = "auto",
        dtype: str = "auto",
        num_beams: int = 4,
        batch_tokens: int = 1024,
        length_factor: float = 2.0,
        no_repeat_ngram_size: int = 0,
        download: bool = False,
    ):
        check_one_of(WHO, DTYPES, dtype=dtype)
        check_at_least(WHO, 1, num_beams=num_beams, batch_tokens=batch_tokens)
        check_at_least(WHO, 0, length_factor=length_factor, no_repeat_ngram_size=no_repeat_ngram_size)
        self.dtype = dtype
        self.num_beams = num_beams
        self.batch_tokens = batch_tokens
        self.length_factor = length_factor
        self.no_repeat_ngram_size = no_repeat_ngram_size
        super().__init__(model, device=device, download=download)

    def output_settings(self) -> list[Any]:
        return [self._dtype(), self.num_beams, self.length_factor, self.no_repeat_ngram_size]

    def described(self) -> str:
        return f"{self.num_beams} beams, {self._dtype()}"

    def _dtype(self) -> str:
        if self.dtype != "auto":
            return self.dtype
        if self.device_name() == "cpu":
            return "float32"
        return "bfloat16" if self.kind == "t5" else "float16"

    def make(self, folder: Path, device: str) -> Loaded:
        return Loaded(load_family(folder, WHO), load_weights(folder, self._dtype(), device, WHO))

    def generate(self, loaded: Loaded, sources: list[Ids], limits: list[int], target_lang: str) -> list[Ids]:
        import torch

        family, model = loaded
        end = family.tokenizer.eos_token_id
        prefix = family.target_prefix(target_lang)
        own = {"forced_bos_token_id": prefix[0]} if prefix else {}

        def run(batch: list[int]) -> list[Ids]:
            bounds = torch.tensor([limits[i] for i in batch], device=model.device).repeat_interleave(self.num_beams)
            output = model.generate(
                **padded([sources[i] for i in batch], family.tokenizer.pad_token_id, model.device),
                num_beams=self.num_beams,
                # Without it, how far a search by beams goes depends on the other texts of the batch.
                early_stopping=self.num_beams > 1,
                do_sample=False,
                max_new_tokens=int(bounds.max()) + 1,
                no_repeat_ngram_size=self.no_repeat_ngram_size,
                logits_processor=[EndAt(bounds, end)],
                **own,
            )
            rows = [row[1:] for row in output.tolist()]
            return [row[: row.index(end)] if end in row else row for row in rows]

        return run_batches([len(ids) for ids in sources], self.batch_tokens, WHO, run)

    def score_ids(self, loaded: Loaded, sources: list[Ids], targets: list[Ids], start: int) -> list[tuple[float, int]]:
        family, model = loaded
        pad, end = family.tokenizer.pad_token_id, [family.tokenizer.eos_token_id]
        wanted = [ids + end for ids in targets]

        def run(batch: list[int]) -> list[tuple[float, int]]:
            inputs = padded([sources[i] for i in batch], pad, model.device)
            logs = log_probabilities(model, inputs, [wanted[i] for i in batch], pad)
            return [(float(row[start:].sum()), len(row) - start) for row in logs]

        return run_batches([max(len(a), len(b)) for a, b in zip(sources, wanted)], self.batch_tokens, WHO, run)
