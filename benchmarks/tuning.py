"""What tuning on parallel text does for links: `python -m benchmarks.tuning`

No pretrained model is needed: a small encoder with random weights, its sub-words trained on the text, is tuned on
parallel text without labels, stage by stage, and each stage's model links English and Spanish, or German. F1 is that of
the default matcher on these links on Europarl, whose sentences (not their entities) are part of the text. It says how
much is learnt from how little, not how good a pretrained model is. Everything is on the CPU, on one thread. Figures
differ somewhat from one run to the next, as no two trainings of the sub-words are the same.

A stage is `OBJECTIVES:STEPS`, such as `so,tlm:500`. Models are kept in the folder `--work`, where a stopped run goes
on.
"""

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from time import process_time

from spacy.tokens import Doc

from spacy_xproj import fit
from spacy_xproj.aligners.embedding import EmbeddingAligner
from spacy_xproj.aligners.statistical import StatisticalAligner
from spacy_xproj.aligners.tuning import TuningSettings, tune
from spacy_xproj.bitext import Bitext, SentencePair
from spacy_xproj.corpus import blank
from spacy_xproj.evaluate.bootstrap import counts, f1, interval
from spacy_xproj.ty import Aligner

from .aligners import news
from .common import DATA, config, gold_pair, table

EUROPARL = "europarl/en-{}"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def make_encoder(folder: Path, texts: Iterable[str], layers: int, dim: int, flat: bool, vocabulary: int = 8000) -> None:
    """Write a BERT with random weights and sub-words (WordPiece) of its own.

    flat (bool): To start with, all links are about equally probable, as in IBM model 1, and positions make no
        difference. Otherwise "co" soon links the diagonals and stays with them.
    """
    import tokenizers
    import torch
    import transformers

    made = tokenizers.BertWordPieceTokenizer(lowercase=False, strip_accents=False)
    made.train_from_iterator(texts, vocab_size=vocabulary, special_tokens=SPECIAL, show_progress=False)
    names = {f"{token[1:-1].lower()}_token": token for token in SPECIAL}
    tokenizer = transformers.BertTokenizerFast(
        tokenizer_object=made._tokenizer, do_lower_case=False, model_max_length=512, **names
    )
    settings = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=dim,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=4 * dim,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    model = transformers.BertForMaskedLM(settings)
    if flat:
        with torch.no_grad():
            model.bert.embeddings.position_embeddings.weight.zero_()
            for layer in model.bert.encoder.layer:
                layer.output.LayerNorm.weight.mul_(0.25)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def african(lang: str) -> list[Doc]:
    """The train part of MAFAND as Docs with payload."""
    sides = [
        list(blank(code).pipe((DATA / "mafand" / f"en-{lang}" / f"train.{code}").read_text("utf-8").splitlines()))
        for code in ("en", lang)
    ]
    for source, doc in zip(*sides):
        doc._.xproj = Bitext("en", tuple(t.text for t in source), (True,) * len(source))
    return [doc for source, doc in zip(*sides) if len(source) and len(doc)]


def pairs_of(docs: Iterable[Doc]) -> list[SentencePair]:
    return [pair for doc in docs for pair in doc._.xproj.pairs(tuple(t.text for t in doc))]


def quality(aligner: Aligner, text: list[Doc], lang: str) -> list[str]:
    """F1 of the default matcher with the aligner's links, its interval, and how many links a source word has."""
    nlp = config("project_match.cfg")
    nlp.get_pipe("xproj_aligner").aligner = aligner
    docs, gold = gold_pair(EUROPARL.format(lang), nlp)
    if hasattr(aligner, "fit"):
        fit(nlp, text)
    docs = list(nlp.pipe(docs))
    found = counts(docs, gold)
    low, high = interval(found)
    links = sum(len(doc._.xproj.links) for doc in docs) / sum(len(doc._.xproj.words) for doc in docs)
    return [f"{f1(found):.3f}", f"{low:.3f} to {high:.3f}", f"{links:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", nargs="+", default=["co,mlm:2000", "so:100"])
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--layer", type=int, default=1, help="whose output is compared")
    parser.add_argument("--batch-tokens", type=int, default=1024)
    parser.add_argument("--mask", type=float, default=0.15)
    parser.add_argument("--lr", nargs="+", type=float, default=[1e-3, 2e-4], help="one, or one a stage")
    parser.add_argument("--flat", action=argparse.BooleanOptionalAction, default=True, help="see `make_encoder`")
    parser.add_argument("--lang", default="es", choices=["es", "de"])
    parser.add_argument("--mafand", nargs="*", default=[], choices=["lug", "tsn"], help="more text, other languages")
    parser.add_argument("--methods", nargs="+", default=["softmax", "itermax"])
    parser.add_argument("--work", type=Path)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    nlp = config("project_match.cfg")
    text = gold_pair(EUROPARL.format(args.lang), nlp)[0] + news(args.lang, nlp)
    pairs = pairs_of([*text, *(doc for lang in args.mafand for doc in african(lang))])
    rates = args.lr if len(args.lr) > 1 else args.lr * len(args.stages)
    if len(rates) != len(args.stages):
        parser.error("give one --lr, or one for each stage")
    with tempfile.TemporaryDirectory() as name:
        work = args.work or Path(name)
        texts = [" ".join(words) for pair in pairs for words in (pair.source, pair.target)]
        begun = [("random weights", work / "random", "")]
        begun += [("random weights, flat", work / "flat", "")] if args.flat else []
        for _, model, _ in begun:
            if not model.exists():
                make_encoder(model, texts, args.layers, args.dim, model.name == "flat")
        rows = [["`Statistical.v1`, fitted on it", "", "", *quality(StatisticalAligner(), text, args.lang)]]
        stages = list(begun)
        for stage, rate in zip(args.stages, rates):
            objectives, _, steps = stage.partition(":")
            out = work / "-".join([model.name, *stage.replace(",", "+").split(":")])
            settings = TuningSettings(
                objectives=tuple(objectives.split(",")),
                steps=int(steps),
                layer=args.layer,
                lr=rate,
                batch_tokens=args.batch_tokens,
                mask=args.mask,
                every=max(int(steps) // 8, 1),
            )
            start = process_time()
            done = tune(pairs, out, model, settings, device="cpu")
            seconds = process_time() - start
            stages.append((stage, out, f"{seconds:.0f}" if done.new else ""))
            print(stage, *done.history, sep="\n")
            model = out
        for label, folder, seconds in stages:
            for method in args.methods:
                aligner = EmbeddingAligner(str(folder), method=method, layer=args.layer, device="cpu")
                rows.append([label, method, seconds, *quality(aligner, text, args.lang)])
    print(f"{len(pairs)} sentence pairs")
    print(table(["stage", "method", "seconds of CPU time", "F1", "95 %", "links a source word"], rows))


if __name__ == "__main__":
    main()
