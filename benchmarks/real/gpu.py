"""What a GPU does for links and for training: `python -m benchmarks.real.gpu`

`prepare FOLDER --weights FOLDER` makes a folder to take along: sentence pairs, and multilingual-e5-small with the
sub-words of these alone, its weights in 16 bits (some 60 MB). `measure FOLDER` needs nothing else, no network, one GPU
and less than ten minutes. Without a GPU it measures the CPU, and says so.

SimAlign's algorithm is that of the package simalign where it is installed, and the same written down here otherwise: a
sentence pair at a time, both sentences in one batch, cosines and links in numpy.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Optional

import numpy as np
import srsly

from scripts.ranker_data import DATA, gold_docs, sentence_pairs
from spacy_xproj.aligners.embed_batch import ALPHA
from spacy_xproj.aligners.embedding import EmbeddingAligner
from spacy_xproj.aligners.tuning import TuningSettings, tune
from spacy_xproj.bitext import Bitext, SentencePair
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.errors import XprojError
from spacy_xproj.files import replacing, replacing_folder
from spacy_xproj.models.pruning import Text, prune_model

from ..common import table

SETS = ("europarl/en-es", "europarl/en-de")
METHOD = "itermax"
LAYER = 6
# device, dtype, sub-words a batch
RUNS = (("cpu", "float32", 2048), ("cuda", "float32", 16384), ("cuda", "float16", 16384), ("cuda", "bfloat16", 16384))

Rows = list[set[tuple[int, int]]]


def prepare(folder: Path, weights: Path) -> None:
    """Write the folder to take along."""
    import torch
    from safetensors.torch import load_file, save_file

    pairs = [pair for name in SETS for pair in sentence_pairs(gold_docs(name)[0])]
    sides = dict.fromkeys(words for pair in pairs for words in (pair.source, pair.target))
    with replacing_folder(folder, source="benchmarks.real.gpu") as beside:
        model = beside / "encoder"
        model.mkdir()
        prune_model(weights / "e5-small", [Text(words, " ".join(words)) for words in sides], model)
        path = model / "model.safetensors"
        halves = {name: values.to(torch.float16) for name, values in load_file(path).items()}
        save_file(halves, path, {"format": "pt"})
        srsly.write_json(beside / "pairs.json", [[pair.source, pair.target] for pair in pairs])


def read_pairs(folder: Path, most: int) -> list[SentencePair]:
    rows = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
    every = max(len(rows) // most, 1)
    return [Bitext("en", tuple(a), (True,) * len(a)).pairs(tuple(b))[0] for a, b in rows[::every][:most]]


def itermax(sim: np.ndarray) -> np.ndarray:
    """SimAlign's links by two rounds of mutual best similarities (bool array as `sim`)."""

    def inter(values: np.ndarray) -> np.ndarray:
        best, back = np.zeros(values.shape, bool), np.zeros(values.shape, bool)
        best[np.arange(len(values)), values.argmax(1)] = True
        back[values.argmax(0), np.arange(values.shape[1])] = True
        return best & back

    first = inter(sim)
    rows, columns = ~first.any(1, keepdims=True), ~first.any(0, keepdims=True)
    if min(sim.shape) <= 2 or not rows.any() or not columns.any():
        return first
    weight = np.where(rows & columns, 1, ALPHA * (rows | columns)).astype(sim.dtype)
    return first | (inter(sim * weight) & (rows | columns))


def simalign(model: Path, device: str) -> tuple[str, Callable[[Sequence[SentencePair]], Rows]]:
    """What stands for SimAlign, and a function that links sentence pairs."""
    try:
        from simalign import SentenceAligner
    except ImportError:
        return "SimAlign's algorithm", plain_simalign(model, device)
    made = SentenceAligner(str(model), token_type="bpe", matching_methods="i", device=device, layer=LAYER)
    return "simalign", lambda pairs: [set(made.get_word_aligns([*p.source], [*p.target])[METHOD]) for p in pairs]


def plain_simalign(model: Path, device: str) -> Callable[[Sequence[SentencePair]], Rows]:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    encoder = AutoModel.from_pretrained(model, output_hidden_states=True, torch_dtype=torch.float32).to(device).eval()

    def link(pair: SentencePair) -> set[tuple[int, int]]:
        both = [[*pair.source], [*pair.target]]
        inputs = tokenizer(both, is_split_into_words=True, padding=True, truncation=True, return_tensors="pt")
        with torch.no_grad():
            found = encoder(**inputs.to(device)).hidden_states[LAYER]
        sides = []
        for k, vectors in enumerate(found):
            words = inputs.word_ids(k)
            own = [place for place, word in enumerate(words) if word is not None]
            rows = vectors[own].cpu().numpy().astype("f8")
            sides.append((rows / np.linalg.norm(rows, axis=1, keepdims=True), [words[place] for place in own]))
        (x, left), (y, right) = sides
        return {(left[i], right[j]) for i, j in zip(*itermax((x @ y.T + 1) / 2).nonzero())}

    return lambda pairs: [link(pair) for pair in pairs]


def timed(
    device: str, link: Callable[[Sequence[SentencePair]], Any], pairs: Sequence[SentencePair]
) -> tuple[Any, float]:
    """What a function finds, and its pairs a second: the better of two runs, after one on some pairs."""
    import torch

    link(pairs[:64])
    seconds = []
    for _ in range(2):
        start = perf_counter()
        found = link(pairs)
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(perf_counter() - start)
    return found, len(pairs) / min(seconds)


def links(folder: Path, pairs: Sequence[SentencePair], devices: Sequence[str]) -> list[dict[str, Any]]:
    """Speed and agreement of the links, an entry for each system and device."""
    model, found = folder / "encoder", []
    for device in devices:
        name, link = simalign(model, device)
        rows, speed = timed(device, link, pairs)
        found.append({"system": name, "device": device, "dtype": "float32", "speed": speed, "links": rows})
    for device, dtype, batch in RUNS:
        if device in devices:
            aligner = EmbeddingAligner(str(model), METHOD, LAYER, device=device, dtype=dtype, batch_tokens=batch)
            rows, speed = timed(device, aligner, pairs)
            sets = [set(map(tuple, each.links.tolist())) for each in rows]
            found.append({"system": "Embedding.v1", "device": device, "dtype": dtype, "speed": speed, "links": sets})
    base = next(each["links"] for each in found if each["system"] == "Embedding.v1")
    for each in found:
        rows = each.pop("links")
        each["pairs_with_other_links"] = sum(a != b for a, b in zip(rows, base))
        each["other_links"] = sum(len(a ^ b) for a, b in zip(rows, base)) / sum(map(len, base))
    return found


def training(folder: Path, pairs: Sequence[SentencePair], devices: Sequence[str], steps: int) -> list[dict[str, Any]]:
    """Seconds a step of `xproj tune`."""
    found = []
    for device in devices:
        seconds = []
        for many in (1, steps + 1):  # loading and writing are in both
            settings = TuningSettings(("so", "co"), many, LAYER, every=10 * steps)
            with tempfile.TemporaryDirectory() as out:
                start = perf_counter()
                tune(pairs, Path(out) / "tuned", folder / "encoder", settings, device=device)
                seconds.append(perf_counter() - start)
        found.append({"device": device, "steps": steps, "seconds_a_step": (seconds[1] - seconds[0]) / steps})
    return found


def measure(folder: Path, most: int, steps: int, output: Path) -> None:
    import torch

    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    pairs = read_pairs(folder, most)
    about = {
        "gpu": torch.cuda.get_device_name() if "cuda" in devices else None,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "pairs": len(pairs),
        "layer": LAYER,
        "method": METHOD,
    }
    found = {**about, "links": links(folder, pairs, devices), "training": training(folder, pairs, devices, steps)}
    output.mkdir(parents=True, exist_ok=True)
    with replacing(output / "gpu.json") as beside:
        srsly.write_json(beside, found)
    print(report(found))


def report(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    speeds = {(each["system"], each["device"], each["dtype"]): each["speed"] for each in found["links"]}
    base = found["links"][0]["speed"]
    rows = [
        [
            *key,
            f"{speed:.1f}",
            f"{speed / base:.2f}",
            each["pairs_with_other_links"],
            f"{each['other_links']:.2%}",
        ]
        for (key, speed), each in zip(speeds.items(), found["links"])
    ]
    where = found["gpu"] or "no GPU here: the CPU alone was measured"
    return "\n\n".join(
        [
            f"{found['pairs']} sentence pairs, layer {found['layer']}, {found['method']}; {where}; "
            f"{found['threads']} CPU threads; torch {found['torch']}. Other links: than `Embedding.v1` on the CPU.",
            table(
                ["system", "device", "dtype", "pairs a second", "times", "pairs with other links", "other links"], rows
            ),
            table(
                ["training: `xproj tune`", "steps", "seconds a step"],
                [[each["device"], each["steps"], f"{each['seconds_a_step']:.3f}"] for each in found["training"]],
            ),
        ]
    )


@handle_errors
def main(args: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("prepare", help="make the folder to take along")
    first.add_argument("folder", type=Path)
    first.add_argument("--weights", type=Path, default=Path("weights"), help="what `make weights` made")
    second = commands.add_parser("measure", help="measure with it")
    second.add_argument("folder", type=Path)
    second.add_argument("--pairs", type=int, default=1598, help="at most so many sentence pairs")
    second.add_argument("--steps", type=int, default=50, help="of training")
    second.add_argument("--output", type=Path, default=Path("metrics") / "gpu")
    given = parser.parse_args(args)
    if given.command == "measure":
        measure(given.folder, given.pairs, given.steps, given.output)
    elif not DATA.exists():
        raise XprojError(f"There is no data folder {DATA}. Set XPROJ_DATA.")
    else:
        prepare(given.folder, given.weights)


if __name__ == "__main__":
    main()
