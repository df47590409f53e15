"""Benchmarks of the literature: published figures beside ours. `python -m benchmarks.literature europarl --dry-run`

`europarl` and `uner` project gold labels of English, `masakhaner` those that an English model predicts
(`--source-model`), along links of `Statistical.v1`, and of an encoder too where one is given (`--encoder`, `make
weights`). Weights of `Ranker.v1` that saw a language pair are learnt anew without it, which takes some minutes. `conll`
trains a teacher and a student on an encoder, from files of your own.

`--dry-run` says which files are there and intact, where the others are from, and what would run. Nothing is fetched
but by `--download`, which checks what it gets. A language without all of its files is left out, and named. What is
published is cited; where its protocol is another one than ours, the note says so.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from hashlib import md5
from pathlib import Path
from typing import Any, NamedTuple, Optional

import requests
import srsly
from spacy.tokens import Doc

from scripts.ranker_data import DATA, GIVEN, ROOT
from spacy_xproj import fit
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.corpus import blank, read_docs
from spacy_xproj.corpus.pairing import gold_doc, pair_docs
from spacy_xproj.errors import XprojError
from spacy_xproj.evaluate.bootstrap import counts, f1, interval
from spacy_xproj.files import replacing
from spacy_xproj.runs.pipelines import load_pipeline
from spacy_xproj.similarities.ranker.weights import write_weights

from .common import table
from .folds import fold_weights
from .masakha import labeler
from .new_user import MAP

KNOWN: dict[str, dict[str, Any]] = srsly.read_yaml(Path(__file__).with_suffix(".yml"))
CODES = {"es": "esp", "nl": "ned", "de": "deu"}  # of the CoNLL files
SYSTEMS = {
    "published heuristic, our links": "project_ref_heuristic",
    "published greedy, our links": "project_ref_greedy",
    "Ranker.v1, our links": "project_ranker",
    "Ranker.v1, links of the encoder": "project_encoder",
}
HEADER = ("language", "system", "F1 in %", "95 %", "figure from", "measured here on trained weights")


class Row(NamedTuple):
    """A figure: F1 in percent, and whether it was measured here on trained weights."""

    lang: str
    system: str
    f1: float
    interval: str
    source: str
    trained: str


def states(name: str, lang: str, data: Path) -> Iterator[tuple[str, str, str]]:
    """Path, state and origin of each file of a language."""
    for path, (place, known) in KNOWN[name]["files"][lang].items():
        state = "there, no checksum known"
        if not (data / path).is_file():
            state = "absent"
        elif known:
            state = "intact" if md5((data / path).read_bytes()).hexdigest() == known else "other content"
        yield path, state, f"{KNOWN[name]['origin']}{place}" if place else "a file of your own"


def download(name: str, lang: str, data: Path) -> None:
    """Get the absent files of a language from their public origin.

    RAISES (XprojError): If one cannot be had, or has other content than it had when its checksum was taken.
    """
    for path, state, origin in states(name, lang, data):
        if state != "absent" or not origin.startswith("http"):
            continue
        print(f"# {origin}", flush=True)
        try:
            answer = requests.get(origin, timeout=60)
            answer.raise_for_status()
        except requests.RequestException as err:
            raise XprojError(f"{origin} could not be had: {err}") from None
        if md5(answer.content).hexdigest() != KNOWN[name]["files"][lang][path][1]:
            raise XprojError(f"{origin} has other content than it had when its checksum was taken.")
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        with replacing(data / path) as beside:
            beside.write_bytes(answer.content)


def usable(name: str, lang: str, data: Path) -> bool:
    """Whether all files of a language are there. The sentences of MasakhaNER may stand beside their English already."""
    prepared = data / f"masakha/en-{lang}"
    found = [(path, state) for path, state, _ in states(name, lang, data)]
    if name == "masakhaner" and prepared.is_dir():
        found = [(path, state) for path, state in found if not path.endswith("test.txt")]
    changed = [path for path, state in found if state == "other content"]
    if changed:
        raise XprojError(f"{data}: the content of {', '.join(changed)} is not that of the public file. Remove it.")
    return all(state != "absent" for _, state in found)


def letters(text: str) -> str:
    return re.sub(r"\W", "", text).casefold()


def sides(name: str, lang: str, data: Path, model: str) -> tuple[list[Doc], list[Doc]]:
    """English Docs with the labels to project, and gold Docs of the target, sentence by sentence."""
    english, target = blank("en"), blank(lang)
    if name == "europarl":
        folder = data / f"europarl/en-{lang}"
        return list(read_docs(folder / "src.conll", english)), list(read_docs(folder / "tgt.conll", target))
    if name == "uner":
        both = ((f"uner-pud/{code}.iob2", nlp) for code, nlp in (("en", english), (lang, target)))
        source, gold = (list(read_docs(data / path, nlp, format="iob2")) for path, nlp in both)
        return source, gold
    prepared = data / f"masakha/en-{lang}"
    if prepared.is_dir():
        gold = list(read_docs(prepared / "tgt.conll", target))
        texts = (prepared / "src.txt").read_text(encoding="utf-8").splitlines()
    else:
        gold, texts = originals(lang, data)
    label = labeler(model, argparse.Namespace(label_map=MAP))
    return list(label(0, list(english.pipe(texts)))), gold


def originals(lang: str, data: Path) -> tuple[list[Doc], list[str]]:
    """The sentences of MasakhaNER that were translated from English, found in MAFAND by their letters, and the
    English."""
    known = {}
    for part in ("train", "dev", "test"):
        files = (data / f"mafand/en-{lang}/{part}.{side}" for side in (lang, "en"))
        pairs = zip(*(file.read_text(encoding="utf-8").splitlines() for file in files), strict=True)
        known.update({letters(text): english for text, english in pairs})
    docs = read_docs(data / f"masakhaner/{lang}/test.txt", blank(lang), format="conll")
    found = [(doc, known[key]) for doc in docs if (key := letters(doc.text)) in known]
    return [doc for doc, _ in found], [english for _, english in found]


def projected(name: str, lang: str, given: argparse.Namespace) -> Iterator[Row]:
    """The published methods and ours on one language."""
    labels = KNOWN[name]["labels"]
    source, target = sides(name, lang, given.data, given.source_model)
    weights: dict[str, Any] = {}
    pair = f"en-{lang}"
    if any(each.endswith(f"/{pair}") for each in GIVEN):  # the shipped weights saw it
        path = given.work / f"weights-{pair}.json"
        write_weights(path, fold_weights(pair, "languages", given.work, tuple(GIVEN)), {"left_out": pair})
        weights = {"components.xproj_matcher.similarity.weights": str(path)}
    for system, config in SYSTEMS.items():
        if config == "project_encoder" and not given.encoder:
            continue
        overrides = {**weights} if "ref" not in config else {}
        if config == "project_encoder":
            overrides["paths.encoder"] = str(given.encoder)
        nlp = load_pipeline(ROOT / "configs" / f"{config}.cfg", overrides=overrides)
        docs = list(pair_docs(source, target, nlp, labels=labels))
        fit(nlp, docs)
        found = counts(nlp.pipe(docs), [gold_doc(doc, nlp, labels) for doc in target])
        trained = config == "project_encoder" or name == "masakhaner"  # there the English labels are a trained model's
        yield measured(lang, f"{system}, {len(docs)} sentences", found, trained)


def measured(lang: str, system: str, found: Any, trained: bool) -> Row:
    low, high = (f"{100 * x:.1f}" for x in interval(found))
    return Row(lang, system, 100 * float(f1(found)), f"{low} to {high}", "this run", "yes" if trained else "no")


def steps(name: str, lang: str, given: argparse.Namespace) -> list[list[str]]:
    """The commands of a benchmark that is run by commands, as words after `python -m spacy`."""
    values = {
        "data": given.data,
        "work": given.work,
        "configs": ROOT / "configs",
        "encoder": given.encoder or "ENCODER",
        "lang": lang,
        "code": CODES[lang],
    }
    return [[word.format(**values) for word in step.split()] for step in KNOWN[name]["steps"]]


def commanded(name: str, lang: str, given: argparse.Namespace) -> Iterator[Row]:
    if not given.encoder:
        raise XprojError(f"{name} trains on an encoder: give its folder with --encoder (`make weights` makes one).")
    for words in steps(name, lang, given):
        if subprocess.run([sys.executable, "-m", "spacy", *words]).returncode:
            raise XprojError(f"{name} stopped at: python -m spacy {' '.join(words)}")
    scores = srsly.read_json(given.work / lang / "scores.json")
    yield Row(lang, "student_frozen on soft labels", 100 * scores["ents_f"], "", "this run", "yes")


def dry(name: str, langs: Sequence[str], given: argparse.Namespace) -> str:
    """What would run, and on which files."""
    about = KNOWN[name]
    parts = [f"{name}: {about['task']}", f"License of the data: {about['license']}"]
    files = {row for lang in langs for row in states(name, lang, given.data)}
    parts.append(table(("file", "state", "origin"), sorted(files)))
    for lang in langs:
        missing = "" if usable(name, lang, given.data) else "not all of its files are there"
        if "steps" in about:
            runs = [f"python -m spacy {' '.join(words)}" for words in steps(name, lang, given)]
        else:
            runs = [
                f"{config} over {lang}: {system}"
                for system, config in SYSTEMS.items()
                if given.encoder or config != "project_encoder"
            ]
        parts.append("\n".join([f"{lang}: would {'be left out, ' + missing if missing else 'run'}", *runs]))
    return "\n\n".join(parts)


def published(name: str, langs: Sequence[str]) -> list[Row]:
    known = KNOWN[name]["published"]
    return [
        Row(lang, each["system"], each["f1"][lang], "", each["source"], "no")
        for lang in langs
        for each in known
        if lang in each["f1"]
    ]


def report(name: str, rows: Sequence[Row]) -> str:
    note = f"\n\n{KNOWN[name]['note']}" if "note" in KNOWN[name] else ""
    lines = [(r.lang, r.system, f"{r.f1:.1f}", r.interval, r.source, r.trained) for r in rows]
    return f"{KNOWN[name]['task']}. License of the data: {KNOWN[name]['license']}.{note}\n\n{table(HEADER, lines)}\n"


@handle_errors
def main(args: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=KNOWN)
    parser.add_argument("--langs", nargs="+", help="only these languages")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data")
    parser.add_argument("--source-model", default="en_core_web_sm", help="labels the English of masakhaner")
    parser.add_argument("--encoder", type=Path, help="folder of an encoder")
    parser.add_argument("--dry-run", action="store_true", help="only say what would run")
    parser.add_argument("--download", action="store_true", help="get absent files from their public origin")
    parser.add_argument("--output", type=Path, help="file for the table; without it: NAME.md in the folder --work")
    parser.add_argument("--work", type=Path, default=ROOT / "metrics" / "literature", help="folder for what is made")
    given = parser.parse_args(args)
    files = KNOWN[given.name]["files"]
    langs = [*(given.langs or files)]
    if unknown := sorted({*langs} - {*files}):
        raise XprojError(f"{given.name} has the languages {', '.join(files)}, not {', '.join(unknown)}.")
    if given.dry_run:
        print(dry(given.name, langs, given))
        return
    for lang in langs if given.download else ():
        download(given.name, lang, given.data)
    ready = [lang for lang in langs if usable(given.name, lang, given.data)]
    if not ready:
        raise XprojError(
            f"The files of {', '.join(langs)} are not in {given.data}. --dry-run says where they are from."
        )
    given.work.mkdir(parents=True, exist_ok=True)
    run = commanded if "steps" in KNOWN[given.name] else projected
    rows = []
    for lang in ready:
        rows += [*published(given.name, [lang]), *run(given.name, lang, given)]
    text = report(given.name, rows)
    output = given.output or given.work / f"{given.name}.md"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    print(text)
    if left := [lang for lang in langs if lang not in ready]:
        print(f"Left out, as files are missing: {', '.join(left)}. --dry-run says which.")


if __name__ == "__main__":
    main()
