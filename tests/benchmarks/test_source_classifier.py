"""The English token classifier of the benchmarks: trained on what frozen layers give, it is an ordinary model."""

import torch
import transformers
from spacy.tokens import Doc, Span

from benchmarks.source_classifier import TAGS, UNTOLD, new_model, rows, through, train
from benchmarks.source_ner import EN
from spacy_xproj.models.folder import LOCAL
from tests.aligners.tiny_encoders import make_encoder


def docs():
    found = []
    for words, spans in ((["Ana", "lives", "in", "New", "Rome"], [(0, 1, "PER"), (3, 5, "LOC")]), (["No", "one"], [])):
        doc = Doc(EN.vocab, words=words)
        doc.set_ents([Span(doc, *span) for span in spans], default="outside")
        found.append(doc)
    return found


def test_training_on_what_frozen_layers_give(tmp_path):
    folder = make_encoder(tmp_path / "tiny", "bert")
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), use_fast=True, **LOCAL)
    model = new_model(folder, 0)
    data = rows(model, tokenizer, docs(), 2)
    tags = [TAGS[tag] for tag in data[0].tags if tag != UNTOLD]
    assert tags == ["B-PER", "O", "O", "B-LOC", "I-LOC"]
    with torch.no_grad():
        whole = model(input_ids=torch.tensor([data[0].ids])).logits
        state = through(model, data[0].hidden[None], torch.ones(1, len(data[0].ids)).long(), 2, 99)
        assert torch.allclose(model.classifier(state), whole, atol=1e-5)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    train(model, data, frozen=2, epochs=2, seed=0)
    changed = {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}
    assert changed and all("layer.2" in name or "layer.3" in name or "classifier" in name for name in changed)
    again = new_model(folder, 0)
    train(again, rows(again, tokenizer, docs(), 2), frozen=2, epochs=2, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))
