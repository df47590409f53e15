"""xproj vectors: a table of word vectors that spacy train takes."""

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin, Span
from typer.testing import CliRunner

from spacy_xproj.bitext import Bitext
from spacy_xproj.cli import app
from spacy_xproj.errors import XprojError
from spacy_xproj.models.encoder import Encoder
from spacy_xproj.models.wordvectors import reduced
from tests.aligners.tiny_encoders import TEXTS, make_encoder
from tests.conftest import CONFIGS, said


def call(*args):
    result = CliRunner().invoke(app, ["vectors", *map(str, args), "--lang", "es"])
    return result.exit_code, said(result)


@pytest.fixture
def model(tmp_path):
    return make_encoder(tmp_path / "model", "xlm-roberta")


def write(path, texts):
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def contents(folder):
    names = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in names}


def test_table(tmp_path, model):
    """The words of all files and of the source side, each as the encoder reads it alone."""
    doc = spacy.blank("es")("Ana vive  en Roma")
    doc._.xproj = Bitext("en", ("Ana", "lives"), (True, False))
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "a.spacy")
    raw = write(tmp_path / "b.txt", [*TEXTS[:3], "Roma Roma Roma"])
    code, text = call(tmp_path / "a.spacy", raw, tmp_path / "out", "--model", model, "--width", 8)
    nlp = spacy.load(tmp_path / "out")
    words = {token.text for line in [*TEXTS[:3], "Ana vive en Roma"] for token in nlp(line)} | {"lives"}
    assert code == 0 and nlp.lang == "es" and nlp.vocab.vectors.shape == (len(words), 8)
    assert f"{len(words)} words with vectors of 8" in text and "ner_cpu_vectors" in text
    assert {nlp.vocab.strings[key] for key in nlp.vocab.vectors} == words
    lengths = np.linalg.norm(nlp.vocab.vectors.data, axis=1)
    assert np.abs(lengths - 1).max() < 1e-6 and not nlp.vocab["unheard-of"].has_vector
    encoder = Encoder(model, layer=4, device="cpu")
    encoder.who = "test"
    order = [nlp.vocab.strings[key] for key in nlp.vocab.vectors.key2row]
    alone = np.stack([encoder.encode([[word]])[0][0] for word in order]).astype("f8")
    alone -= alone.mean(0)
    cosines = alone @ np.linalg.svd(alone, full_matrices=False)[2][:8].T
    cosines /= np.linalg.norm(cosines, axis=1, keepdims=True)
    table = nlp.vocab.vectors.data[[nlp.vocab.vectors.key2row[nlp.vocab.strings[word]] for word in order]]
    assert np.abs(cosines @ cosines.T - table @ table.T).max() < 1e-4, "up to the directions of the axes"
    assert nlp.vocab.strings[min(nlp.vocab.vectors.key2row, key=nlp.vocab.vectors.key2row.get)] == "Roma", (
        "most frequent"
    )


def test_same_bytes_in_any_order(tmp_path, model):
    files = [write(tmp_path / f"{n}.txt", TEXTS[n : n + 2]) for n in (0, 2)]
    for name, order in (("one", files), ("other", files[::-1])):
        assert call(*order, tmp_path / name, "--model", model, "--width", 4)[0] == 0
    one, other = (contents(tmp_path / name) for name in ("one", "other"))
    assert len(one) > 4 and {**one, ".xproj.json": b""} == {**other, ".xproj.json": b""}


def test_goes_on(tmp_path, model):
    raw, out = write(tmp_path / "a.txt", TEXTS), tmp_path / "out"
    assert call(raw, out, "--model", model, "--width", 4)[0] == 0
    before = contents(out)
    code, text = call(raw, out, "--model", model, "--width", 4)
    assert code == 0 and "nothing was done" in text and contents(out) == before
    (out / "vocab" / "vectors").write_bytes(b"")
    assert call(raw, out, "--model", model, "--width", 4)[0] == 0 and contents(out) == before
    code, text = call(raw, out, "--model", model, "--width", 5)
    assert code == 0 and "width: 4 → 5" in text and "vectors of 5" in text


def test_refused(tmp_path, model):
    raw = write(tmp_path / "a.txt", ["Ana vive"])
    code, text = call(raw, tmp_path / "out", "--model", model, "--width", 3)
    assert code == 1 and "expected a width of at most 2, got 3: there are 2 words with vectors of 16" in text
    code, text = call(raw, tmp_path / "out", "--model", tmp_path / "none")
    assert code == 1 and "there is no such folder" in text
    code, text = call(raw, tmp_path / "out", "--model", model, "--layer", 9)
    assert code == 1 and "has 4 layers" in text
    assert not (tmp_path / "out").exists()


def test_reduced():
    vectors = np.random.default_rng(0).normal(size=(50, 6)) * [5, 1, 4, 2, 3, 1] + 7
    full = reduced(vectors, 6)
    centered = vectors - vectors.mean(0)
    centered /= np.linalg.norm(centered, axis=1, keepdims=True)
    assert np.abs(full @ full.T - centered @ centered.T).max() < 1e-6, "all axes are a rotation"
    assert np.abs(np.linalg.norm(reduced(vectors, 2), axis=1) - 1).max() < 1e-6
    spread = (reduced(vectors, 6) ** 2).sum(0)
    assert (np.diff(spread[:3]) < 0).all(), "the widest axis comes first"
    with pytest.raises(XprojError, match="at most 6, got 7"):
        reduced(vectors, 7)


@pytest.mark.slow
def test_ner_cpu_vectors_trains(tmp_path, model):
    from spacy.cli.train import train

    assert call(write(tmp_path / "a.txt", TEXTS), tmp_path / "vectors", "--model", model, "--width", 8)[0] == 0
    nlp = spacy.blank("es")
    docs = list(nlp.pipe(TEXTS[:3]))
    for doc in docs:
        doc.ents = [Span(doc, 0, 1, label="PER")]
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    data = str(tmp_path / "train.spacy")
    overrides = {"paths.train": data, "paths.dev": data, "paths.vectors": str(tmp_path / "vectors"), "nlp.lang": "es"}
    overrides |= {"training.max_steps": 2, "training.eval_frequency": 1}
    train(CONFIGS / "ner_cpu_vectors.cfg", tmp_path / "out", overrides=overrides)
    (tmp_path / "vectors").rename(tmp_path / "gone")
    trained = spacy.load(tmp_path / "out" / "model-last")
    assert trained.vocab.vectors.shape[1] == 8 and trained.vocab["Ana"].has_vector
    assert "xproj" not in trained.config.to_str(), "the trained NER must not depend on this package"
