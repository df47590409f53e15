"""What projects in `benchmarks.peers`: one system by the Python that has it, `python -m benchmarks.peers_systems TASK`.

A task is a JSON file: `system`, `encoder` (the folder of a model), `layer`, `lang`, and `sentences`, each with `source`
and `target` words, `spans` as [start, end, label] and the `translations` of these alone. Beside it the spans of each
sentence on the target words are written, with the seconds of CPU time, and the number of spans on which the system
failed with an exception.
"""

import contextlib
import io
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

Sentence = dict[str, Any]
Spans = list[tuple[int, int, str]]
Project = Callable[[Sentence], Spans]
FAILED: list[str] = []  # what went wrong in a package, a span each


def offsets(words: list[str]) -> list[tuple[int, int]]:
    """Where each word begins and ends in the words joined by blanks."""
    ends = list(itertools.accumulate((len(word) + 1 for word in words), initial=0))
    return [(start, start + len(word)) for start, word in zip(ends, words)]


def words_of(start: int, end: int, words: list[str]) -> Iterator[int]:
    """The words that some characters touch: packages that cut the text otherwise are helped to whole words."""
    return (k for k, (a, b) in enumerate(offsets(words)) if a < end and start < b)


def simalign(task: dict[str, Any]) -> Project:
    """simalign with the usual script: the longest run of linked words, across gaps of one word."""
    from simalign import SentenceAligner

    made = SentenceAligner(model=task["encoder"], token_type="bpe", matching_methods="i", layer=task["layer"])

    def project(sentence: Sentence) -> Spans:
        links = made.get_word_aligns(sentence["source"], sentence["target"])["itermax"]
        found = []
        for start, end, label in sentence["spans"]:
            runs: list[list[int]] = []
            for word in sorted({j for i, j in links if start <= i < end}):
                if runs and word - runs[-1][-1] <= 2:
                    runs[-1].append(word)
                else:
                    runs.append([word])
            if runs:
                longest = max(runs, key=lambda run: run[-1] - run[0])
                found.append((longest[0], longest[-1] + 1, label))
        return found

    return project


def span_aligner(task: dict[str, Any]) -> Project:
    """`SpanProjector.project_spans` with its defaults, on raw text."""
    from span_aligner import SpanProjector

    made = SpanProjector("en", task["lang"], model=task["encoder"], layer=task["layer"], device="cpu")

    def project(sentence: Sentence) -> Spans:
        source, target = sentence["source"], sentence["target"]
        places, found = offsets(source), []
        for start, end, label in sentence["spans"]:
            given = {"start": places[start][0], "end": places[end - 1][1], "labels": [label]}
            try:
                rows = made.project_spans(" ".join(source), " ".join(target), [given])
            except Exception as error:
                FAILED.append(repr(error))
                continue
            for row in rows:
                touched = [*words_of(row["start"], row["end"], target)]
                found += [(touched[0], touched[-1] + 1, label)] if touched else []
        return found

    return project


def lingualigner(task: dict[str, Any], encoder: bool = True) -> Project:
    """`AlignmentPipeline.align_annotation` in the order that its README recommends, with the given encoder in place of
    the one that it fetches, or without any. Lemmas are those of spacy-lookups-data. It has no dictionary for `M_trans`.
    """
    import tempfile

    import spacy
    from LinguAligner import AlignmentPipeline
    from transformers import AutoModel, AutoTokenizer

    nlp = spacy.blank(task["lang"]) if task["lemmas"] else spacy.blank("xx")
    if task["lemmas"]:
        nlp.add_pipe("lemmatizer", config={"mode": "lookup"})
        nlp.initialize()
    config: dict[str, Any] = {"pipeline": ["lemma"] if task["lemmas"] else [], "WAligner_model": task["encoder"]}
    with tempfile.TemporaryDirectory() as folder:
        nlp.to_disk(folder)
        made = AlignmentPipeline({**config, "spacy_model": folder})
    if encoder:  # its own loader takes the vocabulary of a BERT alone
        made.tokenizer, made.model = (kind.from_pretrained(task["encoder"]) for kind in (AutoTokenizer, AutoModel))
        made.config["pipeline"].append("word_aligner")
    made.config["pipeline"] += ["gestalt", "levenshtein"]

    def project(sentence: Sentence) -> Spans:
        source, target = sentence["source"], sentence["target"]
        places, found = offsets(source), []
        for (start, end, label), translation in zip(sentence["spans"], sentence["translations"]):
            text, begin = " ".join(source[start:end]), places[start][0]
            try:
                _, (first, last), _ = made.align_annotation(
                    " ".join(source), text, " ".join(target), translation, begin
                )
            except Exception as error:
                FAILED.append(repr(error))
                continue
            touched = [*words_of(first, last + 1, target)]
            found += [(touched[0], touched[-1] + 1, label)] if touched else []
        return found

    return project


def ours(task: dict[str, Any]) -> Callable[[list[Sentence]], list[Spans]]:
    """A shipped config, fitted on these sentences."""
    from spacy.tokens import Doc

    from spacy_xproj import fit
    from spacy_xproj.bitext import Bitext, SourceSpan
    from spacy_xproj.runs.pipelines import load_pipeline

    from .common import ROOT

    nlp = load_pipeline(ROOT / "configs" / f"{task['config']}.cfg", overrides=task["overrides"])
    aligner: Any = nlp.get_pipe("xproj_aligner")
    if task["config"] == "project_encoder":  # its model is loaded when it is first needed
        aligner.aligner(Bitext("en", ("a",), (True,)).pairs(("a",)))

    def project(sentences: list[Sentence]) -> list[Spans]:
        docs = []
        for each in sentences:
            doc = Doc(nlp.vocab, words=each["target"])
            spans = [SourceSpan(*span, f"s{k}") for k, span in enumerate(each["spans"])]
            doc._.xproj = Bitext("en", each["source"], (True,) * len(each["source"]), spans)
            docs.append(doc)
        fit(nlp, docs)
        return [[(e.start, e.end, e.label_) for e in doc.ents] for doc in nlp.pipe(docs)]

    return project


SYSTEMS: dict[str, Callable[[dict[str, Any]], Project]] = {
    "simalign": simalign,
    "span-aligner": span_aligner,
    "LinguAligner": lingualigner,
    "LinguAligner-strings": partial(lingualigner, encoder=False),
}


def main(path: Path) -> None:
    task = json.loads(path.read_text(encoding="utf-8"))
    sentences = task["sentences"]
    with contextlib.redirect_stdout(io.StringIO()):
        if task["system"] == "ours":
            project = ours(task)
        else:
            one = SYSTEMS[task["system"]](task)
            one(sentences[0])
            FAILED.clear()

            def project(sentences: list[Sentence]) -> list[Spans]:
                return [one(sentence) if sentence["spans"] else [] for sentence in sentences]

        start = process_time()
        spans = project(sentences)
        seconds = process_time() - start
    found = {"spans": spans, "seconds": seconds, "failed": FAILED}
    path.with_suffix(".out").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
