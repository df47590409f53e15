"""Public packages that project spans, and ours, on the same sentences.

`python -m benchmarks.peers --python PATH --encoder FOLDER --source-model NAME`. PATH is the Python of an environment
with simalign 0.4, span-aligner 0.3.3, LinguAligner 1.0.7 and spacy-lookups-data, beside the packages of this one. All
systems read the same encoder (`make weights`): the models that these packages fetch by name are not used. They read its
sixth layer, the best one for our links; LinguAligner has the eighth built in, and is run without an encoder,
too, as it was made for another one. It also wants a translation of each annotation by itself: for Spanish that is
Apertium's, and elsewhere the source words, which suits names.

Our weights saw nothing of the language pair. What learns from text learns from these sentences alone. The English side
of Luganda and Setswana has labels that NAME predicted, that of the other sets gold labels.

A time is CPU time on one thread, without the loading of models, each system in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from typing import Any, Optional

from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from scripts.ranker_data import GIVEN
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.corpus import blank, read_docs
from spacy_xproj.corpus.pairing import bare_copy, gold_doc
from spacy_xproj.errors import XprojError
from spacy_xproj.evaluate.bootstrap import counts, difference, f1, interval
from spacy_xproj.files import text_hash, write_json
from spacy_xproj.similarities.ranker.weights import write_weights
from spacy_xproj.translators.apertium import Apertium

from .common import DATA, ROOT, gold_pair, table, xx
from .folds import fold_weights
from .masakha import LABELS, labeler, lines
from .new_user import MAP

MASAKHA = "masakha/en-lug", "masakha/en-tsn"
SETS = ("europarl/en-es", "europarl/en-de", "absa/en-es", *MASAKHA)
LAYER = 6
LEMMAS = ("es", "de")  # those of `SETS` for which spacy-lookups-data has a table
PEERS = {
    "simalign": "simalign and a script",
    "span-aligner": "span-aligner",
    "LinguAligner": "LinguAligner",
    "LinguAligner-strings": "LinguAligner without an encoder",
}
OURS = {"project_ranker": "ours, Statistical.v1", "project_encoder": "ours, same encoder"}
HEADER = ("set", "system", "F1", "95 %", "precision", "recall", "F1 of ours on the same encoder is higher by")


def language(name: str) -> str:
    return name.rpartition("-")[2]


def read_set(name: str, model: str) -> tuple[list[dict[str, Any]], list[Doc]]:
    """The sentences as `benchmarks.peers_systems` wants them, and the gold target Docs."""
    lang = language(name)
    if name in MASAKHA:
        nlp = blank(lang)
        gold = [gold_doc(doc, nlp, LABELS) for doc in read_docs(DATA / name / "tgt.conll", nlp)]
        english = list(blank("en").pipe(lines(DATA / name / "src.txt")))
        source = list(labeler(model, argparse.Namespace(label_map=MAP))(0, english))
        sides = [([t.text for t in doc], [(e.start, e.end, e.label_) for e in doc.ents]) for doc in source]
    else:
        docs, gold = gold_pair(name, xx())
        sides = [(list(doc._.xproj.words), [(s.start, s.end, s.label) for s in doc._.xproj.spans]) for doc in docs]
    alone = [" ".join(words[a:b]) for words, spans in sides for a, b, _ in spans]
    if lang == "es" and which("apertium"):
        alone = [made.text for made in Apertium()(alone, "en", "es")]
    translations = iter(alone)
    return [
        {
            "source": words,
            "target": [t.text for t in doc],
            "spans": spans,
            "translations": [next(translations) for _ in spans],
        }
        for (words, spans), doc in zip(sides, gold, strict=True)
    ], gold


def run(python: str, folder: Path, **task: Any) -> dict[str, Any]:
    """Run a system on a set in a process of its own, or read what it gave the last time.

    RETURNS (dict): `spans` by sentence, `seconds` of CPU time, and `failed`, an exception for each failed span.
    """
    path = folder / f"{task['system']} {text_hash(json.dumps(task))[:16]}.json"
    if not path.with_suffix(".out").exists():
        path.write_text(json.dumps(task), encoding="utf-8")
        command = [python, "-W", "ignore", "-m", "benchmarks.peers_systems", str(path.resolve())]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        environment = {**os.environ, **threads, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise XprojError(f"{task['system']} failed:\n{done.stderr[-3000:]}")
    return json.loads(path.with_suffix(".out").read_text(encoding="utf-8"))


def annotated(gold: Sequence[Doc], found: dict[str, Any]) -> list[Doc]:
    """The target Docs with projected entities. Of those that overlap, the longest are kept."""
    docs = []
    for doc, spans in zip(gold, found["spans"], strict=True):
        made = bare_copy(doc, doc.vocab)
        made.ents = filter_spans([Span(made, start, end, label=label) for start, end, label in spans])
        docs.append(made)
    return docs


def measure(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """What each system gives on a set."""
    sentences, gold = read_set(name, given.source_model)
    if given.limit:
        sentences, gold = sentences[: given.limit], gold[: given.limit]
    shared = {"encoder": str(given.encoder.resolve()), "layer": LAYER, "lang": language(name), "sentences": sentences}
    weights: dict[str, Any] = {}
    if name not in MASAKHA:  # the shipped weights saw the others
        held = name.split("/")[1]
        path = given.output / f"weights-{held}.json"
        write_weights(path, fold_weights(held, "languages", given.output, tuple(GIVEN)), {"left_out": held})
        weights = {"components.xproj_matcher.similarity.weights": str(path.resolve())}
    runs = {}
    for config, title in OURS.items():
        encoder = {"paths.encoder": shared["encoder"]} if config == "project_encoder" else {}
        runs[title] = run(
            sys.executable, given.output, system="ours", config=config, overrides={**weights, **encoder}, **shared
        )
    for system, title in PEERS.items():
        runs[title] = run(given.python, given.output, system=system, lemmas=language(name) in LEMMAS, **shared)
    tables = {title: counts(annotated(gold, found), gold) for title, found in runs.items()}
    best = OURS["project_encoder"]
    return {
        title: {
            "f1": float(f1(each)),
            "interval": list(interval(each)),
            "precision": float(each[:, 0].sum() / max(each[:, 1].sum(), 1)),
            "recall": float(each[:, 0].sum() / max(each[:, 2].sum(), 1)),
            "gain": difference(tables[best], each)._asdict() if title != best else None,
            "seconds": runs[title]["seconds"],
            "times": runs[title]["seconds"] / runs[best]["seconds"],
            "spans": sum(len(each["spans"]) for each in sentences),
            "failed": len(runs[title]["failed"]),
        }
        for title, each in tables.items()
    }


def report(found: dict[str, dict[str, Any]]) -> str:
    """The figures as two Markdown tables."""
    quality, speed = [], []
    for name, systems in found.items():
        for title, each in systems.items():
            low, high = each["interval"]
            row = [name, title, f"{each['f1']:.3f}", f"{low:.3f} to {high:.3f}"]
            row += [f"{each['precision']:.3f}", f"{each['recall']:.3f}"]
            gain = each["gain"]
            row += [
                f"{gain['gain'] * 100:+.1f} ({gain['low'] * 100:+.1f} to {gain['high'] * 100:+.1f})" if gain else ""
            ]
            quality.append(row)
            speed.append(
                [name, title, f"{each['seconds']:.1f}", f"{each['times']:.2f}", f"{each['failed']} of {each['spans']}"]
            )
    header = ("set", "system", "CPU s", "times ours on the same encoder", "spans on which it failed")
    return f"{table(HEADER, quality)}\n\n{table(header, speed)}\n"


@handle_errors
def main(args: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="where simalign, span-aligner and LinguAligner are installed")
    parser.add_argument("--encoder", type=Path, default=Path("weights/e5-small"), help="the folder of a model")
    parser.add_argument("--source-model", default="en_core_web_sm", help="labels the English of Luganda and Setswana")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--limit", type=int, default=0, help="take the first sentences of a set, so many; 0: all")
    parser.add_argument("--output", type=Path, default=ROOT / "metrics" / "peers", help="folder for tables and spans")
    given = parser.parse_args(args)
    given.output.mkdir(parents=True, exist_ok=True)
    found = {name: measure(name, given) for name in given.sets}
    write_json(given.output / "peers.json", found)
    text = report(found)
    (given.output / "peers.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
