"""A tiny corpus, and for each verb that writes a command over it. All of them write below `out/`."""

import json
from collections.abc import Iterable
from pathlib import Path

from spacy.tokens import DocBin

from spacy_xproj.translators.memory import Memory
from tests.aligners.tiny_encoders import make_encoder
from tests.cli.test_review import RANKER
from tests.conftest import NAMES, VERSES, conll, payload_doc
from tests.runs.test_rounds import SMALL, TEACHERS, gold, texts

STUDENT = {**SMALL, "training.max_steps": 4, "training.eval_frequency": 2}
TRAINING = " ".join(f"--{k} {json.dumps(v).replace(' ', '')}" for k, v in STUDENT.items() if k != "nlp.lang")
SHARDED = "project"  # what has the most moments
TWO = "project, two workers"
RAY = "project, Ray"  # takes a minute a time, and runs where it is named
COMMANDS = {
    SHARDED: "project bitext.spacy out/x --lang es --shard 1 --config project_match",
    TWO: "project bitext.spacy out/x --lang es --shard 1 --config project_match --n-process 2",
    RAY: "project bitext.spacy out/x --lang es --shard 1 --config project_match --engine ray --n-process 2",
    "project, a folder": "project shards out/x --lang es --config fitted",
    "project, one file": "project bitext.spacy out/x.spacy --lang es --config project_match",
    "convert": "convert src.conll out/x --shard 1 --lang es",
    "convert, one file": "convert src.conll out/x.jsonl --lang es",
    "pair": "pair src.conll tgt.txt out/x --lang es --shard 1 --tokens",
    "translate": "translate src.conll out/x --lang es --shard 1 --config translate --paths.memory memory.db",
    "teach": "teach raw.txt out/x --shard 3 --config teach.cfg",
    "fit": "fit bitext.spacy out/x --lang es --config project_match",
    "selftrain": "selftrain raw.txt out/x --teachers teach.cfg --config student_cpu --dev dev.spacy --lang es "
    f"--rounds 2 --patience 9 {TRAINING}",
    "tune": "tune bitext.spacy out/x --model encoder --steps 5 --every 1 --layer 3 --batch-tokens 300 --device cpu",
    "prune": "prune encoder raw.txt out/x",
    "vectors": "vectors raw.txt out/x --model encoder --lang es --width 4 --device cpu",
    "split": "split dev.spacy out/train.spacy out/dev.spacy --share 0.4",
    "memory": "memory verses.tsv more.tsv out/new.db --lang es",
    "memory, exported": "memory memory.db --export out/x.tsv --lang es",
    "evaluate": "evaluate src.conll tgt.conll --config project_match --lang es --output out/x.json",
    "inspect": "inspect projected.spacy --html out/x.html",
    "review export": "review export projected.spacy out/x.jsonl",
    "review page": "review export projected.spacy out/x.html --to page",
    "review import": "review import projected.spacy exported.jsonl out/x.jsonl",
    "review apply": "review apply projected.spacy answers.jsonl out/x.spacy --lexicon out/l.tsv --train out/t.spacy",
    "review round": "review round projected.spacy answers.jsonl out/x",
    "init": "init out/x --lang es --source src.conll --target tgt.txt",
    "config": "config project_match out/x.cfg",
}


def write_bitext(path: Path, verses: Iterable[tuple[str, str]]) -> None:
    """Write sentence pairs, with their names as entities of the source."""
    import spacy

    nlp, docs = spacy.blank("es"), []
    for source, target in verses:
        spans = [(i, i + 1, NAMES[word]) for i, word in enumerate(source.split()) if word in NAMES]
        docs.append(payload_doc(nlp, target, source, spans))
    DocBin(docs=docs, store_user_data=True).to_disk(path)


def make_inputs(folder: Path) -> None:
    """Write what the commands read, all but the projection."""
    make_encoder(folder / "encoder", positions=130)
    write_bitext(folder / "bitext.spacy", VERSES)
    written = {
        "src.conll": conll(source for source, _ in VERSES),
        "tgt.conll": conll(target for _, target in VERSES),
        "tgt.txt": "".join(f"{target}\n" for _, target in VERSES),
        "raw.txt": "".join(f"{text}\n" for text in texts(12, 0)),
        "verses.tsv": "".join(f"{source}\t{target}\n" for source, target in VERSES),
        "more.tsv": "".join(f"{source} {n}\t{target} {n}\n" for n in range(40) for source, target in VERSES),
        "teach.cfg": TEACHERS,
        "ranker.cfg": RANKER,
    }
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    gold(folder / "dev.spacy", texts(12, 1))
    Memory(folder / "memory.db").add(VERSES, "en", "es")
    (folder / "out").mkdir()


ONCE = ("init", "config")  # these never write over what is there

# What the verbs of review read, made by commands too; before the last one all that was exported is accepted.
BEFORE = (
    "project bitext.spacy projected.spacy --config ranker.cfg",
    "review export projected.spacy exported.jsonl --to prodigy",
    "convert bitext.spacy shards --shard 2 --lang es",
    "fit bitext.spacy fitted --lang es --config project_match",
    "review import projected.spacy exported.jsonl answers.jsonl",
)


def accept(folder: Path) -> None:
    """Accept what was exported for Prodigy."""
    path = folder / "exported.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(f"{json.dumps({**record, 'answer': 'accept'})}\n" for record in records), encoding="utf-8")
