"""The demo's table: means of several seeds, and how good the labels are that they learnt from."""

import gzip
import json

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin, Span

from scripts.demo_vectors import as_text
from scripts.seeds import labels_f1, mean_scores
from scripts.table import make_rows
from spacy_xproj.corpus import read_docs
from spacy_xproj.errors import InputError
from tests.conftest import ROOT

WORDS = ["Ana", "vive", "en", "Roma"]


def doc(nlp, *spans):
    made = spacy.tokens.Doc(nlp.vocab, words=WORDS)
    made.ents = [Span(made, start, start + 1, label=label) for start, label in spans]
    return made


def test_means_of_seeds():
    nlp = spacy.blank("es")
    gold = [doc(nlp, (0, "PER"), (3, "LOC")), doc(nlp, (3, "LOC"))]
    runs = [gold, [doc(nlp, (0, "PER")), doc(nlp, (3, "PER"))]]
    scores = mean_scores(runs, gold)
    assert scores["ents_f_seeds"] == [1, pytest.approx(2 / 5)] and scores["ents_f"] == pytest.approx(0.7)
    assert scores["ents_p"] == pytest.approx(3 / 4) and scores["ents_r"] == pytest.approx(2 / 3)
    assert scores["ents_per_type"]["LOC"]["f"] == pytest.approx(0.5)
    low, high = scores["ents_f_interval"]
    assert 0.5 <= low < high <= 1
    (row,) = make_rows({"projected": {**scores, "labels_f": 0.9}})
    assert list(row) == ["system", "labels", "P", "R", "F1", "95 %", "2 seeds", "LOC", "PER"]
    assert row["labels"] == 0.9 and row["2 seeds"] == "0.400 to 1.000"


def test_labels_are_held_against_those_of_the_same_text(tmp_path):
    nlp = spacy.blank("es")
    DocBin(docs=[doc(nlp, (0, "PER"), (3, "LOC"))]).to_disk(tmp_path / "gold.spacy")
    DocBin(docs=[doc(nlp, (0, "PER"))]).to_disk(tmp_path / "found.spacy")
    assert labels_f1(tmp_path / "found.spacy", tmp_path / "gold.spacy") == pytest.approx(2 / 3)
    DocBin(docs=[nlp("Otra frase")]).to_disk(tmp_path / "other.spacy")
    with pytest.raises(InputError, match="there is none of 'Otra frase'"):
        labels_f1(tmp_path / "other.spacy", tmp_path / "gold.spacy")


def test_vectors_as_text():
    """What `spacy init vectors` reads from it has the same words, in the same order, and the same numbers."""
    from spacy.training.initialize import convert_vectors

    nlp = spacy.blank("es")
    path = ROOT / "assets" / "vectors.es.txt.gz"
    convert_vectors(nlp, path, truncate=-1, prune=-1)
    again = as_text(nlp)
    text = gzip.decompress(path.read_bytes()).decode("utf-8")
    assert again.splitlines()[0] == text.splitlines()[0] and set(again.splitlines()) == set(text.splitlines())


@pytest.mark.slow
def test_seeds_of_a_tiny_training(tmp_path):
    """From the command line, by processes of its own."""
    import subprocess
    import sys

    nlp = spacy.blank("es")
    docs = list(read_docs(ROOT / "assets" / "train.es.jsonl", nlp))[:20]
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    DocBin(docs=docs[:10]).to_disk(tmp_path / "half.spacy")
    args = [ROOT / "scripts/seeds.py", tmp_path / "train.spacy", tmp_path / "scores", "--lang", "es"]
    args += [f"all={tmp_path / 'train.spacy'}", f"half={tmp_path / 'half.spacy'}"]
    args += ["--labeled", tmp_path / "train.spacy", "--config", ROOT / "configs/ner_cpu.cfg"]
    subprocess.run([sys.executable, *map(str, args), "--seeds", "2", "--steps", "30"], check=True, cwd=ROOT)
    scores, half = (json.loads((tmp_path / f"scores.{name}.json").read_text()) for name in ("all", "half"))
    assert scores["labels_f"] == 1 and len(set(scores["ents_f_seeds"])) == 2
    assert scores["ents_f"] == pytest.approx(np.mean(scores["ents_f_seeds"])) and scores["ents_f"] > 0
    assert half["ents_f"] < scores["ents_f"], "each name has the scores of its own data"
