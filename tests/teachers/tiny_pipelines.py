"""Tiny spaCy pipelines with entities, trained on the spot."""

import random

import spacy
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed

TRAIN = [
    ("Ana lives in Rome", [(0, 1, "PER"), (3, 4, "LOC")]),
    ("Ana Torres saw New York", [(0, 2, "PER"), (3, 5, "LOC")]),
    ("we saw Leo in Paris", [(2, 3, "PER"), (4, 5, "LOC")]),
    ("Rome is near", [(0, 1, "LOC")]),
    ("a dog saw Leo Torres", [(3, 5, "PER")]),
    ("New York is far", [(0, 2, "LOC")]),
    ("the dog is near", []),
]
TOK2VEC = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "width": 16,
    "depth": 1,
    "embed_size": 100,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
    "pretrained_vectors": None,
}
NER = {"model": {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner", "hidden_width": 16}}


def examples(nlp, names=None):
    """Examples of the sentences; `names` renames the labels."""
    out = []
    for text, spans in TRAIN:
        words = text.split()
        gold = Doc(nlp.vocab, words=words)
        gold.ents = [spacy.tokens.Span(gold, a, b, label=(names or {}).get(kind, kind)) for a, b, kind in spans]
        out.append(Example(Doc(nlp.vocab, words=words), gold))
    return out


def make_ner(folder, *, seed=0, steps=25, lang="en", shared=False, names=None):
    """A pipeline with a trained `ner`, saved.

    shared (bool): The ner listens to a tok2vec component.
    """
    fix_random_seed(seed)
    nlp = spacy.blank(lang)
    tok2vec = TOK2VEC
    if shared:
        nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
        tok2vec = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16, "upstream": "tok2vec"}
    nlp.add_pipe("ner", config={"model": {**NER["model"], "tok2vec": tok2vec}})
    return trained(nlp, folder, seed, steps, names)


def make_student(folder, *, seed=0, steps=25):
    """A pipeline with a trained `xproj_student`, saved."""
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    nlp.add_pipe("xproj_student", config={"targets": "gold", "model": {"tok2vec": TOK2VEC}})
    return trained(nlp, folder, seed, steps)


def trained(nlp, folder, seed, steps, names=None):
    data = examples(nlp, names)
    optimizer = nlp.initialize(lambda: data)
    optimizer.learn_rate = 0.01
    rng = random.Random(seed)
    for _ in range(steps):
        rng.shuffle(data)
        nlp.update(data, sgd=optimizer)
    nlp.to_disk(folder)
    return folder
