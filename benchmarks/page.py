"""How long the page of `xproj inspect` takes to open in a headless Chromium, how much memory it needs, and how large
its file is.

    python -m benchmarks.page --sizes 1000,5000
    python -m benchmarks.page --figure docs/figures/page.png

The sentences are those of the shipped corpus, projected by `Ranker.v1`, as often as needed.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Optional

import spacy
from spacy.tokens import Doc

import spacy_xproj
from spacy_xproj.corpus import blank, read_docs
from spacy_xproj.corpus.pairing import pair_docs
from spacy_xproj.review.page import rows, write_page
from spacy_xproj.review.page.readings import find_readings, matcher_of

from .common import ROOT

CHROMIUM = "/usr/bin/chromium"
ASSETS = ROOT / "assets"
FIGURE = ("South Korea", "Berlin Philharmonic")  # what the figure is filtered by, and its span


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--sizes", default="1000,5000", help="Numbers of sentences.")
    parser.add_argument("--lang", default="es", choices=("es", "de"), help="The target language.")
    parser.add_argument("--browser", default=CHROMIUM, help="The program.")
    parser.add_argument("--figure", type=Path, help="Only draw the page of the shipped corpus there, as PNG.")
    options = parser.parse_args(arguments)
    docs, found = projected(options.lang)
    if options.figure is not None:
        return draw(docs, found, options.figure, options.browser)
    print("| sentences | file, MB | opens in, s | last span reached in, s | JavaScript heap, MB | renderer, MB |")
    print("|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for size in map(int, options.sizes.split(",")):
            path = Path(folder) / f"{size}.html"
            every = islice(cycle(zip(docs, found)), size)
            some = [row for k, (doc, mine) in enumerate(every) for row in rows(doc, f"{k}", readings=mine)]
            write_page(path, some, title=f"{size} sentences")
            figures = (path.stat().st_size / 1e6, *opened(path, options.browser))
            print(f"| {size:,} | " + " | ".join(f"{value:.2f}" for value in figures) + " |")


def projected(lang: str) -> tuple[list[Doc], list[dict]]:
    """The Docs of the shipped corpus as the ranker projects them, and the readings of their source spans."""
    nlp = spacy.blank(lang)
    nlp.add_pipe("xproj_aligner")
    nlp.add_pipe("xproj_matcher")
    source, target = (list(read_docs(ASSETS / f"train.{side}.jsonl", blank(side))) for side in ("en", lang))
    docs = list(pair_docs(source, target, nlp))
    spacy_xproj.fit(nlp, docs)
    docs = list(nlp.pipe(docs))
    matcher = matcher_of(nlp)
    assert matcher is not None
    return docs, list(find_readings(docs, matcher))


def opened(path: Path, browser: str) -> Iterator[float]:
    """Open a page, and go through its first and last spans.

    YIELDS (float): Seconds until the first sentence is drawn; seconds from the key that leads to the last span to its
        mark; then the JavaScript heap and the memory of the renderer, in which shared pages count in parts, in MB.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1400, "height": 900})
        begin = time.perf_counter()
        page.goto(path.as_uri(), wait_until="commit")
        page.wait_for_selector("article mark", timeout=60_000)
        yield time.perf_counter() - begin
        for _ in range(30):
            page.keyboard.press("j")
        page.mouse.wheel(0, 20_000)
        page.wait_for_timeout(500)
        begin = time.perf_counter()
        page.select_option("#sort", "order")
        page.locator("#sort").blur()
        page.keyboard.press("k")
        page.wait_for_selector("article.now mark.on")
        yield time.perf_counter() - begin
        client = page.context.new_cdp_session(page)
        client.send("Performance.enable")
        client.send("HeapProfiler.collectGarbage")
        metrics = {row["name"]: row["value"] for row in client.send("Performance.getMetrics")["metrics"]} or {}
        yield metrics.get("JSHeapUsedSize", 0.0) / 1e6
        processes = chromium.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
        yield max(own_memory(row["id"]) for row in processes if row["type"] == "renderer")
        chromium.close()


def draw(docs: list[Doc], found: list[dict], out: Path, browser: str) -> None:
    """Draw the page of some Docs, with a span chosen that has several likely candidates."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        some = [row for k, (doc, mine) in enumerate(zip(docs, found)) for row in rows(doc, f"{k}", readings=mine)]
        write_page(path, some, title="projected.spacy", source_lang="en", target_lang=docs[0].lang_)
        chromium = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1180, "height": 640})
        page.goto(path.as_uri())
        page.fill("#text", FIGURE[0])
        page.get_by_role("button", name=FIGURE[1]).first.click()
        page.wait_for_timeout(500)
        page.screenshot(path=out)
        chromium.close()


def own_memory(process: int) -> float:
    """The memory of a process in MB, shared pages counted in parts (PSS)."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    except OSError:  # it ended
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.M)
    return int(found[1]) / 1000 if found else 0.0


if __name__ == "__main__":
    main()
