"""The synthetic corpora, and in short what `python -m benchmarks.scale memory` shows at length."""

import subprocess
import sys
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import spacy

from benchmarks.scale.corpus import PitmanYor, docs, sentence_pairs, spelled, write
from spacy_xproj.corpus import read_docs
from tests.conftest import ROOT

BOUND = 6.0  # KB of peak memory that a Doc may add: 3 are of what the parts remember of words, up to a limit

CHILD = """
import sys
from pathlib import Path
from spacy_xproj.corpus import doc_files
from spacy_xproj.runs.pipelines import load_pipeline
from spacy_xproj.runs.process import PipelineStep
from spacy_xproj.runs.project import with_state
from spacy_xproj.runs.steps import Watch, process_shard
from spacy_xproj.runs.worker import peak_memory

folder, held = Path(sys.argv[1]), []

def annotate(docs, state, counts):
    for doc in with_state(docs, state, counts):
        if sys.argv[2:] == ["hold"]:
            held.append((doc.to_bytes(), doc._.xproj))
        yield doc

load_pipeline("project_ranker", "xx").to_disk(folder / "pipeline")
step = PipelineStep(folder / "pipeline", "", annotate)
for number, file in enumerate(doc_files(folder / "corpus"), 1):
    process_shard(step, file, folder / f"{number:05}.spacy", Watch())
    if number in (3, 15):
        print(peak_memory())
"""


def growth(folder, *more):
    """KB of peak memory for each Doc from the 600th to the 3,000th."""
    command = [sys.executable, "-c", CHILD, str(folder), *more]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    first, last = map(int, done.stdout.split())
    return (last - first) / 2400


@pytest.mark.slow
def test_memory_does_not_grow_with_the_corpus(tmp_path):
    write(tmp_path / "corpus", 3000, shard=200)
    assert growth(tmp_path) < BOUND
    assert growth(tmp_path, "hold") > BOUND  # it can be seen if Docs are kept


def test_the_vocabulary_grows_as_that_of_real_text():
    """NTREX has 7,798 English and 9,165 Spanish types in 2,000 lines of 25 words; MAFAND 13,641 Luganda ones in
    4,000."""
    source, target, spans = Counter(), Counter(), 0
    sizes = {}
    for k, (words, others, found, links) in enumerate(sentence_pairs(4000), 1):
        source.update(words)
        target.update(others)
        spans += len(found)
        assert len(links) == 0 or (links.max(axis=0) < (len(words), len(others))).all()
        sizes[k] = len(source)
    assert 7000 < sizes[2000] < 10_000 and 7000 < len(target) * sizes[2000] / sizes[4000] < 12_000
    assert 1.4 < sizes[4000] / sizes[2000] < 1.65  # Heaps: a power of the tokens
    assert 0.8 < spans / 4000 < 1.8
    assert sum(n == 1 for n in source.values()) > len(source) / 3  # Zipf: many come once


def test_a_longer_corpus_begins_as_a_shorter_one():
    for one, other in zip(sentence_pairs(30, seed=3), islice(sentence_pairs(1500, seed=3), 30)):
        assert one[:3] == other[:3] and np.array_equal(one[3], other[3])
    assert next(sentence_pairs(1, seed=4))[0] != next(sentence_pairs(1, seed=3))[0]


def test_words_tell_concepts_apart():
    assert len({spelled(k, "en") for k in range(20_000)}) == 20_000
    assert len(spelled(5, "xx")) < len(spelled(50_000, "xx"))


def test_a_new_type_comes_by_the_two_parameters():
    process = PitmanYor(0.5, 10.0, np.random.default_rng(0))
    drawn = process.draw(50_000)
    assert len(set(drawn.tolist())) == process.types == drawn.max() + 1
    assert 0.5 < process.types / (10**0.5 / 0.5 * 50_000**0.5) < 2


def test_write(tmp_path):
    found = list(read_docs(write(tmp_path / "corpus", 30, shard=20), spacy.blank("xx")))
    assert [doc.text for doc in found] == [doc.text for doc in docs(30)]
    assert all(len(doc._.xproj.links) for doc in found)
    assert sorted(path.name for path in (tmp_path / "corpus").iterdir()) == [
        "00000.spacy",
        "00001.spacy",
        "manifest.json",
    ]
