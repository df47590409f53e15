"""An English token classifier (PER, LOC, ORG) from an encoder, for benchmarks that project predicted labels:
`python -m benchmarks.source_classifier weights/e5-small weights/uner-{seed}`

It learns from UNER English. The embeddings and the lower layers stay as they are: what they give is computed once, and
the upper layers and the head are trained on it, a seed in minutes on one core. What is written is an ordinary folder of
Hugging Face, which `--source-model` of `xproj pair`, `translate` and `init` takes.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from spacy.tokens import Doc

from spacy_xproj.evaluate.bootstrap import counts, f1
from spacy_xproj.files import replacing_folder
from spacy_xproj.models.batches import padded, token_batches
from spacy_xproj.models.folder import LOCAL, loading
from spacy_xproj.models.subwords import cut, ready
from spacy_xproj.runs.source_labels import SourceLabeler
from spacy_xproj.runs.split import is_dev

from .common import table
from .source_ner import EN, LABELS, SHARE, TEXTS, english, plain

WHO = "benchmarks.source_classifier"
TAGS = ("O", *(f"{side}-{label}" for label in LABELS for side in "BI"))
UNTOLD = -100  # of sub-words that the loss leaves out: all but the first of each word, as TokenClassifier.v1 reads them
BATCH = 512  # sub-words
RATE = 2e-4


class Row(NamedTuple):
    """A sentence: its sub-words, the tag of each (a place in `TAGS`, or `UNTOLD`), and what the lower layers give."""

    ids: tuple[int, ...]
    tags: list[int]
    hidden: torch.Tensor


def new_model(encoder: Path, seed: int) -> Any:
    """A token classifier over an encoder, with a head of random weights."""
    torch.manual_seed(seed)
    names = {"id2label": dict(enumerate(TAGS)), "label2id": {tag: k for k, tag in enumerate(TAGS)}}
    with loading(WHO, encoder, "the CPU"):
        return transformers.AutoModelForTokenClassification.from_pretrained(str(encoder), **names, **LOCAL).eval()


def rows(model: Any, tokenizer: Any, docs: Sequence[Doc], frozen: int) -> list[Row]:
    """Docs as sub-words with their tags, and the output of the frozen layers for each."""
    loaded = ready(model, tokenizer, Path(), WHO)
    found = []
    for doc in docs:
        words = [token for token in doc if not token.is_space]
        part = cut(loaded, [token.text for token in words], 0, 0, WHO, Path())
        tags = [UNTOLD] * len(part.inputs[0])
        for word, first in zip(*np.unique(part.words, return_index=True)):
            if not part.window[first]:
                token = words[word]
                tags[part.position[first]] = TAGS.index(
                    f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O"
                )
        found.append((part.inputs[0], tags))
    hidden: dict[int, torch.Tensor] = {}
    with torch.inference_mode():
        for batch in token_batches([len(ids) for ids, _ in found], 4096):
            given = padded([found[k][0] for k in batch], loaded.pad, "cpu")
            state = model.base_model.embeddings(input_ids=given["input_ids"])
            state = through(model, state, given["attention_mask"], 0, frozen)
            hidden |= {k: state[place, : len(found[k][0])].clone() for place, k in enumerate(batch)}
    return [Row(*each, hidden[k]) for k, each in enumerate(found)]


def through(model: Any, state: torch.Tensor, mask: torch.Tensor, first: int, last: int) -> torch.Tensor:
    """Take hidden states through some layers of an encoder of BERT's kind."""
    extended = model.base_model.get_extended_attention_mask(mask, mask.shape)
    for layer in model.base_model.encoder.layer[first:last]:
        state = layer(state, attention_mask=extended)[0]
    return state


def train(model: Any, data: Sequence[Row], frozen: int, epochs: int, seed: int) -> None:
    """Train the upper layers and the head, in place."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    weights = [*model.base_model.encoder.layer[frozen:].parameters(), *model.classifier.parameters()]
    optimizer = torch.optim.AdamW(weights, RATE)
    batches = token_batches([len(row.ids) for row in data], BATCH)
    schedule = transformers.get_linear_schedule_with_warmup(
        optimizer, len(batches) * epochs // 10, len(batches) * epochs
    )
    model.train()
    for _ in range(epochs):
        for k in rng.permutation(len(batches)):
            some = [data[i] for i in batches[k]]
            state = torch.nn.utils.rnn.pad_sequence([row.hidden.clone() for row in some], batch_first=True)
            mask = torch.tensor([[n < len(row.ids) for n in range(state.shape[1])] for row in some]).long()
            tags = torch.tensor([row.tags + [UNTOLD] * (state.shape[1] - len(row.tags)) for row in some])
            logits = model.classifier(model.dropout(through(model, state, mask, frozen, 10**6)))
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tags.flatten(), ignore_index=UNTOLD)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("out", help="the folder to write, with {seed} in its name")
    parser.add_argument("--frozen", type=int, default=10, help="how many layers stay as they are")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    docs = english(TEXTS[0])
    parts = [[doc for doc in docs if is_dev(doc.text, SHARE) == dev] for dev in (False, True)]
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(args.encoder), use_fast=True, **LOCAL)
    data: list[Row] = []
    scores = []
    for seed in range(args.seeds):
        model = new_model(args.encoder, seed)
        data = data or rows(model, tokenizer, parts[0], args.frozen)
        train(model, data, args.frozen, args.epochs, seed)
        out = Path(args.out.format(seed=seed))
        with replacing_folder(out) as beside:
            model.save_pretrained(beside, safe_serialization=True)
            transformers.AutoTokenizer.from_pretrained(str(args.encoder), use_fast=True, **LOCAL).save_pretrained(
                beside
            )
        found = list(SourceLabeler(out, "en")(plain(doc, EN) for doc in parts[1]))
        scores.append([str(out), f"{float(f1(counts(found, parts[1]))):.3f}"])
    print(table(["classifier", "F1 on the part of UNER that it did not learn from"], scores))


if __name__ == "__main__":
    main()
