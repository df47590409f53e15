"""Batches of texts for a transformer."""

import pytest
import spacy
from spacy.training import Example

from spacy_xproj.shipped import read_config, shipped_configs
from spacy_xproj.students.batching import make_subword_length


def examples(texts):
    nlp = spacy.blank("en")
    return [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in texts]


def test_a_web_address_is_long():
    url = "http://example.org/" + "a1b2c3d4" * 50
    lengths = [*map(make_subword_length(), examples([url, "one", "Ana lives in Rome ."]))]
    assert lengths == [len(url) // 4, 1, 5]


@pytest.mark.parametrize("config, size", [("ner_trf", 2000), ("student_trf", 1000)])
def test_no_batch_is_padded_far(config, size):
    """By the number of words all texts of one word are one batch, and each is padded to the address."""
    url = "http://example.org/" + "a1b2c3d4" * 50
    some = examples([url, *["yes"] * 200])
    training = read_config(shipped_configs()[config])["training"]
    resolved = spacy.registry.resolve({"batcher": training["batcher"]})
    batches = [*resolved["batcher"](some)]
    longest = [max(len(eg.reference.text) for eg in batch) * len(batch) for batch in batches]
    assert sum(map(len, batches)) == 201 and max(longest) < 4 * size + 500
