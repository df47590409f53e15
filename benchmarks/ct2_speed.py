"""Speed of translation on a CPU: `python -m benchmarks.ct2_speed [--size nllb-600m|small] [--sentences N] [--beams N]`

A model of the shape of NLLB-200-distilled-600M with random weights, which take as long as trained ones, and a tokenizer
trained on the spot on news text (NTREX). Random weights do not end a sentence in time. So all systems are made to write
as many tokens as the source has, rounded up to 16, and at most 64. A plain batch writes as many for all as for the
longest, as it also would if the others had ended; what is over is not counted.

Tokens a second are tokens wanted by seconds: on the clock, and of CPU time, which other programs on the machine disturb
less. The systems take turns, and the best time of each counts.
"""

import argparse
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from scripts.ranker_data import DATA
from spacy_xproj.translators.ctranslate import CTranslate2
from spacy_xproj.translators.transformers import TransformersTranslator

from .common import table

SIZES = {
    "nllb-600m": {"vocab_size": 256206, "d_model": 1024, "layers": 12, "ffn": 4096, "heads": 16},
    "small": {"vocab_size": 32000, "d_model": 256, "layers": 3, "ffn": 1024, "heads": 4},
}
STEP, MOST = 16, 64
ALONE = 8  # sentences for the slowest system
SOURCE, TARGET = "eng_Latn", "spa_Latn"


def wanted(source: Sequence[int]) -> int:
    """How many tokens are to be written for a source."""
    return min(-(-len(source) // STEP) * STEP, MOST)


class Wanted:
    """Writes as much as is wanted."""

    step = STEP

    def _limit(self, family: Any, source: list[int]) -> int:
        return wanted(source)

    def _generate(self, *args: Any) -> list[list[int]]:
        outputs = super()._generate(*args)  # type: ignore[misc]
        assert [len(ids) for ids in outputs] == [wanted(ids) for ids in args[2]]
        return outputs


class Transformers(Wanted, TransformersTranslator):
    pass


class Fast(Wanted, CTranslate2):
    pass


def build(folder: Path, size: str, texts: Sequence[str]) -> Path:
    """A Hugging Face model with random weights."""
    import sentencepiece
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizerFast

    folder.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_prefix=str(folder / "sentencepiece.bpe"),
        model_type="bpe",
        vocab_size=8000,
        minloglevel=2,
    )
    tokenizer = NllbTokenizerFast(str(folder / "sentencepiece.bpe.model"), model_max_length=1024)
    shape = SIZES[size]
    sides = {
        f"{side}_{name}": shape[value]
        for side in ("encoder", "decoder")
        for name, value in (("layers", "layers"), ("ffn_dim", "ffn"), ("attention_heads", "heads"))
    }
    config = M2M100Config(
        vocab_size=shape["vocab_size"], d_model=shape["d_model"], scale_embedding=True, max_length=200, **sides
    )
    torch.manual_seed(0)
    model = M2M100ForConditionalGeneration(config).eval()
    with torch.no_grad():
        model.model.shared.weight[tokenizer.eos_token_id] = 0  # the end token never comes by itself
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    return folder


class Plain:
    """The usual loop: one batch after another, as the texts come."""

    def __init__(self, folder: Path, beams: int):
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder, src_lang=SOURCE)
        self.model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
        self.beams = beams

    def __call__(self, texts: Sequence[str], batch_size: int) -> list[str]:
        import torch

        out = []
        for start in range(0, len(texts), batch_size):
            inputs = self.tokenizer(list(texts[start : start + batch_size]), return_tensors="pt", padding=True)
            length = wanted(inputs["input_ids"][0])  # of the longest
            with torch.inference_mode():
                ids = self.model.generate(
                    **inputs,
                    forced_bos_token_id=self.tokenizer.convert_tokens_to_ids(TARGET),
                    num_beams=self.beams,
                    min_new_tokens=length,
                    max_new_tokens=length,
                )
            assert ids.shape[1] == length + 1
            out += self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return out

    def tokens(self, texts: Sequence[str]) -> int:
        return sum(wanted(ids) for ids in self.tokenizer(list(texts))["input_ids"])


def systems(folder: Path, plain: Plain, texts: Sequence[str], threads: int) -> Iterator[tuple[str, int, Callable]]:
    """The name, the number of sentences and the work of each."""
    beams = plain.beams
    few = texts[:ALONE]
    yield "plain loop, one text at a time", len(few), lambda: plain(few, 1)
    yield "plain loop, batches of 8", len(texts), lambda: plain(texts, 8)
    ours: list[tuple[str, Any]] = [
        ("Transformers.v1", Transformers(folder, device="cpu", num_beams=beams)),
        ("CTranslate2.v1, float32", Fast(folder, compute_type="float32", beam_size=beams, threads=threads)),
        ("CTranslate2.v1, int8", Fast(folder, compute_type="int8", beam_size=beams, threads=threads)),
    ]
    for name, translator in ours:
        translator(texts[:1], SOURCE, TARGET)  # loads, and converts
        yield name, len(texts), lambda translator=translator: translator(texts, SOURCE, TARGET)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=SIZES, default="nllb-600m")
    parser.add_argument("--sentences", type=int, default=32)
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=2)
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # that random translations are too long, and loops
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import torch

    torch.set_num_threads(args.threads)
    lines = {lang: (DATA / "ntrex" / f"{lang}.txt").read_text(encoding="utf8").splitlines() for lang in ("eng", "spa")}
    texts = lines["eng"][: args.sentences]
    with tempfile.TemporaryDirectory() as parent:
        folder = build(Path(parent) / "model", args.size, lines["eng"] + lines["spa"])
        plain = Plain(folder, args.beams)
        todo = list(systems(folder, plain, texts, args.threads))
        best: dict[str, tuple[float, float]] = {}
        for _ in range(args.runs):
            for name, _count, work in todo:
                start = perf_counter(), process_time()
                work()
                spent = perf_counter() - start[0], process_time() - start[1]
                best[name] = tuple(map(min, spent, best.get(name, spent)))  # type: ignore[assignment]
        rates = {name: [plain.tokens(texts[:count]) / seconds for seconds in best[name]] for name, count, _ in todo}
    base = rates["plain loop, batches of 8"]
    rows = [
        [name, count, *(f"{cell:.1f}" for pair in zip(rates[name], base) for cell in (pair[0], pair[0] / pair[1]))]
        for name, count, _ in todo
    ]
    print(f"\n## Translation, {args.size}, random weights, {args.beams} beams, {args.threads} threads\n")
    header = ["system", "sentences", "tokens/s", "times as fast", "tokens/CPU s", "times as fast"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
