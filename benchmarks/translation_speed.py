"""Speed of translation, and what becomes of entities: `python -m benchmarks.translation_speed apertium`

Apertium on gold English (UNER English EWT), sentence by sentence: called with a number of texts at a time, and through
the pipe, against the program `apertium` by itself on one file with all sentences (`apertium -u -f html-noent`), which
also starts once. Seconds on the clock, for the work is done by other processes; the systems take turns, and the best
time of each counts.
"""

import argparse
import html
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from time import perf_counter as clock

from spacy.tokens import Doc

import spacy_xproj
from spacy_xproj.corpus import blank
from spacy_xproj.translators.apertium import Apertium
from spacy_xproj.translators.apertium_stream import Piece, longest, parse, write

from .common import table
from .source_ner import english

LANGUAGES = ("es", "ca", "gl", "eo")
SIZES = (64, 256)


def char_spans(doc: Doc) -> list[tuple[int, int, str]]:
    return [(e.start_char, e.end_char, str(k)) for k, e in enumerate(doc.ents)]


def alone(mode: str, texts: list[str]) -> None:
    """The program by itself, once."""
    page = "\n".join(f"<p>{html.escape(text, quote=False)}</p>" for text in texts)
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    subprocess.run(
        ["apertium", "-u", "-f", "html-noent", mode], input=page.encode(), env=env, check=True, capture_output=True
    )


def called(translator: Apertium, docs: list[Doc], lang: str, size: int) -> None:
    for k in range(0, len(docs), size):
        batch = docs[k : k + size]
        translator.carry([doc.text for doc in batch], [char_spans(doc) for doc in batch], "en", lang)


def piped(docs: list[Doc], lang: str) -> None:
    """Labeled Docs in, target Docs with the payload out."""
    nlp = blank(lang)
    nlp.add_pipe("xproj_translator", config={"forward": {"@xproj_translators": "spacy_xproj.Apertium.v1"}})
    for _ in spacy_xproj.translate(docs, nlp):
        pass


def best_in_turn(times: int, systems: dict[str, Callable[[], None]]) -> dict[str, float]:
    """The least seconds of each system; they take turns."""
    best = dict.fromkeys(systems, float("inf"))
    for _ in range(times):
        for name, work in systems.items():
            start = clock()
            work()
            best[name] = min(best[name], clock() - start)
    return best


def apertium(times: int, languages: Sequence[str] = LANGUAGES) -> None:
    docs = english("uner")
    texts = [doc.text for doc in docs]
    words = sum(len(text.split()) for text in texts)
    translator = Apertium()
    rows, fates = [], []
    for lang in languages:
        mode = translator.mode("en", lang)
        systems: dict[str, Callable[[], None]] = {"apertium alone": lambda mode=mode: alone(mode, texts)}
        for size in SIZES:
            systems[f"carry, {size} texts"] = lambda lang=lang, size=size: called(translator, docs, lang, size)
        systems["pipe"] = lambda lang=lang: piped(docs, lang)
        best = best_in_turn(times, systems)
        for name, seconds in best.items():
            ratio = best["apertium alone"] / seconds
            rows.append([lang, name, f"{len(texts) / seconds:.0f}", f"{words / seconds:.0f}", f"{ratio:.2f}"])
        fates.append([lang, *fate_of_entities(translator, docs, lang)])
    print(f"\n## {len(texts)} sentences, {words} words\n")
    print(table(["to", "system", "sentences/s", "words/s", "ratio"], rows))
    print("\n## What became of the entities\n")
    print(table(["to", *FATES, "texts as without marks"], fates))


FATES = ("one piece", "over inserted words", "over one word from elsewhere", "longest piece", "lost")


def fate_of_entities(translator: Apertium, docs: list[Doc], lang: str) -> list[str]:
    """How many entities came out in each way; and how many of the texts that have some came out as without them."""
    docs = [doc for doc in docs if doc.ents]
    streams = [write(doc.text, char_spans(doc))[0] for doc in docs]
    plain = translator([doc.text for doc in docs], "en", lang)
    counts: Counter[int] = Counter()
    same = 0
    for doc, stream, without in zip(docs, translator._translate(translator.mode("en", lang), streams), plain):
        text, pieces = parse(str(stream))
        same += text == without.text
        counts.update(fate(number, pieces, text) for number in range(1, len(doc.ents) + 1))
    return [*(str(counts[k]) for k in range(len(FATES))), f"{same} of {len(docs)}"]


def fate(number: int, pieces: list[Piece], text: str) -> int:
    """Which of the fates befell one span."""
    own = [(start, end) for start, end, numbers in pieces if number in numbers]
    if not own:
        return 4
    first, last = own[0][0], own[-1][1]
    if longest(number, pieces, text) != [(first, last)]:
        return 3
    if any(first < a < last and number not in n and any(map(str.isalnum, text[a:b])) for a, b, n in pieces):
        return 2
    return int(any(text[end:start].strip() for (_, end), (start, _) in pairwise(own)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("system", choices=["apertium"])
    parser.add_argument("--times", type=int, default=3, help="runs, of which the best counts")
    parser.add_argument("--to", nargs="+", default=LANGUAGES, help="target languages")
    arguments = parser.parse_args()
    apertium(arguments.times, arguments.to)
