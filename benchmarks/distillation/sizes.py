"""Study 3: the size and the speed of students against their F1."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc

from benchmarks.common import best_of
from benchmarks.source_ner import plain
from spacy_xproj.files import file_hash, replacing, text_hash

from .data import news, shipped_setting
from .labels import soft, teacher
from .routes import PROJECTION, figures, students, together, trained
from .training import Bench

WIDTH, DEPTH = "components.tok2vec.model.encode.width", "components.tok2vec.model.encode.depth"
# name: width, depth, thousands of rows of the hashed embeddings, and steps as a share of the usual number
SIZES: dict[str, tuple[int, int, float, float]] = {
    "32 wide, 1 deep": (32, 1, 0.25, 1),
    "64 wide, 2 deep": (64, 2, 0.5, 1),
    "96 wide, 4 deep (the config)": (96, 4, 1, 1),
    "160 wide, 4 deep": (160, 4, 2, 0.75),
    "256 wide, 6 deep": (256, 6, 4, 0.5),
    "384 wide, 6 deep": (384, 6, 8, 0.5),
}
SHARES = (5000, 1000, 2500, 2500)  # rows of the config
TRANSFORMER, TEACHER = "transformer, 128 wide, 3 deep, random weights", "the teacher"
TRANSFORMER_STEPS = 2
SENTENCES = 300  # of the text that is timed
LAYERS, HIDDEN, VOCAB = 3, 128, 4000


def study(bench: Bench) -> dict[str, Any]:
    setting = shipped_setting("es").cut(bench.limit)
    tests = {name: (bench.put(docs), labels) for name, (docs, labels) in setting.tests.items()}
    first = trained(
        bench,
        {PROJECTION: students(bench, setting, PROJECTION, bench.put(setting.projected), tests, "gold", keep=True)},
    )
    models = [each.model for each in first[PROJECTION]]
    text = [*setting.raw, *setting.more]
    data = soft(bench, setting.lang, text, {"projections": models})
    jobs = {
        name: students(bench, setting, f"size, {name}", data, tests, "soft", keep=True, **changes)
        for name, changes in sizes(bench, text).items()
    }
    rows = []
    for name, some in trained(bench, jobs).items():
        each = np.stack([x.counts["test"] for x in some])
        steps = jobs[name][0].settings["training.max_steps"]
        rows.append(row(bench, name, each, some[0].parameters, steps, [some[0].model], lambda m: spacy.load(m[0])))
        rows[-1]["seconds"], rows[-1]["loss"] = [x.seconds for x in some], [x.loss for x in some]
    made = lambda some: teacher(setting.lang, {"projections": some}, annotate_ents=True)  # noqa: E731
    each = together(setting, {"projections": models})["test"]
    total = sum(x.parameters for x in first[PROJECTION])
    rows.append(row(bench, TEACHER, each, total, bench.steps, models, made))
    for key in ("words_a_second", "parameters"):
        sign = -1 if key == "parameters" else 1
        front = pareto([(sign * x[key], x["f1"]) for x in rows])
        for k, x in enumerate(rows):
            x[f"front_{key}"] = k in front
    return {"sizes": rows, "sentences": min(bench.limit or SENTENCES, SENTENCES)}


def row(
    bench: Bench,
    name: str,
    each: np.ndarray,
    weights: int,
    steps: int,
    models: Sequence[str],
    load: Callable[[Sequence[str]], Language],
) -> dict[str, Any]:
    return {
        "name": name,
        "parameters": weights,
        "steps": steps,
        "words_a_second": speed(bench, models, load),
        **figures(each),
    }


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """The points that no other point beats: none is as good in both and better in one. Indices, in order.

    points (sequence of (float, float)): More is better in both.
    """
    beats = lambda a, b: a[0] >= b[0] and a[1] >= b[1] and a != b  # noqa: E731
    return [k for k, point in enumerate(points) if not any(beats(other, point) for other in points)]


def sizes(bench: Bench, text: Sequence[Doc]) -> dict[str, dict[str, Any]]:
    """Changes of the config by the student's name."""
    found: dict[str, dict[str, Any]] = {}
    for name, (width, depth, rows, share) in SIZES.items():
        found[name] = {
            WIDTH: width,
            DEPTH: depth,
            "components.tok2vec.model.embed.rows": [int(rows * n) for n in SHARES],
            "training.max_steps": max(int(share * bench.steps), 1),
        }
    steps = max(int(TRANSFORMER_STEPS * bench.steps), 1)
    found[TRANSFORMER] = {
        "config": "student_trf.cfg",
        "paths.transformer": str(transformer(bench, text)),
        "system.gpu_allocator": None,
        "initialize.after_init": None,  # random weights are not frozen
        "training.max_steps": steps,
        "training.optimizer.learn_rate": {
            "@schedules": "warmup_linear.v1",
            "warmup_steps": max(steps // 10, 1),
            "total_steps": steps,
            "initial_rate": 0.0005,
        },
    }
    return found


def transformer(bench: Bench, text: Sequence[Doc]) -> Path:
    """A BERT with random weights, and a sub-word tokenizer trained on the text."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = [[t.text for t in doc] for doc in text]
    folder = bench.work / "transformers" / text_hash(repr((words, LAYERS, HIDDEN, VOCAB)))[:24]
    if folder.exists():
        return folder
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=VOCAB, special_tokens=special, show_progress=False)
    made.train_from_iterator([" ".join(some) for some in words], trainer)
    ends = [(token, made.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    torch.manual_seed(0)
    model = BertModel(
        BertConfig(
            vocab_size=made.get_vocab_size(),
            hidden_size=HIDDEN,
            num_hidden_layers=LAYERS,
            num_attention_heads=4,
            intermediate_size=4 * HIDDEN,
            max_position_embeddings=512,
        )
    )
    beside = folder.with_name("new")
    model.save_pretrained(beside)
    BertTokenizerFast(tokenizer_object=made, do_lower_case=False, model_max_length=512).save_pretrained(beside)
    beside.rename(folder)
    return folder


def speed(bench: Bench, models: Sequence[str], load: Callable[[Sequence[str]], Language]) -> float:
    """Words a second on one thread: of CPU time, which what else the machine does changes little. The best of three
    runs over the same text, after one to warm up. Kept, so that a second run gives the same figures."""
    docs = news("es")[: min(bench.limit or SENTENCES, SENTENCES)]
    text = bench.put(docs)
    note = bench.work / "speed" / f"{text_hash(repr([file_hash(model) for model in models] + [text]))[:24]}.json"
    if not note.exists():
        import torch

        torch.set_num_threads(1)
        nlp = load(models)
        work = lambda: list(nlp.pipe([plain(doc, nlp) for doc in docs]))  # noqa: E731
        work()
        seconds = best_of(3, work, time.process_time)
        with replacing(note) as beside:
            srsly.write_json(beside, {"words": sum(map(len, docs)), "seconds": seconds})
    found = srsly.read_json(note)
    return found["words"] / found["seconds"]
