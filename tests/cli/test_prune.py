"""xproj prune: fewer sub-words, the same vectors for the texts of the corpus."""

import json

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_xproj.bitext import Bitext
from spacy_xproj.cli import app
from spacy_xproj.models.encoder import Encoder
from spacy_xproj.runs.prune import prune
from tests.aligners.tiny_encoders import TEXTS, make_encoder
from tests.conftest import names, said

CORPUS = [*TEXTS[:2], "Ana zzz山 lives", "offices 𝔘 </s> Room"]


def call(*args):
    result = CliRunner().invoke(app, ["prune", *map(str, args)])
    return result.exit_code, said(result)


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("".join(f"{text}\n" for text in CORPUS), encoding="utf-8")
    return path


def vectors(folder, words, layer=4):
    encoder = Encoder(folder, layer=layer, device="cpu")
    encoder.who = "test"
    return encoder.encode(words)


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "deberta-v2", "t5"])
def test_same_vectors(kind, tmp_path, corpus):
    from transformers import AutoTokenizer

    model, out = make_encoder(tmp_path / "model", kind), tmp_path / "small"
    done, new = prune(model, [corpus], out)
    assert new and done.pieces < done.pieces_before and done.weights < done.weights_before
    before, after = (AutoTokenizer.from_pretrained(folder) for folder in (model, out))
    assert len(after) == done.pieces and len(before) == done.pieces_before
    for text in CORPUS:
        assert before.convert_ids_to_tokens(before(text).input_ids) == after.convert_ids_to_tokens(
            after(text).input_ids
        )
    words = [[token.text for token in spacy.blank("xx")(text)] for text in CORPUS]
    words += [[word] for sentence in words for word in sentence]
    for old, cut in zip(vectors(model, words), vectors(out, words)):
        assert np.abs(old - cut).max(initial=0) < 1e-6 and old.any()
    assert {token: after.convert_tokens_to_ids(token) for token in after.all_special_tokens} == {
        token: after.backend_tokenizer.token_to_id(token) for token in before.all_special_tokens
    }
    config = json.loads((out / "config.json").read_text())
    assert config["vocab_size"] == done.pieces
    assert config["pad_token_id"] == after.pad_token_id


def test_single_characters_are_kept(tmp_path, corpus):
    """Other texts can still be read, sub-word by sub-word if need be: nothing that was known becomes unknown."""
    from transformers import AutoTokenizer

    model, out = make_encoder(tmp_path / "model", "xlm-roberta"), tmp_path / "small"
    prune(model, [corpus], out)
    small, full = AutoTokenizer.from_pretrained(out), AutoTokenizer.from_pretrained(model)
    for text in TEXTS:
        assert small(text).input_ids.count(small.unk_token_id) == full(text).input_ids.count(full.unk_token_id)


def test_unknown_word_stays_unknown(tmp_path):
    """WordPiece takes the longest sub-word first and may get stuck. It must get stuck without the others, too."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    pieces = ["[PAD]", "[UNK]", "a", "b", "##b", "abc", "ab", "##cd", "##e"]
    made = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(tmp_path / "m")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    BertModel(BertConfig(vocab_size=len(pieces), max_position_embeddings=16, **sizes)).save_pretrained(tmp_path / "m")
    (tmp_path / "corpus.txt").write_text("ABCD\nab abe ##cd bcd\nabcd\n")
    done, _ = prune(tmp_path / "m", [tmp_path / "corpus.txt"], tmp_path / "small")
    small = Tokenizer.from_file(str(tmp_path / "small" / "tokenizer.json"))
    assert small.encode("abcd ab abe").tokens == ["[UNK]", "ab", "ab", "##e"]
    assert done.pieces_before == len(pieces)


def test_source_side_counts(tmp_path):
    model = make_encoder(tmp_path / "model", "xlm-roberta")
    doc = spacy.blank("xx")("Roma")
    doc._.xproj = Bitext("ru", tuple(TEXTS[4].split()), (True,) * len(TEXTS[4].split()))
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "a.spacy")
    code, _ = call(model, tmp_path / "a.spacy", tmp_path / "small")
    old, new = (vectors(folder, [TEXTS[4].split()])[0] for folder in (model, tmp_path / "small"))
    assert code == 0 and np.abs(old - new).max() < 1e-6


def test_says_what_was_left_out_and_goes_on(tmp_path, corpus):
    model, out = make_encoder(tmp_path / "model", "bert"), tmp_path / "small"
    code, text = call(model, corpus, corpus, out)
    done = prune(model, [corpus, corpus], out)
    assert code == 0 and not done.new and f"{done.pruned.pieces:,} of {done.pruned.pieces_before:,} sub-words" in text
    before = (out / "model.safetensors").read_bytes()
    assert "nothing was done" in call(model, corpus, corpus, out)[1]
    (out / "model.safetensors").write_bytes(before[:-1])
    assert call(model, corpus, corpus, out)[0] == 0 and (out / "model.safetensors").read_bytes() == before
    corpus.write_text("Ana\n")
    code, text = call(model, corpus, corpus, out)
    assert code == 0 and "corpus 1 changed" in text and (out / "model.safetensors").read_bytes() != before


def test_refused(tmp_path, corpus):
    code, text = call(make_encoder(tmp_path / "model", "roberta"), corpus, tmp_path / "small")
    assert code == 1 and "expected a tokenizer of Unigram or WordPiece" in text and "this one is BPE" in text
    code, text = call(tmp_path / "model", corpus, tmp_path / "model")
    assert code == 1 and "would be written over" in text
    code, text = call(tmp_path / "none", corpus, tmp_path / "small")
    assert code == 1 and "there is no such folder" in text
    code, text = call(tmp_path / "model", tmp_path / "none.txt", tmp_path / "small")
    assert code == 1 and "There is no such file" in text
    assert {name.split("/")[0] for name in names(tmp_path)} == {"model", "corpus.txt"}
