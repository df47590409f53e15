"""Entities carried along by Apertium's tags against the learned matcher: `python -m benchmarks.disagreements`

How often the two agree on the translated gold English (UNER English EWT), and who is right where they do not, as read
by one person: `benchmarks/verdicts.jsonl` holds a sample of 100 with its verdicts, which is all of Spanish and a random
part of Catalan. "tags" or "matcher": that one covers exactly what the entity became (an article counts only if
the source span has one); "neither": both are wrong, or the translation tore the entity apart.

`--sample` writes the sample anew, with the verdicts of spans that are as they were; the others are left empty.
"""

import argparse
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import srsly

import spacy_xproj
from spacy_xproj.corpus import blank
from spacy_xproj.pipeline.translator import CARRIED

from .common import ROOT, table
from .translation import Run, gold_english, target_pipeline

VERDICTS = ROOT / "benchmarks" / "verdicts.jsonl"
SIZE = 100
LANGS = ("es", "ca")
ID = ("lang", "sentence", "label", "source", "tags", "matcher")


def compared(run: Run, lang: str) -> Iterator[dict[str, Any]]:
    """Each source entity with the two target spans, as text."""
    nlp = target_pipeline(run, "matcher", blank(lang))
    for number, doc in enumerate(spacy_xproj.project(gold_english(run), nlp, batch_size=1000)):
        carried, matched = ({s.id_: s for s in doc.spans[key]} for key in (CARRIED, "xproj"))
        for source in doc._.xproj.spans:
            words = " ".join(doc._.xproj.words[source.start : source.end])
            both = (carried.get(source.id), matched.get(source.id))
            ours = [span.text if span is not None else "" for span in both]
            same = None not in both and (both[0].start, both[0].end) == (both[1].start, both[1].end)
            row = dict(zip(ID, (lang, number, source.label, words, *ours)))
            yield {**row, "same": same, "text": doc._.xproj.text, "translation": doc.text}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=ROOT / "metrics" / "translation")
    parser.add_argument("--weights", default="", help="weights of the matcher, from an earlier run")
    parser.add_argument("--sample", action="store_true", help="write the sample anew")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    run = Run(args.work, 0, 0, {}, args.weights)
    read = (
        {tuple(row[k] for k in ID): row["verdict"] for row in srsly.read_jsonl(VERDICTS)} if VERDICTS.exists() else {}
    )
    rows, differ = [], {}
    for lang in LANGS:
        found = list(compared(run, lang))
        differ[lang] = [row for row in found if not row["same"]]
        agreed = 1 - len(differ[lang]) / len(found)
        verdicts = Counter(read.get(tuple(row[k] for k in ID), "not read") for row in differ[lang])
        rows.append(
            [lang, len(found), f"{agreed:.1%}", *(verdicts[v] for v in ("tags", "matcher", "neither", "not read"))]
        )
    print(table(["to", "entities", "agree", "tags right", "matcher right", "neither", "not read"], rows))
    if args.sample:
        first, *others = differ.values()
        rest = [row for more in others for row in more]
        some = sorted(random.Random(0).sample(range(len(rest)), max(SIZE - len(first), 0)))
        chosen = [*first, *(rest[k] for k in some)]
        kept = ({**{k: row[k] for k in ID}, "verdict": read.get(tuple(row[k] for k in ID), "")} for row in chosen)
        srsly.write_jsonl(VERDICTS, kept)
        for row in chosen:
            if tuple(row[k] for k in ID) not in read:
                print(f"\n{row['source']} ({row['label']})", row["text"], row["translation"], sep="\n  ")
                print(f"  tags: {row['tags']}\n  matcher: {row['matcher']}")


if __name__ == "__main__":
    main()
