"""Encoders of several families, tiny and with random weights, made on the spot.

They know nothing, but everything about them is as with the real ones: files, tokenizers, and how they are called.
"""

from pathlib import Path

from tests.teachers.tiny_classifier import BERT, DEBERTA, TEXTS, XLMR, backend

KINDS = ("bert", "xlm-roberta", "roberta", "deberta-v2", "nllb", "t5")
ENCODERS = {"bert": "Bert", "xlm-roberta": "XLMRoberta", "roberta": "Roberta", "deberta-v2": "DebertaV2"}
LAYERS = 4


def make_encoder(folder, kind="bert", positions=40, layers=LAYERS, seed=0):
    """Write an encoder with random weights. Its embeddings are large, so that equal words are similar.

    folder (Path): Where to.
    kind (str): One of KINDS.
    positions (int): How many sub-words it reads at once, with the special ones.
    layers (int): How many layers it has.
    seed (int): Of the weights.
    RETURNS (Path): The folder.
    """
    import torch
    import transformers

    made, special = seq2seq_backend(kind) if kind not in ENCODERS else backend(kind)
    names = dict(zip(("cls_token", "pad_token", "sep_token", "unk_token", "mask_token"), XLMR))
    if kind not in ENCODERS:
        names = {"pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "</s>"}
    elif special is not XLMR:
        assert special in (BERT, DEBERTA)
        names = {f"{token[1:-1].lower()}_token": token for token in special}
    if kind == "bert":
        names["do_lower_case"] = False
    fast = getattr(transformers, f"{ENCODERS[kind]}TokenizerFast", None) if kind in ENCODERS else None
    fast = fast or transformers.PreTrainedTokenizerFast
    tokenizer = fast(tokenizer_object=made, model_max_length=max(512 if kind in ENCODERS else 0, positions), **names)
    pad = made.token_to_id(names["pad_token"])
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = random_model(kind, made.get_vocab_size(), pad, positions, layers)
        model.get_input_embeddings().weight.normal_(0, 1)
        model.get_input_embeddings().weight[pad] = 0
        for name, values in model.named_parameters():
            if name.endswith("output.LayerNorm.weight"):
                values *= 2  # as far apart as those of large models
    folder = Path(folder)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def seq2seq_backend(kind):
    """The tokenizer of XLM-R, with the special tokens as NLLB and T5 have them."""
    from tokenizers import Tokenizer, processors

    made = Tokenizer.from_str(backend("xlm-roberta")[0].to_str())
    end = ("</s>", made.token_to_id("</s>"))
    if kind == "t5":
        made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[end])
    else:
        made.add_special_tokens(["eng_Latn"])
        language = ("eng_Latn", made.token_to_id("eng_Latn"))
        made.post_processor = processors.TemplateProcessing(single="eng_Latn $A </s>", special_tokens=[language, end])
    return made, XLMR


def random_model(kind, size, pad, positions, layers):
    import transformers

    if kind == "nllb":
        sides = {
            f"{side}_{name}": value
            for side in ("encoder", "decoder")
            for name, value in {"layers": layers, "attention_heads": 2, "ffn_dim": 16}.items()
        }
        config = transformers.M2M100Config(
            vocab_size=size, d_model=16, max_position_embeddings=positions, pad_token_id=pad, init_std=0.1, **sides
        )
        return transformers.M2M100ForConditionalGeneration(config)
    if kind == "t5":
        config = transformers.T5Config(
            vocab_size=size, d_model=16, d_kv=8, d_ff=16, num_layers=layers, num_heads=2, pad_token_id=pad
        )
        return transformers.T5ForConditionalGeneration(config)
    own = {"relative_attention": True, "position_biased_input": False, "pos_att_type": ["p2c", "c2p"]}
    config = getattr(transformers, f"{ENCODERS[kind]}Config")(
        vocab_size=size,
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=positions + (pad + 1 if "roberta" in kind else 0),
        type_vocab_size=2 if kind == "bert" else 1,
        pad_token_id=pad,
        initializer_range=0.1,
        **(own if kind == "deberta-v2" else {}),
    )
    return getattr(transformers, f"{ENCODERS[kind]}ForMaskedLM")(config)


__all__ = ["KINDS", "LAYERS", "TEXTS", "make_encoder"]
