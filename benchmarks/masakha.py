"""Projection into Luganda and Setswana, from English with predicted labels: `python -m benchmarks.masakha`

English sentences of MasakhaNER 2.0 are labeled by a small NER that is trained here, without pretrained weights or on a
frozen encoder (`--encoder`), or by trained models (`--source-model`), and projected onto the gold target by the
published methods and by ours, on the same links and labels. The shipped weights of `Ranker.v1` saw neither language.
All aligners, and what `Ranker.v1` learns from a corpus, see the same text: these sentences and the train and dev part
of MAFAND. eflomal (extra `benchmark`) takes no seed, and is run once for each seed of the NER. Links of an encoder
(`--link-encoder`) and those of both are made as in `benchmarks.real.links`. DATE is left out. The labels of a trained
model are renamed by `--label-map`, which was chosen on the English dev part of Universal NER (`python -m
benchmarks.new_user --map`), without a look at MasakhaNER. `{seed}` in the name of a model stands for the seed; a model
without it is the same for all, and the seeds change the links of eflomal alone.

F1 is the mean of the seeds. Intervals, precision, recall, gains and what is said of scores are of the counts of all
seeds together, and the bootstrap draws sentences. Trained models, labeled English and links of eflomal are kept in the
folder `--work`; remove it after a change that they depend on.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc

from spacy_xproj import fit
from spacy_xproj.aligners.eflomal import EflomalAligner
from spacy_xproj.aligners.embedding import EmbeddingAligner
from spacy_xproj.aligners.ensemble import EnsembleAligner
from spacy_xproj.bitext import Bitext
from spacy_xproj.corpus import blank, read_docs, read_file, write_file
from spacy_xproj.corpus.pairing import gold_doc, pair_docs
from spacy_xproj.evaluate import score
from spacy_xproj.evaluate.bootstrap import counts, difference, f1, interval
from spacy_xproj.evaluate.calibration import calibration_error, precision_at, reliability, scored
from spacy_xproj.evaluate.errors import TYPES, causes, error_types
from spacy_xproj.labels import LabelFilter, mapped_spans
from spacy_xproj.pharaoh import read_pharaoh, write_pharaoh
from spacy_xproj.runs.source_labels import SourceLabeler

from .common import DATA, ROOT, config, examples, table
from .new_user import MAP
from .real.links_encoder import encoder_links
from .real.links_systems import CHOSEN, THRESHOLD
from .source_ner import EN, FROZEN, LABELS, TEXTS, plain, source_model, source_quality

PUBLISHED = ("ref_heuristic", "ref_greedy")
METHODS = (*PUBLISHED, "heuristic", "match", "ranker")
SYMMETRIZED = {"eflomal gdfa": "grow-diag-final-and", "eflomal inter": "intersection"}
STATISTICAL = "Statistical.v1"
ENCODER, ENSEMBLE = "Embedding.v1", "Ensemble.v1"
LINKS = (STATISTICAL, *SYMMETRIZED)


class Result(NamedTuple):
    """One method on one set of links: the Docs of all seeds, one seed after the other, and their gold."""

    docs: list[Doc]
    gold: list[Doc]
    runs: np.ndarray  # `counts` of each seed: (seeds, sentences, 3)

    @property
    def counts(self) -> np.ndarray:
        """By sentence, summed over the seeds, so that a bootstrap draws sentences."""
        return self.runs.sum(axis=0)


Results = dict[tuple[str, str], Result]  # by links and method


# Text, labels and links


def lines(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as file:
        return [line.strip() for line in file]


def sides(lang: str) -> tuple[list[str], list[Doc]]:
    """English text and target Docs, those with gold first."""
    nlp = blank(lang)
    gold = list(read_docs(DATA / f"masakha/en-{lang}/tgt.conll", nlp))
    source = lines(DATA / f"masakha/en-{lang}/src.txt")
    files = [[DATA / f"mafand/en-{lang}/{part}.{side}" for side in ("en", lang)] for part in ("train", "dev")]
    pairs = [pair for both in files for pair in zip(*map(lines, both), strict=True) if all(pair)]
    return source + [s for s, _ in pairs], gold + [nlp.make_doc(t) for _, t in pairs]


def labeler(model: str, args: argparse.Namespace) -> Callable[[int, list[Doc]], Iterable[Doc]]:
    """What labels English Docs by the model of a seed: one that is trained here, or a given one with renamed labels."""
    names = LabelFilter(LABELS, LabelFilter.parse(label_map=args.label_map).label_map)

    def label(seed: int, docs: list[Doc]) -> Iterable[Doc]:
        if model in (*TEXTS, FROZEN):
            nlp = source_model(model, seed, args.work, args.encoder)
            return nlp.pipe([plain(doc, nlp) for doc in docs])
        path = model.format(seed=seed)
        known = SourceLabeler(path, "en").labels
        renamed = {old: new for old, new in names.label_map.items() if old in known}
        return SourceLabeler(path, "en", LabelFilter(names.labels, renamed))(docs)

    return label


def labeled(model: str, seed: int, lang: str, args: argparse.Namespace) -> list[Doc]:
    """The English side of the gold sentences with predicted labels."""
    path = args.work / f"en-{lang} {Path(model).name} {seed}.spacy"
    if not path.exists():
        docs = list(EN.pipe(lines(DATA / f"masakha/en-{lang}/src.txt")))
        write_file(labeler(model, args)(seed, docs), path)
    return list(read_file(path, EN.vocab))


def payloads(
    source: list[str], target: list[Doc], lang: str, args: argparse.Namespace
) -> dict[str, list[list[Bitext]]]:
    """The payloads of all text, without labels: by what linked them (`--links`), for each seed."""
    linkers, seeds, work = args.links, args.seeds, args.work
    nlp = config("project_match.cfg")
    docs = list(pair_docs(EN.pipe(source), target, nlp))
    found: dict[str, list[list[Bitext]]] = {name: [] for name in linkers}
    linked: dict[str, list[Bitext]] = {}
    pairs = [pair for doc in docs for pair in doc._.xproj.pairs(tuple(token.text for token in doc))]
    for seed in range(seeds):
        files = {name: work / f"en-{lang} {name} {seed}.pharaoh" for name in linkers if name in SYMMETRIZED}
        if not all(path.exists() for path in files.values()):
            aligner = EflomalAligner(stem=0, cognate=0.0)  # as eflomal by itself is
            aligner.fit(pairs)
            for name, path in files.items():
                aligner.symmetrization = SYMMETRIZED[name]
                write_pharaoh(path, [made.links for made in aligner(pairs)])
        for name, path in files.items():
            given = {"aligner": name}
            found[name].append(
                [doc._.xproj.replace(links=x, provenance=given) for doc, x in zip(docs, read_pharaoh(path))]
            )
    if {STATISTICAL, ENSEMBLE} & {*linkers}:
        fit(nlp, docs)
        linked[STATISTICAL] = [doc._.xproj for doc in nlp.pipe(docs, disable=["xproj_matcher"])]
    if {ENCODER, ENSEMBLE} & {*linkers}:
        method, layer = CHOSEN
        aligner = EmbeddingAligner(str(args.link_encoder), method, layer, device="cpu", dtype=args.link_dtype)
        links = {ENCODER: encoder_links(aligner, pairs, work)}
        if ENSEMBLE in linkers:
            parts = {"encoder": links[ENCODER], "statistical": linked[STATISTICAL]}
            known = {name: lambda pairs, part=part: part for name, part in parts.items()}
            links[ENSEMBLE] = EnsembleAligner(known, threshold=THRESHOLD)(pairs)
        for name, each in links.items():
            linked[name] = [
                doc._.xproj.replace(links=x.links, scores=x.scores, evidence=x.evidence, provenance={"aligner": name})
                for doc, x in zip(docs, each, strict=True)
            ]
    return found | {name: [linked[name]] * seeds for name in linkers if name not in SYMMETRIZED}


# Projection


def projected(method: str, target: list[Doc], links: list[Bitext], source: list[Doc]) -> tuple[list[Doc], list[Doc]]:
    """The gold sentences with projected entities, and their gold."""
    nlp = config(f"project_{method}.cfg")
    gold = [gold_doc(doc, nlp, LABELS) for doc in target[: len(source)]]
    known = target if method == "ranker" else target[: len(source)]  # the others learn nothing from text with links
    docs = [plain(doc, nlp) for doc in known]
    for k, doc in enumerate(docs):
        doc._.xproj = links[k].replace(spans=mapped_spans(source[k]) if k < len(source) else ())
    fit(nlp, docs)
    return list(nlp.pipe(docs[: len(source)])), gold


def results(target: list[Doc], links: dict[str, list[list[Bitext]]], sources: list[list[Doc]]) -> Results:
    """All methods on all links, each with the predicted labels of every seed."""
    found = {}
    for name, method in product(links, METHODS):
        runs = [projected(method, target, *each) for each in zip(links[name], sources)]
        docs, gold = ([doc for run in runs for doc in run[side]] for side in (0, 1))
        found[name, method] = Result(docs, gold, np.stack([counts(*run) for run in runs]))
    return found


# Tables


def quality_row(result: Result) -> list[str]:
    found = score(examples(result.docs, result.gold))
    low, high = interval(result.counts)
    seeds = f1(result.runs)
    by_label = (found["ents_per_type"][label]["f"] for label in LABELS)
    figures = [f"{x:.3f}" for x in (found["ents_p"], found["ents_r"], found["boundary_f"], *by_label)]
    return [f"{seeds.mean():.3f}", f"{low:.3f} to {high:.3f}", f"{seeds.min():.3f} to {seeds.max():.3f}", *figures]


def gain_row(found: Results, links: str) -> list[str]:
    better = max(PUBLISHED, key=lambda method: float(f1(found[links, method].counts)))
    cells = [better]
    cells += [gain_over(found[links, method], found[links, better]) for method in METHODS[2:]]
    ours = found[links, "ranker"]
    points, right = scored(ours.docs, ours.gold)
    error = calibration_error(reliability(points, right))
    return [*cells, f"{error:.3f}", f"{right.mean():.3f}", f"{precision_at(points, right, [0.8])[0]:.3f}"]


def gain_over(ours: Result, theirs: Result) -> str:
    gain = difference(ours.counts, theirs.counts)
    return f"{100 * gain.gain:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f}), p {gain.p:.4f}"


def links_rows(found: Results, links: Sequence[str]) -> list[list[str]]:
    """Each method on other links against the same on the first ones."""
    first, *others = links
    return [[name, *(gain_over(found[name, method], found[first, method]) for method in METHODS)] for name in others]


def bound_row(result: Result) -> list[str]:
    found = score(examples(result.docs, result.gold))
    partners = found["ceiling_f"] * (found["n_source"] + found["n_gold"]) / 2
    seeds = len(result.runs)
    shares = (partners / found["n_gold"], partners / found["n_source"], found["ceiling_f"], found["ceiling_drop_f"])
    cells = [f"{found['n_gold'] // seeds}", f"{found['n_source'] / seeds:.0f}", *(f"{x:.3f}" for x in shares)]
    return [*cells, f"{f1(result.runs).mean() / found['ceiling_f']:.3f}"]


def per_seed(numbers: Counter, names: Iterable[str], result: Result) -> list[str]:
    return [f"{numbers[name] / len(result.runs):.0f}" for name in names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=ROOT / "metrics" / "masakha")
    parser.add_argument("--langs", nargs="+", default=["lug", "tsn"])
    parser.add_argument("--text", nargs="*", choices=TEXTS, default=TEXTS, help="what the source NER is trained on")
    parser.add_argument("--encoder", type=Path, help="folder of an encoder, for a source NER on it as it is")
    parser.add_argument("--source-model", nargs="*", default=[], help="trained models: spaCy's or token classifiers")
    parser.add_argument("--label-map", default=MAP, help="new names of their labels")
    parser.add_argument("--links", nargs="+", choices=(*LINKS, ENCODER, ENSEMBLE), default=LINKS)
    parser.add_argument("--link-encoder", type=Path, help="folder of the encoder of these")
    parser.add_argument("--link-dtype", default="float32", help="bfloat16 is faster on some CPUs")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    if {ENCODER, ENSEMBLE} & {*args.links} and not args.link_encoder:
        parser.error(f"{ENCODER} and {ENSEMBLE} need --link-encoder.")
    args.work.mkdir(parents=True, exist_ok=True)
    sources = (*args.text, *([FROZEN] if args.encoder else []), *args.source_model)
    models = [source_quality(Path(name).name, labeler(name, args), args.seeds) for name in sources]
    bounds, quality, gains, against, types = [], [], [], [], []
    reasons: dict[tuple[str, ...], tuple[Counter, Result]] = {}
    for lang in args.langs:
        source, target = sides(lang)
        links = payloads(source, target, lang, args)
        for model in sources:
            docs = [labeled(model, seed, lang, args) for seed in range(args.seeds)]
            found, text = results(target, links, docs), Path(model).name
            bounds += [[lang, text, name, *bound_row(found[name, "ranker"])] for name in args.links]
            gains += [[lang, text, name, *gain_row(found, name)] for name in args.links]
            against += [[lang, text, *row] for row in links_rows(found, args.links)]
            quality += [[lang, text, *key, *quality_row(result)] for key, result in found.items()]
            for method in (*PUBLISHED, "ranker"):
                result = found[args.links[0], method]
                types.append([lang, text, method, *per_seed(error_types(result.docs, result.gold), TYPES, result)])
                reasons[lang, text, method] = causes(result.docs, result.gold), result
    names = sorted({name for numbers, _ in reasons.values() for name in numbers})
    print("## Source NER, F1 on English: mean (range of the seeds)\n")
    print(table(["source model", "UNER, where training stopped", "test part of the shipped corpus"], models))
    print("\n## What the predicted labels leave to projection, mean of the seeds\n")
    shares = ["gold with a source span of its label", "source spans with a gold one", "highest F1", "with omission"]
    shares.append("share of the highest that `ranker` reaches")
    print(table(["to", "source model", "links", "gold spans", "source spans", *shares], bounds))
    print("\n## Projection\n")
    header = ["F1, mean", "95 %, sentences", "range of the seeds", "precision", "recall", "F1, label aside", *LABELS]
    print(table(["to", "source model", "links", "method", *header], quality))
    print("\n## F1 points over the better published method, paired bootstrap over sentences; scores of the ranker\n")
    header = ["better published", *METHODS[2:], "ECE", "precision", "at 80 % coverage"]
    print(table(["to", "source model", "links", *header], gains))
    print(f"\n## F1 points over the same method on links of {args.links[0]}, paired bootstrap over sentences\n")
    print(table(["to", "source model", "links", *METHODS], against))
    print(f"\n## Errors on links of {args.links[0]}, mean of the seeds\n")
    print(table(["to", "source model", "method", *TYPES], types))
    print()
    causes_of = [[*key, *per_seed(numbers, names, result)] for key, (numbers, result) in reasons.items()]
    print(table(["to", "source model", "method", *names], causes_of))


if __name__ == "__main__":
    main()
