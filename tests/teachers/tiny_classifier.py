"""Token classifiers of several families, tiny and with random weights, made on the spot.

They know nothing, but everything about them is as with the real ones: files, tokenizers, and how they are called.
"""

import json
import re
from functools import cache
from pathlib import Path

TEXTS = [
    "Ana Torres lives in a small house in Rome .",
    "On Monday the bank opened offices in Paris , London and Berlin !",
    "Ana Torres vive en una casa pequeña en Roma .",
    "Das Haus von Müller & Söhne ist rot und der Hund ist groß .",
    "Мария живёт в Москве , а Иван в Туле .",
    "山田さんは東京に住んでいます。",
]
KINDS = ("xlm-roberta", "bert", "roberta", "deberta-v2")
IOB2 = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
IOB1 = ("B-LOC", "I-LOC", "I-PER", "O")  # as XLM-R-large trained on CoNLL-2003 has them: no B-PER
XLMR = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
DEBERTA = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")


@cache
def backend(kind):
    """A tokenizer of the family's kind, for TEXTS."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    special = {"bert": BERT, "deberta-v2": DEBERTA}.get(kind, XLMR)
    if kind == "bert":
        made = Tokenizer(models.WordPiece(word_pieces(special), unk_token="[UNK]"))
        made.normalizer = normalizers.BertNormalizer(lowercase=False)
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.add_special_tokens(list(special))
        trainer = None  # the library's own depends on an order that differs from process to process
    elif kind == "roberta":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=330, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
        )
    else:
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=180,
            special_tokens=list(special),
            unk_token=special[special.index("<unk>" if kind == "xlm-roberta" else "[UNK]")],
            show_progress=False,
        )
    if trainer:
        made.train_from_iterator(TEXTS, trainer)
    first, last = ("<s>", "</s>") if special is XLMR else ("[CLS]", "[SEP]")
    if kind == "roberta":
        made.post_processor = processors.RobertaProcessing((last, 2), (first, 0), add_prefix_space=False)
    else:
        ends = [(token, made.token_to_id(token)) for token in (first, last)]
        made.post_processor = processors.TemplateProcessing(single=f"{first} $A {last}", special_tokens=ends)
    return made, special


def word_pieces(special):
    """A vocabulary of pieces: all letters, and the beginnings and ends of words."""
    words = {word for text in TEXTS for word in re.findall(r"\w+|[^\w\s]", text)}
    pieces = {piece for word in words for c in word for piece in (c, f"##{c}")}
    pieces |= {piece for word in words for piece in (word[:3], f"##{word[3:]}") if piece not in ("", "##")}
    return {piece: k for k, piece in enumerate([*special, *sorted(pieces)])}


def make_classifier(folder, kind="xlm-roberta", labels=IOB2, positions=40, seed=0):
    """Write a token classifier with random weights.

    folder (Path): Where to.
    kind (str): One of KINDS.
    labels (sequence of str): Its labels.
    positions (int): How many sub-words it reads at once, with the two special ones.
    seed (int): Of the weights.
    RETURNS (Path): The folder.
    """
    import torch
    import transformers

    made, special = backend(kind)
    name = {"xlm-roberta": "XLMRoberta", "bert": "Bert", "roberta": "Roberta", "deberta-v2": "DebertaV2"}[kind]
    names = dict(zip(("cls_token", "pad_token", "sep_token", "unk_token", "mask_token"), XLMR))
    if special is not XLMR:
        names = {f"{token[1:-1].lower()}_token": token for token in special}
    if kind == "bert":
        names["do_lower_case"] = False
    tokenizer = getattr(transformers, f"{name}TokenizerFast")(tokenizer_object=made, model_max_length=512, **names)
    pad = made.token_to_id(names["pad_token"])
    own = {"relative_attention": True, "position_biased_input": False} if kind == "deberta-v2" else {}
    config = getattr(transformers, f"{name}Config")(
        vocab_size=made.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=positions + (pad + 1 if "roberta" in kind else 0),
        type_vocab_size=2 if kind == "bert" else 1,
        pad_token_id=pad,
        initializer_range=0.6,  # so that the distributions are far from uniform
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
        **own,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = getattr(transformers, f"{name}ForTokenClassification")(config)
    folder = Path(folder)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def change_config(folder, **changes):
    """Change values in a model's config.json; None takes a value out."""
    path = Path(folder) / "config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}), encoding="utf-8")
