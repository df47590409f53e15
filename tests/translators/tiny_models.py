"""Translation models of each family, tiny and with random weights, made on the spot.

They translate nothing, but everything about them is as with the real ones: the files, the tokenizers, the tokens of the
languages, and how they are called.
"""

import json
import warnings
from functools import cache
from io import BytesIO
from pathlib import Path

SENTENCES = [
    "The house is red and the dog is big.",
    "Ana Torres lives in a small house in Rome.",
    "La casa es roja y el perro es grande.",
    "Ana Torres vive en una casa pequeña en Roma.",
    "Das Haus ist rot und der Hund ist groß.",
    "On Monday the bank opened an office in Paris, London and Berlin!",
    "El lunes el banco abrió una oficina en París, Londres y Berlín.",
    'Who was it? 1 2 3 4 5 6 7 8 9 0 (yes) <no> [b] "it\'s" A B C D E F G H I J K L M N O P Q R S T U V W X Y Z',
]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]  # fairseq's order: NLLB and M2M100
SHAPE = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "init_std": 1.0,  # so large that the output depends on the input
    "decoder_start_token_id": 2,
    "eos_token_id": 2,
    "pad_token_id": 1,
    "bos_token_id": 0,
}


@cache
def sentencepiece_model(kind="bpe", symbols=(), ids=(0, 1, 2, -1)):
    """A sentencepiece model; ids of <unk>, <s>, </s> and <pad>."""
    import sentencepiece

    unk, bos, eos, pad = ids
    out = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=out,
        model_type=kind,
        vocab_size=160,
        hard_vocab_limit=False,
        character_coverage=1.0,
        user_defined_symbols=list(symbols),
        unk_id=unk,
        bos_id=bos,
        eos_id=eos,
        pad_id=pad,
        num_threads=1,
        minloglevel=2,
    )
    return out.getvalue()


def pieces(model):
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [processor.id_to_piece(i) for i in range(processor.get_piece_size())]


def save(folder, model_class, config, tokenizer, seed, end):
    """Random weights, written with the tokenizer. The larger `end`, the more outputs end by themselves."""
    import torch

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = model_class(config).eval()
        model.get_output_embeddings().weight[config.eos_token_id] *= end
    with warnings.catch_warnings():  # of settings of generation that are in the config, as in OPUS-MT's
        warnings.simplefilter("ignore")
        model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    return Path(folder)


def tiny_nllb(folder, seed=0, end=1.0, **settings):
    """NLLB-200: 202 languages such as `spa_Latn`."""
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizerFast

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sentencepiece.bpe.model").write_bytes(sentencepiece_model())
    tokenizer = NllbTokenizerFast(str(folder / "sentencepiece.bpe.model"), model_max_length=64)
    config = M2M100Config(**{**SHAPE, "vocab_size": len(tokenizer), "max_position_embeddings": 64, **settings})
    return save(folder, M2M100ForConditionalGeneration, config, tokenizer, seed, end)


def tiny_m2m100(folder, seed=0, end=1.0, **settings):
    """M2M100: 100 languages such as `es`."""
    from transformers import M2M100Config, M2M100ForConditionalGeneration, M2M100Tokenizer
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model = sentencepiece_model()
    (folder / "sentencepiece.bpe.model").write_bytes(model)
    known = [*SPECIAL, *(piece for piece in pieces(model) if piece not in SPECIAL)]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(known)}), encoding="utf-8")
    tokenizer = M2M100Tokenizer(
        str(folder / "vocab.json"),
        str(folder / "sentencepiece.bpe.model"),
        additional_special_tokens=[f"__{code}__" for code in FAIRSEQ_LANGUAGE_CODES["m2m100"]],
        model_max_length=64,
    )
    size = len(known) + 100 + 8  # with the rows that fairseq adds
    config = M2M100Config(**{**SHAPE, "vocab_size": size, "max_position_embeddings": 64, **settings})
    return save(folder, M2M100ForConditionalGeneration, config, tokenizer, seed, end)


def tiny_marian(folder, seed=0, end=1.0, languages=(), source_lang="en", target_lang="es", **settings):
    """OPUS-MT: one pair of languages, or several target languages with tokens such as `>>spa<<`."""
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model = sentencepiece_model()
    for name in ("source.spm", "target.spm"):
        (folder / name).write_bytes(model)
    tokens = [f">>{lang}<<" for lang in languages]
    known = ["</s>", "<unk>", *tokens, *(p for p in pieces(model) if p not in SPECIAL), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(known)}), encoding="utf-8")
    tokenizer = MarianTokenizer(
        str(folder / "source.spm"),
        str(folder / "target.spm"),
        str(folder / "vocab.json"),
        source_lang=source_lang,
        target_lang=target_lang,
        model_max_length=64,
    )
    pad = len(known) - 1
    own = {
        "vocab_size": len(known),
        "decoder_vocab_size": len(known),
        "pad_token_id": pad,
        "decoder_start_token_id": pad,
        "eos_token_id": 0,
        "forced_eos_token_id": 0,
        "bad_words_ids": [[pad]],
        "max_position_embeddings": 64,
        "scale_embedding": True,
    }
    return save(folder, MarianMTModel, MarianConfig(**{**SHAPE, **own, **settings}), tokenizer, seed, end)


def tiny_t5(folder, seed=0, end=1.0, languages=("en", "es", "de", "zh", "zh_Hant", "sr"), **settings):
    """MADLAD-400: tokens such as `<2es>`. Without languages: the first T5."""
    from transformers import T5Config, T5ForConditionalGeneration, T5TokenizerFast

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    symbols = tuple(f"<2{lang}>" for lang in languages)
    (folder / "spiece.model").write_bytes(sentencepiece_model("unigram", symbols, ids=(2, -1, 1, 0)))
    tokenizer = T5TokenizerFast(str(folder / "spiece.model"), extra_ids=0, model_max_length=64)
    own = {
        "vocab_size": len(tokenizer),
        "d_model": 16,
        "d_kv": 8,
        "d_ff": 32,
        "num_layers": 1,
        "num_heads": 2,
        "decoder_start_token_id": 0,
        "n_positions": 64,
        "tie_word_embeddings": False,
    }
    if not languages:
        own["task_specific_params"] = {
            "summarization": {"prefix": "summarize: "},
            "translation_en_to_de": {"prefix": "translate English to German: "},
            "translation_en_to_fr": {"prefix": "translate English to French: "},
        }
    config = T5Config(**{**own, **settings})
    return save(folder, T5ForConditionalGeneration, config, tokenizer, seed, end)


MAKERS = {"nllb": tiny_nllb, "m2m100": tiny_m2m100, "marian": tiny_marian, "t5": tiny_t5}
