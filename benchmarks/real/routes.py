"""Transfer, projection, distillation and both together over one trained encoder: `python -m benchmarks.real.routes`

All models are the student of `configs/student_frozen.cfg`: the encoder is frozen and reads each text once. English
models learn from web text with gold (UNER). Each target has parallel text without labels: English models label the
English side, which is projected (`configs/project_ranker.cfg`, with links of `Statistical.v1`), and give the target
side soft labels. The test text is the last 399 sentences of Europarl (es, de) and MasakhaNER 2.0 (lug, tsn). German has
a second source: gold of the first 400 sentences of Spanish Europarl. F1 is the mean of the seeds; intervals are of the
counts of all seeds together, and the bootstrap draws test sentences. What is finished is kept in the folder `--work`,
and a run that was stopped goes on.
"""

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch: a process is one thread

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from confection import Config
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed

from benchmarks.common import ROOT, config
from benchmarks.distillation.data import labeled, unlabeled
from benchmarks.source_ner import LABELS
from spacy_xproj import fit
from spacy_xproj.codes import normalize_code
from spacy_xproj.corpus import read_file, write_file
from spacy_xproj.corpus.pairing import bare_copy, gold_doc, pair_docs
from spacy_xproj.evaluate.bootstrap import counts, f1
from spacy_xproj.files import replacing, replacing_folder
from spacy_xproj.soft import SoftLabels

from .tables import shares, stacked, tell
from .texts import TESTS, Target, gold, target

SEEDS = {"es": 3, "de": 2, "lug": 3, "tsn": 2}
TRANSFER, PROJECTION, DISTILLATION = "transfer", "projection", "distillation"
FURTHER = "projection, from the English model"
MIXED, STARTED = "both", "both, from the English model"
METHODS = (TRANSFER, PROJECTION, FURTHER, DISTILLATION, MIXED, STARTED)
TWO = "two sources"
MASKS = (0.0, 0.5, 0.7)  # spans that score less are masked
BATCH = 500  # words a step


class Work:
    """Where a run keeps its files.

    encoder (Path): The folder of the encoder.
    folder (Path): For the results.
    steps (int): Of each training.
    limit (int): Sentences of each part; 0: all.
    source_steps (int): Of the training on English, which has more text. 0: as many as of the others.
    layers (sequence of int): Of the encoder. None: those of the config.
    """

    def __init__(
        self,
        encoder: Path,
        folder: Path,
        steps: int,
        limit: int = 0,
        source_steps: int = 0,
        layers: Sequence[int] = (),
    ):
        self.encoder, self.folder, self.steps, self.limit, self.layers = encoder, folder, steps, limit, layers
        self.source_steps = source_steps or steps
        folder.mkdir(parents=True, exist_ok=True)

    def target(self, lang: str) -> Target:
        return target(lang, self.limit)

    def kept(self, name: str) -> Path:
        return self.folder / f"{name.replace(',', '').replace(' ', '-')}"

    def config(self, lang: str, name: str = "student_frozen") -> Config:
        """A shipped config over this encoder. bfloat16 takes a third of the time where the CPU knows it."""
        made = Config().from_disk(ROOT / "configs" / f"{name}.cfg", interpolate=False)
        own = {"model": str(self.encoder), "cache": str(self.folder / "vectors.sqlite"), "dtype": "bfloat16"}
        made["components"]["tok2vec"]["model"]["embed"] |= own | ({"layers": [*self.layers]} if self.layers else {})
        made["nlp"]["lang"] = normalize_code(lang)
        return made


# Training


def examples(docs: Sequence[Doc], nlp: Language) -> list[Example]:
    """Docs as a student learns from them, with their entities and soft labels."""
    made = []
    for doc in docs:
        reference = gold_doc(doc, nlp) if doc.has_annotation("ENT_IOB") else bare_copy(doc, nlp.vocab)
        reference._.xproj_soft = doc._.xproj_soft
        made.append(Example(bare_copy(doc, nlp.vocab), reference))
    return made


def batches(sizes: Sequence[int], steps: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Indices of texts: `BATCH` words a step at least, every text once before any comes again."""
    order: list[int] = []
    for _ in range(steps):
        batch: list[int] = []
        while sum(sizes[k] for k in batch) < BATCH:
            order = order or rng.permutation(len(sizes)).tolist()
            batch.append(order.pop())
        yield batch


@contextmanager
def trained(made: Config, docs: Sequence[Doc], seed: int, steps: int) -> Iterator[Language]:
    """A pipeline after its last step, with averaged weights: nothing is chosen by a score."""
    fix_random_seed(seed)
    nlp = spacy.util.load_model_from_config(made, auto_fill=True)
    data = examples(docs, nlp)
    optimizer = nlp.initialize(lambda: data)
    dropout = made["training"]["dropout"]
    for batch in batches([len(eg) for eg in data], steps, np.random.default_rng(seed)):
        nlp.update([data[k] for k in batch], sgd=optimizer, drop=dropout)
    with nlp.use_params(optimizer.averages):
        yield nlp


def student(
    work: Work, lang: str, docs: Sequence[Doc], seed: int, targets: str = "gold", start: Path | None = None
) -> Any:
    made = work.config(lang)
    made["components"]["xproj_student"]["targets"] = targets
    made["initialize"]["components"] = {"xproj_student": {"labels": list(LABELS)}}
    made["paths"]["start"] = str(start) if start else None
    return trained(made, docs, seed, work.source_steps if lang == "en" else work.steps)


def labels_of(nlp: Language, docs: Iterable[Doc]) -> list[Doc]:
    """The texts with the entities that a student finds, their scores, and its soft labels."""
    found = list(blind(nlp, docs))
    pipe: Any = nlp.get_pipe("xproj_student")
    for start in range(0, len(found), 256):
        some = found[start : start + 256]
        for doc, rows in zip(some, pipe.distributions(nlp.get_pipe("tok2vec").pipe(some))):
            doc._.xproj_soft = SoftLabels(tuple(pipe.tag_names), rows)
    return found


# The steps of a comparison, each of which is kept


def run(
    work: Work,
    name: str,
    training: Callable[[], Any],
    tests: Sequence[str],
    label: dict[str, Callable[[], Sequence[Doc]]] | None = None,
    pipeline: Path | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, list[Doc]]]:
    """Train a pipeline, test it and label texts by it, or read what an earlier run kept of that.

    name (str): Of the training, with its seed.
    training (callable): Gives the context of a trained pipeline.
    tests (sequence of str): The targets to test on.
    label (dict of callable): Texts to label, by name.
    pipeline (Path): Save the pipeline there.
    RETURNS (dict of int array (n, 3), dict of list of Doc): Counts by target, labeled texts by name.
    """
    note = work.kept(f"{name}.json")
    places = {key: work.kept(f"{name} {key}.spacy") for key in label or {}}
    if not note.exists() or (pipeline and not pipeline.exists()):
        start = time.process_time()
        with training() as nlp:
            seconds = time.process_time() - start
            if pipeline:
                with replacing_folder(pipeline) as beside:
                    nlp.to_disk(beside)
            for key, path in places.items():
                write_file(labels_of(nlp, (label or {})[key]()), path)
            found = {code: counts(blind(nlp, test := work.target(code).test), test).tolist() for code in tests}
        with replacing(note) as beside:
            beside.write_text(json.dumps({"counts": found, "seconds": seconds}), encoding="utf-8")
        scores = ", ".join(f"{code} {f1(np.array(rows)):.3f}" for code, rows in found.items())
        print(f"# {name}: {scores}; {seconds:.0f} s of CPU time", flush=True)
    found = json.loads(note.read_text(encoding="utf-8"))["counts"]
    vocab = spacy.vocab.Vocab()
    return (
        {code: np.array(rows) for code, rows in found.items()},
        {key: list(read_file(path, vocab)) for key, path in places.items()},
    )


def blind(nlp: Language, docs: Iterable[Doc]) -> Iterator[Doc]:
    return nlp.pipe([bare_copy(doc, nlp.vocab) for doc in docs])


def projected(labels: Sequence[Doc], texts: Sequence[Doc], lang: str, name: str = "project_ranker.cfg") -> list[Doc]:
    """The target side with the entities of the source side. A span's score in `doc.spans["doubt"]` is that of its
    source span times that of the projection."""
    nlp = config(name)
    docs = list(pair_docs(labels, texts, nlp))
    fit(nlp, docs)
    out = []
    for doc, source in zip(nlp.pipe(docs), labels):
        group, bare = doc.spans["xproj"], source.spans["xproj_student"]
        sure = {(s.start, s.end): score for s, score in zip(bare, bare.attrs["scores"])}
        by_id = {span.id: sure.get((span.start, span.end), 1.0) for span in doc._.xproj.spans}
        scores = {(s.start, s.end): score * by_id[s.id_] for s, score in zip(group, group.attrs["scores"])}
        made = labeled([doc], lang)[0]
        made.spans["doubt"] = list(made.ents)
        made.spans["doubt"].attrs["scores"] = [float(scores[s.start, s.end]) for s in made.ents]
        out.append(made)
    return out


def masked(doc: Doc, least: float) -> Doc:
    """A Doc whose spans that score less are unknown."""
    made = bare_copy(doc, doc.vocab)
    group = doc.spans["doubt"]
    sides: tuple[list, list] = ([], [])
    for span, score in zip(group, group.attrs["scores"]):
        sides[score < least].append(spacy.tokens.Span(made, span.start, span.end, label=span.label_))
    made.set_ents(sides[0], missing=sides[1], default="outside")
    return made


def with_soft(docs: Sequence[Doc], soft: Sequence[Doc]) -> list[Doc]:
    """Docs with the soft labels of others."""
    out = labeled(docs, "xx")
    for doc, other in zip(out, soft, strict=True):
        doc._.xproj_soft = other._.xproj_soft
    return out


def soft_only(docs: Sequence[Doc], *others: Sequence[Doc]) -> list[Doc]:
    """Docs without entities, with the mean of the soft labels of several models."""
    out = [unlabeled(doc) for doc in docs]
    for k, doc in enumerate(out):
        each = [some[k]._.xproj_soft for some in (docs, *others)]
        doc._.xproj_soft = SoftLabels(each[0].labels, np.mean([soft.probs for soft in each], axis=0))
    return out


def source_model(work: Work, lang: str, docs: Sequence[Doc], seed: int) -> tuple[dict[str, np.ndarray], Any]:
    """A model of a source language's gold, tested on all targets. It labels both sides of their parallel text."""
    sides = {f"{code} {k}": partial(side, work, code, k) for code in SEEDS for k in (0, 1)}
    name = f"source {lang} {seed}"
    pipeline = work.kept(name) if lang == "en" else None
    return run(work, name, lambda: student(work, lang, docs, seed), [*SEEDS], sides, pipeline)


def side(work: Work, lang: str, which: int) -> Sequence[Doc]:
    """One side of a target's parallel text: 0, English; 1, the target."""
    return work.target(lang)[1 + which]


def compare(work: Work, lang: str, seed: int) -> dict[str, np.ndarray]:
    """The methods of one source, with a seed."""
    parallel = work.target(lang)
    transfer, labels = source_model(work, "en", gold("en", work.limit), seed)
    soft = labels[f"{lang} 1"]
    carried = kept_docs(work, f"projected {lang} {seed}", lambda: projected(labels[f"{lang} 0"], parallel.target, lang))

    def learnt(name: str, docs: Callable[[], Sequence[Doc]], targets: str = "gold") -> dict[str, np.ndarray]:
        start = work.kept(f"source en {seed}") if name in (FURTHER, STARTED) else None
        training = lambda: student(work, lang, docs(), seed, targets, start)  # noqa: E731
        return run(work, f"{name} {lang} {seed}", training, [lang])[0]

    found = {
        TRANSFER: transfer,
        PROJECTION: learnt(PROJECTION, lambda: carried),
        FURTHER: learnt(FURTHER, lambda: carried),
        DISTILLATION: learnt(DISTILLATION, lambda: soft_only(soft), "soft"),
        MIXED: learnt(MIXED, lambda: with_soft(carried, soft), "mix"),
        STARTED: learnt(STARTED, lambda: with_soft(carried, soft), "mix"),
    }
    return {name: counted[lang] for name, counted in found.items()}


def kept_docs(work: Work, name: str, make: Callable[[], list[Doc]]) -> list[Doc]:
    path = work.kept(f"{name}.spacy")
    if not path.exists():
        write_file(make(), path)
    return list(read_file(path, spacy.vocab.Vocab()))


def two_sources(work: Work, seed: int = 0) -> dict[str, np.ndarray]:
    """German from English and from Spanish gold."""
    parallel, spanish = work.target("de"), work.target("es")
    own, english = source_model(work, "en", gold("en", work.limit), seed)
    transfer, labels = source_model(work, "es", gold("es", work.limit), seed)
    n = min(len(parallel.target), len(spanish.target))
    # The lines of NTREX are the same in all languages, and both have the first ones.
    carried = [
        *kept_docs(work, f"projected de {seed}", lambda: projected(english["de 0"], parallel.target, "de")),
        *kept_docs(work, f"projected es de {seed}", lambda: projected(labels["es 1"][:n], parallel.target[:n], "de")),
    ]
    soft = soft_only(english["de 1"], labels["de 1"])
    both = [*gold("en", work.limit), *gold("es", work.limit)]
    plan: dict[str, tuple[Callable[[], Sequence[Doc]], str]] = {
        f"{TRANSFER}, {TWO}": (lambda: both, "gold"),
        f"{PROJECTION}, {TWO}": (lambda: carried, "gold"),
        f"{DISTILLATION}, {TWO}": (lambda: soft, "soft"),
        f"{MIXED}, {TWO}": (lambda: with_soft(carried, [*soft, *soft[:n]]), "mix"),
    }
    found = {f"{TRANSFER}, English alone": own["de"], f"{TRANSFER}, Spanish alone": transfer["de"]}
    for name, (docs, targets) in plan.items():
        found[name] = run(work, f"{name} {seed}", lambda: student(work, "de", docs(), seed, targets), ["de"])[0]["de"]  # noqa: B023
    return found


def masking(work: Work, lang: str, seed: int) -> dict[str, np.ndarray]:
    """Projection, with spans masked whose score, that of the source model times that of the projection, is low."""
    carried = kept_docs(work, f"projected {lang} {seed}", list)
    found = {}
    for least in MASKS:
        name = f"masked {least} {lang} {seed}" if least else f"{PROJECTION} {lang} {seed}"
        docs = [masked(doc, least) for doc in carried]
        found[str(least)] = run(work, name, lambda: student(work, lang, docs, seed), [lang])[0][lang]  # noqa: B023
        share = np.mean([score < least for doc in carried for score in doc.spans["doubt"].attrs["scores"]])
        print(f"# {name}: {share:.3f} of the spans masked", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=ROOT / "weights", help="made by `make weights`")
    parser.add_argument("--encoder", type=Path, help="another one, such as one that `xproj prune` cut")
    parser.add_argument("--work", type=Path, default=ROOT / "metrics" / "routes")
    parser.add_argument("--steps", type=int, default=160, help="of a training on a target")
    parser.add_argument("--source-steps", type=int, default=250, help="of a training on English")
    parser.add_argument("--limit", type=int, default=0, help="sentences of each part, to try the command")
    parser.add_argument(
        "--layers", type=int, nargs="+", default=(), help="of the encoder; default: those of the config"
    )
    parser.add_argument("--langs", nargs="+", choices=TESTS, default=[*SEEDS])
    parser.add_argument("--seeds", type=int, default=3, help="the most for a target")
    args = parser.parse_args()
    work = Work(args.encoder or args.weights / "e5-small", args.work, args.steps, args.limit, args.source_steps)
    runs: dict[str, list[dict[str, np.ndarray]]] = {lang: [] for lang in args.langs}
    for seed in range(args.seeds):  # by seeds first, so that a run that is stopped has all targets
        for lang in args.langs:
            if seed < SEEDS[lang]:
                runs[lang].append(compare(work, lang, seed))
    for lang, each in runs.items():
        methods, test = stacked(each), work.target(lang).test
        better = max((PROJECTION, DISTILLATION), key=lambda name: f1(methods[name]).mean())
        tell(f"{lang}, {len(test)} test sentences", methods, better)
        learnt = kept_docs(work, f"projected {lang} 0", list)
        print(f"\nOf the projected entities {shares(learnt)}; of the test's {shares(test)}.", flush=True)
    seeds = {lang: range(min(args.seeds, SEEDS[lang])) for lang in args.langs}
    if "lug" in args.langs:
        masks = stacked(masking(work, "lug", seed) for seed in seeds["lug"])
        tell("lug, spans below a score masked", masks, str(MASKS[0]))
    if "de" in args.langs:
        sources = stacked(two_sources(work, seed) for seed in seeds["de"])
        tell("de, two sources", sources, f"{TRANSFER}, English alone")


if __name__ == "__main__":
    main()
