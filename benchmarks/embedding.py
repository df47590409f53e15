"""Links from embeddings, held against the public packages simalign, awesome-align and span-aligner.

`python -m benchmarks.embedding parity --python PATH`: how many sentence pairs get other links than theirs.
`python -m benchmarks.embedding speed --python PATH`: sentence pairs a second on the CPU, by the clock and by CPU time,
which other programs on the machine disturb less (its ratios are those in brackets). The systems take turns, and the
best time of each counts.

PATH is the Python of an environment where these packages and this one's dependencies are installed. The models have
random weights, which take as long as trained ones, and large embeddings, so that equal words are alike and ties are
rare. Their tokenizers are trained on the sentences.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import chain
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from scripts.ranker_data import DATA, ROOT

from .common import table

Words = list[str]
Pair = tuple[Words, Words]
SMALL = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512}
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
SIMALIGN = {"inter": "a", "itermax": "i", "mwmf": "m"}
XLMR = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def europarl(n: int) -> list[Pair]:
    """Sentences with few sub-words a word, in the tokenization of the corpus."""
    sides = []
    for name in ("src", "tgt"):
        blocks = (DATA / "europarl" / "en-es" / f"{name}.conll").read_text(encoding="utf-8").strip("\n").split("\n\n")
        sides.append([[line.split("\t")[0] for line in block.split("\n")] for block in blocks[:n]])
    return list(zip(*sides))


def ntrex(n: int) -> list[Pair]:
    """Sentences of English and Setswana, split by white space."""
    sides = ((DATA / "ntrex" / f"{name}.txt").read_text(encoding="utf-8").split("\n")[:n] for name in ("eng", "tsn"))
    return [(a.split(), b.split()) for a, b in zip(*sides)]


def make_model(folder: Path, kind: str, shape: dict[str, int], vocabulary: int, texts: list[str]) -> None:
    """Write an encoder of the kind "bert" or "xlm-roberta", its tokenizer, and the weights also as awesome-align reads
    them."""
    import tokenizers
    import torch
    import transformers

    if kind == "bert":
        made = tokenizers.BertWordPieceTokenizer(lowercase=False, strip_accents=False)
        made.train_from_iterator(texts, vocab_size=30000, special_tokens=list(BERT), show_progress=False)
        made.save_model(str(folder))
        tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=False, strip_accents=False)
    else:
        unigram = tokenizers.SentencePieceUnigramTokenizer()
        unigram.train_from_iterator(
            texts, vocab_size=8000, special_tokens=list(XLMR), unk_token="<unk>", show_progress=False
        )
        ends = [(token, unigram.token_to_id(token)) for token in ("<s>", "</s>")]
        unigram.post_processor = tokenizers.processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
        tokenizer = transformers.XLMRobertaTokenizerFast(tokenizer_object=unigram._tokenizer)
    tokenizer.model_max_length = 512
    name = {"bert": "Bert", "xlm-roberta": "XLMRoberta"}[kind]
    pad = tokenizer.pad_token_id
    config = getattr(transformers, f"{name}Config")(
        vocab_size=max(vocabulary, len(tokenizer)),
        max_position_embeddings=512 if kind == "bert" else 514,
        pad_token_id=pad,
        **shape,
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}ForMaskedLM")(config)
    with torch.no_grad():
        model.get_input_embeddings().weight.normal_(0, 1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if kind == "bert":
        torch.save(model.state_dict(), folder / "pytorch_model.bin")


# What the public packages do, run by their Python: `python -m benchmarks.embedding work TASK`, a file that tells what


def work(path: Path) -> None:
    """Run one of the systems, and write the links and the seconds beside the task."""
    task = json.loads(path.read_text(encoding="utf-8"))
    system = {"ours": ours, "simalign": simalign, "awesome": awesome, "span": span_aligner}[task["system"]]
    align = system(task)
    pairs = task["pairs"]
    align(pairs[:4])
    start = perf_counter(), process_time()
    links = align(pairs)
    seconds, processor = perf_counter() - start[0], process_time() - start[1]
    links = {method: [sorted(map(list, row)) for row in rows] for method, rows in links.items()}
    found = {"seconds": seconds, "processor": processor, "links": links}
    path.with_suffix(".out").write_text(json.dumps(found), encoding="utf-8")


def ours(task: dict[str, Any]) -> Any:
    from spacy_xproj.aligners.embedding import EmbeddingAligner
    from spacy_xproj.bitext import Bitext

    settings = {"layer": task["layer"], "device": "cpu", **task.get("settings", {})}
    made = {method: EmbeddingAligner(task["model"], method=method, **settings) for method in task["methods"]}

    def align(pairs: list[Pair]) -> Any:
        given = [Bitext("en", a, (True,) * len(a)).pairs(tuple(b))[0] for a, b in pairs]
        return {method: [x.links.tolist() for x in aligner(given)] for method, aligner in made.items()}

    return align


def simalign(task: dict[str, Any]) -> Any:
    from simalign import SentenceAligner

    codes = "".join(SIMALIGN[method] for method in task["methods"])
    made = SentenceAligner(model=task["model"], token_type="bpe", matching_methods=codes, layer=task["layer"])

    def align(pairs: list[Pair]) -> Any:
        rows = [made.get_word_aligns(a, b) for a, b in pairs]
        return {method: [row[method] for row in rows] for method in task["methods"]}

    return align


def span_aligner(task: dict[str, Any]) -> Any:
    from span_aligner import SentenceAligner

    codes = "".join(SIMALIGN[method] for method in task["methods"])
    made = SentenceAligner(model=task["model"], token_type="bpe", matching_methods=codes, layer=task["layer"])

    def align(pairs: list[Pair]) -> Any:
        rows = [made.get_word_aligns(a, b)[0] for a, b in pairs]
        return {method: [row[method] for row in rows] for method in task["methods"]}

    return align


def awesome(task: dict[str, Any]) -> Any:
    """In batches, as its command does, but with the words as they are."""
    import torch
    from awesome_align import modeling
    from awesome_align.configuration_bert import BertConfig
    from awesome_align.modeling import BertForMaskedLM
    from awesome_align.tokenization_bert import BertTokenizer
    from torch.nn.utils.rnn import pad_sequence

    folder = Path(task["model"])
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), do_lower_case=False, max_len=512)
    modeling.PAD_ID, modeling.CLS_ID, modeling.SEP_ID = (
        getattr(tokenizer, f"{name}_token_id") for name in ("pad", "cls", "sep")
    )
    config = BertConfig.from_json_file(str(folder / "config.json"))
    model = BertForMaskedLM.from_pretrained(str(folder), config=config).eval()

    def encode(words: Words) -> tuple[Any, list[int]]:
        pieces = [tokenizer.convert_tokens_to_ids(tokenizer.tokenize(word)) for word in words]
        ids = tokenizer.prepare_for_model(list(chain(*pieces)), return_tensors="pt", max_length=tokenizer.max_len)
        return ids["input_ids"][0], [k for k, piece in enumerate(pieces) for _ in piece]

    def align(pairs: list[Pair]) -> Any:
        links: dict[str, Any] = {method: [] for method in task["methods"]}
        for k in range(0, len(pairs), 32):
            sides = [[encode(words) for words in side] for side in zip(*pairs[k : k + 32])]
            ids = [pad_sequence([x for x, _ in side], batch_first=True) for side in sides]
            maps = [[m for _, m in side] for side in sides]
            for method, rows in links.items():
                extraction = {"softmax": "softmax", "entmax": "entmax15"}[method]
                with torch.no_grad():
                    rows += model.get_aligned_word(
                        *ids, *maps, "cpu", 0, 0, align_layer=task["layer"], extraction=extraction, test=True
                    )
        return links

    return align


def run(folder: Path, python: str, **task: Any) -> dict[str, Any]:
    """Run a system in a process of its own.

    RETURNS (dict): `seconds` on the clock, `processor` those of CPU time, and `links` of each method.
    """
    path = folder / "task.json"
    path.write_text(json.dumps(task), encoding="utf-8")
    command = [python, "-W", "ignore", "-m", "benchmarks.embedding", "work", str(path)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "2")
    environment = {**os.environ, **threads, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{task['system']} failed:\n{done.stderr[-3000:]}")
    return json.loads(path.with_suffix(".out").read_text(encoding="utf-8"))


def parity(python: str, n: int, kinds: list[str], methods: list[str], show: int) -> None:
    pairs = europarl(n // 2) + ntrex(n // 2)
    texts = [" ".join(words) for both in pairs for words in both]
    rows = []
    for kind in kinds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_model(folder, kind, SMALL, 0, texts)
            systems = [("simalign", [m for m in methods if m in SIMALIGN])]
            if kind == "bert":
                systems.append(("awesome", [m for m in methods if m not in SIMALIGN]))
            for system, some in systems:
                if not some:
                    continue
                task = {"model": name, "layer": 3, "pairs": pairs, "methods": some}
                mine = run(folder, sys.executable, system="ours", **task)["links"]
                theirs = run(folder, python, system=system, **task)["links"]
                for method in some:
                    other = [k for k, (a, b) in enumerate(zip(mine[method], theirs[method])) if a != b]
                    count = sum(map(len, theirs[method]))
                    moved = sum(
                        len(set(map(tuple, mine[method][k])) ^ set(map(tuple, theirs[method][k]))) for k in other
                    )
                    rows.append([kind, system, method, len(pairs), count, len(other), moved])
                    for k in other[:show]:
                        a, b = ({*map(tuple, x[method][k])} for x in (mine, theirs))
                        print(kind, method, k, "ours only", sorted(a - b), "theirs only", sorted(b - a), *pairs[k])
    print(table(["model", "package", "method", "pairs", "links", "pairs with other links", "other links"], rows))


def speed(python: str, n: int, rounds: int) -> None:
    pairs = europarl(n // 2) + ntrex(n // 2)
    texts = [" ".join(words) for both in europarl(799) + ntrex(1997) for words in both]
    systems: list[tuple[str, str, str, dict[str, Any]]] = [
        ("simalign 0.4, itermax", "simalign", "itermax", {}),
        ("span-aligner 0.3.3, itermax", "span", "itermax", {}),
        ("awesome-align 0.1.7, softmax, batches of 32", "awesome", "softmax", {}),
        ("ours, itermax, float32", "ours", "itermax", {}),
        ("ours, softmax, float32", "ours", "softmax", {}),
        ("ours, softmax, int8", "ours", "softmax", {"dtype": "int8"}),
        ("ours, softmax, bfloat16", "ours", "softmax", {"dtype": "bfloat16"}),
    ]
    best: dict[str, dict[str, float]] = {}
    links: dict[str, list[Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder, "bert", BASE, 119547, texts)
        for _ in range(rounds):
            for label, system, method, settings in systems:
                task = {"model": name, "layer": 8, "pairs": pairs, "methods": [method], "settings": settings}
                found = run(folder, sys.executable if system == "ours" else python, system=system, **task)
                links[label] = found["links"][method]
                before = best.get(label, found)
                best[label] = {clock: min(before[clock], found[clock]) for clock in ("seconds", "processor")}
                print(f"{label}: {found['seconds']:.1f} s, {found['processor']:.1f} s of CPU time", file=sys.stderr)
    rows = []
    base = {"itermax": "simalign 0.4, itermax", "softmax": "awesome-align 0.1.7, softmax, batches of 32"}
    for label, _, method, _ in systems:
        other = sum(len({*map(tuple, a)} ^ {*map(tuple, b)}) for a, b in zip(links[label], links[base[method]]))
        times = [
            f"{best[base[by]]['seconds'] / best[label]['seconds']:.2f} "
            f"({best[base[by]]['processor'] / best[label]['processor']:.2f})"
            for by in base
        ]
        changed = other / sum(map(len, links[base[method]]))
        speeds = [f"{n / best[label][clock]:.2f}" for clock in ("seconds", "processor")]
        rows.append([label, *speeds, *times, f"{changed:.2%}"])
    header = ["system", "pairs a second", "a second of CPU time", "x simalign", "x awesome-align", "other links"]
    print(table(header, rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("work").add_argument("task", type=Path)
    for name, n in (("parity", 1000), ("speed", 120)):
        command = commands.add_parser(name)
        command.add_argument("--python", required=True, help="where simalign and awesome-align are installed")
        command.add_argument("--pairs", type=int, default=n)
    commands.choices["parity"].add_argument("--kinds", nargs="+", default=["bert", "xlm-roberta"])
    commands.choices["parity"].add_argument("--methods", nargs="+", default=[*SIMALIGN, "softmax", "entmax"])
    commands.choices["parity"].add_argument("--show", type=int, default=0, help="pairs with other links to print")
    commands.choices["speed"].add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    if args.command == "work":
        work(args.task)
    elif args.command == "parity":
        parity(args.python, args.pairs, args.kinds, args.methods, args.show)
    else:
        speed(args.python, args.pairs, args.rounds)


if __name__ == "__main__":
    main()
